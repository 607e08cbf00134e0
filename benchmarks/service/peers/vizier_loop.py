"""A worker of Vizier's: suggest, one heartbeat (a measurement), one measurement, complete."""

# pyright: reportMissingImports=false

from absl import logging
from vizier._src.service import vizier_client
from vizier.service import clients
from vizier.service import pyvizier as vz

logging.set_verbosity(logging.ERROR)

# The seven axes of search/demo.yaml.
AXES = {
    "n_layers": [2, 3, 4, 6, 8],
    "d_model": list(range(32, 193, 16)),
    "n_heads": [1, 2, 3, 4, 6, 8],
    "n_kv_heads": [1, 2, 3, 4, 6, 8],
    "head_dim": [16, 32],
    "d_ff": list(range(32, 769, 32)),
    "n_tokens": [250_000, 400_000, 600_000, 900_000],
}


class Loop:
    """Drive the study through one client a process."""

    def __init__(self, endpoint):
        # An operation that is under way is asked for again after 10 ms, where a second is usual.
        vizier_client.environment_variables.server_endpoint = endpoint
        vizier_client.environment_variables.new_suggestion_polling_secs = 0.01
        problem = vz.ProblemStatement()
        for name, values in AXES.items():
            problem.search_space.root.add_discrete_param(name, values)
        problem.metric_information.append(
            vz.MetricInformation(name="loss", goal=vz.ObjectiveMetricGoal.MINIMIZE)
        )
        config = vz.StudyConfig.from_problem(problem)
        config.algorithm = "RANDOM_SEARCH"
        self.study = clients.Study.from_study_config(config, owner="race", study_id="race")

    def suggest(self, worker_id):
        (trial,) = self.study.suggest(count=1, client_id=worker_id)
        return trial

    def heartbeat(self, trial):
        """It has none; a worker's lease never ends."""

    def report(self, trial):
        trial.add_measurement(vz.Measurement({"loss": 3.5}, steps=1))

    def complete(self, trial):
        trial.complete(vz.Measurement({"loss": 3.25}))

    def n_stored(self):
        return sum(trial.status == vz.TrialStatus.COMPLETED for trial in self.study.trials().get())
