"""A driver to be killed or told to end: submits the job of FOLDER/wanted.json to Ray and polls for ever.

ray_driver.py FOLDER [ADDRESS]: on the cluster at the address, or on one of its own.
"""

import signal
import sys
import time
from pathlib import Path

from bayeslaw.executors.ray import RayExecutor, RayOptions
from bayeslaw.runs import Job

if __name__ == "__main__":
    # A shell that runs us in the background may have us ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = Path(sys.argv[1])
    with RayExecutor(
        command=[sys.executable, str(Path(__file__).with_name("steady_lab.py"))],
        threads=1,
        options=RayOptions(address=sys.argv[2] if len(sys.argv) > 2 else None),
    ) as executor:
        handle = executor.submit(Job.read(folder / "wanted.json"), folder)
        while True:
            executor.poll(handle)
            time.sleep(0.05)
