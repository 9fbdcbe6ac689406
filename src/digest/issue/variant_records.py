"""The variants of an issue in the store. They are written once, in the transaction that freezes the audience."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from digest.errors import NotFoundError
from digest.issue import issues
from digest.issue.model import Rendered
from digest.issue.render import links_of
from digest.issue.variants import WHOLE, Cut
from digest.store import Database


@dataclass(frozen=True)
class Variant:
    """An issue as it is mailed to readers of some topics; its content has the envelope of the issue."""

    cut: Cut
    content: Rendered


def put(connection: sqlite3.Connection, issue: int, variants: Sequence[Variant]) -> None:
    """Write down the variants of an issue, number 1 first."""
    connection.executemany(
        "INSERT INTO variants (issue, variant, topics, subject, preheader, html, text, content_hash, comparisons)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                issue,
                number,
                json.dumps(variant.cut.topics),
                variant.content.subject,
                variant.content.preheader,
                variant.content.html,
                variant.content.text,
                issues.content_hash(variant.content),
                json.dumps(variant.cut.comparisons),
            )
            for number, variant in enumerate(variants, start=1)
        ],
    )


def cuts_of(db: Database, issue: int) -> dict[int, Cut]:
    """Give what is in each variant of an issue, by its number."""
    rows = db.conn.execute(
        "SELECT variant, topics, comparisons FROM variants WHERE issue = ? ORDER BY variant", (issue,)
    )
    return {number: Cut(tuple(json.loads(topics)), tuple(json.loads(slugs))) for number, topics, slugs in rows}


def content_of(db: Database, issue: int, variant: int) -> Rendered:
    """Give what is mailed to readers of a variant; 0 is the issue itself.

    Raises:
        NotFoundError: the issue is not approved, or has no such variant.
    """
    whole = issues.frozen(db, issue)
    if whole is None:
        raise NotFoundError(f"issue {issue} is not approved, so nothing of it is frozen")
    if variant == WHOLE:
        return whole
    row = db.conn.execute(
        "SELECT subject, preheader, html, text FROM variants WHERE issue = ? AND variant = ?", (issue, variant)
    ).fetchone()
    if row is None:
        raise NotFoundError(f"issue {issue} has no variant {variant}")
    subject, preheader, html, text = row
    return Rendered(whole.envelope, subject, preheader, "", html, text, links_of(html), whole.tracking)


def check_variants(db: Database) -> list[str]:
    """Look for variants whose content is not what was frozen; a line each."""
    wrong = []
    for number, variant, known in db.conn.execute("SELECT issue, variant, content_hash FROM variants").fetchall():
        try:
            found = issues.content_hash(content_of(db, number, variant))
        except NotFoundError:
            found = ""
        if found != known:
            wrong.append(f"variant {variant} of issue {number} is not what was frozen: it does not match its hash")
    return wrong


def in_envelope(content: Rendered, whole: Rendered) -> Rendered:
    """Give the content of a variant as it is kept: with the envelope and tracking of its issue, without its MJML."""
    return replace(content, envelope=whole.envelope, tracking=whole.tracking, mjml="")
