"""A newsroom whose week goes by itself, on a machine with two servers that is switched off now and then."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self
from zoneinfo import ZoneInfo

from sqlite_utils import Database

from digest import times
from digest.audience import subscribers
from digest.catalogue.importing import import_files
from digest.editors import people
from digest.editors.audit import COMMAND_LINE, By
from digest.issue import approval, issues
from digest.providers.interface import Answer, Batch, Pace, Proof
from digest.recurring import following, latest, read_weekly
from digest.schedule import running
from digest.schedule.context import Context
from digest.schedule.jobs import Job
from digest.sending import running as sending
from digest.sending.copies import Signers
from digest.sending.workers import Worker
from digest.settings import Settings
from digest.store import beside, writing
from digest.tokens import Signer

SIGNERS = Signers(links=Signer(b"k" * 32), messages=Signer(b"m" * 32))
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
READERS = 3
TOOLS = 12


class Killed(BaseException):
    """The process dies here: nothing after this is done, and nothing is tidied up."""


class Hand(Worker):
    """A worker of a crew: locks tell processes apart, and these are all in one."""

    def __init__(self, crew: Crew) -> None:
        self.number = next(crew.numbers)
        self._crew = crew
        crew.alive.add(self.number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.dies()

    def lives(self, number: int) -> bool:
        return number in self._crew.alive

    def takes(self, issue: int) -> bool:
        return self._crew.taken.setdefault(issue, self.number) == self.number

    def dies(self) -> None:
        self._crew.alive.discard(self.number)
        for issue in [issue for issue, worker in [*self._crew.taken.items()] if worker == self.number]:
            self._crew.taken.pop(issue, None)


@dataclass
class Crew:
    """Who lives, and who has which issue in hand."""

    alive: set[int] = field(default_factory=set)
    taken: dict[int, int] = field(default_factory=dict)
    numbers: Any = field(default_factory=lambda: itertools.count(1))


class Counting:
    """A provider that counts the copies it accepted by reader and subject, and now and then has its caller killed."""

    name, account, limit, unused = "counting", "here", 2, frozenset[str]()
    pace, proof = Pace(connections=1), Proof(ask_s=45 * DAY.total_seconds())

    def __init__(self, chance: random.Random, *, deadly: float) -> None:
        self.chance, self.deadly = chance, deadly
        self.accepted: Counter[tuple[str, int]] = Counter()
        self.known: dict[str, str] = {}

    async def open(self, *, begin: bool) -> None:
        pass

    async def hand_over(self, batch: Batch) -> Answer:
        fate = self.chance.random()
        if fate < self.deadly / 2:
            raise Killed
        for one in batch.recipients:
            self.accepted[batch.message.subject, one.subscriber] += 1
            self.known[one.values["message"]] = f"{batch.number}-{one.subscriber}"
        if fate < self.deadly:
            raise Killed
        return Answer([f"{batch.number}-{one.subscriber}" for one in batch.recipients])

    async def ask(self, batch: Batch) -> Mapping[int, str | None]:
        names = {one.subscriber: one.values["message"] for one in batch.recipients}
        return {reader: self.known[name] for reader, name in names.items() if name in self.known}

    async def close(self) -> None:
        pass


@dataclass
class Server:
    """A process that does what is due, until it is killed; then another one takes its place."""

    room: Newsroom
    chance: random.Random

    def __post_init__(self) -> None:
        self.db = beside(str(self.room.settings.db), any_thread=True)
        self.db.conn.execute("PRAGMA synchronous = OFF")
        self.start()

    def start(self) -> None:
        self.worker = Hand(self.room.crew)
        self.hired: list[Hand] = []
        self.runner = sending.Runner(
            self.db,
            self.room.settings,
            SIGNERS,
            self.hire,
            connected=lambda settings: [self.room.provider],
            clock=lambda: self.room.now,
        )

    def hire(self) -> Hand:
        self.hired.append(Hand(self.room.crew))
        return self.hired[-1]

    def dies(self) -> None:
        for hand in (self.worker, *self.hired):
            hand.dies()
        if self.db.conn.in_transaction:
            self.db.conn.execute("ROLLBACK")

    def context(self) -> Context:
        room = self.room
        return Context(self.db, room.settings, SIGNERS, room.now, self.worker, clock=lambda: room.now)

    def work(self) -> None:
        """Do what is due now."""
        room = self.room
        try:
            for job in running.due(self.db, room.settings, lives=self.worker.lives, now=room.now):
                if job.name in room.wanted:
                    running.run_job(self.context(), self.deadly(job))
            if sending.due(self.db, self.runner.rests, now=room.now):
                asyncio.run(self.runner.work())
        except Killed:
            room.killed += 1
            self.dies()
            self.start()

    def deadly(self, job: Job) -> Job:
        """Have the process die before the work of a job, or after it, but before that is written down; once a day."""
        room, fate = self.room, self.chance.random()
        if fate < room.deadly and room.now - room.killed_over.get(job.name, room.start) < DAY:
            fate = 1.0

        def work(context: Context) -> str:
            room.begun[job.name, room.now] += 1
            if fate < room.deadly:
                room.killed_over[job.name] = room.now
                room.begun[job.name, room.now] -= 1
            if fate < room.deadly / 2:
                raise Killed
            words = job.work(context)
            if fate < room.deadly:
                raise Killed
            return words

        return replace(job, work=work)


@dataclass
class Newsroom:
    """The store, its servers, its editor, and the time.

    `off` are the times when the machine is off; `deadly` is how likely a process is killed over a job, or a call.
    """

    db: Database
    settings: Settings
    start: datetime
    off: Sequence[tuple[datetime, datetime]] = ()
    wanted: frozenset[str] = frozenset({"draft", "remind", "approve", "summary"})
    deadly: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        self.now = self.start
        self.crew = Crew()
        self.killed = 0
        self.begun: Counter[tuple[str, datetime]] = Counter()
        self.killed_over: dict[str, datetime] = {}
        self.drafted_by_hand = self.sent_by_hand = 0
        self.provider = Counting(random.Random(f"{self.seed} calls"), deadly=self.deadly)
        self.servers = [Server(self, random.Random(f"{self.seed} {name}")) for name in ("one", "other")]
        self.pool = ThreadPoolExecutor(2)
        self.editor = people.everyone(self.db)[0]

    def close(self) -> None:
        self.pool.shutdown()
        for server in self.servers:
            server.db.close()

    def is_off(self, moment: datetime) -> bool:
        return any(begin <= moment < end for begin, end in self.off)

    def is_off_until(self, moment: datetime, until: datetime) -> bool:
        """Tell whether the machine is off from a moment on, until another is over."""
        return any(begin <= moment and until < end for begin, end in self.off)

    def live(self, moments: Iterable[datetime]) -> None:
        """Live through these moments, in their order; whoever works then does it at the same time as the other."""
        was_off = False
        for moment in sorted(set(moments)):
            self.now = moment
            if self.is_off(moment):
                if not was_off:
                    for server in self.servers:
                        server.dies()
                        server.start()
                was_off = True
                continue
            was_off = False
            for _ in range(2):
                list(self.pool.map(lambda server: server.work(), self.servers))
                if not self.edit():
                    break

    def edit(self) -> bool:
        """Do what a person does who reads what digest tells; give whether there was anything."""
        by = By(self.editor.id, self.editor.name)
        done = self._draft_what_was_missed()
        for number, state in self.db.execute(
            "SELECT number, state FROM issues WHERE state IN ('draft', 'approved') ORDER BY number"
        ).fetchall():
            issue = issues.find_issue(self.db, number)
            (made,) = self.db.execute("SELECT created_at FROM issues WHERE number = ?", [number]).fetchone()
            goes = self.goes_at(times.from_text(made))
            late = timedelta(hours=self.settings.sending_grace_hours) if self.settings.auto_approve else -2 * HOUR
            if state == "draft" and self.now > goes + late:
                at = max(goes, self.now)
                asyncio.run(
                    approval.approve(
                        self.db, self.settings, number, now=self.now, at=at, network=False, by=by, another_time=False
                    )
                )
                done = True
            elif state == "approved" and issue.trouble:
                issues.reschedule(self.db, self.settings, number, now=self.now, at=self.now, by=by)
                self.sent_by_hand += 1
                done = True
        return done

    def goes_at(self, made: datetime) -> datetime:
        """Give the usual time of the week that a draft is of: one that was made late does not wait for a week."""
        zone = self.settings.zone
        due = latest(read_weekly(self.settings.draft_at), zone, made)
        return following(read_weekly(self.settings.send_at), zone, due)

    def _draft_what_was_missed(self) -> bool:
        """Draft by hand what the schedule missed, and told of."""
        missed = self.db.execute(
            "SELECT due_at FROM runs r WHERE job = 'draft' AND state = 'missed'"
            " AND NOT EXISTS (SELECT 1 FROM runs o WHERE o.job = 'draft' AND o.due_at > r.due_at)"
        ).fetchall()
        if not missed:
            return False
        running.run_now(self.servers[0].context(), "draft", by=COMMAND_LINE)
        self.drafted_by_hand += 1
        return True


def found(db: Database, settings: Settings, published: Sequence[datetime], *, now: datetime) -> None:
    """Make a store with some readers, an owner, and comparisons that are published at these moments."""
    names = [f"t{number}" for number in range(TOOLS)]
    catalogue = {
        "reviewers": [{"slug": "builder", "name": "Builder", "stance": "Has to keep it running.", "position": 1}],
        "tools": [
            {
                "slug": name,
                "name": name.upper(),
                "tagline": f"{name} does one thing",
                "category": "Agents & Automation",
                "description": "It does it well.",
                "entry": "freemium",
                "url": f"https://{name}.example.com",
                "reviews": [{"reviewer": "builder", "verdict": "ship", "quote": "It holds."}],
            }
            for name in names
        ],
        "comparisons": [
            {"slug": f"{one}-vs-{other}", "left": one, "right": other, "published_at": times.to_text(moment)}
            for moment, (one, other) in zip(published, itertools.combinations(names, 2), strict=False)
        ],
    }
    for report in import_files(db, [("year.json", json.dumps(catalogue).encode())], now=now, zone=settings.zone):
        assert report.error is None
    with writing(db):
        for number in range(READERS):
            subscribers.add(db, f"reader{number}@readers.example.org", now=now)
        people.add(db, "ann@example.org", name="Ann", by=COMMAND_LINE, now=now)


def wall_to_moment(wall: datetime, zone: ZoneInfo) -> datetime:
    """Find the first moment of a zone's clocks that show this or later, by trying; without what is tested."""
    moment = wall.replace(tzinfo=UTC) - 15 * HOUR
    while moment.astimezone(zone).replace(tzinfo=None) < wall:
        moment += 15 * MINUTE
    return moment
