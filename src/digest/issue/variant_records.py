"""The variants of an issue in the store. They are written once, in the transaction that freezes the audience.

Where several subjects are tried, each set of topics has a variant for each of them, and one that waits: its readers get
the subject that wins, and what it is is written down when that is decided.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from digest.errors import NotFoundError
from digest.issue import issues
from digest.issue.model import Draft, Rendered
from digest.issue.render import links_of
from digest.issue.variants import WHOLE, Cut
from digest.store import Database

WAITS = "alternative IS NULL AND same_as IS NULL"
"""What is true of a variant, of the table `variants`, that nobody can be handed yet."""


@dataclass(frozen=True)
class Variant:
    """An issue as it is mailed to readers of some topics; its content has the envelope of the issue.

    `draft` is what it was rendered from, where that is known.
    """

    cut: Cut
    content: Rendered
    draft: Draft | None = None


@dataclass(frozen=True)
class Retitled:
    """A variant, or the issue itself, with another subject: `number` is its own, `of` the one of which it is.

    `alternative` is the number of the subject among the issue's; where it is None, so is the content, and it waits for
    the one that wins. `alike` says whether HTML and text are those of the other: they are kept once.
    """

    number: int
    of: int
    cut: Cut
    alternative: int | None = None
    content: Rendered | None = None
    alike: bool = False


def put(
    connection: sqlite3.Connection, issue: int, variants: Sequence[Variant], retitled: Sequence[Retitled] = ()
) -> None:
    """Write down the variants of an issue, number 1 first, and those of them with other subjects."""
    as_they_are = [
        Retitled(number, number, variant.cut, 0, variant.content) for number, variant in enumerate(variants, start=1)
    ]
    connection.executemany(
        "INSERT INTO variants (issue, variant, of_variant, topics, comparisons, alternative, subject, preheader,"
        " content_hash, html, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(issue, *_row(one)) for one in (*as_they_are, *retitled)],
    )


def _row(one: Retitled) -> tuple[object, ...]:
    key = one.number, one.of, json.dumps(one.cut.topics), json.dumps(one.cut.comparisons), one.alternative
    content = one.content
    if content is None:
        return *key, None, None, None, None, None
    texts = (None, None) if one.alike else (content.html, content.text)
    return *key, content.subject, content.preheader, issues.content_hash(content), *texts


def cuts_of(db: Database, issue: int) -> dict[int, Cut]:
    """Give what is in each variant of an issue, by its number; those with other subjects are not among them."""
    rows = db.conn.execute(
        "SELECT variant, topics, comparisons FROM variants WHERE issue = ? AND variant = of_variant ORDER BY variant",
        (issue,),
    )
    return {number: Cut(tuple(json.loads(topics)), tuple(json.loads(slugs))) for number, topics, slugs in rows}


def ready(db: Database, issue: int) -> tuple[int, ...]:
    """Give the numbers of all that may be handed over of an issue: itself, and its variants but for those that wait."""
    rows = db.conn.execute(
        f"SELECT variant FROM variants WHERE issue = ? AND NOT ({WAITS}) ORDER BY variant",  # noqa: S608 (our own words)
        (issue,),
    )
    return (WHOLE, *(variant for (variant,) in rows))


def content_of(db: Database, issue: int, variant: int) -> Rendered:
    """Give what is mailed to readers of a variant; 0 is the issue itself.

    Raises:
        NotFoundError: the issue is not approved, or has no such variant, or it waits for the subject that wins.
    """
    whole = issues.frozen(db, issue)
    if whole is None:
        raise NotFoundError(f"issue {issue} is not approved, so nothing of it is frozen")
    return whole if variant == WHOLE else _content(db, issue, variant, whole)


def _content(db: Database, issue: int, variant: int, whole: Rendered) -> Rendered:
    row = db.conn.execute(
        "SELECT v.subject, v.preheader, coalesce(v.html, o.html), coalesce(v.text, o.text), v.alternative, v.same_as"
        " FROM variants v LEFT JOIN variants o ON o.issue = v.issue AND o.variant = v.of_variant"
        " WHERE v.issue = ? AND v.variant = ?",
        (issue, variant),
    ).fetchone()
    if row is None:
        raise NotFoundError(f"issue {issue} has no variant {variant}")
    subject, preheader, html, text, alternative, same_as = row
    if alternative is None:
        if same_as is None:
            raise NotFoundError(f"variant {variant} of issue {issue} waits for the subject that wins")
        return whole if same_as == WHOLE else _content(db, issue, same_as, whole)
    html, text = whole.html if html is None else html, whole.text if text is None else text
    return Rendered(whole.envelope, subject, preheader, "", html, text, links_of(html), whole.tracking)


def check_variants(db: Database) -> list[str]:
    """Look for variants whose content is not what was frozen; a line each."""
    wrong = []
    rows = db.conn.execute(f"SELECT issue, variant, content_hash FROM variants WHERE NOT ({WAITS})").fetchall()  # noqa: S608
    for number, variant, known in rows:
        try:
            found = issues.content_hash(content_of(db, number, variant))
        except NotFoundError:
            found = ""
        if found != known:
            wrong.append(f"variant {variant} of issue {number} is not what was frozen: it does not match its hash")
    return wrong


def in_envelope(content: Rendered, whole: Rendered) -> Rendered:
    """Give the content of a variant as it is kept: with the envelope and tracking of its issue, without its MJML."""
    return replace(content, envelope=whole.envelope, tracking=whole.tracking, mjml="", subject_test=None)
