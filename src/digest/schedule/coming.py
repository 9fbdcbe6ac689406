"""What comes by itself of the editors' week, and when: for the desk and for letters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from digest import times
from digest.editors.audit import COMMAND_LINE
from digest.issue import issues
from digest.recurring import following, latest, read_weekly
from digest.settings import Settings
from digest.store import Database

THIS_WEEKS = timedelta(days=2)
"""An issue whose sending began so lately is this week's; one that takes longer is that of the week before."""
WEEK = timedelta(weeks=1)


@dataclass(frozen=True)
class Coming:
    """When the next issue is drafted by itself (None: never), and when one usually goes out next; both in UTC.

    `approves` is whether digest approves it then, where every check passes.
    """

    drafted_at: datetime | None
    goes_at: datetime
    approves: bool


def coming(settings: Settings, *, now: datetime) -> Coming:
    """Tell what comes by itself, by the settings."""
    drafts = following(read_weekly(settings.draft_at), settings.zone, now) if settings.draft_at else None
    return Coming(drafts, usual_time(settings, now=now), settings.auto_approve and not settings.four_eyes)


def usual_time(settings: Settings, *, now: datetime) -> datetime:
    """Give when an issue usually goes out next."""
    return following(read_weekly(settings.send_at), settings.zone, now)


def last_usual_time(settings: Settings, *, now: datetime) -> datetime:
    """Give when an issue usually went out last; now, where it is that very moment."""
    return latest(read_weekly(settings.send_at), settings.zone, now)


def told_of_draft(db: Database, settings: Settings, number: int, *, now: datetime) -> str:
    """Say in a sentence or two when a draft usually goes out, and who approves it."""
    plan = coming(settings, now=now)
    goes = f"It usually goes out {times.for_people(plan.goes_at, settings.zone)}"
    if not plan.approves:
        return f"{goes}, once a publisher has approved it."
    if issues.is_by_hand(db, number):
        return f"{goes}. Only a person approves this one."
    return f"{goes}. If every check passes by then, digest approves it and sends it."


def open_draft(db: Database, *, until: datetime | None = None) -> int | None:
    """Give the draft that is open; where `until` is given, only if it was there by then."""
    number: int | None = db.conn.execute(
        "SELECT max(number) FROM issues WHERE state = 'draft' AND (?1 IS NULL OR created_at <= ?1)",
        (times.to_text(until) if until else None,),
    ).fetchone()[0]
    return number


def under_way(db: Database, settings: Settings, *, now: datetime) -> str | None:
    """Say of the issue that is this week's already that it is approved, or on its way; None where there is none.

    One that has been paused for days, or whose time passed without anybody having it sent, is of a week before; one
    that is approved for weeks ahead is beside the week's.
    """
    grace = timedelta(hours=settings.sending_grace_hours) or THIS_WEEKS
    row = db.conn.execute(
        "SELECT number, state FROM issues"
        " WHERE (state = 'approved' AND coalesce(scheduled_at, approved_at) BETWEEN :late AND :far)"
        " OR (state IN ('sending', 'paused') AND sending_at > :long) ORDER BY number DESC LIMIT 1",
        {
            "late": times.to_text(now - max(grace, THIS_WEEKS)),
            "far": times.to_text(now + WEEK),
            "long": times.to_text(now - THIS_WEEKS),
        },
    ).fetchone()
    if row is None:
        return None
    if row[1] != "approved":
        return f"issue {row[0]} is being sent"
    by = issues.approved_by(db, row[0])
    return f"issue {row[0]} is approved already" + ("" if by == COMMAND_LINE.who else f", by {by}")
