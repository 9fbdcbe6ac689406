"""`digest subscribers import` and `export`: moving in and out."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import IO

import click

from digest import times
from digest.audience import exporting
from digest.audience import subscribers as audience
from digest.audience.files import lists_in, text_of
from digest.audience.importing import ImportReport, Staging, staging
from digest.audience.reading import Told
from digest.audience.services import MAILCHIMP, OWN, SERVICES, Service
from digest.cli.app import IN_PART, App, Command, with_app
from digest.errors import InputError
from digest.store import Database

state_option = click.option("--state", type=click.Choice(audience.STATES), help="Only those in this state.")
_BY_NAME = {OWN.key: OWN, **SERVICES}


@click.command("import", cls=Command)
@click.argument("files", metavar="FILE|-...", nargs=-1, required=True)
@click.option(
    "--from", "service", type=click.Choice(tuple(_BY_NAME)), help="Whose export it is, where its header is not enough."
)
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_app
def import_(app: App, files: tuple[str, ...], service: str | None, dry_run: bool, yes: bool) -> int:
    """Import subscribers: from CSV with the columns email, name, state (active where it is empty), suppressed,
    timezone, created_at and topics, or from an export of Mailchimp, Substack, beehiiv, Ghost, listmonk, Buttondown or
    Kit, also as the ZIP they give.

    On a terminal it says first what would happen, and asks. The good rows go in; bad rows and duplicates are reported
    with their lines. Nobody who unsubscribed, is suppressed or was forgotten is brought back.
    """
    now = times.now()
    ask = sys.stdin.isatty() and sys.stderr.isatty() and not (yes or dry_run or app.json or "-" in files)
    with app.store(create=True, dry_run=dry_run) as db, staging(db) as staged:
        with app.progress("Reading rows") as advance:
            for file in files:
                _read(app, staged, file, _BY_NAME[service] if service else None, now=now, progress=advance)
        if ask:
            report = staged.judge()
            _tell(app, report, done=False)
            click.confirm("Import them so?", abort=True, err=True)
        report = staged.judge() if dry_run else staged.write(now=now)
    if not ask:
        _tell(app, report, done=not dry_run)
    elif report.added or report.updated:
        app.say(f"{report.added} added, {report.updated} updated.")
    app.give(_as_json(report, files, dry_run))
    return IN_PART if report.rejected.total else 0


def _read(
    app: App,
    staged: Staging,
    file: str,
    service: Service | None,
    *,
    now: datetime,
    progress: Callable[[int], None],
) -> None:
    try:
        source = sys.stdin.buffer if file == "-" else Path(file).open("rb")  # noqa: SIM115
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=file) from None
    with io.BufferedReader(source) as binary:  # type: ignore[type-var,arg-type,unused-ignore]
        if file == "-":
            with text_of(binary) as text:
                staged.read(file, text, now=now, service=service, progress=progress)
            return
        for name, text in lists_in(file, binary, service, note=app.note):
            staged.read(name, text, now=now, service=service, progress=progress)


def _tell(app: App, report: ImportReport, *, done: bool) -> None:
    """Say what became of the rows, or would become of them."""
    if report.service is not OWN:
        app.say(f"{report.file} is an export of {report.service.name}.")
        used = ", ".join(f"{column} ({told})" if column != told else column for column, told in report.columns.items())
        app.say(f"Columns that are used: {used}.")
        if report.service.note:
            app.note(report.service.note)
        if report.unused_columns:
            app.say(f"Columns that are not: {', '.join(report.unused_columns)}.")
    else:
        for name in report.unused_columns:
            app.note(f"the column {name!r} is not used")
    _each(app, report.rejected, "{}; this row stays out", "bad rows")
    for told in (report.duplicates, report.kept_out, report.unused_names):
        _each(app, told, "{}", "such rows")
    be = "" if done else "would be "
    app.say(
        f"{report.added} {be}added, {report.updated} {be}updated, {report.unchanged} unchanged, "
        f"{report.rejected.total} bad, {report.duplicates.total} duplicates, {report.kept_out.total} kept out"
    )
    states = ", ".join(f"{count} {state}" for state, count in sorted(report.added_in.items()) if count)
    if report.added and set(report.added_in) != {"active"}:
        app.say(f"Of those {be}added: {states}.")
    if report.suppressed:
        app.say(f"Addresses that {be or 'are now '}on the list of those that must not be mailed: {report.suppressed}.")


def _each(app: App, told: Told[InputError] | Told[str], words: str, what: str) -> None:
    for one in told:
        app.note(words.format(one))
    if told.total > len(told):
        app.note(f"and {told.total - len(told)} more {what}")


def _as_json(report: ImportReport, files: tuple[str, ...], dry_run: bool) -> dict[str, object]:
    return {
        "file": files[0] if len(files) == 1 else report.file,
        "service": report.service.key,
        "dry_run": dry_run,
        "added": report.added,
        "added_in": report.added_in,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "suppressed": report.suppressed,
        "counts": {
            "rejected": report.rejected.total,
            "duplicates": report.duplicates.total,
            "kept_out": report.kept_out.total,
            "unused_names": report.unused_names.total,
        },
        "rejected": [{"file": e.file, "line": e.line, "field": e.field, "message": e.message} for e in report.rejected],
        "duplicates": report.duplicates,
        "kept_out": report.kept_out,
        "columns": report.columns,
        "unused_columns": report.unused_columns,
        "unused_names": report.unused_names,
    }


@click.command(cls=Command)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The file; standard output without it.")
@click.option("--as", "service", type=click.Choice(tuple(SERVICES)), help="In the shape of another service's export.")
@click.option("--everyone", is_flag=True, help="With --as: also those who left or must not be mailed.")
@state_option
@with_app
def export(app: App, out: Path | None, service: str | None, everyone: bool, state: audience.State | None) -> None:
    """Write subscribers as CSV; with --json and without --out, as JSON.

    With --as only those who would be mailed now, because most services take everybody in a file for a subscriber.
    """
    chosen = SERVICES[service] if service else None
    if everyone and chosen is None:
        raise click.UsageError("--everyone goes with --as; without it everybody is there")
    if chosen is MAILCHIMP and everyone and (out is None or out.suffix.lower() != ".zip"):
        raise click.UsageError("Mailchimp has a file for each status: with --everyone it takes --out FILE.zip")
    with app.store() as db:
        if app.json and out is None:
            app.give([subscriber.as_dict() for subscriber in audience.find_subscribers(db, state=state)])
            return
        if out is not None and out.suffix.lower() == ".zip" and chosen is not None:
            parts = tuple(exporting.PARTS) if chosen is MAILCHIMP and everyone else ("",)
            count = 0
            with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
                for part in parts:
                    name = f"{part}_members_export.csv" if part else f"{chosen.key}.csv"
                    with archive.open(name, "w") as opened, io.TextIOWrapper(opened, "utf-8", newline="") as text:
                        count += exporting.export_for(db, text, chosen, state=state, everyone=everyone, part=part)
        elif out is not None:
            with out.open("w", encoding="utf-8", newline="") as file:
                count = _export(db, file, chosen, state, everyone)
        else:
            _export(db, sys.stdout, chosen, state, everyone)
            return
    app.say(f"Wrote {count} subscribers to {out}.")
    app.give({"file": str(out), "subscribers": count})


def _export(
    db: Database,
    to: IO[str],
    service: Service | None,
    state: audience.State | None,
    everyone: bool,
) -> int:
    if service is None:
        return exporting.export_subscribers(db, to, state=state)
    return exporting.export_for(db, to, service, state=state, everyone=everyone)
