from __future__ import annotations

from serving import Reader


def test_a_page_that_is_not_there_says_so_and_carries_the_headers(reader: Reader) -> None:
    answer = reader.get("/nothing-here")
    assert answer.status_code == 404
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "same-origin"


def test_a_form_of_a_megabyte_is_refused(reader: Reader) -> None:
    assert reader.submit("/sign-up", words="x" * 2**20).status_code in (404, 413)
