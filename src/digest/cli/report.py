"""`digest report`: what became of an issue, and of all of them over time."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from digest import times
from digest.cli.app import App, Command, with_app
from digest.errors import InputError
from digest.issue.issues import find_issue
from digest.sending.copies import Signers
from digest.store import Database

if TYPE_CHECKING:
    from digest.tracking.reports import IssueReport
    from digest.tracking.trends import Trends, Unit

OF_AN_ISSUE = ("summary", "people", "links", "comparisons", "tools", "hours", "mailboxes")
OVER_TIME = ("issues", "growth", "subjects", "health")
UNITS = ("day", "week", "month")


@click.command(cls=Command)
@click.argument("number", type=click.IntRange(1, 2**31 - 1), required=False)
@click.option("--by", "unit", type=click.Choice(UNITS), default="week", show_default=True, help="Growth by what.")
@click.option("--last", type=click.IntRange(1, 1000), default=52, show_default=True, help="How many issues.")
@click.option(
    "--csv", "out", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), help="Write a table; - prints it."
)
@click.option(
    "--table",
    type=click.Choice(OF_AN_ISSUE + OVER_TIME),
    help="Which: the first seven of an issue, the others over time. Without it the summary, or the issues.",
)
@click.option("--link", is_flag=True, help="Print the address of the pages, for whoever is to see them.")
@click.option("--days", type=click.IntRange(1, 366), default=7, show_default=True, help="For how long it works.")
@with_app
def report(
    app: App, number: int | None, unit: Unit, last: int, out: Path | None, table: str | None, link: bool, days: int
) -> None:
    """Report what became of an issue; without a NUMBER, of the issues and the audience over time.

    Opens and clicks are told apart by who did them: people, machines (scanners, Apple's proxy), or nobody can say.
    """
    if table is not None and out is None:
        raise click.UsageError("--table says which table --csv writes; give --csv FILE, or --csv - to print it")
    if table is not None and (table in OF_AN_ISSUE) != (number is not None):
        raise click.UsageError(
            f"the table {table} is of one issue: name its NUMBER"
            if number is None
            else f"the table {table} is of all issues: leave the NUMBER out"
        )
    if out is not None and app.json:
        raise click.UsageError("--csv and --json are two ways to write the same; choose one")
    if link and out is not None:
        raise click.UsageError("--link prints the address of the pages, and --csv writes a table; choose one")
    # Here, because no other command should wait until they are loaded; `web`, below, takes half a second.
    from digest.cli.report_text import print_issue, print_trends
    from digest.tracking import counting
    from digest.tracking.reports import IssueReport, issue_report
    from digest.tracking.trends import over_time

    now = times.now()
    with app.store() as db:
        if link:
            _link(app, db, number, now + timedelta(days=days), now)
            return
        # Where no `digest serve` runs, nobody else does it. Those being sent are counted as they are.
        for stale in counting.to_roll_up(db):
            counting.roll_up(db, stale, now=now)
        found: IssueReport | Trends
        if number is not None:
            found = issue_report(db, app.settings, number)
        else:
            by_mail = bool(app.settings.bounce_imap)
            found = over_time(db, now=now, issues=last, unit=unit, by_mail=by_mail)
    if out is not None:
        _write(app, found, table, out)
    elif app.json:
        app.give(found.as_dict())
    elif isinstance(found, IssueReport):
        print_issue(app, found)
    else:
        print_trends(app, found)


def _link(app: App, db: Database, number: int | None, ends: datetime, now: datetime) -> None:
    """Print the address of the pages, or of an issue's page."""
    if number is not None:
        find_issue(db, number)
    token = Signers.of(db, app.settings, now=now).links.sign("report", int(ends.timestamp()), 0)
    url = f"{app.settings.base_url}/reports/{token}/{f'issues/{number}' if number else ''}"
    app.say(url)
    app.note(
        f"until {times.for_people(ends, app.settings.zone)} it shows all reports, readers' addresses among them, to"
        " whoever has it"
    )
    app.give({"url": url, "ends_at": times.to_text(ends)})


def _write(app: App, found: IssueReport | Trends, name: str | None, out: Path) -> None:
    """Write a table as CSV, as the pages give it."""
    from digest.tracking.reports import IssueReport
    from digest.web.exports import as_csv, columns_of
    from digest.web.report_tables import of_growth, of_issue, of_trends

    if isinstance(found, IssueReport):
        tables = of_issue(found)
    else:
        tables = {**of_trends(found), "growth": of_growth(found.growth)}
    table = tables[name or ("summary" if isinstance(found, IssueReport) else "issues")]
    text = as_csv(columns_of(table.kind), [asdict(row) for row in table.rows])
    if str(out) == "-":
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", file=str(out)) from None
    app.say(f"Wrote {len(table.rows)} rows to {out}.")
