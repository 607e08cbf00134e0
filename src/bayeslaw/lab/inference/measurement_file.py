"""Measurements in a file, one JSON line each, written so that a crash costs one line at most."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs import Measurement


class MeasurementFile:
    """Append measurements of one device and engine version to a file, and read them back.

    Args:
        path: Made with its first line; its folder must exist.
        device: As measurements call it.
        engine_version: As measurements call it.
    """

    def __init__(self, path: Path, device: str, engine_version: str) -> None:
        self.path = Path(path)
        self._place = (device, engine_version)
        if not self.path.parent.is_dir():
            raise InvalidInputError(f"there is no folder {self.path.parent}; make it first")

    def read(self, notice: Callable[[str], None]) -> list[Measurement]:
        """Return what the file holds, mending a last line that a crash has torn.

        A torn line that is whole gets its line end; one that is not is dropped, so its case is
        timed again. ``notice`` hears of both.

        Raises:
            InvalidInputError: A line before the last is no measurement, or one is of another
                device or engine version.
        """
        if not self.path.exists():
            return []
        content = self.path.read_bytes()
        whole, _, torn = content.rpartition(b"\n")
        lines = whole.split(b"\n") if whole else []
        if torn:
            lines += self._mend(len(content) - len(torn), torn, notice)
        found = []
        for number, line in enumerate(lines, start=1):
            try:
                found.append(_parse(line))
            except InvalidInputError as error:
                raise InvalidInputError(
                    f"line {number} of {self.path} is no measurement: {error}; remove it, or give "
                    f"another file"
                ) from error
        for measurement in found:
            self._check_place(measurement)
        return found

    def append(self, measurement: Measurement) -> None:
        """Write one line, and return when it is on the disk."""
        self._check_place(measurement)
        line = json.dumps(measurement.to_dict(), allow_nan=False) + "\n"
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def _mend(self, start: int, torn: bytes, notice: Callable[[str], None]) -> list[bytes]:
        """End or drop a last line without a line end, which begins at byte ``start``."""
        try:
            _parse(torn)
        except InvalidInputError:
            notice(f"the last line of {self.path} was torn by a crash; dropped, timed again")
            with self.path.open("r+b") as file:
                file.truncate(start)
            return []
        notice(f"the last line of {self.path} lacked its end; completed")
        with self.path.open("ab") as file:
            file.write(b"\n")
        return [torn]

    def _check_place(self, measurement: Measurement) -> None:
        place = (measurement.device, measurement.engine_version)
        if place != self._place:
            raise InvalidInputError(
                f"{self.path} is for {' with '.join(self._place)!r}, this was timed on "
                f"{' with '.join(place)!r}; one file is of one device and engine version, "
                f"give another file"
            )


def _parse(line: bytes) -> Measurement:
    try:
        values = json.loads(line)
    except ValueError as error:  # of JSON or of UTF-8
        raise InvalidInputError(f"not JSON: {error}") from error
    if not isinstance(values, dict):
        raise InvalidInputError(f"not an object but {type(values).__name__}")
    return Measurement.from_dict(values)
