"""Choosing settings in the desk: all of one form or nothing, written down with who did it, and taken back as easily."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from digest import times
from digest.chosen import GOES_NOT_WITH, SECTION_NAMES, SECTION_OF, Section, overlay, problems, read, together
from digest.editors import audit
from digest.editors.audit import By, Done
from digest.errors import InputError, NotFoundError, StateError
from digest.settings import SETTINGS, Settings
from digest.store import Database, writing

DEFAULT = None
"""Chosen for a setting: whatever the default is."""


class WrongChoiceError(InputError):
    """What was chosen is wrong, or does not go together; `problems` says why, by the setting's name."""

    def __init__(self, wrong: Mapping[str, str]) -> None:
        name, why = next(iter(wrong.items()))
        super().__init__(why, field=name)
        self.problems = dict(wrong)
        self.more_json = {"problems": self.problems}


def choose(
    db: Database, own: Settings, values: Mapping[str, object], *, by: By, now: datetime, undoes: int | None = None
) -> int | None:
    """Choose settings of one section; give the number of the change in the audit, or None where nothing changed.

    Args:
        db: the store.
        own: what the operator set, which is stronger than what is chosen.
        values: by the setting's name, as JSON has them or as a form writes them; `DEFAULT` gives the default back.
        by: who chooses.
        now: the moment.
        undoes: the change that this one takes back.

    Raises:
        NotFoundError: there is no such setting to choose.
        StateError: the operator has set one of them.
        WrongChoiceError: a value is wrong, or they do not go together. Nothing is changed then.
    """
    section = _section_of(own, values)
    with writing(db) as connection:
        before = read(connection)
        laid = overlay(own, before)
        standing = {name: json.loads(before[name]) for name in laid.applied if name not in values}
        wanted = standing | {name: value for name, value in values.items() if value is not DEFAULT}
        settings = _made(own, wanted, values)
        after = {name: _kept(settings, name) for name in values}
        changed = {name: text for name, text in after.items() if text != before.get(name)}
        if not changed:
            return None
        _put(connection, changed, now)
        audit.note(
            connection,
            by,
            "changed",
            what_of(section),
            now=now,
            before={name: _loaded(before.get(name)) for name in changed},
            after={name: _loaded(text) for name, text in changed.items()},
            **({"undoes": undoes} if undoes else {}),
        )
        number: int = connection.execute("SELECT max(id) FROM audit").fetchone()[0]
        return number


def undo(db: Database, own: Settings, change: int, *, by: By, now: datetime) -> Section:
    """Put back the values that there were before a change; give the section they are of.

    Raises:
        NotFoundError: there is no such change of settings.
        StateError: one of them was changed again since, or the operator has set it.
        WrongChoiceError: the values before are not valid any more.
    """
    with writing(db) as connection:
        found = find_change(db, change)
        now_chosen = read(connection)
        for name, after in found.detail["after"].items():
            if _loaded(now_chosen.get(name)) != after:
                raise StateError(f"{name} was changed again since; look at the newer changes below")
        before: dict[str, Any] = found.detail["before"]
        choose(db, own, before, by=by, now=now, undoes=change)
    return SECTION_OF[next(iter(before))]


def find_change(db: Database, number: int) -> Done:
    """Give a change of settings by its number.

    Raises:
        NotFoundError: there is none.
    """
    found = next(iter(audit.done(db, limit=1, before=number + 1)), None)
    whats = {what_of(section) for section in SECTION_NAMES}
    if found is None or found.id != number or found.did != "changed" or found.what not in whats:
        raise NotFoundError(f"there is no change {number} of settings")
    return found


def changes(db: Database, section: Section, *, limit: int = 10) -> list[Done]:
    """Give who changed what of a section, the newest first: `detail` has ``before`` and ``after``, by name.

    A value is as JSON has it; None where there was none, and the default counted.
    """
    return audit.done(db, limit=limit, what=what_of(section))


def what_of(section: Section) -> str:
    """Give what the audit calls the settings of a section."""
    return f"{section} settings"


def _section_of(own: Settings, values: Mapping[str, object]) -> Section:
    """Give the section of what is chosen, if all of it may be."""
    for name in values:
        if name not in SECTION_OF:
            known = "it is the operator's to set" if name in SETTINGS else "there is no such setting"
            raise NotFoundError(f"{name} cannot be chosen in the desk: {known}")
        if name in own.model_fields_set:
            raise StateError(f"{name} is set by the operator, and can only be changed there")
    sections = {SECTION_OF[name] for name in values}
    if len(sections) != 1:
        raise NotFoundError("settings are changed a section at a time")
    return sections.pop()


def _made(own: Settings, wanted: Mapping[str, Any], values: Mapping[str, object]) -> Settings:
    try:
        return together(own, wanted)
    except ValidationError as error:
        wrong = problems(error, own, wanted)
        # Said at the field that somebody is looking at.
        beside = {name: GOES_NOT_WITH[name] for name in wrong if name not in values and name in GOES_NOT_WITH}
        raise WrongChoiceError({beside.get(name, name): why for name, why in wrong.items()}) from None


def _kept(settings: Settings, name: str) -> str | None:
    """Give what the store keeps of a setting: nothing where it is the default, which a newer digest may better."""
    value = getattr(settings, name)
    return None if value == SETTINGS[name].default else json.dumps(value, ensure_ascii=False, sort_keys=False)


def _put(connection: sqlite3.Connection, changed: Mapping[str, str | None], now: datetime) -> None:
    connection.executemany(
        "DELETE FROM chosen_settings WHERE name = ?", [(name,) for name, text in changed.items() if text is None]
    )
    connection.executemany(
        "INSERT INTO chosen_settings (name, value, chosen_at) VALUES (?1, ?2, ?3)"
        " ON CONFLICT DO UPDATE SET value = ?2, chosen_at = ?3",
        [(name, text, times.to_text(now)) for name, text in changed.items() if text is not None],
    )


def _loaded(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return None
