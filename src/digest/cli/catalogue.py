"""`digest import`."""

from __future__ import annotations

import sys
from typing import Any

import click

from digest import times
from digest.catalogue.file_import import FileReport
from digest.catalogue.formats import FORMATS, Format
from digest.catalogue.importing import gather, import_files
from digest.catalogue.records import SCHEMA_FILE
from digest.cli.app import FAILED, App, Command, counted, with_app

SHOWN = 20
"""Errors of one file that are printed; `--json` has them all."""


def _print_schema(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        click.echo(SCHEMA_FILE.read_text(encoding="utf-8"), nl=False)
        context.exit()


@click.command("import", cls=Command)
@click.argument("sources", nargs=-1, required=True, metavar="FILE|DIR|-...")
@click.option("--format", "format_", type=click.Choice(FORMATS), help="What the files are; told from name or content.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_schema,
    help="Print the JSON Schema of a catalogue, and stop.",
)
@with_app
def import_(app: App, sources: tuple[str, ...], format_: Format | None, dry_run: bool) -> int:
    """Bring tools, reviewers, reviews, comparisons and votes into the catalogue.

    Takes JSON, JSON Lines, CSV and the text of comparison pages; folders of such files; and `-` for standard
    input. Importing again changes only what is different. Each file goes in whole or not at all: of a file
    with an error nothing goes in, and the other files do.
    """
    files = gather(sources, sys.stdin.buffer.read)
    with app.store(create=True, dry_run=dry_run) as db, app.progress("Importing") as advance:
        reports = import_files(
            db,
            files,
            now=times.now(),
            zone=app.settings.zone,
            format=format_,
            dry_run=dry_run,
            progress=advance,
        )
    for report in reports:
        _tell(app, report)
    changed = sum(1 for r in reports for change in r.changes if change.outcome != "unchanged")
    failed = sum(1 for r in reports if r.error)
    if dry_run:
        app.say("This was a dry run: nothing was changed.")
    elif not changed and not failed:
        app.say("Nothing changed: all of it is in the catalogue already.")
    app.give({"dry_run": dry_run, "changed": changed, "failed": failed, "files": [_as_dict(r) for r in reports]})
    return FAILED if failed else 0


def _tell(app: App, report: FileReport) -> None:
    if report.error:
        shown = (report.error, *report.error.more)
        for error in shown[:SHOWN]:
            app.note(str(error))
        rest = f" ({len(shown) - SHOWN} more errors)" if len(shown) > SHOWN else ""
        app.note(f"nothing of {report.file} went in{rest}")
        return
    parts = [
        f"{counted(report.count(outcome))} {outcome}" for outcome in ("added", "updated", "unchanged")
        if report.count(outcome)
    ]  # fmt: skip
    app.say(f"{report.file}: {'; '.join(parts) or 'nothing in it'}")
    for note in report.notes:
        app.say(f"  {note}")
    for change in report.changes:
        if change.outcome == "updated" or (app.verbose and change.outcome == "added"):
            fields = f" ({', '.join(change.fields)})" if change.fields else ""
            app.say(f"  {change.outcome}: {change.kind} {change.name}{fields}")


def _as_dict(report: FileReport) -> dict[str, Any]:
    error = report.error
    return {
        "file": report.file,
        **{outcome: report.count(outcome) for outcome in ("added", "updated", "unchanged")},
        "changes": [
            {"kind": change.kind, "name": change.name, "outcome": change.outcome, "fields": list(change.fields)}
            for change in report.changes
            if change.outcome != "unchanged"
        ],
        "notes": report.notes,
        "errors": [
            {"line": each.line, "field": each.field, "message": each.message}
            for each in ((error, *error.more) if error else ())
        ],
    }
