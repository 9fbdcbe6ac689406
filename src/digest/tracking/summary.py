"""The week in a letter to the editors: what was sent, what became of it, who came and went, what waits for a person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any

from digest import times
from digest.audience import letterbox
from digest.audience.addresses import read_address
from digest.numbers import percent
from digest.settings import Settings
from digest.store import Database, writing
from digest.tracking.rates import Rate
from digest.tracking.weeks import Week, WeekIssue, week

HOUR = time(9)
"""On Mondays at this hour in the newsletter's zone."""
GRACE = timedelta(days=2)
"""So much later it is still mailed, where nothing ran on Monday morning; then the week goes without."""

_WAITING = {
    "uncertain": "copies of which nobody knows whether they were accepted: digest uncertain",
    "held": "batches that wait for your decision: digest uncertain",
    "unknown_events": "events of a kind we do not know: digest events",
    "webhooks_off": "webhooks that are switched off: digest webhooks list",
    "webhooks_dead": "messages to webhooks that were given up: digest webhooks list",
}


def post_due(db: Database, settings: Settings, *, now: datetime) -> int:
    """Put the summary of the last seven days into the letterbox, once a week; give how many letters that makes.

    Of several processes that come at the same time, one does it.
    """
    local = now.astimezone(settings.zone)
    monday = local.date() - timedelta(days=local.weekday())
    due = datetime.combine(monday, HOUR, settings.zone)
    name = f"{monday.isocalendar().year}-W{monday.isocalendar().week:02}"
    if not settings.summary_to or not due <= local < due + GRACE or _made(db, name):
        return 0
    detail = letter_of(week(db, now=now, by_mail=bool(settings.bounce_imap)), settings)
    with writing(db) as connection:
        if _made(db, name):
            return 0
        connection.execute("INSERT INTO summaries (week, made_at) VALUES (?, ?)", (name, times.to_text(now)))
        for address in settings.summary_to:
            letterbox.post(db, "summary", read_address(address), subscriber=None, detail=detail, now=now)
    return len(settings.summary_to)


def _made(db: Database, name: str) -> bool:
    return db.conn.execute("SELECT 1 FROM summaries WHERE week = ?", (name,)).fetchone() is not None


def letter_of(found: Week, settings: Settings) -> dict[str, Any]:
    """Write the letter of a week, as it lies in the letterbox: words and figures, and no link of anybody's."""
    joined, left = _counted(found.joined, "joined"), _counted(found.left, "left")
    issues = [_issue(one) for one in found.issues]
    return {
        "subject": f"{settings.newsletter_name}: {joined}, {left}"
        + "".join(f"; {_short(one)}" for one in found.issues[-1:]),
        "preheader": issues[-1] if issues else "No issue went out.",
        "heading": f"The week of {settings.newsletter_name}",
        "before": issues or ["No issue went out in these seven days."],
        "figures": [
            ["Joined", f"{found.joined:,}"],
            ["Left", f"{found.left:,}"],
            ["Bounced for good", f"{found.bounced:,}"],
            ["Complained", f"{found.complained:,}"],
            ["Subscribed now", f"{found.health.active:,}"],
            ["Would be mailed now", f"{found.health.mailed:,}"],
            *([["Waiting to confirm", f"{found.health.pending:,}"]] if found.health.pending else []),
        ],
        "after": [*(trouble.words for trouble in found.troubles), *_waiting(found.waiting)],
    }


def _issue(one: WeekIssue) -> str:
    line, rates = one.line, one.line.rates
    said = [f"Issue {line.number}, “{line.subject}”: {line.accepted:,} of {line.audience:,} copies accepted"]
    if line.delivered is not None:
        said.append(f"{line.delivered:,} delivered")
    if line.tracking != "off":
        said.append(f"{line.clicked.people:,} people clicked{_against(rates.clicked, one.before.clicked)}")
    if line.complained:
        said.append(_counted(line.complained, "complained"))
    return ", ".join(said) + "."


def _against(rate: Rate, before: float | None) -> str:
    if rate.value is None:
        return ""
    return f" ({percent(rate.value)}" + (f"; {percent(before)} on average before)" if before is not None else ")")


def _short(one: WeekIssue) -> str:
    return f"issue {one.line.number} reached {one.line.accepted:,}"


def _waiting(counts: Mapping[str, int]) -> list[str]:
    return [f"{count:,} {_WAITING.get(name, name)}." for name, count in counts.items() if count]


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}"
