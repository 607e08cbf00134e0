"""Posteriors as NetCDF that ArviZ reads: all that is ArviZ-specific.

ArviZ 0.x holds an `InferenceData`, 1.x an `xarray.DataTree`; both read the same file, groups of
xarray datasets. So the groups are written and read with xarray, and no ArviZ is loaded here: call
``arviz.from_netcdf(path)`` on what `save` wrote.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bayeslaw.errors import InvalidInputError, NotFoundError
from bayeslaw.models.loss.diagnostics import Diagnostics
from bayeslaw.models.loss.posterior import Posterior
from bayeslaw.models.notes import Note

FORMAT_VERSION = 1

_NOT_A_POSTERIOR = "{path} is not a posterior that bayeslaw saved ({reason}); fit the law again"


def save(posterior: Posterior, path: Path) -> Path:
    """Write a posterior; whoever reads the path sees the old file or the new one, never half."""
    import xarray

    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        xarray.Dataset(attrs=_attributes(posterior)).to_netcdf(partial, engine="h5netcdf")
        for name, dataset in _groups(posterior).items():
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
        groups = {
            name: xarray.load_dataset(path, group=name, engine="h5netcdf")
            for name in json.loads(attributes.get("bayeslaw_groups", "[]"))
        }
    except (OSError, ValueError, KeyError) as error:
        raise InvalidInputError(_NOT_A_POSTERIOR.format(path=path, reason=error)) from error
    _check(path, attributes, fingerprint)
    return _posterior(attributes, groups)


def _attributes(posterior: Posterior) -> dict[str, Any]:
    names = [name for name in _groups(posterior)]
    return {
        "bayeslaw_format": FORMAT_VERSION,
        "bayeslaw_groups": json.dumps(names),
        "law": posterior.law_name,
        "n_column": posterior.n_column,
        "coefficients": json.dumps(list(posterior.draws)),
        "fingerprint": posterior.fingerprint,
        "seed": posterior.seed,
        "method": posterior.method,
        "max_cost_flops": posterior.max_cost_flops,
        "n_runs": posterior.n_runs,
        "diagnostics": json.dumps(asdict(posterior.diagnostics)),
        "notes": json.dumps([note.to_dict() for note in posterior.notes]),
    }


def _groups(posterior: Posterior) -> dict[str, Any]:
    """Return xarray datasets by ArviZ's group names."""
    data = dict(posterior.fitted)
    log_likelihood = data.pop("log_likelihood")
    observed = {"loss_nats": data.pop("loss_nats")}
    draws = {**posterior.draws, "sigma": posterior.sigma, "tau": posterior.tau}
    groups = {
        "posterior": _by_chain(draws, posterior.n_chains),
        "log_likelihood": _by_chain({"loss_nats": log_likelihood}, posterior.n_chains),
        "observed_data": _by_run(observed),
        "constant_data": _by_run(data).assign(path_id=("path", posterior.path_ids)),
    }
    if posterior.sample_stats:
        groups["sample_stats"] = _by_chain(posterior.sample_stats, posterior.n_chains)
    return groups


def _by_chain(values: Mapping[str, np.ndarray], n_chains: int) -> Any:
    import xarray

    variables = {}
    for name, array in values.items():
        laid_out = array.reshape(n_chains, len(array) // n_chains, *array.shape[1:])
        variables[name] = (("chain", "draw", "run")[: laid_out.ndim], laid_out)
    first = next(iter(variables.values()))[1]
    coordinates = {"chain": np.arange(first.shape[0]), "draw": np.arange(first.shape[1])}
    return xarray.Dataset(variables, coords=coordinates)


def _by_run(values: Mapping[str, np.ndarray]) -> Any:
    import xarray

    return xarray.Dataset({name: ("run", array) for name, array in values.items()})


def _check(path: Path, attributes: Mapping[str, Any], fingerprint: str | None) -> None:
    if "bayeslaw_format" not in attributes:
        raise InvalidInputError(_NOT_A_POSTERIOR.format(path=path, reason="no bayeslaw_format"))
    if (version := int(attributes["bayeslaw_format"])) != FORMAT_VERSION:
        raise InvalidInputError(
            f"{path} has posterior format {version}, this version reads {FORMAT_VERSION}; fit the "
            f"law again"
        )
    if fingerprint is not None and attributes["fingerprint"] != fingerprint:
        raise InvalidInputError(
            f"{path} was fitted to a table with fingerprint {attributes['fingerprint']}, this table "
            f"has {fingerprint}: the data changed, so fit the law again"
        )


def _posterior(attributes: Mapping[str, Any], groups: Mapping[str, Any]) -> Posterior:
    draws = _flat(groups["posterior"])
    names = json.loads(attributes["coefficients"])
    constant = {name: values.values for name, values in groups["constant_data"].items()}
    path_ids = constant.pop("path_id")
    diagnostics = Diagnostics(**json.loads(attributes["diagnostics"]))
    posterior = Posterior(
        law_name=str(attributes["law"]),
        n_column=str(attributes["n_column"]),
        draws={name: draws[name] for name in names},
        sigma=draws["sigma"],
        tau=draws["tau"],
        path_ids=path_ids,
        n_chains=int(groups["posterior"].sizes["chain"]),
        method=attributes["method"],
        seed=int(attributes["seed"]),
        fingerprint=str(attributes["fingerprint"]),
        max_cost_flops=float(attributes["max_cost_flops"]),
        n_runs=int(attributes["n_runs"]),
        diagnostics=diagnostics,
        notes=tuple(Note(**note) for note in json.loads(attributes["notes"])),
        fitted={
            "loss_nats": groups["observed_data"]["loss_nats"].values,
            "log_likelihood": _flat(groups["log_likelihood"])["loss_nats"],
            **constant,
        },
        sample_stats=_flat(groups["sample_stats"]) if "sample_stats" in groups else {},
    )
    if set(posterior.law.coefficient_names) != set(names):
        raise InvalidInputError(
            f"the file's coefficients {names} are not those of law {posterior.law_name!r} in this "
            f"version, {list(posterior.law.coefficient_names)}; fit the law again"
        )
    return posterior


def _flat(dataset: Any) -> dict[str, np.ndarray]:
    return {name: values.values.reshape(-1, *values.shape[2:]) for name, values in dataset.items()}
