"""`digest schedule` and `digest run-due`: what is done by itself, and doing it without a server."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.table import Table

from digest import times
from digest.cli.app import FAILED, App, Command, Group, with_app
from digest.cli.stopping import Stopping

MINUTES = 10.0
"""Cron calls every few minutes; what is not done by then the next call goes on with."""


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def schedule(context: click.Context) -> None:
    """What is done by itself: when it is next, when it ran last and what came of it."""
    if context.invoked_subcommand is None:
        context.invoke(show)


@schedule.command()
@with_app
def show(app: App) -> None:
    """Print the jobs, when each is next, when it ran last and what came of it; and what goes out by itself.

    Times are in the newsletter's zone.
    """
    # Here and below, because no other command should wait until they are loaded.
    from digest.schedule.looking import leaving, look
    from digest.sending.workers import Worker

    settings, now = app.settings, times.now()
    with app.store() as db, Worker(settings.db) as worker:
        found, going = look(db, settings, now=now, lives=worker.lives), leaving(db)
    app.give(
        {
            "zone": settings.timezone,
            "jobs": [
                {
                    "job": one.job,
                    "words": one.words,
                    "times": one.rule,
                    "next_at": one.next_at and times.to_text(one.next_at),
                    "state": one.state,
                    "last": one.last and _as_json(one.last),
                }
                for one in found
            ],
            "issues": [{"number": one.issue, "at": times.to_text(one.at), "local": one.local} for one in going],
        }
    )
    if app.json:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("job", "next", "last"):
        table.add_column(column, no_wrap=True)
    table.add_column("what it does, and what came of it", overflow="fold")
    for one in found:
        following = _short(one.next_at, settings.zone) if one.next_at else "switched off"
        ran = _short(_when(one.last), settings.zone) if one.last else ""
        came_of = _came_of(one.state, one.last)
        table.add_row(one.job, following, ran, f"{one.words}\n  {came_of}" if came_of else one.words)
    app.out.print(table)
    app.say(f"Times are in {settings.timezone}.")
    for leaves in going:
        when = times.for_people(leaves.at, settings.zone)
        app.say(f"Issue {leaves.issue} goes out {when}{', where the first readers are' if leaves.local else ''}.")
    if not going:
        app.say("No issue is approved for a time to come.")


def _when(run: Any) -> datetime:
    """When it ran; or, where it did not, when it should have: that was written down later."""
    when: datetime = run.due_at if run.state == "missed" else run.began_at
    return when


def _short(moment: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b, %H:%M}"


def _came_of(state: str, last: Any) -> str:
    match state:
        case "running":
            return "it is running"
        case "late":
            return "late: is a `digest serve` running, or does cron call `digest run-due`?"
        case _ if last is None:
            return ""
        case _:
            by = "" if last.by == "schedule" else f", by {last.by}"
            return f"{last.state}{by}: {last.words}" if last.words else f"{last.state}{by}"


def _as_json(run: Any) -> dict[str, Any]:
    return {
        "due_at": times.to_text(run.due_at),
        "state": run.state,
        "by": run.by,
        "tries": run.tries,
        "began_at": times.to_text(run.began_at),
        "ended_at": run.ended_at and times.to_text(run.ended_at),
        "words": run.words,
    }


@schedule.command()
@click.argument("name")
@with_app
def run(app: App, name: str) -> int:
    """Do the job NAME now, whatever its times. It is written down as done by hand."""
    from digest.editors.audit import COMMAND_LINE
    from digest.schedule.context import Context
    from digest.schedule.running import run_now
    from digest.sending.copies import Signers
    from digest.sending.workers import Worker

    settings, stopping = app.settings, Stopping()
    with app.store() as db, Worker(settings.db) as worker:
        now = times.now()
        context = Context(db, settings, Signers.of(db, settings, now=now), now, worker, stopping)
        did = run_now(context, name, by=COMMAND_LINE)
    app.say(f"{did.job}: {did.words}" if did.state == "done" else f"{did.job} {did.state}: {did.words}")
    app.give({"job": did.job, "state": did.state, "words": did.words})
    return 0 if did.state == "done" else FAILED


@click.command("run-due", cls=Command)
@click.option(
    "--for",
    "minutes",
    type=click.FloatRange(min=0, min_open=True),
    default=MINUTES,
    show_default=True,
    metavar="MINUTES",
    help="How long it may take; the next call goes on with the rest.",
)
@with_app
def run_due(app: App, minutes: float) -> int:
    """Do once what is due: the schedule, sending, letters, events, webhooks. For cron, where no `digest serve` runs.

    It says what it did, and nothing where nothing was due. Several at once, and a `digest serve` beside them, do not
    get in each other's way.
    """
    from digest.schedule.context import Context
    from digest.schedule.once import go_once
    from digest.sending.copies import Signers
    from digest.sending.workers import Worker

    settings, stopping = app.settings, Stopping()
    until = time.monotonic() + minutes * 60
    with app.store() as db, Worker(settings.db) as worker:
        now = times.now()
        signers = Signers.of(db, settings, now=now)
        context = Context(db, settings, signers, now, worker, stopping=lambda: stopping() or time.monotonic() >= until)
        done = go_once(context)
    failed = [did for did in done if did.state == "failed"]
    for did in done:
        # What was missed the log says, on standard error: cron would mail it twice.
        if did.state != "missed":
            app.say(f"{did.job}: {did.words}" if did.state == "done" else f"{did.job} {did.state}: {did.words}")
    app.give(
        {
            "done": [
                {"job": did.job, "due_at": times.to_text(did.due_at), "state": did.state, "words": did.words}
                for did in done
            ]
        }
    )
    return FAILED if failed else 0
