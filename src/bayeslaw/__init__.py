"""bayeslaw decides which language-model architecture to train next."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayeslaw.models.loss import LAWS, Posterior, fit_law
    from bayeslaw.runs import RunTable, candidate_columns
    from bayeslaw.runs.files import read_runs, write_runs
    from bayeslaw.space import Architecture, Candidate, SearchSpace, Target, Workload
    from bayeslaw.study.config import StudyConfig
    from bayeslaw.study.loop import run_study
    from bayeslaw.study.study import Study

# Where each public name lives. Nothing is imported before it is used, so `import bayeslaw` loads
# neither torch nor jax.
_HOMES = {
    "LAWS": "bayeslaw.models.loss",
    "Architecture": "bayeslaw.space",
    "Candidate": "bayeslaw.space",
    "Posterior": "bayeslaw.models.loss",
    "RunTable": "bayeslaw.runs",
    "SearchSpace": "bayeslaw.space",
    "Study": "bayeslaw.study.study",
    "StudyConfig": "bayeslaw.study.config",
    "Target": "bayeslaw.space",
    "Workload": "bayeslaw.space",
    "candidate_columns": "bayeslaw.runs",
    "fit_law": "bayeslaw.models.loss",
    "read_runs": "bayeslaw.runs.files",
    "run_study": "bayeslaw.study.loop",
    "write_runs": "bayeslaw.runs.files",
}

__all__ = [
    "LAWS",
    "Architecture",
    "Candidate",
    "Posterior",
    "RunTable",
    "SearchSpace",
    "Study",
    "StudyConfig",
    "Target",
    "Workload",
    "candidate_columns",
    "fit_law",
    "read_runs",
    "run_study",
    "write_runs",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bayeslaw' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
