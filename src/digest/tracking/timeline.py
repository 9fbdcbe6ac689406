"""What happened between us and one subscriber, the newest first."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from digest.audience.addresses import read_address
from digest.errors import NotFoundError
from digest.events import Kind, Mark
from digest.store import Database
from digest.tracking.judging import Why

NEWEST = 1_000
"""Moments that are given at the most, the newest: a mailbox that is read by a scanner may have very many."""


@dataclass(frozen=True)
class Moment:
    """Something that happened. `at` is UTC text; `kind` is a word such as ``delivered``, ``what`` the sentence.

    `issue` is None where it belongs to none. `by` says who, of an open or a click: ``person``, ``machine``, ``unsure``;
    else it is empty. `detail` is what a provider said, which link, or why an open was judged so.
    """

    at: str
    kind: str
    what: str
    issue: int | None
    by: str
    detail: str


@dataclass(frozen=True)
class Timeline:
    """A subscriber's moments, the newest first; `notes` say what it cannot know."""

    email: str
    state: str
    suppressed: str | None
    moments: tuple[Moment, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Give it for JSON."""
        return asdict(self)


def timeline(db: Database, email: str) -> Timeline:
    """Give the moments of the subscriber who has an address.

    Raises:
        InputError: it is no address.
        NotFoundError: nobody has it.
    """
    row = db.conn.execute(
        "SELECT s.id, s.email, s.state, x.reason FROM subscribers s"
        " LEFT JOIN suppressions x ON x.email_key = s.email_key WHERE s.email_key = ?",
        (read_address(email).key,),
    ).fetchone()
    if row is None:
        raise NotFoundError(f"no subscriber has the address {email}")
    subscriber, spelled, state, suppressed = row
    moments = sorted(
        (moment for part in _PARTS for moment in part(db, subscriber)),
        # Of events the second is known: within one, what comes first in life.
        key=lambda moment: (moment.at[:19], _ORDER.get(moment.kind, 0), moment.at, moment.issue or 0, moment.detail),
    )
    return Timeline(
        spelled, state, suppressed, tuple(moments[: -NEWEST - 1 : -1]), _notes(db, subscriber, len(moments))
    )


_ORDER = {
    word: place for place, word in enumerate(("asked", "confirmed", "handed over", *(kind.word for kind in Kind)), 1)
}
"""Of what has the same second, what comes first in life."""


def _consents(db: Database, subscriber: int) -> Iterator[Moment]:
    words = {
        "asked": "asked to subscribe",
        "confirmed": "confirmed the subscription",
        "changed": "changed the address",
        "imported": "was imported",
        "added": "was added",
    }
    # Who left and came back is told by the departures.
    rows = db.conn.execute(
        "SELECT given_at, kind, source FROM consents WHERE subscriber = ? AND kind IN (SELECT value FROM json_each(?))",
        (subscriber, json.dumps([*words])),
    )
    known = rows.fetchall()
    for at, kind, source in known:
        yield Moment(at, kind, words[kind], None, "", source)
    if not any(kind in ("asked", "confirmed", "imported", "added") for _, kind, _ in known):
        at, source = db.conn.execute(
            "SELECT created_at, source FROM subscribers WHERE id = ?", (subscriber,)
        ).fetchone()
        yield Moment(at, "came", "came", None, "", source)


def _departures(db: Database, subscriber: int) -> Iterator[Moment]:
    rows = db.conn.execute(
        "SELECT left_at, returned_at, issue, way, reason, words FROM departures WHERE subscriber = ?", (subscriber,)
    )
    for left_at, returned_at, issue, way, reason, words in rows:
        why = ", ".join(part for part in (way, reason, words) if part)
        yield Moment(left_at, "unsubscribed", "left", issue, "", why)
        if returned_at:
            yield Moment(returned_at, "returned", "took it back", None, "", way)


def _suppressions(db: Database, subscriber: int) -> Iterator[Moment]:
    rows = db.conn.execute(
        "SELECT x.created_at, x.reason, coalesce(x.source, '') FROM suppressions x"
        " JOIN subscribers s ON s.email_key = x.email_key WHERE s.id = ?",
        (subscriber,),
    )
    for at, reason, source in rows:
        yield Moment(at, "suppressed", f"must not be mailed any more ({reason})", None, "", source)


def _letters(db: Database, subscriber: int) -> Iterator[Moment]:
    words = {"sent": "was mailed", "failed": "could not be mailed", "dropped": "was dropped"}
    rows = db.conn.execute(
        "SELECT coalesce(settled_at, created_at), kind, state, coalesce(trouble, '') FROM letters"
        " WHERE email_key = (SELECT email_key FROM subscribers WHERE id = ?1) AND subscriber = ?1",
        (subscriber,),
    )
    for at, kind, state, trouble in rows:
        yield Moment(at, "letter", f"the letter “{kind}” {words.get(state, f'is {state}')}", None, "", trouble)


def _deliveries(db: Database, subscriber: int) -> Iterator[Moment]:
    # From the issues on, here and below: a delivery is found by both numbers, and not by its reader alone.
    rows = db.conn.execute(
        "SELECT coalesce(b.settled_at, b.claimed_at, i.sending_at), i.number, d.state, coalesce(v.subject, i.subject),"
        " coalesce(b.provider, ''), coalesce(d.reason, '')"
        " FROM issues i CROSS JOIN deliveries d ON d.issue = i.number LEFT JOIN batches b ON b.number = d.batch"
        " LEFT JOIN variants v ON v.issue = d.issue AND v.variant = d.variant WHERE d.subscriber = ?",
        (subscriber,),
    )
    kinds = (
        ("queued", "waits in the queue"),
        ("queued", "is being handed over"),
        ("handed over", "was accepted"),
        ("rejected", "was refused"),
        ("uncertain", "may or may not have been accepted"),
        ("skipped", "was not sent"),
    )
    for at, issue, state, subject, provider, reason in rows:
        kind, words = kinds[state]
        yield Moment(at, kind, f"“{subject}” {words}{f' by {provider}' if provider else ''}", issue, "", reason)


def _events(db: Database, subscriber: int) -> Iterator[Moment]:
    words = {
        Kind.ACCEPTED: "the provider says it took it",
        Kind.DEFERRED: "the mailbox put it off at first",
        Kind.DELIVERED: "it was delivered",
        Kind.COMPLAINED: "was reported as spam",
        Kind.UNSUBSCRIBED: "left by its link",
    }
    rows = db.conn.execute(
        "SELECT strftime('%Y-%m-%dT%H:%M:%S.000000Z', e.at, 'unixepoch'), e.issue, e.kind, e.key,"
        " coalesce(e.detail, ''), coalesce(t.name, e.key),"
        # The event does not say how they voted: only what the site counts of theirs now is known.
        " coalesce(v.verdict, 'none')"
        " FROM issues i CROSS JOIN events e ON e.issue = i.number"
        " LEFT JOIN tools t ON e.kind = ?3 AND t.slug = e.key"
        " LEFT JOIN votes v ON v.tool = t.id AND v.voter = 'copy:' || ?1 WHERE e.subscriber = ?1"
        # Departures say more of it.
        " AND (e.kind <> ?2 OR NOT EXISTS (SELECT 1 FROM departures WHERE subscriber = ?1 AND issue = e.issue))",
        (subscriber, int(Kind.UNSUBSCRIBED), int(Kind.VOTED)),
    )
    for at, issue, number, key, said, tool, vote in rows:
        detail = f"their vote on it now: {vote}" if number == Kind.VOTED else said
        kind = Kind(number)
        match kind:
            case Kind.BOUNCED:
                what = "it bounced, for good" if key == "hard" else "it bounced, for now"
            case Kind.VOTED:
                what = f"voted on {tool}"
            case _:
                what = words[kind]
        yield Moment(at, kind.word, what, issue, "", detail)


def _readings(db: Database, subscriber: int) -> Iterator[Moment]:
    """Give opens and clicks, of issues that keep whose they are: in others the number of a copy is nobody's."""
    for (issue,) in _issues_of(db, "readers"):
        rows = db.conn.execute(
            "SELECT strftime('%Y-%m-%dT%H:%M:%S', r.at / 1000, 'unixepoch') || printf('.%03d000Z', r.at % 1000),"
            " r.kind, r.link, r.mark, r.why, l.address"
            " FROM readings r LEFT JOIN links l ON l.issue = r.issue AND l.number = r.link"
            " WHERE r.issue = ? AND r.copy = ? ORDER BY r.at DESC LIMIT ?",
            (issue, subscriber, NEWEST),
        )
        for at, number, link, mark, why, address in rows:
            kind, by = Kind(number), Mark(mark)
            if kind is Kind.OPENED:
                what = "opened it"
            else:
                what = f"clicked {address}" if link else "followed the link that nobody sees"
            yield Moment(at, kind.word, what, issue, by.word, Why(why).words)


def _issues_of(db: Database, mode: str) -> list[tuple[int]]:
    return db.conn.execute(
        "SELECT number FROM issues WHERE tracking ->> '$.mode' = ? ORDER BY number", (mode,)
    ).fetchall()


_PARTS: tuple[Callable[[Database, int], Iterator[Moment]], ...] = (
    _consents, _departures, _suppressions, _letters, _deliveries, _events, _readings,
)  # fmt: skip


def _notes(db: Database, subscriber: int, count: int) -> tuple[str, ...]:
    notes = []
    if count > NEWEST:
        notes.append(f"There are {count:,} moments; these are the newest {NEWEST:,}.")
    if unnamed := [number for (number,) in _issues_of(db, "counts")]:
        which = f"issue {unnamed[0]}" if len(unnamed) == 1 else f"{len(unnamed)} issues"
        notes.append(f"Of {which} it is counted how many opened and clicked, and not who: nothing of it is here.")
    deleted = db.conn.execute(
        "SELECT count(*) FROM issues i CROSS JOIN deliveries d ON d.issue = i.number AND d.subscriber = ?"
        " WHERE i.events_deleted_at IS NOT NULL",
        (subscriber,),
    ).fetchone()[0]
    if deleted:
        notes.append(f"The events of {deleted} issue{'' if deleted == 1 else 's'} were deleted, being old.")
    uncounted = db.conn.execute("SELECT uncounted FROM subscribers WHERE id = ?", (subscriber,)).fetchone()[0]
    if uncounted:
        notes.append("This reader wants no opens and clicks counted; copies say nothing since.")
    return tuple(notes)
