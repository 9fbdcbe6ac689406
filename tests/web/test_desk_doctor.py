"""The doctor in the desk: nothing is looked at by looking at the page; a button looks, and the page keeps it."""

from __future__ import annotations

import pytest
from sqlite_utils import Database

from desk import Desk, at_the_desk
from digest.doctor import run as running
from digest.doctor.model import Case
from digest.doctor.run import Report
from digest.settings import Settings
from digest.web.desk import doctor
from serving import Reader, dump


@pytest.fixture
def ann(reader: Reader, settings: Settings) -> Desk:
    return at_the_desk(reader, settings)


def test_the_page_says_what_would_be_looked_at_and_looks_at_nothing(
    ann: Desk, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "run", lambda *given, **more: pytest.fail("it was looked at"))
    before = dump(db, but=("sessions",))
    page = ann.get("/desk/doctor/").text
    assert "Nobody has looked yet" in page
    assert "leaving by one click (RFC 8058), tried with a dummy" in page
    assert dump(db, but=("sessions",)) == before


def test_a_look_is_kept_for_publishers_and_says_what_to_do(ann: Desk, reader: Reader, settings: Settings) -> None:
    answer = ann.submit("/desk/doctor/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/desk/doctor/")
    page = at_the_desk(reader, settings, "publisher", name="Bea").get("/desk/doctor/").text
    assert "Nothing is bad." in page
    assert "for <bdi>Ann</bdi>" in page
    assert "There is no backup of this store" in page
    assert "<code>digest schedule run backup</code>" in page
    assert page.count("The network was not asked") == 1
    assert "dns, provider, web, one-click, mailboxes" in page


def test_only_the_other_button_asks_the_network_and_one_look_is_taken_at_a_time(
    ann: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[bool, bool]] = []
    others: list[int] = []

    def look(case: Case, *, most: float) -> Report:
        asked.append((case.network, case.quick))
        if len(asked) == 2:
            others.append(ann.submit("/desk/doctor/").status_code)
        return Report((), running.names(), 0.1)

    monkeypatch.setattr(doctor, "run", look)
    ann.submit("/desk/doctor/")
    ann.submit("/desk/doctor/", network="1")
    assert asked == [(False, True), (True, True)]
    assert others == [409]
    assert ", the network too" in ann.get("/desk/doctor/").text
