"""Consent: who agreed to what, when, where and how, so that it can be shown later (GDPR, article 7.1).

What is kept of the network address and the browser is chosen by `consent_details`: a hash under a key of the store's
own, which still answers "was it this address?"; the things themselves; or nothing.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from digest import times
from digest.settings import Settings
from digest.store import Database, store_key, writing

Kind = Literal["asked", "confirmed", "changed", "left", "returned", "imported", "added"]

AGENT = 300
"""Characters of what a browser says it is that are kept, or hashed."""


@dataclass(frozen=True)
class Witness:
    """Where somebody asked from: the page or the other site, the network address, and what the browser says it is."""

    source: str
    ip: str = ""
    agent: str = ""


def sign_up_words(settings: Settings) -> str:
    """Give what one agrees to who signs up, as the form says it."""
    return (
        f"We send you {settings.newsletter_name} once you have confirmed your address, and nothing else."
        " You can leave with one click at any time."
    )


def record(
    db: Database,
    settings: Settings,
    subscriber: int,
    kind: Kind,
    witness: Witness,
    *,
    now: datetime,
    words: str | None = None,
) -> None:
    """Write a consent down, with as much of where it came from as the settings allow."""
    ip, agent = (_kept(db, settings, value, now) for value in (witness.ip, witness.agent[:AGENT]))
    with writing(db) as connection:
        connection.execute(
            "INSERT INTO consents (subscriber, kind, source, words, ip, agent, given_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (subscriber, kind, witness.source, words, ip, agent, times.to_text(now)),
        )


def note(db: Database, subscriber: int, kind: Kind, source: str, *, now: datetime, words: str | None = None) -> None:
    """Write down what a reader did with a link of their own, or asked an editor for, who says in which words.

    Nothing of network or browser is asked for that.
    """
    with writing(db) as connection:
        connection.execute(
            "INSERT INTO consents (subscriber, kind, source, words, given_at) VALUES (?, ?, ?, ?, ?)",
            (subscriber, kind, source, words, times.to_text(now)),
        )


def _kept(db: Database, settings: Settings, value: str, now: datetime) -> str | None:
    if not value or settings.consent_details == "none":
        return None
    if settings.consent_details == "kept":
        return value
    return hmac.digest(store_key(db, "consents", now=now), value.encode(), "sha256").hex()
