"""Which reader a source's name asks for."""

from __future__ import annotations

from pathlib import Path

from bayeslaw.lab.corpus.document import Source
from bayeslaw.lab.corpus.sources.debian import debian_source
from bayeslaw.lab.corpus.sources.files import file_source
from bayeslaw.lab.corpus.sources.huggingface import huggingface_source
from bayeslaw.lab.corpus.sources.python_sources import python_source

PYTHON_SOURCES = "python-sources"
DEBIAN_DOCS = "debian-docs"
_HUGGINGFACE = "hf:"


def open_source(source: str | Path) -> Source:
    """Return the text that a name or path stands for; nothing is read yet.

    Raises:
        InvalidInputError: It is no known name and there is no such file or folder.
    """
    if source == PYTHON_SOURCES:
        return python_source(PYTHON_SOURCES)
    if source == DEBIAN_DOCS:
        return debian_source(DEBIAN_DOCS)
    if isinstance(source, str) and source.startswith(_HUGGINGFACE):
        return huggingface_source(source.removeprefix(_HUGGINGFACE))
    return file_source(Path(source))
