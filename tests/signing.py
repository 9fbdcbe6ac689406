"""Signing up over HTTP, as tests of several files do it."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
from altcha import Challenge, Payload, solve_challenge

from digest.store import Database
from digest.tokens import Signer
from serving import Clock, Reader

JSON = {"Accept": "application/json"}


def sign_up(reader: Reader, clock: Clock, email: str = "ada@example.org", **fields: str) -> httpx.Response:
    """Sign up from the form of a page, as a person does: not at once."""
    moment = reader.moment("/sign-up")
    clock.move_on(seconds=5)
    return reader.submit("/sign-up", {"moment": moment, "email": email, **fields})


def solved(challenge: dict[str, Any]) -> str:
    """Solve a riddle as a browser does."""
    given = Challenge.from_dict(challenge)
    solution = solve_challenge(given)
    assert solution is not None
    return Payload(given, solution).to_base64()


def altered(solution: str, **changes: object) -> str:
    """Change the parameters of a riddle that was solved."""
    payload = json.loads(base64.b64decode(solution))
    payload["challenge"]["parameters"] |= changes
    return base64.b64encode(json.dumps(payload).encode()).decode()


def letters(db: Database) -> list[str]:
    """Give the addresses that confirmation letters go to."""
    return [email for (email,) in db.conn.execute("SELECT email FROM letters WHERE kind = 'confirm' ORDER BY id")]


def counted(db: Database) -> dict[str, int]:
    """Give what became of attempts."""
    return dict(db.conn.execute("SELECT outcome, sum(count) FROM sign_up_counts GROUP BY outcome").fetchall())


def link(links: Signer, subscriber: int, ends: float) -> str:
    """Give the path of the link in a confirmation letter."""
    return f"/confirm/{links.sign('confirm', subscriber, int(ends))}"
