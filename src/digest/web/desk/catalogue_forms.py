"""What the forms of the catalogue share: reading them, and telling what is wrong or was changed meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Path, Query

from digest.editors import audit
from digest.editors.catalogue_forms import ChangedMeanwhileError, ProblemsError, seen_of, untouched
from digest.sentences import capital
from digest.store import Database
from digest.web.desk.issues import when
from digest.web.forms import Form

Slug = Annotated[str, Path(max_length=200)]
Typed = Annotated[str, Query(alias="q", max_length=200)]
"""Words that are looked for."""

SIZE = 40
"""Things on a page of a list."""


@dataclass(frozen=True)
class Filled:
    """A form as it is shown: its values, what of the thing it has seen, what is wrong, what another changed.

    `theirs` are the fields another changed meanwhile, each with what it says now and whether ours was typed over it.
    """

    values: Mapping[str, str]
    seen: str = ""
    problems: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    theirs: tuple[tuple[str, str, bool], ...] = ()
    status: int = 200


def typed_in(form: Form, names: Iterable[str]) -> dict[str, str]:
    """Read fields as they were typed, with the line ends of the store."""
    return {name: form.get(name, "").replace("\r\n", "\n").replace("\r", "\n").strip() for name in names}


def filled(shown: Mapping[str, str]) -> Filled:
    """Give the form of a thing as the store has it."""
    return Filled(shown, seen_of(shown))


def again(
    error: ProblemsError | ChangedMeanwhileError, form: Form, typed: Mapping[str, str], shown: Mapping[str, str]
) -> Filled:
    """Give the form once more with what was typed.

    Where another changed the thing meanwhile, what nobody typed into takes what it says now; saved once more, what was
    typed stands.
    """
    seen = form.get("seen", "")
    if isinstance(error, ProblemsError):
        said = {name: capital(words) for name, words in error.problems.items()}
        return Filled(typed, seen, said, error.unknown, status=422)
    left = untouched(seen, typed)
    values = {name: shown.get(name, "") if name in left else value for name, value in typed.items()}
    theirs = tuple(
        (name, shown.get(name, ""), name not in left and values.get(name) != shown.get(name, ""))
        for name in error.fields
    )
    return Filled({**shown, **values}, seen_of(shown), theirs=theirs, status=409)


def last_change(db: Database, what: str, *, now: datetime, zone: ZoneInfo) -> str:
    """Tell who changed a thing last in the desk, and when; nothing where nobody did."""
    for done in audit.done(db, limit=1, what=what):
        return f"{capital(done.who)} {done.did} this {when(done.at, now=now, zone=zone, clock=True)}."
    return ""
