"""`digest editors`: the first way in, and the last word on who may use the desk."""

from __future__ import annotations

import re
from pathlib import Path

import test_command_line
from test_command_line import Run

from digest.editors import sessions, sign_in
from digest.editors.sign_in import Entered
from digest.settings import Settings
from digest.store import open_store
from digest.times import now
from serving import served

digest = test_command_line.digest


def test_the_first_one_is_the_owner_and_gets_a_link_that_lets_in(digest: Run) -> None:
    ran = digest("editors", "add", "ann@example.com", "--name", "Ann", "--set", "base_url=https://example.com")
    link = re.fullmatch(r"https://example\.com/desk/sign-in/([\w-]{24})\n", ran.out)
    assert link is not None
    assert "ann@example.com is an owner" in ran.err
    db = open_store(Path("digest.db"))
    entered = sign_in.enter(db, link[1], browser=None, agent="Tests", now=now())
    assert isinstance(entered, Entered)
    assert sessions.here(db, entered.secret, now=now()) is not None
    assert sign_in.enter(db, link[1], browser=None, agent="Tests", now=now()) == "used"
    db.close()


def test_it_is_told_as_json(digest: Run) -> None:
    added = digest("editors", "add", "ann@example.com", "--json").data
    assert (added["email"], added["name"], added["role"]) == ("ann@example.com", "ann", "owner")
    assert added["link"].startswith("http://localhost:8000/desk/sign-in/")
    assert digest("editors", "link", "ann@example.com", "--json").data["link"] != added["link"]
    assert [one["email"] for one in digest("editors", "list", "--json").data] == ["ann@example.com"]
    assert digest("editors", "add", "bea@example.com", "--json").data["role"] == "editor"
    changed = digest("editors", "role", "bea@example.com", "publisher", "--json").data
    assert (changed["changed"], changed["role"]) == (True, "publisher")
    assert digest("editors", "role", "bea@example.com", "publisher", "--json").data["changed"] is False
    assert digest("editors", "remove", "bea@example.com", "--json").data["removed_at"]


def test_they_are_listed(digest: Run) -> None:
    digest("db", "migrate")
    assert digest("editors", "list").out == "None; `digest editors add you@example.com` lets you in.\n"
    digest("editors", "add", "ann@example.com", "--name", "Ann")
    lines = digest("editors", "list").out.splitlines()
    assert [line.split() for line in lines] == [
        ["name", "address", "role", "last", "seen"],
        ["Ann", "ann@example.com", "owner", "never"],
    ]


def test_what_cannot_be_is_said_in_a_line(digest: Run) -> None:
    digest("editors", "add", "ann@example.com")
    assert "is an editor already" in digest("editors", "add", "ANN@example.com", code=1).err
    assert "is not an email address" in digest("editors", "add", "ann", code=1).err
    assert "the last owner" in digest("editors", "role", "ann@example.com", "editor", code=1).err
    assert "the last owner" in digest("editors", "remove", "ann@example.com", code=1).err
    for command in (("link",), ("remove",)):
        assert "is no editor" in digest("editors", *command, "bea@example.com", code=1).err
    digest("editors", "role", "ann@example.com", "king", code=2)


def test_a_link_opens_the_desk(digest: Run, tmp_path: Path) -> None:
    link = digest("editors", "add", "ann@example.com", "--name", "Ann", "--json").data["link"]
    way = "/desk" + link.partition("/desk")[2]
    with served(Settings(db=tmp_path / "digest.db"), now) as reader:
        page = reader.get(way)
        assert "Welcome, <bdi>Ann</bdi>" in page.text
        csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert csrf is not None
        assert reader.submit(way, csrf=csrf[1]).headers["location"] == "/desk/"
        assert reader.get("/desk/account").status_code == 200
