"""Manuals and dictionaries of Debian: real, free text by apt alone, without being root."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bayeslaw.errors import UnavailableError
from bayeslaw.lab.corpus.document import Document, Source, Workspace
from bayeslaw.lab.corpus.manifest import Origin
from bayeslaw.lab.corpus.sources.debian_packages import PACKAGES, Package, Part

_PROGRAMS = ("apt-get", "apt-cache", "dpkg-deb")
# Documents that a dictionary is cut into [character].
_CUT_CHARACTERS = 16_384
# Between entries: a blank line, then a line that is not indented.
_ENTRY = re.compile(r"\n\n(?=\S)")
_PARAGRAPH = re.compile(r"\n\n+")
# Shorter paragraphs are headings and phrases, which may well occur twice.
_REPEATABLE_BYTES = 64
_DIGEST_BYTES = 16
# A byte that is no UTF-8 comes out as it went in, so that it costs its document alone.
_CODEC = ("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class _Found:
    """Point to a package as apt would download it now."""

    package: Package
    name: str
    version: str
    n_bytes: int


def debian_source(name: str) -> Source:
    """Return the text of some documentation packages of the Debian release that apt is set up for.

    Markup is stripped, and a paragraph that any document had before is left out. Documents come in
    the order of their names' hashes; versions and copyright files are kept in the corpus.
    """
    return Source(name=name, read=_read)


def _read(workspace: Workspace) -> Generator[Document, None, None]:
    _require_programs()
    found = [_find(package) for package in PACKAGES]
    texts = workspace.scratch / "texts"
    texts.mkdir()
    documents: list[tuple[str, Path, _Found]] = []
    done = 0
    for item in found:
        workspace.notify("downloading and unpacking", done, sum(item.n_bytes for item in found))
        root = _unpack(item, workspace)
        for name, text in _texts(root, item):
            path = texts / f"{len(documents)}"
            path.write_bytes(text)
            documents.append((f"{item.name}/{name}", path, item))
        shutil.rmtree(root)
        done += item.n_bytes
    documents.sort(key=lambda document: hashlib.sha256(document[0].encode()).digest())
    seen: set[bytes] = set()
    for name, path, item in documents:
        yield Document(
            text=_without_repeats(path.read_bytes().decode(*_CODEC), seen, workspace),
            name=name,
            origin=item.name,
            licence=item.package.licence,
        )


def _require_programs() -> None:
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing:
        raise UnavailableError(
            f"debian-docs needs Debian's {' and '.join(missing)}, which this machine has not; build "
            f"it on Debian or Ubuntu and copy the folder, or take python-sources"
        )


def _run(words: Sequence[str], folder: Path | None = None) -> str:
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}
    )
    if done.returncode:
        raise UnavailableError(
            f"`{' '.join(words)}` failed: {done.stderr.strip()[-500:]}. debian-docs needs apt with "
            f"Debian's main section and fresh lists (`apt-get update`, as root) and the network"
        )
    return done.stdout


def _find(package: Package) -> _Found:
    """Ask apt which version there is, following a name that only points to the current one."""
    fields = _fields(package.name)
    name = package.name
    if package.current is not None:
        current = package.current.search(fields.get("Depends", ""))
        if current is None:
            raise UnavailableError(
                f"apt's package {name} does not depend on one like {package.current.pattern!r}; "
                f"debian-docs does not know this release"
            )
        name = current[0]
        fields = _fields(name)
    return _Found(package, name, fields["Version"], int(fields["Size"]))


def _fields(name: str) -> dict[str, str]:
    text = _run(["apt-cache", "show", "--no-all-versions", name])
    lines = (line.partition(": ") for line in text.splitlines() if not line.startswith(" "))
    return {key: value for key, _, value in lines}


def _unpack(item: _Found, workspace: Workspace) -> Path:
    """Download a package into a folder of its own, and keep its copyright file."""
    root = workspace.scratch / item.name
    root.mkdir()
    _run(["apt-get", "download", f"{item.name}={item.version}"], folder=root)
    archive = next(root.glob("*.deb"))
    _run(["dpkg-deb", "-x", str(archive), str(root)])
    archive.unlink()
    copyright_file = root / "usr/share/doc" / item.name / "copyright"
    kept = ""
    if copyright_file.is_file():
        (workspace.folder / "licences").mkdir(exist_ok=True)
        kept = f"licences/{item.name}.txt"
        shutil.copyfile(copyright_file, workspace.folder / kept)
    workspace.origins.append(Origin(item.name, item.version, item.package.licence, kept))
    return root


def _texts(root: Path, item: _Found) -> Iterator[tuple[str, bytes]]:
    for part in item.package.parts:
        paths = sorted(path for path in root.glob(part.files) if path.is_file())
        if not paths:
            raise UnavailableError(
                f"{item.name} {item.version} has no files {part.files!r}; debian-docs does not know "
                f"this release"
            )
        for path in paths:
            name = path.relative_to(root).as_posix()
            # A symbolic link repeats another file, or points out of the package.
            if path.resolve() != root.resolve() / name:
                continue
            text = _plain(path, part)
            if part.is_cut:
                for number, entries in enumerate(_cut(text)):
                    yield f"{name}#{number}", entries.encode(*_CODEC)
            else:
                yield name, text.encode(*_CODEC)


def _plain(path: Path, part: Part) -> str:
    content = path.read_bytes()
    if path.suffix in (".gz", ".dz"):
        content = gzip.decompress(content)
    text = content.decode(*_CODEC)
    return part.to_text(text) if part.to_text else text


def _cut(text: str) -> Iterator[str]:
    """Cut a dictionary into documents of about 16 kB, between entries where they are in sight."""
    start = 0
    while start < len(text):
        least = start + _CUT_CHARACTERS
        found = _ENTRY.search(text, least, least + _CUT_CHARACTERS) or _PARAGRAPH.search(
            text, least
        )
        end = found.end() if found else len(text)
        yield text[start:end]
        start = end


def _without_repeats(text: str, seen: set[bytes], workspace: Workspace) -> bytes:
    kept = []
    for paragraph in _PARAGRAPH.split(text):
        content = "".join(paragraph.split()).encode(*_CODEC)
        if len(content) >= _REPEATABLE_BYTES:
            digest = hashlib.sha256(content).digest()[:_DIGEST_BYTES]
            if digest in seen:
                workspace.skipped["repeated_paragraph"] += 1
                continue
            seen.add(digest)
        kept.append(paragraph)
    return "\n\n".join(kept).encode(*_CODEC)
