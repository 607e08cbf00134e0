"""A document on its way into a corpus, and what a reader may use while it reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

from bayeslaw.lab.corpus.manifest import Origin

MAX_DOCUMENT_BYTES = 4 * 2**20
"""The longest document that a source takes when it has no rule of its own [byte]."""

REASONS = ("duplicate", "empty", "not_utf8", "too_long")
"""Why any source's document may be left out; a source can have reasons of its own."""

Notify = Callable[[str, int, int | None], None]
"""Hear ``(stage, bytes done, bytes in all or None)``."""


@dataclass(frozen=True, slots=True)
class Document:
    """Hold one text.

    Attributes:
        text: UTF-8, as found; whether it is UTF-8, too long or a duplicate is checked later.
        name: Where it is in its origin, such as a path or a row number.
        origin: Package, file or data set that it came from.
        licence: Its own, empty where nobody said.
    """

    text: bytes
    name: str
    origin: str = ""
    licence: str = ""


@dataclass
class Workspace:
    """What a reader may use and adds to.

    Attributes:
        scratch: Folder for what is needed while reading, deleted afterwards.
        folder: The corpus's own, for licence texts.
        notify: To be told of progress.
        skipped: Left out so far, by reason [count].
        origins: Where the text comes from.
    """

    scratch: Path
    folder: Path
    notify: Notify
    skipped: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(REASONS, 0)))
    origins: list[Origin] = field(default_factory=list)


@dataclass(frozen=True)
class Source:
    """Name some text and how to read it.

    Attributes:
        name: For the manifest: the same text, the same name.
        read: Yields the documents in an order that does not depend on the machine.
        max_bytes: Cap when none is asked for; None takes everything [byte].
        max_document_bytes: Longer documents are left out [byte].
        is_exact: Whether only the very same bytes make a duplicate; otherwise texts that differ
            in white space alone are one.
        n_bytes: Size of the text if it is known before it is read [byte].
    """

    name: str
    read: Callable[[Workspace], Generator[Document, None, None]]
    max_bytes: int | None = None
    max_document_bytes: int = MAX_DOCUMENT_BYTES
    is_exact: bool = False
    n_bytes: int | None = None
