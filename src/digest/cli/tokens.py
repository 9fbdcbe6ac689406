"""`digest tokens`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import click
from rich.table import Table

from digest import times
from digest.cli.app import App, Group, with_app
from digest.errors import InputError
from digest.programs import api_tokens
from digest.programs.api_tokens import SCOPES

ALL = "all"


@click.group(cls=Group)
def tokens() -> None:
    """Create, list and revoke the tokens of programs that call the API."""


@tokens.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice((*SCOPES, ALL)),
    multiple=True,
    required=True,
    help="What it may do; may repeat. `all` is every one.",
)
@click.option("--expires", metavar="90d|TIME", help="When it ends: in so many days or hours, or at a time.")
@with_app
def create(app: App, name: str, scopes: tuple[str, ...], expires: str | None) -> None:
    """Make a token for the program NAME, and print it: this once, for the store keeps only a hash of it."""
    now = times.now()
    until = _moment(app, expires, now) if expires else None
    with app.store(create=True) as db:
        token, made = api_tokens.create(db, name, SCOPES if ALL in scopes else scopes, now=now, expires_at=until)
    app.say(token)
    app.note(f"this is the token of {made.name!r}; keep it now, it is not shown again")
    app.give({"token": token, **made.as_dict()})


@tokens.command("list")
@with_app
def list_(app: App) -> None:
    """List all tokens: what they may do, when they were used last (to the hour), which are in force."""
    now = times.now()
    with app.store() as db:
        found = api_tokens.all_of(db)
    app.give([{**token.as_dict(), "state": token.state(now)} for token in found])
    if not found:
        app.say("None; `digest tokens create` makes one.")
    elif not app.json:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("name", "scopes", "state", "created", "expires", "used"):
            table.add_column(column, overflow="fold")
        for token in found:
            moments = (token.created_at, token.expires_at, token.last_used_at)
            table.add_row(token.name, " ".join(token.scopes), token.state(now), *((at or "")[:10] for at in moments))
        app.out.print(table)


@tokens.command()
@click.argument("name")
@with_app
def revoke(app: App, name: str) -> None:
    """End the token of the program NAME at once and for good."""
    with app.store() as db:
        token, changed = api_tokens.revoke(db, name, now=times.now())
    app.say(f"{token.name} is {'revoked' if changed else 'revoked already'}.")
    app.give({"changed": changed, **token.as_dict()})


def _moment(app: App, text: str, now: datetime) -> datetime:
    if age := re.fullmatch(r"(\d{1,5})([dh])", text.strip()):
        return now + timedelta(hours=int(age[1]) * (24 if age[2] == "d" else 1))
    try:
        return times.parse(text, app.settings.zone, now)
    except InputError as error:
        raise InputError(f"{error.message}, or like 90d", field="expires") from None
