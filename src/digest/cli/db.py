"""`digest db`: the SQLite file."""

from __future__ import annotations

from pathlib import Path

import click

from digest import times
from digest.cli.app import FAILED, App, Group, with_app
from digest.issue.issues import check_issues
from digest.issue.variant_records import check_variants
from digest.sending.ledger_check import check_ledger
from digest.sending.subject_test import check_subject_tests
from digest.store import back_up, check_store, migrate, pending


@click.group(cls=Group)
def db() -> None:
    """Make, check and back up the store."""


@db.command("migrate")
@with_app
def migrate_(app: App) -> None:
    """Make the store, or bring an older one up to date; a backup is kept beside it first."""
    path = app.settings.db
    is_new = not path.exists()
    with app.store(create=True, allow_pending=True) as store:
        waiting = pending(store)
        backup = None
        if waiting:
            backup = path.with_name(f"{path.name}.{times.now():%Y%m%dT%H%M%SZ}.backup")
            back_up(store, backup)
        applied = migrate(store)
    if is_new:
        app.say(f"Made the store {path}.")
    elif applied:
        app.say(f"{path} is up to date now: {', '.join(applied)}. As it was before: {backup}")
    else:
        app.say(f"{path} is up to date.")
    app.give({"db": str(path), "made": is_new, "applied": applied, "backup": backup and str(backup)})


@db.command()
@with_app
def check(app: App) -> int:
    """Read the whole store and say whether it is sound, the sending ledger included."""
    with app.store(allow_pending=True) as store:
        problems = check_store(store)
        if not problems and not pending(store):
            problems += check_ledger(store) + check_issues(store) + check_variants(store) + check_subject_tests(store)
    for problem in problems:
        app.say(f"WRONG: {problem}")
    if not problems:
        app.say(f"{app.settings.db} is sound.")
    app.give({"db": str(app.settings.db), "sound": not problems, "problems": problems})
    return FAILED if problems else 0


@db.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@with_app
def backup(app: App, file: Path) -> None:
    """Copy the store to FILE while others go on using it; the copy is opened and checked."""
    with app.store(allow_pending=True) as store, app.progress("Copying pages", None) as advance:
        done = 0

        def progress(copied: int, total: int) -> None:
            nonlocal done
            advance(copied - done)
            done = copied

        size = back_up(store, file, progress=progress)
    app.say(f"Backed up to {file} ({size / 1e6:.1f} MB), opened and checked.")
    app.give({"db": str(app.settings.db), "backup": str(file), "bytes": size})
