"""The overall brake on confirmation letters: so many an hour, the rest wait, and beyond a day's worth none is taken.

Whoever makes us mail thousands of strangers ruins our name with every provider, from however many networks they ask.
So half of an hour's letters are for sign-ups that came with proof of work, and half for those without: readers whose
browsers run scripts get theirs at once while a flood from bare scripts waits its turn.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from digest import times
from digest.errors import StateError
from digest.settings import Settings
from digest.store import Database, writing

HOUR = timedelta(hours=1)
LONGEST_WAIT = timedelta(hours=24)


class BrakeError(StateError):
    """More have asked for confirmation letters than a day can take."""


def when_to_mail(db: Database, settings: Settings, *, proven: bool, now: datetime) -> datetime:
    """Give the moment at which a confirmation letter that is asked for now may be mailed.

    Each half has its own row of waiting letters. Those with proof also take what the others leave of an hour, as on
    the day the newsletter is in the news; no hour, wherever it begins, has more than `sign_ups_per_hour` all together.

    Args:
        db: the store.
        settings: with `sign_ups_per_hour`, and `proof_of_work`: without it there is but one row.
        proven: whether it was asked for with proof of work.
        now: the moment.

    Returns:
        The moment. Whoever posts the letter keeps its place with `keep_slot`, in the same transaction.

    Raises:
        BrakeError: it would have to wait for more than a day.
    """
    whole = settings.sign_ups_per_hour
    if not settings.proof_of_work:
        moment = _after(db, whole, False, now)
    else:
        half = max(1, whole - whole // 2 if proven else whole // 2)
        moment = _after(db, half, proven, now)
        left = _in_the_last_hour(db, now) < whole
        if proven and left and not _any_wait(db, False, now):
            moment = now
        elif not proven and not left:
            moment = max(moment, now + HOUR)
    if moment > now + LONGEST_WAIT:
        raise BrakeError("more people are signing up than we can write to today; please come back tomorrow")
    return moment


def keep_slot(db: Database, letter: int, moment: datetime, *, proven: bool) -> None:
    """Give a letter its place in its row. When it is mailed in the end, after a failure or two, does not move it."""
    with writing(db) as connection:
        connection.execute(
            "UPDATE letters SET slot = ?, proven = ? WHERE id = ?", (times.to_text(moment), proven, letter)
        )


def _after(db: Database, count: int, proven: bool, now: datetime) -> datetime:
    """Give now, or an hour after the letter of the same row that is `count` before."""
    row = db.conn.execute(
        "SELECT slot FROM letters WHERE slot IS NOT NULL AND proven = ? ORDER BY slot DESC LIMIT 1 OFFSET ?",
        (proven, count - 1),
    ).fetchone()
    return max(now, times.from_text(row[0]) + HOUR) if row else now


def _in_the_last_hour(db: Database, now: datetime) -> int:
    found: int = db.conn.execute(
        "SELECT count(*) FROM letters WHERE proven IN (0, 1) AND slot > ? AND slot <= ?",
        (times.to_text(now - HOUR), times.to_text(now)),
    ).fetchone()[0]
    return found


def _any_wait(db: Database, proven: bool, now: datetime) -> bool:
    found: int = db.conn.execute(
        "SELECT EXISTS (SELECT 1 FROM letters WHERE proven = ? AND slot > ?)", (proven, times.to_text(now))
    ).fetchone()[0]
    return bool(found)
