"""The addresses an issue links to, by number. They are written once, in the transaction that freezes the audience."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from digest.issue import issues
from digest.issue.compose import shown
from digest.issue.model import Rendered
from digest.issue.tracked import addresses_in, comparisons_of
from digest.store import Database


def put(
    connection: sqlite3.Connection,
    db: Database,
    issue: int,
    contents: Sequence[Rendered],
    site: str,
    more: Sequence[str] = (),
) -> None:
    """Write down the addresses of an issue and its variants, the issue itself first; `site` is where they lead by.

    `more` are others that can be counted.
    """
    own = (address for content in contents for address in addresses_in(content.html))
    addresses = list(dict.fromkeys((*own, *more)))
    draft = issues.snapshot_of(db, issue)
    comparisons = [item.comparison for item in shown(draft.placed)] if draft else []
    of = comparisons_of(addresses, comparisons, site)
    connection.executemany(
        "INSERT INTO links (issue, number, address, comparison) VALUES (?, ?, ?, ?)",
        [(issue, number, address, of.get(address)) for number, address in enumerate(addresses, start=1)],
    )


def numbers_of(db: Database, issue: int) -> dict[str, int]:
    """Give the numbers of an issue's addresses; none where they are not counted."""
    return dict(db.conn.execute("SELECT address, number FROM links WHERE issue = ?", (issue,)).fetchall())
