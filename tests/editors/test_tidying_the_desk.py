"""What is over goes after a while: links, what was to be signed, sessions, who was here."""

from __future__ import annotations

from datetime import timedelta

from sqlite_utils import Database

from conftest import NOW
from digest.editors import people, sessions, sign_in, tidying
from digest.editors.audit import COMMAND_LINE
from digest.editors.passkeys import Site, begin_signing_in
from digest.issue import issues
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.times import to_text


def counts(db: Database) -> tuple[int, ...]:
    return tuple(db[name].count for name in ("sign_in_links", "challenges", "sessions", "presence"))


def test_what_is_over_goes(sample: Database, settings: Settings) -> None:
    db = sample
    drafted = issues.draft(db, settings, now=NOW).issue
    assert drafted is not None
    ann = people.add(db, "ann@example.com", by=COMMAND_LINE, now=NOW)
    links = Signers.of(db, settings, now=NOW).links
    token = sign_in.print_link(db, links, ann.id, by=COMMAND_LINE, now=NOW)
    site = Site.of(settings)
    assert site is not None
    begin_signing_in(db, site, browser="m" * 43, now=NOW)
    secret = sessions.begin(db, ann.id, way="link", browser="Tests", now=NOW)
    db.conn.execute("INSERT INTO presence VALUES (?, 1, 'p', '', ?)", (drafted.number, to_text(NOW)))
    assert counts(db) == (1, 1, 1, 1)

    tidying.delete_old(db, now=NOW + timedelta(seconds=30))
    assert counts(db) == (1, 1, 1, 1)
    tidying.delete_old(db, now=NOW + timedelta(minutes=6))
    assert counts(db) == (1, 0, 1, 0)
    assert sessions.here(db, secret, now=NOW + timedelta(minutes=6)) is not None
    tidying.delete_old(db, now=NOW + timedelta(days=8))
    assert counts(db) == (0, 0, 1, 0)
    assert sign_in.look(db, token, browser=None, now=NOW + timedelta(days=8)) == "over"
    tidying.delete_old(db, now=NOW + timedelta(days=96))
    assert counts(db) == (0, 0, 1, 0)
    tidying.delete_old(db, now=NOW + timedelta(days=98))
    assert counts(db) == (0, 0, 0, 0)


def test_what_ended_long_ago_goes_and_what_is_open_stays(db: Database) -> None:
    ann = people.add(db, "ann@example.com", by=COMMAND_LINE, now=NOW)
    for _ in range(2):
        sessions.begin(db, ann.id, way="link", browser="Tests", now=NOW)
    sessions.end(db, 1, editor=ann.id, by=COMMAND_LINE, now=NOW)
    for day in range(0, 28, 6):
        db.conn.execute("UPDATE sessions SET seen_at = ? WHERE id = 2", (to_text(NOW + timedelta(days=day)),))
    tidying.delete_old(db, now=NOW + timedelta(days=91))
    assert [row["id"] for row in db["sessions"].rows] == [2]
