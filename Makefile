# Two commands do everything: `make demo` and `make test`. Each sets itself up.
PYTHON ?= python3.11
PYTHON312 ?= $(or $(lastword $(sort $(wildcard $(HOME)/.pyenv/versions/3.12.*/bin/python3.12))),python3.12)
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
TORCH  := $(shell grep -E '^torch==' constraints.txt)

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench calibrate measure-gpu test-postgres test-slurm test-ray test-gpu test-slow test-arviz1 test-notebooks format client-types constraints clean

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(READY) ## make .venv with exact versions (kept for next time)

# pip takes torch from wherever pip is told to look; uv brings the rest in seconds.
$(READY): pyproject.toml constraints.txt
	@start=$$(date +%s); set -e; \
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV); \
	$(BIN)/pip install --quiet --disable-pip-version-check uv; \
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt $(TORCH); \
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[dev]'; \
	touch $@; echo "set-up took $$(( $$(date +%s) - start )) s"

demo: setup ## the whole loop on real input; writes demo/report.html and demo/summary.json
	$(BIN)/bayeslaw run search/demo.yaml --folder demo

# A worker a core; at their default threads two of them would spin for each other's cores.
test: setup ## the default tests, import rules included
	$(BIN)/lint-imports --no-cache
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

check: setup ## style, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/pyright

bench: setup ## quick form of every benchmark
	$(BIN)/python -m benchmarks.loop --quick --json benchmarks/results/loop-quick.json
	$(BIN)/python -m benchmarks.trainer --quick --json benchmarks/results/trainer-quick.json
	$(BIN)/python -m benchmarks.lr_sweep --quick --json benchmarks/results/lr-sweep-quick.json
	$(BIN)/python -m benchmarks.corpus --quick --json benchmarks/results/corpus-quick.json
	$(BIN)/python -m benchmarks.tiny_suite --quick --json benchmarks/results/tiny-suite-quick.json
	$(BIN)/python -m benchmarks.posterior_speed --quick --json benchmarks/results/posterior-speed-quick.json
	$(BIN)/python -m benchmarks.extrapolation --fit ../shared/data --quick --json benchmarks/results/extrapolation-quick.json
	$(BIN)/python -m benchmarks.latency_surrogate --data ../shared/data --quick --json benchmarks/results/latency-surrogate-quick.json
	$(BIN)/python -m benchmarks.scalebench --data ../shared/data --quick --json benchmarks/results/scalebench-quick.json
	$(BIN)/python -m benchmarks.digital_twin --quick --json benchmarks/results/digital-twin-quick.json
	$(BIN)/python -m benchmarks.replay --data ../shared/data --quick --json benchmarks/results/replay-quick.json
	$(BIN)/python -m benchmarks.suggest_speed --quick --json benchmarks/results/suggest-speed-quick.json
	$(BIN)/python -m benchmarks.service --quick --json benchmarks/results/service-quick.json

calibrate: setup ## hours: do truths rank evenly among their own posterior's draws, law by law?
	$(BIN)/python -m benchmarks.calibrate --json benchmarks/results/calibration.json --picture docs/calibration.png

test-postgres: setup ## the store and the service on a real Postgres, brought by a wheel
	$(BIN)/pytest -m postgres -W 'ignore:XDG_RUNTIME_DIR' tests/contracts tests/store tests/service

test-slurm: setup ## executors and studies on a real three-node Slurm on loopback (Debian, root)
	@(for each in slurmctld slurmd munged sbatch; do command -v $$each > /dev/null || exit 1; done) || { \
		test "$$(id -u)" = 0 && command -v apt-get > /dev/null || { \
			echo "Slurm is not installed, and only root on Debian can: apt-get install slurmctld slurmd slurm-client munge" >&2; exit 1; }; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurmctld slurmd slurm-client munge; }
	@test "$$(id -u)" = 0 || { echo "the cluster's daemons must run as root: sudo make test-slurm" >&2; exit 1; }
	$(BIN)/pytest -m slurm tests/contracts/test_executor_contract.py tests/slurm

test-ray: setup ## the executor's contract, and a study, on a real Ray whose workers and nodes are killed
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[ray]' ray==2.60.0
	$(BIN)/pytest -m ray tests/contracts tests/ray

test-gpu: setup ## the tests that need an NVIDIA GPU
	$(BIN)/pytest -m gpu

DEVICE ?= h100-sxm
measure-gpu: setup ## 16 minutes on an NVIDIA GPU: decode beside generate, and our latency table
	$(BIN)/python -m benchmarks.gpu.decode --json benchmarks/results/$(DEVICE)/decode.json
	$(BIN)/python -m benchmarks.gpu.measure_space --out benchmarks/results/$(DEVICE)
	$(BIN)/python -m benchmarks.gpu.measure_space --table benchmarks/results/$(DEVICE)/latency.jsonl --out benchmarks/results/$(DEVICE)/latency.parquet

test-slow: setup ## the tests that take minutes or download text
	$(BIN)/pytest -m slow

# ArviZ 1.x needs Python 3.12; the laws need no torch, and here nothing could bring it.
test-arviz1: setup ## the tests of models/loss under Python 3.12 with ArviZ 1.x and no torch
	@test -x .venv-arviz1/bin/python || $(BIN)/uv venv --quiet --python $(PYTHON312) .venv-arviz1
	$(BIN)/uv pip install --quiet --python .venv-arviz1/bin/python -r tests/models/loss/arviz1-requirements.txt
	$(BIN)/uv pip install --quiet --python .venv-arviz1/bin/python --no-deps -e .
	.venv-arviz1/bin/python -c "import arviz, importlib.util as u; assert int(arviz.__version__[0]) >= 1 and u.find_spec('torch') is None; print('ArviZ', arviz.__version__)"
	.venv-arviz1/bin/python -m pytest tests/models/loss

test-notebooks: setup ## run every notebook, small, and check the number it ends with
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[notebooks]'
	BAYESLAW_SMOKE=1 $(BIN)/pytest --nbmake --nbmake-timeout=600 notebooks

format: setup ## let the formatter decide
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

client-types: setup ## write the client's types from docs/openapi.json
	$(BIN)/uv pip install --quiet --python $(BIN)/python 'datamodel-code-generator==0.89.0'
	$(BIN)/python tests/client/generate_types.py

constraints: setup ## write constraints.txt from what is installed
	@$(BIN)/uv pip freeze --python $(BIN)/python --exclude-editable | grep -v '^uv==' | sed 's/+cpu//' > constraints.new
	@grep '^#' constraints.txt | cat - constraints.new > constraints.tmp && mv constraints.tmp constraints.txt && rm constraints.new

clean: ## forget the environment and the demo
	rm -rf $(VENV) .venv-arviz1 demo
