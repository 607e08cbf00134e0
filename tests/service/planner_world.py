"""A small study and a lab that answers at once, for tests of the planner."""

from pathlib import Path

import numpy as np

from bayeslaw.runs import JobResult, Measurement, Run
from bayeslaw.service.planner import fitting
from bayeslaw.service.planner.fitter import Fit
from bayeslaw.study.config import StudyConfig
from bayeslaw.study.state import StudyState

CONFIG = {
    "name": "small",
    "space": {
        "axes": {
            "n_layers": [1, 2, 3, 4], "d_model": {"min": 32, "max": 128, "step": 16},
            "n_heads": [1, 2, 4], "n_kv_heads": [1, 2, 4], "head_dim": [16, 32],
            "d_ff": {"min": 64, "max": 512, "step": 32}, "vocab_size": 256,
            "tied_embeddings": True, "n_tokens": [100_000, 200_000, 400_000],
        },
        "constraints": ["0.5 * d_model <= n_heads * head_dim", "n_heads * head_dim <= 2 * d_model"],
    },
    "train": {"constraints": ["n_params <= 120e3"], "seq_len": 64},
    "target": {
        "n_params": 300_000, "n_tokens": 1_000_000, "tolerance": 0.1,
        "baseline": {"n_layers": 2, "d_model": 112, "n_heads": 4, "n_kv_heads": 2, "head_dim": 32,
                     "d_ff": 288, "tied_embeddings": True},
        "objectives": ["-loss_nats", "-tpot_ms"], "limits": ["tpot_ms <= baseline"],
    },
    "plan": {"initial_runs": 4, "rounds": 4, "runs_per_round": 2, "pool": 48, "measured": 4,
             "budget_gpu_hours": 10.0, "laws": ["chinchilla"]},
}  # fmt: skip


def config_of(**plan):
    """Return the study with other words in its plan."""
    return StudyConfig.from_dict({**CONFIG, "plan": {**CONFIG["plan"], **plan}})


def begin(store, name="small", **plan):
    """Begin a study and return its state."""
    config = {**config_of(**plan).to_dict(), "name": name}
    return StudyState.create(store, name, config)


def loss_of(run):
    """Return the truth, with a scatter of its own."""
    n, d = run.architecture.n_params, run.n_tokens
    scatter = 0.01 * np.random.default_rng([n, d]).standard_normal()
    return float((1.2 + 40 * n**-0.35 + 30 * d**-0.28) * np.exp(scatter))


def result_of(run):
    """Return what a lab answers at the end of a run."""
    seconds = 6 * run.architecture.n_params * run.n_tokens / 1e10
    return JobResult(
        run.run_id, "train", "done", finished=True, loss_nats=loss_of(run), seconds=seconds
    )


def work(state, worker="w", n_runs=1):
    """Ask for runs, end them, and return them."""
    done = []
    for _ in range(n_runs):
        for entry in state.suggest(worker):
            done.append(state.complete(entry.run.run_id, result_of(entry.run), worker_id=worker))
    return done


def history(candidates, purpose="imported"):
    """Return done runs of these candidates."""
    runs = []
    for number, candidate in enumerate(candidates):
        run = Run(f"h{number}", candidate.n_tokens, candidate.architecture, purpose=purpose)
        result = result_of(run)
        runs.append(run.complete(loss_nats=result.loss_nats, cost_gpu_hours=result.seconds / 3600))
    return runs


def timing_of(architecture, workload):
    """Return a timing that follows from the size."""
    tpot_ms = 0.02 * architecture.n_layers + 1e-6 * architecture.n_params
    return Measurement(
        architecture, workload, "cpu", "torch 2", 10 * tpot_ms, tpot_ms, 0.001, 0.001, 10
    )


class FitterHere:
    """Fit in this process: the same fits as the fitter's, without its start of several seconds."""

    def __init__(self):
        self.asked = None
        self._fit = None

    is_free = property(lambda self: self.asked is None)

    def warm_up(self):
        """Nothing to start."""

    def ask(self, request):
        self.asked = request
        answer = fitting.answer(request)
        place = Path(answer["place"]) if "place" in answer else None
        self._fit = Fit(request, place, answer.get("seconds", 0.0), answer.get("error"))

    def poll(self):
        fit, self.asked, self._fit = self._fit, None, None
        return fit

    def close(self):
        """Nothing to end."""


def settle(planner, most=20):
    """Step until nothing is left to do."""
    for _ in range(most):
        if not planner.step() and planner.fitter.asked is None:
            return
    raise AssertionError("the planner did not come to rest")
