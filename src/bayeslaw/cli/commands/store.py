"""``bayeslaw store``: a store's backup, and proof that its events tell its whole state."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayeslaw.cli.options import AsJson
from bayeslaw.cli.output import console, print_json, print_table
from bayeslaw.errors import NotFoundError, StateError

store = typer.Typer(
    help="Back a store up, bring it back, and prove that its events tell everything.",
    no_args_is_help=True,
)

Address = Annotated[
    str, typer.Argument(help="A study's or a server's folder, a store's file, or its URL.")
]


@store.command()
def replay(
    address: Address,
    into: Annotated[
        Path | None, typer.Option("--into", help="Keep the store that is made in this new file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make all state again from the events and compare it with the store's, row by row."""
    from bayeslaw.cli.progress import waiting
    from bayeslaw.store.replay import replay as replay_store

    if into is not None and into.exists():
        raise StateError(f"{into} exists; name a new file")
    with waiting("making all rows again from the events", silent=as_json):
        found = replay_store(_address(address), into)
    if as_json:
        print_json(
            {"is_equal": found.is_equal, "n_events": found.n_events, "n_rows": found.n_rows,
             "differences": list(found.differences)}
        )  # fmt: skip
    else:
        print_table("made from the events", ["table", "rows"], found.n_rows.items())
        for difference in found.differences:
            console().print(difference, markup=False, highlight=False)
        verdict = "equal to the store" if found.is_equal else "DIFFERENT from the store"
        console().print(f"{found.n_events:,} events replayed: {verdict}")
    if not found.is_equal:
        raise StateError(
            f"the events do not tell what the store holds ({len(found.differences)} differences)"
        )


@store.command()
def backup(
    address: Address,
    file: Annotated[Path, typer.Argument(help="A new file.")],
    as_json: AsJson = False,
) -> None:
    """Copy a store, in use or not, to a new file; readable by its owner only."""
    if file.exists():
        raise StateError(f"{file} exists; a backup goes to a new file")
    _copy(_address(address), str(file), "backed up", as_json)


@store.command()
def restore(
    file: Annotated[
        Path, typer.Argument(help="What `backup` wrote, by this bayeslaw or an older.")
    ],
    address: Annotated[str, typer.Argument(help="An empty store: a new file, or a URL.")],
    as_json: AsJson = False,
) -> None:
    """Copy a backup into an empty store; SQLite and Postgres in any direction."""
    if not file.exists():
        raise NotFoundError(f"{file} does not exist")
    _copy(str(file), address, "restored", as_json)


def _copy(source: str, target: str, done: str, as_json: bool) -> None:
    from bayeslaw.cli.progress import waiting
    from bayeslaw.store.backup import copy_store

    with waiting("copying", silent=as_json):
        copied = copy_store(source, target)
    if as_json:
        print_json({"rows": copied})
    else:
        print_table(done, ["table", "rows"], copied.items())


def _address(address: str) -> str:
    """Return where the store of a folder, a file or a URL is; it must be there."""
    if "://" in address:
        return address
    path = Path(address)
    candidates = [path / "study.db", path / "store.db"] if path.is_dir() else [path]
    for candidate in candidates:
        if candidate.exists():
            return str(candidate)
    raise NotFoundError(f"no store at {address}; looked for {', '.join(map(str, candidates))}")
