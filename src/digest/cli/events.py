"""`digest events`: what providers told us, how it went, and the work on it."""

from __future__ import annotations

from collections.abc import Iterable

import click
from rich.table import Table

from digest import times
from digest.cli.app import App, Group, counted, with_app
from digest.cli.stopping import Stopping
from digest.sending.copies import Signers
from digest.sending.workers import Worker

HOURS = 7 * 24


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def events(context: click.Context) -> None:
    """What providers told us in the last week: calls by what became of them, kinds we do not know, what waits."""
    if context.invoked_subcommand is None:
        context.invoke(show)


@events.command()
@click.option(
    "--hours", type=click.IntRange(1, 24 * 366), default=HOURS, show_default=True, help="Of how many hours to count."
)
@with_app
def show(app: App, hours: int) -> None:
    """Count the calls of providers, and the events in them, by what became of them; show what we do not know or waits.

    A call has one event or many, so that the two counts are not the same.
    """
    # Here and below, because no other command should wait until they are loaded.
    from digest.tracking.intake_figures import intake
    from digest.tracking.spool import folder_of

    with app.store() as db:
        found = intake(db, folder_of(app.settings.db), hours=hours, now=times.now())
    app.give(found.as_dict())
    if app.json:
        return
    if not found.outcomes:
        app.say(f"Nothing came in within {hours} hours.")
    else:
        calls = [(of.provider, *one) for of in found.outcomes for one in of.calls.items()]
        events = [(of.provider or "opens and clicks", *one) for of in found.outcomes for one in of.events.items()]
        if calls:
            app.out.print(_table("calls from", calls))
        if calls and events:
            app.say()
        if events:
            app.out.print(_table("events from", events))
    for kind in found.unknown:
        word = _printable(kind.kind) or "(no kind)"
        app.say(f"{kind.provider or 'opens and clicks'}: {kind.count:,} of the unknown kind {word}, the last one:")
        app.say(f"  {_printable(kind.example)}")
    waiting = (
        f"{counted({'files': found.waiting_files})} of the spool, {found.waiting_bytes:,} bytes, wait to be worked"
    )
    app.say(f"{waiting}; `digest events work` or `digest serve` does." if found.waiting_bytes else "Nothing waits.")


@events.command()
@with_app
def work(app: App) -> None:
    """Work what came in until now, settle uncertain batches by it, and count what changed.

    `digest serve` does this by itself, every second. Several at once share the work.
    """
    from digest.tracking.rounds import Rounds

    stopping = Stopping()
    settings = app.settings
    with app.store() as db, Worker(settings.db) as worker:
        signers = Signers.of(db, settings, now=times.now())
        rounds = Rounds(db, settings, signers, lives=worker.lives, clock=times.now, stopping=stopping)
        taken, proven = rounds.go()
    done = dict(sorted(rounds.working.done.items()))
    app.say(f"{taken:,} records worked: {', '.join(f'{count:,} {of}' for of, count in done.items()) or 'nothing'}.")
    if proven:
        app.say(f"{proven:,} uncertain copies are proven accepted.")
    app.give({"records": taken, "outcomes": done, "proven": proven})


def _table(whose: str, rows: Iterable[tuple[str, str, int]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in (whose, "what became of them"):
        table.add_column(column, overflow="fold")
    table.add_column("count", justify="right")
    for name, outcome, count in rows:
        table.add_row(name, outcome, f"{count:,}")
    return table


def _printable(text: str) -> str:
    """Give what came from outside on one line, without what would steer a terminal."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
