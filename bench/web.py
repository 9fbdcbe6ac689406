"""How fast `digest serve` answers readers, while an issue is being sent from the same store.

    python bench/web.py [--seconds 5] [--connections 16] [--repeats 3] [--recipients 100000] [--quiet] [--json]

`digest serve` is a process of its own, its store a real file on the disk with synced writes; the requests come from
another process on kept connections (bench/load.py). Measured are a comparison's page, a sign-up (form read, guards,
pending subscriber, consent, letter, all synced), and a one-click unsubscription (RFC 8058). Meanwhile `digest send`
mails whole bodies to a sink through the same store, over and over; `--quiet` leaves it out. The baseline, in the same
run on the same machine, is an empty page of the same framework and server (FastAPI under uvicorn). Medians of several
runs. Letters are not mailed meanwhile: that is another process's work in a measurement of answers.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from digest import times
from digest.catalogue.importing import gather, import_files
from digest.issue import issues
from digest.resources import resource
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.store import open_store
from processes import COMMAND, ENVIRONMENT, options
from send import settings_for, sink

HERE = Path(__file__).parent
EMPTY = """
import sys, uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
app = FastAPI(openapi_url=None)
@app.get("/")
def page():
    return HTMLResponse("<!doctype html><title>Empty</title>")
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
"""
LIMITS = {"sign_ups_per_hour": 2000, "sign_ups_per_network": 10_000, "proof_of_work": "no"}


def prepare(folder: Path, recipients: int, leaving: int) -> list[str]:
    """Make a store with an approved issue and readers; give the one-click addresses of those who will leave."""
    settings = Settings(db=folder / "digest.db")
    now = times.now()
    with closing(open_store(settings.db, create=True)) as db:
        import_files(db, gather([str(resource("db", "sample"))], bytes), now=now, zone=settings.zone)
        issues.draft(db, settings, now=now, since=now - timedelta(days=7))
        issues.freeze(db, settings, 1, now=now)
        stamp = times.to_text(now)
        db.conn.execute("BEGIN")
        db.conn.executemany(
            "INSERT INTO subscribers (email, email_key, state, source, created_at, updated_at)"
            " VALUES (?1, ?1, 'active', 'bench', ?2, ?2)",
            ((f"reader{number}@example.com", stamp) for number in range(recipients + leaving)),
        )
        db.conn.execute("COMMIT")
        signers = Signers.of(db, settings, now=now)
    last = range(recipients + 1, recipients + leaving + 1)
    return [f"/u/{token}" for token in signers.links.sign_all("copy", 0, last)]


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def serving(command: list[str], folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; give its process."""
    process = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    try:
        for _ in range(400):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


@contextmanager
def sending(folder: Path, url: str, wanted: bool) -> Iterator[dict[str, int]]:
    """Mail the issue through the same store for as long as the block lasts; give how many copies went meanwhile."""
    found = {"copies": 0}
    if not wanted:
        yield found
        return
    given = options(settings_for("bodies", url, 4))
    process = subprocess.Popen(
        [*COMMAND, *given, "send", "1"], cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )

    def accepted() -> int:
        with closing(open_store(folder / "digest.db")) as db:
            return int(db.conn.execute("SELECT count(*) FROM deliveries WHERE state = 2").fetchone()[0])

    while not (before := accepted()) and process.poll() is None:
        time.sleep(0.1)
    try:
        yield found
    finally:
        found["copies"] = accepted() - before
        found["still_sending"] = process.poll() is None
        process.send_signal(signal.SIGINT)
        threading.Thread(target=process.communicate, daemon=True).start()
        process.wait()


def load(port: int, wanted: argparse.Namespace, requests: list[dict[str, Any]]) -> dict[str, Any]:
    """Send requests from a process of its own."""
    command = [sys.executable, str(HERE / "load.py"), "127.0.0.1", str(port), str(wanted.connections)]
    lines = "\n".join(json.dumps(request) for request in requests)
    done = subprocess.run([*command, str(wanted.seconds)], input=lines, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def sign_ups(run: int, port: int, count: int) -> list[dict[str, Any]]:
    """Give sign-ups of different people from different networks, with a moment out of a page of the site."""
    page = httpx.get(f"http://127.0.0.1:{port}/").text
    moment = page.partition('name="moment" value="')[2].partition('"')[0]
    # Nobody fills in a form at once.
    time.sleep(3)
    found: list[dict[str, Any]] = [{"once": True}]
    for number in range(count):
        network = f"10.{run}.{number // 250 % 250}.{number % 250 + 1}"
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": network}
        body = urlencode({"email": f"new{run}-{number}@example.org", "moment": moment})
        found.append({"method": "POST", "path": "/sign-up", "headers": headers, "body": body})
    return found


def leaving(addresses: list[str]) -> list[dict[str, Any]]:
    """Give one-click unsubscriptions."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    body = "List-Unsubscribe=One-Click"
    posts: list[dict[str, Any]] = [
        {"method": "POST", "path": address, "headers": headers, "body": body} for address in addresses
    ]
    return [{"once": True}, *posts]


def measure(wanted: argparse.Namespace) -> dict[str, Any]:
    """Measure each kind, and the baseline between them."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in ("empty page", "comparison", "sign-up", "one-click")}
    each = int(1500 * wanted.seconds)
    copies: list[int] = []
    for run in range(wanted.repeats):
        print(f"run {run + 1} of {wanted.repeats}", file=sys.stderr)
        with tempfile.TemporaryDirectory() as name, sink() as url:
            folder = Path(name)
            ways = prepare(folder, wanted.recipients, each)
            with closing(open_store(folder / "digest.db")) as db:
                slugs = [slug for (slug,) in db.conn.execute("SELECT slug FROM comparisons ORDER BY published_at")]
            port, other = free_port(), free_port()
            serve = [*COMMAND, *options(LIMITS), "serve", "--port", str(port), "--no-work"]
            with (
                serving(serve, folder, port),
                serving([sys.executable, "-c", EMPTY, str(other)], folder, other),
                sending(folder, url, not wanted.quiet) as sent,
            ):
                runs["empty page"].append(load(other, wanted, [{"method": "GET", "path": "/"}]))
                pages = [{"method": "GET", "path": f"/compare/{slug}"} for slug in slugs]
                # A page is rendered when it is first asked for after a change; here, before.
                for page in pages:
                    httpx.get(f"http://127.0.0.1:{port}{page['path']}")
                runs["comparison"].append(load(port, wanted, pages))
                runs["sign-up"].append(load(port, wanted, sign_ups(run, port, each)))
                runs["one-click"].append(load(port, wanted, leaving(ways)))
            copies.append(sent["copies"])
            if not wanted.quiet and not sent["still_sending"]:
                print("the send ended before the measurement: more --recipients", file=sys.stderr)
            with closing(open_store(folder / "digest.db")) as db:
                pending, left = (
                    db.conn.execute(f"SELECT count(*) FROM subscribers WHERE state = '{state}'").fetchone()[0]
                    for state in ("pending", "unsubscribed")
                )
            # What was answered was done.
            for kind, there in (("sign-up", pending), ("one-click", left)):
                done = sum(count for status, count in runs[kind][-1]["statuses"].items() if int(status) < 400)
                if done != there:
                    raise RuntimeError(f"{done} were answered and {there} are in the store: {runs[kind][-1]}")
    base = statistics.median(run["a_second"] for run in runs["empty page"])
    return {
        "connections": wanted.connections,
        "sending": not wanted.quiet,
        "copies_meanwhile": copies,
        "kinds": {
            kind: {
                "a_second": round(rate := statistics.median(run["a_second"] for run in found)),
                "ratio": round(rate / base, 2),
                "p50_ms": round(statistics.median(run["p50_ms"] for run in found), 1),
                "p99_ms": round(statistics.median(run["p99_ms"] for run in found), 1),
                "statuses": found[-1]["statuses"],
            }
            for kind, found in runs.items()
        },
        "load": os.getloadavg()[0],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each kind")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--recipients", type=int, default=200_000, help="so many that the send lasts")
    parser.add_argument("--quiet", action="store_true", help="nothing is sent meanwhile")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    result = measure(wanted)
    if wanted.json:
        print(json.dumps(result, indent=2))
        return
    meanwhile = (
        "nothing is sent" if wanted.quiet else f"{statistics.median(result['copies_meanwhile']):.0f} copies sent"
    )
    print(f"{wanted.connections} connections; meanwhile {meanwhile}; load {result['load']:.1f}")
    print(f"{'':<16}{'a second':>10}{'ratio':>8}{'p50 ms':>9}{'p99 ms':>9}  statuses")
    for kind, found in result["kinds"].items():
        print(
            f"{kind:<16}{found['a_second']:>10}{found['ratio']:>8}{found['p50_ms']:>9}{found['p99_ms']:>9}"
            f"  {found['statuses']}"
        )


if __name__ == "__main__":
    main()
