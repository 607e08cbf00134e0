"""A lab of many small steps: it resumes from its checkpoint, and tells when another is at work.

It takes its orders from the job's corpus: ``STEPS`` steps of 0.1 s. It has a child, as a lab with
data loaders has.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    job = json.loads(Path("job.json").read_text())
    lock = Path("alone.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        Path("doubled").touch()
        sys.exit("another lab is at work in this folder")
    # The child holds the lock too, so one that outlives its lab shows.
    child = subprocess.Popen(["sleep", "120"], pass_fds=[lock.fileno()])
    with Path("starts.txt").open("a") as file:
        file.write(f"{os.getpid()} {child.pid} {os.getppid()}\n")
    signal.signal(signal.SIGTERM, lambda *_: (Path("told to stop").touch(), sys.exit(85)))
    checkpoint = Path("checkpoint")
    n_steps = int(checkpoint.read_text()) if checkpoint.exists() else 0
    while n_steps < int(job["corpus"]):
        time.sleep(0.1)
        n_steps += 1
        # Noted first: killed in between, it does that step again and misses none.
        with Path("steps.txt").open("a") as file:
            file.write(f"{n_steps}\n")
        Path("checkpoint.partial").write_text(str(n_steps))
        Path("checkpoint.partial").replace(checkpoint)
    child.kill()
    child.wait()
    answer = {key: job[key] for key in ("schema", "run_id", "kind")}
    answer |= {"status": "done", "finished": True, "loss_nats": 2.5, "record": {}}
    Path("result.partial").write_text(json.dumps(answer))
    Path("result.partial").replace("result.json")
