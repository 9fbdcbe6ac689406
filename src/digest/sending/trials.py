"""Test sends: an issue as it is now, mailed to some chosen addresses, which need not be readers'.

What it is rendered from is kept with the test, so that its letters have the same bytes however often a provider is
called, and show what the editor saw even where somebody edits on. It is no sending: no audience, no ledger, no figure.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from digest import times
from digest.audience import letterbox
from digest.audience.addresses import Address, read_address, read_name, sending_address
from digest.audience.letterbox import KEPT, Fate, Posted
from digest.audience.topics import read_topics
from digest.editors import audit
from digest.editors.audit import By
from digest.errors import InputError, NotFoundError, StateError
from digest.issue import issues
from digest.issue.by_topics import laid_out_for
from digest.issue.preview import message_of
from digest.issue.render import render
from digest.issue.snapshot import Snapshot
from digest.issue.snapshot import read as read_snapshot
from digest.issue.snapshot import write as write_snapshot
from digest.mail import personalise
from digest.providers.interface import Batch, Recipient
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.store import Database, writing

MOST = 10
"""Addresses of one test."""
MOST_AN_HOUR = 60
"""Copies an editor may have tested in an hour: a session that was stolen must not mail our words to a list."""


class TooManyError(StateError):
    """An editor has tested as much as an hour allows."""


@dataclass(frozen=True)
class Trial:
    """A test send: of which version of which issue, and for which made-up reader. `created_at` is UTC text."""

    id: int
    issue: int
    version: int
    copies: int
    name: str | None
    topics: tuple[str, ...]
    created_at: str


def read_addresses(text: str) -> list[Address]:
    """Read addresses as people write them, one a line or with commas between; each mailbox counts once.

    Raises:
        InputError: one is none, there are none, or too many.
    """
    parts = text.replace(",", "\n").replace(";", "\n").split("\n")
    found = {(address := read_address(part)).key: address for part in parts if part.strip()}
    if not found:
        raise InputError("give at least one address", field="to")
    if len(found) > MOST:
        raise InputError(f"{len(found)} addresses are more than the {MOST} of one test", field="to")
    return list(found.values())


def send(
    db: Database,
    settings: Settings,
    number: int,
    to: Sequence[Address],
    *,
    name: str = "",
    topics: Sequence[str] = (),
    by: By,
    now: datetime,
) -> int:
    """Put an issue as it is now into the letterbox for some addresses; give the number of the test.

    Args:
        db: the store.
        settings: what it is rendered with.
        number: the issue.
        to: where it goes.
        name: of the reader who is greeted; none is greeted without.
        topics: what that reader chose; everything where there are none.
        by: who wants it.
        now: the moment.

    Raises:
        InputError: the name cannot be greeted with, there is no such topic, or its readers get no mail.
        StateError: the issue was cancelled.
        TooManyError: too many copies in an hour.
    """
    greeted = read_name(name)
    if name.strip() and greeted is None:
        raise InputError(f"{name.strip()[:80]!r} cannot be greeted with; write a plain name", field="name")
    issue = issues.find_issue(db, number)
    issues.expect(issue, "tested", "draft", "approved", "sending", "paused", "sent")
    chosen = read_topics(db, topics)
    _, fitted = laid_out_for(db, settings, number, chosen)
    if fitted is None:
        raise InputError("nothing in the issue is on these topics, and their readers get no mail", field="topics")
    forms = tuple(item.form for item in fitted.draft.placed)
    draft = write_snapshot(Snapshot(fitted.draft, forms, ()))
    with writing(db) as connection:
        since = times.to_text(now - timedelta(hours=1))
        before = connection.execute(
            "SELECT coalesce(sum(copies), 0) FROM trials WHERE editor IS ? AND created_at > ?", (by.editor, since)
        ).fetchone()[0]
        if before + len(to) > MOST_AN_HOUR:
            raise TooManyError(
                f"you have had {before} test copies sent within an hour, and {MOST_AN_HOUR} are the most; wait a little"
            )
        # Its letters are gone by then, and nobody asks for what they were made of.
        connection.execute(
            "UPDATE trials SET draft = NULL WHERE draft IS NOT NULL AND created_at < ?", (times.to_text(now - KEPT),)
        )
        version = connection.execute("SELECT version FROM issues WHERE number = ?", (number,)).fetchone()[0]
        trial: int = connection.execute(
            "INSERT INTO trials (issue, version, editor, copies, draft, name, topics, created_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (number, version, by.editor, len(to), draft, greeted, json.dumps(chosen), times.to_text(now)),
        ).fetchone()[0]
        for address in to:
            letterbox.post(db, "test", address, subscriber=None, now=now, detail={"test": trial})
        audit.note(connection, by, "sent a test of", f"issue {number}", now=now, copies=len(to), version=version)
    return trial


def find(db: Database, id_: int) -> Trial:
    """Give a test by its number.

    Raises:
        NotFoundError: there is none.
    """
    row = db.conn.execute(
        "SELECT id, issue, version, copies, name, topics, created_at FROM trials WHERE id = ?", (id_,)
    ).fetchone()
    if row is None:
        raise NotFoundError("there is no such test")
    return Trial(row[0], row[1], row[2], row[3], row[4], tuple(json.loads(row[5])), row[6])


def fates(db: Database, id_: int) -> list[Fate]:
    """Give what became of the copies of a test, in the order in which they were asked for."""
    return letterbox.fates(db, "test", "test", id_, since=find(db, id_).created_at)


def batch_of(db: Database, letter: Posted, settings: Settings, signers: Signers) -> Batch:
    """Make the batch of one copy that a letter of kind `test` is to a provider.

    It is the issue's own message but for the banner; what is in the copy's links opens nothing of any reader's.

    Raises:
        StateError: what it is made of is not kept any more, or by another digest.
    """
    row = db.conn.execute("SELECT draft, name FROM trials WHERE id = ?", (letter.detail["test"],)).fetchone()
    snapshot = read_snapshot(row[0]) if row and row[0] else None
    if snapshot is None:
        raise StateError("what this test is made of is not kept any more; send another one")
    content = render(snapshot.draft, settings, test_for=letter.email)
    headers = dict(content.envelope.headers)
    # A test is nobody's subscription, and must not count among what readers complain of.
    headers["Feedback-ID"] = headers["Feedback-ID"].replace(":weekly:", ":test:", 1)
    message = message_of(replace(content, envelope=replace(content.envelope, headers=headers)))
    name = signers.messages.salted(letter.idempotency_key).sign("message", 0, letter.id)
    values = {"token": name, "message": name, "greeting": personalise.greeting(row[1])}
    recipient = Recipient(letter.subscriber, sending_address(letter.email), values)
    return Batch(-letter.id, letter.idempotency_key, message, (recipient,), letter.claimed_at)
