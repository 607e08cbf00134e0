"""Posteriors as NetCDF files, a folder a fit: there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bayeslaw.errors import BayeslawError
from bayeslaw.models.loss import Posterior

_KEPT_FITS = 3


@dataclass(frozen=True)
class PosteriorFolder:
    """Keep the last fits of one study under a service's folder.

    A fit's folder is named by the runs it knows and the method, so that whoever starts anew finds
    what was fitted before, and fits nothing twice.

    Attributes:
        home: The service's folder.
        study_id: Of the study.
        laws: Names of the laws, in the study's order.
    """

    home: Path
    study_id: str
    laws: Sequence[str]

    @property
    def folder(self) -> Path:
        """Where the fits are; made when the first is written."""
        return self.home / "posteriors" / quote(self.study_id, safe="")

    def place(self, fingerprint: str, method: str) -> Path:
        """Return the folder of a fit, whether or not it is there."""
        return self.folder / f"{fingerprint}-{method}"

    def write(self, posteriors: Iterable[Posterior], place: Path) -> None:
        """Write a fit; a process that is killed meanwhile leaves none, and older ones stay."""
        partial = place.with_name(f".{place.name}.{os.getpid()}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for posterior in posteriors:
            posterior.save(partial / f"{posterior.law_name}.nc")
        if place.exists():
            # The same runs, method and seed gave the same draws: what is there stays.
            shutil.rmtree(partial)
            os.utime(place)
        else:
            partial.rename(place)

    def read(self, place: Path) -> tuple[Posterior, ...]:
        """Return the posteriors of a fit, one a law."""
        return tuple(Posterior.load(place / f"{law}.nc") for law in self.laws)

    def newest(self) -> tuple[tuple[Posterior, ...], Path | None]:
        """Return the last fit that can be read and where it is; nothing where there is none."""
        for place in reversed(self._places()):
            try:
                return self.read(place), place
            except (BayeslawError, OSError):
                # Of another version, or damaged: as good as none.
                continue
        return (), None

    def tidy(self, used: Path | None = None) -> None:
        """Remove all but the last fits and the one in use."""
        for place in self._places()[:-_KEPT_FITS]:
            if place != used:
                shutil.rmtree(place, ignore_errors=True)
        for partial in self.folder.glob(".*.partial"):
            if not _is_alive(partial):
                shutil.rmtree(partial, ignore_errors=True)

    def _places(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        places = [p for p in self.folder.iterdir() if p.is_dir() and not p.name.startswith(".")]
        return sorted(places, key=lambda place: (place.stat().st_mtime_ns, place.name))


def _is_alive(partial: Path) -> bool:
    number = partial.name.split(".")[-2]
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True
