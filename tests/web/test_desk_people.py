"""The account, the editors and the audit, as those who use them and those who may not see them."""

from __future__ import annotations

import csv
import io
import re

import pytest
from sqlite_utils import Database

from conftest import NOW
from desk import Desk, at_the_desk
from digest.editors import audit, people, sessions
from digest.editors.audit import COMMAND_LINE, By
from digest.settings import Settings
from digest.store import writing
from serving import Reader

HOSTILE = "<script>alert(1)</script>\"'{{7*7}}"


@pytest.fixture
def ann(reader: Reader, settings: Settings) -> Desk:
    return at_the_desk(reader, settings)


@pytest.fixture
def bea(reader: Reader, settings: Settings, ann: Desk) -> Desk:
    assert ann.editor.id == 1
    return at_the_desk(reader, settings, "editor", name="Bea")


# One's own account -------------------------------------------------------------------------------------------------


def test_one_changes_ones_name_and_mails(bea: Desk, db: Database) -> None:
    answer = bea.submit("/desk/account", name="Bea B.", told_sent="on")
    assert answer.headers["location"] == "/desk/account?done=changed"
    editor = people.find(db, bea.editor.id)
    assert (editor.name, editor.told_trouble, editor.told_sent) == ("Bea B.", False, True)
    page = bea.get("/desk/account?done=changed").text
    assert "Saved." in page
    assert re.search(r'name="told_trouble">', page)
    assert re.search(r'name="told_sent" checked>', page)


@pytest.mark.parametrize("name", ["", "   ", "x" * 81])
def test_a_name_that_does_not_fit_is_said_beside_its_field(bea: Desk, db: Database, name: str) -> None:
    answer = bea.submit("/desk/account", name=name)
    assert answer.status_code == 422
    assert 'id="name-problem"' in answer.text
    assert people.find(db, bea.editor.id).name == "Bea"


def test_one_cannot_raise_oneself(bea: Desk, db: Database) -> None:
    bea.submit("/desk/account", name="Bea", role="owner")
    assert bea.submit("/desk/editors/2", name="Bea", role="owner").status_code == 403
    assert people.find(db, bea.editor.id).role == "editor"


def test_one_ends_ones_own_sessions_and_no_others(ann: Desk, bea: Desk, db: Database) -> None:
    lost = sessions.begin(db, bea.editor.id, way="link", browser="Lost phone", now=NOW)
    assert "Lost phone" in bea.get("/desk/account").text
    of_ann = sessions.of(db, ann.editor.id, now=NOW)[0].id
    assert bea.submit("/desk/account/sessions/end", session=str(of_ann)).status_code == 404
    for wrong in ("", "x", "²", "1" * 30):
        assert bea.submit("/desk/account/sessions/end", session=wrong).status_code == 400
    (mine,) = [one.id for one in sessions.of(db, bea.editor.id, now=NOW) if one.browser == "Lost phone"]
    assert bea.submit("/desk/account/sessions/end", session=str(mine)).status_code == 303
    assert sessions.here(db, lost, now=NOW) is None
    sessions.begin(db, bea.editor.id, way="link", browser="Another", now=NOW)
    bea.submit("/desk/account/sessions/end-others")
    assert [one.browser for one in sessions.of(db, bea.editor.id, now=NOW)] == ["Tests"]
    assert ann.get("/desk/account").status_code == bea.get("/desk/account").status_code == 200


# The editors -------------------------------------------------------------------------------------------------------


def test_an_owner_adds_somebody_and_an_invitation_is_mailed(ann: Desk, db: Database) -> None:
    answer = ann.submit("/desk/editors/add", email="Cid@Example.com", name="Cid", role="publisher")
    assert answer.headers["location"] == "/desk/editors/?done=added"
    cid = people.find_by_email(db, "cid@example.com")
    assert (cid.name, cid.role) == ("Cid", "publisher")
    assert db.conn.execute("SELECT kind, email FROM letters").fetchall() == [("sign-in", "Cid@Example.com")]
    lines = [(one.who, one.did, one.what) for one in audit.done(db, limit=2)]
    assert lines == [("Ann", "invited", f"editor {cid.id}"), ("Ann", "added", f"editor {cid.id}")]
    assert ann.submit(f"/desk/editors/{cid.id}/invite").status_code == 303
    assert db["letters"].count == 2
    assert "never signed in yet" in ann.get("/desk/editors/?done=added").text


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"email": "", "role": "editor"}, 422, "email"),
        ({"email": "cid", "role": "editor"}, 422, "email"),
        ({"email": "ann@example.com", "role": "editor"}, 409, "email"),
        ({"email": "cid@example.com", "role": "king"}, 422, "role"),
        ({"email": "cid@example.com", "role": "editor", "name": "x" * 81}, 422, "name"),
    ],
)
def test_what_does_not_fit_is_said_beside_its_field(
    ann: Desk, db: Database, fields: dict[str, str], status: int, field: str
) -> None:
    answer = ann.submit("/desk/editors/add", fields)
    assert answer.status_code == status
    assert f'id="{field}-problem"' in answer.text
    assert db["editors"].count == 1
    assert db["letters"].count == 0


def test_an_owner_gives_another_role(ann: Desk, bea: Desk, db: Database) -> None:
    assert bea.get("/desk/audit").status_code == 403
    ann.submit("/desk/editors/2", name="Bea", role="publisher")
    assert people.find(db, 2).role == "publisher"
    assert bea.get("/desk/audit").status_code == 200
    assert ann.submit("/desk/editors/2", name="", role="owner").status_code == 422
    assert ann.submit("/desk/editors/99", name="Nobody", role="owner").status_code == 404


def test_the_last_owner_stays(ann: Desk, bea: Desk, db: Database) -> None:
    refused = ann.submit("/desk/editors/1", name="Ann", role="editor")
    assert refused.status_code == 409
    assert "make somebody else an owner first" in refused.text
    assert ann.submit("/desk/editors/1/remove").status_code == 409
    ann.submit("/desk/editors/2", name="Bea", role="owner")
    # Who gives it up may not see the page any more.
    assert ann.submit("/desk/editors/1", name="Ann", role="editor").headers["location"] == "/desk/"
    assert bea.submit("/desk/editors/1/remove").headers["location"] == "/desk/editors/?done=removed"
    assert people.find(db, 1).removed_at is not None


def test_who_is_removed_is_out_at_once(ann: Desk, bea: Desk, db: Database) -> None:
    assert "Remove Bea" in ann.get("/desk/editors/2/remove").text
    assert bea.get("/desk/account").status_code == 200
    ann.submit("/desk/editors/2/remove")
    assert bea.get("/desk/account").status_code == 303
    assert bea.ask("/desk/account", name="Bea").status_code == 401
    assert "removed" in ann.get("/desk/editors/2").text
    assert people.find(db, 2).removed_at is not None
    for address in ("/desk/editors/2", "/desk/editors/2/remove"):
        assert ann.submit(address, name="Bea", role="owner").status_code == 409
    assert ann.submit("/desk/editors/2/invite").status_code == 404


def test_an_owner_ends_the_sessions_of_another_but_not_this_one(ann: Desk, bea: Desk, db: Database) -> None:
    session = sessions.of(db, 2, now=NOW)[0].id
    assert "Tests" in ann.get("/desk/editors/2").text
    ann.submit("/desk/editors/2/sessions/end", session=str(session))
    assert bea.get("/desk/account").status_code == 303
    assert "ended" in ann.get("/desk/editors/2").text
    for _ in range(2):
        sessions.begin(db, 2, way="link", browser="Tests", now=NOW)
    ann.submit("/desk/editors/2/sessions/end")
    assert sessions.of(db, 2, now=NOW) == []
    ann.submit("/desk/editors/1/sessions/end")
    assert ann.get("/desk/account").status_code == 200


# The audit ---------------------------------------------------------------------------------------------------------


def noted(db: Database) -> None:
    with writing(db) as connection:
        for number in range(1, 61):
            audit.note(connection, By(2, "Bea"), "approved", f"issue {number}", now=NOW, overridden=["links"], at=None)
        audit.note(connection, COMMAND_LINE, "cancelled", "issue 1", now=NOW, why="=1+1")


def test_the_audit_is_paged_and_asked(ann: Desk, bea: Desk, db: Database) -> None:
    noted(db)
    assert bea.editor.id == 2
    first = ann.get("/desk/audit").text
    assert len(re.findall(r"<li><time", first)) == 50
    older = re.search(r'href="/desk/audit\?(before=\d+)"', first)
    assert older is not None
    second = ann.get(f"/desk/audit?{older[1]}").text
    assert len(re.findall(r"<li><time", second)) == 13
    shown = ann.get("/desk/audit?editor=2&subject=issue+1").text
    assert re.findall(r'<a href="/desk/issues/(\d+)">', shown) == ["1"]
    assert "The command line" in ann.get("/desk/audit?editor=0").text
    assert "approved" not in re.sub(r"(?s)<form.*?</form>", "", ann.get("/desk/audit?editor=0").text)
    assert "Nothing of that" in ann.get("/desk/audit?subject=issue+99").text


@pytest.mark.parametrize("query", ["editor=x", "before=0", "before=x", "subject=" + "x" * 101, "editor=" + "9" * 16])
def test_what_cannot_be_asked_is_refused(ann: Desk, query: str) -> None:
    assert ann.get(f"/desk/audit?{query}").status_code == 400


def test_the_audit_is_taken_along(ann: Desk, bea: Desk, db: Database) -> None:
    noted(db)
    assert bea.editor.id == 2
    answer = ann.get("/desk/audit.csv?subject=issue+1")
    assert answer.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["who"], row["did"], row["what"]) for row in rows] == [
        ("the command line", "cancelled", "issue 1"),
        ("Bea", "approved", "issue 1"),
    ]
    assert rows[0]["detail"] == '{"why": "=1+1"}'
    told = ann.get("/desk/audit.json?editor=2").json()
    assert len(told) == 60
    assert told[0]["detail"] == {"overridden": ["links"], "at": None}
    assert ann.get("/desk/audit.xml").status_code == 400
    for form in ("csv", "json"):
        assert bea.get(f"/desk/audit.{form}").status_code == 403


def test_what_people_type_shows_as_text(ann: Desk, bea: Desk, db: Database) -> None:
    ann.submit("/desk/account", name=HOSTILE)
    ann.submit("/desk/editors/2", name=HOSTILE, role="editor")
    with writing(db) as connection:
        audit.note(connection, By(1, HOSTILE), HOSTILE, HOSTILE, now=NOW, **{HOSTILE: [{HOSTILE: HOSTILE}]})
    for address in ("/desk/account", "/desk/editors/", "/desk/editors/2", "/desk/editors/2/remove", "/desk/audit"):
        page = ann.get(address).text
        assert "<script>alert" not in page, address
        assert "{{7*7}}" in page
        assert "49" not in page.partition("<h1>")[2].partition("</h1>")[0]
    page = ann.get("/desk/audit").text
    assert "&lt;script&gt;" in page
    for query in (f"subject={HOSTILE}", f"done={HOSTILE}"):
        assert "<script>alert" not in ann.get(f"/desk/audit?{query}").text
    assert bea.get("/desk/account").status_code == 200
