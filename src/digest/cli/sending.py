"""`digest send` and `digest status`."""

from __future__ import annotations

import asyncio
import signal
import time
from types import FrameType
from typing import Any

import click
from rich.table import Table

from digest import times
from digest.cli.app import IN_PART, INTERRUPTED, App, Command, counted, with_app
from digest.cli.issue import number_argument
from digest.issue.issues import find_issue
from digest.providers import connect
from digest.sending import ledger
from digest.sending.copies import Signers
from digest.sending.engine import Engine
from digest.sending.workers import Worker
from digest.status import status as status_of

TALLY_EVERY_S = 0.5


@click.command(cls=Command)
@number_argument
@click.option("--now", "early", is_flag=True, help="Send before the time it was approved for.")
@with_app
def send(app: App, number: int, early: bool) -> int:
    """Mail an approved issue to everyone, or go on where an interrupted sending stopped.

    It may be stopped at any moment (Ctrl-C finishes the batch in hand) and run again: nobody gets two copies
    and nobody is left out. Several `digest send` share the work.
    """
    stopped = False

    def stop(signum: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        # The second time it stops at once; the ledger bears it.
        signal.signal(signum, signal.SIG_DFL)

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, stop)
    settings = app.settings
    with app.store() as db, Worker(settings.db) as worker:
        if find_issue(db, number).state == "sent":
            return _done(app, number, "sent", ledger.tally(db, number))
        signers = Signers.of(db, settings, now=times.now())
        with app.progress(f"Sending issue {number}", None) as advance:
            shown, looked = 0, 0.0

            def progress() -> None:
                nonlocal shown, looked
                if time.monotonic() - looked >= TALLY_EVERY_S:
                    looked = time.monotonic()
                    tally = ledger.tally(db, number)
                    advance.total(tally["audience"])
                    settled = tally["audience"] - tally["queued"] - tally["claimed"] - tally["uncertain"]
                    advance(settled - shown)
                    shown = settled

            provider = connect(settings.provider, settings.model_dump())
            engine = Engine(db, settings, provider, signers, worker, progress=progress, stopping=lambda: stopped)
            tally = asyncio.run(engine.send(number, early=early))
        state = find_issue(db, number).state
    if stopped and state == "sending":
        app.note(f"stopped with {tally['queued']} to go; `digest send {number}` goes on from here")
        _done(app, number, state, tally)
        return INTERRUPTED
    return _done(app, number, state, tally)


def _done(app: App, number: int, state: str, tally: dict[str, int]) -> int:
    app.say(f"Issue {number} is {state}: {tally['accepted']} of {tally['audience']} copies accepted.")
    for name, meaning in (
        ("rejected", "rejected by the provider"),
        ("skipped", "skipped, because they left or were suppressed meanwhile"),
        ("claimed", "in the hands of another `digest send`"),
        ("uncertain", "uncertain: it is not known whether the provider has them"),
    ):
        if tally[name]:
            app.say(f"  {tally[name]} {meaning}")
    app.give({"number": number, "state": state, **tally})
    return IN_PART if tally["uncertain"] else 0


@click.command(cls=Command)
@with_app
def status(app: App) -> None:
    """Show where everything stands: the catalogue, the audience and every issue."""
    with app.store() as db:
        found = status_of(db)
    if app.json:
        app.give(found)
        return
    app.say(f"Catalogue: {counted(found['catalogue'])}")
    app.say(f"Audience: {counted(found['audience'])}")
    if not found["issues"]:
        app.say("No issue yet; `digest draft` makes one of what is new.")
        return
    app.out.print(_table(found["issues"]))


def _table(issues: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    # All of them at once leave a terminal of 80 columns nothing for the subject.
    counts = [
        name
        for name in ("audience", "queued", "claimed", "accepted", "rejected", "skipped", "uncertain")
        if name in ("audience", "accepted") or any(issue[name] for issue in issues)
    ]
    table.add_column("issue", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for name in counts:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("subject")
    for issue in issues:
        table.add_row(str(issue["number"]), issue["state"], *(str(issue[name]) for name in counts), issue["subject"])
    return table
