"""Leaving, whichever way it was asked for, and coming back."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from digest import times
from digest.audience import consents, letterbox, responses
from digest.audience.addresses import Address
from digest.audience.forgetting import PREFIX
from digest.audience.subscribers import unsubscribe
from digest.errors import InputError, StateError
from digest.events import Kind
from digest.store import Database, writing

Way = Literal["one-click", "page", "mail", "preferences", "editor", "api"]
"""How it was asked for: by a mail program (RFC 8058), on the page behind the link, by mail, on the preferences page, by
an editor, by a program."""

WHY = {
    "too-often": "It comes too often",
    "too-long": "It is too long",
    "not-for-me": "It is not about what I need",
    "never-asked": "I never signed up for it",
    "other": "Something else",
}
"""The reasons a reader may choose from, by what the store calls them."""

WORDS = 1_000
"""Characters of a reader's own words."""


def leave(
    db: Database,
    subscriber: int,
    *,
    way: Way,
    now: datetime,
    issue: int | None = None,
    goodbye: bool = False,
) -> bool:
    """Unsubscribe a reader: out of the very next claim, and no import brings the address back.

    Args:
        db: the store.
        subscriber: the reader's number.
        way: how it was asked for.
        now: the moment.
        issue: whose link was used; None or 0 where it was no issue's.
        goodbye: whether a last letter goes out, with the way back: the setting `goodbye_letter`.

    Returns:
        Whether the reader was in until now. One who left already, is forgotten or was never there changes nothing.
    """
    stamp = times.to_text(now)
    with writing(db) as connection:
        row = connection.execute(
            "SELECT s.email, s.email_key, s.state, x.reason FROM subscribers s"
            " LEFT JOIN suppressions x ON x.email_key = s.email_key WHERE s.id = ?",
            (subscriber,),
        ).fetchone()
        if row is None or row[2] == "unsubscribed":
            return False
        email, key, state, suppressed = row
        unsubscribe(db, subscriber, key, now=now)
        if state == "active":
            # Leaving counts until they ask again: no older confirmation letter brings them back.
            connection.execute("DELETE FROM wishes WHERE subscriber = ?", (subscriber,))
        connection.execute(
            "INSERT INTO departures (subscriber, issue, way, left_at) VALUES (?, ?, ?, ?)",
            (subscriber, issue or None, way, stamp),
        )
        consents.note(db, subscriber, "left", way, now=now)
        responses.note(db, Kind.UNSUBSCRIBED, issue=issue, subscriber=subscriber, now=now)
        if goodbye and suppressed is None:
            letterbox.post(db, "goodbye", Address(email, key), subscriber=subscriber, now=now)
    return True


def come_back(db: Database, subscriber: int, *, now: datetime, source: str = "page", words: str | None = None) -> bool:
    """Undo leaving, for a reader who asks for it by a link of their own; give whether anything changed.

    Where an editor does it for a reader who asked, `words` say how.

    Raises:
        StateError: the address is suppressed for another reason than leaving, or its reader is forgotten.
    """
    stamp = times.to_text(now)
    with writing(db) as connection:
        row = connection.execute(
            "SELECT s.email_key, s.state, x.reason FROM subscribers s"
            " LEFT JOIN suppressions x ON x.email_key = s.email_key WHERE s.id = ?",
            (subscriber,),
        ).fetchone()
        if row is None or row[0].startswith(PREFIX):
            raise StateError("we have forgotten the reader of this link, as we were asked to; please sign up anew")
        key, state, suppressed = row
        if state != "unsubscribed":
            return False
        if suppressed not in (None, "unsubscribed"):
            raise StateError(_BARRED[suppressed])
        connection.execute("DELETE FROM suppressions WHERE email_key = ? AND reason = 'unsubscribed'", (key,))
        connection.execute("UPDATE subscribers SET state = 'active', updated_at = ? WHERE id = ?", (stamp, subscriber))
        connection.execute(
            "UPDATE departures SET returned_at = ? WHERE id = (SELECT max(id) FROM departures WHERE subscriber = ?)"
            " AND returned_at IS NULL",
            (stamp, subscriber),
        )
        consents.note(db, subscriber, "returned", source, now=now, words=words)
    return True


def give_reason(db: Database, subscriber: int, *, reason: str, words: str = "") -> bool:
    """Keep why a reader left, once, with the departure that is not undone; give whether there was one to keep it with.

    Raises:
        InputError: it is none of the reasons, or the words are too long.
    """
    if reason and reason not in WHY:
        raise InputError("choose one of the reasons, or none", field="reason")
    if len(words) > WORDS:
        raise InputError(f"they have {len(words)} characters; {WORDS} can be kept", field="words")
    if not reason and not words.strip():
        return False
    with writing(db) as connection:
        return (
            connection.execute(
                "UPDATE departures SET reason = ?, words = ? WHERE returned_at IS NULL"
                " AND id = (SELECT max(d.id) FROM departures d JOIN subscribers s ON s.id = d.subscriber"
                " WHERE d.subscriber = ? AND s.email_key NOT LIKE ?)",
                (reason or None, words.strip() or None, subscriber, f"{PREFIX}%"),
            ).rowcount
            > 0
        )


_BARRED = {
    "hard bounce": "your address refused our mail for good; once it takes mail again, write to us",
    "complaint": "your mail program told us that you do not want our mail; to have it all the same, write to us",
    "forgotten": "we have forgotten the reader of this link, as we were asked to; please sign up anew",
}
