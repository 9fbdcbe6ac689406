"""Proof of work: a riddle that costs a browser a blink, and a script that wants ten thousand of them an hour.

It is ALTCHA's, version 2 (https://altcha.org/docs/v2/proof-of-work-captcha): a number is sought with which PBKDF2 gives
a key that begins as we say. The riddle is signed, so that nothing is kept of it until it is solved; a solved one counts
once. It only widens limits: nobody needs it.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from datetime import datetime, timedelta
from typing import Any

from digest.web.abuse.windows import Window

ALGORITHM = "PBKDF2/SHA-256"
COST = 1_000
FEWEST, MOST = 100, 300
"""Between which the number lies: 200,000 rounds in the mean, 0.1 s in a browser on a laptop and 1 s on an old phone."""

LIFE = timedelta(minutes=30)

LONGEST = 4_000
"""Characters of a solution; ours have 700."""


class Proof:
    """Makes riddles and checks solutions, with a key of the store's own."""

    def __init__(self, key: bytes) -> None:
        self._signing, self._solved = key + b"challenge", key + b"solution"
        self._used = Window(1, LIFE)

    def challenge(self, now: datetime) -> dict[str, Any]:
        """Make a riddle, in the form ALTCHA's solvers take."""
        # Here and below, because the start of the server does not wait for it.
        from altcha import create_challenge

        made: dict[str, Any] = create_challenge(
            ALGORITHM,
            COST,
            counter=FEWEST + secrets.randbelow(MOST - FEWEST + 1),
            # The library's own `expires_at` is read against the machine's clock; this is against ours.
            data={"until": int((now + LIFE).timestamp())},
            hmac_secret=self._signing,
            hmac_key_secret=self._solved,
        ).to_dict()
        return made

    def holds(self, solution: str, now: datetime) -> bool:
        """Tell whether a solution is one of a riddle of ours, in time and for the first time."""
        if not solution or len(solution) > LONGEST:
            return False
        from altcha import Payload, verify_solution

        try:
            payload = Payload.from_dict(json.loads(base64.b64decode(solution, validate=True)))
            if not verify_solution(payload, self._signing, hmac_key_secret=self._solved).verified:
                return False
            parameters = payload.challenge.parameters
            until: int = (parameters.data or {})["until"]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error):
            return False
        return until > now.timestamp() and self._used.take(parameters.nonce, now) is None
