"""From a table of timings to a process: chains, Laplace or variational by how many rows there are."""

from __future__ import annotations

import numpy as np
import torch

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.latency import noise
from bayeslaw.models.latency.chains import Draws, draw_chains, laplace_root
from bayeslaw.models.latency.conditioning import Conditioned
from bayeslaw.models.latency.constants import Ceilings, ConstantsPrior
from bayeslaw.models.latency.covariance import Rows
from bayeslaw.models.latency.layout import Layout
from bayeslaw.models.latency.problem import Problem
from bayeslaw.models.latency.process import LatencyProcess, Offset
from bayeslaw.models.latency.rows import Reader
from bayeslaw.models.latency.threads import one_thread
from bayeslaw.runs import LatencyTable

# A chain step costs the cube of the rows: few rows get many chains, many rows the Laplace
# approximation, which is good where there is much data, and very many a variational one.
MANY_CHAINS_ROWS, CHAINS_ROWS, LEARNING_ROWS, EXACT_ROWS = 64, 160, 400, 2000
N_LAPLACE_DRAWS, N_VARIATIONAL_DRAWS = 8, 4
_N_SCALE_STEPS = 3


def fit_process(
    table: LatencyTable | None,
    ceilings: Ceilings,
    prior: ConstantsPrior,
    *,
    seed: int,
    offset: Offset | None = None,
    reader: Reader | None = None,
) -> LatencyProcess:
    """Fit constants, kernel and noise to a table of timings.

    Args:
        table: Feasible rows of one device, one engine version and one precision; None for the
            process before any timing, which needs a reader.
        ceilings: Of the device.
        prior: On its constants.
        seed: The same seed, the same process.
        offset: Log latency that is added to the roofline, from what other devices taught.
        reader: Of tables; around this table by default.
    """
    if table is None:
        if reader is None:
            raise InvalidInputError("without timings a reader must say what features there are")
        return _untimed(Layout(ceilings, prior, len(reader.names)), reader, seed, offset)
    reader = reader or Reader.around(table)
    with one_thread(len(table) <= CHAINS_ROWS):
        return _fit(table, Layout(ceilings, prior, len(reader.names)), reader, seed, offset)


def constants_alone(
    table: LatencyTable, ceilings: Ceilings, prior: ConstantsPrior, *, reader: Reader
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and covariance of log constants relative to the ceilings (Laplace).

    Kernel and noise are at their mode with the constants and integrated over around it.
    """
    with one_thread(len(table) <= CHAINS_ROWS):
        layout = Layout(ceilings, prior, len(reader.names))
        seconds = torch.as_tensor(np.log(table["latency_ms"] / 1e3))
        floor = torch.as_tensor(floor_variance(table))
        problem, mode, scales = Problem(layout, reader.read(table), seconds, floor).find_mode()
        root = laplace_root(problem.log_density, mode, scales)[: len(prior.mean)].numpy()
    root = prior.root @ root
    return prior.mean + prior.root @ mode[: len(prior.mean)], root @ root.T


def _untimed(layout: Layout, reader: Reader, seed: int, offset: Offset | None) -> LatencyProcess:
    """Return the process that is believed before any timing."""
    generator = torch.Generator().manual_seed(seed)
    n_draws, n_features = 64, layout.n_features
    z = torch.randn(n_draws, layout.n_coefficients, generator=generator, dtype=torch.float64)
    degrees = torch.full((n_draws,), noise.MODE_DEGREES, dtype=torch.float64)
    nothing = torch.zeros(n_draws, 0, dtype=torch.float64)
    rows = Rows(
        torch.zeros(0, n_features, dtype=torch.float64),
        torch.zeros(0, reader.n_linear, dtype=torch.float64),
        torch.zeros(0, 2, dtype=torch.float64),
        torch.zeros(0, dtype=torch.int64),
        torch.zeros(0, dtype=torch.int64),
    )
    return LatencyProcess(
        layout,
        reader,
        Draws(z, nothing, degrees, float("nan"), float("nan")),
        Conditioned(rows, nothing, torch.zeros(n_draws, 0, 0, dtype=torch.float64)),
        layout.read(torch.zeros(1, layout.n_coefficients, dtype=torch.float64)).log_constants,
        0.0,
        offset,
        np.empty(0),
        "untimed",
    )


def _fit(
    table: LatencyTable, layout: Layout, reader: Reader, seed: int, offset: Offset | None
) -> LatencyProcess:
    generator = torch.Generator().manual_seed(seed)
    seconds = np.log(table.columns["latency_ms"] / 1e3)
    target = torch.as_tensor(seconds - (0.0 if offset is None else offset(table)))
    floor = torch.as_tensor(floor_variance(table))
    whole = Problem(layout, reader.read(table), target, floor)
    problem, part = whole, None
    if len(table) > LEARNING_ROWS:  # a part tells constants and kernel, the process needs all
        part = torch.randperm(len(table), generator=generator)[:LEARNING_ROWS]
        problem = Problem(layout, reader.read(table.where(part.numpy())), target[part], floor[part])
    problem, mode, scales = problem.find_mode()
    root = laplace_root(problem.log_density, mode, scales)
    centre = torch.as_tensor(mode)[None]
    weighing = layout.read(centre).log_constants
    whole = Problem(layout, whole.inputs.with_shares(weighing), target, floor)
    scores = np.empty(0)
    if len(table) <= CHAINS_ROWS:
        is_small = len(table) <= MANY_CHAINS_ROWS
        draws = draw_chains(
            problem.log_density,
            problem.refresh,
            mode,
            root,
            scales,
            n_chains=32 if is_small else 8,
            n_steps=48 if is_small else 28,
            n_kept=2 if is_small else 4,
            generator=generator,
        )
    else:
        n_draws = N_LAPLACE_DRAWS if len(table) <= EXACT_ROWS else N_VARIATIONAL_DRAWS
        white = torch.randn(n_draws, len(mode), generator=generator, dtype=torch.float64)
        if part is not None:
            scales = torch.ones(1, len(table), dtype=torch.float64)
        if part is not None and len(table) <= EXACT_ROWS:
            for _ in range(_N_SCALE_STEPS):
                scales = noise.mode_scales(*whole.left_out_errors(centre, scales))
        degrees = torch.full((n_draws,), noise.MODE_DEGREES, dtype=torch.float64)
        nothing = float("nan")
        draws = Draws(
            centre + white @ root.T, scales.expand(n_draws, -1), degrees, nothing, nothing
        )
    if len(table) > EXACT_ROWS:
        method, conditioned = "variational", whole.condition_sparsely(draws, generator)
    else:
        method = "chains" if len(table) <= CHAINS_ROWS else "laplace"
        conditioned = whole.condition_exactly(draws)
        scores = whole.left_out_scores(draws, conditioned)
    usual_floor = float(floor.median())
    return LatencyProcess(
        layout, reader, draws, conditioned, weighing, usual_floor, offset, scores, method
    )


def floor_variance(table: LatencyTable) -> np.ndarray:
    """Return the variance of each row's median that its repeats show, in log latency ``(row,)``."""
    repeat_sd, n_repeats = table.columns["repeat_sd"], table.columns["n_repeats"]
    # A median's variance is pi / 2 that of a mean.
    variance = 0.5 * np.pi * repeat_sd**2 / np.maximum(n_repeats, 1.0)
    return np.where(np.isfinite(variance), variance, 0.0)
