from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from own_links import HOSTILE, Ada, ada, begin_to_send, claim
from sqlite_utils import Database

from conftest import NOW
from digest.audience import forgetting, subscribers
from digest.audience.leaving import leave
from digest.events import Kind
from digest.settings import Settings
from digest.tokens import Purpose, Signer
from serving import Clock, Reader, dump, served

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
AGENTS = (
    "", "Mozilla/5.0 (compatible; GoogleImageProxy)", "YahooMailProxy", "Googlebot/2.1", "python-requests/2.32", "curl",
    "Mozilla/5.0 (compatible; Barracuda Sentinel)",
)  # fmt: skip


@pytest.fixture
def reader(db: Database, settings: Settings, clock: Clock) -> Iterator[Reader]:
    """A site whose catalogue is empty, which is made in no time."""
    with served(settings, clock) as found:
        yield found


@pytest.fixture
def her(reader: Reader, db: Database, settings: Settings) -> Ada:
    return ada(db, settings)


@pytest.fixture
def goodbyes(db: Database, settings: Settings, clock: Clock) -> Iterator[Reader]:
    """A site whose last letter says goodbye."""
    with served(settings.model_copy(update={"goodbye_letter": True}), clock) as found:
        yield found


# One click ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("agent", AGENTS)
def test_one_click_is_answered_alike_whoever_asks(reader: Reader, her: Ada, agent: str) -> None:
    reader.cookies.clear()
    answer = reader.post(f"/u/{her.token}", data=ONE_CLICK, headers={"User-Agent": agent})
    assert (answer.status_code, answer.is_redirect) == (200, False)
    assert her.state() == ("unsubscribed", "unsubscribed")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded"),
        (b"List-Unsubscribe=One-Click\r\n", "application/x-www-form-urlencoded; charset=UTF-8"),
        (
            b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
        ),
        (b"", "application/x-www-form-urlencoded"),
        (b"", "application/json"),
        (b"", None),
        (b"List-Unsubscribe=One-Click", None),
        (b"List-Unsubscribe=One-Click", "text/plain"),
    ],
)
def test_one_click_takes_every_body_mail_programs_send(
    reader: Reader, her: Ada, content: bytes, kind: str | None
) -> None:
    answer = reader.post(f"/u/{her.token}", content=content, headers={"Content-Type": kind} if kind else {})
    assert (answer.status_code, answer.is_redirect) == (200, False)
    assert her.state() == ("unsubscribed", "unsubscribed")
    assert her.db.execute("SELECT way FROM departures").fetchall() == [("one-click",)]


def test_one_click_needs_no_origin_and_minds_no_other(reader: Reader, her: Ada) -> None:
    headers = {"Origin": "https://mail.example.net", "Sec-Fetch-Site": "cross-site"}
    assert reader.post(f"/u/{her.token}", data=ONE_CLICK, headers=headers).status_code == 200
    assert her.state()[0] == "unsubscribed"


def test_who_leaves_is_out_of_the_very_next_claim(reader: Reader, sample: Database, settings: Settings) -> None:
    her, bob = ada(sample, settings), ada(sample, settings, email="bob@example.com")
    issue = begin_to_send(sample, settings)
    her = replace(her, token=her.links.sign("copy", issue, her.id))
    assert reader.post(f"/u/{her.token}", data=ONE_CLICK).status_code == 200
    batch = claim(sample, issue)
    assert batch is not None
    assert [copy[0] for copy in batch.copies] == [bob.id]
    assert sample.execute("SELECT issue, kind FROM events").fetchall() == [(issue, Kind.UNSUBSCRIBED)]
    skipped = "SELECT state, reason FROM deliveries WHERE subscriber = ?"
    assert sample.execute(skipped, [her.id]).fetchall() == [(5, "unsubscribed")]


def test_one_click_twice_is_fine(reader: Reader, her: Ada) -> None:
    for _ in range(2):
        assert reader.post(f"/u/{her.token}", data=ONE_CLICK).status_code == 200
    assert her.db.execute("SELECT count(*) FROM departures").fetchone() == (1,)


@pytest.mark.parametrize("gone", ["forgotten", "never there"])
def test_one_click_of_nobody_is_answered_and_changes_nothing(reader: Reader, her: Ada, gone: str) -> None:
    token = her.links.sign("copy", 0, 99_999)
    if gone == "forgotten":
        forgetting.forget(her.db, her.id, now=NOW)
        token = her.token
    before = dump(her.db)
    answer = reader.post(f"/u/{token}", data=ONE_CLICK)
    assert (answer.status_code, answer.is_redirect) == (200, False)
    assert dump(her.db) == before


def test_a_token_that_is_not_ours_for_this_changes_nothing(reader: Reader, her: Ada) -> None:
    token, links = her.token, her.links
    others: tuple[Purpose, ...] = ("message", "confirm", "address", "form", "voter")
    wrong = [
        token[:-1], token[1:], token + "A", token.swapcase(), token[:10] + "A" + token[11:], "x", "A" * 24, "%00",
        "%F0%9F%98%80", "' OR 1=1 --", Signer(b"f" * 32).sign("copy", 0, her.id),
        *(links.sign(purpose, 0, her.id) for purpose in others),
    ]  # fmt: skip
    before = dump(her.db)
    for forged in wrong:
        for answer in (reader.post(f"/u/{forged}", data=ONE_CLICK), reader.get(f"/u/{forged}")):
            assert 400 <= answer.status_code < 500, forged
    assert dump(her.db) == before


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"a=%FF", "application/x-www-form-urlencoded"),
        (b"\xff\xfe", "application/x-www-form-urlencoded"),
        (b"a=%00", "application/x-www-form-urlencoded"),
        (b"x" * 2**20, "application/x-www-form-urlencoded"),
        (b"no parts", "multipart/form-data; boundary=b"),
        (b"no parts", "multipart/form-data"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(reader: Reader, her: Ada, content: bytes, kind: str) -> None:
    before = dump(her.db)
    answer = reader.post(f"/u/{her.token}", content=content, headers={"Content-Type": kind})
    assert 400 <= answer.status_code < 500
    assert dump(her.db) == before


# The page ----------------------------------------------------------------------------------------------------------


def test_the_page_has_one_button_and_pressing_it_says_goodbye(reader: Reader, her: Ada) -> None:
    page = reader.get(f"/u/{her.token}").text
    assert len(re.findall("<button", page)) == 1
    assert f'href="/p/{her.token}#pause"' in page
    answer = reader.submit(f"/u/{her.token}", {"from": "page"})
    assert answer.status_code == 303
    assert her.state() == ("unsubscribed", "unsubscribed")
    assert her.db.execute("SELECT way FROM departures").fetchall() == [("page",)]
    goodbye = reader.get(answer.headers["location"]).text
    assert "You have left" in goodbye
    assert "Take me back" in goodbye
    assert answer.headers["cache-control"] == "no-store"


def test_it_can_be_undone(reader: Reader, her: Ada) -> None:
    reader.submit(f"/u/{her.token}", {"from": "page"})
    answer = reader.submit(f"/u/{her.token}/back")
    assert answer.status_code == 303
    assert "You are back" in reader.get(answer.headers["location"]).text
    assert her.state() == ("active", None)
    assert her.db.execute("SELECT kind FROM consents ORDER BY id").fetchall() == [("left",), ("returned",)]


def test_who_complained_is_not_taken_back_by_a_button(reader: Reader, her: Ada) -> None:
    subscribers.suppress(her.db, "ada@example.com", "complaint", now=NOW)
    leave(her.db, her.id, way="page", now=NOW)
    assert "Take me back" not in reader.get(f"/u/{her.token}").text
    assert reader.submit(f"/u/{her.token}/back").status_code == 409
    assert her.state() == ("unsubscribed", "complaint")


def test_a_reason_is_kept_where_one_is_given(reader: Reader, her: Ada) -> None:
    reader.submit(f"/u/{her.token}", {"from": "page"})
    answer = reader.submit(f"/u/{her.token}/reason", {"reason": "too-often", "words": "Every day?"})
    assert answer.status_code == 303
    assert "Thank you" in reader.get(answer.headers["location"]).text
    assert her.db.execute("SELECT reason, words FROM departures").fetchall() == [("too-often", "Every day?")]


def test_a_reason_that_is_none_keeps_what_was_typed(reader: Reader, her: Ada) -> None:
    reader.submit(f"/u/{her.token}", {"from": "page"})
    answer = reader.submit(f"/u/{her.token}/reason", {"reason": "because", "words": "<b>my words</b>"})
    assert answer.status_code == 400
    assert "&lt;b&gt;my words&lt;/b&gt;</textarea>" in answer.text
    assert her.db.execute("SELECT reason, words FROM departures").fetchall() == [(None, None)]


def test_a_last_letter_goes_out_where_the_newsletter_has_one(
    goodbyes: Reader, db: Database, settings: Settings
) -> None:
    her = ada(db, settings)
    goodbyes.post(f"/u/{her.token}", data=ONE_CLICK)
    assert db.execute("SELECT kind, email FROM letters").fetchall() == [("goodbye", "ada@example.com")]


def test_the_page_of_one_who_is_gone_says_so(reader: Reader, her: Ada) -> None:
    forgetting.forget(her.db, her.id, now=NOW)
    for way in ("u", "p"):
        assert "Nobody is behind this link" in reader.get(f"/{way}/{her.token}").text
    assert reader.submit(f"/u/{her.token}/back").status_code == 409


@pytest.mark.parametrize("way", ["back", "reason"])
def test_no_other_site_brings_a_reader_back(reader: Reader, her: Ada, way: str) -> None:
    leave(her.db, her.id, way="page", now=NOW)
    before = dump(her.db)
    answer = reader.post(f"/u/{her.token}/{way}", data={"reason": "other"}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert dump(her.db) == before


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_what_strangers_type_breaks_nothing(reader: Reader, her: Ada, value: str) -> None:
    leave(her.db, her.id, way="page", now=NOW)
    for fields in ({"reason": value}, {"reason": "other", "words": value}, {value[:100]: value}):
        answer = reader.submit(f"/u/{her.token}/reason", fields)
        assert answer.status_code in (303, 400), fields
        assert "49" not in answer.text or "49" in value
        assert "<script>alert" not in answer.text
    assert reader.get(f"/u/{her.token}", params={"done": value}).status_code == 200
    assert her.state()[0] == "unsubscribed"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(reader: Reader, her: Ada, method: str) -> None:
    assert reader.request(method, f"/u/{her.token}").status_code == 405
    assert her.state()[0] == "active"
