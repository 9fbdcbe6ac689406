"""The second migration, on a store that the first one made and that has been used."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from conftest import NOW
from digest import times
from digest.issue import editing, issues
from digest.issue.issues import WORDS, Override
from digest.settings import Settings
from digest.store import Database, check_store, migrate, open_store, pending, writing
from old_stores import rows, store_with

FIRST, SECOND = "0001_first", "0002_checks"
OLD_WORDS = ("Ship it?", "The old preheader", "The old intro.")
ENVELOPE = {"sender_name": "Verdicts", "sender_address": "v@example.org", "reply_to": "", "headers": {}}
FROZEN = ("0" * 64, "<p>Old</p>", "Old", "[]", json.dumps(ENVELOPE))
FORMS = ("full", "brief", "link", "out")


@pytest.fixture
def old(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store of the digest that had only the first migration: a draft, a sent issue, deliveries."""
    with store_with((FIRST,), settings, tmp_path / "migrations", monkeypatch, fill) as path:
        yield path


def fill(db: Database) -> None:
    """Put in a sent issue and a draft, as the digest of that time did."""
    stamp = times.to_text(NOW)
    with writing(db) as connection:
        for number, state, frozen in ((1, "sent", FROZEN), (2, "draft", (None,) * 5)):
            connection.execute(
                "INSERT INTO issues (number, state, subject, preheader, intro, cutoff, content_hash, html, text, links,"
                " envelope, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (number, state, *OLD_WORDS, stamp, *frozen, stamp, stamp),
            )
        comparisons = connection.execute("SELECT id FROM comparisons ORDER BY id LIMIT 8").fetchall()
        for position, (comparison,) in enumerate(comparisons):
            connection.execute(
                "INSERT INTO issue_comparisons VALUES (?, ?, ?, ?, ?, ?)",
                (1 + position % 2, comparison, position // 2, FORMS[position // 2], position // 2 % 2, f"s{position}"),
            )
        for name in ("ada", "bea"):
            address = f"{name}@example.org"
            connection.execute(
                "INSERT INTO subscribers (email, email_key, state, source, created_at, updated_at)"
                " VALUES (?, ?, 'active', 'import', ?, ?)",
                (address, address, stamp, stamp),
            )
        connection.execute("INSERT INTO deliveries (issue, subscriber) SELECT 1, id FROM subscribers")


@pytest.fixture
def upgraded(old: Path) -> Iterator[Database]:
    """The same store after the second migration."""
    with closing(open_store(old, allow_pending=True)) as db:
        migrate(db)
        yield db


def test_the_old_store_is_as_the_first_migration_made_it(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        applied = connection.execute("SELECT name FROM _sqlite_migrations ORDER BY name").fetchall()
        assert (FIRST,) in applied
        assert (SECOND,) not in applied
        with pytest.raises(sqlite3.IntegrityError, match="CHECK constraint failed"):
            connection.execute("UPDATE issue_comparisons SET form = 'more'")


def test_it_waits_and_is_applied_once(old: Path) -> None:
    with closing(open_store(old, allow_pending=True)) as db:
        assert SECOND in pending(db)
        assert SECOND in migrate(db)
        assert migrate(db) == []
        assert check_store(db) == []


def test_every_row_is_kept(old: Path) -> None:
    tables = ("issue_comparisons", "deliveries", "subscribers", "comparisons", "tools", "reviews", "votes", "keys")
    before = {table: rows(old, table) for table in (*tables, "issues")}
    assert len(before["issue_comparisons"]) == 8
    assert len(before["deliveries"]) == 2
    with closing(open_store(old, allow_pending=True)) as db:
        migrate(db)
    for table, known in before.items():
        # Later migrations add columns, and take `deliveries.message_id` away, which was always empty.
        now = [{name: value for name, value in row.items() if name in known[0]} for row in rows(old, table)]
        gone = {"message_id"} if table == "deliveries" else set()
        assert now == [{name: value for name, value in row.items() if name not in gone} for row in known], table


def test_the_form_an_issue_was_frozen_in_is_kept_beside_the_chosen_one(upgraded: Database) -> None:
    upgraded.execute("UPDATE issue_comparisons SET frozen_form = 'more' WHERE form = 'link'")
    for wrong in ("frozen_form = 'huge'", "frozen_form = 'full'", "form = 'more'"):
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            upgraded.execute(f"UPDATE issue_comparisons SET {wrong} WHERE issue = 1 AND position = 0")
    assert upgraded.execute("PRAGMA foreign_key_check").fetchall() == []


def test_the_words_of_an_old_issue_stay(upgraded: Database, settings: Settings) -> None:
    for number in (1, 2):
        assert sorted(issues.own_words(upgraded, number)) == sorted(WORDS)
        draft = issues.load_draft(upgraded, number)
        assert (draft.subject, draft.preheader, draft.intro) == OLD_WORDS
    slugs = [item.comparison.slug for item in issues.load_draft(upgraded, 2).placed]
    issue = editing.edit(upgraded, 2, now=NOW, lead=slugs[1], settings=settings)
    assert (issue.subject, issue.preheader, issue.intro) == OLD_WORDS


def test_the_words_of_the_next_issue_are_composed(upgraded: Database, settings: Settings) -> None:
    issues.cancel(upgraded, 2, now=NOW)
    made = issues.draft(upgraded, settings, now=NOW + timedelta(hours=1)).issue
    assert made is not None
    assert (made.number, issues.own_words(upgraded, made.number)) == (3, [])


def test_an_old_draft_made_anew_is_composed(upgraded: Database, settings: Settings) -> None:
    issues.draft(upgraded, settings, now=NOW + timedelta(hours=1), refresh=True)
    assert issues.own_words(upgraded, 2) == []
    assert issues.load_draft(upgraded, 2).subject != OLD_WORDS[0]


def test_old_issues_have_no_overrides_and_can_be_given_one(upgraded: Database, settings: Settings) -> None:
    assert issues.overrides_of(upgraded, 1) == []
    over = Override("size", "it is heavy", "It is meant.")
    issues.freeze(upgraded, settings, 2, now=NOW, overrides=[over])
    assert issues.overrides_of(upgraded, 2) == [over]


def test_a_store_made_at_once_has_the_same_tables(upgraded: Database, tmp_path: Path) -> None:
    sql = "SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name"
    with closing(open_store(tmp_path / "new.db", create=True)) as new:
        assert upgraded.execute(sql).fetchall() == new.execute(sql).fetchall()
