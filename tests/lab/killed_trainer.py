"""Trains a job twice from one warm process: undisturbed, and killed with -9 at random steps.

killed_trainer.py FOLDER N_KILLS SEED: FOLDER/whole and FOLDER/killed hold job.json; each gets its
result.json. Prints the places of the kills as JSON: [branches finished, on a branch, step, moment].
"""

import functools
import gc
import importlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from bayeslaw.lab.__main__ import main
from bayeslaw.lab.train.checkpoint import Checkpoints
from bayeslaw.lab.train.loop import train

MOMENTS = ("before it is saved", "as it is written", "once it is saved")
save = Checkpoints.save


def place_of(progress):
    return [len(progress["branches"]), progress["on_branch"], progress["step"]]


def save_that_dies_at(place, moment, delay):
    def dying_save(self, state, progress):
        dies = place_of(progress) == place
        if dies and moment == MOMENTS[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        save(self, state, progress)
        if dies:
            time.sleep(delay) if moment == MOMENTS[1] else self.wait()
            os.kill(os.getpid(), signal.SIGKILL)

    return dying_save


def live(folder, save_of_this_life):
    """Run the job in a fork; return its exit code."""
    pid = os.fork()
    if pid == 0:
        Checkpoints.save = save_of_this_life
        os._exit(main([str(folder / "job.json")]))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    folder, n_kills, chance = Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))
    sys.stdout, report = sys.stderr, sys.stdout
    # The package's face has a function of the module's name.
    lab = importlib.import_module("bayeslaw.lab.run_job")
    lab.train = functools.partial(train, checkpoint_seconds=0.0)

    def noting_save(self, state, progress):
        with (folder / "places.txt").open("a") as file:
            file.write(json.dumps(place_of(progress)) + "\n")

    gc.freeze()  # a collection in a fork would copy all that was imported
    assert live(folder / "whole", noting_save) == 0
    places = [json.loads(line) for line in (folder / "places.txt").read_text().splitlines()]
    deaths = []
    for index in sorted(chance.sample(range(len(places)), n_kills)):
        place, moment, delay = places[index], MOMENTS[len(deaths) % 3], chance.uniform(0, 0.03)
        code = live(folder / "killed", save_that_dies_at(place, moment, delay))
        assert code == -signal.SIGKILL, code
        deaths.append([*place, moment])
    assert live(folder / "killed", save) == 0
    print(json.dumps(deaths), file=report)
