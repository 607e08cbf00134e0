"""The Debian packages that debian-docs is made of, and which of their files are its text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from bayeslaw.lab.corpus.sources.markup import (
    html_to_text,
    pod_to_text,
    roff_to_text,
    wordnet_to_text,
)


@dataclass(frozen=True, slots=True)
class Part:
    """Name files of a package that are read in one way.

    Attributes:
        files: Glob below the package's root; ``.gz`` and ``.dz`` are unpacked.
        to_text: What makes plain text of one, or None where it is that already.
        is_cut: Whether a file is a dictionary, which is cut between entries into many documents.
    """

    files: str
    to_text: Callable[[str], str] | None = None
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Package:
    """Name a package of Debian's main section with its text.

    Attributes:
        name: As apt knows it in every release.
        licence: As its copyright file says; that file goes into the corpus.
        parts: Its text. Files in other formats that say the same are left out.
        current: Pattern of the package that ``name`` depends on, where it only points there.
    """

    name: str
    licence: str
    parts: tuple[Part, ...]
    current: re.Pattern[str] | None = None


PACKAGES = (
    Package("dict-gcide", "GPL-2+", (Part("usr/share/dictd/gcide.dict.dz", is_cut=True),)),
    Package(
        "linux-doc",
        "GPL-2",
        (
            Part("usr/share/doc/linux-doc-*/Documentation/**/*.rst.gz"),
            Part("usr/share/doc/linux-doc-*/Documentation/**/*.txt.gz"),
        ),
        current=re.compile(r"linux-doc-[\d.]+"),
    ),
    Package(
        "wordnet-base",
        "WordNet-3.0",
        (Part("usr/share/wordnet/data.*", wordnet_to_text, is_cut=True),),
    ),
    Package(
        "perl-doc",
        "GPL-1+ or Artistic",
        (
            Part("usr/share/perl/*/pod/*.pod", pod_to_text),
            # Those of section 1 say what the pods say; these are of modules.
            Part("usr/share/man/man3/*.3perl.gz", roff_to_text),
        ),
    ),
    Package("anarchism", "GPL-2", (Part("usr/share/doc/anarchism/html/**/*.html", html_to_text),)),
    Package(
        "cppreference-doc-en-html",
        "CC-BY-SA-3.0 or GFDL",
        (Part("usr/share/cppreference/doc/html/en/**/*.html", html_to_text),),
    ),
    Package(
        "python3-doc",
        "PSF-2.0",
        (Part("usr/share/doc/python3*/html/_sources/**/*.txt"),),
        current=re.compile(r"python3\.\d+-doc"),
    ),
    Package(
        "postgresql-doc",
        "PostgreSQL",
        (Part("usr/share/doc/postgresql-doc-*/html/**/*.html", html_to_text),),
        current=re.compile(r"postgresql-doc-\d+"),
    ),
    Package("dict-foldoc", "GFDL-1.1+", (Part("usr/share/dictd/foldoc.dict.dz", is_cut=True),)),
    Package("git-doc", "GPL-2", (Part("usr/share/doc/git-doc/**/*.txt"),)),
    Package(
        "debian-policy",
        "GPL-2+",
        (Part("usr/share/doc/debian-policy/policy.html/_sources/**/*.txt"),),
    ),
    Package(
        "debian-reference-en",
        "GPL-2+",
        (Part("usr/share/debian-reference/*.html", html_to_text),),
    ),
    Package(
        "debian-handbook",
        "GPL-2+ or CC-BY-SA-3.0",
        (Part("usr/share/doc/debian-handbook/html/en-US/**/*.html", html_to_text),),
    ),
    Package(
        "jargon-text",
        "public domain",
        (Part("usr/share/doc/jargon-text/jargon.txt.gz", is_cut=True),),
    ),
    Package(
        "developers-reference",
        "GPL-2+",
        (Part("usr/share/developers-reference/_sources/**/*.txt"),),
    ),
)
