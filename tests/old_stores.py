"""Stores of an earlier digest, for the tests of migrations."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from conftest import import_sample
from digest.resources import resource
from digest.settings import Settings
from digest.store import Database, migrations, open_store


@contextmanager
def store_with(
    names: Sequence[str],
    settings: Settings,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    fill: Callable[[Database], None],
) -> Iterator[Path]:
    """Make a store that had only these migrations, with the sample catalogue and what `fill` puts in."""
    folder.mkdir()
    for name in names:
        shutil.copy(resource("db", "migrations") / f"{name}.sql", folder)
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "resource", lambda *parts: folder)
        migrations._migrations.cache_clear()
        with closing(open_store(settings.db, create=True)) as db:
            import_sample(db, settings)
            fill(db)
    migrations._migrations.cache_clear()
    yield settings.db
    migrations._migrations.cache_clear()


def rows(path: Path, table: str) -> list[dict[str, Any]]:
    """Give the rows of a table, read without the store."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2")]
