"""A copy that a provider would not send is no word about its reader's mailbox."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from mailed import mail
from sqlite_utils import Database

from conftest import NOW
from digest.providers.hooks.interface import Told
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.store import writing
from digest.tokens import Signer
from digest.tracking.finding import Finder
from digest.tracking.happening import Heard, happen
from digest.tracking.records import HookCall, encode
from digest.tracking.working import Working

ADA = "ada@example.net"
SIGNERS = Signers(links=Signer(b"k" * 32), messages=Signer(b"m" * 32))
REJECTED = {"event": "rejected", "reject": {"reason": "Sandbox subdomains are for test purposes only"}}
GIVEN_UP = {"event": "failed", "severity": "permanent", "reason": "old", "delivery-status": {"code": 452}}


def issues(db: Database, settings: Settings) -> list[int]:
    """Mail three issues to one reader."""
    first = mail(db, settings, [ADA])
    for number in (first + 1, first + 2):
        for table, name in (("issues", "number"), ("deliveries", "issue")):
            [row] = db.query(f"SELECT * FROM {table} WHERE {name} = ?", [first])
            db.table(table).insert({**row, name: number})
    return [first, first + 1, first + 2]


def hear(db: Database, settings: Settings, number: int, event: dict[str, Any], now: datetime) -> None:
    copy = SIGNERS.links.sign("copy", number, 1)
    found = {**event, "timestamp": now.timestamp(), "recipient": ADA, "user-variables": {"copy": copy}}
    body = json.dumps({"signature": {}, "event-data": found}).encode()
    with writing(db) as connection:
        Working(db, settings, SIGNERS, clock=lambda: now).take(
            connection, [encode(HookCall("mailgun", body, f"key of {number}", int(now.timestamp() * 1000)))]
        )


@pytest.mark.parametrize(("event", "suppressed"), [(REJECTED, 0), (GIVEN_UP, 1)], ids=["not sent", "given up"])
def test_only_bounces_of_the_mailbox_suppress_its_address(
    sample: Database, settings: Settings, event: dict[str, Any], suppressed: int
) -> None:
    for week, number in enumerate(issues(sample, settings)):
        hear(sample, settings, number, event, NOW + timedelta(days=1 + week))
    assert sample["events"].count == 3
    assert sample["suppressions"].count == suppressed


def test_it_is_kept_why_a_copy_was_not_sent(sample: Database, settings: Settings) -> None:
    number = mail(sample, settings, [ADA])
    copy = SIGNERS.links.sign("copy", number, 1)
    told = Told("bounced", NOW, copy=copy, words="Spam Content", code="5.0.0", blameless=True)
    with writing(sample) as connection:
        heard = [Heard("sendgrid", int(NOW.timestamp() * 1000), told)]
        happen(sample, heard, Finder(connection, SIGNERS), settings, now=NOW)
    assert [(row["key"], row["detail"]) for row in sample["events"].rows] == [("soft", "not sent: Spam Content")]
