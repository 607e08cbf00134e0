"""What a device could do at best: peaks, bandwidth and memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bayeslaw.errors import InvalidInputError

BYTES_PER_VALUE: Mapping[str, int] = {"float32": 4, "bfloat16": 2, "float16": 2, "float8": 1}
"""Bytes of one number, by precision."""


@dataclass(frozen=True, slots=True)
class Device:
    """Name a device and its datasheet (or measured) ceilings.

    Attributes:
        name: How measurements refer to it; one name is one kind of device.
        peak_flops: Dense matmul ceiling by precision [FLOP/s], without sparsity.
        memory_bandwidth: Ceiling of streaming reads [byte/s].
        memory_bytes: Memory [byte].
    """

    name: str
    peak_flops: Mapping[str, float]
    memory_bandwidth: float
    memory_bytes: float

    def __post_init__(self) -> None:
        ceilings = {
            **self.peak_flops,
            "memory_bandwidth": self.memory_bandwidth,
            "memory_bytes": self.memory_bytes,
        }
        for label, value in ceilings.items():
            if not value > 0:
                raise InvalidInputError(
                    f"device {self.name!r}: {label} must be positive, got {value}"
                )

    def peak(self, precision: str) -> float:
        """Return the matmul ceiling [FLOP/s] in a precision, or say which are known."""
        if precision not in self.peak_flops:
            raise InvalidInputError(
                f"device {self.name!r} has no peak for {precision!r}, only {sorted(self.peak_flops)}"
            )
        return self.peak_flops[precision]


# NVIDIA datasheets, dense figures (the sparse ones are twice as large); bytes as printed (GB = 1e9).
DEVICES: Mapping[str, Device] = {
    device.name: device
    for device in (
        Device(
            "a100-40gb", {"float32": 19.5e12, "bfloat16": 312e12, "float16": 312e12}, 1.555e12, 40e9
        ),
        Device(
            "a100-80gb", {"float32": 19.5e12, "bfloat16": 312e12, "float16": 312e12}, 2.039e12, 80e9
        ),
        Device(
            "h100-sxm",
            {"float32": 67e12, "bfloat16": 989e12, "float16": 989e12, "float8": 1979e12},
            3.35e12,
            80e9,
        ),
        Device(
            "h200",
            {"float32": 67e12, "bfloat16": 989e12, "float16": 989e12, "float8": 1979e12},
            4.8e12,
            141e9,
        ),
    )
}
