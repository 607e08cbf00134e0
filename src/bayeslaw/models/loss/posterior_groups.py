"""Which array of a posterior lies in which group of its file, with dimensions and units.

The layout goes by kind, not by name: what a `Posterior` holds a draw goes into ``posterior`` (whole
numbers into ``sample_stats``), what it holds a run into ``constant_data``, and all that is no array
becomes an attribute. A field more needs no line here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.posterior import Posterior
from bayeslaw.models.loss.replicates import before_any_run, replicates
from bayeslaw.runs import COLUMNS

N_PRIOR_DRAWS = 1000
MAX_PREDICTIVE = 20_000_000
"""Values of a predictive group at most (80 MB); beyond it, draws are thinned evenly."""

_BY_DRAW = ("posterior", "sample_stats", "log_likelihood")
_OF_FITTED = {"loss_nats": "observed_data", "log_likelihood": "log_likelihood"}
_NATS = {"units": "nats per token", "long_name": "final loss"}
_ABOUT = {
    "sigma": ("log loss", "scale of one run's noise"),
    "run_share": ("1", "share of sigma squared that points of one training job have in common"),
    "badly_tuned_share": ("1", "share of the runs that are badly tuned"),
    "badly_tuned_excess": ("log loss", "mean that a badly tuned run adds"),
    "growth": ("1", "of the log noise scale per log tokens per weight off the middle"),
    "rho": ("log loss per square root of log tokens per weight", "the discrepancy's, sideways"),
    "tau": ("log loss per square root of log cost", "scale of the discrepancy"),
    "path": ("1", "standard-normal steps of the discrepancy inside the runs"),
    "trunk": ("1", "number of the training job"),
    "diverging": ("1", "whether NUTS diverged"),
    "n_steps": ("count", "leapfrog steps"),
    "acceptance_rate": ("1", "of NUTS's proposals"),
    "lp": ("nats", "log posterior density, up to a constant"),
    "step_size": ("1", "of NUTS, in whitened coordinates"),
}


@dataclass(frozen=True)
class Place:
    """Say where an array of a posterior lies in its file.

    Attributes:
        field: Of `Posterior`.
        key: In that field, where it is a mapping; empty otherwise.
        group: ArviZ's name of the group.
        variable: Name in the group.
    """

    field: str
    key: str
    group: str
    variable: str


def places(posterior: Posterior) -> dict[Place, np.ndarray]:
    """Return every array of a posterior with its place.

    Raises:
        InvalidInputError: Two arrays want one place.
    """
    found: dict[Place, np.ndarray] = {}
    taken: dict[tuple[str, str], Place] = {}
    for field, key, array in _arrays(posterior):
        group = _group(posterior, field, key, array)
        variable = "loss_nats" if group == "log_likelihood" else key or field
        place = Place(field, key, group, variable)
        if (rival := taken.setdefault((group, variable), place)) is not place:
            raise InvalidInputError(
                f"{rival.field} and {field} of the posterior both want {variable!r} in {group!r}; "
                f"rename the coefficient of law {posterior.law_name!r}"
            )
        found[place] = array
    return found


def datasets(posterior: Posterior) -> dict[str, Any]:
    """Return an xarray dataset for each of ArviZ's groups."""
    by_group: dict[str, dict[str, np.ndarray]] = {}
    for place, array in places(posterior).items():
        by_group.setdefault(place.group, {})[place.variable] = array
    found = {group: _dataset(posterior, group, arrays) for group, arrays in by_group.items()}
    before = before_any_run(posterior, N_PRIOR_DRAWS)
    found["prior"] = _dataset(
        posterior, "prior", {**before.draws, **before.scales, "path": before.path}, n_chains=1
    )
    # Half the size, and seven digits are more than a replicate means.
    predictive = {"prior_predictive": (replicates(before), 1)}
    predictive["posterior_predictive"] = (replicates(posterior), posterior.n_chains)
    for group, (losses, n_chains) in predictive.items():
        kept = _thinned(losses.astype(np.float32), n_chains)
        found[group] = _dataset(posterior, group, {"loss_nats": kept}, n_chains=n_chains)
    return found


def _arrays(posterior: Posterior) -> Iterator[tuple[str, str, np.ndarray]]:
    for field in fields(posterior):
        value = getattr(posterior, field.name)
        if isinstance(value, np.ndarray):
            yield field.name, "", value
        elif isinstance(value, Mapping):
            for key, item in value.items():
                if isinstance(item, np.ndarray):
                    yield field.name, key, item


def _group(posterior: Posterior, field: str, key: str, array: np.ndarray) -> str:
    if field == "fitted":
        return _OF_FITTED.get(key, "constant_data")
    if field == "sample_stats":
        return field
    if array.ndim and len(array) == len(posterior):
        return "sample_stats" if np.issubdtype(array.dtype, np.integer) else "posterior"
    return "constant_data"


def _dataset(
    posterior: Posterior,
    group: str,
    arrays: Mapping[str, np.ndarray],
    *,
    n_chains: int | None = None,
) -> Any:
    import xarray

    is_by_draw = n_chains is not None or group in _BY_DRAW
    n_chains = n_chains or posterior.n_chains
    coordinates: dict[str, Any] = {}
    variables = {}
    for name, array in arrays.items():
        dims: list[str] = []
        if is_by_draw:
            array = array.reshape(n_chains, len(array) // n_chains, *array.shape[1:])
            dims = ["chain", "draw"]
            coordinates |= {axis: np.arange(n) for axis, n in zip(dims, array.shape, strict=False)}
        for axis in range(len(dims), array.ndim):
            is_run = array.shape[axis] == posterior.n_runs and name in _by_run(posterior)
            dims.append("run" if is_run else f"{name}_dim_{axis - 2 * is_by_draw}")
        variables[name] = (dims, array, _about(posterior, group, name))
        if "run" in dims:
            coordinates["run"] = run_names(posterior)
    return xarray.Dataset(variables, coords=coordinates)


def run_names(posterior: Posterior) -> np.ndarray:
    """Return each fitted run's name, its row where the posterior does not know it, ``(run,)``."""
    return np.asarray(posterior.fitted.get("run_id", np.arange(posterior.n_runs)))


def with_run_names(posterior: Posterior, names: Sequence[str]) -> Posterior:
    """Return the posterior with its runs named, in the order of the table it was fitted to."""
    return replace(posterior, fitted={**posterior.fitted, "run_id": np.array(names)})


def _by_run(posterior: Posterior) -> set[str]:
    return {"loss_nats", *posterior.fitted}


def _about(posterior: Posterior, group: str, name: str) -> dict[str, str]:
    """Return units and a name for people."""
    if group == "log_likelihood":
        return {"units": "nats", "long_name": "log density of a run's log loss"}
    if name == "loss_nats":
        return _NATS
    if name in COLUMNS and group == "constant_data":
        return {"units": COLUMNS[name].unit, "long_name": COLUMNS[name].meaning}
    for coefficient in posterior.law.coefficients:
        if coefficient.name == name and group in ("posterior", "prior"):
            is_loss = coefficient.kind == "floor"
            units = coefficient.unit or ("nats per token" if is_loss else "the paper's")
            return {"units": units, "long_name": coefficient.meaning}
    units, meaning = _ABOUT.get(name, ("1", ""))
    return {"units": units, **({"long_name": meaning} if meaning else {})}


def _thinned(losses: np.ndarray, n_chains: int) -> np.ndarray:
    """Return draws ``(draw, run)``, evenly fewer of each chain where there are too many values."""
    by_chain = losses.reshape(n_chains, -1, losses.shape[-1])
    n_kept = max(MAX_PREDICTIVE // (n_chains * losses.shape[-1]), 1)
    n_draws = by_chain.shape[1]
    if n_kept >= n_draws:
        return losses
    kept = by_chain[:, np.arange(n_kept) * n_draws // n_kept]
    return kept.reshape(-1, losses.shape[-1])
