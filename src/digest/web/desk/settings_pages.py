"""A page of settings: shown, saved, given back to the default, undone. What a section has beside is in its own file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from digest.chosen import SECTION_OF, SECTIONS, Section
from digest.editors import choosing
from digest.editors.audit import Done
from digest.editors.choosing import WrongChoiceError
from digest.editors.sessions import Here
from digest.errors import NotFoundError
from digest.issue.looks import approved_otherwise
from digest.sentences import sentence
from digest.store import Database
from digest.web.desk.pages import OWN, done, page, wants_json
from digest.web.desk.settings_fields import changed_in, fields, parts, told, typed_in
from digest.web.desk.settings_words import LABELS, TITLES
from digest.web.forms import Form
from digest.web.state import State

ADDRESSES: Mapping[Section, str] = {
    section: "/desk/settings/" if section == "newsletter" else f"/desk/settings/{section}" for section in SECTIONS
}
_OWN_TEMPLATES = ("theme", "sender")
CHANGES = 8
"""How many of the last changes a page shows."""

Beside = Callable[["Asked", Mapping[str, str]], Mapping[str, Any]]
"""Gives what a section's page shows beside its fields, from what is typed in them."""


@dataclass(frozen=True)
class Asked:
    """A request for a page of settings."""

    request: Request
    our: State
    here: Here
    db: Database
    now: datetime


@dataclass(frozen=True)
class Change:
    """A change of settings, for a person: what became of each setting, in words."""

    id: int
    at: str
    who: str
    undoes: bool
    lines: tuple[tuple[str, str, str], ...]


def nothing(asked: Asked, typed: Mapping[str, str]) -> Mapping[str, Any]:
    """Show nothing beside the fields."""
    return {}


def show(
    asked: Asked,
    section: Section,
    beside: Beside = nothing,
    *,
    typed: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
    said: str = "",
    status: int = 200,
) -> Response:
    """Answer with the page of a section, with what somebody typed and what is wrong with it."""
    current = asked.our.current
    of = fields(current, section, typed=typed, problems=problems)
    listed = [_change(found) for found in choosing.changes(asked.db, section, limit=CHANGES)]
    just = asked.request.query_params.get("change", "")
    context = {
        "section": section,
        "title": TITLES[section][0],
        "deck": TITLES[section][1],
        "address": ADDRESSES[section],
        "fields": of,
        "parts": parts(section, of),
        "problems": problems or {},
        "words": said,
        "changes": listed,
        "just": next((change for change in listed if str(change.id) == just), None),
        "stale": approved_otherwise(asked.db, current.held().settings),
        "locked": [field for field in of.values() if field.locked],
    }
    values = {name: field.value for name, field in of.items()}
    template = f"settings-{section}.html" if section in _OWN_TEMPLATES else "settings-section.html"
    return page(
        asked.request,
        asked.our,
        asked.here,
        template,
        context | dict(beside(asked, values)),
        now=asked.now,
        status=status,
    )


def save(asked: Asked, form: Form, section: Section, beside: Beside = nothing) -> Response:
    """Save a form of a section, or give one setting of it back to its default; what is wrong is shown at its field."""
    typed = typed_in(form, section)
    current = asked.our.current
    # Another process may have changed them a moment ago.
    current.look()
    if "default" in form:
        return _default(asked, form, section, typed, beside)
    changed, crossed = changed_in(form, typed, current)
    if crossed:
        return _wrong(asked, section, typed, crossed, beside, status=409)
    try:
        change = _choose(asked, changed)
    except WrongChoiceError as error:
        return _wrong(asked, section, typed, error.problems, beside, status=422)
    if wants_json(asked.request):
        return JSONResponse({"change": change}, headers=OWN)
    return done(f"{ADDRESSES[section]}?{f'done=saved&change={change}' if change else 'done=same'}")


def undo(asked: Asked, form: Form) -> Response:
    """Put back what there was before a change."""
    number = form.text("change")
    if not number.isascii() or not number.isdigit() or len(number) > 15:
        raise NotFoundError("there is no such change of settings")
    section = choosing.undo(asked.db, asked.our.current.own, int(number), by=asked.here.by, now=asked.now)
    asked.our.current.look()
    return done(f"{ADDRESSES[section]}?done=undone")


def _default(asked: Asked, form: Form, section: Section, typed: dict[str, str], beside: Beside) -> Response:
    name = form.text("default")
    if SECTION_OF.get(name) != section:
        raise NotFoundError(f"there is no setting {name[:40]!r} on this page")
    try:
        change = _choose(asked, {name: choosing.DEFAULT})
    except WrongChoiceError as error:
        return _wrong(asked, section, typed, {name: error.message}, beside, status=422)
    typed.pop(name, None)
    if changed_in(form, typed, asked.our.current)[0]:
        words = f"{LABELS.get(name, name)} has its default again. What else you typed is not saved yet."
        return show(asked, section, beside, typed=typed, said=words)
    return done(f"{ADDRESSES[section]}?done=default{f'&change={change}' if change else ''}")


def _choose(asked: Asked, values: Mapping[str, object]) -> int | None:
    if not values:
        return None
    own = asked.our.current.own
    change = choosing.choose(asked.db, own, values, by=asked.here.by, now=asked.now)
    asked.our.current.look()
    return change


def _wrong(
    asked: Asked, section: Section, typed: Mapping[str, str], wrong: Mapping[str, str], beside: Beside, *, status: int
) -> Response:
    problems = {name: sentence(why) for name, why in wrong.items()}
    if wants_json(asked.request):
        return JSONResponse({"error": next(iter(problems.values())), "problems": problems}, status, OWN)
    return show(asked, section, beside, typed=typed, problems=problems, status=status)


def _change(found: Done) -> Change:
    before, after = found.detail["before"], found.detail["after"]
    lines = tuple((_label(name), told(name, before[name]), told(name, after[name])) for name in after)
    return Change(found.id, found.at, found.who, "undoes" in found.detail, lines)


def _label(name: str) -> str:
    label = LABELS.get(name, name)
    return f"{label} (dark)" if name.endswith("_dark") else label
