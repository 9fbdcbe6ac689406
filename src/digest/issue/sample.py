"""A mail to see the look by, whatever there is: it has comparisons in each form, and is soon rendered."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from digest.errors import StateError
from digest.issue import issues
from digest.issue.collect import collect
from digest.issue.compose import compose, words_for
from digest.issue.looking import copy_for
from digest.issue.model import Draft, Form, Placed
from digest.issue.render import render
from digest.mail.letters import render_letter, welcome
from digest.mail.templates import TemplateError
from digest.settings import Settings
from digest.store import Database
from digest.tokens import TOKEN_LENGTH

_FORMS: tuple[Form, ...] = ("full", "brief", "brief", "link", "link")


def sample(db: Database, settings: Settings, *, now: datetime) -> str:
    """Give the HTML of a mail in the look of some settings, which need not be those in force.

    It is the beginning of the newest issue; where there is none, of the one there would be; where there is nothing
    to compare yet, the letter of welcome.

    Raises:
        StateError: the newsletter's own templates are wrong.
    """
    draft = _draft(db, now)
    try:
        if draft is None:
            return render_letter(welcome(settings, token="x" * TOKEN_LENGTH, name="Ada"), settings).html
        return copy_for(render(draft, settings)).html
    except TemplateError as error:
        raise StateError(f"the mail cannot be shown: {error}") from None


def _draft(db: Database, now: datetime) -> Draft | None:
    newest = db.conn.execute("SELECT max(number) FROM issues").fetchone()[0]
    if newest is not None:
        draft = issues.load_draft(db, newest)
        return replace(draft, placed=_some(draft.placed))
    placed = _some(compose(collect(db, now=now), full=1, brief=2))
    if not placed:
        return None
    words = words_for(placed)
    return Draft(1, now, words["subject"], words["preheader"], words["intro"], placed)


def _some(placed: tuple[Placed, ...]) -> tuple[Placed, ...]:
    shown = [item for item in placed if item.form != "out"]
    return tuple(replace(item, form=form) for item, form in zip(shown, _FORMS, strict=False))
