"""``bayeslaw token``: who may use a service."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayeslaw.cli.options import AsJson
from bayeslaw.cli.output import console, print_json, print_table
from bayeslaw.cli.service_options import Home, StoreUrl
from bayeslaw.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from bayeslaw.store import SqlStore, Token

token = typer.Typer(
    help="Make, list, rotate or revoke the tokens of a service; also while it runs.",
    no_args_is_help=True,
)

_TokenId = Annotated[str, typer.Argument(help="Of `bayeslaw token list`.")]


@token.command()
def create(
    name: Annotated[str, typer.Option("--name", help="Whose it is, such as scheduler.")],
    scopes: Annotated[
        str, typer.Option("--scopes", help="Of read, plan, report and admin, by commas.")
    ],
    home: Home,
    expires_days: Annotated[
        float | None,
        typer.Option("--expires-days", help="When it ends; never by default.", show_default=False),
    ] = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print its secret, once; also before the service's first start."""
    if expires_days is not None and not 0 < expires_days < 36_500:
        raise InvalidInputError(f"--expires-days must be above 0, such as 30, got {expires_days}")
    from bayeslaw.service.tokens import create_token

    with _opened(home, store, is_new=True) as opened:
        now = time.time()
        made, secret = create_token(
            opened,
            name,
            [scope.strip() for scope in scopes.split(",") if scope.strip()],
            at=now,
            expires_at=None if expires_days is None else now + 86_400 * expires_days,
        )
    _show_secret(made, secret, as_json=as_json)


@token.command("list")
def list_tokens(home: Home, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """List tokens, oldest first; secrets are not kept anywhere."""
    with _opened(home, store) as opened:
        found = opened.tokens()
    if as_json:
        print_json([_content(one) for one in found])
        return
    now = time.time()
    print_table(
        "tokens",
        ["token", "name", "scopes", "made", "ends", "state"],
        [
            [
                one.token_id,
                one.name,
                ", ".join(one.scopes),
                _when(one.created_at),
                _when(one.expires_at),
                _state(one, now),
            ]
            for one in found
        ],
        left=6,
    )


@token.command()
def rotate(
    token_id: _TokenId,
    home: Home,
    grace_s: Annotated[
        float, typer.Option("--grace-s", help="How long the old secret works too [s].")
    ] = 3600.0,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Give a token a new secret and print it, once."""
    from bayeslaw.service.tokens import rotate_token

    with _opened(home, store) as opened:
        made, secret = rotate_token(opened, token_id, at=time.time(), grace_s=grace_s)
    _show_secret(made, secret, as_json=as_json)


@token.command()
def revoke(token_id: _TokenId, home: Home, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """End a token now; a running service heeds it within a second."""
    from bayeslaw.service.tokens import revoke_token

    with _opened(home, store) as opened:
        revoked = revoke_token(opened, token_id, at=time.time())
    if as_json:
        print_json(_content(revoked))
    else:
        console().print(f"revoked {revoked.token_id} ({revoked.name})", markup=False)


def _opened(home: Path, store: str | None, *, is_new: bool = False) -> SqlStore:
    from bayeslaw.service.home import Home as ServiceHome
    from bayeslaw.store import SqlStore

    if not is_new and not home.is_dir():
        raise NotFoundError(f"there is no service in {home}; name the --home of one")
    return SqlStore(ServiceHome(home).store_url(store))


def _show_secret(made: Token, secret: str, *, as_json: bool) -> None:
    if as_json:
        print_json({**_content(made), "secret": secret})
        return
    typer.echo(
        f"token {made.token_id} ({made.name}; {', '.join(made.scopes)}; ends "
        f"{_when(made.expires_at)}); its secret, shown only now:",
        err=True,
    )
    typer.echo(secret)  # alone on standard output: `TOKEN=$(bayeslaw token create ...)`


def _content(one: Token) -> dict[str, Any]:
    return {
        "token_id": one.token_id,
        "name": one.name,
        "scopes": list(one.scopes),
        "created_at": _when(one.created_at),
        "expires_at": None if one.expires_at is None else _when(one.expires_at),
        "revoked_at": None if one.revoked_at is None else _when(one.revoked_at),
        "previous_until": None if one.previous_until is None else _when(one.previous_until),
    }


def _when(at: float | None) -> str:
    if at is None:
        return "never"
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _state(one: Token, now: float) -> str:
    if one.revoked_at is not None:
        return "revoked"
    if one.expires_at is not None and one.expires_at <= now:
        return "expired"
    return "good"
