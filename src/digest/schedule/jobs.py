"""The jobs of the schedule: what is done by itself, when, and how late it may still be done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import time, timedelta

from digest.errors import NotFoundError, nearest
from digest.recurring import Before, Daily, Every, Rule, Weekly, read_daily, read_weekly
from digest.schedule import housekeeping
from digest.schedule.context import Context
from digest.settings import Settings

WEEK = timedelta(weeks=1)
SUMMARY = Weekly(0, time(9))
"""When the week's summary is mailed, with `digest.tracking.summary`, which has the same hour."""
CARE = Daily(time(4, 20))
"""In the night of the newsletter, an hour after the backup as it is set at first."""


@dataclass(frozen=True)
class Job:
    """Something the schedule does.

    `words` say what, as in "to …"; `times` are None where the settings switch it off; so long after its time (`grace`)
    it is still done. Of some `only_newest` counts: they are caught up however late it is, are never
    missed, and that they failed is nothing to be mailed about.
    """

    name: str
    words: str
    times: Rule | None
    grace: timedelta
    work: Callable[[Context], str]
    only_newest: bool = False


def jobs(settings: Settings) -> list[Job]:
    """Give all jobs, with the times that the settings give them."""
    usual = read_weekly(settings.send_at)
    grace = settings.sending_grace_hours
    return [
        Job(
            "draft",
            "draft the next issue",
            read_weekly(settings.draft_at) if settings.draft_at else None,
            # A draft mails nobody; but after some days a person should see that there was none.
            timedelta(days=3),
            _draft,
        ),
        Job(
            "remind",
            "remind publishers of the draft",
            Before(usual, settings.remind_hours) if settings.remind_hours else None,
            # Later, there is nothing to remind of.
            timedelta(hours=settings.remind_hours),
            _remind,
        ),
        Job(
            "approve",
            "approve the issue and have it sent",
            usual if settings.auto_approve else None,
            # As long as an issue that a person approved would still be sent; 0 is always.
            timedelta(hours=grace) if grace else WEEK,
            _approve,
        ),
        Job(
            "summary",
            "mail the week's summary",
            SUMMARY if settings.summary_to else None,
            timedelta(days=2),
            housekeeping.sum_up,
        ),
        Job(
            "backup",
            "back up the store",
            read_daily(settings.backup_at) if settings.backup_to else None,
            timedelta(days=1),
            _back_up,
        ),
        Job("care", "count the figures of issues anew", CARE, timedelta(days=1), housekeeping.care, True),
        Job("tidy", "end and delete what is over", Every(3600), timedelta(hours=1), housekeeping.tidy, True),
        Job("settle", "find out about uncertain copies", Every(3600), timedelta(hours=1), housekeeping.settle, True),
        Job(
            "unsubscriptions",
            "read unsubscriptions by mail",
            Every(180) if settings.unsubscribe_imap else None,
            timedelta(minutes=3),
            housekeeping.read_unsubscriptions,
            True,
        ),
        Job(
            "bounces",
            "read bounces by mail",
            Every(180) if settings.bounce_imap else None,
            timedelta(minutes=3),
            housekeeping.read_bounces,
            True,
        ),
    ]


def job_named(name: str, settings: Settings) -> Job:
    """Give a job by its name.

    Raises:
        NotFoundError: with the names there are.
    """
    known = {job.name: job for job in jobs(settings)}
    if name not in known:
        raise NotFoundError(f"no job is called {name!r}{nearest(name, known) or '; there are ' + ', '.join(known)}")
    return known[name]


def rule_of(job: Job, settings: Settings) -> str:
    """Write the times of a job as they are kept: with others, it begins anew."""
    return str(job.times) if isinstance(job.times, Every) else f"{job.times} {settings.timezone}"


# Loaded when their time has come: they bring the checks of issues, and more.


def _draft(context: Context) -> str:
    from digest.schedule.week import draft_due

    return draft_due(context)


def _remind(context: Context) -> str:
    from digest.schedule.week import remind

    return remind(context)


def _approve(context: Context) -> str:
    from digest.schedule.week import approve_by_itself

    return approve_by_itself(context)


def _back_up(context: Context) -> str:
    from digest.schedule.backing_up import back_up_now

    return back_up_now(context)
