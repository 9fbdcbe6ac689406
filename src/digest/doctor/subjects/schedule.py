"""Whether the schedule is kept: what ran, what failed, what was missed, and whether anything runs at all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from digest import times
from digest.doctor.model import Case, Finding
from digest.schedule import looking, runs
from digest.schedule.looking import Look

WORDS = "whether what is due by itself is done"
PLACE = 60
NETWORK = False
SECONDS: float | None = 30

_say = partial(Finding, "schedule")

QUIET = timedelta(hours=3)
"""Some jobs run every hour: nothing for so long, and nothing runs."""


def look(case: Case) -> Iterator[Finding]:
    """Look at what ran last, and at what should have."""
    now, zone = case.clock(), case.settings.zone
    with case.store() as db:
        found = looking.look(db, case.settings, now=now)
        # What a person ran shows nothing of whether anybody looks at the clock.
        newest, is_begun = runs.newest(db, now=now, scheduled=True), bool(runs.all_known(db))
    todo = "start `digest serve`, or have cron call `digest run-due` every few minutes"
    last = max((run.began_at for run in newest.values() if run.state != "missed"), default=None)
    following = min((one.next_at for one in found if one.next_at), default=None)
    if last is None and is_begun and following and not any(one.state == "late" for one in found):
        yield _say("runs", "pass", f"nothing was due yet; the first is on {times.for_people(following, zone)}")
    elif last is None:
        yield _say("runs", "warn", "nothing ever ran by itself here", todo=todo, command="digest serve")
        return
    elif now - last > QUIET:
        words = f"nothing ran by itself since {times.for_people(last, zone)}"
        yield _say("runs", case.grave, words, todo=todo, command="digest serve")
    else:
        yield _say("runs", "pass", f"the schedule is kept: something ran {times.span(now - last)} ago")
    for one in found:
        yield from _of_job(one, case)


def _of_job(one: Look, case: Case) -> Iterator[Finding]:
    by_hand = f"digest schedule run {one.job}"
    if one.state == "late":
        yield _say("late", "warn", f"“{one.words}” is due, and nobody does it", one.job, "run it by hand", by_hand)
    elif one.state in ("failed", "missed") and one.last is not None:
        when = times.for_people(one.last.due_at, case.settings.zone)
        why = f": {one.last.words}" if one.last.words else ""
        words = f"“{one.words}” {'failed' if one.state == 'failed' else 'was missed'} on {when}{why}"
        todo = "mend what it says, and run it" if one.state == "failed" else "run it by hand, where it still should be"
        yield _say(one.state, "warn", words, one.job, todo, by_hand)
