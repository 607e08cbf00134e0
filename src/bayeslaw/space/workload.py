"""What the model must serve."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from bayeslaw.errors import InvalidInputError
from bayeslaw.space.architecture import Architecture
from bayeslaw.space.device import BYTES_PER_VALUE


@dataclass(frozen=True, slots=True)
class Workload:
    """Describe the requests that latency is asked for: a static batch, no queue.

    Attributes:
        batch_size: Sequences served together [count].
        prompt_tokens: Tokens read before the first output [count].
        output_tokens: Tokens written by each sequence [count].
        precision: Of weights and cache: float32, bfloat16, float16 or float8.
        engine: What runs the network; ``bayeslaw`` is our own lab, without a serving engine.
        device: Name of the device; ``local`` is the machine the timing runs on.
    """

    batch_size: int = 1
    prompt_tokens: int = 128
    output_tokens: int = 128
    precision: str = "float32"
    engine: str = "bayeslaw"
    device: str = "local"

    def __post_init__(self) -> None:
        for name in ("batch_size", "prompt_tokens", "output_tokens"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidInputError(
                    f"{name} must be a whole number of at least 1, got {value!r}"
                )
        if self.precision not in BYTES_PER_VALUE:
            raise InvalidInputError(
                f"precision must be one of {sorted(BYTES_PER_VALUE)}, got {self.precision!r}"
            )

    @property
    def bytes_per_value(self) -> int:
        """Bytes of one weight or cached number."""
        return BYTES_PER_VALUE[self.precision]

    @property
    def context(self) -> int:
        """Prompt and output tokens: the longest a sequence gets [count]."""
        return self.prompt_tokens + self.output_tokens

    def memory_bytes(self, architecture: Architecture) -> int:
        """Count bytes that serving this workload holds: weights, cache, activations."""
        return architecture.serving_bytes(self.batch_size, self.context, self.bytes_per_value)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Workload:
        """Read what `to_dict` wrote; an unknown field is an error that names it."""
        if unknown := set(values) - {field.name for field in fields(cls)}:
            raise InvalidInputError(f"unknown workload field(s) {sorted(unknown)}")
        return cls(**values)
