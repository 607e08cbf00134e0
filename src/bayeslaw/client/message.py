"""What all generated types share."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from bayeslaw.errors import UnavailableError


class Message(BaseModel):
    """Hold a request or an answer; it does not change, and what a newer service adds is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def read(cls, content: bytes | str) -> Self:
        """Read an answer's JSON.

        Raises:
            UnavailableError: It is something else: another version of the service, or a proxy's
                page.
        """
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            where = "; ".join(
                f"{'.'.join(map(str, issue['loc'])) or 'it'}: {issue['msg']}"
                for issue in error.errors(include_url=False)[:3]
            )
            raise UnavailableError(
                f"the answer is no {cls.__name__} as this client knows it ({where}); use a client "
                f"of the service's version"
            ) from error
