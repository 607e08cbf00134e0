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
        cache_bytes: Largest cache that all cores share [byte]; what fits in it need not be read
            again from memory. None where it is not known.
    """

    name: str
    peak_flops: Mapping[str, float]
    memory_bandwidth: float
    memory_bytes: float
    cache_bytes: float | None = None

    def __post_init__(self) -> None:
        ceilings = {
            **self.peak_flops,
            "memory_bandwidth": self.memory_bandwidth,
            "memory_bytes": self.memory_bytes,
        }
        if self.cache_bytes is not None:
            ceilings["cache_bytes"] = self.cache_bytes
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


def _device(
    name: str,
    terabyte_per_second: float,
    memory_gb: float,
    cache_mb: float | None,
    **teraflop_per_second: float,
) -> Device:
    return Device(
        name=name,
        peak_flops={precision: peak * 1e12 for precision, peak in teraflop_per_second.items()},
        memory_bandwidth=terabyte_per_second * 1e12,
        memory_bytes=memory_gb * 1e9,
        cache_bytes=None if cache_mb is None else cache_mb * 1e6,
    )


# Dense figures (the sparse ones are twice as large), at boost clock, bytes as printed (GB = 1e9).
# float32 is without TF32 on NVIDIA; on AMD it is of the matrix cores, which its libraries use.
# Where a card multiplies float16 faster when it also adds in float16 (GeForce), that figure stands:
# a ceiling is what cannot be passed. The cache is L2, on the MI300X its Infinity Cache.
DEVICES: Mapping[str, Device] = {
    device.name: device
    for device in (
        # NVIDIA datasheets: P4, P100 (PCIe), V100 (PCIe, SXM2), T4, A100, A40, RTX A6000, L4, L40S,
        # H100, H200, GH200; L2 from the architecture whitepapers.
        _device("p4", 0.192, 8, 2, float32=5.5),
        _device("p100-pcie", 0.732, 16, 4, float32=9.3, float16=18.7),
        _device("v100-pcie", 0.9, 32, 6, float32=14, float16=112),
        _device("v100-sxm2", 0.9, 32, 6, float32=15.7, float16=125),
        _device("t4", 0.32, 16, 4, float32=8.1, float16=65),
        _device("a100-40gb", 1.555, 40, 40, float32=19.5, bfloat16=312, float16=312),
        _device("a100-40gb-pcie", 1.555, 40, 40, float32=19.5, bfloat16=312, float16=312),
        _device("a100-80gb-pcie", 1.935, 80, 40, float32=19.5, bfloat16=312, float16=312),
        _device("a100-80gb", 2.039, 80, 40, float32=19.5, bfloat16=312, float16=312),
        _device("a40", 0.696, 48, 6, float32=37.4, bfloat16=149.7, float16=149.7),
        _device("a6000", 0.768, 48, 6, float32=38.7, bfloat16=154.8, float16=154.8),
        _device("l4", 0.3, 24, 48, float32=30.3, bfloat16=121, float16=121, float8=242),
        _device("l40s", 0.864, 48, 96, float32=91.6, bfloat16=362, float16=362, float8=733),
        _device("h100-pcie", 2.0, 80, 50, float32=51, bfloat16=756, float16=756, float8=1513),
        _device("h100-sxm", 3.35, 80, 50, float32=67, bfloat16=989, float16=989, float8=1979),
        _device("h200", 4.8, 141, 50, float32=67, bfloat16=989, float16=989, float8=1979),
        _device("gh200-96gb", 4.0, 96, None, float32=67, bfloat16=990, float16=990, float8=1979),
        # NVIDIA's Turing and GA102 whitepapers, Founders Edition.
        _device("rtx2080ti", 0.616, 11, 5.5, float32=14.2, float16=113.8),
        _device("rtx3080", 0.76, 10, 5, float32=29.8, bfloat16=59.5, float16=119),
        # AMD datasheets; the MI250 is the whole card, both dies.
        _device("mi100", 1.2288, 32, 8, float32=46.1, bfloat16=92.3, float16=184.6),
        _device("mi210", 1.6384, 64, 8, float32=45.3, bfloat16=181, float16=181),
        _device("mi250", 3.2768, 128, 16, float32=90.5, bfloat16=362.1, float16=362.1),
        _device(
            "mi300x", 5.3, 192, 256, float32=163.4, bfloat16=1307.4, float16=1307.4, float8=2614.9
        ),
    )
}
"""Devices by name, with their datasheets' ceilings."""
