"""Leaving by one click, tried for real: from the header of an issue, by the public address, into this store.

A dummy is made for it, which nothing else of digest sees (`audience/dummy.py`), and taken away again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

import httpx

from digest.audience import dummy
from digest.doctor.model import Case, Finding
from digest.errors import StateError
from digest.issue.envelope import envelope
from digest.sending.copies import Signers
from digest.store import Database

WORDS = "leaving by one click (RFC 8058), tried with a dummy"
PLACE = 110
NETWORK = True
SECONDS: float | None = 45

_say = partial(Finding, "one-click")
_TOKEN = "[[digest:token]]"  # noqa: S105 (a place, no secret)


def look(case: Case) -> Iterator[Finding]:
    """Let a dummy leave as a mail program lets a reader leave."""
    headers = envelope(0, case.settings).headers
    found = re.search(r"<(https?:[^>]*)>", headers["List-Unsubscribe"])
    if found is None or _TOKEN not in found[1]:
        yield _say(
            "header",
            "bad",
            "the header List-Unsubscribe has no address of one's own",
            "List-Unsubscribe",
            "tell us of it",
        )
        return
    with case.store() as db:
        token = Signers.of(db, case.settings, now=case.clock()).links.sign("copy", 0, dummy.NUMBER)
        try:
            dummy.make(db, now=case.clock())
        except StateError as error:
            yield _say("left", "not looked at", str(error))
            return
        try:
            yield from _try(case, db, found[1].replace(_TOKEN, token), headers["List-Unsubscribe-Post"])
        finally:
            dummy.remove(db)


def _try(case: Case, db: Database, address: str, body: str) -> Iterator[Finding]:
    site = case.settings.base_url
    todo = "let the proxy pass GET and POST of /u/ on as they are, without a login, a redirect or a challenge"
    with case.client() as client:
        try:
            client.get(address)
            if dummy.way_out(db):
                yield _say(
                    "looking",
                    "bad",
                    "opening the link unsubscribes: scanners of mail would unsubscribe readers",
                    site,
                    todo,
                )
                return
            yield _say("looking", "pass", "opening the link changes nothing")
            name, _, value = body.partition("=")
            answer = client.post(address, data={name: value})
        except httpx.HTTPError as error:
            words = f"nobody can leave: {site} does not answer ({error or type(error).__name__})"
            yield _say("left", case.grave, words, site, "start `digest serve`; see the subject web", "digest serve")
            return
    way = dummy.way_out(db)
    if way and answer.status_code == 200:
        yield _say("left", "pass", "one click in a mail program unsubscribes, at once and without a question")
    elif way:
        words = f"one click unsubscribes, but is answered {answer.status_code}: mail programs take that for a failure"
        yield _say("left", case.grave, words, site, todo)
    elif answer.status_code == 200:
        words = f"{site} answers that one left, and in this store nobody did: it is another store that answers"
        yield _say("left", case.grave, words, site, "let base_url lead to what serves this store")
    else:
        words = f"one click does not unsubscribe: {site} answers {answer.status_code} to the POST of a mail program"
        yield _say("left", case.grave, words, site, todo)
