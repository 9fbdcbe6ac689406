"""Bounces that come as mails: the mailbox `bounce_imap` is read, and what is proven of a copy happens to it.

Anybody can write to that mailbox. A report counts only with a token that stands in the copy it is about; and it counts
for the address alone that the copy went to, whatever address it names. All else is left for a person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from email import message_from_bytes
from typing import Literal

from digest.errors import SettingsError
from digest.mail.mailbox import Place, beginning, is_by_machine, sender, take_in
from digest.providers.hooks.interface import Told
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.store import Database, writing
from digest.tracking import counting, hook_counting, soft_bounces
from digest.tracking.finding import Finder, Found, key_of
from digest.tracking.happening import Heard, happen
from digest.tracking.returned_mail import read_returned

Became = Literal["told", "nothing", "machine", "person"]
"""What a mail was: a report of a copy of ours; one that says nothing of note; written by a program, such as an
out-of-office answer; or something for a person to read."""

BY_MAIL = "mail"
"""Stands where else the name of a provider stands."""

READ_BYTES = 256 * 1024
"""So much of a mail is fetched: what a report says stands before the copy that it brings back."""


@dataclass
class Look:
    """What one look at the mailbox found.

    `told` counts what was told of copies (``bounced hard``, ``deferred`` …), `strangers` are the From lines of what a
    person must read.
    """

    counts: Counter[Became] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    strangers: list[str] = field(default_factory=list)


def read_bounces(db: Database, settings: Settings, signers: Signers, *, now: datetime) -> Look:
    """Take in the new mails of the mailbox `bounce_imap`.

    Raises:
        SettingsError: no mailbox is set.
        MailboxError: it cannot be reached, or refuses us.
    """
    if not settings.bounce_imap or settings.bounce_imap_password is None:
        raise SettingsError("set bounce_imap and bounce_imap_password to the mailbox that bounces come to")
    found = Look()

    def taken(raw: bytes) -> bool:
        became, told = take(db, raw, settings, signers, now=now)
        found.counts[became] += 1
        found.told.update(word_of(one) for one in told)
        if became == "person":
            found.strangers.append(sender(message_from_bytes(raw)))
        return became != "person"

    place = Place(settings.bounce_imap, settings.bounce_imap_password, "bounce_imap")
    take_in(place, taken, what=beginning(READ_BYTES))
    return found


def take(
    db: Database, raw: bytes, settings: Settings, signers: Signers, *, now: datetime
) -> tuple[Became, Sequence[Told]]:
    """Take a mail in; give what it was, and what of it counts. The same mail again changes nothing.

    Args:
        db: the store.
        raw: the message (RFC 5322), or its beginning.
        settings: ours.
        signers: who made the tokens of copies.
        now: the moment.
    """
    try:
        told = read_returned(raw)
    except Exception:
        # The standard library's parser does not survive every mail, and the others must be read all the same.
        return "person", ()
    if told is None:
        return ("machine" if is_by_machine(message_from_bytes(raw)) else "person"), ()
    if not told:
        return "nothing", ()
    with writing(db) as connection:
        finder = Finder(connection, signers)
        known = [_as_proven(db, one, found) for one in told if (found := finder.find(one))]
        counts: Counter[tuple[str, str, str]] = Counter()
        if known:
            heard = [Heard(BY_MAIL, int(now.timestamp() * 1000), one) for one in known]
            happened = happen(db, heard, finder, settings, now=now)
            soft_bounces.review(db, settings, happened.reviewed)
            counting.drop_noughts(connection, happened.issues)
            counts = happened.counts
        counts[hook_counting.hour_of(now), BY_MAIL, "taken" if known else "refused: no token"] += 1
        hook_counting.count(db, counts)
    return ("told" if known else "person"), known


def word_of(told: Told) -> str:
    """Say what was told, as figures call it: ``bounced hard``."""
    return f"bounced {'hard' if told.hard else 'soft'}" if told.word == "bounced" else told.word


def _as_proven(db: Database, told: Told, found: Found) -> Told:
    """Keep of a report what its token proves: that a copy of this reader, and of nobody else, is meant.

    Where it names another address, such as that of one member of a list, this one did not bounce for good.
    """
    row = db.conn.execute("SELECT email_key FROM subscribers WHERE id = ?", (found.subscriber,)).fetchone()
    theirs = found.key or (row[0] if row else None)
    is_theirs = told.address is not None and key_of(told.address) == theirs
    return replace(told, address=None, batch=None, hard=told.hard and is_theirs)
