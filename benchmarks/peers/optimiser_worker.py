"""Serve one optimiser over pipes: a line of JSON in, a line of JSON out.

Runs in the environment of `benchmarks.peers.optimiser`, which knows nothing of bayeslaw. Words are

    {"do": "start", "optimiser": NAME, "seed": 0, "space": [...], "objectives": [...], "limits": {...}}
    {"do": "tell", "runs": [{"parameters": {...}, "values": {...} or null, "token": null}, ...]}
    {"do": "wait", "runs": [{"parameters": {...}}, ...]}
    {"do": "ask", "n": 4}                        -> {"asked": [{"token", "parameters"}], "seconds"}

``values`` null is a failed run. A token says which asked run a told one answers; the told
parameters may differ from the asked ones (the nearest that a pool had).
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import warnings
from typing import Any

_MODULES = {"ax": "ax_worker", "botorch": "botorch_worker", "optuna": "optuna_worker"}


def main() -> None:
    warnings.simplefilter("ignore")
    # What an optimiser prints must not end up between our lines.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    optimiser: Any = None
    for line in sys.stdin:
        request = json.loads(line)
        start = time.perf_counter(), time.process_time()
        answer: dict[str, Any] = {}
        match request.pop("do"):
            case "start":
                module = importlib.import_module(_MODULES[request["optimiser"].split("_")[0]])
                optimiser = module.start(**request)
            case "tell":
                optimiser.tell(request["runs"])
            case "wait":
                optimiser.wait(request["runs"])
            case "ask":
                answer["asked"] = optimiser.ask(request["n"])
        answer["seconds"] = time.perf_counter() - start[0]
        answer["cpu_seconds"] = time.process_time() - start[1]
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
