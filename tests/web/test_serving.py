from __future__ import annotations

import socket
import sqlite3
import time

import pytest
from sqlite_utils import Database

from digest.settings import Settings
from digest.web.pages import Pages
from digest.web.stores import MOST_IDLE, Stores
from serving import Clock, Reader, served


def test_a_page_that_is_not_there_says_so_and_carries_the_headers(reader: Reader) -> None:
    answer = reader.get("/nothing-here")
    assert answer.status_code == 404
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "same-origin"


def test_a_form_of_a_megabyte_is_refused(reader: Reader) -> None:
    assert reader.submit("/sign-up", words="x" * 2**20).status_code in (404, 413)


def test_what_breaks_says_so_in_the_look_of_the_site_and_tells_nothing(
    sample: Database, settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a secret of the house")

    monkeypatch.setattr(Pages, "public", broken)
    monkeypatch.setattr(Pages, "shown", broken)
    with served(settings, clock) as reader:
        answer = reader.get("/panel")
    assert answer.status_code == 500
    assert "Internal Server Error" in answer.text
    assert "secret" not in answer.text
    assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_who_goes_away_in_the_middle_of_a_form_is_no_error(reader: Reader, caplog: pytest.LogCaptureFixture) -> None:
    host = str(reader.base_url.host), reader.base_url.port or 80
    for _ in range(3):
        with socket.create_connection(host) as line:
            line.sendall(b"POST /sign-up HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\nemail=")
            time.sleep(0.1)
    time.sleep(0.2)
    assert reader.get("/").status_code == 200
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_connections_of_a_crowd_are_closed_when_it_has_gone(db: Database, settings: Settings) -> None:
    stores = Stores(settings.db)
    crowd = [stores.take() for _ in range(MOST_IDLE + 5)]
    for one in crowd:
        stores.give_back(one)
    for one in crowd[-5:]:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            one.execute("SELECT 1")
    assert stores.take() in crowd[:MOST_IDLE]
    stores.close()
    crowd[MOST_IDLE - 1].close()
