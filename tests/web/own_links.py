"""Readers with links of their own, for the tests of the pages behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from conftest import NOW
from digest.audience import subscribers
from digest.issue import issues
from digest.sending import ledger
from digest.sending.copies import Signers
from digest.sending.ledger import Claimed
from digest.settings import Settings
from digest.tokens import Signer

HOSTILE = {
    "sql": "' OR 1=1; DROP TABLE subscribers; --",
    "template": "{{ 7 * 7 }}{% include 'x' %}${7*7}<%= 7*7 %>",
    "markup": '"><script>alert(1)</script>',
    "long": "x" * 5_000,
    "bidi": "\u202e\u2066evil",
    "path": "../../../../etc/passwd",
}
"""What strangers type into forms, each as a whole value."""


@dataclass(frozen=True)
class Ada:
    """A reader, and the token of her copy of issue 1 (or of a letter)."""

    id: int
    token: str
    links: Signer
    db: Database

    def state(self) -> tuple[str, str | None]:
        """Her state, and why she must not be mailed."""
        row: tuple[str, str | None] = self.db.execute(
            "SELECT s.state, x.reason FROM subscribers s LEFT JOIN suppressions x USING (email_key) WHERE s.id = ?",
            [self.id],
        ).fetchone()
        return row

    def column(self, name: str) -> Any:
        """A column of her row."""
        return self.db.execute(f"SELECT {name} FROM subscribers WHERE id = ?", [self.id]).fetchone()[0]


def signer(db: Database, settings: Settings) -> Signer:
    """The signer of links of a store."""
    return Signers.of(db, settings, now=NOW).links


def ada(db: Database, settings: Settings, *, issue: int = 0, email: str = "ada@example.com") -> Ada:
    """Add a reader, with a link out of an issue or of a letter."""
    id_ = subscribers.add(db, email, now=NOW, name="Ada")[0].id
    links = signer(db, settings)
    return Ada(id_, links.sign("copy", issue, id_), links, db)


def begin_to_send(db: Database, settings: Settings) -> int:
    """Draft and freeze the issue of the sample, and begin to send it to all there are."""
    drafted = issues.draft(db, settings, now=NOW).issue
    assert drafted is not None
    issues.freeze(db, settings, drafted.number, now=NOW)
    ledger.freeze_audience(db, drafted.number, now=NOW)
    return drafted.number


def claim(db: Database, issue: int) -> Claimed | None:
    """Claim the next batch of an issue."""
    return ledger.claim_batch(db, issue, provider="x", account="y", worker=1, size=10, after=0, now=NOW)
