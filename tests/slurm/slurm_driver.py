"""A driver to be killed: it gives a job in each folder to Slurm and watches them for ever."""

import sys
import time
from pathlib import Path

from bayeslaw.executors.slurm import SlurmExecutor, SlurmOptions
from bayeslaw.runs import Job

TINY_LAB = Path(__file__).parents[1] / "executors" / "tiny_lab.py"

if __name__ == "__main__":
    folders = [Path(word) for word in sys.argv[1:]]
    executor = SlurmExecutor(
        len(folders),
        command=[sys.executable, str(TINY_LAB)],
        options=SlurmOptions(squeue_seconds=0.2),
    )
    jobs = [Job.read(folder / "wanted.json") for folder in folders]
    print("ready", flush=True)
    sys.stdin.readline()
    handles = [executor.submit(job, folder) for job, folder in zip(jobs, folders, strict=True)]
    while True:
        for handle in handles:
            executor.poll(handle)
        time.sleep(0.01)
