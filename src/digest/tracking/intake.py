"""Where the tracked links of an issue lead, and whether its opens and clicks are counted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from digest.issue import issues
from digest.issue.link_records import numbers_of
from digest.issue.tracked import with_utm
from digest.store import Database

KEPT = 500
"""Issues kept in memory, some 10 KB each; those asked for least recently go first."""

ASK_AGAIN = timedelta(seconds=5)
"""So long an issue is believed to have no links: its audience may be frozen in the next moment."""

_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_WEB = ("http://", "https://")


@dataclass(frozen=True)
class Tracked:
    """Where each link of an issue leads, as it stands in a `Location`; and whether it is counted."""

    is_counted: bool
    locations: Mapping[int, str]

    @property
    def is_known(self) -> bool:
        """Whether there is an issue whose copies have such links, or such a picture."""
        return self.is_counted or bool(self.locations)


class Destinations:
    """Keeps where links lead, so that a click asks no database. They are written once, and never change."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, tuple[Tracked, datetime]] = OrderedDict()

    def of(self, issue: int, load: Callable[[int], Tracked], *, now: datetime) -> Tracked:
        """Give where an issue's links lead; `load` looks it up where that is not known."""
        if (kept := self._kept.get(issue)) is not None:
            found, since = kept
            if found.locations or abs(now - since) < ASK_AGAIN:
                self._kept.move_to_end(issue)
                return found
        found = load(issue)
        self._kept[issue] = found, now
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found


def tracked(db: Database, issue: int) -> Tracked:
    """Look up where an issue's links lead: nowhere, where there is no such issue or it is not tracked."""
    tracking = issues.tracking_of(db, issue)
    utm = tracking.utm if tracking else ""
    return Tracked(
        tracking is not None and tracking.counts,
        {
            number: location(with_utm(address, utm, issue))
            for address, number in numbers_of(db, issue).items()
            # What is no address of the web does not lead by us in the mail either.
            if address.lower().startswith(_WEB)
        },
    )


def location(address: str) -> str:
    """Write an address as it may stand in a header: only what is not printable ASCII is changed, to percent signs."""
    return quote(address, safe=_PRINTABLE)
