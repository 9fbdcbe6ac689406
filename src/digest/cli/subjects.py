"""`digest subjects`: other subjects for an issue, tried on some readers before the rest gets the one that wins."""

from __future__ import annotations

from typing import Any, cast

import click
from rich.table import Table

from digest import times
from digest.cli.app import App, Group, with_app
from digest.cli.issue import number_argument
from digest.issue import issues
from digest.issue import subjects as alternatives
from digest.issue.model import Rule, SubjectTest
from digest.numbers import percent, several
from digest.sending import subject_test
from digest.sending.subject_standing import Standing, letter_of, standing
from digest.sending.subject_words import length, told
from digest.store import Database

which_argument = click.argument("which", type=click.IntRange(min=1, max=alternatives.MOST))
preheader_option = click.option(
    "--preheader", help="What the inbox shows after it; the issue's own where it is left out."
)


@click.group(cls=Group)
def subjects() -> None:
    """Try other subjects for an issue on some of its readers; the rest gets the one that wins."""


@subjects.command()
@number_argument
@with_app
def show(app: App, number: int) -> None:
    """Print an issue's subjects and how they stand; where readers had their time, their clicks decide now."""
    with app.store() as db:
        subject_test.decide_due(db, number, now=times.now())
        _show(app, db, number)


@subjects.command()
@number_argument
@click.argument("subject")
@preheader_option
@with_app
def add(app: App, number: int, subject: str, preheader: str | None) -> None:
    """Write SUBJECT beside the issue's own, four at the most. An approved issue goes back to draft."""
    with app.store() as db, _Reopening(app, db, number):
        alternatives.add(db, app.settings, number, subject, preheader, now=times.now(), reopen=True)
        _show(app, db, number)


@subjects.command()
@number_argument
@which_argument
@click.argument("subject")
@preheader_option
@with_app
def change(app: App, number: int, which: int, subject: str, preheader: str | None) -> None:
    """Write the alternative of the number WHICH anew. An approved issue goes back to draft."""
    with app.store() as db, _Reopening(app, db, number):
        alternatives.change(db, app.settings, number, which, subject, preheader, now=times.now(), reopen=True)
        _show(app, db, number)


@subjects.command()
@number_argument
@which_argument
@with_app
def remove(app: App, number: int, which: int) -> None:
    """Take the alternative of the number WHICH out. An approved issue goes back to draft."""
    with app.store() as db, _Reopening(app, db, number):
        alternatives.remove(db, app.settings, number, which, now=times.now(), reopen=True)
        _show(app, db, number)


@subjects.command()
@number_argument
@click.option("--share", type=int, metavar="PERCENT", help="On how many of the audience they are tried; 100 is on all.")
@click.option("--wait", type=int, metavar="MINUTES", help="How long those readers have before it is decided.")
@click.option("--rule", type=click.Choice(["clicks", "person"]), help="Who decides: readers' clicks, or a person.")
@with_app
def arrange(app: App, number: int, share: int | None, wait: int | None, rule: str | None) -> None:
    """Say how an issue's subjects are tried. An approved issue goes back to draft."""
    if share is None and wait is None and rule is None:
        raise click.UsageError("Say what to change: --share, --wait or --rule.")
    with app.store() as db, _Reopening(app, db, number):
        alternatives.arrange(
            db,
            app.settings,
            number,
            share=share,
            wait=wait,
            rule=cast("Rule | None", rule),
            now=times.now(),
            reopen=True,
        )
        _show(app, db, number)


@subjects.command()
@number_argument
@click.option("--winner", type=int, required=True, metavar="K", help="Its number; 0 is the issue's own subject.")
@with_app
def decide(app: App, number: int, winner: int) -> None:
    """Let a subject win: the rest of the readers gets it. That stays."""
    with app.store() as db:
        found = subject_test.decide(db, number, winner, now=times.now())
        app.give(found.as_dict())
        state = issues.find_issue(db, number).state
    app.say(f"Subject {letter_of(winner)} of issue {number} has won: {found.tried[winner].subject}")
    if found.rest and state != "sent":
        app.say(f"  {several(found.rest, 'reader')} waited for it; `digest send {number}` goes on with them")


class _Reopening:
    """Says afterwards that an issue is not approved any more, where it was."""

    def __init__(self, app: App, db: Database, number: int) -> None:
        self._app, self._number, self._was = app, number, issues.find_issue(db, number).state

    def __enter__(self) -> None:
        """Nothing is to be done before."""

    def __exit__(self, *broke: object) -> None:
        if self._was == "approved" and broke[0] is None:
            self._app.say(f"It was approved and is a draft again: digest approve {self._number}")


def _show(app: App, db: Database, number: int) -> None:
    found, arranged = standing(db, number), alternatives.arrangement_of(db, app.settings, number)
    app.give(found.as_dict() if found else _without(db, number, arranged))
    if found is None:
        app.say(f"Issue {number} has one subject: {issues.load_draft(db, number).subject}")
        app.say(f'  `digest subjects add {number} "…"` writes another to try beside it')
        return
    if not app.json:
        app.out.print(_table(found))
    decider = "a person decides" if found.rule == "person" else f"clicks decide {length(found.wait)} after they have it"
    app.say(f"Tried on {found.share}% of the readers; {decider}.")
    for line in told(found, app.settings.zone) if found.state not in ("draft", "approved") else ():
        app.say(line)


def _without(db: Database, number: int, arranged: SubjectTest) -> dict[str, Any]:
    own = {"number": 0, "letter": letter_of(0), "subject": issues.load_draft(db, number).subject}
    return {"number": number, "share": arranged.share, "wait": arranged.wait, "rule": arranged.rule, "tried": [own]}


def _table(found: Standing) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "readers", "accepted", "clicked", "share"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    table.add_column("subject")
    for one in found.tried:
        won = "*" if one.number == found.winner else ""
        clicked = "–" if one.clicked is None else str(one.clicked)
        table.add_row(
            f"{one.number} {one.letter}{won}",
            str(one.readers),
            str(one.accepted),
            clicked,
            percent(one.share),
            one.subject,
        )
    return table
