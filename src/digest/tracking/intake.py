"""Where the tracked links of an issue lead, and whether its opens and clicks are counted at all."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from digest.issue.tracked import with_utm
from digest.store import Database

KEPT = 500
"""Issues kept in memory, some 10 KB each; those asked for least recently go first."""

ASK_AGAIN = timedelta(seconds=5)
"""So long an issue that has no links is known to have none: its audience may be frozen in the next moment."""

_AS_IT_IS = "".join(map(chr, range(0x21, 0x7F)))
_WEB = ("http://", "https://")


@dataclass(frozen=True)
class Tracked:
    """How an issue is tracked: by the number of each link where it leads, as it stands in a `Location`."""

    is_counted: bool
    locations: Mapping[int, str]


class Destinations:
    """Keeps where links lead, so that a click asks no database."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Tracked] = OrderedDict()
        self._none: dict[int, datetime] = {}

    def of(self, issue: int, load: Callable[[int], Tracked | None], *, now: datetime) -> Tracked | None:
        """Give how an issue is tracked; None where it has no tracked links.

        `load` looks it up where it is not known. Links are written down once and never change; that there are none is
        believed for a moment only.
        """
        if (known := self._kept.get(issue)) is not None:
            self._kept.move_to_end(issue)
            return known
        if abs(now - self._none.get(issue, datetime.min.replace(tzinfo=now.tzinfo))) < ASK_AGAIN:
            return None
        found = load(issue)
        if found is None:
            # Only who has a token of ours asks for an issue: these are few.
            self._none = {**self._none, issue: now} if len(self._none) < KEPT else {issue: now}
            return None
        self._kept[issue] = found
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found


def tracked(db: Database, issue: int) -> Tracked | None:
    """Look up how an issue is tracked; None where it has no links written down."""
    row = db.conn.execute("SELECT tracking FROM issues WHERE number = ?", (issue,)).fetchone()
    links = db.conn.execute("SELECT number, address FROM links WHERE issue = ?", (issue,)).fetchall()
    if row is None or not links:
        return None
    frozen = json.loads(row[0]) if row[0] else None
    utm = str(frozen.get("utm", "")) if frozen else ""
    # Of an address that is none of the web nobody is led to: what is in the mail does not lead by us.
    return Tracked(
        frozen is not None,
        {int(number): location(with_utm(to, utm, issue)) for number, to in links if to.lower().startswith(_WEB)},
    )


def location(address: str) -> str:
    """Write an address as it may stand in a header: only what is not printable ASCII is written in percent."""
    return quote(address, safe=_AS_IT_IS)
