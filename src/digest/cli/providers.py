"""`digest providers`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import click
from click.shell_completion import CompletionItem
from pydantic import SecretStr
from rich.table import Table

from digest import providers as known
from digest.cli.app import App, Command, with_app
from digest.errors import NotFoundError, SettingsError
from digest.provider_options import default_of, fields_of, provider_named
from digest.providers.interface import Pace, Proof, Provider
from digest.settings import Settings
from digest.sources import Setting

ALWAYS_S = 10 * 365 * 24 * 3600
"""Nobody waits longer than that to ask."""


@dataclass(frozen=True)
class _Facts:
    """What is known of a provider; `trouble` says why it cannot be used as the settings are."""

    name: str
    used: str
    trouble: str
    account: str
    limit: int
    pace: Pace
    proof: Proof


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in known.names() if name.startswith(incomplete)]


@click.command(cls=Command)
@click.argument("name", required=False, shell_complete=_complete)
@with_app
def providers(app: App, name: str | None) -> None:
    """Print who can take our mail: how much a call, how fast, and what proves that a copy was accepted.

    With a NAME its options: their values, their defaults and what they mean. Nobody is connected to.
    """
    if name is None:
        everyone = asyncio.run(_facts(app.settings, known.names()))
        app.give([asdict(facts) for facts in everyone])
        if not app.json:
            app.out.print(_table(everyone), soft_wrap=False)
            app.say("\n`digest providers NAME` lists the options of one.")
        return
    try:
        provider_named(name)
    except ValueError as error:
        raise NotFoundError(str(error)) from None
    (facts,), options = asyncio.run(_facts(app.settings, [name])), app.loaded.options(name)
    defaults = {f"{name}.{option}": default_of(of) for option, of in fields_of(name).items()}
    app.give(asdict(facts) | {"options": [asdict(one) | {"default": defaults[one.name]} for one in options]})
    if not app.json:
        _tell(app, facts)
        app.out.print(_options(options, defaults), soft_wrap=False)


def _tell(app: App, facts: _Facts) -> None:
    app.say(f"{facts.name}{f', the {facts.used}' if facts.used else ''}")
    app.say(f"  a call:             up to {facts.limit:,} copies")
    app.say(f"  pace:               {paced(facts.pace)}")
    app.say(f"  an uncertain batch: {proved(facts.proof)}")
    app.say(f"  set up:             {facts.trouble or f'yes, for {facts.account}'}")
    app.say()


def _table(everyone: Sequence[_Facts]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for column in ("provider", "a call", "pace", "an uncertain batch", "set up"):
        table.add_column(column, overflow="fold")
    for facts in everyone:
        trouble = facts.trouble.partition(";")[0]
        if facts.used:
            ready = f"no, though the {facts.used}: {trouble}" if trouble else f"yes, the {facts.used}"
        else:
            ready = f"no: {trouble}" if trouble else "yes"
        table.add_row(facts.name, f"{facts.limit:,} copies", paced(facts.pace), proved(facts.proof), ready)
    return table


def _options(options: Sequence[Setting], defaults: dict[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    table.add_column("option", no_wrap=True)
    for column in ("value", "from", "default"):
        table.add_column(column, overflow="fold")
    table.add_column("meaning", overflow="fold", ratio=1)
    for one in options:
        table.add_row(one.name.partition(".")[2], one.value, one.source, defaults[one.name], one.meaning)
    return table


async def _facts(settings: Settings, names: Sequence[str]) -> list[_Facts]:
    found = []
    for name in names:
        roles = ("provider", "failover", "letters_provider")
        used = next((role for role in roles if name == getattr(settings, role)), "")
        provider, trouble = _made(settings, name)
        account = "" if trouble else provider.account
        found.append(_Facts(name, used, trouble, account, provider.limit, provider.pace, provider.proof))
        await provider.close()
    return found


def _made(settings: Settings, name: str) -> tuple[Provider, str]:
    """Make a provider without connecting to it; where it is not set up, one to be looked at only, and why."""
    try:
        return known.connect(name, settings.options_for(name)), ""
    except SettingsError as error:
        kind = known.options_of(name)
        # Its figures do not hang on what is missing, so anything stands for that.
        wanted: dict[str, Any] = {
            option: SecretStr("not-set.example") if of.annotation is SecretStr else "not-set.example"
            for option, of in fields_of(name).items()
            if of.is_required()
        }
        return known.connect(name, kind.model_construct(**wanted)), str(error)


def paced(pace: Pace) -> str:
    """Say how fast a provider is worked."""
    parts = [
        f"{number:,.12g} {what}"
        for number, what in (
            (pace.calls_a_second, "calls/s"),
            (pace.copies_a_second, "copies/s"),
            (pace.a_day, "copies a day"),
            (pace.first_day, "copies on the first day"),
        )
        if number
    ]
    at_once = "one call at a time" if pace.connections == 1 else f"{pace.connections} calls at a time"
    return ", ".join([*parts, at_once])


def proved(proof: Proof) -> str:
    """Say how it is found out whether an uncertain batch was accepted."""
    ways = []
    if proof.replay_s:
        ways.append(f"the same call again, for {_span(proof.replay_s)}")
    if proof.ask_s:
        ways.append("asked at any time" if proof.ask_s > ALWAYS_S else f"asked, for {_span(proof.ask_s)}")
    return "; ".join(ways) or "nothing proves it"


def _span(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:g} s"
