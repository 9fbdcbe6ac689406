"""Stores of an earlier digest, for the tests of migrations."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

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
