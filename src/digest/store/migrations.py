"""The migrations: one SQL file each in `db/migrations/`, applied in the order of their names."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sqlite_utils import Database, Migrations

from digest.resources import resource
from digest.store.transactions import writing

_SET = "digest"


@cache
def _migrations() -> Migrations:
    migrations = Migrations(_SET)
    for path in sorted(resource("db", "migrations").glob("*.sql")):
        _register(migrations, path)
    return migrations


def _register(migrations: Migrations, path: Path) -> None:
    @migrations(name=path.stem)
    def apply(db: Database) -> None:
        db.executescript(path.read_text(encoding="utf-8"))


def migrate(db: Database) -> list[str]:
    """Apply what is pending, all in one transaction, and give the names; of two at once one does it."""
    with writing(db):
        waiting = pending(db)
        _migrations().apply(db)
        return waiting


def pending(db: Database) -> list[str]:
    """Name the migrations that the store has not had yet."""
    return [migration.name for migration in _migrations().pending(db)]


def unknown(db: Database) -> list[str]:
    """Name the migrations that the store has had and this digest does not know: a newer one made it."""
    known = {path.stem for path in resource("db", "migrations").glob("*.sql")}
    return [migration.name for migration in _migrations().applied(db) if migration.name not in known]
