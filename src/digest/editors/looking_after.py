"""What an editor does for a reader, written down: by the reader's number, and never by the address."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from digest.audience import adding, browsing, forgetting, signing_up, suppression
from digest.audience.adding import Added, Consent
from digest.audience.addresses import read_address
from digest.audience.leaving import come_back, leave
from digest.audience.signing_up import Wish
from digest.audience.subscribers import Reason
from digest.audience.suppression import ADDABLE, Suppression
from digest.editors import audit
from digest.editors.audit import By
from digest.errors import InputError, NotFoundError
from digest.settings import Settings
from digest.store import Database, writing

SOURCE = "an editor"
"""Where it comes from, in what is kept of a reader."""

WORDS = 1_000
"""Characters in which an editor says what a reader agreed to."""


def add(db: Database, settings: Settings, wish: Wish, agreed: str, *, by: By, now: datetime) -> tuple[int, Added]:
    """Add a reader: active where an editor says what they agreed to, else asked by letter; give the number.

    Raises:
        BrakeError: too many are asked at the moment.
        StateError: the address left, is suppressed or was forgotten; nothing is changed.
    """
    consent = Consent(SOURCE, agreed, now) if agreed else None
    with writing(db) as connection:
        became = adding.add(db, settings, wish, consent, source=SOURCE, now=now)
        number = browsing.subscriber(db, wish.address.email).id
        if became != "known":
            audit.note(connection, by, "added", _named(number), now=now, state="active" if agreed else "pending")
    return number, became


def change(db: Database, subscriber: int, fields: Mapping[str, Any], *, by: By, now: datetime) -> None:
    """Change what a reader chose: see `adding.change`.

    Raises:
        InputError: one of them will not do; nothing is changed.
        NotFoundError: there is no such reader.
    """
    with writing(db) as connection:
        before = browsing.subscriber(db, str(subscriber))
        adding.change(db, subscriber, fields, now=now)
        after = browsing.subscriber(db, str(subscriber))
        # What it is now may say who it is.
        if changed := [name.replace("_", " ") for name in fields if getattr(before, name) != getattr(after, name)]:
            audit.note(connection, by, "changed", _named(subscriber), now=now, fields=changed)


def unsubscribe(db: Database, subscriber: int, *, goodbye: bool, by: By, now: datetime) -> None:
    """Take a reader out, for one who asked an editor for it."""
    with writing(db) as connection:
        if leave(db, subscriber, way="editor", now=now, goodbye=goodbye):
            audit.note(connection, by, "unsubscribed", _named(subscriber), now=now)


def subscribe_again(db: Database, subscriber: int, agreed: str, *, by: By, now: datetime) -> None:
    """Take a reader back who left and asked an editor for it, in words that are kept.

    Raises:
        InputError: how they asked is not said.
        StateError: the address is suppressed for another reason than leaving.
    """
    if not agreed:
        raise InputError("say how they asked to come back; it is kept as their consent", field="agreed")
    with writing(db) as connection:
        if come_back(db, subscriber, now=now, source=SOURCE, words=agreed):
            audit.note(connection, by, "subscribed again", _named(subscriber), now=now)


def confirm_again(db: Database, settings: Settings, subscriber: int, *, by: By, now: datetime) -> bool:
    """Mail the letter to confirm once more; give whether they may have another one by now.

    Raises:
        BrakeError: too many are asked at the moment.
        StateError: they do not wait for it, or must not be mailed.
    """
    with writing(db) as connection:
        went = signing_up.ask_once_more(db, settings, subscriber, now=now)
        if went:
            audit.note(connection, by, "asked to confirm", _named(subscriber), now=now)
    return went


def suppress(db: Database, email: str, reason: str, *, by: By, now: datetime) -> bool:
    """Put an address on the list of those that must not be mailed; give whether anything changed.

    Raises:
        InputError: it is no address, or no reason.
    """
    with writing(db) as connection:
        what = _who(db, email)
        changed = suppression.add_suppression(db, email, read_reason(reason), source=SOURCE, now=now)
        if changed:
            audit.note(connection, by, "suppressed", what, now=now, reason=reason)
    return changed


def lift(db: Database, email: str, *, sure: bool, by: By, now: datetime) -> Suppression:
    """Take an address off that list; give what it was there for.

    Raises:
        InputError: it is no address, or somebody complained or was forgotten and the editor is not `sure`.
        NotFoundError: it is not on the list.
    """
    with writing(db) as connection:
        found = suppression.find_suppression(db, email, now=now)
        if found.reason in ("complaint", "forgotten") and not sure:
            said = "reported our mail as spam" if found.reason == "complaint" else "asked to be forgotten"
            raise InputError(f"they {said}: tick that they asked for our mail since, or leave it", field="sure")
        what = "an address" if found.reason == "forgotten" else _who(db, email)
        suppression.lift(db, email, now=now)
        audit.note(connection, by, "took off the suppression list", what, now=now, was=found.reason)
    return found


def forget(db: Database, subscriber: int, typed: str, *, by: By, now: datetime) -> None:
    """Erase what is kept about a reader, where the editor typed their address.

    Raises:
        InputError: it is another address.
        NotFoundError: there is no such reader.
    """
    with writing(db) as connection:
        found = browsing.subscriber(db, str(subscriber))
        if read_address(typed).key != read_address(found.email).key:
            raise InputError("this is not their address; type it to be sure whom you forget", field="email")
        forgetting.forget(db, subscriber, now=now)
        audit.note(connection, by, "forgot", _named(subscriber), now=now)


def moved(db: Database, did: str, what: str, *, by: By, now: datetime, **detail: object) -> None:
    """Write down that readers or suppressions were imported or exported, and how many."""
    with writing(db) as connection:
        audit.note(connection, by, did, what, now=now, **detail)


def read_reason(text: str) -> Reason:
    """Read a reason that a person may give.

    Raises:
        InputError: it is none.
    """
    for reason in ADDABLE:
        if text == reason:
            return reason
    raise InputError("choose why", field="reason")


def _named(subscriber: int) -> str:
    return f"subscriber {subscriber}"


def _who(db: Database, email: str) -> str:
    """Name the reader who has an address; an address that is no reader's has no name."""
    try:
        return _named(browsing.subscriber(db, email).id)
    except NotFoundError:
        return "an address"
