from __future__ import annotations

from collections.abc import Mapping

from bayeslaw.models.loss.laws.coefficient import Coefficient
from bayeslaw.models.loss.laws.law import Array, LossLaw

_SHARES = (
    "over the floor, size still removes .20-.21 and data .20-.32 at 1e9 weights and 2e10 tokens "
    "(Hoffmann, Epoch); small networks are further from theirs, so the share grows as size**-.15"
)
_EXPONENTS = (
    "published fits in total N lie in .23-.71 (Hoffmann, Epoch, Gemstones, Gadre, P2), all within "
    "1.8 sd"
)

BASE_COEFFICIENTS = (
    Coefficient(
        "E", "loss that no size or data removes", "floor", 1.0, 0.15,
        reason="the base loss at the table's middle is the table's mean loss, give or take shapes",
        unit="nats per token",
    ),
    Coefficient(
        "A", "loss that size removes", "share", 0.2, 1.0, (("N", "alpha", 1.0),),
        ("N", 1e9, 0.15), reason=_SHARES,
    ),
    Coefficient("alpha", "how fast size removes it", "pure", 0.35, 0.4, reason=_EXPONENTS),
    Coefficient(
        "B", "loss that data removes", "share", 0.25, 1.0, (("D", "beta", 1.0),),
        ("D", 2e10, 0.15), reason=_SHARES,
    ),
    Coefficient("beta", "how fast data removes it", "pure", 0.35, 0.4, reason=_EXPONENTS),
)  # fmt: skip
"""Shared by every law around this base.

Shares: large networks reach .3-.5 nats a byte of text and code, where 6e4 weights and 1e6 bytes
leave about 1.9. One median (.4) for both scales put the floor of small networks too high and their
predictions 3-5 % above the truth. A power of .15 leads to a share of about one there; chosen for
the least bias over simulated tables with floors of .3-1.1 nats a byte and of 1.5-1.9 at 1e9
weights (docs/log.md, 2026-11-22).
"""


def chinchilla(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``E + A / N**alpha + B / D**beta`` [nats per token].

    Source:
        Hoffmann et al. (2022), arXiv:2203.15556, approach 3. N there counts all weights.
    """
    return (
        theta["E"]
        + theta["A"] / columns["N"] ** theta["alpha"]
        + theta["B"] / columns["D"] ** theta["beta"]
    )


CHINCHILLA = LossLaw(
    name="chinchilla",
    inputs=("n_params", "n_tokens"),
    letters=("N", "D"),
    coefficients=BASE_COEFFICIENTS,
    formula=chinchilla,
    source="Hoffmann et al. (2022), arXiv:2203.15556, approach 3",
    valid_range=(("N", 7e7, 1.6e10),),
)
