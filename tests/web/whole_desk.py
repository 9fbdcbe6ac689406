"""A desk with everything there can be on its pages: issues in every state, readers, editors, and what they did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import reported

from conftest import NOW, import_sample
from desk import Desk, at_the_desk
from digest import times
from digest.audience import leaving, subscribers
from digest.audience.suppression import add_suppression
from digest.editors import sign_in
from digest.editors.audit import COMMAND_LINE
from digest.issue import issues, subjects
from digest.providers.interface import Answer
from digest.sending import ledger
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.store import Database, open_store, writing
from serving import Clock, served

SENT, SENDING, CANCELLED, APPROVED, DRAFT = 2, 3, 4, 5, 6
"""The issues by their state; 1 is an older one that was sent."""

READERS = 30


@dataclass(frozen=True)
class WholeDesk:
    """Where it is, who sits at it, and the values of the places in its addresses."""

    base: str
    ann: Desk
    values: dict[str, str]
    db: Database


@contextmanager
def whole_desk(folder: Path) -> Iterator[WholeDesk]:
    """Serve it for a block."""
    settings = Settings(
        db=folder / "digest.db",
        outbox=folder / "outbox",
        base_url="http://desk.example.com",  # no https, so that a browser takes the cookie on this machine
        postal_address="1 Sample Street, 10115 Berlin",
        tracking="readers",
        spam_filter="off",
        auto_approve=True,
    )
    db = open_store(settings.db, create=True)
    try:
        import_sample(db, settings)
        with writing(db) as connection:
            connection.execute("UPDATE comparisons SET published_at = ?", (times.to_text(NOW + timedelta(days=9)),))
        _publish(db, 8, at=NOW - timedelta(days=12))
        reported.tell(db, settings, [reported.Given(9_000), reported.Given(10_000, complained=0.004)])
        reported.grow(db, weeks=12, readers=12_000)
        _gather(db)
        _send(db, settings)
        _decide(db, settings)
        with served(settings, Clock(NOW + timedelta(minutes=1))) as reader:
            ann = at_the_desk(reader, settings)
            bea = at_the_desk(reader, settings, "publisher", name="Bea")
            yield WholeDesk(str(reader.base_url).rstrip("/"), ann, _worked_on(db, settings, ann, bea), db)
    finally:
        db.close()


def _publish(db: Database, count: int, *, at: datetime) -> None:
    """Let so many more comparisons appear at a moment."""
    with writing(db) as connection:
        connection.execute(
            "UPDATE comparisons SET published_at = ? WHERE id IN"
            " (SELECT id FROM comparisons WHERE published_at > ? ORDER BY slug LIMIT ?)",
            (times.to_text(at), times.to_text(NOW), count),
        )


def _gather(db: Database) -> None:
    with writing(db) as connection:
        for number in range(1, READERS + 1):
            subscribers.add(db, f"reader{number}@example.com", now=NOW - timedelta(days=30), name=f"Reader {number}")
        connection.execute("UPDATE subscribers SET timezone = 'America/New_York' WHERE id > 20")
    reported.live(db, 1, [1, SENT])
    leaving.leave(db, 2, way="page", now=NOW - timedelta(days=1))
    add_suppression(db, "nobody@example.com", "complaint", source="postmark", now=NOW - timedelta(days=2))


def _send(db: Database, settings: Settings) -> None:
    """An issue is being sent: some copies are accepted, two rejected, five uncertain, the others to go."""
    _publish(db, 6, at=NOW - timedelta(days=6))
    issues.draft(db, settings, now=NOW - timedelta(days=5))
    subjects.add(db, settings, SENDING, "Which of these would you ship?", now=NOW - timedelta(days=5))
    subjects.remove(db, settings, SENDING, 1, now=NOW - timedelta(days=5))
    issues.freeze(db, settings, SENDING, now=NOW - timedelta(minutes=5))
    ledger.freeze_audience(db, SENDING, now=NOW - timedelta(minutes=1))
    batch = _claim(db, 10)
    refused = {batch.copies[at][0]: f"{batch.copies[at][1]} is no mailbox" for at in (0, 1)}
    ledger.record(db, batch, Answer(rejected=refused), now=NOW - timedelta(seconds=4))
    left = _claim(db, 5)
    mine = ledger.adopt(db, left.number, before=1, worker=1, trouble="the line went dead", now=NOW)
    assert mine is not None
    ledger.hold(db, mine, "outbox cannot say what it accepted")


def _claim(db: Database, size: int) -> ledger.Claimed:
    after = db.execute("SELECT coalesce(max(last), 0) FROM batches WHERE issue = ?", [SENDING]).fetchone()[0]
    now = NOW - timedelta(seconds=5)
    batch = ledger.claim_batch(
        db, SENDING, provider="outbox", account="here", worker=1, size=size, after=after, now=now
    )
    assert batch is not None
    return batch


def _decide(db: Database, settings: Settings) -> None:
    """One issue is cancelled, one approved, one open with subjects to try; more came in since."""
    at = NOW - timedelta(hours=4)
    _publish(db, 4, at=at)
    issues.draft(db, settings, now=at)
    issues.cancel(db, CANCELLED, now=at)
    issues.draft(db, settings, now=at)
    issues.freeze(db, settings, APPROVED, now=at, at=NOW + timedelta(days=1), local=True)
    _publish(db, 7, at=at + timedelta(hours=1))
    issues.draft(db, settings, now=at + timedelta(hours=2))
    subjects.add(db, settings, DRAFT, "Seven tools meet their critics", now=at + timedelta(hours=2))
    _publish(db, 3, at=at + timedelta(hours=3))
    with writing(db) as connection:
        connection.executemany(
            "INSERT INTO runs VALUES (?, ?, ?, ?, 0, 1, ?, ?, ?)",
            [
                (job, due, state, by, due, due, words)
                for job, state, by, words, ago in (
                    ("draft", "done", "schedule", "drafted issue 6: 7 comparisons", 1),
                    ("backup", "failed", "schedule", "the disk is full; make room on it", 6),
                    ("summary", "missed", "schedule", "digest was not running", 73),
                    ("remind", "done", "Ann", "reminded 2 publishers of issue 5", 80),
                )
                for due in [times.to_text(NOW - timedelta(hours=ago))]
            ],
        )
        connection.execute(
            "INSERT INTO restores (at, source, knows_until, seen_at) VALUES (?1, 'digest-2026-11-01.db', ?1, ?1)",
            (times.to_text(NOW - timedelta(days=20)),),
        )


def _worked_on(db: Database, settings: Settings, ann: Desk, bea: Desk) -> dict[str, str]:
    """Let two editors do what leaves something to see; give the values of the places in addresses."""
    issue = f"/desk/issues/{DRAFT}"
    was = issues.find_issue(db, DRAFT).intro
    placed = [one.comparison.slug for one in issues.load_draft(db, DRAFT).placed]
    for slug in placed[-5:]:
        _well(ann.submit(f"{issue}/form", comparison=slug, form="out"))
    _well(bea.submit(f"{issue}/words", field="intro", text="A quiet week. Read the **first** one.", base=was))
    assert ann.ask(f"{issue}/words", field="intro", text="A loud week, with much to read.", base=was).status_code == 409
    _well(ann.submit(f"{issue}/sharing", days="7"))
    tested = _well(ann.submit(f"{issue}/tests", to="ann@example.com"))
    _well(ann.submit("/desk/settings/provider/test"))
    form = {"csrf": ann.csrf, "what": "active"}
    rows = b"email,name\nnew@example.com,New\nreader3@example.com,Reader\nno address,Nobody\n"
    same = {"Origin": str(ann.http.base_url).rstrip("/")}
    kept = _well(
        ann.http.post("/desk/subscribers/import", data=form, files={"files": ("readers.csv", rows)}, headers=same)
    )
    with writing(db) as connection:
        connection.execute(
            "INSERT INTO passkeys VALUES (x'01', ?, 'My phone', x'01', 1, '[]', ?, NULL)",
            (ann.editor.id, times.to_text(NOW)),
        )
    tool, comparison = db.execute("SELECT t.slug, c.slug FROM tools t, comparisons c LIMIT 1").fetchone()
    reviewer = db.execute("SELECT slug FROM reviewers").fetchone()[0]
    return {
        "tool": tool,
        "comparison": comparison,
        "reviewer": reviewer,
        "editor": str(bea.editor.id),
        "test": tested.rsplit("/", 1)[-1],
        "batch": str(db.execute("SELECT max(number) FROM batches").fetchone()[0]),
        "kept": kept.rsplit("/", 1)[-1],
        "sign-in": sign_in.print_link(
            db, Signers.of(db, settings, now=NOW).links, bea.editor.id, by=COMMAND_LINE, now=NOW
        ),
    }


def _well(answer: httpx.Response) -> str:
    """Expect that a form worked; give where it leads."""
    assert answer.status_code < 400, answer.text
    return str(answer.headers.get("location", ""))
