"""`digest providers`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict

import click
from click.shell_completion import CompletionItem
from rich.table import Table

from digest import providers as known
from digest.cli.app import App, Command, with_app
from digest.errors import NotFoundError
from digest.provider_facts import Facts, facts_of, paced, proved
from digest.provider_options import default_of, fields_of, provider_named
from digest.sources import Setting

WIDE = 120
"""In a narrower terminal what is missing would make a pillar of words; it is told of each alone."""


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
        everyone = asyncio.run(facts_of(app.settings, known.names()))
        app.give([asdict(facts) for facts in everyone])
        if not app.json:
            app.out.print(_table(everyone, is_narrow=app.out.width < WIDE), soft_wrap=False)
            app.say("\n`digest providers NAME` says what is missing, and lists the options of one.")
        return
    try:
        provider_named(name)
    except ValueError as error:
        raise NotFoundError(str(error)) from None
    (facts,), options = asyncio.run(facts_of(app.settings, [name])), app.loaded.options(name)
    defaults = {f"{name}.{option}": default_of(of) for option, of in fields_of(name).items()}
    app.give(asdict(facts) | {"options": [asdict(one) | {"default": defaults[one.name]} for one in options]})
    if not app.json:
        _tell(app, facts)
        app.out.print(_options(options, defaults), soft_wrap=False)


def _tell(app: App, facts: Facts) -> None:
    app.say(f"{facts.name}{f', the {facts.used}' if facts.used else ''}")
    app.say(f"  a call:             up to {facts.limit:,} copies")
    app.say(f"  pace:               {paced(facts.pace)}")
    app.say(f"  an uncertain batch: {proved(facts.proof)}")
    app.say(f"  set up:             {facts.trouble or f'yes, for {facts.account}'}")
    app.say()


def _table(everyone: Sequence[Facts], *, is_narrow: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for column in ("provider", "a call", "pace", "an uncertain batch", "set up"):
        table.add_column(column, overflow="fold", justify="right" if column == "a call" else "left")
    for facts in everyone:
        trouble = facts.trouble.partition(";")[0]
        why = f": {trouble}" if trouble and not is_narrow else ""
        if facts.used:
            ready = f"no, though the {facts.used}{why}" if trouble else f"yes, the {facts.used}"
        else:
            ready = f"no{why}" if trouble else "yes"
        table.add_row(facts.name, f"{facts.limit:,}", paced(facts.pace), proved(facts.proof), ready)
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
