"""The fitter: a process of its own that fits laws, one request a line, and is sent away when it fails.

It reads a request from its standard input and writes an answer to its standard output, each a line
of JSON. It holds nothing: killed at any moment, nothing is lost but the fit under way.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from bayeslaw.errors import BayeslawError
from bayeslaw.models.loss import LAWS, fit_law
from bayeslaw.runs import Run, RunTable
from bayeslaw.service.planner.parent import end_with
from bayeslaw.service.planner.posteriors import PosteriorFolder
from bayeslaw.service.planner.trouble import problem_of

_LOG = logging.getLogger("bayeslaw.fitter")


def main() -> None:
    """Answer requests until the standard input ends."""
    parser = argparse.ArgumentParser(description="Fits laws for a planner; started by it.")
    parser.add_argument("--parent", type=int, required=True)
    end_with(parser.parse_args().parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("bayeslaw").setLevel(logging.INFO)
    # Libraries may print; only answers may reach the planner.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # Loaded now, and not when the first result is waited for.
    importlib.import_module("bayeslaw.models.loss.sampling")
    importlib.import_module("bayeslaw.models.loss.arviz_bridge")
    serve(sys.stdin, answers)


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer each line with a line."""
    for line in requests:
        answers.write(json.dumps(answer(json.loads(line))) + "\n")
        answers.flush()


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Return what `fit` does, or the ``error`` for which it could not."""
    try:
        return fit(request)
    except Exception as error:
        if not isinstance(error, BayeslawError):
            _LOG.exception("fitting %s failed", request.get("study_id"))
        return {"error": problem_of(error)}


def fit(request: dict[str, Any]) -> dict[str, Any]:
    """Fit a study's laws and write the posteriors.

    Args:
        request: ``study_id``, ``laws``, ``method``, ``seed``, ``home`` and ``runs``.

    Raises:
        BayeslawError: The runs or a law do not allow it.
    """
    began = time.monotonic()
    table = RunTable.from_runs(
        [Run.from_dict(values) for values in request["runs"]], source=request["study_id"]
    )
    laws, method = request["laws"], request["method"]
    posteriors = [fit_law(LAWS[name], table, method=method, seed=request["seed"]) for name in laws]
    kept = PosteriorFolder(Path(request["home"]), request["study_id"], laws)
    place = kept.place(table.fingerprint, method)
    kept.write(posteriors, place)
    return {"place": str(place), "seconds": time.monotonic() - began}


if __name__ == "__main__":
    main()
