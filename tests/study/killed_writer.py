"""Work on a study until killed: for each line on stdin, fork a worker of that name.

A worker writes down what was acknowledged to it, after it was; the file outlives the worker.
"""

import os
import signal
import sys
import time

from bayeslaw.runs import JobResult, Run
from bayeslaw.store import SqlStore
from bayeslaw.study.state import StudyState


def work(worker, path, acknowledged, lease_seconds):
    seconds = float(lease_seconds)
    file = os.open(acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(kind, run_id):
        os.write(file, f"{kind} {run_id} {worker}\n".encode())

    state = StudyState(SqlStore(path), "s", max_lost=1000)
    while True:
        run = state.lease(worker, seconds)
        if run is None:
            name = f"r{time.monotonic_ns()}"
            state.add_runs([Run(name, n_tokens=1)], documents={"plan": name})
            note("run_planned", name)
            continue
        note("run_leased", run.run_id)
        try:
            state.heartbeat(run.run_id, worker, seconds)
        except Exception:
            continue
        note("run_heartbeat", run.run_id)
        result = JobResult(
            run.run_id, "train", "done", finished=True, loss_nats=2.0, seconds=time.monotonic()
        )
        if state.complete(run.run_id, result, worker_id=worker).cost_gpu_hours == (
            result.seconds / 3600
        ):
            note("run_done", run.run_id)


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # What is slow the first time is done before the first fork.
    with SqlStore(sys.argv[1]) as store:
        StudyState(store, "s").status()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            work(line.strip(), *sys.argv[1:])
        print(pid, flush=True)
