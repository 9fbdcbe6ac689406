"""What a report says in a sentence: the one that matters of each page, and what is bad in a table."""

from __future__ import annotations

from urllib.parse import urlsplit

from digest.mail.text import shorten
from digest.numbers import counted, one_in, percent, several
from digest.tracking.findings import BOUNCES, COMPLAINTS, MANY_COMPLAINTS
from digest.tracking.rates import Rate, added, rate
from digest.tracking.reports import HostFigures, IssueReport
from digest.tracking.trends import Growth, Trends, Unit
from digest.web.pages import host_of

FEW_DELIVERED = 0.95
"""A mailbox provider that takes less than this share refuses more than addresses that are gone."""

ENOUGH = 50
"""Of fewer copies at a mailbox provider no share is called bad: one copy would be 2 %."""

SOME = 3
"""Of fewer complaints at a mailbox provider nothing is said."""

STATES = {"sending": "being sent", "paused": "paused", "cancelled": "cancelled"}
FORMS = {"full": "in full", "brief": "in brief", "link": "as a link", "more": "only counted"}


def headline(report: IssueReport) -> str:
    """Say of an issue what matters most."""
    issue, of = f"Issue {report.number}", counted(report.audience)
    match report.state:
        case "sending":
            return f"{issue} is being sent: {counted(report.accepted)} of {of} so far."
        case "paused":
            return f"{issue} is paused: {counted(report.accepted)} of {of} are out."
        case "cancelled":
            out = f"after {counted(report.accepted)} of {of} were out" if report.accepted else "before anybody got it"
            return f"{issue} was cancelled {out}."
    if report.delivered is None:
        said = f"{issue} was accepted for {counted(report.accepted)} of {of}"
    else:
        said = f"{issue} reached {counted(report.delivered)} of {of}"
    return f"{said}; {clickers(report.rates.clicked)}." if report.tracking != "off" else f"{said}."


def clickers(share: Rate) -> str:
    """Say how many clicked: ``1 in 9 clicked``."""
    return f"{one_in(share.value)} clicked" if share.count else "nobody clicked yet"


def overview(found: Trends) -> str:
    """Say of all issues together what matters most."""
    mean, count = found.averages, found.averages.issues
    if not count:
        return "No issue has been sent yet."
    which = "The one issue so far" if count == 1 else f"The last {counted(count)} issues"
    reached = f"reached {percent(mean.delivered)}" if mean.delivered is not None else "went out"
    said = f"{which} {reached}{' on average' if count > 1 and mean.delivered is not None else ''}"
    return f"{said}; {one_in(mean.clicked)} clicked." if mean.clicked else f"{said}."


def growth(found: tuple[Growth, ...], unit: Unit) -> str:
    """Say how the audience grew."""
    if not found:
        return "Nobody has come or gone yet."
    net, now = sum(one.net for one in found), found[-1].active
    turn = f"grew by {counted(net)}" if net > 0 else f"shrank by {counted(-net)}" if net < 0 else "stayed as it was"
    return f"The list {turn} in {several(len(found), unit)}, to {several(now, 'reader')}."


def bad(host: HostFigures) -> list[str]:
    """Give what is bad at a mailbox provider, in words."""
    reached = host.accepted if host.delivered is None else host.delivered
    found = []
    if host.accepted >= ENOUGH:
        if host.delivered is not None and host.delivered / host.accepted < FEW_DELIVERED:
            found.append("few delivered")
        if (added(host.bounced_hard, host.bounced_soft) or 0) / host.accepted >= BOUNCES:
            found.append("many bounces")
    if (host.complained or 0) >= SOME and (word := complaints(rate(host.complained or 0, reached, ""))):
        found.append(f"complaints {word}")
    return found


def in_short(address: str) -> str:
    """Write a link's address as people say it: without scheme, `www.` and what a query has."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return shorten(address, 64)
    host = host_of(address) if parts.hostname else ""
    # No host at all is said of what has a port that is none.
    bare = "" if host == address else f"{host}{parts.path.rstrip('/')}"
    return shorten(bare or address, 64)


def complaints(share: Rate | None) -> str:
    """Say that a share of complaints is too high, or nothing."""
    if share is None or share.value is None or share.low is None or share.value < COMPLAINTS:
        return ""
    word, limit = ("over the limit", MANY_COMPLAINTS) if share.value >= MANY_COMPLAINTS else ("high", COMPLAINTS)
    return word if share.low >= limit else f"{word}, may be chance"
