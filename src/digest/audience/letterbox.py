"""Letters that wait to be mailed: put in here, in the transaction that is their reason; mailed by `sending/postman.py`.

A letter is rendered when it is mailed, from its kind and its detail, so that no token lies in the store.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from digest import times
from digest.audience.addresses import Address
from digest.store import Database, writing

Kind = Literal["confirm", "welcome", "goodbye", "address", "notice"]
"""`address` asks at a new address whether it is the reader's, `detail["change"]` being the change of `address_changes`;
`notice` tells the old one of it."""


def post(
    db: Database,
    kind: Kind,
    to: Address,
    *,
    subscriber: int,
    now: datetime,
    detail: Mapping[str, object] | None = None,
    not_before: datetime | None = None,
) -> int:
    """Put a letter in, to be mailed soon, or not before a moment; give its number."""
    with writing(db) as connection:
        number: int = connection.execute(
            "INSERT INTO letters (kind, subscriber, email, email_key, detail, idempotency_key, not_before, created_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (
                kind,
                subscriber,
                to.email,
                to.key,
                json.dumps(detail or {}),
                secrets.token_hex(16),
                times.to_text(not_before or now),
                times.to_text(now),
            ),
        ).fetchone()[0]
    return number
