"""What is said of trying subjects out, to people."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from digest import times
from digest.issue.model import SubjectTest
from digest.numbers import percent, several
from digest.sending.subject_standing import FEW, Standing, dealt, letter_of, smallest_difference


def coming(test: SubjectTest, audience: int, usual: float) -> list[str]:
    """Say what trying subjects out will mean, in numbers; `usual` is the share of copies that people click in."""
    subjects = 1 + len(test.others)
    drawn, each = dealt(audience, test.share, subjects)
    rest = audience - drawn
    if not audience:
        return ["Nobody is subscribed yet, so there is nobody to try them on."]
    of = several(audience, "reader")
    lines = [f"{test.share}% of {of} is {several(drawn, 'reader')}, about {each:,} for each subject."]
    if rest:
        until = "until somebody chooses" if test.rule == "person" else f"{length(test.wait)} longer"
        gets = "what was chosen" if test.rule == "person" else "the subject that more people clicked"
        lines.append(f"The other {rest:,} wait {until}, and get {gets}.")
    else:
        lines.append("Nobody waits: every reader gets one of them, and the one that wins is shown on the site.")
    lines.append(chance(each, usual))
    return lines


def chance(each: int, usual: float) -> str:
    """Say how large a difference must be to be told from chance, with so many readers for each subject."""
    apart = smallest_difference(each, usual)
    points = f"{100 * apart:.1f}".removesuffix(".0")
    if each < FEW:
        return (
            f"With so few readers, what comes of it is mostly chance: only a difference of {points} percentage points"
            " or more could be told from it."
        )
    return f"A difference of less than {points} percentage points cannot be told from chance."


def told(found: Standing, zone: ZoneInfo) -> list[str]:
    """Say how an issue's subjects stand."""
    if found.winner is not None:
        return _decided(found, zone)
    lines = []
    if found.leader is not None and found.sure is not None:
        close = ": too close to call" if found.too_close else ""
        lines.append(
            f"{letter_of(found.leader)} leads. That it is better than the next is {surely(found.sure)} sure{close}."
        )
    elif found.counted and found.tested_at:
        lines.append("Nobody has clicked yet.")
    if found.state == "cancelled":
        return [*lines, "The issue was cancelled before a subject won."]
    if found.rule == "person":
        wait = f" {several(found.waiting, 'reader')} wait for it." if found.waiting else ""
        return [*lines, f"A person decides which one wins.{wait}"]
    if found.due_at is None:
        more = f" {several(found.waiting, 'reader')} wait for that." if found.waiting else ""
        after = f"Readers’ clicks decide {length(found.wait)} after the last of them has a copy."
        return [*lines, after + more]
    until = f"Readers’ clicks decide on {times.for_people(found.due_at, zone)}."
    own = " As it stands, the issue’s own subject would win." if found.too_close else ""
    return [*lines, until + own]


def _decided(found: Standing, zone: ZoneInfo) -> list[str]:
    assert found.winner is not None  # noqa: S101 (asked before)
    name = f"{letter_of(found.winner)} won"
    if found.decided_by == "trouble":
        return [f"Nothing was tried, and everybody got the issue’s own subject: {found.trouble}."]
    when = f" on {times.for_people(found.decided_at, zone)}" if found.decided_at else ""
    how = {
        "clicks": f"{name} by readers’ clicks{when}.",
        "too close": f"It was too close to call{when}, so the issue’s own subject won.",
        "person": f"{name}: a person chose it{when}.",
    }
    lines = [how[found.decided_by or "person"]]
    if found.sure is not None and found.leader is not None and found.rest + found.share >= 100:
        close = ", too close to call" if found.too_close else ""
        lines.append(f"By all clicks so far {letter_of(found.leader)} leads, {surely(found.sure)} sure{close}.")
    return lines


def surely(sure: float) -> str:
    """Write how sure something is, never as more than it is: ``96%``, ``over 99%``."""
    return "over 99%" if sure > 0.99 else percent(int(100 * sure) / 100)


def length(minutes: int) -> str:
    """Write a wait: ``45 minutes``, ``2 hours``, ``1 hour 30 minutes``."""
    hours, rest = divmod(minutes, 60)
    parts = [several(hours, "hour")] if hours else []
    return " ".join(parts + ([several(rest, "minute")] if rest or not hours else []))


def left_until(due: datetime, now: datetime) -> str:
    """Write how long it is until a moment, to the minute."""
    left = due - now
    return "any moment" if left <= timedelta(minutes=1) else length(round(left.total_seconds() / 60))
