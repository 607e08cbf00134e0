"""How likely a run is to end with a loss, learnt from the runs that did and those that failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.notes import Note
from bayeslaw.runs import Run, candidate_columns
from bayeslaw.search.failures import Failure, failure
from bayeslaw.search.logistic import LogisticRegression, Threshold, fit_logistic, fit_threshold
from bayeslaw.space import Candidate

FEATURES = ("n_params", "aspect_ratio", "n_tokens")
"""What divergence may depend on, unless the caller names other columns."""

# Priors, chosen by judgement and not from data: 3 % of a lab's runs diverge, give or take a factor
# of four; a doubling of size, shape or tokens moves the odds by a third, of the learning rate by a
# factor of up to three; 2 % fail for reasons of the machine.
DIVERGES = 0.03
DIVERGES_LOGIT_SD = 1.5
SLOPE_SD = 0.3
LEARNING_RATE_SLOPE_SD = 1.0
OTHER = (0.5, 24.5)
# Weights, gradients and AdamW's two moments in float32. What activations add is the threshold's to
# learn, so it lies below the memory there is: by 0.7 doublings, give or take as much.
BYTES_PER_WEIGHT = 16.0
BELOW_MEMORY_LOG2 = 0.7
LEVEL_SD_LOG2 = 0.7
UNKNOWN_LEVEL_SD_LOG2 = 3.0
# Out of memory is nearly a step: half a doubling either side of it are 5 and 95 %.
LOG_SLOPE, LOG_SLOPE_SD = float(np.log(6.0)), 0.5

Rows = Sequence[Candidate] | Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Viability:
    """Predict whether runs end with a loss; build it with `fit_viability`.

    Three ways to fail, in the order they strike: memory runs out (a threshold in the bytes a
    training run holds, so more memory is never safer), the loss diverges (a logistic regression),
    anything else (one rate for all runs).

    Attributes:
        features: Columns that divergence depends on, as log2.
        divergence: Its regression.
        memory: The threshold in log2 bytes; None where nothing is known of memory.
        other: P(it fails in another way).
        n_runs: Runs learnt from [count].
        n_failed: Of them, by reason [count].
        notes: What to keep in mind.
    """

    features: tuple[str, ...]
    divergence: LogisticRegression
    memory: Threshold | None
    other: float
    n_runs: int
    n_failed: Mapping[Failure, int]
    notes: tuple[Note, ...] = ()

    def p_success(self, candidates: Rows) -> np.ndarray:
        """Return P(the run ends with a loss) ``(candidate,)``.

        Args:
            candidates: Or columns by name: the features and ``n_params``, or in its place
                ``train_memory_bytes`` where the caller knows better what a run holds.

        Raises:
            InvalidInputError: A column is missing or not positive.
        """
        survives = (1.0 - self.p_out_of_memory(candidates)) * (1.0 - self.p_diverges(candidates))
        return survives * (1.0 - self.other)

    def p_diverges(self, candidates: Rows) -> np.ndarray:
        """Return P(the loss diverges, given that memory holds) ``(candidate,)``."""
        return self.divergence.probability(_log2(_columns(candidates), self.features))

    def p_out_of_memory(self, candidates: Rows) -> np.ndarray:
        """Return P(memory runs out) ``(candidate,)``; 0 where nothing is known of memory."""
        columns = _columns(candidates)
        if self.memory is None:
            return np.zeros(len(next(iter(columns.values()))))
        return self.memory.probability(_log2_bytes(columns))


def fit_viability(
    runs: Sequence[Run],
    *,
    features: Sequence[str] = FEATURES,
    memory_bytes: float | None = None,
) -> Viability:
    """Learn how likely runs are to fail from those that are done and those that failed.

    Imported runs are left out: nobody imports what failed. Stopped runs are left out: nobody knows
    how they would have ended. A run that failed otherwise says nothing about divergence.

    Args:
        runs: All runs of a study.
        features: Columns that divergence may depend on; with ``learning_rate`` among them,
            candidates must be asked about as columns.
        memory_bytes: Of all devices that one run trains on [byte]; None where unknown.

    Raises:
        InvalidInputError: No feature, or a memory that is not positive.

    >>> model = fit_viability([])
    >>> from bayeslaw.space import Architecture
    >>> small = Candidate(Architecture(2, 64, 4, 4, 16, 192, 257), 10**6)
    >>> bool(0.85 < model.p_success([small])[0] < 0.95)
    True
    """
    if not features:
        raise InvalidInputError(f"divergence must depend on something, such as {FEATURES}")
    if memory_bytes is not None and not (np.isfinite(memory_bytes) and memory_bytes > 0):
        raise InvalidInputError(f"memory_bytes must be positive bytes, got {memory_bytes}")
    ended = [r for r in runs if r.status in ("done", "failed") and r.purpose != "imported"]
    notes: list[Note] = []
    usable: list[tuple[dict[str, float], Failure | None]] = [
        (columns, failure(r)) for r in ended if (columns := _run_columns(r, features))
    ]
    if n_left_out := len(ended) - len(usable):
        notes.append(
            Note(
                "runs_without_features", "warning",
                f"{n_left_out} of {len(ended)} ended runs lack one of {list(features)} or their "
                f"size, so nothing is learnt from how they ended",
            )
        )  # fmt: skip
    causes = np.array([cause or "done" for _, cause in usable], dtype=object)
    table = {
        name: np.array([columns[name] for columns, _ in usable], dtype=np.float64)
        for name in dict.fromkeys((*features, "train_memory_bytes"))
    }
    log2 = _log2(table, features) if usable else np.empty((0, len(features)))
    trained = (causes == "done") | (causes == "diverged")
    slope_sd = [LEARNING_RATE_SLOPE_SD if f == "learning_rate" else SLOPE_SD for f in features]
    if not trained.any():
        # Nothing says where the prior's rate holds, so it holds everywhere.
        slope_sd = [1e-9] * len(features)
    divergence = fit_logistic(
        log2[trained],
        causes[trained] == "diverged",
        np.array([np.log(DIVERGES / (1 - DIVERGES)), *np.zeros(len(features))]),
        np.array([DIVERGES_LOGIT_SD, *slope_sd]),
    )
    memory = _fit_memory(np.log2(table["train_memory_bytes"]), causes, memory_bytes, notes)
    kinds: tuple[Failure, ...] = ("out_of_memory", "diverged", "other")
    n_failed: dict[Failure, int] = {kind: int((causes == kind).sum()) for kind in kinds}
    return Viability(
        tuple(features),
        divergence,
        memory,
        (OTHER[0] + n_failed["other"]) / (sum(OTHER) + len(usable)),
        len(usable),
        n_failed,
        tuple(notes),
    )


def _fit_memory(
    log2_bytes: np.ndarray, causes: np.ndarray, memory_bytes: float | None, notes: list[Note]
) -> Threshold | None:
    ran_out = causes == "out_of_memory"
    # A run that diverged did fit; one that failed otherwise may have failed before it filled memory.
    known = causes != "other"
    if memory_bytes is not None:
        level, level_sd = float(np.log2(memory_bytes)) - BELOW_MEMORY_LOG2, LEVEL_SD_LOG2
    elif ran_out.any():
        level, level_sd = float(log2_bytes[ran_out].min()), UNKNOWN_LEVEL_SD_LOG2
    else:
        notes.append(
            Note(
                "memory_unknown", "info",
                "no run has run out of memory and the devices' memory is not given, so P(out of "
                "memory) is taken as 0; give memory_bytes",
            )
        )  # fmt: skip
        return None
    return fit_threshold(
        log2_bytes[known], ran_out[known], level_mean=level, level_sd=level_sd,
        log_slope_mean=LOG_SLOPE, log_slope_sd=LOG_SLOPE_SD,
    )  # fmt: skip


def _run_columns(run: Run, features: Sequence[str]) -> dict[str, float] | None:
    """Return a run's features and bytes, None where one is missing."""
    rates = run.record.get("hyperparameters") or {}
    known: dict[str, float] = {**run.columns, "n_tokens": float(run.n_tokens)}
    if "learning_rate" in rates:
        known["learning_rate"] = float(rates["learning_rate"])
    if run.architecture is not None:
        shape = candidate_columns([Candidate(run.architecture, run.n_tokens)])
        known |= {name: float(column[0]) for name, column in shape.items()}
    if "n_params" in known:
        known.setdefault("train_memory_bytes", BYTES_PER_WEIGHT * known["n_params"])
    return known if {*features, "train_memory_bytes"} <= set(known) else None


def _columns(candidates: Rows) -> Mapping[str, np.ndarray]:
    return candidates if isinstance(candidates, Mapping) else candidate_columns(candidates)


def _log2_bytes(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    if "train_memory_bytes" in columns:
        return _log2(columns, ("train_memory_bytes",))[:, 0]
    return _log2(columns, ("n_params",))[:, 0] + float(np.log2(BYTES_PER_WEIGHT))


def _log2(columns: Mapping[str, np.ndarray], names: Sequence[str]) -> np.ndarray:
    if missing := [name for name in names if name not in columns]:
        raise InvalidInputError(
            f"how runs fail was learnt from {list(names)}; candidates lack {missing}: ask with "
            f"columns, or fit with other features"
        )
    values = np.stack([np.asarray(columns[name], dtype=np.float64) for name in names], axis=1)
    if not (values > 0).all():
        raise InvalidInputError(f"{list(names)} must be positive, got {values.min()}")
    return np.log2(values)
