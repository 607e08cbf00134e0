"""A driver to be killed: on a line of stdin it submits a job to each folder and waits for ever.

killed_driver.py with|without FOLDER... : inside a with block of the executor, or not.
"""

import contextlib
import signal
import sys
import time
from pathlib import Path

from bayeslaw.executors import LocalExecutor
from bayeslaw.runs import Job

if __name__ == "__main__":
    # A shell that runs us in the background may have us ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    manner, *folders = sys.argv[1:]
    lab = [sys.executable, str(Path(__file__).with_name("tiny_lab.py"))]
    executor = LocalExecutor(len(folders), command=lab, threads=1)
    with executor if manner == "with" else contextlib.nullcontext():
        jobs = [Job.read(Path(folder) / "wanted.json") for folder in folders]
        print("ready", flush=True)
        sys.stdin.readline()
        handles = [
            executor.submit(job, Path(folder)) for job, folder in zip(jobs, folders, strict=True)
        ]
        print("submitted", flush=True)
        while True:
            for handle in handles:
                executor.poll(handle)
            time.sleep(0.01)
