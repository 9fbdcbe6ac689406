"""Figures of opens and clicks, and of deliveries: how they are made of rows, and kept while rows come in.

What one copy adds to the figures is a function of all its readings. Whenever one more comes in, all of them are judged
again, and the figures get what the copy adds now less what it added before: in any order, and however often a reading
comes, the same rows give the same figures.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, NamedTuple

from digest import times
from digest.audience.forgetting import PREFIX
from digest.events import Kind, Mark
from digest.issue.subject_records import GROUPS, group_in, groups_of
from digest.sending.ledger import Delivery
from digest.store import Database, writing
from digest.tracking.agents import Agent
from digest.tracking.figures import STATES, mode_of
from digest.tracking.judging import HIDING, Seen, judge
from digest.tracking.records import Reading

MOST = 500
"""Readings of one copy that are kept and counted, the earliest: what is asked for more often, a machine passed on.
All of a copy are judged anew with each that comes in, so there must be an end of them."""

HOSTS_AT_MOST = 64
"""Numbers of mailbox providers are below this: see `forgotten_host`."""

HOUR_MS = 3_600_000
_NEVER = 1 << 62

Key = tuple[str, str, str]
"""What a figure is of: measure, part, value."""

Outcome = Literal["kept", "known", "foreign", "not wanted"]
"""What became of a reading: `known` came before, `foreign` is of no copy of ours, `not wanted` is not to be kept."""


class Judged(NamedTuple):
    """A reading and what it was judged to be, in the numbers of the store."""

    kind: int
    link: int
    at: int
    agent: int
    mark: int
    why: int


class _Copy(NamedTuple):
    """What is known of a copy where it is kept whose it is."""

    host: int
    handed_over_ms: int | None
    wanted: bool
    variant: int


# Opens and clicks ----------------------------------------------------------------------------------------------------


def contribution(readings: Collection[Judged], host: int | None = None, group: int = 0) -> Counter[Key]:
    """Count what one copy adds to the figures of its issue.

    `host` is the number of its mailbox provider, where it is known whose copy it is, and `group` (of `GROUPS`) that of
    its subject, where several are tried. The hidden link is no link: what follows it only tells what its other clicks
    are.
    """
    if len(readings) == 1:
        # Most copies are asked for once, and few things can be said of that: six times as fast.
        ((kind, link, at, agent, mark, why),) = readings
        hour = at - at % HOUR_MS
        return Counter(_of_one(Judged(kind, link, hour, agent, mark, why), host, group))
    return _contribution(readings, host, group)


@lru_cache(20_000)
def _of_one(reading: Judged, host: int | None, group: int) -> Counter[Key]:
    return _contribution([reading], host, group)


def _contribution(readings: Collection[Judged], host: int | None, group: int = 0) -> Counter[Key]:
    opens: Counter[int] = Counter()
    links: dict[int, Counter[int]] = defaultdict(Counter)
    read_at, clicked_at = _NEVER, _NEVER
    hidden = any(reading.why in HIDING for reading in readings)
    for kind, link, at, _, mark, _ in readings:
        if kind == Kind.OPENED:
            opens[mark] += 1
        elif link:
            links[link][mark] += 1
            if mark == Mark.PERSON:
                clicked_at = min(at, clicked_at)
        else:
            continue
        if mark == Mark.PERSON:
            # Who clicked has read it, though pictures may be off.
            read_at = min(at, read_at)
    clicks: Counter[int] = sum(links.values(), Counter())
    found = _by_whom("opened", opens, person=read_at < _NEVER) | _by_whom("clicked", clicks, person=clicked_at < _NEVER)
    if hidden:
        found |= _unseen(read=read_at < _NEVER, clicked=clicked_at < _NEVER)
    found |= _often("opens", opens) | _often("clicks", clicks)
    total: Counter[Key] = Counter({(measure, "", ""): count for measure, count in found.items()})
    if host is not None:
        total.update({(measure, "host", str(host)): count for measure, count in found.items()})
    for measure, first in (("opened people", read_at), ("clicked people", clicked_at)):
        if first < _NEVER:
            total[measure, "hour", hour_of(first)] = 1
            total.update({(measure, "subject", GROUPS[group]): 1} if group else {})
    for link, of_link in links.items():
        counts = {"clicked": 1} | _often("clicks", of_link)
        if of_link[Mark.PERSON]:
            counts["clicked people"] = 1
        total.update({(measure, "link", str(link)): count for measure, count in counts.items()})
    return total


def _by_whom(measure: str, marks: Mapping[int, int], *, person: bool) -> dict[str, int]:
    """Say of a copy that was opened, or clicked, who did it: a person, else nobody can say, else only machines."""
    if person:
        return {measure: 1, f"{measure} people": 1}
    if marks.get(Mark.UNSURE):
        return {measure: 1, f"{measure} unsure": 1}
    return {measure: 1, f"{measure} machines": 1} if marks else {}


def _unseen(*, read: bool, clicked: bool) -> dict[str, int]:
    """Say of a copy of which a person's open could not be seen whether a person is known all the same."""
    return {"hidden people" if read else "hidden": 1} | ({"hidden clicked": 1} if clicked else {})


def _often(measure: str, marks: Mapping[int, int]) -> dict[str, int]:
    counts = {measure: sum(marks.values()), f"{measure} people": marks.get(Mark.PERSON, 0)}
    return {name: count for name, count in counts.items() if count}


def hour_of(at_ms: int) -> str:
    """Give the hour of a moment as figures have it: ``2026-11-26T09``, in UTC."""
    return _hour(at_ms // HOUR_MS)


@lru_cache(1024)
def _hour(number: int) -> str:
    return f"{datetime.fromtimestamp(number * 3600, UTC):%Y-%m-%dT%H}"


def forgotten_host(copy: int) -> int | None:
    """Give the mailbox provider of a reader who was forgotten; None for any other copy.

    Forgetting turns the reader's number into one of chance, below zero, that keeps this and the group of `group_of`
    alone: see `audience/forgetting.py`.
    """
    return (-1 - copy) % HOSTS_AT_MOST if copy < 0 else None


def group_of(copy: int, variant: int | None, groups: Mapping[int, int]) -> int:
    """Give the group of a copy, by its number where it says so, and else by its variant.

    `groups` are those of the issue's variants; where there are none, its subjects are not tried. `variant` is None
    where it is not kept whose the copy is.
    """
    if not groups:
        return 0
    if copy < 0:
        return group_in((-1 - copy) // HOSTS_AT_MOST)
    return group_in(copy) if variant is None else groups.get(variant, 0)


def record(connection: sqlite3.Connection, readings: Iterable[Reading]) -> Counter[Outcome]:
    """Keep opens and clicks, judge those of their copies anew, and keep the figures true; in one transaction of yours.

    Where it is kept whose they are, those of readers who are forgotten or want nothing counted are not kept, whatever
    links their old copies have.
    """
    done: Counter[Outcome] = Counter()
    by_issue: defaultdict[int, list[Reading]] = defaultdict(list)
    for reading in readings:
        by_issue[reading.issue].append(reading)
    for issue, found in sorted(by_issue.items()):
        row = connection.execute(
            "SELECT tracking, events_deleted_at, (SELECT count(*) FROM links l WHERE l.issue = issues.number),"
            # Of variants for topics it is not written down which links are in which.
            " EXISTS (SELECT 1 FROM variants v WHERE v.issue = issues.number AND v.of_variant <> 0)"
            " FROM issues WHERE number = ?",
            (issue,),
        ).fetchone()
        if row is None:
            done["foreign"] += len(found)
        elif row[0] is None or row[1] is not None:
            done["not wanted"] += len(found)
        else:
            links = row[2] if row[2] and not row[3] else None
            done.update(_record(connection, issue, found, of_readers=mode_of(row[0]) == "readers", links=links))
    return done


def _record(
    connection: sqlite3.Connection, issue: int, readings: list[Reading], *, of_readers: bool, links: int | None
) -> Counter[Outcome]:
    done: Counter[Outcome] = Counter()
    copies = json.dumps(sorted({reading.copy for reading in readings}))
    known = _copies(connection, issue, copies) if of_readers else None
    before = _readings(connection, issue, copies)
    new: defaultdict[int, dict[tuple[int, int, int], int]] = defaultdict(dict)
    for reading in readings:
        copy = reading.copy
        if copy <= 0 or (known is not None and copy not in known):
            done["foreign"] += 1
        elif known is not None and not known[copy].wanted:
            done["not wanted"] += 1
        else:
            place = (int(reading.kind), reading.link, reading.at)
            there = new[copy].get(place, -1)
            if there >= 0 or place in before[copy]:
                done["known"] += 1
            else:
                done["kept"] += 1
            new[copy][place] = int(reading.agent) if there < 0 else min(there, int(reading.agent))
    groups = groups_of(connection, issue)
    figures: Counter[Key] = Counter()
    put: list[tuple[int, ...]] = []
    gone: list[tuple[int, ...]] = []
    for copy, agents in new.items():
        of = known[copy] if known is not None else None
        were = before[copy]
        now = _judged(were, agents, of.handed_over_ms if of else None, links)
        if now == were:
            continue
        host, group = of.host if of else None, group_of(copy, of.variant if of else None, groups)
        for key, count in contribution(now.values(), host, group).items():
            figures[key] += count
        if were:
            figures.subtract(contribution(were.values(), host, group))
        put += [(issue, copy, *row) for place, row in now.items() if were.get(place) != row]
        gone += [(issue, copy, *place) for place in were.keys() - now.keys()]
    connection.executemany(
        "INSERT INTO readings (issue, copy, kind, link, at, agent, mark, why) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET agent = excluded.agent, mark = excluded.mark, why = excluded.why",
        sorted(put),
    )
    connection.executemany(
        "DELETE FROM readings WHERE issue = ? AND copy = ? AND kind = ? AND link = ? AND at = ?", gone
    )
    add_figures(connection, issue, figures)
    return done


def _judged(
    were: Mapping[tuple[int, int, int], Judged],
    new: Mapping[tuple[int, int, int], int],
    handed_over_ms: int | None,
    links: int | None,
) -> dict[tuple[int, int, int], Judged]:
    """Judge all readings of a copy, those that were there and those that come, by what they are and when."""
    agents = {place: row.agent for place, row in were.items()}
    for place, agent in new.items():
        # Two in the same millisecond: whichever came in first, the same one stays.
        agents[place] = min(agent, agents.get(place, agent))
    if agents == {place: row.agent for place, row in were.items()}:
        return dict(were)
    places = sorted(agents, key=lambda place: (place[2], place))[:MOST]
    seen = [
        Seen(Kind.OPENED if kind == Kind.OPENED else Kind.CLICKED, link, at, Agent(agents[kind, link, at]))
        for kind, link, at in places
    ]
    marks = judge(seen, handed_over_ms=handed_over_ms, links=links)
    return {
        place: Judged(*place, agents[place], int(mark), int(why))
        for place, (mark, why) in zip(places, marks, strict=True)
    }


def _copies(connection: sqlite3.Connection, issue: int, copies: str) -> dict[int, _Copy]:
    rows = connection.execute(
        "SELECT d.subscriber, d.host, b.claimed_at, s.uncounted = 0 AND substr(s.email_key, 1, ?) <> ?, d.variant"
        " FROM json_each(?) c CROSS JOIN deliveries d ON d.issue = ? AND d.subscriber = c.value"
        " JOIN subscribers s ON s.id = d.subscriber LEFT JOIN batches b ON b.number = d.batch",
        (len(PREFIX), PREFIX, copies, issue),
    )
    return {
        copy: _Copy(host, _milliseconds(claimed_at), bool(wanted), variant)
        for copy, host, claimed_at, wanted, variant in rows
    }


@lru_cache(4096)
def _milliseconds(text: str | None) -> int | None:
    return int(times.from_text(text).timestamp() * 1000) if text else None


def _readings(
    connection: sqlite3.Connection, issue: int, copies: str
) -> defaultdict[int, dict[tuple[int, int, int], Judged]]:
    found: defaultdict[int, dict[tuple[int, int, int], Judged]] = defaultdict(dict)
    rows = connection.execute(
        "SELECT r.copy, r.kind, r.link, r.at, r.agent, r.mark, r.why"
        " FROM json_each(?) c CROSS JOIN readings r ON r.issue = ? AND r.copy = c.value",
        (copies, issue),
    )
    for copy, kind, link, at, agent, mark, why in rows:
        found[copy][kind, link, at] = Judged(kind, link, at, agent, mark, why)
    return found


def add_figures(connection: sqlite3.Connection, issue: int, figures: Mapping[Key, int]) -> None:
    """Add to the figures of an issue, or take from them."""
    connection.executemany(
        "INSERT INTO figures (issue, measure, part, value, count) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET count = count + excluded.count",
        [(issue, *key, count) for key, count in sorted(figures.items()) if count],
    )


def drop_noughts(connection: sqlite3.Connection, issues: Iterable[int]) -> None:
    """Delete figures that came to nothing, so that the same rows always give the same figures."""
    connection.executemany("DELETE FROM figures WHERE issue = ? AND count = 0", [(issue,) for issue in issues])


# Deliveries ----------------------------------------------------------------------------------------------------------


def deliveries(db: Database, issue: int) -> Counter[Key]:
    """Count the deliveries of an issue by state and mailbox provider, and all of them as `audience`."""
    found: Counter[Key] = Counter()
    for state, host, count in db.conn.execute(
        "SELECT state, host, count(*) FROM deliveries WHERE issue = ? GROUP BY state, host", (issue,)
    ):
        for measure in ("audience", STATES[Delivery(state).name.lower()]):
            found[measure, "", ""] += count
            found[measure, "host", str(host)] += count
    return found


def roll_up(db: Database, issue: int, *, now: datetime) -> None:
    """Count the deliveries of an issue into its figures: a million in half a second, in which others can write."""
    measures = json.dumps(["audience", *STATES.values()])
    # Before they are counted: what changes meanwhile is counted the next time.
    stand = _stands(db).get(issue, "")
    counts = deliveries(db, issue)
    with writing(db) as connection:
        connection.execute(
            "DELETE FROM figures WHERE issue = ? AND measure IN (SELECT value FROM json_each(?))", (issue, measures)
        )
        add_figures(connection, issue, counts)
        connection.execute(
            "INSERT INTO roll_ups (issue, stand, made_at) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET stand = excluded.stand, made_at = excluded.made_at",
            (issue, stand, times.to_text(now)),
        )


def to_roll_up(db: Database) -> list[int]:
    """Give the issues whose deliveries may be others than their figures say; those that are being sent always are."""
    rolled_up = dict(db.conn.execute("SELECT issue, stand FROM roll_ups").fetchall())
    return sorted(
        issue for issue, stand in _stands(db).items() if stand.startswith("sending") or stand != rolled_up.get(issue)
    )


def _stands(db: Database) -> dict[int, str]:
    """Say of each issue what its deliveries depend on: its state, its last change and its open batches."""
    rows = db.conn.execute(
        # Without the index, each issue's whole content would be stepped over.
        "SELECT number, state || ' ' || updated_at || ' '"
        " || (SELECT count(*) FROM batches WHERE issue = issues.number AND state <> 'settled')"
        " FROM issues INDEXED BY issues_updated_at WHERE state NOT IN ('draft', 'approved')"
    )
    return dict(rows.fetchall())
