"""Letters to publishers about the schedule itself: what was missed, and what failed for good."""

from __future__ import annotations

from datetime import datetime, timedelta

from digest import times
from digest.audience import letterbox
from digest.audience.addresses import read_address
from digest.editors import people
from digest.sentences import sentence
from digest.settings import Settings
from digest.store import Database, writing

AGAIN = timedelta(hours=20)
"""So soon nobody is mailed once more that the same was not done: what is wrong is known by then."""


def tell_missed(
    db: Database, settings: Settings, job_words: str, due_at: datetime, now: datetime, *, is_caught_up: bool = False
) -> int:
    """Tell publishers that a job was not done at its time, nor within its grace; give how many letters that makes.

    Args:
        db: the store.
        settings: its zone is that of the times in the letter.
        job_words: what was to be done, as in "to …".
        due_at: when it was due.
        now: the moment.
        is_caught_up: it was due once more since, and that time is made up for now.
    """
    when = times.for_people(due_at, settings.zone)
    missed = f"digest was to {job_words} on {when}, and was not running."
    again = "see that digest serve runs, or that digest run-due is called every few minutes."
    if is_caught_up:
        before = [
            f"{missed} It was due again since, and that time is made up for now; there is nothing to be done.",
            f"So that it does not happen again, {again}",
        ]
    else:
        before = [
            f"{missed} By now it is too late for that to happen by itself: nothing of it is caught up.",
            "If it is still wanted, an owner can press Run now on the page of the schedule. So that it does not happen"
            f" again, {again}",
        ]
    return _post(db, f"Missed: {job_words}", "Something was not done", before, now)


def tell_failed(db: Database, settings: Settings, job_words: str, due_at: datetime, now: datetime, why: str) -> int:
    """Tell publishers that a job failed, and is not tried again; give how many letters that makes.

    `why` is what the last try said; the rest is as with `tell_missed`.
    """
    when = times.for_people(due_at, settings.zone)
    before = [
        f"digest was to {job_words} on {when}, and could not. {sentence(why)}",
        "It was tried more than once, and is not tried again by itself before its next time. Once that is put right, an"
        " owner can press Run now on the page of the schedule.",
    ]
    return _post(db, f"Failed: {job_words}", "Something was not done", before, now)


def _post(db: Database, subject: str, heading: str, before: list[str], now: datetime) -> int:
    detail = {"subject": subject, "heading": heading, "before": before}
    with writing(db):
        if letterbox.fates(db, "missed", "subject", subject, since=times.to_text(now - AGAIN)):
            return 0
        able = [one for one in people.everyone(db) if one.told_trouble and one.may("publisher")]
        for one in able:
            letterbox.post(db, "missed", read_address(one.email), subscriber=None, now=now, detail=detail)
        return len(able)
