"""Editors: who may use the desk, and what each may do."""

from __future__ import annotations

import secrets
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from digest import times
from digest.audience import letterbox
from digest.audience.addresses import read_address
from digest.editors import audit
from digest.editors.audit import By
from digest.errors import InputError, NotFoundError, StateError
from digest.store import Database, writing

Role = Literal["editor", "publisher", "owner"]
"""An editor makes the issue; a publisher also approves, sends and looks after readers; an owner also after the rest."""

ROLES: tuple[Role, ...] = get_args(Role)
NAME_LENGTH = 80

_COLUMNS = "id, email, name, role, told_trouble, told_sent, told_week, created_at, seen_at, removed_at"


@dataclass(frozen=True)
class Editor:
    """One of the desk. Moments are UTC text; who was removed may not come in any more."""

    id: int
    email: str
    name: str
    role: Role
    told_trouble: bool
    told_sent: bool
    told_week: bool
    created_at: str
    seen_at: str | None
    removed_at: str | None

    def may(self, role: Role) -> bool:
        """Tell whether this one may do what is for a role: a later one may all that an earlier one may."""
        return ROLES.index(self.role) >= ROLES.index(role)


def add(db: Database, email: str, *, name: str = "", role: Role | None = None, by: By, now: datetime) -> Editor:
    """Add an editor; one who was removed comes back, with this name and role.

    `role` is owner for the first one of all, where nothing else is said, and editor for those who come after.

    Raises:
        InputError: it is no address, or the name is too long.
        StateError: there is one of this address already.
    """
    address = read_address(email)
    name = _name(name) or address.email.partition("@")[0][:NAME_LENGTH]
    with writing(db) as connection:
        role = role or ("editor" if has_any(db) else "owner")
        row = connection.execute("SELECT id, removed_at FROM editors WHERE email_key = ?", (address.key,)).fetchone()
        if row and row[1] is None:
            raise StateError(f"{address.email} is an editor already")
        if row:
            id_ = row[0]
            connection.execute(
                "UPDATE editors SET email = ?, name = ?, role = ?, removed_at = NULL WHERE id = ?",
                (address.email, name, role, id_),
            )
        else:
            id_ = connection.execute(
                "INSERT INTO editors (email, email_key, name, role, handle, created_at) VALUES (?, ?, ?, ?, ?, ?)"
                " RETURNING id",
                (address.email, address.key, name, role, secrets.token_bytes(32), times.to_text(now)),
            ).fetchone()[0]
        audit.note(connection, by, "added", f"editor {id_}", now=now, name=name, role=role)
        return find(db, id_)


def has_any(db: Database) -> bool:
    """Tell whether there is anybody who may come in."""
    return bool(db.conn.execute("SELECT EXISTS (SELECT 1 FROM editors WHERE removed_at IS NULL)").fetchone()[0])


def find(db: Database, id_: int) -> Editor:
    """Give an editor by number, removed ones too.

    Raises:
        NotFoundError: there is none.
    """
    row = db.conn.execute(f"SELECT {_COLUMNS} FROM editors WHERE id = ?", (id_,)).fetchone()  # noqa: S608
    if row is None:
        raise NotFoundError(f"there is no editor {id_}")
    return _editor(row)


def find_by_email(db: Database, email: str) -> Editor:
    """Give an editor by address, if not removed.

    Raises:
        InputError: it is no address.
        NotFoundError: no editor has it.
    """
    key = read_address(email).key
    row = db.conn.execute(
        f"SELECT {_COLUMNS} FROM editors WHERE email_key = ? AND removed_at IS NULL",  # noqa: S608
        (key,),
    ).fetchone()
    if row is None:
        raise NotFoundError(f"{email} is no editor; `digest editors list` shows them all")
    return _editor(row)


def everyone(db: Database, *, removed: bool = False) -> list[Editor]:
    """Give all editors in the order of their names; also those removed, where `removed` says so."""
    rows = db.conn.execute(
        f"SELECT {_COLUMNS} FROM editors WHERE ? OR removed_at IS NULL"  # noqa: S608
        " ORDER BY removed_at IS NOT NULL, lower(name), id",
        (removed,),
    )
    return [_editor(row) for row in rows]


def change(
    db: Database,
    id_: int,
    *,
    name: str | None = None,
    role: Role | None = None,
    told_trouble: bool | None = None,
    told_sent: bool | None = None,
    told_week: bool | None = None,
    by: By,
    now: datetime,
) -> Editor:
    """Change what is given of an editor.

    Raises:
        InputError: the name is empty or too long.
        StateError: the last owner would be none any more, or it is one who was removed.
    """
    told = {"told_trouble": told_trouble, "told_sent": told_sent, "told_week": told_week}
    given = {"name": name, "role": role, **told}
    with writing(db) as connection:
        before = _in_force(db, id_)
        if name is not None and not (name := _name(name)):
            raise InputError("is empty; colleagues see it", field="name")
        if before.role == "owner" and role not in (None, "owner"):
            _expect_another_owner(connection, id_)
        connection.execute(
            "UPDATE editors SET name = coalesce(?, name), role = coalesce(?, role),"
            " told_trouble = coalesce(?, told_trouble), told_sent = coalesce(?, told_sent),"
            " told_week = coalesce(?, told_week) WHERE id = ?",
            (name, role, *told.values(), id_),
        )
        after = find(db, id_)
        changed = {field: getattr(after, field) for field in given if getattr(after, field) != getattr(before, field)}
        if changed:
            was = {f"{field}_before": getattr(before, field) for field in changed}
            audit.note(connection, by, "changed", f"editor {id_}", now=now, **changed, **was)
        return after


def remove(db: Database, id_: int, *, by: By, now: datetime) -> Editor:
    """Let an editor in no more, and end what is open of theirs; what they did keeps their name.

    Raises:
        StateError: it is the last owner, or one who was removed already.
    """
    with writing(db) as connection:
        editor = _in_force(db, id_)
        if editor.role == "owner":
            _expect_another_owner(connection, id_)
        stamp = times.to_text(now)
        connection.execute("UPDATE editors SET removed_at = ? WHERE id = ?", (stamp, id_))
        connection.execute("UPDATE sessions SET ended_at = ? WHERE editor = ? AND ended_at IS NULL", (stamp, id_))
        connection.execute("UPDATE sign_in_links SET used_at = ? WHERE editor = ? AND used_at IS NULL", (stamp, id_))
        connection.execute("DELETE FROM passkeys WHERE editor = ?", (id_,))
        connection.execute("DELETE FROM challenges WHERE editor = ?", (id_,))
        letterbox.withdraw(db, "sign-in", read_address(editor.email), why="no editor any more", now=now)
        audit.note(connection, by, "removed", f"editor {id_}", now=now, name=editor.name, role=editor.role)
        return find(db, id_)


def _in_force(db: Database, id_: int) -> Editor:
    editor = find(db, id_)
    if editor.removed_at is not None:
        raise StateError(f"{editor.name} is no editor any more; add the address again first")
    return editor


def _expect_another_owner(connection: sqlite3.Connection, id_: int) -> None:
    others = connection.execute(
        "SELECT count(*) FROM editors WHERE role = 'owner' AND removed_at IS NULL AND id <> ?", (id_,)
    ).fetchone()[0]
    if not others:
        raise StateError("this is the last owner; make somebody else an owner first")


def _name(text: str) -> str:
    name = " ".join(text.split())
    if len(name) > NAME_LENGTH:
        raise InputError(f"it has {len(name)} characters, more than the {NAME_LENGTH} it may have", field="name")
    return name


def _editor(row: tuple[object, ...]) -> Editor:
    id_, email, name, role, trouble, sent, week, *moments = row
    return Editor(id_, email, name, role, bool(trouble), bool(sent), bool(week), *moments)  # type: ignore[arg-type]
