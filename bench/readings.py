"""What a report says of a week whose truth is known: people and machines told apart, at 100,000 readers.

    python bench/readings.py [--subscribers 100000] [--links 14] [--seeds 1] [--mode readers|counts] [--hidden]
                             [--set NAME=SHARE …] [--json]

`simulated_week.py` makes the week up: who reads, who clicks, and what proxies and scanners do beside them. Its requests
go the way of real ones: what asked is told from its words, the reading lies in the spool, is worked into a store and
judged there; and what is printed is what `digest report` says of it, beside the truth. `--set` changes the mix: with
`--set sampling=1` scanners follow one link alone, and the report is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from digest import times
from digest.events import Kind, Mark
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.store import Database, open_store, writing
from digest.tracking import counting, reports
from digest.tracking.agents import agent_of
from digest.tracking.judging import Why
from digest.tracking.records import Reading, encode
from digest.tracking.spool import Spool, drain, folder_of
from digest.tracking.working import Working
from simulated_week import HOUR, Mix, Request, Truth, Week

BEGUN = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
BATCH = 1_000
DELIVERED = 0.975


def prepare(db: Database, subscribers: int, links: int, *, mode: str, hidden: bool, draw: random.Random) -> list[int]:
    """Put an issue that was sent within an hour into a new store; give whose copies were delivered."""
    stamp = times.to_text(BEGUN)
    tracking = json.dumps({"mode": mode, "utm": "", "hidden": hidden, "site": "https://verdicts.example.com"})
    delivered = [number for number in range(1, subscribers + 1) if draw.random() < DELIVERED]
    with writing(db) as connection:
        connection.executemany(
            "INSERT INTO subscribers (id, email, email_key, state, source, created_at, updated_at)"
            " VALUES (?1, ?2, ?2, 'active', 'bench', ?3, ?3)",
            ((number, f"reader{number}@example.com", stamp) for number in range(1, subscribers + 1)),
        )
        connection.execute(
            "INSERT INTO issues (number, state, subject, preheader, intro, cutoff, content_hash, html, text, envelope,"
            " created_at, updated_at, sending_at, sent_at, tracking)"
            " VALUES (1, 'sent', 'The week', '', '', ?1, '', '', '', ?3, ?1, ?1, ?1, ?1, ?2)",
            (stamp, tracking, json.dumps(dict.fromkeys(("sender_name", "sender_address", "reply_to", "headers"), ""))),
        )
        connection.executemany(
            "INSERT INTO links (issue, number, address) VALUES (1, ?1, 'https://example.com/' || ?1)",
            ((number,) for number in range(1, links + 1)),
        )
        connection.executemany(
            "INSERT INTO batches (number, issue, provider, account, idempotency_key, worker, state, first, last, size,"
            " claimed_at, settled_at) VALUES (?1, 1, 'bench', '', ?1, 1, 'settled', ?2, ?3, ?4, ?5, ?5)",
            (
                (batch, first, first + BATCH - 1, BATCH, times.to_text(handed_over(first, subscribers)))
                for batch, first in enumerate(range(1, subscribers + 1, BATCH), start=1)
            ),
        )
        connection.executemany(
            "INSERT INTO deliveries (issue, subscriber, state, batch) VALUES (1, ?, 2, ?)",
            ((number, (number - 1) // BATCH + 1) for number in range(1, subscribers + 1)),
        )
        connection.executemany(
            "INSERT INTO events (issue, subscriber, kind, at) VALUES (1, ?, ?, ?)",
            ((number, Kind.DELIVERED, int(handed_over(number, subscribers).timestamp()) + 5) for number in delivered),
        )
    counting.roll_up(db, 1, now=BEGUN)
    return delivered


def handed_over(number: int, subscribers: int) -> datetime:
    """Tell when the batch of a subscriber was handed over."""
    return BEGUN + timedelta(milliseconds=HOUR * ((number - 1) // BATCH) * BATCH // subscribers)


async def put(folder: Path, requests: list[Request], copies: list[int]) -> Counter[str]:
    """Answer the requests: the class of what asked, and its reading, go to the spool. Gives how many of each class."""
    seen: Counter[str] = Counter()
    spool = Spool(folder)
    left = iter(requests)
    while some := list(islice(left, 1_000)):
        records = []
        for request in some:
            agent = agent_of(request.user_agent, head=request.head, address="203.0.113.7", networks=())
            seen[agent.name] += 1
            kind, link = (Kind.CLICKED, max(request.link, 0)) if request.link else (Kind.OPENED, 0)
            records.append(encode(Reading(1, copies[request.copy], kind, link, request.at_ms, agent)))  # type: ignore[arg-type]
        await spool.put(*records)
    await spool.close()
    return seen


def by_reason(db: Database, requests: list[Request], copies: list[int]) -> dict[str, dict[str, int]]:
    """Count readings by what they were judged to be and why, and of each those that truly were a person's."""
    people = {(copies[one.copy], max(one.link, 0), one.at_ms) for one in requests if one.person}
    found: dict[str, dict[str, int]] = {}
    for copy, link, at, mark, why in db.conn.execute("SELECT copy, link, at, mark, why FROM readings"):
        row = found.setdefault(f"{Mark(mark).word}: {Why(why).words}", {"people": 0, "machines": 0})
        row["people" if (copy, link, at) in people else "machines"] += 1
    return dict(sorted(found.items()))


def compare(truths: list[Truth], report: reports.IssueReport) -> list[dict[str, Any]]:
    """Put what the report says beside the truth. `off` is by how much of the truth the report differs."""
    could_be_seen = [truth for truth in truths if not truth.apple_asked]
    known = sum(truth.showed or bool(truth.clicks) for truth in could_be_seen)
    read = sum(truth.read for truth in could_be_seen)
    clicked, clicks = sum(bool(truth.clicks) for truth in truths), sum(len(truth.clicks) for truth in truths)
    opened = report.opened.people - report.opened.hidden_people
    unseen = report.opened.hidden + report.opened.hidden_people
    rates = report.rates
    rows = [
        ("copies clicked by people", clicked, report.clicked.people, True),
        ("clicks by people", clicks, report.clicks_people, True),
        ("share clicked by people", clicked / len(truths), rates.clicked.value, True),
        ("copies of which an open cannot be seen", len(truths) - len(could_be_seen), unseen, True),
        ("copies opened by people, where it can be seen", known, opened, True),
        ("share opened by people, where it can be seen", known / len(could_be_seen), rates.opened.value, True),
        ("the same with those who show no pictures", read / len(could_be_seen), rates.opened.value, False),
        (
            "the same of everybody, Apple's readers too",
            sum(t.read for t in truths) / len(truths),
            rates.opened.value,
            False,
        ),
        (
            "of those who opened, share that clicked",
            sum(bool(t.clicks) for t in could_be_seen) / known,
            rates.click_to_open.value,
            False,
        ),
        ("machines too: copies clicked", clicked, report.clicked.all, False),
        ("machines too: clicks", clicks, report.clicks, False),
        ("machines too: share opened", sum(t.read for t in truths) / len(truths), rates.opened_all.value, False),
    ]
    return [
        {"what": what, "truth": truth, "report": said, "off": ((said or 0) - truth) / truth, "promised": promised}
        for what, truth, said, promised in rows
    ]


def measure(mix: Mix, *, subscribers: int, links: int, seed: int, mode: str, hidden: bool) -> dict[str, Any]:
    """Make a week up, have it counted, and compare."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "digest.db"
        settings = Settings(db=path)
        with closing(open_store(path, create=True)) as db:
            delivered = prepare(db, subscribers, links, mode=mode, hidden=hidden, draw=draw)
            moments = [int(handed_over(number, subscribers).timestamp() * 1000) for number in delivered]
            week = Week(mix, handed_over_ms=moments, links=links, hidden=hidden, seed=seed)
            # Where nobody is to know who read, numbers of chance stand for copies.
            copies = delivered if mode == "readers" else draw.sample(range(1, 2**32), len(delivered))
            agents = asyncio.run(put(folder_of(path), week.requests, copies))
            start = time.perf_counter()
            working = Working(db, settings, Signers.of(db, settings, now=BEGUN), clock=lambda: BEGUN)
            worked = drain(folder_of(path), db, working.take)
            took = time.perf_counter() - start
            report = reports.issue_report(db, settings, 1)
            reasons = by_reason(db, week.requests, copies)
    return {
        "subscribers": subscribers,
        "links": links,
        "mode": mode,
        "hidden": hidden,
        "seed": seed,
        "requests": len(week.requests),
        "worked": worked,
        "worked_a_second": round(worked / took),
        "agents": dict(agents),
        "reasons": reasons,
        "unsure": {"opened": report.opened.unsure, "clicked": report.clicked.unsure},
        "mix": asdict(mix),
        "compared": compare(week.truths, report),
    }


def show(found: dict[str, Any]) -> None:
    """Print one week."""
    print(
        f"{found['subscribers']:,} readers, {found['links']} links, seed {found['seed']}, mode {found['mode']}"
        f"{', hidden link' if found['hidden'] else ''}: {found['requests']:,} requests,"
        f" worked at {found['worked_a_second']:,} a second"
    )
    print(f"  {'':47} {'truth':>10} {'report':>10} {'off':>8}")
    for row in found["compared"]:
        truth, said = (
            f"{value:,}" if isinstance(value, int) else f"{value:.2%}" for value in (row["truth"], row["report"])
        )
        print(f"  {row['what']:47} {truth:>10} {said:>10} {row['off']:>+8.2%}{' *' if row['promised'] else ''}")
    print(f"  {'judged to be, and why':70} {'people':>8} {'machines':>9}")
    for reason, row in found["reasons"].items():
        print(f"  {reason:70} {row['people']:>8,} {row['machines']:>9,}")
    print(f"  unsure: {found['unsure']['opened']:,} copies opened, {found['unsure']['clicked']:,} clicked")


def main() -> None:
    """Measure and print; fail where something is off by more than was promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subscribers", type=int, default=100_000)
    parser.add_argument("--links", type=int, nargs="+", default=[14])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--mode", choices=("readers", "counts"), default="readers")
    parser.add_argument("--hidden", action="store_true", help="the mail has the link that no person sees")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=SHARE", help="change the mix")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    changes = {name: float(share) for name, _, share in (change.partition("=") for change in wanted.set)}
    found = [
        measure(
            replace(Mix(), **changes),  # type: ignore[arg-type]
            subscribers=wanted.subscribers,
            links=links,
            seed=seed,
            mode=wanted.mode,
            hidden=wanted.hidden,
        )
        for links in wanted.links
        for seed in wanted.seeds
    ]
    if wanted.json:
        print(json.dumps(found, indent=2))
    else:
        for one in found:
            show(one)
        print("* promised to be within 2 %")
    worst = max(abs(row["off"]) for one in found for row in one["compared"] if row["promised"])
    sys.exit(worst > 0.02)


if __name__ == "__main__":
    main()
