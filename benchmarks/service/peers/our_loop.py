"""A worker of ours: suggest, one heartbeat, one loss on the way, complete."""

import itertools
import threading

from bayeslaw.client import Client


class Loop:
    """Drive the study through a client for each worker, as workers of their own would."""

    def __init__(self, endpoint):
        self.url, *self.tokens = endpoint.split(",")
        self.numbers = itertools.count()
        self.local = threading.local()

    def study(self):
        if not hasattr(self.local, "study"):
            token = self.tokens[next(self.numbers) % len(self.tokens)]
            self.local.study = Client(self.url, token).study("race")
        return self.local.study

    def suggest(self, worker_id):
        leased = self.study().suggest(worker_id, wait_s=30.0)
        if not leased:
            raise RuntimeError(f"no run: {leased.reason}")
        return leased[0], worker_id

    def heartbeat(self, run):
        self.study().heartbeat(run[0], worker_id=run[1], progress={"step": 1})

    def report(self, run):
        points = [{"n_tokens": 1000, "loss_nats": 3.5}]
        self.study().report(run[0], points, worker_id=run[1])

    def complete(self, run):
        self.study().complete(run[0], loss_nats=3.25, cost_gpu_hours=0.01, worker_id=run[1])

    def n_stored(self):
        return self.study().get().runs["done"]
