"""What is due is done once, caught up within its grace, and missed beyond it, aloud."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest
from newsroom import SIGNERS, Crew, Hand
from sqlite_utils import Database

from conftest import NOW, memory_store
from digest.editors import audit, people
from digest.editors.audit import COMMAND_LINE, By
from digest.errors import NotFoundError, StateError
from digest.recurring import Daily, Every, Weekly
from digest.schedule import jobs as jobs_of
from digest.schedule import looking, running, runs
from digest.schedule.context import Context
from digest.schedule.jobs import Job
from digest.sending.workers import Worker
from digest.settings import Settings
from serving import Clock

HOUR, MINUTE, DAY = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)
SETTINGS = Settings(timezone="Europe/Berlin", summary_to=("ann@example.org",))
DUE = NOW + 2 * HOUR
"""When `Work` is due on the first day: at noon in Berlin, two hours after the store is new."""


class Work:
    """A job that is done every day, and does as it is told: `errors` are what it raises, one after the other."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self.at: list[datetime] = []
        self.job = Job("work", "do the work", Daily(time(12)), 6 * HOUR, self)

    def __call__(self, context: Context) -> str:
        self.at.append(context.now)
        if self.errors:
            raise self.errors.pop(0)
        return "did the\nwork"


class Office:
    """A store, and processes that look at its schedule."""

    def __init__(self, clock: Clock) -> None:
        self.db, self.clock, self.crew = memory_store(), clock, Crew()
        self.work, self.settings, self.stopping = Work(), SETTINGS, False
        people.add(self.db, "ann@example.org", name="Ann", by=COMMAND_LINE, now=NOW)

    def context(self, worker: Hand | None = None) -> Context:
        return Context(
            self.db,
            self.settings,
            SIGNERS,
            self.clock(),
            worker or Hand(self.crew),
            stopping=lambda: self.stopping,
            clock=self.clock,
        )

    def look(self, *jobs: Job, worker: Hand | None = None) -> list[tuple[str, str]]:
        return [(did.state, did.words) for did in running.run_due(self.context(worker), only=jobs or [self.work.job])]

    def at(self, moment: datetime, *jobs: Job) -> list[str]:
        """Look at a moment; give what became of what was due."""
        self.clock.now = moment
        return [state for state, _ in self.look(*jobs)]

    def runs(self) -> list[tuple[str, str, int]]:
        rows = self.db.execute("SELECT due_at, state, tries FROM runs ORDER BY due_at").fetchall()
        return [(due_at[5:16], state, tries) for due_at, state, tries in rows]

    def letters(self) -> list[str]:
        rows = self.db.execute("SELECT detail ->> 'subject' FROM letters WHERE kind = 'missed' ORDER BY id")
        return [subject for (subject,) in rows.fetchall()]


@pytest.fixture
def office(clock: Clock) -> Iterator[Office]:
    found = Office(clock)
    found.look()
    yield found
    found.db.close()


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    with caplog.at_level(logging.WARNING, "digest"):
        yield lambda: [record.getMessage() for record in caplog.records if record.name == "digest"]


def test_nothing_from_before_the_schedule_was_known_is_run_or_missed(office: Office) -> None:
    assert office.at(DUE - MINUTE) == []
    assert office.runs() == []


def test_what_is_due_is_done_once_and_what_came_of_it_is_known(office: Office) -> None:
    assert office.at(DUE) == ["done"]
    assert office.look() == []
    assert office.at(DUE + 5 * HOUR) == []
    run = runs.last_due(office.db, "work", now=office.clock())
    assert run is not None
    assert (run.words, run.by, run.worker, run.ended_at) == ("did the work", "schedule", 0, DUE)


def test_what_is_late_is_caught_up_within_its_grace(office: Office) -> None:
    assert office.at(DUE + 6 * HOUR) == ["done"]
    assert office.letters() == []


def test_what_is_too_late_is_missed_and_said_aloud_once(office: Office, logged: Callable[[], list[str]]) -> None:
    assert office.at(DUE + 6 * HOUR + MINUTE) == ["missed"]
    assert office.look() == []
    assert office.work.at == []
    assert office.letters() == ["Missed: do the work"]
    assert logged() == ["work: missed at Thu 26 Nov 2026, 12:00 CET, because digest was not running"]


def test_of_what_was_due_several_times_the_last_is_caught_up_and_the_others_are_missed(office: Office) -> None:
    assert office.at(DUE + 3 * DAY + HOUR) == ["missed", "missed", "missed", "done"]
    assert office.runs() == [
        ("11-26T11:00", "missed", 0),
        ("11-27T11:00", "missed", 0),
        ("11-28T11:00", "missed", 0),
        ("11-29T11:00", "done", 1),
    ]
    assert office.letters() == ["Missed: do the work"]
    (detail,) = office.db.execute("SELECT detail ->> 'before' FROM letters WHERE kind = 'missed'").fetchone()
    assert "that time is made up for now" in detail


def test_of_what_is_frequent_only_the_newest_counts_and_nothing_is_missed(office: Office) -> None:
    job = replace(office.work.job, times=Every(180), only_newest=True, grace=3 * MINUTE)
    office.look(job)
    assert office.at(DUE + 3 * DAY, job) == ["done"]
    assert office.at(DUE + 3 * DAY + 3 * MINUTE, job) == ["done"]
    assert len(office.runs()) == 2
    assert office.letters() == []


def test_what_fails_is_tried_again_later_and_later_and_said_aloud_in_the_end(
    office: Office, logged: Callable[[], list[str]]
) -> None:
    office.work.errors = [StateError("no room\nleft"), RuntimeError("odd"), *[StateError("no room left")] * 3]
    tried = [DUE + minutes * MINUTE for minutes in (0, 1, 6, 21)]
    for minutes in range(60):
        office.at(DUE + minutes * MINUTE)
        assert bool(office.letters()) == (minutes >= 21)
    assert office.work.at == tried
    assert office.runs() == [("11-26T11:00", "failed", 4)]
    assert office.letters() == ["Failed: do the work"]
    assert logged() == ["work: no room left", "work: RuntimeError: odd", "work: no room left"]
    assert office.at(DUE + DAY) == ["failed"]


def test_what_went_well_at_last_is_done(office: Office) -> None:
    office.work.errors = [StateError("no room left")]
    assert office.at(DUE) == ["failed"]
    assert office.at(DUE + MINUTE) == ["done"]
    assert office.runs() == [("11-26T11:00", "done", 2)]
    assert office.letters() == []


def test_what_failed_is_not_tried_after_its_grace(office: Office) -> None:
    job = replace(office.work.job, grace=3 * MINUTE)
    office.work.errors = [StateError("no room left")] * 9
    assert [office.at(DUE + minutes * MINUTE, job) for minutes in range(6)] == [
        ["failed"], ["failed"], [], [], ["failed"], [],
    ]  # fmt: skip
    assert len(office.work.at) == 2
    assert office.letters() == ["Failed: do the work"]


def test_a_job_that_fails_stops_no_other(office: Office) -> None:
    other = Work()
    job = replace(other.job, name="other")
    office.look(job)
    office.work.errors = [RuntimeError("ada@example.org is odd")]
    assert office.at(DUE, office.work.job, job) == ["failed", "done"]
    # What is kept has nothing of a reader in it.
    assert (
        office.db.execute("SELECT words FROM runs WHERE job = 'work'").fetchone()[0] == "RuntimeError: (address) is odd"
    )


class Killed(BaseException):
    pass


def dies(office: Office) -> None:
    """Have a process die over what is due."""
    worker = Hand(office.crew)
    office.work.errors.insert(0, Killed())
    with pytest.raises(Killed):
        office.look(worker=worker)
    worker.dies()


def test_what_a_dead_process_left_is_taken_up_again_at_once(office: Office) -> None:
    office.clock.now = DUE
    dies(office)
    assert office.look() == [("done", "did the work")]
    assert office.runs() == [("11-26T11:00", "done", 2)]


def test_a_job_that_kills_its_process_is_left_alone_in_the_end(office: Office) -> None:
    office.clock.now = DUE
    for _ in range(3):
        dies(office)
    assert office.look() == [("failed", "its process died over it")]
    assert office.look() == []
    assert len(office.work.at) == 3
    assert office.letters() == ["Failed: do the work"]


def test_what_a_dead_process_left_is_not_done_after_its_grace(office: Office) -> None:
    office.clock.now = DUE
    dies(office)
    assert office.at(DUE + 7 * HOUR) == ["failed"]
    assert office.letters() == ["Failed: do the work"]


def test_a_job_in_the_hands_of_a_living_process_is_not_begun_again(office: Office) -> None:
    worker = Hand(office.crew)
    assert runs.claim(office.db, "work", DUE, worker=worker.number, lives=worker.lives, now=DUE) is not None
    assert office.at(DUE + HOUR) == []
    assert office.at(DUE + DAY) == []
    worker.dies()
    assert office.at(DUE + DAY + MINUTE) == ["failed", "done"]


def test_what_is_broken_off_by_a_stop_is_done_by_the_next_process(office: Office) -> None:
    office.clock.now = DUE
    worker = Hand(office.crew)

    def stopped(context: Context) -> str:
        office.stopping = True
        raise StateError("broken off")

    assert [state for state, _ in office.look(replace(office.work.job, work=stopped), worker=worker)] == ["running"]
    worker.dies()
    office.stopping = False
    assert office.look() == [("done", "did the work")]


@pytest.mark.parametrize("change", ["times", "zone", "off and on"])
def test_with_other_times_it_begins_anew(office: Office, change: str) -> None:
    job = office.work.job
    match change:
        case "times":
            job = replace(job, times=Daily(time(11)))
        case "zone":
            office.settings = SETTINGS.model_copy(update={"timezone": "Asia/Kathmandu"})
        case _:
            office.look(replace(job, times=None))
    assert office.at(DUE + 5 * DAY, job) == []
    assert office.at(DUE + 6 * DAY, job) == ["done"]
    assert len(office.runs()) == 1


def test_a_clock_that_was_wrong_for_a_while_loses_nothing(office: Office) -> None:
    job = replace(office.work.job, times=Weekly(3, time(12)))
    office.look(job)
    assert office.at(DUE, job) == ["done"]
    # In a machine without a battery it is 1970, then it is a year too late, then it is right.
    assert office.at(NOW - 20_000 * DAY, job) == []
    assert office.at(DUE + 367 * DAY, job) == ["missed"] * 11
    assert office.at(DUE + 7 * DAY, job) == ["done"]
    # What was missed when it was not yet its time is done when it is.
    assert office.at(DUE + 364 * DAY, job)[-1] == "done"
    assert office.work.at == [DUE, DUE + 7 * DAY, DUE + 364 * DAY]


def test_a_clock_put_back_a_little_repeats_nothing(office: Office) -> None:
    assert office.at(DUE + MINUTE) == ["done"]
    assert office.at(DUE - HOUR) == []
    assert office.at(DUE) == []


def test_due_says_what_there_is_to_do_and_writes_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    off = replace(office.work.job, name="off", times=None)
    monkeypatch.setattr(running, "jobs", lambda settings: [office.work.job, off])

    def due() -> list[str]:
        changes = office.db.conn.total_changes
        found = running.due(office.db, office.settings, lives=lambda worker: False, now=office.clock())
        assert office.db.conn.total_changes == changes
        return [job.name for job in found]

    assert due() == []
    office.clock.now = DUE
    assert due() == ["work"]
    running.run_due(office.context())
    assert due() == []
    runs.known_since(office.db, "off", "daily 12:00 Europe/Berlin", now=DUE)
    assert due() == ["off"]


# By hand ------------------------------------------------------------------------------------------------------------


def test_a_job_can_be_run_by_hand_and_it_is_known_by_whom(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_of, "jobs", lambda settings: [office.work.job])
    did = running.run_now(office.context(), "work", by=By(1, "Ann"))
    assert (did.state, did.words) == ("done", "did the work")
    assert [(run.by, run.state) for run in runs.history(office.db, limit=9)] == [("Ann", "done")]
    assert [(one.who, one.did, one.what) for one in audit.done(office.db, limit=1)] == [
        ("Ann", "ran by hand", "job work")
    ]
    # It is due all the same.
    assert office.at(DUE) == ["done"]
    with pytest.raises(NotFoundError, match="no job is called 'wrk'; did you mean 'work'"):
        running.run_now(office.context(), "wrk", by=COMMAND_LINE)


def test_a_job_that_runs_is_not_run_by_hand_and_one_that_fails_by_hand_is_not_tried_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_of, "jobs", lambda settings: [office.work.job])
    office.work.errors = [StateError("no room left")]
    assert running.run_now(office.context(), "work", by=COMMAND_LINE).state == "failed"
    assert office.at(NOW + HOUR) == []
    assert office.letters() == []
    worker = Hand(office.crew)
    runs.claim(office.db, "work", NOW + HOUR, worker=worker.number, lives=worker.lives, now=NOW + HOUR)
    with pytest.raises(StateError, match="work is running right now"):
        running.run_now(office.context(), "work", by=COMMAND_LINE)


# Looking at it ------------------------------------------------------------------------------------------------------


def test_the_state_of_a_job_can_be_looked_at(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Hand(office.crew)

    def state(now: datetime, job: Job | None = None) -> str:
        monkeypatch.setattr(looking, "jobs", lambda settings: [job or office.work.job])
        (found,) = looking.look(office.db, office.settings, now=now, lives=worker.lives)
        return found.state

    assert state(DUE - MINUTE) == "waits"
    assert state(DUE + MINUTE) == "waits"
    assert state(DUE + HOUR) == "late"
    run = runs.claim(office.db, "work", DUE, worker=worker.number, lives=worker.lives, now=DUE)
    assert run is not None
    assert state(DUE + HOUR) == "running"
    assert state(DUE + HOUR, replace(office.work.job, times=None)) == "running"
    worker.dies()
    assert state(DUE + HOUR) == "failed"
    runs.end(office.db, run, "done", "all of it", now=DUE)
    assert state(DUE + HOUR) == "waits"
    assert state(DUE + HOUR, replace(office.work.job, times=None)) == "off"
    office.at(DUE + DAY + 7 * HOUR)
    assert state(office.clock()) == "missed"
    (found,) = looking.look(office.db, office.settings, now=office.clock(), lives=worker.lives)
    assert found.next_at == DUE + 2 * DAY


def test_what_ran_long_ago_is_forgotten_but_for_the_last(office: Office) -> None:
    frequent = replace(office.work.job, name="tidy", times=Every(3600), only_newest=True)
    office.look(frequent)
    for hour in range(100):
        office.at(NOW + hour * HOUR, frequent, office.work.job)
    assert runs.delete_old(office.db, frequent=["tidy"], now=NOW + 99 * HOUR) > 40
    kept = [run.began_at for run in runs.history(office.db, limit=500, job="tidy")]
    assert min(kept) >= NOW + 51 * HOUR
    assert len(runs.history(office.db, limit=500, frequent=["tidy"])) == 5
    runs.delete_old(office.db, frequent=["tidy"], now=NOW + 500 * DAY)
    assert [run.job for run in runs.history(office.db, limit=500)] == ["tidy", "work"]


def test_every_job_has_its_times_and_a_grace_that_ends_before_it_is_due_again() -> None:
    everything = Settings(
        auto_approve=True,
        summary_to=("ann@example.org",),
        bounce_imap="imaps://a@mail.example.com/INBOX",
        unsubscribe_imap="imaps://b@mail.example.com/INBOX",
    )
    found = {job.name: job for job in jobs_of.jobs(everything)}
    assert all(job.times is not None for job in found.values())
    nothing = {"draft_at": "", "remind_hours": 0, "backup_to": None}
    off = {job.name for job in jobs_of.jobs(Settings.model_validate(nothing)) if job.times is None}
    assert off == {"draft", "remind", "approve", "summary", "backup", "unsubscriptions", "bounces"}
    assert found["approve"].grace == 3 * HOUR


# Processes ----------------------------------------------------------------------------------------------------------

PROCESS = """
import sys, time
from datetime import datetime, timedelta
from pathlib import Path
from digest.recurring import Every
from digest.schedule import running
from digest.schedule.context import Context
from digest.schedule.jobs import Job
from digest.sending.copies import Signers
from digest.sending.workers import Worker
from digest.settings import Settings
from digest.store import open_store
path, begin, steps, sleeps = Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
db, settings, now = open_store(path), Settings(db=path), begin
def work(context):
    print(context.now.isoformat(), flush=True)
    if sleeps == "sleeps":
        time.sleep(60)
    return "done"
job = Job("race", "race", Every(60), timedelta(hours=1), work, only_newest=True)
with Worker(path) as worker:
    signers = Signers.of(db, settings, now=now)
    print("ready", flush=True)
    sys.stdin.readline()
    for step in range(steps):
        now = begin + timedelta(minutes=step)
        running.run_job(Context(db, settings, signers, now, worker, clock=lambda: now), job)
"""


def process(settings: Settings, steps: int, sleeps: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROCESS, str(settings.db), NOW.isoformat(), str(steps), sleeps]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def lines(made: subprocess.Popen[str]) -> Iterator[str]:
    assert made.stdout is not None
    return map(str.strip, made.stdout)


def go(made: subprocess.Popen[str]) -> None:
    assert made.stdin is not None
    made.stdin.write("go\n")
    made.stdin.flush()


@pytest.fixture
def raced(db: Database, settings: Settings) -> Settings:
    """The settings of a store in which the job of the processes is known for an hour."""
    runs.known_since(db, "race", "every 1 min", now=NOW - HOUR)
    return settings


def test_of_processes_at_the_same_time_one_does_each(raced: Settings, db: Database) -> None:
    both = [process(raced, 60) for _ in range(2)]
    try:
        said = [lines(made) for made in both]
        assert [next(words) for words in said] == ["ready", "ready"]
        for made in both:
            go(made)
        done = [[*words] for words in said]
    finally:
        for made in both:
            made.communicate(timeout=30)
    # Every minute was done, by one of them.
    assert sorted(done[0] + done[1]) == [(NOW + minute * MINUTE).isoformat() for minute in range(60)]
    assert set(db.execute("SELECT state, tries FROM runs")) == {("done", 1)}


def test_what_a_killed_process_had_in_hand_is_taken_up(raced: Settings, db: Database) -> None:
    made = process(raced, 1, "sleeps")
    try:
        said = lines(made)
        next(said)
        go(made)
        assert next(said) == NOW.isoformat()
        job = replace(Work().job, name="race", times=Every(60), only_newest=True)
        with Worker(raced.db) as worker:
            context = Context(db, raced, SIGNERS, NOW, worker, clock=lambda: NOW)
            assert running.run_job(context, job) == []
            made.send_signal(signal.SIGKILL)
            made.wait()
            assert [did.words for did in running.run_job(context, job)] == ["did the work"]
    finally:
        made.kill()
        made.communicate()
    assert list(db.execute("SELECT state, tries FROM runs")) == [("done", 2)]
