"""Posteriors as NetCDF that ArviZ reads, and the one place that knows two ArviZes.

ArviZ 0.x holds an `InferenceData`, 1.x an `xarray.DataTree`; both read the same file, groups of
xarray datasets. So the groups are written and read with xarray, and saving loads no ArviZ. Call
``arviz.from_netcdf(path)`` on what `save` wrote, or `open_in_arviz`, which is quiet about 0.23's
announcement of 1.0. Where the two name a thing differently, `plot` and `loo` know both names.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import numpy as np

from bayeslaw.errors import InvalidInputError, NotFoundError
from bayeslaw.models.loss.posterior import Posterior
from bayeslaw.models.loss.posterior_groups import Place, datasets, places

FORMAT_VERSION = 2

_NOT_A_POSTERIOR = "{path} is not a posterior that bayeslaw saved ({reason}); fit the law again"
_PLOTS_OF_1 = {"ppc": "plot_ppc_dist", "rank": "plot_rank_dist", "density": "plot_dist"}


def save(posterior: Posterior, path: Path) -> Path:
    """Write a posterior; whoever reads the path sees the old file or the new one, never half."""
    import xarray

    groups = datasets(posterior)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        attributes = _attributes(posterior, list(groups))
        xarray.Dataset(attrs=attributes).to_netcdf(partial, engine="h5netcdf")
        for name, dataset in groups.items():
            dataset.to_netcdf(partial, group=name, mode="a", engine="h5netcdf")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def load(path: Path, *, fingerprint: str | None = None) -> Posterior:
    """Read a posterior, or say why the file cannot be believed."""
    import xarray

    if not path.exists():
        raise NotFoundError(f"no file {path}; save a posterior there first")
    try:
        with xarray.open_dataset(path, engine="h5netcdf") as root:
            attributes = dict(root.attrs)
        _check_format(path, attributes)
        layout = [Place(*entry) for entry in json.loads(attributes["bayeslaw_layout"])]
        groups = {
            name: xarray.load_dataset(path, group=name, engine="h5netcdf")
            for name in {place.group for place in layout}
        }
        posterior = _posterior(json.loads(attributes["bayeslaw_fields"]), layout, groups)
    except InvalidInputError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(_NOT_A_POSTERIOR.format(path=path, reason=error)) from error
    if fingerprint is not None and posterior.fingerprint != fingerprint:
        raise InvalidInputError(
            f"{path} was fitted to a table with fingerprint {posterior.fingerprint}, this table "
            f"has {fingerprint}: the data changed, so fit the law again"
        )
    return posterior


def arviz() -> ModuleType:
    """Return ArviZ, whichever version is installed, without 0.23's announcement of 1.0."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="\nArviZ is undergoing", category=FutureWarning)
        import arviz as installed
    return installed


def open_in_arviz(path: str | Path) -> Any:
    """Return what ArviZ makes of a saved posterior: an InferenceData (0.x) or a DataTree (1.x)."""
    return arviz().from_netcdf(str(path))


def plot(kind: str, data: Any, /, **arguments: Any) -> Any:
    """Draw with ArviZ under the name that this version has for it.

    Args:
        kind: ArviZ 0.x's name without ``plot_``: ``trace``, ``rank``, ``forest``, ``ppc`` ...
        data: From `open_in_arviz`.
        arguments: Of that function.

    Raises:
        InvalidInputError: This version draws no such thing.
    """
    module = arviz()
    name = f"plot_{kind}"
    if not module.__version__.startswith("0."):
        name = _PLOTS_OF_1.get(kind, name)
    if not hasattr(module, name):
        raise InvalidInputError(f"ArviZ {module.__version__} has no {name}; see dir(arviz)")
    return getattr(module, name)(data, **arguments)


def loo(data: Any, **arguments: Any) -> Any:
    """Return ArviZ's PSIS-LOO with its pointwise Pareto k, under either version."""
    return arviz().loo(data, pointwise=True, **arguments)


def _attributes(posterior: Posterior, groups: list[str]) -> dict[str, Any]:
    layout = [[p.field, p.key, p.group, p.variable] for p in places(posterior)]
    arrays = {place.field for place in places(posterior)}
    values = {
        field.name: _plain(getattr(posterior, field.name))
        for field in fields(posterior)
        if field.name not in arrays
    }
    return {
        "bayeslaw_format": FORMAT_VERSION,
        "bayeslaw_groups": json.dumps(groups),
        "bayeslaw_layout": json.dumps(layout),
        "bayeslaw_fields": json.dumps(values),
        "law": posterior.law_name,
        "n_counted_as": posterior.n_column,
        "inference_library": f"bayeslaw ({posterior.method})",
        "notes": "\n".join(str(note) for note in posterior.notes),
    }


def _plain(value: Any) -> Any:
    """Return a value as JSON holds it."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _check_format(path: Path, attributes: Mapping[str, Any]) -> None:
    if "bayeslaw_format" not in attributes:
        raise InvalidInputError(_NOT_A_POSTERIOR.format(path=path, reason="no bayeslaw_format"))
    if (version := int(attributes["bayeslaw_format"])) != FORMAT_VERSION:
        raise InvalidInputError(
            f"{path} has posterior format {version}, this version reads {FORMAT_VERSION}; fit the "
            f"law again"
        )


def _posterior(
    values: Mapping[str, Any], layout: list[Place], groups: Mapping[str, Any]
) -> Posterior:
    from pydantic import TypeAdapter

    types = get_type_hints(Posterior)
    given: dict[str, Any] = {}
    for name, value in values.items():
        # JSON keeps plain values; what it turned into lists and mappings gets its type back. An
        # empty mapping of arrays has nothing to turn, and pydantic knows no arrays.
        is_plain = value == {} or not isinstance(value, list | dict)
        given[name] = value if is_plain else TypeAdapter(types[name]).validate_python(value)
    for place in layout:
        variable = groups[place.group][place.variable]
        array = variable.values
        if variable.dims[:2] == ("chain", "draw"):
            array = array.reshape(-1, *array.shape[2:])
        if place.key:
            given.setdefault(place.field, {})[place.key] = array
        else:
            given[place.field] = array
    posterior = Posterior(**given)
    if list(posterior.law.coefficient_names) != list(posterior.draws):
        raise InvalidInputError(
            f"the file's coefficients {list(posterior.draws)} are not those of law "
            f"{posterior.law_name!r} in this version, {list(posterior.law.coefficient_names)}; fit "
            f"the law again"
        )
    return posterior
