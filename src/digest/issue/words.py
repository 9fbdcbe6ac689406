"""The words of a draft as they are in the store: a person's own, or composed of its comparisons."""

from __future__ import annotations

import json
from dataclasses import dataclass

from digest.errors import InputError, StateError
from digest.issue.compose import words_for
from digest.issue.edits import WORDS, Word
from digest.issue.issues import find_issue, load_draft
from digest.issue.model import State
from digest.store import Database

LONGEST: dict[Word, int] = {"subject": 300, "preheader": 300, "intro": 20_000}
"""Characters a field may have; the checks speak long before."""


class NoDraftError(StateError):
    """An issue cannot be edited in the state it is in; `more_json` names the state, and what was set aside."""

    def __init__(self, number: int, state: State, *, aside: int | None = None) -> None:
        what = {
            "approved": "is approved; take it back to draft first, then it can be edited",
            "sending": "is being sent, so it stands as it is",
            "paused": "is being sent, so it stands as it is",
            "sent": "is sent, so it stands as it is",
            "cancelled": "is cancelled, so it stands as it is",
        }[state]
        kept = ". What you typed is kept beside it" if aside is not None else ""
        super().__init__(f"issue {number} {what}{kept}")
        self.more_json = {"state": state, "aside": aside}


@dataclass(frozen=True)
class Words:
    """An issue's words: `own` are those a person wrote, None where nobody did."""

    number: int
    state: State
    version: int
    stored: dict[Word, str]
    own: dict[Word, str | None]

    def text(self, db: Database, field: Word) -> str:
        """Give the words of a field as they would be mailed: composed where nobody wrote them."""
        own = self.own[field]
        if own is not None:
            return own
        return composed(db, self.number)[field] if self.state == "draft" else self.stored[field]


def words_of(db: Database, number: int) -> Words:
    """Give the words of an issue.

    Raises:
        NotFoundError: there is no such issue.
    """
    row = db.conn.execute(
        "SELECT state, version, subject, preheader, intro, own_words FROM issues WHERE number = ?", (number,)
    ).fetchone()
    if row is None:
        find_issue(db, number)
    state, version, *words, own = row
    stored = dict(zip(WORDS, words, strict=True))
    theirs = json.loads(own)
    return Words(number, state, version, stored, {name: stored[name] if name in theirs else None for name in WORDS})


def expect_draft(db: Database, number: int) -> None:
    """Refuse what is no draft.

    Raises:
        NotFoundError: there is no such issue.
        NoDraftError: it is past editing, or must be taken back first.
    """
    words = words_of(db, number)
    if words.state != "draft":
        raise NoDraftError(number, words.state)


def composed(db: Database, number: int) -> dict[Word, str]:
    """Give the words that digest writes of a draft's comparisons."""
    found = words_for(load_draft(db, number).placed)
    return {name: found[name] for name in WORDS}


def put_words(db: Database, words: Words, field: Word, text: str | None) -> None:
    """Write words into a draft; None has digest compose them again. Inside `writing`."""
    own = {name for name, word in words.own.items() if word is not None} - {field}
    value = composed(db, words.number)[field] if text is None else text
    db.conn.execute(
        f"UPDATE issues SET {field} = ?, own_words = ? WHERE number = ?",  # noqa: S608 (one of WORDS)
        (value, json.dumps(sorted(own if text is None else {*own, field})), words.number),
    )


def compose_again(db: Database, number: int) -> None:
    """Have the words nobody wrote follow the comparisons of a draft that were changed. Inside `writing`."""
    draft = load_draft(db, number)
    known = words_of(db, number)
    new = {name: getattr(draft, name) for name in WORDS}
    if new != known.stored:
        db.conn.execute(
            "UPDATE issues SET subject = ?, preheader = ?, intro = ? WHERE number = ?", (*new.values(), number)
        )


def read_field(name: str) -> Word:
    """Read the name of a field of words.

    Raises:
        InputError: there is none of this name.
    """
    for known in WORDS:
        if name == known:
            return known
    raise InputError(f"{name[:40]!r} is not one of {', '.join(WORDS)}", field="field")


def clean(field: Word, text: str) -> str:
    """Give words as they are kept: a subject and a preheader in one line, an intro with one kind of line break.

    Raises:
        InputError: they are too long.
    """
    if field == "intro":
        return text.replace("\r\n", "\n").replace("\r", "\n")
    return " ".join(text.split())


def expect_short(field: Word, text: str) -> None:
    """Refuse words that are too long.

    Raises:
        InputError: with how long they may be.
    """
    if len(text) > LONGEST[field]:
        raise InputError(f"it has {len(text):,} characters, more than the {LONGEST[field]:,} it may have", field=field)
