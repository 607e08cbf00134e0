"""Requests that schemathesis makes from openapi.json: valid, nearly valid and absurd."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from bayeslaw.errors import UnavailableError
from benchmarks.harness import WORK
from benchmarks.service.service_process import ServiceProcess
from benchmarks.service.slow_senders import difference
from benchmarks.service.studies import lay_plan, study_config

PIN = "schemathesis==4.32.5"
STUDY = "malformed"

_ENVIRONMENT = WORK / "service-schemathesis"
_HOOKS = Path(__file__).with_name("malformed_hooks.py")
# What these say would need a second login, or a delete that is followed by a look.
_LEFT_OUT = "ignored_auth,use_after_free,ensure_resource_availability,object_level_authorization"


def install() -> Path:
    """Make schemathesis an environment of its own, and return its program.

    Raises:
        UnavailableError: PyPI did not give it.
    """
    program = _ENVIRONMENT / "bin" / "schemathesis"
    if (_ENVIRONMENT / "complete").exists():
        return program
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(_ENVIRONMENT)],
        [str(_ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "-q", PIN],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise UnavailableError(f"`{' '.join(command)}` failed: {done.stderr.strip()[-500:]}")
    (_ENVIRONMENT / "complete").touch()
    return program


def send_malformed(folder: Path, *, n_an_operation: int, seed: int = 0) -> dict[str, Any]:
    """Send what schemathesis makes, with every check it knows, and look what it did to the server.

    Args:
        folder: For everything.
        n_an_operation: Random requests for each operation, beside those that walk through every
            bound of the schema [count].
        seed: Of schemathesis.
    """
    program = install()
    with ServiceProcess(folder / "home") as service:
        service.make("/v1/studies", {"config": study_config(STUDY)})
        lay_plan(folder / "home" / "study.db", STUDY, 2_000)
        run = service.make(f"/v1/studies/{STUDY}/runs:suggest", {"worker_id": "w"})["runs"][0]
        # Two admins: the one that schemathesis is may end others, and itself.
        asked = {"name": "observer", "scopes": ["admin"]}
        observer = service.make("/v1/tokens", asked)["secret"]
        sender = service.make("/v1/tokens", {**asked, "name": "schemathesis"})["secret"]
        schema = folder / "openapi.json"
        schema.write_text(json.dumps(service.call("GET", "/openapi.json", token=observer)[1]))
        before = service.usage()
        report = _run(program, service, folder, schema, sender, run["run_id"], n_an_operation, seed)
        statuses = _statuses(service, observer)
        after = service.usage()
        ready = service.call("GET", "/readyz", token="")[0]
        return {
            "schemathesis": PIN,
            "n_cases": report["test_cases"]["generated"],
            "n_operations": report["operations"]["tested"],
            "phases": {name: phase["status"] for name, phase in report["phases"].items()},
            "failures": {
                found["title"]: {"n": found["count"], "operations": found["operations"]}
                for found in report["failures"]
            },
            "errors": report["errors"][:10],
            "network_errors": _network_errors(folder),
            "statuses": statuses,
            "n_5xx_but_503": sum(
                n for status, n in statuses.items() if status[0] == "5" and status != "503"
            ),
            "tracebacks_in_log": service.log().count("Traceback"),
            "ready_afterwards": ready,
            "leak": difference(before, after),
        }


def _run(
    program: Path,
    service: ServiceProcess,
    folder: Path,
    schema: Path,
    token: str,
    run_id: str,
    n_an_operation: int,
    seed: int,
) -> dict[str, Any]:
    report = folder / "schemathesis.json"
    command = [
        str(program), "run", str(schema), "--url", service.url,
        "--header", f"Authorization: Bearer {token}",
        "--phases", "examples,coverage,fuzzing", "--max-examples", str(n_an_operation),
        "--checks", "all", "--exclude-checks", _LEFT_OUT, "--continue-on-failure", "--no-shrink",
        "--request-timeout", "10", "--seed", str(seed),
        "--report", "json", "--report-json-path", str(report),
    ]  # fmt: skip
    known = {"SCHEMATHESIS_HOOKS": str(_HOOKS), "BAYESLAW_STUDY": STUDY, "BAYESLAW_RUN": run_id}
    with (folder / "schemathesis.log").open("w") as log:
        # Its exit status is 1 when a check failed, which the report tells better.
        subprocess.run(
            command, stdout=log, stderr=log, cwd=folder, env=os.environ | known, check=False
        )
    if not report.exists():
        raise UnavailableError(
            f"schemathesis failed: {(folder / 'schemathesis.log').read_text()[-2000:]}"
        )
    return json.loads(report.read_text())


def _network_errors(folder: Path) -> list[str]:
    """Return what schemathesis says of requests that got no answer."""
    text = (folder / "schemathesis.log").read_text()
    return re.findall(r"Network Error.{0,600}", text, flags=re.DOTALL)[:5]


def _statuses(service: ServiceProcess, token: str) -> dict[str, int]:
    """Return how many requests the service says it answered with which status."""
    import urllib.request

    request = urllib.request.Request(f"{service.url}/metrics")
    request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read().decode()
    counts: Counter[str] = Counter()
    for line in text.splitlines():
        if line.startswith("bayeslaw_requests_total{"):
            status = re.search(r'status="(\d+)"', line)
            assert status is not None, line
            counts[status.group(1)] += int(float(line.rpartition(" ")[2]))
    return dict(counts)
