"""How fast the pages of reports are at a million readers and a year of issues, and whether their figures are true.

    python bench/reports.py [--readers 1000000] [--issues 52] [--events-of 8] [--requests 40] [--folder DIR] [--json]

The store is a real file with a delivery for every reader and issue. Of the newest issues (`--events-of`) it has every
event and reading too, as rows: delivered, bounced, complained, votes, opens and clicks of people, of Apple's proxy and
of scanners, by hour, link and mailbox provider. Their figures are counted from those rows, as `digest doctor` counts
them; the issues before have the same figures, and their rows are deleted, as retention deletes them. The newest is
still being sent: its deliveries are counted with every page.

`digest serve` is a process of its own, asked one page after the other; what came first is told apart, since the file
was not read before. The baseline, in the same run, is an empty page of the same framework and server. Then `digest
doctor` counts all figures again. A million readers and 52 issues need some 4 GB of disk and a few minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from digest import times
from digest.catalogue.importing import gather, import_files
from digest.issue import issues, link_records
from digest.resources import resource
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.store import open_store
from digest.tracking import counting, recounting
from digest.tracking.recounting import Recount
from processes import COMMAND, digest
from web import EMPTY, free_port, serving

NOW = times.now().replace(minute=0, second=0, microsecond=0)

# What becomes of a reader's copies is told from this number, 0 to 9,999, another for each issue and purpose.
_CHANCE = "((s.id * 7919 + {issue} * 104729 + {purpose} * 15485863) % 999983 * 10000 / 999983)"
_HOST = "CASE WHEN {c} < 4600 THEN 1 WHEN {c} < 6600 THEN 2 WHEN {c} < 7600 THEN 3 WHEN {c} < 8600 THEN 4 ELSE 0 END"
_DOMAINS = ("example.com", "gmail.com", "outlook.com", "yahoo.com", "icloud.com")


def prepare(folder: Path, readers: int, weeks: int, events_of: int) -> dict[str, float]:
    """Make the store; give how long its parts took, in seconds."""
    settings = Settings(db=folder / "digest.db", tracking="readers", postal_address="Here")
    took, begun = {}, time.perf_counter()
    with closing(open_store(settings.db, create=True)) as db:
        import_files(db, gather([str(resource("db", "sample"))], bytes), now=NOW, zone=settings.zone)
        issues.draft(db, settings, now=NOW)
        issues.freeze(db, settings, 1, now=NOW)
        content = issues.frozen(db, 1)
        assert content is not None
        link_records.put(db.conn, db, 1, [content], settings.base_url)
        Signers.of(db, settings, now=NOW)
    with closing(sqlite3.connect(settings.db, isolation_level=None)) as connection:
        # Nobody needs this file if the machine stops meanwhile.
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -500000", "foreign_keys = OFF"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        _readers(connection, readers)
        _votes(connection, readers)
        for issue in range(1, weeks + 1):
            _issue(connection, issue, weeks, readers)
        took["deliveries"] = time.perf_counter() - begun
        for issue in range(max(1, weeks - events_of + 1), weeks + 1):
            _events(connection, issue, weeks)
        for _, sql in triggers:
            connection.execute(sql)
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
    took["events"] = time.perf_counter() - begun - took["deliveries"]
    with closing(open_store(settings.db)) as db:
        for issue in range(1, weeks + 1):
            counting.roll_up(db, issue, now=NOW)
        _figures(db, weeks, events_of)
        db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    took["figures"] = time.perf_counter() - begun - took["deliveries"] - took["events"]
    return took


def _readers(connection: sqlite3.Connection, readers: int) -> None:
    """Put readers in who came over two years; of a hundred seven left, two bounced, one pauses."""
    chance = _CHANCE.format(issue=0, purpose=1)
    host = _HOST.format(c=chance)
    domain = f"CASE {host} " + " ".join(f"WHEN {n} THEN '{name}'" for n, name in enumerate(_DOMAINS)) + " END"
    connection.execute("BEGIN")
    connection.execute(
        "CREATE TEMP TABLE s AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n"
        f" WHERE id < {readers}) SELECT id, '' AS domain FROM n"
    )
    connection.execute(f"UPDATE s SET domain = {domain}")
    connection.execute(
        "INSERT INTO subscribers (id, email, email_key, state, source, created_at, updated_at, paused_until)"
        " SELECT id, 'reader' || id || '@' || domain, 'reader' || id || '@' || domain,"
        " iif(id % 100 < 7, 'unsubscribed', 'active'), 'bench', ?1, ?1, iif(id % 100 = 50, ?2, NULL) FROM s",
        (times.to_text(NOW - timedelta(days=730)), times.to_text(NOW + timedelta(days=9))),
    )
    connection.execute(
        "INSERT INTO suppressions (email_key, reason, created_at) SELECT email_key, CASE WHEN id % 100 < 7 THEN"
        " 'unsubscribed' WHEN id % 200 = 77 THEN 'complaint' ELSE 'hard bounce' END, ?"
        " FROM subscribers WHERE id % 100 < 7 OR id % 100 IN (77, 78) ORDER BY email_key",
        (times.to_text(NOW - timedelta(days=30)),),
    )
    connection.execute(
        "INSERT INTO audience_days SELECT date(?1, '-' || (730 - id % 730) || ' days'), 'joined', count(*)"
        " FROM subscribers GROUP BY 1 UNION ALL SELECT date(?1, '-' || (id % 365) || ' days'), 'left', count(*)"
        " FROM subscribers WHERE state = 'unsubscribed' GROUP BY 1",
        (f"{NOW:%Y-%m-%d}",),
    )
    connection.execute("COMMIT")


def _votes(connection: sqlite3.Connection, readers: int) -> None:
    """Let one reader of a hundred vote on each tool."""
    connection.execute(
        "INSERT INTO votes (tool, voter, verdict, voted_at) SELECT t.id, 'copy:' || s.id,"
        " iif(s.id % 3, 'ship', 'skip'), ? FROM tools t CROSS JOIN s WHERE s.id % 100 = t.id % 100"
        " ON CONFLICT DO NOTHING",
        (times.to_text(NOW),),
    )


def _issue(connection: sqlite3.Connection, issue: int, weeks: int, readers: int) -> None:
    """Send an issue to everybody, a week after the one before; of the newest half is still queued."""
    if issue > 1:
        for table, key in (("issues", "number"), ("issue_comparisons", "issue"), ("links", "issue")):
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[1] != key]
            connection.execute(
                f"INSERT INTO {table} ({key}, {', '.join(columns)}) SELECT ?, {', '.join(columns)} FROM {table}"
                f" WHERE {key} = 1",
                (issue,),
            )
    is_last, sent = issue == weeks, times.to_text(_sent(issue, weeks))
    connection.execute(
        "UPDATE issues SET state = ?, sending_at = ?, sent_at = ?, updated_at = ? WHERE number = ?",
        ("sending" if is_last else "sent", sent, None if is_last else sent, sent, issue),
    )
    first = (issue - 1) * (readers // 1000 + 1)
    accepted = readers // 2 // 1000 * 1000 if is_last else readers
    connection.execute(
        "INSERT INTO batches (number, issue, provider, account, idempotency_key, worker, state, first, last, size,"
        " claimed_at, settled_at)"
        " SELECT ?1 + id / 1000, ?2, 'resend', 'here', 'key ' || (?1 + id / 1000), 1, 'settled',"
        " min(id), max(id), count(*), ?3, ?3 FROM s WHERE id <= ?4 GROUP BY id / 1000",
        (first + 1, issue, sent, accepted),
    )
    connection.execute(
        "INSERT INTO deliveries (issue, subscriber, state, batch, host)"
        " SELECT ?2, id, iif(id <= ?3, 2, 0), iif(id <= ?3, ?1 + id / 1000, NULL), CASE domain"
        f" {' '.join(f'WHEN {name!r} THEN {n}' for n, name in enumerate(_DOMAINS))} END FROM s",
        (first + 1, issue, accepted),
    )


def _sent(issue: int, weeks: int) -> Any:
    return NOW - timedelta(days=2, weeks=weeks - issue)


def _events(connection: sqlite3.Connection, issue: int, weeks: int) -> None:
    """Tell of the copies of an issue what became of them, in the shares of a good list."""
    at = int(_sent(issue, weeks).timestamp())
    told, when, read = (_CHANCE.format(issue=issue, purpose=purpose) for purpose in (2, 3, 4))
    copies = f"FROM deliveries d JOIN s ON s.id = d.subscriber WHERE d.issue = {issue} AND d.state = 2 AND"
    # Most of what is read at all is read in the first hours.
    later = f"({when} * {when} / 100000000.0 * 72 * 3600)"
    slugs = json.dumps([slug for (slug,) in connection.execute("SELECT slug FROM tools ORDER BY id")])
    connection.execute("BEGIN")
    for kind, key, moment, which in (
        (2, "''", f"{when} % 1800", f"{told} < 9820"),
        (1, "''", f"{when} % 900", f"{told} % 50 = 7"),
        (3, "'hard'", f"{when} % 900", f"{told} BETWEEN 9820 AND 9879"),
        (3, "'soft'", f"{when} % 900", f"{told} BETWEEN 9880 AND 9959"),
        (4, "''", f"3600 + {later}", f"{told} < 4"),
        (8, "''", f"600 + {later}", f"{told} BETWEEN 100 AND 119"),
        (7, "json_extract(:slugs, '$[' || (s.id % 20) || ']')", f"60 + {later}", f"{read} < 130"),
    ):
        connection.execute(
            "INSERT INTO events (issue, subscriber, kind, key, at)"
            f" SELECT d.issue, d.subscriber, {kind}, {key}, CAST({at} + {moment} AS INTEGER) {copies} {which}",
            {"slugs": slugs},
        )
    links = connection.execute("SELECT count(*) FROM links WHERE issue = ?", (issue,)).fetchone()[0]
    one = f"1 + {when} % {links}"
    for kind, link, seconds, agent, mark, why, which in (
        # People who open, some of them twice; who click, some of them twice.
        (5, "0", f"60 + {later}", 0, 1, 0, f"d.host <> 4 AND {read} < 3800"),
        (5, "0", f"7200 + {later}", 0, 1, 0, f"d.host <> 4 AND {read} < 1200"),
        (6, one, f"90 + {later}", 0, 1, 0, f"{read} < 900"),
        (6, f"1 + ({when} * 31 + 7) % {links}", f"150 + {later}", 0, 1, 0, f"{read} < 350"),
        # Apple's proxy opens everything, and nobody can say of some others.
        (5, "0", f"120 + {later} / 9", 1, 2, 11, "d.host = 4"),
        (5, "0", f"30 + {later}", 8, 0, 18, f"d.host <> 4 AND {read} BETWEEN 3800 AND 4500"),
        # Scanners at companies open, and follow two links.
        (5, "0", f"40 + {when} % 60", 4, 2, 2, f"d.host = 0 AND {read} BETWEEN 8000 AND 9000"),
        (6, "1", f"41 + {when} % 60", 4, 2, 2, f"d.host = 0 AND {read} BETWEEN 8000 AND 9000"),
        (6, "2", f"41 + {when} % 60", 4, 2, 2, f"d.host = 0 AND {read} BETWEEN 8000 AND 9000"),
    ):
        connection.execute(
            "INSERT INTO readings (issue, copy, kind, link, at, agent, mark, why)"
            f" SELECT d.issue, d.subscriber, {kind}, {link}, CAST(({at} + {seconds}) * 1000 AS INTEGER), {agent},"
            f" {mark}, {why} {copies} {which} ON CONFLICT DO NOTHING"
        )
    connection.execute("COMMIT")


def _figures(db: Any, weeks: int, events_of: int) -> None:
    """Count the figures of issues whose events are there, and give those before them the same, in their own hours."""
    first = max(1, weeks - events_of + 1)
    found: dict[int, Any] = {}
    for issue in range(first, weeks + 1):
        found[issue] = recounting.events(db, issue, Recount()) + recounting.readings(
            db, issue, Recount(), of_readers=True
        )
        db.conn.execute("BEGIN")
        counting.add_figures(db.conn, issue, found[issue])
        db.conn.execute("COMMIT")
    for issue in range(1, first):
        back = timedelta(weeks=first - issue)
        figures = {
            (measure, part, _earlier(value, back) if part == "hour" else value): count
            for (measure, part, value), count in found[first].items()
        }
        db.conn.execute("BEGIN")
        counting.add_figures(db.conn, issue, figures)
        db.conn.execute("UPDATE issues SET events_deleted_at = ? WHERE number = ?", (times.to_text(NOW), issue))
        db.conn.execute("COMMIT")


def _earlier(hour: str, by: timedelta) -> str:
    return times.to_text(times.from_text(f"{hour}:00:00+00:00") - by)[:13]


def pages(folder: Path, weeks: int) -> dict[str, str]:
    """Give the addresses of the pages by what they show."""
    _, given = digest(folder, "report", "--link")
    home = "/" + given["url"].split("/", 3)[3]
    return {
        "all issues and the audience": home,
        "growth by day": f"{home}growth?unit=day",
        "an issue": f"{home}issues/{max(1, weeks - 1)}",
        "an issue of which events are deleted": f"{home}issues/1",
        "an issue that is being sent": f"{home}issues/{weeks}",
        "an issue's links as CSV": f"{home}issues/{max(1, weeks - 1)}/links.csv",
        "all as JSON": f"{home}overview.json",
        "one reader": f"{home}readers/4711",
    }


def ask(port: int, address: str, requests: int) -> dict[str, float]:
    """Ask for a page again and again; give times in milliseconds."""
    took = []
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        for _ in range(requests + 1):
            begun = time.perf_counter()
            answer = client.get(address)
            took.append((time.perf_counter() - begun) * 1000)
            if answer.status_code != 200:
                raise RuntimeError(f"{address} answered {answer.status_code}: {answer.text[:300]}")
    first, rest = took[0], sorted(took[1:])
    p99 = rest[min(len(rest) - 1, round(0.99 * (len(rest) - 1)))]
    return {"median_ms": statistics.median(rest), "p99_ms": p99, "first_ms": first, "kb": len(answer.content) / 1024}


@contextmanager
def _folder(wanted: Path | None) -> Iterator[Path]:
    if wanted is None:
        with tempfile.TemporaryDirectory(prefix="digest-reports-") as name:
            yield Path(name)
        return
    wanted.mkdir(parents=True, exist_ok=True)
    yield wanted


def measure(wanted: argparse.Namespace) -> dict[str, Any]:
    """Make the store, ask for the pages, and have the figures counted again."""
    result: dict[str, Any] = {"readers": wanted.readers, "issues": wanted.issues, "events_of": wanted.events_of}
    with _folder(wanted.folder) as folder:
        if not (folder / "digest.db").exists():
            begun = time.perf_counter()
            result["parts_s"] = prepare(folder, wanted.readers, wanted.issues, wanted.events_of)
            result["prepared_s"] = time.perf_counter() - begun
        result["store_gb"] = (folder / "digest.db").stat().st_size / 1e9
        port, other = free_port(), free_port()
        serve = [*COMMAND, "serve", "--port", str(port), "--no-work"]
        with serving(serve, folder, port), serving([sys.executable, "-c", EMPTY, str(other)], folder, other):
            found = {"an empty page": ask(other, "/", wanted.requests)}
            for name, address in pages(folder, wanted.issues).items():
                found[name] = ask(port, address, wanted.requests)
        result["pages"] = found
        begun = time.perf_counter()
        _, told = digest(folder, "doctor", "store", codes=(0, 1))
        result["doctor"] = {name: told[name] for name in ("sound", "figures", "rows", "problems")}
        result["doctor"]["s"] = time.perf_counter() - begun
        if wanted.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
    result["load"] = os.getloadavg()[0]
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=1_000_000)
    parser.add_argument("--issues", type=int, default=52)
    parser.add_argument("--events-of", type=int, default=8, help="of how many of the newest issues there are events")
    parser.add_argument("--requests", type=int, default=40, help="of each page")
    parser.add_argument("--folder", type=Path, help="keep the store there, and take it where it is there already")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    result = measure(wanted)
    if wanted.json:
        print(json.dumps(result, indent=2))
        return
    print(
        f"{wanted.readers:,} readers, {wanted.issues} issues, events of {wanted.events_of}; {result['store_gb']:.2f} GB"
    )
    if "parts_s" in result:
        parts = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in result["parts_s"].items())
        print(f"made in {result['prepared_s']:.0f} s ({parts}); load {result['load']:.1f}")
    print(f"{'':<40}{'median ms':>10}{'p99 ms':>9}{'first ms':>10}{'KB':>7}")
    for name, page in result["pages"].items():
        print(f"{name:<40}{page['median_ms']:>10.1f}{page['p99_ms']:>9.1f}{page['first_ms']:>10.1f}{page['kb']:>7.0f}")
    doctor = result["doctor"]
    verdict = "all figures are true" if doctor["sound"] else f"WRONG: {doctor['problems']}"
    print(f"digest doctor: {verdict}; {doctor['figures']:,} figures, {doctor['rows']:,} rows, {doctor['s']:.0f} s")


if __name__ == "__main__":
    main()
