"""`digest send`, `status`, and what a person decides about a sending: `resolve`, `hold`, `retry-rejected`."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import asdict
from typing import Any, cast

import click
from rich.table import Table

from digest import times
from digest.cli.app import IN_PART, INTERRUPTED, App, Command, counted, with_app
from digest.cli.issue import number_argument
from digest.cli.stopping import Stopping
from digest.cli.topics import as_dict, told
from digest.cli.watching import Watch
from digest.issue.issues import find_issue
from digest.sending import doubts, ledger, steering, topics
from digest.sending.connecting import providers_of
from digest.sending.copies import Signers
from digest.sending.doubts import UNKNOWN
from digest.sending.engine import PATIENCE_S, Engine
from digest.sending.steering import As
from digest.sending.workers import Worker
from digest.status import status as status_of

FOR_EVER_S = 10 * 365 * 24 * 3600.0


@click.command(cls=Command)
@number_argument
@click.option("--now", "early", is_flag=True, help="Send before the time it was approved for.")
@click.option("--wait", is_flag=True, help="Wait for all that is to come: quiet hours, a day's cap, readers' mornings.")
@click.option("--watch", is_flag=True, help="Show pace, time left and what is uncertain while it goes.")
@with_app
def send(app: App, number: int, early: bool, wait: bool, watch: bool) -> int:
    """Mail an approved issue to everyone, or go on where an interrupted sending stopped.

    It may be stopped at any moment (Ctrl-C finishes what is in hand) and run again: nobody gets two copies and nobody
    is left out. Several `digest send` share the work. It waits a quarter of an hour for what is to come, such as an
    answer about a batch that is uncertain, and with --wait as long as it takes.
    """
    stopping = Stopping()
    settings = app.settings
    with app.store() as db, Worker(settings.db) as worker:
        if find_issue(db, number).state == "sent":
            return _done(app, number, "sent", ledger.tally(db, number), topics.report_of(db, number))
        # So that a `digest serve` leaves it alone, which else would begin it, or go on with it.
        worker.takes(number)
        engine = Engine(
            db,
            settings,
            providers_of(settings),
            Signers.of(db, settings, now=times.now()),
            worker,
            stopping=stopping,
            patience_s=FOR_EVER_S if wait else PATIENCE_S,
        )
        with Watch(app.err, engine, number, closely=watch) as shown:
            engine.progress = shown.update
            # What is loaded stays: looking through it for garbage again and again costs a fifth of the time.
            gc.freeze()
            tally = asyncio.run(engine.send(number, early=early))
        found = find_issue(db, number)
        state, report = found.state, topics.report_of(db, number)
    for lane in engine.lanes:
        if lane.closed and len(engine.lanes) > 1:
            app.note(f"{lane.closed}; {lane.copies} copies went by it")
    if found.doubted_at is not None and engine.later:
        when = times.for_people(engine.later, settings.zone)
        app.note(f"who got it since the backup shows at {when}; `digest send {number}` then, or --wait now")
    elif state == "paused" and found.trouble:
        app.note(f"{found.trouble}; `digest resume {number}`, then `digest send {number}` goes on")
    if stopping() and state == "sending":
        unsure = f" and {tally['uncertain']} uncertain" if tally["uncertain"] else ""
        app.note(
            f"stopped with {tally['queued']} to go{unsure}; `digest send {number}` goes on from here; so does a"
            f" `digest serve` that runs, unless you `digest pause {number}`"
        )
        _done(app, number, state, tally, report)
        return INTERRUPTED
    if engine.undecided and state == "sending" and not engine.later:
        app.note(
            f"{tally['queued']} wait for the subject that wins: `digest subjects decide {number} --winner K`, then"
            f" `digest send {number}`, or --wait now"
        )
    elif engine.later and state == "sending":
        app.note(
            f"{tally['queued'] + tally['uncertain']} are for later, the next at"
            f" {times.for_people(engine.later, settings.zone)}; `digest send {number}` then, or --wait now"
        )
    return _done(app, number, state, tally, report)


def _done(app: App, number: int, state: str, tally: dict[str, int], report: topics.Report | None) -> int:
    app.say(f"Issue {number} is {state}: {tally['accepted']} of {tally['audience']} copies accepted.")
    for name, meaning in (
        ("rejected", f"rejected by the provider; `digest retry-rejected {number}` queues them again"),
        ("skipped", "skipped: they left, paused or were suppressed, had nothing on their topics, or it was cancelled"),
        ("claimed", "in the hands of another `digest send`"),
        ("uncertain", f"uncertain: nobody knows yet whether they were accepted; see `digest uncertain {number}`"),
    ):
        if tally[name]:
            app.say(f"  {tally[name]} {meaning}")
    for line in told(report):
        app.say(f"  {line}")
    app.give({"number": number, "state": state, **tally, "topics": as_dict(report)})
    return IN_PART if tally["uncertain"] or (state in ("sending", "paused") and tally["queued"]) else 0


@click.command(cls=Command)
@number_argument
@with_app
def uncertain(app: App, number: int) -> int:
    """List the batches of which it is not known whether the provider accepted them, with every address."""
    with app.store() as db, Worker(app.settings.db) as worker:
        found = steering.unsettled(db, number, lives=worker.lives)
    app.give(
        [
            {**asdict(one.batch), "claimed_at": times.to_text(one.batch.claimed_at), "addresses": one.addresses}
            for one in found
        ]
    )
    for one in found:
        when = times.for_people(one.batch.claimed_at, app.settings.zone)
        went = (
            f"since {when} they may have gone out"
            if one.batch.provider == UNKNOWN
            else f"claimed {when} for {one.batch.provider} ({one.batch.account})"
        )
        app.say(
            f"Batch {one.batch.number}, {one.batch.state}: {len(one.addresses)} of its {one.batch.size} copies, {went}"
        )
        if one.batch.trouble:
            app.say(f"  why: {one.batch.trouble}")
        for address in one.addresses:
            app.say(f"  {address}")
    if not found:
        app.say(f"Nothing of issue {number} is uncertain.")
        return 0
    app.say(
        f"Look the addresses up at the provider, then `digest resolve {number} --batch B --as accepted` or"
        f" `--as resend`. What is not held, `digest send {number}` settles by itself."
    )
    return IN_PART


@click.command(cls=Command)
@number_argument
@click.option("--batch", type=int, required=True, metavar="B", help="Its number, as `digest uncertain` prints it.")
@click.option(
    "--as",
    "as_",
    type=click.Choice(["accepted", "resend"]),
    required=True,
    help="The provider has them; or they are to be sent again.",
)
@with_app
def resolve(app: App, number: int, batch: int, as_: str) -> None:
    """Decide about an uncertain batch what nobody else can: that it was accepted, or that it is sent again."""
    with app.store() as db, Worker(app.settings.db) as worker:
        count = steering.resolve(
            db, number, batch, cast("As", as_), lives=worker.lives, worker=worker.number, now=times.now()
        )
        issue = find_issue(db, number)
    if as_ == "accepted":
        app.say(f"{count} copies of batch {batch} count as accepted; issue {number} is {issue.state}.")
    elif issue.state == "cancelled":
        app.say(f"{count} copies of batch {batch} are not sent again: issue {number} is cancelled.")
    else:
        first = f"`digest resume {number}`, then " if issue.state == "paused" else ""
        app.say(f"{count} copies of batch {batch} are queued again; {first}`digest send {number}` mails them.")
    app.give({"number": number, "state": issue.state, "batch": batch, "copies": count, "as": as_})


@click.command(cls=Command)
@number_argument
@with_app
def hold(app: App, number: int) -> int:
    """Stop asking who got an issue since a backup that was brought back, and decide about the rest by hand.

    `digest send` asks by itself. This is for where nobody can be asked any more: the copies that may have gone out are
    held, and `digest uncertain` lists them.
    """
    with app.store() as db:
        count = doubts.give_up(db, number, now=times.now())
        state = find_issue(db, number).state
    app.say(f"{count} copies of issue {number} are held; `digest uncertain {number}` lists them.")
    app.give({"number": number, "state": state, "held": count})
    return IN_PART if count else 0


@click.command("retry-rejected", cls=Command)
@number_argument
@with_app
def retry_rejected(app: App, number: int) -> None:
    """Queue the copies again that the provider rejected; who was suppressed since is skipped."""
    with app.store() as db:
        count = steering.retry_rejected(db, number, now=times.now())
        state = find_issue(db, number).state
    first = f"`digest resume {number}`, then " if state == "paused" else ""
    said = f"{count} copies are queued again; {first}`digest send {number}` mails them."
    app.say(said if count else "None was rejected.")
    app.give({"number": number, "state": state, "queued_again": count})


@click.command(cls=Command)
@with_app
def status(app: App) -> None:
    """Show where everything stands: the catalogue, the audience, letters that wait and every issue."""
    with app.store() as db:
        found = status_of(db)
    if app.json:
        app.give(found)
        return
    app.say(f"Catalogue: {counted(found['catalogue'])}")
    app.say(f"Audience: {counted(found['audience'])}")
    letters = found["letters"]
    if letters["queued"] or letters["uncertain"] or letters["failed"]:
        app.say("Letters: {queued} queued, {uncertain} uncertain, {failed} failed".format_map(letters))
        if letters["queued"] or letters["uncertain"]:
            app.say("  `digest letters waiting` lists those that wait, and why.")
    if letters["trouble"]:
        app.say(f"Letters wait: {letters['trouble']}")
    if not found["issues"]:
        app.say("No issue yet; `digest draft` makes one of what is new.")
        return
    app.out.print(_table(found["issues"]))
    for issue in found["issues"]:
        for line in told(topics.Report(**issue["topics"]) if issue["topics"] else None):
            app.say(f"Issue {issue['number']}: {line}")
        if issue["trouble"]:
            app.say(f"Issue {issue['number']} is {issue['state']}: {issue['trouble']}")
        if issue["scheduled_at"] and issue["state"] == "approved":
            when = times.for_people(times.from_text(issue["scheduled_at"]), app.settings.zone)
            app.say(f"Issue {issue['number']} is to be sent {when}.")


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
