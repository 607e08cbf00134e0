"""A worker of Optuna's: ask, one heartbeat, one intermediate value, tell."""

# pyright: reportMissingImports=false

import os
import time
import warnings

import optuna
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.storages import GrpcStorageProxy
from optuna.trial import TrialState

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)

# The seven axes of search/demo.yaml; each is one more call to the storage.
SPACE = {
    "n_layers": CategoricalDistribution([2, 3, 4, 6, 8]),
    "d_model": IntDistribution(32, 192, step=16),
    "n_heads": CategoricalDistribution([1, 2, 3, 4, 6, 8]),
    "n_kv_heads": CategoricalDistribution([1, 2, 3, 4, 6, 8]),
    "head_dim": CategoricalDistribution([16, 32]),
    "d_ff": IntDistribution(32, 768, step=32),
    "n_tokens": CategoricalDistribution([250_000, 400_000, 600_000, 900_000]),
}


class Loop:
    """Drive the study through one proxy a process, its cache shared by the process's workers.

    A cache for each worker would load the server more: each would fetch every finished trial.
    """

    def __init__(self, endpoint):
        host, _, port = endpoint.partition(":")
        self.storage = GrpcStorageProxy(host=host, port=int(port))
        sampler = optuna.samplers.RandomSampler(seed=os.getpid())
        self.study = optuna.load_study(study_name="race", storage=self.storage, sampler=sampler)

    def suggest(self, worker_id):
        return self.study.ask(SPACE)

    def heartbeat(self, trial):
        self.storage.set_trial_system_attr(trial._trial_id, "heartbeat", time.time())

    def report(self, trial):
        trial.report(3.5, step=1)

    def complete(self, trial):
        self.study.tell(trial, 3.25)

    def n_stored(self):
        return len(self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
