"""Whether the schedule is kept: what ran, what failed, what was missed, and whether anything runs at all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from digest import times
from digest.doctor.model import Case, Finding
from digest.schedule import runs
from digest.schedule.jobs import jobs

WORDS = "whether what is due by itself is done"
PLACE = 60
NETWORK = False
SECONDS: float | None = 30

_say = partial(Finding, "schedule")

QUIET = timedelta(hours=3)
"""Some jobs run every hour: nothing for so long, and nothing runs."""
HISTORY = 200


def look(case: Case) -> Iterator[Finding]:
    """Look at what ran."""
    now, zone = case.clock(), case.settings.zone
    with case.store() as db:
        newest = runs.newest(db, now=now)
        history = runs.history(db, limit=HISTORY)
    due = {job.name: job for job in jobs(case.settings) if job.times is not None}
    todo = "start `digest serve`, or have cron call `digest run-due` every few minutes"
    last = max((run.began_at for run in newest.values() if run.state != "missed"), default=None)
    if last is None:
        yield _say("runs", "warn", "nothing ever ran by itself here", todo=todo, command="digest serve")
        return
    if now - last > QUIET:
        words = f"nothing ran by itself since {times.for_people(last, zone)}"
        yield _say("runs", case.grave, words, todo=todo, command="digest serve")
    else:
        yield _say("runs", "pass", f"what is due is done; something ran {times.span(now - last)} ago")
    for name, run in newest.items():
        if name in due and run.state == "failed":
            words = f"to {due[name].words} failed on {times.for_people(run.due_at, zone)}: {run.words}"
            yield _say("failed", "warn", words, name, "mend what it says, and run it", f"digest schedule run {name}")
    missed = [
        run for run in history if run.state == "missed" and run.job in due and now - run.due_at < timedelta(weeks=1)
    ]
    for name in dict.fromkeys(run.job for run in missed):
        of_it = [run for run in missed if run.job == name]
        when = times.for_people(of_it[0].due_at, zone)
        words = f"to {due[name].words} was missed {len(of_it)} times this week, last on {when}"
        words = words.replace(" 1 times this week, last", "")
        # What was done since makes up for it.
        if newest[name].state == "missed" or newest[name].due_at <= of_it[0].due_at:
            yield _say(
                "missed", "warn", words, name, "run it by hand, where it still should be", f"digest schedule run {name}"
            )
