"""What somebody could do to the desk by doing much of it: it holds up nobody else, and no reader of the site."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing
from time import perf_counter

import pytest
from sqlite_utils import Database

from conftest import NOW
from desk import Desk, at_the_desk
from digest.editors import people
from digest.editors.audit import COMMAND_LINE
from digest.issue import issues, presence, set_aside
from digest.settings import Settings
from digest.web import lookers
from serving import Clock, Reader

LIVE = ("/desk/issues/1/live", "/desk/issues/1/sending/live", "/desk/issues/1/subjects/live")


@pytest.fixture
def ann(reader: Reader, settings: Settings, sample: Database) -> Desk:
    issues.draft(sample, settings, now=NOW)
    return at_the_desk(reader, settings, name="Ann")


@pytest.mark.parametrize("address", ["/desk/sign-in", "/desk/sign-in/import", "/desk/sign-in/passkey"])
def test_a_stranger_cannot_bring_much(reader: Reader, address: str) -> None:
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        headers = {"Content-Type": kind}
        assert reader.post(address, content=b"a=" + b"1" * 300_000, headers=headers).status_code == 413


def test_only_files_may_be_large(ann: Desk) -> None:
    headers = {"X-CSRF-Token": ann.csrf, "Content-Type": "application/x-www-form-urlencoded"}
    assert ann.http.post("/desk/catalogue/import", content=b"a=" + b"1" * 300_000, headers=headers).status_code == 413
    files = {"files": ("large.csv", b"slug,name\n" + b"x" * 300_000)}
    taken = ann.http.post("/desk/catalogue/import", data={"csrf": ann.csrf}, files=files)
    assert taken.status_code == 200
    # An editor's files for the catalogue hold up all who write: 200 MB are for readers.
    files = {"files": ("larger.csv", b"slug,name\n" + b"x" * 6_000_000)}
    sent = ann.http.post("/desk/catalogue/import", data={"csrf": ann.csrf}, files=files)
    assert sent.status_code == 413


@pytest.mark.parametrize("address", LIVE)
def test_who_was_removed_is_told_nothing_more(
    ann: Desk, reader: Reader, settings: Settings, sample: Database, address: str
) -> None:
    eve = at_the_desk(reader, settings, "editor", name="Eve")
    with eve.http.stream("GET", address) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "retry: 1000"
        began = perf_counter()
        people.remove(sample, eve.editor.id, by=COMMAND_LINE, now=NOW)
        sample.execute("UPDATE issues SET subject = 'A secret' WHERE number = 1")
        assert "A secret" not in "".join(lines)
        assert perf_counter() - began < 5


def test_who_signed_out_is_told_nothing_more(ann: Desk) -> None:
    with ann.http.stream("GET", LIVE[0]) as answer:
        lines = answer.iter_lines()
        next(lines)
        ann.submit("/desk/sign-out")
        assert all(not line.startswith("event: here") or line for line in lines)


def test_one_session_does_not_take_all_connections(
    ann: Desk, reader: Reader, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookers, "OF_A_SESSION", 3)
    monkeypatch.setattr(lookers, "OF_ALL", 4)
    bea = at_the_desk(reader, settings, name="Bea")

    def look(desk: Desk, windows: ExitStack) -> int:
        answer = windows.enter_context(desk.http.stream("GET", LIVE[0]))
        lines = answer.iter_lines()
        windows.callback(lines.close)  # type: ignore[attr-defined]
        next(lines)
        return answer.status_code

    with ExitStack() as windows:
        assert [look(ann, windows) for _ in range(4)] == [200, 200, 200, 429]
        assert [look(bea, windows) for _ in range(2)] == [200, 429]
    # They are counted out again once they have gone.
    began = perf_counter()
    while perf_counter() - began < 10:
        with ExitStack() as windows:
            if look(ann, windows) == 200:
                return
    raise AssertionError


def test_who_only_looks_does_not_wait_for_who_writes(
    ann: Desk, reader: Reader, settings: Settings, clock: Clock
) -> None:
    clock.move_on(hours=1)
    with closing(sqlite3.connect(settings.db, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = perf_counter()
        assert ann.get("/desk/account").status_code == 200
        assert ann.ask("/desk/issues/1/here", {"page": "a", "field": ""}).status_code == 204
        assert ann.ask("/desk/issues/1/here", {"page": "a", "left": "1"}).status_code == 204
        assert reader.get("/").status_code == 200
        assert perf_counter() - began < 5
        other.execute("ROLLBACK")


def test_a_script_with_ever_new_pages_fills_nothing(ann: Desk, sample: Database, clock: Clock) -> None:
    for page in range(presence.PAGES + 5):
        ann.ask("/desk/issues/1/here", {"page": f"page {page}", "field": ""})
    found = [one.page for one in presence.who_is_here(sample, 1, now=clock())]
    assert len(found) == presence.PAGES
    assert f"page {presence.PAGES + 4}" in found


def test_words_that_meet_anothers_wait_in_bounds(
    ann: Desk, reader: Reader, settings: Settings, sample: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(set_aside, "MOST", 3)
    eve, bea = (at_the_desk(reader, settings, "editor", name=name) for name in ("Eve", "Bea"))
    subject = issues.find_issue(sample, 1).subject
    ann.ask("/desk/issues/1/words", {"field": "subject", "text": "Ann’s", "base": subject})

    def meet(desk: Desk, words: str) -> dict[str, object]:
        answer = desk.ask("/desk/issues/1/words", {"field": "subject", "text": words, "base": "Something else"})
        assert answer.status_code == 409
        return dict(answer.json())

    met = [meet(eve, f"{letter * 9}") for letter in "abcde"]
    assert [one["aside"] is None for one in met] == [False, False, False, True, True]
    assert "are kept" not in str(met[-1]["error"])
    assert len(set_aside.asides(sample.conn, 1)) == 3
    # Another's still are.
    assert meet(bea, "Bea’s own words")["aside"] is not None
