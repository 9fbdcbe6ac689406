"""Editors: added, changed, removed, and never without an owner."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st
from sqlite_utils import Database

from conftest import NOW, memory_store
from digest.editors import audit, people
from digest.editors.audit import COMMAND_LINE, By
from digest.editors.people import ROLES, Role
from digest.errors import DigestError, InputError, StateError


def lines(db: Database) -> list[tuple[str, str, str]]:
    return [(one.who, one.did, one.what) for one in reversed(audit.done(db, limit=100))]


def test_the_first_one_is_the_owner(db: Database) -> None:
    roles = [people.add(db, f"{name}@example.com", by=COMMAND_LINE, now=NOW).role for name in ("ann", "bea")]
    assert roles == ["owner", "editor"]
    assert people.find_by_email(db, "ANN@example.com").name == "ann"


def test_what_is_changed_is_written_down_with_what_was(db: Database) -> None:
    people.add(db, "ann@example.com", name="Ann", by=COMMAND_LINE, now=NOW)
    bea = people.add(db, "bea@example.com", name="Bea", by=COMMAND_LINE, now=NOW)
    by = By(1, "Ann")
    people.change(db, bea.id, role="publisher", name="Bea", told_sent=False, by=by, now=NOW)
    people.change(db, bea.id, role="publisher", by=by, now=NOW)
    people.remove(db, bea.id, by=by, now=NOW)
    assert lines(db) == [
        ("the command line", "added", "editor 1"),
        ("the command line", "added", "editor 2"),
        ("Ann", "changed", "editor 2"),
        ("Ann", "removed", "editor 2"),
    ]
    assert audit.done(db, limit=2)[1].detail == {
        "role": "publisher",
        "told_sent": False,
        "role_before": "editor",
        "told_sent_before": True,
    }


def test_who_comes_back_keeps_the_number_and_gets_the_new_role(db: Database) -> None:
    people.add(db, "ann@example.com", by=COMMAND_LINE, now=NOW)
    bea = people.add(db, "bea@example.com", name="Bea", role="owner", by=COMMAND_LINE, now=NOW)
    people.remove(db, bea.id, by=COMMAND_LINE, now=NOW)
    for again in (people.remove, people.change):
        with pytest.raises(StateError, match="no editor any more"):
            again(db, bea.id, by=COMMAND_LINE, now=NOW)
    back = people.add(db, "BEA@example.com", by=COMMAND_LINE, now=NOW)
    assert (back.id, back.role, back.removed_at) == (bea.id, "editor", None)
    with pytest.raises(StateError, match="is an editor already"):
        people.add(db, "bea@example.com", by=COMMAND_LINE, now=NOW)


def test_a_name_has_its_length(db: Database) -> None:
    with pytest.raises(InputError, match="more than the 80"):
        people.add(db, "ann@example.com", name="x" * 81, by=COMMAND_LINE, now=NOW)
    assert db["editors"].count == db["audit"].count == 0


acts = st.lists(st.tuples(st.sampled_from(["change", "remove", "add"]), st.integers(1, 3), st.sampled_from(ROLES)))


@trying(deadline=None, max_examples=50)
@given(acts)
def test_there_is_always_an_owner(done: list[tuple[str, int, Role]]) -> None:
    db = memory_store()
    for number in (1, 2, 3):
        people.add(db, f"e{number}@example.com", by=COMMAND_LINE, now=NOW)
    for act, number, role in done:
        try:
            if act == "change":
                people.change(db, number, role=role, by=COMMAND_LINE, now=NOW)
            elif act == "remove":
                people.remove(db, number, by=COMMAND_LINE, now=NOW)
            else:
                people.add(db, f"e{number}@example.com", role=role, by=COMMAND_LINE, now=NOW)
        except DigestError:
            continue
        assert [one for one in people.everyone(db) if one.role == "owner"]
    db.close()


def test_the_audit_is_asked_by_whom_and_to_what(db: Database) -> None:
    for number in (1, 2, 12):
        audit.note(db.conn, COMMAND_LINE, "approved", f"issue {number}", now=NOW)
    people.add(db, "ann@example.com", name="Ann", by=COMMAND_LINE, now=NOW)
    audit.note(db.conn, By(1, "Ann"), "sent", "issue 1", now=NOW, copies=3)
    assert [one.did for one in audit.done(db, limit=9, what="issue 1")] == ["sent", "approved"]
    assert len(audit.done(db, limit=9, what="issue")) == 4
    assert [one.detail for one in audit.done(db, limit=9, editor=1)] == [{"copies": 3}]
    assert len(audit.done(db, limit=9, editor=0)) == 4
    last = audit.done(db, limit=2)[-1]
    assert [one.id for one in audit.done(db, limit=9, before=last.id)] == [3, 2, 1]
    assert json.loads(db.conn.execute("SELECT detail FROM audit WHERE id = 5").fetchone()[0]) == {"copies": 3}


@pytest.mark.parametrize("sql", ["UPDATE audit SET who = 'x'", "DELETE FROM audit"])
def test_what_was_done_is_neither_rewritten_nor_erased(db: Database, sql: str) -> None:
    audit.note(db.conn, COMMAND_LINE, "approved", "issue 1", now=NOW)
    with pytest.raises(Exception, match="what was done is not"):
        db.conn.execute(sql)
