"""What providers told, brought to the copies it is about: events, suppressions, readers who left.

The same words in any order, and however often, come to the same: of an event the earliest word counts, and what follows
from events is a function of all of them.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from digest import times
from digest.audience.forgetting import PREFIX
from digest.audience.leaving import leave
from digest.audience.suppression import SOFTLY, suppress_as_told
from digest.events import Kind
from digest.issue import link_records
from digest.issue.tracked import Mode
from digest.providers.hooks.interface import Told
from digest.settings import Settings
from digest.store import Database
from digest.tracking.agents import Agent, agent_of
from digest.tracking.counting import hour_of
from digest.tracking.figures import mode_of
from digest.tracking.finding import Finder, Found, key_of
from digest.tracking.records import Reading

DETAIL = 300
"""Characters kept of a provider's code and words."""

UNSENT = "not sent"
"""With this begins what is kept of a bounce that is no fault of the mailbox: `soft_bounces` does not count it."""

_QUIET = frozenset({"accepted", "delivered", "opened", "clicked"})
"""What may be told of every copy there is, in words that nobody reads: they are not kept."""

Outcome = Literal["new", "known", "foreign", "letter", "not wanted"]
"""What became of a provider's word: `known` was told before, `foreign` is about no copy of ours, `letter` about a mail
that is no issue; `not wanted` is an open or a click that is not counted."""


@dataclass(frozen=True)
class Heard:
    """A provider's word, and when it came in, in milliseconds since 1970."""

    provider: str
    at: int
    told: Told


@dataclass
class Happened:
    """What became of some words: counted by hour, provider and outcome; and what is to be looked at after them.

    `readings` are opens and clicks to be counted, `reviewed` readers whose soft bounces may have come to another end.
    """

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    readings: list[Reading] = field(default_factory=list)
    reviewed: set[int] = field(default_factory=set)
    issues: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class _Issue:
    """What is asked of an issue. `sent_at` is when sending began, in seconds since 1970."""

    sent_at: int
    sending_at: str
    mode: Mode
    deleted: bool


@dataclass
class _Copy:
    """A copy that was found: its reader's address, what stands in the way, and the events it has.

    `doubted_since` is when it was handed over, in seconds since 1970, where nobody knows whether it was accepted: it is
    uncertain, or it is queued again because a person or a setting said so.
    """

    key: str
    softly: bool
    doubted_since: int | None
    events: dict[tuple[int, str], tuple[int, str | None]]

    @property
    def forgotten(self) -> bool:
        return self.key.startswith(PREFIX)


def happen(db: Database, heard: Sequence[Heard], finder: Finder, settings: Settings, *, now: datetime) -> Happened:
    """Write down what providers told; in one transaction of yours."""
    return _Work(db, settings, now).do([(one, finder.find(one.told)) for one in heard])


class _Work:
    """One lot of words at work."""

    def __init__(self, db: Database, settings: Settings, now: datetime) -> None:
        self._db, self._settings, self._now = db, settings, now
        self._done = Happened()
        self._issues: dict[int, _Issue] = {}
        self._copies: dict[tuple[int, int], _Copy] = {}
        self._links: dict[int, dict[str, int]] = {}
        self._changed: dict[tuple[int, int, int, str], tuple[int, str | None]] = {}

    def do(self, found: Sequence[tuple[Heard, Found | None]]) -> Happened:
        subscribers: defaultdict[int, set[int]] = defaultdict(set)
        for _, of in found:
            if of is not None and of.issue:
                subscribers[of.issue].add(of.subscriber)
        for issue, those in subscribers.items():
            self._load(issue, those)
        refused: list[tuple[Heard, Found | None, int]] = []
        for one, of in found:
            at, outcome = self._note(one, of)
            self._done.counts[hour_of(one.at), one.provider, outcome] += 1
            if _is_refusal(one.told) and not (outcome == "known" and self._is_repeated(one.told, of, at)):
                refused.append((one, of, at))
        self._put()
        for one, of, at in refused:
            self._refuse(one, of, at)
        return self._done

    def _load(self, issue: int, subscribers: set[int]) -> None:
        connection = self._db.conn
        row = connection.execute(
            "SELECT sending_at, tracking, events_deleted_at FROM issues WHERE number = ?", (issue,)
        ).fetchone()
        if row is None or row[0] is None:
            return
        sending_at, tracking, deleted_at = row
        sent_at = int(times.from_text(sending_at).timestamp())
        self._issues[issue] = _Issue(sent_at, sending_at, mode_of(tracking), deleted_at is not None)
        rows = connection.execute(
            "SELECT d.subscriber, s.email_key, coalesce(x.source LIKE ?, 0),"
            " iif(d.state IN (1, 4) OR (d.state = 0 AND b.settled_by IN ('setting', 'person')), b.claimed_at, NULL),"
            " e.kind, e.key, e.at, e.detail"
            " FROM json_each(?) c CROSS JOIN deliveries d ON d.issue = ? AND d.subscriber = c.value"
            " JOIN subscribers s ON s.id = d.subscriber LEFT JOIN suppressions x ON x.email_key = s.email_key"
            " LEFT JOIN batches b ON b.number = d.batch"
            " LEFT JOIN events e ON e.issue = d.issue AND e.subscriber = d.subscriber",
            (SOFTLY.format("%"), json.dumps(sorted(subscribers)), issue),
        )
        for subscriber, key, softly, doubted, kind, of, at, detail in rows:
            copy = self._copies.get((issue, subscriber))
            if copy is None:
                since = int(times.from_text(doubted).timestamp()) if doubted else None
                copy = self._copies[issue, subscriber] = _Copy(key, bool(softly), since, {})
            if kind is not None:
                copy.events[kind, of] = at, detail

    # Events ----------------------------------------------------------------------------------------------------------

    def _note(self, heard: Heard, found: Found | None) -> tuple[int, Outcome]:
        """Note what happened to a copy; give when, in seconds since 1970, and what became of the word."""
        told, came_at = heard.told, heard.at // 1000
        # What lies after the call is a wrong clock, or no moment at all.
        at = min(_seconds(told.at, came_at), came_at)
        if found is None:
            return at, "foreign"
        if not found.issue:
            return at, "letter"
        copy, issue = self._copies.get((found.issue, found.subscriber)), self._issues.get(found.issue)
        if copy is None or issue is None or issue.deleted:
            return at, "foreign"
        at = max(at, issue.sent_at)
        if told.word in ("opened", "clicked"):
            return at, self._read(heard, found, issue, at)
        return at, "new" if self._earliest(found, copy, *_event_of(told), at, told) else "known"

    def _is_repeated(self, told: Told, found: Found | None, at: int) -> bool:
        """Tell whether just this was told before, and what follows was done: who is off the list again stays off it."""
        copy = self._copies.get((found.issue, found.subscriber)) if found else None
        return copy is not None and copy.events.get(_event_of(told)) == (at, _detail(told, copy))

    def _earliest(self, found: Found, copy: _Copy, kind: int, key: str, at: int, told: Told) -> bool:
        """Take an event in, where it is new, or earlier than what was known of it; tell whether that is so."""
        detail = _detail(told, copy)
        known = copy.events.get((kind, key))
        if known is not None and (known[0], known[1] or "") <= (at, detail or ""):
            return False
        copy.events[kind, key] = at, detail
        self._changed[found.issue, found.subscriber, kind, key] = at, detail
        if (kind, key) == (Kind.BOUNCED, "soft") or (copy.softly and kind == Kind.DELIVERED):
            self._done.reviewed.add(found.subscriber)
        return True

    def _read(self, heard: Heard, found: Found, issue: _Issue, at: int) -> Outcome:
        """Count an open or a click a provider saw, where it is kept who reads.

        Elsewhere it shows that a copy arrived of which nobody knew. Of any other copy nothing is written down, and of
        these not when it was: else it could be told who reads.
        """
        told = heard.told
        link = self._link(found.issue, told.link) if told.word == "clicked" else 0
        if issue.mode == "readers" and link is not None:
            agent = agent_of(told.agent, head=False, address=None, networks=())
            if told.machine and agent in (Agent.BROWSER, Agent.NONE):
                agent = Agent.PROGRAM
            moment = min(_milliseconds(told.at, heard.at), heard.at)
            moment = max(moment, issue.sent_at * 1000)
            kind: Literal[Kind.OPENED, Kind.CLICKED] = Kind.OPENED if told.word == "opened" else Kind.CLICKED
            self._done.readings.append(Reading(found.issue, found.subscriber, kind, link, moment, agent))
            return "new"
        copy = self._copies[found.issue, found.subscriber]
        if copy.doubted_since is not None and at >= copy.doubted_since:
            self._earliest(found, copy, Kind.ACCEPTED, "", copy.doubted_since, told)
        return "not wanted"

    def _link(self, issue: int, address: str) -> int | None:
        """Give the number of a link; None where it has none, or leads by us, who saw the click ourselves."""
        if issue not in self._links:
            self._links[issue] = link_records.numbers_of(self._db, issue)
        return self._links[issue].get(address)

    def _put(self) -> None:
        """Write the events down. Triggers keep their figures, when they are new and when they move."""
        self._db.conn.executemany(
            "INSERT INTO events (issue, subscriber, kind, key, at, detail) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET at = excluded.at, detail = excluded.detail",
            [(*event, *what) for event, what in sorted(self._changed.items())],
        )
        self._done.issues |= {issue for issue, *_ in self._changed}

    # What follows ----------------------------------------------------------------------------------------------------

    def _refuse(self, heard: Heard, found: Found | None, at: int) -> None:
        """Suppress the address that bounced hard or complained; let a reader leave who told the provider so."""
        told = heard.told
        if told.word == "unsubscribed":
            if found is not None and found.subscriber:
                self._leave(found, at)
            return
        key = self._address(told, found)
        if key is not None:
            reason: Literal["hard bounce", "complaint"] = "complaint" if told.word == "complained" else "hard bounce"
            source = f"{heard.provider}: {_clean(told.code)[:20] or told.word}"
            suppress_as_told(self._db, key, reason, source=source, at=datetime.fromtimestamp(at, UTC))

    def _address(self, told: Told, found: Found | None) -> str | None:
        """Give the key of the address that something happened at: not always the one its reader has by now."""
        given = key_of(told.address)
        row: tuple[str] | None = None
        if found is not None and found.subscriber:
            row = self._db.conn.execute(
                "SELECT email_key FROM subscribers WHERE id = ?", (found.subscriber,)
            ).fetchone()
            if row is not None and row[0].startswith(PREFIX):
                return None
        if found is None or (row is None and found.key is None):
            # Nobody's but the provider's word says whose it is: no address is written down that was never ours.
            row = self._db.conn.execute("SELECT email_key FROM subscribers WHERE email_key = ?", (given,)).fetchone()
            return row[0] if row else None
        if given or found.key:
            return given or found.key
        if row is None or told.address:
            return None
        return None if self._moved_since(found) else row[0]

    def _moved_since(self, found: Found) -> bool:
        """Tell whether a reader may have had another address when the copy went out."""
        issue = self._issues.get(found.issue)
        sql = "SELECT EXISTS (SELECT 1 FROM consents WHERE subscriber = ? AND kind = 'changed' AND given_at > ?)"
        given = (found.subscriber, issue.sending_at if issue else "")
        return bool(self._db.conn.execute(sql, given).fetchone()[0])

    def _leave(self, found: Found, at: int) -> None:
        """Let a reader leave, unless they came, or came back, after they had said so."""
        since = times.to_text(datetime.fromtimestamp(at, UTC))
        came = self._db.conn.execute(
            "SELECT EXISTS (SELECT 1 FROM consents WHERE subscriber = ?1 AND given_at > ?2"
            " AND kind IN ('confirmed', 'returned', 'imported', 'added'))"
            " OR EXISTS (SELECT 1 FROM departures WHERE subscriber = ?1 AND left_at > ?2)",
            (found.subscriber, since),
        ).fetchone()[0]
        if not came:
            leave(self._db, found.subscriber, way="one-click", issue=found.issue, now=self._now)


def _is_refusal(told: Told) -> bool:
    return told.word in ("complained", "unsubscribed") or (told.word == "bounced" and told.hard)


def _event_of(told: Told) -> tuple[int, str]:
    if told.word == "bounced":
        return Kind.BOUNCED, "hard" if told.hard else "soft"
    return Kind[told.word.upper()], ""


def _detail(told: Told, copy: _Copy) -> str | None:
    # The words of a server, as a rule, name the address.
    if told.word in _QUIET or copy.forgotten:
        return None
    said = f"{told.code} {told.words}"
    if told.blameless:
        said = f"{UNSENT}: {told.words.removeprefix(UNSENT).lstrip(': ')}"
    return _clean(said)[:DETAIL].strip(": ") or None


def _clean(text: str) -> str:
    """Take out what would steer a terminal, and what cannot be stored as UTF-8."""
    printable = "".join(character if character.isprintable() else " " for character in text[: 4 * DETAIL])
    return " ".join(printable.split())


def _seconds(moment: datetime, otherwise: int) -> int:
    return _milliseconds(moment, otherwise * 1000) // 1000


def _milliseconds(moment: datetime, otherwise: int) -> int:
    """Give a moment since 1970; `otherwise` for one that no clock shows."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        found = int(moment.timestamp() * 1000)
    except (OverflowError, ValueError):
        return otherwise
    return found if found > 0 else otherwise
