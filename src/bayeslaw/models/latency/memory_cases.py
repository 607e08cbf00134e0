"""What a case keeps in memory, counted, and how each of a table's cases ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs import LatencyTable
from bayeslaw.space import BYTES_PER_VALUE, Device, formulas

TERMS = ("weights", "cache", "activations", "logits", "pairs")
"""What memory grows with: `memory_terms` says how each is counted."""

_SHAPE = ("n_layers", "d_model", "n_heads", "n_kv_heads", "head_dim", "d_ff", "vocab_size")
_LOAD = ("batch_size", "prompt_tokens", "output_tokens", "n_devices")


def memory_terms(table: LatencyTable) -> np.ndarray:
    """Count what each row keeps on one device at the end of its prompt and output [byte].

    - ``weights``: those a pass reads, and the input table, as if it were not tied;
    - ``cache``: of the prompt and all output tokens; none in a ``forward_ms``; where a state takes
      its place (``is_recurrent``) the state that a step reads and the one that it writes;
    - ``activations``: live in one layer's prefill (`formulas.activation_bytes`);
    - ``logits``: of every position of the prompt;
    - ``pairs``: a number for each two tokens of a prompt: a mask, or one head's scores.

    The first three are what `Architecture.serving_bytes` counts, activations at the prompt.

    Returns:
        ``(row, term)``, in the order of `TERMS`.
    """
    column = table.columns
    width = np.array([float(BYTES_PER_VALUE[word]) for word in table.labels["precision"]])
    batch, prompt = column["batch_size"], column["prompt_tokens"]
    is_forward = np.array([figure == "forward_ms" for figure in table.labels["figure"]])
    token = column["prefill_cache_bytes"] / prompt
    cache = np.where(is_forward, 0.0, token * (prompt + column["output_tokens"]))
    if "is_recurrent" in table:
        cache = np.where(column["is_recurrent"] > 0, column["decode_cache_bytes"], cache)
    activations = formulas.activation_bytes(
        batch, prompt, column["d_model"], column["d_ff"], column["n_heads"], column["head_dim"], width
    )  # fmt: skip
    input_table = width * column["vocab_size"] * column["d_model"]
    return np.stack(
        [
            (column["prefill_weight_bytes"] + input_table) / column["n_devices"],
            cache / column["n_devices"],
            activations,
            width * batch * prompt * column["vocab_size"],
            width * batch * prompt**2,
        ],
        axis=-1,
    )


def counted_bytes(table: LatencyTable) -> np.ndarray:
    """Count weights, cache and one layer's activations of each row [byte], nothing learnt."""
    return memory_terms(table)[:, :3].sum(axis=-1)


def shape_keys(table: LatencyTable) -> list[tuple[float, ...]]:
    """Return each row's shape, by which timings of one network are told."""
    return list(zip(*(table.columns[name].tolist() for name in _SHAPE), strict=True))


@dataclass(frozen=True)
class MemoryCases:
    """Hold how each case ended: a network under a load, whatever figures were timed of it.

    Attributes:
        terms: What it keeps, counted ``(case, term)`` [byte].
        networks: Number of its network ``(case,)``.
        shapes: Each network's shape.
        memory_bytes: What it took; NaN where not known or out of memory.
        has_failed: Whether any of its figures ran out of memory.
        capacity_bytes: Of its device; NaN where the device is not known.
    """

    terms: np.ndarray
    networks: np.ndarray
    shapes: tuple[tuple[float, ...], ...]
    memory_bytes: np.ndarray
    has_failed: np.ndarray
    capacity_bytes: np.ndarray

    @classmethod
    def of_table(cls, table: LatencyTable, devices: Mapping[str, Device]) -> MemoryCases:
        """Bring a table's rows together by case: its memory is the most that a figure took.

        Raises:
            InvalidInputError: What ran out of memory did so on an unknown device, or nothing says
                anything of memory.
        """
        shapes = shape_keys(table)
        loads = zip(*(table.columns[name].tolist() for name in _LOAD), strict=True)
        words = zip(table.labels["device"], table.labels["session"], strict=True)
        keys = list(zip(shapes, loads, words, strict=True))
        place = {key: i for i, key in enumerate(dict.fromkeys(keys))}
        case = np.array([place[key] for key in keys])
        n_cases = len(place)
        memory, failed = np.full(n_cases, -np.inf), np.zeros(n_cases)
        np.fmax.at(memory, case, table["memory_bytes"])
        np.maximum.at(failed, case, table["out_of_memory"])
        terms = np.zeros((n_cases, len(TERMS)))
        np.maximum.at(terms, case, memory_terms(table))
        capacity = [
            devices[key[2][0]].memory_bytes if key[2][0] in devices else np.nan for key in place
        ]
        number = {shape: i for i, shape in enumerate(dict.fromkeys(shapes))}
        found = cls(
            terms,
            np.array([number[key[0]] for key in place]),
            tuple(number),
            np.where((failed == 0) & np.isfinite(memory), memory, np.nan),
            failed > 0,
            np.array(capacity),
        )
        found.check(sorted(set(table.labels["device"]) - set(devices)))
        return found

    def check(self, unknown: list[str]) -> None:
        """Refuse cases that cannot be learnt from."""
        if (self.has_failed & np.isnan(self.capacity_bytes)).any():
            raise InvalidInputError(
                f"rows ran out of memory on {unknown}, of unknown size; give devices={{name: Device}}"
            )
        if not (np.isfinite(self.memory_bytes) | self.has_failed).any():
            raise InvalidInputError(
                "no row has memory_bytes and none ran out of memory; measure on a device that "
                "reports its memory, or compare counted_bytes with its size"
            )
