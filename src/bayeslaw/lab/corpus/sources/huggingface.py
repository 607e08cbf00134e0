"""A Hugging Face data set, streamed; a folder on this machine counts as one too."""

from __future__ import annotations

import importlib
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any

from bayeslaw.errors import InvalidInputError, UnavailableError
from bayeslaw.lab.corpus.document import Document, Source, Workspace
from bayeslaw.lab.corpus.manifest import Origin

_TEXT = "text"
_TRAIN = "train"


def huggingface_source(name: str) -> Source:
    """Return the ``train`` split of a data set, streamed with the package ``datasets``.

    The corpus makes its own splits, so a data set's own test split stays out of it. Documents are
    the column ``text``, in the data set's order.

    Args:
        name: As on the hub, or a local folder: of data files, or one that ``save_to_disk`` wrote.
            A configuration follows after a colon: ``wikimedia/wikipedia:20231101.en``.
    """
    if not name:
        raise InvalidInputError(
            "hf: needs the name of a data set, such as hf:roneneldan/TinyStories"
        )
    return Source(name=f"hf:{name}", read=partial(_read, name))


def _read(name: str, workspace: Workspace) -> Generator[Document, None, None]:
    dataset = _open(name)
    if dataset.column_names is not None and _TEXT not in dataset.column_names:
        raise InvalidInputError(
            f"hf:{name} has no column {_TEXT!r}; its columns are {dataset.column_names}"
        )
    info = dataset.info
    licence = info.license or ""
    workspace.origins.append(Origin(name=name, version=str(info.version or ""), licence=licence))
    for number, row in enumerate(dataset, start=1):
        text = row.get(_TEXT)
        if not isinstance(text, str | None):
            raise InvalidInputError(
                f"hf:{name}, row {number}: {_TEXT!r} must be text, got {type(text).__name__}"
            )
        yield Document(
            text=(text or "").encode("utf-8", "surrogatepass"),
            name=f"row {number}",
            origin=name,
            licence=licence,
        )


def _open(name: str) -> Any:
    try:
        datasets = importlib.import_module("datasets")
    except ImportError as error:
        raise UnavailableError(
            f"hf:{name} needs the package datasets ({error}): pip install 'bayeslaw[text]'"
        ) from error
    folder = Path(name)
    try:
        if (folder / "dataset_dict.json").exists():
            return _train(name, datasets.load_from_disk(name)).to_iterable_dataset()
        if (folder / "state.json").exists():
            return datasets.load_from_disk(name).to_iterable_dataset()
        path, _, configuration = (name, "", "") if folder.exists() else name.partition(":")
        return _train(name, datasets.load_dataset(path, configuration or None, streaming=True))
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError(f"hf:{name} cannot be opened: {error}") from error


def _train(name: str, splits: Any) -> Any:
    if _TRAIN not in splits:
        raise InvalidInputError(f"hf:{name} has no split {_TRAIN!r}, only {sorted(splits)}")
    return splits[_TRAIN]
