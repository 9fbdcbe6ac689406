"""What the desk changes of a draft's words, and undoing: each change one short transaction, with its row in `edits`.

Several people change one issue at a time. Who writes says what the page last saw; where somebody else wrote meanwhile
the two are merged, and where both changed the same words the later ones are set aside: nothing typed is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from digest.editors.audit import By
from digest.errors import StateError
from digest.issue import arrangement
from digest.issue.edits import (
    Edit,
    Field,
    LastHand,
    Word,
    find_edit,
    goes_on_typing,
    last_hand,
    note_editing,
    record,
    undoable,
)
from digest.issue.merging import merge_words
from digest.issue.set_aside import Aside, set_aside, settle, unsettle
from digest.issue.words import (
    LONGEST,
    NoDraftError,
    Words,
    clean,
    compose_again,
    expect_draft,
    expect_short,
    put_words,
    words_of,
)
from digest.store import Database, writing

CALLED: dict[Field, str] = {
    "subject": "the subject",
    "preheader": "the preheader",
    "intro": "the introduction",
    "comparisons": "the comparisons",
}


class ConflictError(StateError):
    """Somebody else changed the same words; what was typed is set aside.

    `more_json` has their words, who wrote them and when, and what those set aside are called.
    """

    def __init__(self, field: Word, theirs: str, version: int, last: LastHand | None, aside: int | None) -> None:
        self.theirs, self.aside = theirs, aside
        who = last.by if last else "somebody"
        kept = "; yours are kept beside the issue, to use or to drop" if aside is not None else ""
        super().__init__(f"{who} changed the same words of {CALLED[field]}{kept}")
        self.more_json = {"theirs": theirs, "by": who, "at": last.at if last else None, "aside": aside}
        self.more_json["version"] = version


@dataclass(frozen=True)
class Written:
    """A field after a write: its text, whether it is a person's own, and whether another's words were merged in."""

    version: int
    text: str
    own: bool
    merged: bool = False


def write(db: Database, number: int, field: Word, text: str, *, base: str, by: By, now: datetime) -> Written:
    """Write words that somebody typed.

    An empty subject gives it back to digest. Words that nobody wrote never stand against those somebody types.

    Args:
        db: the store.
        number: the issue.
        field: which words.
        text: what is in the field now.
        base: what the page had last seen in it before the typing.
        by: who types.
        now: the moment.

    Raises:
        ConflictError: somebody else changed the same words; what was typed is set aside.
        InputError: the words are too long.
        NoDraftError: it is no draft; what was typed is set aside.
        NotFoundError: there is no such issue.
    """
    expect_short(field, text)
    text, base = clean(field, text), clean(field, base)
    with writing(db) as connection:
        words = words_of(db, number)
        current = clean(field, words.text(db, field))
        if text in (base, current):
            return Written(words.version, current, words.own[field] is not None, merged=text != current)
        if words.state == "draft":
            is_own = words.own[field] is not None
            new = text if current == base or (not is_own and not base) else merge_words(base, current, text)
            if new is not None and len(new) > LONGEST[field]:
                new = None
            if new is None and not is_own:
                new = text
            if new is not None:
                return _put(db, words, field, clean(field, new), merged=new != text, by=by, now=now)
        aside = None
        if by.editor is not None and text:
            aside = set_aside(connection, number, field, text, by=by, now=now)
        last = last_hand(connection, number, field)
    # What was set aside is in the store by now: an error inside would have taken it back.
    if words.state != "draft":
        raise NoDraftError(number, words.state, aside=aside)
    raise ConflictError(field, current, words.version, last, aside)


def give_back(db: Database, number: int, field: Word, *, by: By, now: datetime) -> Written:
    """Give words back to digest, which composes them anew whenever the comparisons change.

    Raises:
        NoDraftError: it is no draft.
        NotFoundError: there is no such issue.
    """
    with writing(db):
        expect_draft(db, number)
        words = words_of(db, number)
        if words.own[field] is None:
            return Written(words.version, words.text(db, field), own=False)
        return _put(db, words, field, None, merged=False, by=by, now=now)


def use_aside(db: Database, number: int, id_: int, *, by: By, now: datetime) -> Aside:
    """Put words that were set aside into their field; what stood there can be had back by an undo.

    Raises:
        NoDraftError: it is no draft.
        NotFoundError: nothing was set aside under this id.
        StateError: they were used or thrown away already.
    """
    with writing(db) as connection:
        expect_draft(db, number)
        aside = settle(connection, number, id_, now=now)
        words = words_of(db, number)
        if words.own[aside.field] != aside.words:
            _put(db, words, aside.field, aside.words, merged=False, by=by, now=now, alone=True)
        return aside


def drop_aside(db: Database, number: int, id_: int, *, now: datetime) -> Aside:
    """Throw words away that were set aside.

    Raises:
        NotFoundError: nothing was set aside under this id.
        StateError: they were used or thrown away already.
    """
    with writing(db) as connection:
        return settle(connection, number, id_, now=now)


def keep_aside(db: Database, number: int, id_: int) -> None:
    """Let words wait again that were thrown away.

    Raises:
        NotFoundError: nothing was set aside under this id.
    """
    with writing(db) as connection:
        unsettle(connection, number, id_)


def _put(
    db: Database,
    words: Words,
    field: Word,
    text: str | None,
    *,
    merged: bool,
    by: By,
    now: datetime,
    undoes: int | None = None,
    alone: bool = False,
) -> Written:
    """Write words into a draft, with their row; None, and an empty subject, have digest compose them."""
    if text == "" and field == "subject":
        text = None
    put_words(db, words, field, text)
    goes_on = None if alone or merged else goes_on_typing
    record(db.conn, words.number, field, words.own[field], text, by=by, now=now, undoes=undoes, goes_on=goes_on)
    note_editing(db.conn, words.number, by=by, now=now)
    after = words_of(db, words.number)
    return Written(after.version, after.stored[field], text is not None, merged)


# Undoing ------------------------------------------------------------------------------------------------------------


def undo(db: Database, number: int, *, by: By, now: datetime) -> Field:
    """Take back the newest of one's own edits; give what it was of. What others changed beside it stays.

    Raises:
        NoDraftError: it is no draft.
        NotFoundError: there is no such issue.
        StateError: there is nothing to undo, or somebody changed the same since.
    """
    return _take_back(db, number, 0, by=by, now=now)


def redo(db: Database, number: int, *, by: By, now: datetime) -> Field:
    """Do again what was undone last, if nothing else was done since; raises as `undo` does."""
    return _take_back(db, number, 1, by=by, now=now)


def _take_back(db: Database, number: int, which: int, *, by: By, now: datetime) -> Field:
    with writing(db) as connection:
        expect_draft(db, number)
        found = undoable(connection, number, by.editor)[which] if by.editor is not None else None
        if found is None:
            raise StateError(f"there is nothing of yours to {('undo', 'do again')[which]}")
        edit = find_edit(connection, number, found)
        if edit.field == "comparisons":
            _rearrange_back(db, number, edit, by=by, now=now)
        else:
            _words_back(db, number, edit.field, edit, by=by, now=now)
        return edit.field


def _words_back(db: Database, number: int, field: Word, edit: Edit, *, by: By, now: datetime) -> None:
    words = words_of(db, number)
    current, wanted = words.own[field], edit.before
    if current != edit.after:
        both = None
        if current is not None and wanted is not None and edit.after is not None:
            both = merge_words(edit.after, current, wanted)
        if both is None or len(both) > LONGEST[field] or (field == "subject" and not both):
            raise _changed_since(db, number, field, by)
        wanted = both
    _put(db, words, field, wanted, merged=False, by=by, now=now, undoes=edit.number)


def _rearrange_back(db: Database, number: int, edit: Edit, *, by: By, now: datetime) -> None:
    current = arrangement.arrangement_of(db.conn, number)
    before, after = arrangement.from_json(edit.before), arrangement.from_json(edit.after)
    wanted = before if current == after else arrangement.merged(after, current, before)
    if wanted is None:
        raise _changed_since(db, number, "comparisons", by)
    rearrange(db, number, current, wanted, by=by, now=now, undoes=edit.number)


def rearrange(
    db: Database,
    number: int,
    before: arrangement.Items,
    after: arrangement.Items,
    *,
    by: By,
    now: datetime,
    undoes: int | None = None,
    moves: int | None = None,
) -> None:
    """Put other comparisons into a draft, with their row, and have the words nobody wrote follow. Inside `writing`.

    `moves` is the one that is moved; moving it on, at once, is still the same edit.
    """
    arrangement.arrange(db, number, after)
    compose_again(db, number)

    def still_moving(last: Edit, to: Any) -> bool:
        return moves is not None and _is_move(moves, last.before, last.after) and _is_move(moves, last.after, to)

    old, new = (arrangement.as_json(items) for items in (before, after))
    record(db.conn, number, "comparisons", old, new, by=by, now=now, undoes=undoes, goes_on=still_moving)
    note_editing(db.conn, number, by=by, now=now)


def _is_move(comparison: int, before: Any, after: Any) -> bool:
    """Tell whether nothing but the place of one comparison differs, and the forms of the places."""
    was, now = ([item for item in arrangement.from_json(items) if item.form != "out"] for items in (before, after))
    rest = [[item.comparison for item in items if item.comparison != comparison] for items in (was, now)]
    return rest[0] == rest[1] and len(was) == len(now) and {i.comparison for i in was} == {i.comparison for i in now}


def _changed_since(db: Database, number: int, field: Field, by: By) -> StateError:
    last = last_hand(db.conn, number, field)
    if last is None or last.editor == by.editor:
        return StateError(f"{CALLED[field]} changed since, so this cannot be taken back; change it by hand")
    return StateError(
        f"{last.by} changed {CALLED[field]} since, and taking yours back would take theirs away; change it by hand"
    )
