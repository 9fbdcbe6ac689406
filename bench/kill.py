"""Kill `digest send` again and again, and have the provider's own record say who was mailed, and how often.

    python bench/kill.py [--recipients 20000] [--kills 100] [--provider resend] [--workers 1]
        [--topics 0] [--faults NAME=VALUE,...] [--set NAME=VALUE]... [--seed 1] [--json]

A simulated provider runs in a process of its own. `digest send 1` is started and killed (SIGKILL) at a random
instant: some time after it first writes to the ledger, and now and then before. That goes on until so many kills have
landed while it was working; those that landed before count beside them. Then it is run until the issue is settled.
With `--faults` the line and the provider misbehave too, or, with `--kills 0`, instead: docs/cli.md lists the faults,
at `digest simulate`.

With `--topics` readers have chosen so many different sets of topics, and as many as of each set get everything.

Judge is the simulator's record, or the folder itself for the outbox. *Lost* were never accepted, and the ledger does
not name them uncertain; *twice* were accepted more than once; *others'* are copies with other comparisons in them than
those on their reader's topics. Ends with 1 where there is any of these.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

from digest.audience.topics import topic_set_of
from digest.issue import issues
from digest.issue.compose import shown
from digest.store import open_store, writing
from processes import COMMAND, ENVIRONMENT, IN_PART, Simulated, digest, options, prepare
from topics import compared, drawn
from topics import look as opened

SETTLING_S = 1.0
LAG_S = 0.4
"""What it accepted shows so much later when it is asked: always within the settling time."""
SIMULATED: dict[str, dict[str, object]] = {
    "postmark": {"lag_s": LAG_S},
    "mailgun": {"lag_s": LAG_S},
    "sendgrid": {"activity_lag_s": LAG_S},
    "brevo": {"log_lag_s": LAG_S},
}
SET: dict[str, dict[str, object]] = {
    "sendgrid": {"sendgrid.activity": "true", "sendgrid.activity_complete": "true"},
}
SLOWED = {"smtp": 0.0, "outbox": 0.0}
LATENCY_S = 0.03
"""So that calls are under way when a kill comes; `SLOWED` says where a message alone is slow enough."""
WINDOW_S = (0.05, 0.6)
"""How long a sender may work before it is killed: between these lies the most."""
EARLY = 0.15
"""The share of kills that may come before it has begun, or as it begins."""
START_S = 30.0
"""How long it may take to begin."""
A_KILL = 30
"""Batches made for each kill: the work must last longer than the kills."""
FOR_GOOD = ("rcpt_5", "content_5")
"""Faults by which a copy is refused for good, and rightly counts as rejected."""


@dataclass(frozen=True)
class Seen:
    """The ledger between two runs: who wrote in it, which batches are in the air, how many copies are done."""

    workers: frozenset[int] = frozenset()
    open: frozenset[int] = frozenset()
    done: int = 0
    state: str = ""
    trouble: str = ""


@dataclass
class Kills:
    """What has become of the kills, and what they teach about when the next is to come."""

    landed: int = 0
    before: int = 0
    left_open: int = 0
    start_s: float = 0.8
    worked_s: float = 0
    copies: int = 0

    def window_s(self, left: int, kills_left: int) -> float:
        """Give how long the next sender may work, so that work is left for the last kill."""
        speed = self.copies / self.worked_s if self.worked_s > 0.5 else 0
        fair = 1.4 * left / (max(1, kills_left) * speed) if speed else WINDOW_S[1] / 2
        return min(max(fair, WINDOW_S[0]), WINDOW_S[1])


class Trial:
    """One run of all of it in a folder."""

    def __init__(self, folder: Path, wanted: argparse.Namespace) -> None:
        self._folder, self._wanted = folder, wanted
        self._chance = random.Random(wanted.seed)
        self.kills = Kills()
        self.runs = self.pauses = 0
        self._seen = Seen()
        self._expected: dict[str, list[str]] = {}
        self._command: list[str] = []
        self._senders: list[subprocess.Popen[str]] = []

    def run(self) -> dict[str, Any]:
        """Kill, settle, judge; give the figures."""
        wanted = self._wanted
        audience = prepare(self._folder, wanted.recipients)
        if wanted.topics:
            self._expected = choose(self._folder, audience, wanted.topics, self._chance)
        began = time.monotonic()
        with self._provider() as provider:
            self._command = options(self._settings(provider))
            if wanted.kills:
                self._kill_all(provider, audience)
            took_kills = time.monotonic() - began
            if provider:
                provider.misbehave(wanted.faults)
            self._settle()
        accepted, others = self._accepted(provider)
        return self._judged(audience, accepted) | {
            "others": others,
            "calls": provider.summary.get("calls", 0) if provider else 0,
            "refused": provider.summary.get("refused", {}) if provider else {},
            "killing_s": round(took_kills, 1),
            "seconds": round(time.monotonic() - began, 1),
        }

    def _accepted(self, provider: Simulated | None) -> tuple[Counter[str], list[str]]:
        """Count the copies of each address, and give those with other comparisons than their reader's."""
        accepted, others = Counter[str](), []
        if provider is None and not self._expected:
            return _in_outbox(self._folder / "outbox"), []
        for address, found in _copies(provider) if provider else _opened(self._folder / "outbox"):
            accepted[address] += 1
            if self._expected and found != self._expected.get(address):
                others.append(address)
        return accepted, sorted(others)

    def stop(self) -> None:
        """End the senders that a failure has left."""
        for process in self._senders:
            process.kill()
            process.wait()

    @contextlib.contextmanager
    def _provider(self) -> Iterator[Simulated | None]:
        name, faults = self._wanted.provider, dict(self._wanted.faults)
        if name == "outbox":
            yield None
            return
        slow = SLOWED.get(name, LATENCY_S)
        if self._wanted.kills and slow:
            faults.setdefault("latency_s", slow)
        bodies = bool(self._wanted.topics)
        with Simulated(name, self._folder, faults, SIMULATED.get(name, {}), bodies=bodies) as provider:
            yield provider

    def _settings(self, provider: Simulated | None) -> dict[str, object]:
        name, kills, recipients = self._wanted.provider, self._wanted.kills, self._wanted.recipients
        found: dict[str, object] = {
            "provider": name,
            f"{name}.calls_a_second": 0,
            f"{name}.settling_s": SETTLING_S,
            "batch_size": min(1000, max(1, recipients // (kills * A_KILL) if kills else recipients // 300)),
        }
        return found | SET.get(name, {}) | (provider.settings if provider else {}) | dict(self._wanted.set)

    # Killing ---------------------------------------------------------------------------------------------------

    def _kill_all(self, provider: Simulated | None, audience: list[str]) -> None:
        progress = Progress("kills", self._wanted.kills)
        while self.kills.landed < self._wanted.kills and self._seen.state != "sent":
            left = len(audience) - self._seen.done
            self._round(self.kills.window_s(left, self._wanted.kills - self.kills.landed))
            if provider is None:
                _read_all(self._folder / "outbox")
            progress.at(self.kills.landed, f"{self._seen.done} of {len(audience)} copies settled")
        progress.end()

    def _round(self, window: float) -> None:
        """Start the workers, kill each at an instant of its own, and look at what they left."""
        log = self._folder / "digest.db-wal"
        as_it_was, began = _changed(log), time.monotonic()
        running = [self._start() for _ in range(self._wanted.workers)]
        early = self._chance.random() < EARLY
        until = began + (self.kills.start_s * self._chance.uniform(0.3, 1.1) if early else START_S)
        while _changed(log) == as_it_was and time.monotonic() < until and running[0].poll() is None:
            time.sleep(0.002)
        begun = time.monotonic()
        if not early:
            self.kills.start_s = begun - began
        # The first to write is seen, the others may need a moment more.
        instants = [0.0 if early else self._chance.uniform(at * 0.2, at * 0.2 + window) for at in range(len(running))]
        killed = 0
        for process, instant in sorted(zip(running, instants, strict=True), key=itemgetter(1)):
            time.sleep(max(0.0, begun + instant - time.monotonic()))
            process.send_signal(signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
        before, self._seen = self._seen, look(self._folder)
        landed = min(len(self._seen.workers - before.workers), killed)
        self.kills.landed += landed
        self.kills.before += killed - landed
        self.kills.left_open += len(self._seen.open - before.open)
        if landed:
            self.kills.worked_s += max(instants)
            self.kills.copies += self._seen.done - before.done
        if self._seen.state == "paused":
            self._resume()

    def _start(self, *, stderr: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        self.runs += 1
        process = subprocess.Popen(
            [*COMMAND, *self._command, "send", "1"],
            cwd=self._folder,
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            text=True,
        )
        self._senders = [sender for sender in self._senders if sender.poll() is None] + [process]
        return process

    # Settling and judging --------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Run `digest send` until nothing is left that it can do by itself."""
        progress = Progress("settled", self._wanted.recipients)
        while True:
            process = self._start(stderr=subprocess.PIPE)
            while process.poll() is None:
                time.sleep(0.2)
                if progress.due():
                    progress.at(look(self._folder).done)
            said = process.stderr.read() if process.stderr else ""
            self._seen = look(self._folder)
            if self._seen.state == "paused":
                self._resume()
            elif process.returncode not in (0, IN_PART):
                raise RuntimeError(f"digest send ended with {process.returncode}: {said.strip()}")
            elif process.returncode == 0 or not self._left():
                break
        progress.end()

    def _left(self) -> bool:
        """Tell whether another run has anything to do: copies that are queued, or uncertain and not held."""
        with contextlib.closing(sqlite3.connect(self._folder / "digest.db")) as db:
            queued = db.execute("SELECT count(*) FROM deliveries WHERE state = 0").fetchone()[0]
            unsettled = db.execute("SELECT count(*) FROM batches WHERE state IN ('claimed', 'uncertain')").fetchone()[0]
        return bool(queued or unsettled)

    def _resume(self) -> None:
        self.pauses += 1
        if self.pauses > 20:
            raise RuntimeError(f"the issue is paused over and over: {self._seen.trouble}")
        digest(self._folder, *self._command, "resume", "1")

    def _judged(self, audience: list[str], accepted: Counter[str]) -> dict[str, Any]:
        _, listed = digest(self._folder, "uncertain", "1", codes=(0, IN_PART))
        uncertain = sorted(address for batch in listed for address in batch["addresses"])
        with contextlib.closing(sqlite3.connect(self._folder / "digest.db")) as db:
            rows = db.execute(
                "SELECT d.state, s.email FROM deliveries d JOIN subscribers s ON s.id = d.subscriber WHERE d.issue = 1"
            ).fetchall()
        by_state = {state: {email for at, email in rows if at == state} for state in range(6)}
        rejected = by_state[3] if any(self._wanted.faults.get(name) for name in FOR_GOOD) else set()
        lost = sorted(set(audience) - accepted.keys() - set(uncertain) - rejected)
        twice = sorted(address for address, count in accepted.items() if count > 1)
        code, _ = digest(self._folder, "db", "check", codes=(0, 1))
        return {
            "state": self._seen.state,
            "audience": len(rows),
            "accepted": accepted.total(),
            "lost": lost,
            "twice": twice,
            "strangers": sorted(accepted.keys() - set(audience)),
            "rejected": len(by_state[3]),
            "uncertain": uncertain,
            "uncertain_unlisted": len(by_state[4] - set(uncertain)),
            "uncertain_accepted": sum(1 for address in uncertain if accepted[address]),
            "sound": code == 0,
        }


def choose(folder: Path, audience: list[str], sets: int, draw: random.Random) -> dict[str, list[str]]:
    """Let readers choose topics, and give the comparisons of each; without any is who gets them all."""
    with contextlib.closing(open_store(folder / "digest.db")) as db:
        ways = drawn(db, sets, draw)
        draft = issues.snapshot_of(db, 1)
        assert draft is not None
        everything = sorted(item.comparison.slug for item in shown(draft.placed))
        with writing(db) as connection:
            numbers = {way: topic_set_of(db, way) for way in ways}
            mine = {address: draw.choice([*ways, ()]) for address in audience}
            connection.executemany(
                "UPDATE subscribers SET topic_set = ? WHERE email = ?",
                [(numbers[way], address) for address, way in mine.items() if way],
            )
    return {address: ways.get(way, everything) for address, way in mine.items()}


def look(folder: Path) -> Seen:
    """Look at the ledger by a copy of its files: opening the store itself would tidy up what a kill has left."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        for file in ("digest.db", "digest.db-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(folder / file, Path(name) / file)
        try:
            with contextlib.closing(sqlite3.connect(Path(name) / "digest.db")) as db:
                workers = db.execute("SELECT DISTINCT worker FROM batches").fetchall()
                opened = db.execute("SELECT number FROM batches WHERE state = 'claimed'").fetchall()
                done = db.execute("SELECT count(*) FROM deliveries WHERE state NOT IN (0, 1, 4)").fetchone()[0]
                held = db.execute("SELECT coalesce(sum(size), 0) FROM batches WHERE state = 'held'").fetchone()[0]
                state, trouble = db.execute("SELECT state, coalesce(trouble, '') FROM issues").fetchone()
        except sqlite3.DatabaseError:
            # Copied while it was written: a sender is at work, and the next look will do.
            return Seen()
    return Seen(
        frozenset(worker for (worker,) in workers),
        frozenset(number for (number,) in opened),
        done + held,
        state,
        trouble,
    )


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def _read_all(outbox: Path) -> None:
    """Read the mailbox as a mail program does: what was read moves, so a second copy would lie beside it."""
    if not outbox.is_dir():
        return
    for path in (outbox / "new").iterdir():
        path.rename(outbox / "cur" / f"{path.name}:2,S")


def _copies(provider: Simulated) -> Iterator[tuple[str, list[str]]]:
    for copy in provider.copies():
        yield copy["address"], compared(copy["text"])


def _opened(outbox: Path) -> Iterator[tuple[str, list[str]]]:
    for folder in ("new", "cur"):
        for path in (outbox / folder).glob("*.digest*"):
            number, found = opened(str(path))
            yield f"reader{number}@example.com", found


def _in_outbox(outbox: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for folder in ("new", "cur"):
        for path in (outbox / folder).glob("*.digest*"):
            with path.open(encoding="utf-8") as file:
                found[next(line for line in file if line.startswith("To: "))[4:].strip()] += 1
    return found


class Progress:
    """A line on standard error: rewritten on a terminal, else a new one every ten seconds."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total = what, total
        self._terminal = sys.stderr.isatty()
        self._every = 0.5 if self._terminal else 10.0
        self._shown = time.monotonic()

    def due(self) -> bool:
        """Tell whether it is time for the next line."""
        return time.monotonic() - self._shown >= self._every

    def at(self, done: int, beside: str = "") -> None:
        """Show how far it is."""
        if self.due():
            self._shown = time.monotonic()
            line = f"{done}/{self._total} {self._what}{'; ' if beside else ''}{beside}"
            print(f"\r\033[K{line}" if self._terminal else line, end="" if self._terminal else "\n", file=sys.stderr)
            sys.stderr.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._terminal:
            print("\r\033[K", end="", file=sys.stderr)


def pairs(text: str) -> dict[str, float]:
    """Read ``reset_after=0.05,burst=20``."""
    return {name: float(value) for name, _, value in (part.partition("=") for part in text.split(",") if part)}


def main() -> int:
    """Kill, judge and print; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--provider", default="resend")
    parser.add_argument("--workers", type=int, default=1, help="senders at the same time, each killed by itself")
    parser.add_argument("--topics", type=int, default=0, metavar="N", help="readers chose so many sets of topics")
    parser.add_argument("--faults", type=pairs, default={}, metavar="NAME=VALUE,...")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of digest")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    wanted.set = dict(item.split("=", 1) for item in wanted.set)
    whole = ("burst", "seed")
    wanted.faults = {name: int(value) if name in whole else value for name, value in wanted.faults.items()}
    with tempfile.TemporaryDirectory() as name:
        trial = Trial(Path(name), wanted)
        try:
            found = trial.run()
        finally:
            trial.stop()
    result = {
        "provider": wanted.provider,
        "recipients": wanted.recipients,
        "workers": wanted.workers,
        "topics": wanted.topics,
        "faults": wanted.faults,
        "kills": trial.kills.landed,
        "kills_before_work": trial.kills.before,
        "batches_left_open": trial.kills.left_open,
        "runs": trial.runs,
        "pauses": trial.pauses,
        **found,
    }
    failures = _failures(result, wanted.kills)
    if wanted.json:
        print(json.dumps(result, indent=2))
    else:
        _print(result)
    for failure in failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _failures(result: Mapping[str, Any], kills: int) -> list[str]:
    return [
        text
        for text, wrong in (
            (f"{len(result['lost'])} lost, such as {result['lost'][:3]}", result["lost"]),
            (f"{len(result['twice'])} twice, such as {result['twice'][:3]}", result["twice"]),
            (f"{len(result['others'])} with other topics, such as {result['others'][:3]}", result["others"]),
            (f"mailed though not in the audience: {result['strangers'][:3]}", result["strangers"]),
            ("uncertain copies that `digest uncertain` does not list", result["uncertain_unlisted"]),
            ("the store is not sound; see `digest db check`", not result["sound"]),
            (f"only {result['kills']} of {kills} kills: the work was done too soon", result["kills"] < kills),
        )
        if wrong
    ]


def _print(result: Mapping[str, Any]) -> None:
    faults = ", ".join(f"{name}={value:g}" for name, value in result["faults"].items()) or "none"
    print(f"{result['provider']}: {result['recipients']} recipients, workers {result['workers']}, faults {faults}")
    print(
        f"kills while it worked {result['kills']} (before any work {result['kills_before_work']}),"
        f" leaving {result['batches_left_open']} batches open; {result['runs']} runs, {result['pauses']} pauses"
    )
    print(f"lost       {len(result['lost'])}")
    print(f"twice      {len(result['twice'])}")
    if result["topics"]:
        print(f"others'    {len(result['others'])}, of {result['topics']} sets of topics")
    print(f"uncertain  {len(result['uncertain'])}, held and named; the provider has {result['uncertain_accepted']}")
    for address in result["uncertain"][:10]:
        print(f"           {address}")
    if len(result["uncertain"]) > 10:
        print("           …")
    print(f"rejected   {result['rejected']}")
    refused = ", ".join(f"{count} with {status}" for status, count in result["refused"].items()) or "none"
    print(f"calls      {result['calls']}, refused {refused}")
    print(f"seconds    {result['seconds']}, of them {result['killing_s']} of killing; the issue is {result['state']}")


if __name__ == "__main__":
    sys.exit(main())
