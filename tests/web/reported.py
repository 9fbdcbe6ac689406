"""A store whose issues went out, with figures as a real newsletter's would be: for pages, charts and pictures of them."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from datetime import timedelta
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
    of = comparisons_of(addresses, [placed.comparison for placed in issues.load_draft(db, first).placed], settings.base_url)
    with writing(db) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(issues)") if row[1] != "number"]
        for place, one in enumerate(given):
            number = first + place
            if place:
                connection.execute(
                    f"INSERT INTO issues (number, {', '.join(columns)}) SELECT ?, {', '.join(columns)} FROM issues"
                    " WHERE number = ?",
                    (number, first),
                )
                connection.execute(
                    "INSERT INTO issue_comparisons SELECT ?, comparison, position, form, updated, substance, frozen_form"
                    " FROM issue_comparisons WHERE issue = ?",
                    (number, first),
                )
            began = NOW - timedelta(days=3) - timedelta(weeks=len(given) - 1 - place)
            connection.execute(
                "UPDATE issues SET state = 'sent', subject = ?, tracking = ?, sending_at = ?, sent_at = ? WHERE number = ?",
                (
                    SUBJECTS[place % len(SUBJECTS)],
                    None if one.mode == "off" else json.dumps({"mode": one.mode, "utm": "", "hidden": False}),
                    times.to_text(began),
                    times.to_text(began + timedelta(minutes=4)),
                    number,
                ),
            )
            if one.mode != "off":
                connection.executemany(
                    "INSERT INTO links (issue, number, address, comparison) VALUES (?, ?, ?, ?)",
                    [(number, at, address, of.get(address)) for at, address in enumerate(addresses, start=1)],
                )
            tools = [row[0] for row in connection.execute("SELECT slug FROM tools ORDER BY id LIMIT 6")]
            counts = figures(one, times.to_text(began)[:13], links=len(addresses), tools=tools, seed=place)
            connection.executemany(
                "INSERT INTO figures (issue, measure, part, value, count) VALUES (?, ?, ?, ?, ?)",
                [(number, *key, count) for key, count in counts.items() if count],
            )
    return list(range(first, first + len(given)))


def figures(one: Given, hour: str, *, links: int, tools: list[str], seed: int) -> Counter[tuple[str, str, str]]:
    """Make the figures of an issue: measure, part, value."""
    chance = random.Random(seed)
    found: Counter[tuple[str, str, str]] = Counter()
    accepted = round(one.readers * 0.994)
    reached = accepted if one.delivered is None else round(accepted * one.delivered)
    began = times.from_text(f"{hour}:00:00+00:00")

    def whole(measure: str, count: float, *parts: str) -> None:
        found[measure, "", ""] = round(count)
        if "host" in parts:
            for host, share in HOSTS.items():
                found[measure, "host", str(host)] = round(count * share * (1 if host != 2 else 1.6 if "bad" in parts else 0.9))
        if "hour" in parts:
            shares = [math.exp(-at / 9) * (0.4 + abs(math.sin((at + 9) * math.pi / 24))) for at in range(96)]
            for at, share in enumerate(shares):
                there = times.to_text(began + timedelta(hours=at))[:13]
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
        for measure, count in (("opens people", people * 1.6), ("opens", people * 2.9)):
            whole(measure, count)
        for measure, count in (("clicks people", clicked * 1.7), ("clicks", clicked * 4.2)):
            whole(measure, count)
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
            rows = [("joined", joined), ("left", round(joined * chance.uniform(0.15, 0.4))), ("hard bounce", chance.randrange(4))]
            connection.executemany(
                "INSERT INTO audience_days VALUES (?, ?, ?)", [(there, measure, count) for measure, count in rows if count]
            )


def link(db: Database, settings: Settings, *, days: float = 7) -> str:
    """Give the address of the reports, for some days from now on."""
    ends = int((NOW + timedelta(days=days)).timestamp())
    return f"/reports/{Signers.of(db, settings, now=NOW).links.sign('report', ends, 0)}"


