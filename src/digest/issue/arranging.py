"""What the desk changes of a draft's comparisons: their order, their forms, and which there are."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from digest import times
from digest.catalogue.queries import load_comparisons
from digest.editors.audit import By
from digest.errors import InputError, NotFoundError, StateError, nearest
from digest.issue.arrangement import (
    Item,
    Items,
    arrangement_of,
    moved,
    shown,
    with_form,
    with_more,
)
from digest.issue.changes import rearrange
from digest.issue.collect import STANDS, Collected, collect
from digest.issue.compose import compose, form_at
from digest.issue.contents import Earlier, last_mailed
from digest.issue.model import Form, Placed
from digest.issue.words import expect_draft
from digest.settings import Settings
from digest.store import Database, writing

FORMS: tuple[Form, ...] = tuple(form for form in get_args(Form) if form != "more")
"""Those an editor may choose: what is only counted, for want of room, is digest's to say."""


@dataclass(frozen=True)
class Added:
    """A comparison that was added; the last issue that it went out in, where there is one."""

    slug: str
    mailed: Earlier | None


def move(db: Database, number: int, slug: str, to: int, *, by: By, now: datetime) -> None:
    """Move a comparison to a place among those shown, from 0; the first is the lead.

    Raises:
        InputError: the issue has no such comparison.
        NoDraftError: it is no draft.
        NotFoundError: there is no such issue.
    """
    with writing(db) as connection:
        before, one = _find(db, connection, number, slug)
        after = moved(before, one.comparison, to)
        if after != before:
            rearrange(db, number, before, after, by=by, now=now, moves=one.comparison)


def set_form(db: Database, number: int, slug: str, form: str, *, by: By, now: datetime) -> None:
    """Show a comparison in a form that stays whatever is moved, or leave it out.

    Raises:
        InputError: the issue has no such comparison, or there is no such form.
        NoDraftError: it is no draft.
        NotFoundError: there is no such issue.
        StateError: nothing would be left.
    """
    chosen = next((known for known in FORMS if known == form), None)
    if chosen is None:
        raise InputError(f"{form[:40]!r} is not one of {', '.join(FORMS)}{nearest(form, FORMS)}", field="form")
    with writing(db) as connection:
        before, one = _find(db, connection, number, slug)
        if chosen == "out" == one.form:
            return
        after = with_form(before, one.comparison, chosen)
        if not shown(after):
            raise StateError("nothing would be left in the issue; put another comparison in first, or cancel the issue")
        if after != before:
            rearrange(db, number, before, after, by=by, now=now)


def add(db: Database, settings: Settings, number: int, slug: str, *, by: By, now: datetime) -> Added:
    """Add a comparison that is public and not in the issue, after those shown.

    Raises:
        NoDraftError: it is no draft.
        NotFoundError: there is no such issue, or no such comparison.
        StateError: it is in the issue already.
    """
    with writing(db) as connection:
        expect_draft(db, number)
        row = connection.execute(
            "SELECT id FROM comparisons WHERE slug = ? AND published_at <= ?", (slug, times.to_text(now))
        ).fetchone()
        if row is None:
            raise NotFoundError(f"no comparison that readers may see is called {slug[:80]!r}")
        before = arrangement_of(connection, number)
        known = next((item for item in before if item.comparison == row[0]), None)
        if known is not None:
            where = "was left out of this issue; bring it back there" if known.form == "out" else "is in it already"
            raise StateError(f"{slug!r} {where}")
        place = len(shown(before))
        form = form_at(place, full=settings.full_comparisons, brief=settings.brief_comparisons)
        new = Item(row[0], form, updated=_has_changed(db, row[0]))
        rearrange(db, number, before, with_more(before, [new]), by=by, now=now)
        return Added(slug, last_mailed(db, [row[0]], but=number).get(row[0]))


def take_in(db: Database, settings: Settings, number: int, *, by: By, now: datetime) -> list[str]:
    """Add what came in since the draft was made: what is public and in no issue, and what changed since it was mailed.

    Gives their slugs. The issue carries the date of now.

    Raises:
        NoDraftError: it is no draft.
        NotFoundError: there is no such issue.
    """
    with writing(db) as connection:
        expect_draft(db, number)
        before = arrangement_of(connection, number)
        there = {item.comparison for item in before}
        came = collect(db, now=now)
        # By itself what changed makes no issue; here there is one.
        found = [
            *compose(Collected(came.new, ()), full=0, brief=0),
            *(Placed(one, "link", True) for one in came.updated),
        ]
        new = [placed for placed in found if placed.comparison.id not in there]
        if not new:
            return []
        first = len(shown(before))
        more = [
            Item(
                placed.comparison.id,
                form_at(first + place, full=settings.full_comparisons, brief=settings.brief_comparisons),
                placed.updated,
            )
            for place, placed in enumerate(new)
        ]
        connection.execute("UPDATE issues SET cutoff = ? WHERE number = ?", (times.to_text(now), number))
        rearrange(db, number, before, with_more(before, more), by=by, now=now)
        return [placed.comparison.slug for placed in new]


def _find(db: Database, connection: sqlite3.Connection, number: int, slug: str) -> tuple[Items, Item]:
    expect_draft(db, number)
    items = arrangement_of(connection, number)
    slugs = dict(
        connection.execute(
            "SELECT c.slug, c.id FROM issue_comparisons i JOIN comparisons c ON c.id = i.comparison WHERE i.issue = ?",
            (number,),
        ).fetchall()
    )
    if slug not in slugs:
        raise InputError(f"the issue has no comparison {slug[:80]!r}{nearest(slug[:80], slugs)}", field="comparison")
    return items, next(item for item in items if item.comparison == slugs[slug])


def _has_changed(db: Database, comparison: int) -> bool:
    """Tell whether a comparison is in substance another than when it was mailed last."""
    row = db.conn.execute(
        "SELECT ic.substance FROM issue_comparisons ic JOIN issues i ON i.number = ic.issue WHERE ic.comparison = ?"  # noqa: S608
        f" AND ic.form <> 'out' AND i.sending_at IS NOT NULL AND {STANDS} ORDER BY i.number DESC LIMIT 1",
        (comparison,),
    ).fetchone()
    return row is not None and not load_comparisons(db, [comparison])[0].has_substance(row[0])
