"""What a statistical model warns about, as coded notes instead of prose in a log."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Severity = Literal["info", "warning"]


@dataclass(frozen=True, slots=True)
class Note:
    """Warn about a fit or a prediction, and say what to do.

    Attributes:
        code: Stable name, for programs: ``constant_tokens_per_param``.
        severity: ``info`` (good to know) or ``warning`` (believe it less).
        message: For people: what is wrong, and what would mend it.

    >>> print(Note("one_size", "warning", "every run has one size; train a second size"))
    warning [one_size]: every run has one size; train a second size
    """

    code: str
    severity: Severity
    message: str

    def __str__(self) -> str:
        return f"{self.severity} [{self.code}]: {self.message}"

    def to_dict(self) -> dict[str, str]:
        """Return the fields as JSON-ready values."""
        return asdict(self)
