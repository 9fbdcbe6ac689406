"""A store whose issues went out, with figures as a real newsletter's would be."""

from __future__ import annotations

import json
import math
import random
import sqlite3
from collections import Counter
from datetime import datetime, timedelta
from typing import NamedTuple

from conftest import NOW
from digest import times
from digest.issue import issues
from digest.issue.tracked import addresses_in, comparisons_of
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.store import Database, writing

HOSTS = {1: 0.46, 2: 0.2, 3: 0.1, 4: 0.09, 5: 0.03, 6: 0.05, 0: 0.07}
SUBJECTS = (
    "Claude Code vs Cursor, and nine more",
    "Is Linear still worth it?",
    "Five note apps walk into a bar: who ships, who skips",
    "The panel disagrees about Supabase",
    "Postman or Bruno? Readers were sure",
)


class Given(NamedTuple):
    """What became of an issue of so many readers, in shares; the others follow from them."""

    readers: int
    delivered: float | None = 0.982
    opened: float = 0.41
    clicked: float = 0.11
    complained: float = 0.0004
    mode: str = "readers"


def tell(db: Database, settings: Settings, given: list[Given]) -> list[int]:
    """Make an issue of each, a week apart, the newest sent three days ago; give their numbers."""
    drafted = issues.draft(db, settings, now=NOW).issue
    assert drafted is not None
    first = drafted.number
    issues.freeze(db, settings, first, now=NOW)
    content = issues.frozen(db, first)
    assert content is not None
    addresses = [address for address in addresses_in(content.html) if "[[" not in address]
    comparisons = [placed.comparison for placed in issues.load_draft(db, first).placed]
    of = comparisons_of(addresses, comparisons, settings.base_url)
    with writing(db) as connection:
        tools = [slug for (slug,) in connection.execute("SELECT slug FROM tools ORDER BY id LIMIT 6")]
        for place, one in enumerate(given):
            number = first + place
            if place:
                _copy(connection, first, number)
            began = NOW - timedelta(days=3) - timedelta(weeks=len(given) - 1 - place)
            tracking = None if one.mode == "off" else json.dumps({"mode": one.mode, "utm": "", "hidden": False})
            connection.execute(
                "UPDATE issues SET state = 'sent', subject = ?, tracking = ?, sending_at = ?, sent_at = ?"
                " WHERE number = ?",
                (
                    *(SUBJECTS[place % len(SUBJECTS)], tracking),
                    *(times.to_text(began), times.to_text(began + timedelta(minutes=4)), number),
                ),
            )
            rows = [(number, at, address, of.get(address)) for at, address in enumerate(addresses, start=1)]
            connection.executemany("INSERT INTO links VALUES (?, ?, ?, ?)", rows if tracking else [])
            _put(connection, number, figures(one, began, links=len(addresses), tools=tools, seed=place))
    return list(range(first, first + len(given)))


def fill(db: Database, number: int, one: Given) -> None:
    """Give an issue that is being sent the figures of a large one."""
    links = db.execute("SELECT count(*) FROM links WHERE issue = ?", [number]).fetchone()[0]
    with writing(db) as connection:
        connection.execute("DELETE FROM figures WHERE issue = ?", (number,))
        _put(connection, number, figures(one, NOW, links=links, tools=["cursor"], seed=0))


def _put(connection: sqlite3.Connection, number: int, counts: Counter[tuple[str, str, str]]) -> None:
    connection.executemany(
        "INSERT INTO figures (issue, measure, part, value, count) VALUES (?, ?, ?, ?, ?)",
        [(number, *key, count) for key, count in counts.items() if count],
    )


def _copy(connection: sqlite3.Connection, issue: int, number: int) -> None:
    for table, key in (("issues", "number"), ("issue_comparisons", "issue")):
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[1] != key]
        listed = ", ".join(columns)
        connection.execute(
            f"INSERT INTO {table} ({key}, {listed}) SELECT ?, {listed} FROM {table} WHERE {key} = ?", (number, issue)
        )


def figures(one: Given, at: datetime, *, links: int, tools: list[str], seed: int) -> Counter[tuple[str, str, str]]:
    """Make the figures of an issue: measure, part, value."""
    chance = random.Random(seed)
    found: Counter[tuple[str, str, str]] = Counter()
    accepted = round(one.readers * 0.994)
    reached = accepted if one.delivered is None else round(accepted * one.delivered)
    began = at.replace(minute=0, second=0, microsecond=0)
    hour = times.to_text(began)[:13]

    def whole(measure: str, count: float, *parts: str) -> None:
        found[measure, "", ""] = round(count)
        if "host" in parts:
            for host, share in HOSTS.items():
                found[measure, "host", str(host)] = round(
                    count * share * (1 if host != 2 else 1.6 if "bad" in parts else 0.9)
                )
        if "hour" in parts:
            shares = [math.exp(-gone / 9) * (0.4 + abs(math.sin((gone + 9) * math.pi / 24))) for gone in range(96)]
            for after, share in enumerate(shares):
                there = times.to_text(began + timedelta(hours=after))[:13]
                found[measure, "hour", there] = round(count * share / sum(shares) * chance.uniform(0.8, 1.2))

    for measure, count in (("audience", one.readers), ("accepted copies", accepted)):
        whole(measure, count, "host")
    whole("skipped", one.readers - accepted - one.readers // 2000)
    whole("rejected", one.readers // 2000)
    if one.delivered is not None:
        whole("delivered", reached, "host")
        found["delivered", "hour", hour] = round(reached * 0.97)
        found["delivered", "hour", times.to_text(began + timedelta(hours=1))[:13]] = round(reached * 0.03)
        whole("bounced hard", accepted * 0.006, "host", "hour", "bad")
        whole("bounced soft", accepted * 0.008, "host", "hour", "bad")
        whole("deferred", accepted * 0.02, "host")
    whole("complained", reached * one.complained, "host", "hour", "bad")
    whole("unsubscribed", reached * 0.0021, "host", "hour")
    whole("voted", reached * 0.013)
    for place, tool in enumerate(tools):
        found["voted", "tool", tool] = round(reached * 0.013 / (place + 2))
    if one.mode != "off":
        host = ("host",) if one.mode == "readers" else ()
        people, clicked = reached * one.opened, reached * one.clicked
        whole("opened people", people, "hour", *host)
        whole("opened unsure", reached * 0.07)
        whole("opened machines", reached * 0.09)
        whole("opened", people + round(reached * 0.07) + round(reached * 0.09))
        whole("hidden", reached * 0.18, *host)
        whole("clicked people", clicked, "hour", *host)
        whole("clicked unsure", clicked * 0.2)
        whole("clicked machines", clicked * 0.5)
        whole("clicked", clicked + round(clicked * 0.2) + round(clicked * 0.5))
        for measure, total in (("opens people", people * 1.6), ("opens", people * 2.9)):
            whole(measure, total)
        for measure, total in (("clicks people", clicked * 1.7), ("clicks", clicked * 4.2)):
            whole(measure, total)
        for link in range(1, links + 1):
            share = chance.paretovariate(1.2) / (link + 4) / 3
            for measure, times_ in (("clicked people", 1), ("clicked", 1.7), ("clicks people", 1.5), ("clicks", 2.9)):
                found[measure, "link", str(link)] = round(clicked * min(share, 0.6) * times_)
    return found


def grow(db: Database, *, weeks: int, readers: int) -> None:
    """Let readers come and go for some weeks, until there are about so many."""
    chance = random.Random(5)
    with writing(db) as connection:
        for day in range(weeks * 7):
            there = times.to_text(NOW - timedelta(days=weeks * 7 - 1 - day))[:10]
            joined = round(readers / (weeks * 7) * chance.uniform(0.7, 2.1))
            rows = [
                ("joined", joined),
                ("left", round(joined * chance.uniform(0.15, 0.4))),
                ("hard bounce", chance.randrange(4)),
            ]
            connection.executemany(
                "INSERT OR REPLACE INTO audience_days VALUES (?, ?, ?)",
                [(there, measure, count) for measure, count in rows if count],
            )


def link(db: Database, settings: Settings, *, days: float = 7) -> str:
    """Give the address of the reports, for some days from now on."""
    ends = int((NOW + timedelta(days=days)).timestamp())
    return f"/reports/{Signers.of(db, settings, now=NOW).links.sign('report', ends, 0)}"


def live(db: Database, subscriber: int, numbers: list[int]) -> None:
    """Let one reader get these issues, open and click them, and vote."""
    with writing(db) as connection:
        for place, number in enumerate(numbers):
            began = connection.execute("SELECT sending_at FROM issues WHERE number = ?", (number,)).fetchone()[0]
            at = int(times.from_text(began).timestamp())
            connection.execute(
                "INSERT INTO batches (number, issue, provider, account, idempotency_key, worker, state, first, last,"
                " size, claimed_at, settled_at) VALUES (?, ?, 'postmark', 'x', ?, 1, 'settled', ?, ?, 1, ?, ?)",
                (number, number, f"key-{number}", subscriber, subscriber, began, began),
            )
            connection.execute(
                "INSERT INTO deliveries (issue, subscriber, state, batch) VALUES (?, ?, 2, ?)",
                (number, subscriber, number),
            )
            happened: list[tuple[int, str, int, str | None]] = [(2, "", at + 400, None)]
            if place == 0:
                happened.append((1, "", at + 4, "451 4.7.1 Greylisted, try again later"))
            if place == 1:
                happened.append((7, "cursor", at + 7300, None))
            connection.executemany(
                "INSERT INTO events (issue, subscriber, kind, key, at, detail) VALUES (?, ?, ?, ?, ?, ?)",
                [(number, subscriber, *one) for one in happened],
            )
            # The figures stand for ten thousand readers: nothing is to count this one and put one in their place.
            connection.execute(
                "INSERT INTO roll_ups SELECT number, state || ' ' || updated_at || ' 0', '' FROM issues"
                " WHERE number = ?",
                (number,),
            )
            # Opened by Apple's proxy; then by a person, who clicked.
            read = [(5, 0, at + 405, 1, 2, 10), (5, 0, at + 7200, 0, 1, 0), (6, 3, at + 7260, 0, 1, 0)]
            connection.executemany(
                "INSERT INTO readings (issue, copy, kind, link, at, agent, mark, why)"
                " VALUES (?, ?, ?, ?, 1000 * ?, ?, ?, ?)",
                [(number, subscriber, *one) for one in read],
            )
