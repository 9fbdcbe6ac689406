"""`digest suppressions`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import click
from rich.table import Table

from digest import times
from digest.audience import suppression
from digest.audience.subscribers import REASONS, Reason
from digest.cli.app import IN_PART, App, Group, with_app
from digest.errors import InputError, StateError
from digest.tables import encoding_of


class _ReasonType(click.ParamType[Reason]):
    """A reason, which may be written with a hyphen in place of its space."""

    name = "reason"

    def __init__(self, choices: tuple[Reason, ...]) -> None:
        self.choices = {reason.replace(" ", "-"): reason for reason in choices}

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Reason:
        """Read one."""
        found = self.choices.get(str(value).replace(" ", "-").lower())
        if found is None:
            self.fail(f"{value!r} is not one of {', '.join(self.choices)}", param, ctx)
        return found


addable = _ReasonType(suppression.ADDABLE)
words = ", ".join(addable.choices)
only_option = click.option("--reason", type=_ReasonType(REASONS), help=f"Only those: {words}, forgotten.")


@click.group(cls=Group)
def suppressions() -> None:
    """List, add, remove, import and export addresses that must not be mailed."""


@suppressions.command("list")
@only_option
@click.option("--search", default="", help="Only those with this in the address.")
@click.option(
    "--limit", type=click.IntRange(min=1, max=2**31 - 1), default=50, show_default=True, help="How many at the most."
)
@with_app
def list_(app: App, reason: Reason | None, search: str, limit: int) -> None:
    """List the addresses, why they must not be mailed, and who said so."""
    with app.store() as db:
        found = list(suppression.find_suppressions(db, reason=reason, search=search, limit=limit))
    if app.json:
        app.give([entry.as_dict() for entry in found])
        return
    if not found:
        app.say("Nobody.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("email", overflow="fold")
    for column in ("reason", "source", "since"):
        table.add_column(column)
    for entry in found:
        table.add_row(entry.email, entry.reason, entry.source or "", entry.created_at[:10])
    app.out.print(table)
    if len(found) == limit:
        app.note(f"these are the first {limit}; --limit shows more")


@suppressions.command()
@click.argument("email")
@click.option("--reason", type=addable, default="unsubscribed", show_default=True, help=f"Why: {words}.")
@with_app
def add(app: App, email: str, reason: Reason) -> None:
    """Put an address on the list; a subscriber is skipped from the next batch on."""
    with app.store(create=True) as db:
        changed = suppression.add_suppression(db, email, reason, source="by hand", now=times.now())
    app.say(f"{email} is on the list{'' if changed else ' already'}.")
    app.give({"email": email, "changed": changed})


@suppressions.command()
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask, where somebody complained or was forgotten.")
@with_app
def remove(app: App, email: str, yes: bool) -> None:
    """Take an address off the list, so that it may be mailed again.

    One who left stays out all the same: `digest subscribers add --resubscribe` takes back those who asked for it.
    """
    with app.store() as db:
        now = times.now()
        found = suppression.find_suppression(db, email, now=now)
        if found.reason in ("complaint", "forgotten") and not yes:
            said = "complained about our mail" if found.reason == "complaint" else "asked to be forgotten"
            if app.json or not sys.stdin.isatty():
                raise StateError(f"{email} {said}; --yes takes it off the list all the same")
            click.confirm(f"{email} {said}. Take it off the list all the same?", abort=True, err=True)
        found = suppression.lift(db, email, now=now)
    app.say(f"{email} is off the list (it was there as: {found.reason}).")
    app.give(found.as_dict())


@suppressions.command("import")
@click.argument("file", metavar="FILE|-")
@click.option("--reason", type=addable, help=f"Why, where a row does not say it: {words}.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@with_app
def import_(app: App, file: str, reason: Reason | None, dry_run: bool) -> int:
    """Import a list from CSV: our own export, or a provider's of bounces, complaints or unsubscribes."""
    try:
        source = sys.stdin.buffer if file == "-" else Path(file).open("rb")  # noqa: SIM115
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=file) from None
    binary = io.BufferedReader(source)  # type: ignore[type-var,arg-type,unused-ignore]
    text = io.TextIOWrapper(binary, encoding=encoding_of(binary.peek(2)), errors="surrogateescape", newline="")
    with text, app.store(create=True, dry_run=dry_run) as db, app.progress("Importing rows") as advance:
        report = suppression.import_suppressions(
            db, file, text, now=times.now(), reason=reason, dry_run=dry_run, progress=advance
        )
    for name in report.unused_columns:
        app.note(f"the column {name!r} is not used")
    for rejected in report.rejected:
        app.note(f"{rejected}; this row stays out")
    done, left = ("would be ", "would leave") if dry_run else ("", "left")
    app.say(
        f"{report.added} {done}added ({report.leaving} of them subscribers, who {left}),"
        f" {report.changed} {done}changed, {report.unchanged} unchanged, {len(report.rejected)} bad"
    )
    app.give(
        {
            "file": file,
            "dry_run": dry_run,
            "added": report.added,
            "leaving": report.leaving,
            "changed": report.changed,
            "unchanged": report.unchanged,
            "rejected": [{"line": e.line, "field": e.field, "message": e.message} for e in report.rejected],
            "unused_columns": report.unused_columns,
        }
    )
    return IN_PART if report.rejected else 0


@suppressions.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The file; standard output without it.")
@only_option
@with_app
def export(app: App, out: Path | None, reason: Reason | None) -> None:
    """Write the list as CSV; with --json and without --out, as JSON. Forgotten addresses are marks in it."""
    with app.store() as db:
        if out is not None:
            with out.open("w", encoding="utf-8", newline="") as file:
                count = suppression.export_suppressions(db, file, reason=reason)
            app.say(f"Wrote {count} addresses to {out}.")
            app.give({"file": str(out), "suppressions": count})
        elif app.json:
            app.give([entry.as_dict() for entry in suppression.find_suppressions(db, reason=reason)])
        else:
            suppression.export_suppressions(db, sys.stdout, reason=reason)
