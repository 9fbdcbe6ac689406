"""Whose a provider's word is: by the tokens that were handed over with a copy, else by its batch and its address."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from digest.audience.addresses import read_address
from digest.errors import InputError
from digest.providers.hooks.interface import Told
from digest.sending.copies import Signers
from digest.tokens import Purpose, Signer, TokenError, numbers_in

_LETTER = 0
"""Stands in tokens for the issue where a mail is a letter."""


@dataclass(frozen=True)
class Found:
    """Whose copy it is: of an issue, or of a letter where that is 0. `key` is of the address a letter went to."""

    issue: int
    subscriber: int
    key: str | None = None


class Finder:
    """Finds copies; for one transaction, whose state of the store it keeps."""

    def __init__(self, connection: sqlite3.Connection, signers: Signers) -> None:
        self._connection, self._signers = connection, signers
        self._names: dict[int, Signer | None] = {}

    def find(self, told: Told) -> Found | None:
        """Give whose copy something happened to; None where that is no copy of ours, or cannot be told."""
        for token in (told.copy, told.name):
            if token and (found := self._by_token(token)):
                return found
        return self._by_batch(told.batch, told.address) if told.batch and told.address else None

    def _by_token(self, given: str) -> Found | None:
        token = given.strip("<> ").partition("@")[0]
        numbers = numbers_in(token)
        if numbers is None:
            return None
        issue, second = numbers
        if _is_by(self._signers.links, "copy", token):
            return Found(issue, second)
        if issue == _LETTER:
            return self._letter(second, token)
        if issue not in self._names:
            self._names[issue] = self._names_of(issue)
        names = self._names[issue]
        return Found(issue, second) if names and _is_by(names, "message", token) else None

    def _names_of(self, issue: int) -> Signer | None:
        row = self._connection.execute("SELECT nonce FROM issues WHERE number = ?", (issue,)).fetchone()
        if row is None:
            return None
        return self._signers.messages.salted(row[0]) if row[0] else self._signers.messages

    def _letter(self, letter: int, token: str) -> Found | None:
        """Find a letter by its name, which is also handed over as its token where it must not open anything."""
        row = self._connection.execute(
            "SELECT idempotency_key, subscriber, email_key FROM letters WHERE id = ?", (letter,)
        ).fetchone()
        if row is None or not _is_by(self._signers.messages.salted(row[0]), "message", token):
            return None
        return Found(_LETTER, row[1] or 0, row[2])

    def _by_batch(self, batch: str, address: str) -> Found | None:
        key = key_of(address)
        if key is None:
            return None
        row = self._connection.execute(
            "SELECT b.issue, s.id FROM batches b, subscribers s WHERE b.idempotency_key = ? AND s.email_key = ?"
            " AND s.id BETWEEN b.first AND b.last",
            (batch, key),
        ).fetchone()
        if row is not None:
            return Found(*row)
        row = self._connection.execute(
            "SELECT subscriber FROM letters WHERE idempotency_key = ? AND email_key = ?", (batch, key)
        ).fetchone()
        return Found(_LETTER, row[0] or 0, key) if row else None


def key_of(address: str | None) -> str | None:
    """Give the key of an address as a provider writes it; None where it is none."""
    try:
        return read_address(address).key if address else None
    except InputError:
        return None


def _is_by(signer: Signer, purpose: Purpose, token: str) -> bool:
    try:
        signer.read(purpose, token)
    except TokenError:
        return False
    return True
