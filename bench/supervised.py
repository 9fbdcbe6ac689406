"""Stop `digest serve` again and again while it sends an issue and readers sign up, as a supervisor would, and count.

    python bench/supervised.py [--terms 20] [--kills 20] [--recipients 20000] [--provider postmark] [--seed 1] [--json]

`digest serve` is started; at a random instant it is stopped by SIGTERM or killed by SIGKILL, with all that it has
started, as systemd does; and started again at once. That goes on until there were so many of both while the issue was
being sent; then it is left alone until nothing is open. Meanwhile readers sign up, one after the other, and whatever
was answered well is written down here. The provider is simulated in a process of its own.

Judge is the simulator's record and the store. *Lost* are copies that were never accepted and that the ledger does not
name uncertain, *twice* those that were accepted more than once; *sign-ups lost* were answered well and are not in the
store, *letters* the confirmations, and how many of them were mailed not at all or twice. *stop* is how long it took
from SIGTERM to the end of the process, *start* from its start to its first answer. At the end `digest doctor` looks at
all of it. Ends with 1 where anything was lost or doubled, a stop was not clean, or the doctor finds something bad.
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
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx

from digest import times
from digest.issue import issues
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.store import open_store
from kill import SETTLING_S, SIMULATED
from processes import COMMAND, ENVIRONMENT, Simulated, digest, options, prepare
from web import LIMITS, free_port

STOP_S = 30.0
"""So long a supervisor waits for the end before it kills, and so long a start may take."""
CALLS_A_STOP = 12
"""Calls made for each stop: the work must last longer than the stops."""
LATENCY_S = 0.1
LIVES_S = (0.2, 2.0)
"""How long it may answer before it is stopped."""
SETTLED_S = 300.0


class SignUps(threading.Thread):
    """Signs readers up, one after the other, for as long as it lasts; keeps the addresses that were answered well."""

    def __init__(self, url: str, moment: str) -> None:
        super().__init__(daemon=True)
        self.answered: list[str] = []
        self.unanswered = 0
        self._url, self._moment, self._enough = url, moment, threading.Event()

    def run(self) -> None:
        """Go on until it is enough."""
        with httpx.Client(base_url=self._url, timeout=10) as readers:
            for number in range(10**6):
                if self._enough.wait(0.05):
                    return
                address = f"new{number}@example.org"
                try:
                    network = {"X-Forwarded-For": f"10.9.{number // 250 % 250}.{number % 250 + 1}"}
                    form = {"email": address, "moment": self._moment}
                    answer = readers.post("/sign-up", data=form, headers=network)
                except httpx.HTTPError:
                    self.unanswered += 1
                    time.sleep(0.1)
                else:
                    if answer.status_code < 400:
                        self.answered.append(address)
                    else:
                        self.unanswered += 1

    def end(self) -> None:
        """Have no more of it."""
        self._enough.set()
        self.join()


class Supervisor:
    """Runs one server at a time, in a session of its own."""

    def __init__(self, folder: Path, settings: dict[str, object]) -> None:
        self._folder, self._port = folder, free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._command = [*COMMAND, *options(settings), "serve", "--port", str(self._port)]
        self._log = (folder / "serve.log").open("ab")
        self.starts: list[float] = []
        self.stops: list[float] = []
        self.codes: Counter[int] = Counter()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        began = time.monotonic()
        self._process = subprocess.Popen(
            self._command, cwd=self._folder, env=ENVIRONMENT, stderr=self._log, start_new_session=True
        )
        while time.monotonic() < began + STOP_S:
            with suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/healthz", timeout=2).status_code == 200:
                    self.starts.append(time.monotonic() - began)
                    return
            if self._process.poll() is not None:
                raise RuntimeError((self._folder / "serve.log").read_text()[-2000:])
            time.sleep(0.01)
        raise RuntimeError("digest serve did not answer")

    def stop(self) -> None:
        """SIGTERM, and wait; what is not gone in time is killed, and shows in the codes."""
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        self.stops.append(time.monotonic() - began)
        self.kill()
        self.codes[self._process.returncode] += 1

    def kill(self) -> None:
        """SIGKILL to it and to whatever it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def run(folder: Path, wanted: argparse.Namespace) -> dict[str, Any]:
    """Stop and start, wait until all is settled, judge; give the figures."""
    chance = random.Random(wanted.seed)
    prepare(folder, wanted.recipients)
    own = Settings(db=folder / "digest.db")
    with closing(open_store(own.db)) as db:
        now = times.now()
        moment = Signers.of(db, own, now=now).links.sign("form", int(now.timestamp()) - 60, 1)
    ends = [*("term",) * wanted.terms, *("kill",) * wanted.kills]
    chance.shuffle(ends)
    name = wanted.provider
    batch = max(1, wanted.recipients // (len(ends) * CALLS_A_STOP))
    with Simulated(name, folder, {"latency_s": LATENCY_S}, SIMULATED.get(name, {})) as provider:
        settings: dict[str, object] = {
            "provider": name,
            f"{name}.calls_a_second": 0,
            f"{name}.connections": 2,
            f"{name}.settling_s": SETTLING_S,
            "batch_size": batch,
            "base_url": "https://verdicts.digest-bench.org",
            "sender_address": "verdicts@digest-bench.org",
            "postal_address": "1 Sample Street, 10115 Berlin",
            **LIMITS,
            "sign_ups_per_hour": 100_000,
            **provider.settings,
        }
        supervisor = Supervisor(folder, settings)
        supervisor.start()
        with closing(open_store(own.db)) as db:
            issues.reschedule(db, own, 1, now=times.now(), at=times.now())
        readers = SignUps(supervisor.url, moment)
        readers.start()
        try:
            while ends and _state(own) != "sent":
                time.sleep(chance.uniform(*LIVES_S))
                if ends.pop() == "term":
                    supervisor.stop()
                else:
                    supervisor.kill()
                print(f"{len(ends)} stops to go, {_accepted(own):,} copies accepted", file=sys.stderr)
                supervisor.start()
            readers.end()
            provider.misbehave({})
            _wait_until_settled(own)
            supervisor.stop()
        finally:
            supervisor.kill()
        copies = Counter(copy["address"] for copy in provider.copies())
    digest(folder, *options(settings), "db", "backup")
    _, doctor = digest(folder, *options(settings), "doctor", "--offline", codes=(0, 1))
    return _judged(own, wanted, len(ends), supervisor, readers, copies) | {
        "doctor": doctor["sound"],
        "doctor_found": [found["what"] for found in doctor["findings"] if found["level"] == "bad"],
    }


def _state(settings: Settings) -> str:
    with closing(open_store(settings.db)) as db:
        return issues.find_issue(db, 1).state


def _accepted(settings: Settings) -> int:
    with closing(open_store(settings.db)) as db:
        return int(db.conn.execute("SELECT count(*) FROM deliveries WHERE state = 2").fetchone()[0])


def _wait_until_settled(settings: Settings) -> None:
    """Wait until the issue is sent, or has only what a person must decide, and no letter is in hand.

    Raises:
        RuntimeError: it is not, after a long time.
    """
    until = time.monotonic() + SETTLED_S
    while time.monotonic() < until:
        with closing(open_store(settings.db)) as db:
            copies = db.conn.execute("SELECT count(*) FROM deliveries WHERE state IN (0, 1)").fetchone()[0]
            batches = db.conn.execute("SELECT count(*) FROM batches WHERE state IN ('claimed', 'uncertain')").fetchone()
            letters = db.conn.execute("SELECT count(*) FROM letters WHERE state IN ('queued', 'claimed')").fetchone()
            doubted = db.conn.execute("SELECT count(*) FROM letters WHERE state = 'uncertain'").fetchone()
        if not copies and not batches[0] and not letters[0] and not doubted[0]:
            return
        time.sleep(0.3)
    raise RuntimeError(f"not settled: {copies} copies, {batches[0]} batches, {letters[0]} + {doubted[0]} letters")


def _judged(
    settings: Settings,
    wanted: argparse.Namespace,
    stops_left: int,
    supervisor: Supervisor,
    readers: SignUps,
    copies: Counter[str],
) -> dict[str, Any]:
    with closing(open_store(settings.db)) as db:
        uncertain = {
            email
            for (email,) in db.conn.execute(
                "SELECT s.email FROM deliveries d JOIN subscribers s ON s.id = d.subscriber WHERE d.state = 4"
            )
        }
        known = {email for (email,) in db.conn.execute("SELECT email FROM subscribers WHERE state = 'pending'")}
        state = issues.find_issue(db, 1).state
    audience = {f"reader{number}@example.com" for number in range(wanted.recipients)}
    return {
        "provider": wanted.provider,
        "recipients": wanted.recipients,
        "terms": wanted.terms,
        "kills": wanted.kills,
        "stops_left": stops_left,
        "state": state,
        "lost": len(audience - copies.keys() - uncertain),
        "twice": sum(count > 1 for address, count in copies.items() if address in audience),
        "uncertain": len(uncertain),
        "sign_ups": len(readers.answered),
        "sign_ups_unanswered": readers.unanswered,
        "sign_ups_lost": len({*readers.answered} - known),
        "letters_lost": len(known - copies.keys()),
        "letters_twice": sum(copies[address] > 1 for address in known),
        "exit_codes": dict(supervisor.codes),
        "stop_s": round(max(supervisor.stops), 2),
        "stop_median_s": round(statistics.median(supervisor.stops), 2),
        "start_s": round(max(supervisor.starts), 2),
        "start_median_s": round(statistics.median(supervisor.starts), 2),
    }


def main() -> int:
    """Run it, print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terms", type=int, default=20)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--recipients", type=int, default=20_000)
    parser.add_argument("--provider", default="postmark")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder), wanted)
    if wanted.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name.replace('_', ' '):<20} {value}")
    bad = ("lost", "twice", "sign_ups_lost", "letters_lost", "letters_twice", "stops_left")
    return int(any(found[name] for name in bad) or set(found["exit_codes"]) != {0} or not found["doctor"])


if __name__ == "__main__":
    sys.exit(main())
