"""The issues that went out, as the site shows them.

An issue is public from the moment its audience is frozen: the first copies arrive while the last are being handed over,
and each has a link to the issue on the web. A cancelled one stays where anybody was, or may have been, mailed it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from digest import times
from digest.errors import NotFoundError
from digest.issue.collect import STANDS
from digest.store import Database

_PUBLIC = f"i.sending_at IS NOT NULL AND i.html IS NOT NULL AND {STANDS}"
_COLUMNS = "i.number, w.subject, w.preheader, i.intro, i.cutoff, i.sending_at, i.content_hash"
_ISSUES = "issues i JOIN shown_words w ON w.issue = i.number"
MOST = 2**31 - 1
"""The largest number an issue may have in an address."""


@dataclass(frozen=True)
class Mailed:
    """An issue that went out: `cutoff` is the date it carries, `sending_at` when the first copies were handed over."""

    number: int
    subject: str
    preheader: str
    intro: str
    cutoff: datetime
    sending_at: datetime
    content_hash: str


@dataclass(frozen=True)
class Shelf:
    """Some of the issues that went out, the newest first, and how many there are in all."""

    issues: tuple[Mailed, ...]
    number: int
    size: int
    total: int

    @property
    def last(self) -> int:
        """The number of the last page; 1 where there is nothing."""
        return max(1, -(-self.total // self.size))


def mailed(db: Database, *, page: int = 1, size: int = 20) -> Shelf:
    """Give the issues that went out, `page` counted from 1."""
    total: int = db.conn.execute(f"SELECT count(*) FROM issues i WHERE {_PUBLIC}").fetchone()[0]  # noqa: S608
    rows = db.conn.execute(
        f"SELECT {_COLUMNS} FROM {_ISSUES} WHERE {_PUBLIC} ORDER BY i.number DESC LIMIT ? OFFSET ?",  # noqa: S608
        (size, (page - 1) * size),
    ).fetchall()
    return Shelf(tuple(_issue(row) for row in rows), page, size, total)


def find_mailed(db: Database, number: int) -> Mailed:
    """Give an issue that went out.

    Raises:
        NotFoundError: there is none of that number, or it has not gone out.
    """
    row = None
    if 0 < number <= MOST:
        row = db.conn.execute(
            f"SELECT {_COLUMNS} FROM {_ISSUES} WHERE i.number = ? AND {_PUBLIC}",  # noqa: S608
            (number,),
        ).fetchone()
    if row is None:
        raise NotFoundError("there is no issue at this address")
    return _issue(row)


def all_shown(db: Database) -> list[tuple[int, datetime]]:
    """Give the number of every issue that is shown as a page, and when it went out, the newest first."""
    rows = db.conn.execute(
        f"SELECT i.number, i.sending_at FROM issues i WHERE i.snapshot IS NOT NULL AND {_PUBLIC}"  # noqa: S608
        " ORDER BY i.number DESC"
    )
    return [(number, times.from_text(sent)) for number, sent in rows]


def beside(db: Database, number: int) -> tuple[int | None, int | None]:
    """Give the numbers of the issues that went out before and after one."""
    row = db.conn.execute(
        f"SELECT (SELECT max(i.number) FROM issues i WHERE i.number < :number AND {_PUBLIC}),"  # noqa: S608
        f" (SELECT min(i.number) FROM issues i WHERE i.number > :number AND {_PUBLIC})",
        {"number": number},
    ).fetchone()
    return row[0], row[1]


def frozen_html(db: Database, number: int) -> str:
    """Give the HTML of an issue that went out, with the places that differ per copy still open."""
    html: str = db.conn.execute("SELECT html FROM issues WHERE number = ?", (number,)).fetchone()[0]
    return html


def pages_of_tools(db: Database, number: int) -> dict[str, str]:
    """Give, for the slug of each tool in an issue, the slug of its comparison there."""
    rows = db.conn.execute(
        "SELECT t.slug, c.slug FROM issue_comparisons ic JOIN comparisons c ON c.id = ic.comparison"
        " JOIN tools t ON t.id IN (c.left_tool, c.right_tool)"
        " WHERE ic.issue = ? AND ic.form <> 'out' ORDER BY ic.position DESC",
        (number,),
    )
    return dict(rows.fetchall())


def _issue(row: tuple[int, str, str, str, str, str, str]) -> Mailed:
    number, subject, preheader, intro, cutoff, sending_at, content_hash = row
    moments = times.from_text(cutoff), times.from_text(sending_at)
    return Mailed(number, subject, preheader, intro, *moments, content_hash)
