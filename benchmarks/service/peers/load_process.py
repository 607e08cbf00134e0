"""Workers in threads: one load process, run by the interpreter that has a contestant's client.

load_process.py LOOP.py ENDPOINT OUT.json FIRST LAST: prints ``ready`` once connected, reads a line
``BEGIN END`` (of the monotonic clock, which all processes share), works until END, and writes what
it saw between the two. Standard library only.
"""

import contextlib
import importlib.util
import json
import sys
import threading
import time
from collections import Counter


class Worker(threading.Thread):
    """Go through the loop until the time is over."""

    def __init__(self, loop, name, begin, end):
        super().__init__(name=name)
        self.loop, self.begin, self.end = loop, begin, end
        self.suggest_ms, self.completed_at = [], []
        self.errors = Counter()
        self.n_acknowledged = 0

    def run(self):
        while time.monotonic() < self.end:
            try:
                self.go_round()
            except Exception as error:
                if time.monotonic() >= self.begin:
                    self.errors[f"{type(error).__name__}: {error}"[:200]] += 1
                time.sleep(0.05)

    def go_round(self):
        asked = time.monotonic()
        run = self.loop.suggest(self.name)
        answered = time.monotonic()
        self.loop.heartbeat(run)
        self.loop.report(run)
        self.loop.complete(run)
        done = time.monotonic()
        self.n_acknowledged += 1
        if self.begin <= asked < self.end:
            self.suggest_ms.append(1e3 * (answered - asked))
        if self.begin <= done < self.end:
            self.completed_at.append(done - self.begin)


def main(loop_file, endpoint, out, first, last):
    spec = importlib.util.spec_from_file_location("contestant_loop", loop_file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with contextlib.redirect_stdout(sys.stderr):
        spec.loader.exec_module(module)
        loop = module.Loop(endpoint)
    print("ready", flush=True)
    begin, end = map(float, sys.stdin.readline().split())
    workers = [Worker(loop, f"worker-{i}", begin, end) for i in range(int(first), int(last))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    errors = sum((worker.errors for worker in workers), Counter())
    answer = {
        "suggest_ms": [ms for worker in workers for ms in worker.suggest_ms],
        "completed_at": [at for worker in workers for at in worker.completed_at],
        "errors": dict(errors.most_common(5)),
        "n_errors": errors.total(),
        "n_acknowledged": sum(worker.n_acknowledged for worker in workers),
        "cpu_s": time.process_time(),
    }
    with open(out, "w") as file:
        json.dump(answer, file)
    print("worked", flush=True)
    # The last to be asked counts what the service has, when nobody works any more.
    if sys.stdin.readline().strip() == "count":
        print(loop.n_stored(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
