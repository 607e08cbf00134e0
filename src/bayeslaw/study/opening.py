"""A study's folder: made, and opened without torch or jax."""

from __future__ import annotations

from pathlib import Path

from bayeslaw.errors import NotFoundError, StateError
from bayeslaw.store import SqlStore
from bayeslaw.study.config import StudyConfig
from bayeslaw.study.state import StudyState

DATABASE = "study.db"


def create_state(folder: Path | str, config: StudyConfig) -> StudyState:
    """Begin a study in a folder, or open it if it was begun with this very config.

    Raises:
        StateError: The folder holds a study of another name or with another config.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    store = SqlStore(folder / DATABASE)
    names = [study.study_id for study in store.studies()]
    if names and config.name not in names:
        raise StateError(f"{folder} holds study {names[0]!r}; use another folder")
    return StudyState.create(store, config.name, config.to_dict())


def open_state(folder: Path | str) -> StudyState:
    """Open the study of a folder.

    Raises:
        NotFoundError: There is none.
    """
    path = Path(folder) / DATABASE
    store = SqlStore(path) if path.exists() else None
    if store is None or not (studies := store.studies()):
        raise NotFoundError(
            f"{folder} holds no study; make one with `bayeslaw init STUDY.yaml --folder {folder}`"
        )
    return StudyState(store, studies[0].study_id)
