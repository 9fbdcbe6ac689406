"""`digest db`: the SQLite file.

What only one of them needs is loaded in it: no other command should wait for that.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from digest import times
from digest.cli.app import FAILED, App, Group, with_app
from digest.cli.stopping import Stopping
from digest.errors import NotFoundError, StateError
from digest.store import back_up


@click.group(cls=Group)
def db() -> None:
    """Make, check and back up the store, and bring a backup back."""


@db.command("migrate")
@with_app
def migrate_(app: App) -> None:
    """Make the store, or bring an older one up to date; a backup is kept beside it first.

    It is refused while a `digest serve` or `digest send` is at work.
    """
    from digest.safekeeping.migrating import migrate_safely

    path = app.settings.db
    is_new = not path.exists()
    with app.store(create=True, allow_pending=True) as store:
        done = migrate_safely(store, path, now=times.now())
    if is_new:
        app.say(f"Made the store {path}.")
    elif done.applied:
        app.say(f"{path} is up to date now: {', '.join(done.applied)}. As it was before: {done.backup}")
    else:
        app.say(f"{path} is up to date.")
    app.give(
        {
            "db": str(path),
            "made": is_new,
            "applied": [*done.applied],
            "backup": str(done.backup) if done.backup else None,
        }
    )


@db.command()
@with_app
def path(app: App) -> None:
    """Print where the store lies, for scripts; there need not be one yet."""
    found = app.settings.db.absolute()
    app.say(str(found))
    app.give({"db": str(found)})


@db.command()
@with_app
def check(app: App) -> int:
    """Read the whole store and say whether it is sound, the sending ledger included."""
    from digest.safekeeping.checking import problems_of

    with app.store(allow_pending=True) as store:
        problems = problems_of(store)
    for problem in problems:
        app.say(f"WRONG: {problem}")
    if not problems:
        app.say(f"{app.settings.db} is sound.")
    app.give({"db": str(app.settings.db), "sound": not problems, "problems": problems})
    return FAILED if problems else 0


@db.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@with_app
def backup(app: App, file: Path | None) -> None:
    """Copy the store to FILE while others go on using it; the copy is opened and checked.

    Without FILE it goes into the folder `backup_to`, as the daily one does, and the oldest there are let go.
    """
    from digest.safekeeping import backups as backing_up

    stopping, now = Stopping(), times.now()
    if file is None:
        backing_up.expect_folder(app.settings)
    removed: list[str] = []
    with app.store(allow_pending=True) as store, app.progress("Copying pages", None) as advance:
        done = 0

        def progress(copied: int, total: int) -> None:
            nonlocal done
            advance(copied - done)
            done = copied

        if file is None:
            taken = backing_up.take(store, app.settings, now=now, progress=progress, stopping=stopping)
            file, size, removed = taken.path, taken.size, [str(path) for path in taken.removed]
        else:
            backing_up.work_spool(store, app.settings, now=now, stopping=stopping)
            size = back_up(store, file, progress=progress, stopping=stopping)
    app.say(f"Backed up to {file} ({size / 1e6:.1f} MB), opened and checked.")
    for path in removed:
        app.say(f"  removed {path}, which is not kept any longer")
    app.give({"db": str(app.settings.db), "backup": str(file), "bytes": size, "removed": removed})


@db.command()
@click.option("--check", "checks", is_flag=True, help="Also read each one, as bringing it back would.")
@click.option("--newest", is_flag=True, help="Only print the path of the newest one, for scripts.")
@with_app
def backups(app: App, checks: bool, newest: bool) -> int:
    """List the backups in the folder `backup_to`, the newest first."""
    from digest.safekeeping import backups as backing_up
    from digest.safekeeping.checking import check_backup

    folder, now = backing_up.expect_folder(app.settings), times.now()
    found, is_sound = [], True
    there = backing_up.all_backups(app.settings)
    if newest:
        if not there:
            raise NotFoundError(f"there are no backups in {folder}; `digest db backup` takes one")
        app.say(str(there[0].path.absolute()))
        app.give({"file": str(there[0].path.absolute())})
        return 0
    for one in there:
        problems = check_backup(one.path) if checks else None
        said = "" if problems is None else f"  WRONG: {problems[0]}" if problems else "  sound"
        is_sound = is_sound and not problems
        age = times.span(max(now - one.at, times.seconds(0)))
        app.say(
            f"{one.path.name}  {times.for_people(one.at, app.settings.zone)} ({age} ago)  {one.size / 1e6:.1f} MB{said}"
        )
        found.append({"file": str(one.path), "at": times.to_text(one.at), "bytes": one.size, "problems": problems})
    if not found:
        app.say(f"There are no backups in {folder}; `digest db backup` takes one.")
    app.give({"folder": str(folder), "backups": found})
    return 0 if is_sound else FAILED


@db.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--within", type=click.IntRange(0), metavar="SECONDS", help="By how much FILE may know less.")
@click.option("--exact", is_flag=True, help="Every table must have as many rows in FILE.")
@with_app
def compare(app: App, file: Path, within: int | None, exact: bool) -> int:
    """Hold a backup, or what `litestream restore` made, against the store: rows, and until when each knows.

    It exits with 1 where FILE is not sound, or lacks what it must have.
    """
    from digest.safekeeping.comparing import as_dict, compare

    with app.store() as store:
        found = compare(store, file, now=times.now())
    problems = [*found.problems]
    if within is not None and found.behind_s > within:
        problems.append(f"it knows {found.behind_s:,.1f} s less than the store, and {within} are allowed")
    if exact and found.different:
        problems.append(f"it has other rows in: {', '.join(found.different)}")
    app.say(f"{'':24} {'store':>12} {'copy':>12}")
    for table, rows in found.store.rows.items():
        there = found.copy.rows.get(table, 0)
        if rows or there:
            app.say(f"{table:24} {rows:>12,} {there:>12,}{' *' if rows != there else ''}")
    for side, of in (("store", found.store), ("copy", found.copy)):
        until = times.for_people(of.knows_until, app.settings.zone)
        job, _, moment = (of.last_run or "none").partition(", ")
        ran = f"{job}, {times.for_people(times.from_text(moment), app.settings.zone)}" if moment else job
        app.say(f"The {side} knows until {until}; its schedule's last run: {ran}.")
    for problem in problems:
        app.say(f"WRONG: {problem}")
    if not problems:
        app.say(f"{file} is sound, and {found.behind_s:,.1f} s behind the store.")
    app.give({"db": str(app.settings.db), "file": str(file), **as_dict(found), "problems": problems})
    return FAILED if problems else 0


@db.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Find out what would happen, and change nothing.")
@click.option("--keep-letters", is_flag=True, help="Mail the letters that waited in the backup, mailed since or not.")
@with_app
def restore(app: App, file: Path, yes: bool, dry_run: bool, keep_letters: bool) -> None:
    """Put a backup in the store's place; the store that is there is kept under another name.

    FILE is a backup, or what `litestream restore` made. What the present store knows and may not be lost is carried
    over: who left or was forgotten, and which issues went out. Nothing may be at work on the store meanwhile.
    """
    from digest.cli.restore_words import words_of
    from digest.safekeeping.restoring import restore

    store = app.settings.db
    if not file.exists():
        raise NotFoundError(f"there is no {file}; `digest db backups` lists what there is")
    # Where there is no store, nothing is replaced.
    if store.exists() and not yes and not dry_run:
        if app.json or not sys.stdin.isatty():
            raise StateError(
                f"this puts {file} in the place of {store}; --yes does it, --dry-run says what would happen"
            )
        planned = restore(app.settings, file, now=times.now(), keep_letters=keep_letters, dry_run=True)
        for line in words_of(planned, app.settings, is_done=False):
            app.say(line)
        click.confirm(f"Put {file} in the place of {store}?", abort=True, err=True)
    done = restore(app.settings, file, now=times.now(), keep_letters=keep_letters, dry_run=dry_run)
    for line in words_of(done, app.settings, is_done=not dry_run):
        app.say(line)
    app.give({"db": str(store), "dry_run": dry_run, **asdict(done), "knows_until": times.to_text(done.knows_until)})
