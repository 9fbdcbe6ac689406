"""How many events `digest serve` takes in, each on the disk before it is answered; and that a kill loses none of them.

    python bench/events.py [--seconds 5] [--connections 16] [--repeats 3] [--readers 100000] [--kills 10]
        [--worked] [--json]

`digest serve` is a process of its own, its store and spool real files on the disk with synced writes; the requests come
from another process on kept connections (bench/load.py). Measured are clicks and opens, one a request, and SendGrid's
webhook, a hundred events a call, signed with a key made for the run. The baseline, in the same run on the same machine,
is an empty page of the same framework and server (FastAPI under uvicorn). Medians of several runs. After each, what the
spool has is held against what was answered. They are worked into the store afterwards, and how fast that goes is
measured too; with `--worked` it happens meanwhile, in the same process.

Then the server, which works the spool beside, is killed (SIGKILL) in the middle of all of it, and started again, so
many times. At the end each click, open and event of a webhook whose answer arrived must be in the store, and in its
figures once. Ends with 1 where one is lost.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from digest import times
from digest.catalogue.importing import gather, import_files
from digest.events import Kind
from digest.issue import issues
from digest.issue.link_records import numbers_of
from digest.resources import resource
from digest.sending.beginning import begin
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.store import Database, open_store
from digest.tracking.spool import drain, folder_of
from digest.tracking.working import Working
from processes import COMMAND, options
from web import EMPTY, HERE, free_port, serving

A_CALL = 100
"""Events in one call of a webhook."""
KINDS = (("processed", Kind.ACCEPTED), ("deferred", Kind.DEFERRED), ("delivered", Kind.DELIVERED))
HEADERS = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.5",
}
WINDOW_S = (0.3, 1.2)
"""How long a server may answer before it is killed."""
MOST = 3_000
"""Requests of a kind that are written for the speed's sake. They are sent over and over, but for a provider's calls, of
which each is taken once."""

Request = dict[str, Any]
Row = tuple[object, ...]
Becomes = tuple[str, list[Row]]


class Sender:
    """A store whose issue went out to so many readers, and what their programs and the provider ask for."""

    def __init__(self, folder: Path, readers: int) -> None:
        self.folder, self.readers = folder, readers
        self._key: EllipticCurvePrivateKey = generate_private_key(SECP256R1())
        public = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.given = {"tracking": "readers", "sendgrid.webhook_key": b64encode(public).decode()}
        self.settings = Settings(db=folder / "digest.db", tracking="readers")
        now = times.now()
        with closing(open_store(self.settings.db, create=True)) as db:
            import_files(db, gather([str(resource("db", "sample"))], bytes), now=now, zone=self.settings.zone)
            issues.draft(db, self.settings, now=now, since=now - timedelta(days=7))
            stamp = times.to_text(now)
            db.conn.execute("BEGIN")
            db.conn.executemany(
                "INSERT INTO subscribers (email, email_key, state, source, created_at, updated_at)"
                " VALUES (?1, ?1, 'active', 'bench', ?2, ?2)",
                ((f"reader{number}@example.com", stamp) for number in range(1, readers + 1)),
            )
            db.conn.execute("COMMIT")
            issues.freeze(db, self.settings, 1, now=now)
            begin(db, self.settings, 1, now=now)
            db.conn.execute("UPDATE deliveries SET state = 2, batch = 1")
            self.links = len(numbers_of(db, 1))
            self.signers = Signers.of(db, self.settings, now=now)
        self._tracks = self.signers.links.sign_all("track", 1, range(1, readers + 1))
        self._copies = self.signers.links.sign_all("copy", 1, range(1, readers + 1))

    def clicks(self) -> Iterator[tuple[Request, Row]]:
        """Give clicks, no two of the same reader on the same link, each with the row it is to become."""
        for link in range(1, self.links + 1):
            for reader, track in enumerate(self._tracks, start=1):
                row = (reader, int(Kind.CLICKED), link)
                yield {"method": "GET", "path": f"/c/{track}/{link}", "headers": HEADERS}, row

    def opens(self) -> Iterator[tuple[Request, Row]]:
        """Give opens, no two of the same reader."""
        for reader, track in enumerate(self._tracks, start=1):
            yield {"method": "GET", "path": f"/o/{track}.gif", "headers": HEADERS}, (reader, int(Kind.OPENED), 0)

    def calls(self) -> Iterator[tuple[Request, list[Row]]]:
        """Give calls of the webhook, no event twice, each with the rows it is to become."""
        at = int(time.time())
        for word, kind in KINDS:
            for first in range(1, self.readers + 1, A_CALL):
                readers = range(first, min(first + A_CALL, self.readers + 1))
                events = [self._event(word, reader, at) for reader in readers]
                yield self._call(events, at), [(reader, int(kind)) for reader in readers]

    def _event(self, word: str, reader: int, at: int) -> dict[str, object]:
        """Write an event as SendGrid does, with the copy as our mails say it."""
        return {
            "email": f"reader{reader}@example.com",
            "event": word,
            "timestamp": at,
            "smtp-id": f"<{self._copies[reader - 1]}@example.com>",
            "sg_event_id": b64encode(f"{word}-{reader}".encode()).decode(),
            "sg_message_id": f"{reader:024d}.filter0307p1las1.16648.5515E0B88.{reader}",
            "copy": self._copies[reader - 1],
            "ip": "203.0.113.7",
            "response": "250 2.0.0 OK 1764147600 d9443c01a7336-2c39c0a1c0esi1035812eec.122 - gsmtp",
            "tls": 1,
        }

    def _call(self, events: list[dict[str, object]], at: int) -> Request:
        body = json.dumps(events, separators=(",", ":"))
        signature = self._key.sign(f"{at}{body}".encode(), ECDSA(SHA256()))
        headers = {
            "Content-Type": "application/json",
            "X-Twilio-Email-Event-Webhook-Signature": b64encode(signature).decode(),
            "X-Twilio-Email-Event-Webhook-Timestamp": str(at),
        }
        return {"method": "POST", "path": "/hooks/sendgrid", "headers": headers, "body": body}

    def store(self) -> Database:
        """Open the store."""
        return open_store(self.settings.db)

    def serve(self, port: int, *, work: bool) -> list[str]:
        """Give the command that serves it."""
        return [*COMMAND, *options(self.given), "serve", "--port", str(port), *([] if work else ["--no-work"])]


def loading(
    port: int, connections: int, seconds: float, requests: Sequence[Request], *, once: bool = False
) -> subprocess.Popen[str]:
    """Begin to send requests from a process of its own: over and over, or each once, and which were answered."""
    lines = [{"once": True, "name": True}, *requests] if once else requests
    command = [sys.executable, str(HERE / "load.py"), "127.0.0.1", str(port), str(connections), str(seconds)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write("\n".join(map(json.dumps, lines)))
    process.stdin.close()
    return process


def loaded(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Give what came of the requests."""
    assert process.stdout is not None
    printed = process.stdout.read()
    if process.wait():
        raise RuntimeError("bench/load.py failed")
    found: dict[str, Any] = json.loads(printed)
    return found


# How fast ----------------------------------------------------------------------------------------------------------


def measure(wanted: argparse.Namespace) -> dict[str, Any]:
    """Measure each kind, and the baseline between them."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in ("empty page", "click", "open", "webhook")}
    working: list[float] = []
    for run in range(wanted.repeats):
        print(f"run {run + 1} of {wanted.repeats}", file=sys.stderr)
        with tempfile.TemporaryDirectory() as name:
            sender = Sender(Path(name), wanted.readers)
            port, other = free_port(), free_port()
            with (
                serving(sender.serve(port, work=wanted.worked), sender.folder, port),
                serving([sys.executable, "-c", EMPTY, str(other)], sender.folder, other),
            ):

                def load(kind: str, port: int, requests: Iterable[Request], *, once: bool = False) -> None:
                    given = list(islice(requests, MOST))
                    process = loading(port, wanted.connections, wanted.seconds, given, once=once)
                    runs[kind].append(loaded(process))

                load("empty page", other, [{"method": "GET", "path": "/"}])
                load("click", port, (request for request, _ in sender.clicks()))
                load("open", port, (request for request, _ in sender.opens()))
                load("webhook", port, (request for request, _ in sender.calls()), once=True)
            for kind in ("click", "open", "webhook"):
                if {*runs[kind][-1]["statuses"]} - {"200", "302"}:
                    raise RuntimeError(f"{kind}: {runs[kind][-1]['statuses']}")
            if not wanted.worked:
                counts = {kind: found[-1]["count"] for kind, found in runs.items() if kind != "empty page"}
                working.append(work_off(sender, counts))
    base = statistics.median(run["a_second"] for run in runs["empty page"])
    kinds = {}
    for kind, found in runs.items():
        rate, events = statistics.median(run["a_second"] for run in found), A_CALL if kind == "webhook" else 1
        kinds[kind] = {
            "a_second": round(rate),
            "events_a_second": round(rate * events) if kind != "empty page" else 0,
            "ratio": round(rate / base, 2),
            "p50_ms": round(statistics.median(run["p50_ms"] for run in found), 1),
            "p99_ms": round(statistics.median(run["p99_ms"] for run in found), 1),
            "count": sum(run["count"] for run in found),
        }
    result: dict[str, Any] = {"connections": wanted.connections, "worked_meanwhile": wanted.worked, "kinds": kinds}
    if working:
        result["worked_a_second"] = round(statistics.median(working))
    return result | {"load": os.getloadavg()[0]}


def work_off(sender: Sender, answered: Mapping[str, int]) -> float:
    """Work the spool into the store; give how many events a second that were."""
    begun = time.perf_counter()
    with closing(sender.store()) as db:
        working = Working(db, sender.settings, sender.signers, clock=times.now)
        there = drain(folder_of(sender.settings.db), db, working.take)
    took = time.perf_counter() - begun
    if there < (expected := sum(answered.values())):
        raise RuntimeError(f"{expected} calls were answered and {there} are in the spool")
    return sum(count * (A_CALL if kind == "webhook" else 1) for kind, count in answered.items()) / took


# Being killed ------------------------------------------------------------------------------------------------------


def kill(wanted: argparse.Namespace) -> dict[str, Any]:
    """Kill the server again and again; give what was answered, what is in the store, and what is lost."""
    chance = random.Random(wanted.seed)
    answered: Counter[str] = Counter()
    expected: dict[str, set[Row]] = {"readings": set(), "events": set()}
    with tempfile.TemporaryDirectory() as name:
        sender = Sender(Path(name), wanted.readers)
        for number, (requests, rows) in enumerate(parted(sender, wanted.kills), start=1):
            print(f"kill {number} of {wanted.kills}", file=sys.stderr)
            with killed(sender, free_port()) as (port, end):
                process = loading(port, wanted.connections, 60, requests, once=True)
                time.sleep(chance.uniform(*WINDOW_S))
                end()
                found = loaded(process)
            for index in found["answered"]:
                table, of = rows[index]
                expected[table] |= set(of)
                answered[table] += len(of)
            answered["killed in the middle"] += len(found["answered"]) < len(requests)
        took = restarted(sender)
        with closing(sender.store()) as db:
            there = {
                "readings": {*map(tuple, db.conn.execute("SELECT copy, kind, link FROM readings"))},
                "events": {*map(tuple, db.conn.execute("SELECT subscriber, kind FROM events"))},
            }
            figures_off = off(db)
    lost = {table: len(rows - there[table]) for table, rows in expected.items()}
    return {
        "kills": wanted.kills,
        "killed_in_the_middle": answered["killed in the middle"],
        "answered": sum(map(len, expected.values())),
        "found": sum(len(rows & there[table]) for table, rows in expected.items()),
        "lost": sum(lost.values()),
        "beyond": sum(map(len, there.values())) - sum(len(rows & there[table]) for table, rows in expected.items()),
        "figures_off": figures_off,
        "worked_s": round(took, 1),
    }


def parted(sender: Sender, parts: int) -> list[tuple[list[Request], list[Becomes]]]:
    """Share all requests among so many parts, of all kinds in turn; each with the table and the rows it becomes."""
    found: list[tuple[list[Request], list[Becomes]]] = [([], []) for _ in range(parts)]
    calls = sender.calls()
    for number, ((click, clicked), (opened, seen)) in enumerate(zip(sender.clicks(), sender.opens(), strict=False)):
        requests, rows = found[number % parts]
        requests += [click, opened]
        rows += [("readings", [clicked]), ("readings", [seen])]
        if number // parts % 30 == 0 and (call := next(calls, None)) is not None:
            requests.append(call[0])
            rows.append(("events", call[1]))
    return found


@contextmanager
def killed(sender: Sender, port: int) -> Iterator[tuple[int, Callable[[], None]]]:
    """Serve until the block ends, or `end` kills it."""
    with serving(sender.serve(port, work=True), sender.folder, port) as process:

        def end() -> None:
            process.send_signal(signal.SIGKILL)
            process.wait()

        yield port, end


def restarted(sender: Sender) -> float:
    """Serve once more until all of the spool is worked; give how long that took."""
    port, folder = free_port(), folder_of(sender.settings.db)
    with serving(sender.serve(port, work=True), sender.folder, port):
        begun = time.perf_counter()
        while list(folder.glob("*.spool")):
            time.sleep(0.1)
            if time.perf_counter() - begun > 600:
                raise RuntimeError("the spool is not worked")
        return time.perf_counter() - begun


def off(db: Database) -> int:
    """Give by how many the figures differ from the rows that they count."""
    figures = dict(db.conn.execute("SELECT measure, count FROM figures WHERE part = ''").fetchall())
    events = dict(db.conn.execute("SELECT kind, count(*) FROM events GROUP BY kind").fetchall())
    readings = dict(db.conn.execute("SELECT kind, count(*) FROM readings GROUP BY kind").fetchall())
    counted = {kind.word: events.get(kind, 0) for _, kind in KINDS}
    counted |= {"opens": readings.get(Kind.OPENED, 0), "clicks": readings.get(Kind.CLICKED, 0)}
    return sum(abs(figures.get(measure, 0) - count) for measure, count in counted.items())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each kind")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--readers", type=int, default=100_000, help="so many that there are enough calls")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worked", action="store_true", help="the server works the spool meanwhile")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    result = {"speed": measure(wanted) if wanted.repeats else None, "kill": kill(wanted) if wanted.kills else None}
    if wanted.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)
    if result["kill"] and (result["kill"]["lost"] or result["kill"]["figures_off"]):
        sys.exit(1)


def show(result: dict[str, Any]) -> None:
    """Print it for people."""
    if speed := result["speed"]:
        meanwhile = "worked meanwhile" if speed["worked_meanwhile"] else "worked later"
        print(f"{speed['connections']} connections; {meanwhile}; load {speed['load']:.1f}")
        print(f"{'':<12}{'a second':>10}{'events/s':>10}{'ratio':>8}{'p50 ms':>9}{'p99 ms':>9}{'answered':>11}")
        for kind, found in speed["kinds"].items():
            print(
                f"{kind:<12}{found['a_second']:>10}{found['events_a_second'] or '':>10}{found['ratio']:>8}"
                f"{found['p50_ms']:>9}{found['p99_ms']:>9}{found['count']:>11}"
            )
        if "worked_a_second" in speed:
            print(f"worked into the store: {speed['worked_a_second']} events a second")
    if killed := result["kill"]:
        print(
            f"{killed['kills']} kills, {killed['killed_in_the_middle']} in the middle: {killed['answered']} events"
            f" answered, {killed['found']} found, {killed['lost']} lost; {killed['beyond']} found whose answer did not"
            f" arrive; figures off by {killed['figures_off']}"
        )


if __name__ == "__main__":
    main()
