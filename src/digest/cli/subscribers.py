"""`digest subscribers`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import click
from rich.table import Table

from digest import times
from digest.audience import files
from digest.audience import subscribers as audience
from digest.cli.app import IN_PART, App, Group, with_app
from digest.errors import InputError
from digest.tables import encoding_of

state_option = click.option("--state", type=click.Choice(audience.STATES), help="Only those in this state.")


@click.group(cls=Group)
def subscribers() -> None:
    """Import, export, add, remove and list subscribers."""


@subscribers.command("import")
@click.argument("file", metavar="FILE|-")
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@with_app
def import_(app: App, file: str, dry_run: bool) -> int:
    """Import subscribers from CSV with the columns email, name, state (active where it is empty), suppressed
    and timezone.

    The good rows go in; bad rows and duplicates are reported with their lines. Nobody who unsubscribed or is
    suppressed is brought back.
    """
    try:
        source = sys.stdin.buffer if file == "-" else Path(file).open("rb")  # noqa: SIM115
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=file) from None
    binary = io.BufferedReader(source)  # type: ignore[type-var,arg-type,unused-ignore]
    # A byte that is not UTF-8 costs its row, not the file.
    text = io.TextIOWrapper(binary, encoding=encoding_of(binary.peek(2)), errors="surrogateescape", newline="")
    with text, app.store(create=True, dry_run=dry_run) as db, app.progress("Importing rows") as advance:
        report = files.import_subscribers(db, file, text, now=times.now(), dry_run=dry_run, progress=advance)
    for name in report.unused_columns:
        app.note(f"the column {name!r} is not used")
    for rejected in report.rejected:
        app.note(f"{rejected}; this row stays out")
    for line in report.duplicates + report.kept_out + report.unused_names:
        app.note(line)
    done = "would be " if dry_run else ""
    app.say(
        f"{report.added} {done}added, {report.updated} {done}updated, {report.unchanged} unchanged, "
        f"{len(report.rejected)} bad, {len(report.duplicates)} duplicates, {len(report.kept_out)} kept out"
    )
    app.give(
        {
            "file": file,
            "dry_run": dry_run,
            "added": report.added,
            "updated": report.updated,
            "unchanged": report.unchanged,
            "rejected": [{"line": e.line, "field": e.field, "message": e.message} for e in report.rejected],
            "duplicates": report.duplicates,
            "kept_out": report.kept_out,
            "unused_columns": report.unused_columns,
            "unused_names": report.unused_names,
        }
    )
    return IN_PART if report.rejected else 0


@subscribers.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The file; standard output without it.")
@state_option
@with_app
def export(app: App, out: Path | None, state: audience.State | None) -> None:
    """Write subscribers as CSV; with --json and without --out, as JSON."""
    with app.store() as db:
        if out is not None:
            with out.open("w", encoding="utf-8", newline="") as file:
                count = files.export_subscribers(db, file, state=state)
            app.say(f"Wrote {count} subscribers to {out}.")
            app.give({"file": str(out), "subscribers": count})
        elif app.json:
            app.give([subscriber.as_dict() for subscriber in audience.find_subscribers(db, state=state)])
        else:
            files.export_subscribers(db, sys.stdout, state=state)


@subscribers.command()
@click.argument("email")
@click.option("--name", help="A name to greet with.")
@click.option("--timezone", metavar="ZONE", help="Where the reader is, such as Europe/Berlin.")
@click.option("--resubscribe", is_flag=True, help="Take back one who unsubscribed and asked to return.")
@with_app
def add(app: App, email: str, name: str | None, timezone: str | None, resubscribe: bool) -> None:
    """Add one subscriber."""
    with app.store(create=True) as db:
        subscriber, changed = audience.add(
            db, email, now=times.now(), name=name, timezone=timezone, resubscribe=resubscribe
        )
    app.say(f"{subscriber.email} is {'subscribed' if changed else 'subscribed already'}.")
    app.give({"changed": changed, **subscriber.as_dict()})


@subscribers.command()
@click.argument("email")
@with_app
def remove(app: App, email: str) -> None:
    """Unsubscribe one address; no import will bring it back."""
    with app.store() as db:
        subscriber, changed = audience.remove(db, email, now=times.now())
    app.say(f"{subscriber.email} is {'unsubscribed' if changed else 'unsubscribed already'}.")
    app.give({"changed": changed, **subscriber.as_dict()})


@subscribers.command("list")
@state_option
@click.option("--search", default="", help="Only those with this in the address or the name.")
@click.option(
    "--limit", type=click.IntRange(min=1, max=2**31 - 1), default=50, show_default=True, help="How many at the most."
)
@with_app
def list_(app: App, state: audience.State | None, search: str, limit: int) -> None:
    """List subscribers, in the order they came."""
    with app.store() as db:
        found = list(audience.find_subscribers(db, state=state, search=search, limit=limit))
    if app.json:
        app.give([subscriber.as_dict() for subscriber in found])
        return
    if not found:
        app.say("Nobody; `digest subscribers add` or `import` brings them in.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("email", overflow="fold")
    for column in ("name", "state", "since"):
        table.add_column(column)
    for subscriber in found:
        state_shown = f"suppressed ({subscriber.suppressed})" if subscriber.suppressed else subscriber.state
        table.add_row(subscriber.email, subscriber.name or "", state_shown, subscriber.created_at[:10])
    app.out.print(table)
    if len(found) == limit:
        app.note(f"these are the first {limit}; --limit shows more")
