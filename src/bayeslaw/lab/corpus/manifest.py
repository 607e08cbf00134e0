"""What a corpus folder holds, and how to know it again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from pathlib import Path

from bayeslaw.errors import InvalidInputError

SPLITS = ("train", "validation", "test")
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """Describe a finished corpus; every mapping is by split.

    Attributes:
        source: ``python-sources`` or the folder it was built from.
        max_bytes: Cap it was built with [byte].
        tokenizer_sha256: Of the tokenizer's description.
        n_documents: Distinct documents [count].
        n_bytes: Text without separators [byte].
        n_tokens: Text and separators [count].
        sha256: Of the token files.
        n_skipped: Files left out, by reason [count].
        format: Of the folder.
    """

    source: str
    max_bytes: int
    tokenizer_sha256: str
    n_documents: dict[str, int]
    n_bytes: dict[str, int]
    n_tokens: dict[str, int]
    sha256: dict[str, str]
    n_skipped: dict[str, int]
    format: int = FORMAT

    @property
    def fingerprint(self) -> str:
        """Hash of tokenizer and all tokens: the same text, the same fingerprint."""
        parts = [self.tokenizer_sha256, *(self.sha256[split] for split in SPLITS)]
        return hashlib.sha256("".join(parts).encode()).hexdigest()[:16]

    @classmethod
    def read(cls, folder: str | Path) -> Manifest:
        """Read a corpus folder's manifest, or say what is wrong with it."""
        path = Path(folder) / "manifest.json"
        try:
            values = json.loads(path.read_text())
        except (OSError, json.JSONDecodeError) as error:
            raise InvalidInputError(
                f"{folder} is not a finished corpus ({error}); build one with "
                f"bayeslaw.lab.corpus.build_corpus('python-sources', {str(folder)!r})"
            ) from error
        if values.get("format") != FORMAT or set(values) != {f.name for f in fields(cls)}:
            raise InvalidInputError(
                f"{path} has format {values.get('format')!r} and fields {sorted(values)}; this "
                f"bayeslaw reads format {FORMAT}: build the corpus again into a new folder"
            )
        return cls(**values)
