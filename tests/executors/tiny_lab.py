"""A lab in a few lines: it speaks job.json and result.json, and does as the job's corpus says."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def main():
    job = json.loads(Path("job.json").read_text())
    with Path("starts.txt").open("a") as file:
        file.write(f"{os.getpid()} {job['threads']} {os.environ['OMP_NUM_THREADS']}\n")
    what, _, argument = job["corpus"].partition(":")
    print(json.dumps({"step": 1}), flush=True)
    if what == "crash":
        print("the disk is on fire", file=sys.stderr)
        sys.exit(3)
    if what == "requeue" and int(os.environ["BAYESLAW_ATTEMPT"]) <= int(argument):
        sys.exit(85)
    if what == "polite" and os.environ["BAYESLAW_ATTEMPT"] == "1":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(85))
        Path("listening").touch()
        time.sleep(60)
    if what == "child":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        Path("child.pid").write_text(str(child.pid))
        time.sleep(60)
    if what == "sleep":
        time.sleep(float(argument))
    if what == "checkpoint" and not Path("checkpoint").exists():
        Path("checkpoint").write_text("halfway")
        time.sleep(60)
    while what == "flag" and not Path(argument).exists():
        time.sleep(0.01)
    print(json.dumps({"step": 2}) + "\n" + '{"step": 3, "unfin', flush=True)
    result = {
        "schema": job["schema"],
        "run_id": "somebody else" if what == "stranger" else job["run_id"],
        "kind": job["kind"],
        "status": "done",
        "finished": True,
        "loss_nats": float("nan") if what == "nan" else 2.5,
        "seconds": 7.2,
        "record": None if what == "no record" else {},
    }
    Path("result.partial").write_text(json.dumps(result))
    Path("result.partial").replace("result.json")


if __name__ == "__main__":
    main()
