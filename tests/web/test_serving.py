from __future__ import annotations

import pytest
from sqlite_utils import Database

from digest.settings import Settings
from digest.web.pages import Pages
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
