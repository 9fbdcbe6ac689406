from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from own_links import HOSTILE, Ada, ada
from sqlite_utils import Database

from conftest import NOW
from digest.audience import changing_address, forgetting, subscribers
from digest.audience.leaving import leave
from digest.settings import Settings
from digest.tokens import Signer
from serving import Clock, Reader, dump, served

FORMS = ("topics", "pause", "resume", "you", "address", "address/keep", "counting", "forget")


@pytest.fixture
def reader(db: Database, settings: Settings, clock: Clock) -> Iterator[Reader]:
    """A site with three tools in three categories."""
    for name, category in (("Cursor", "Coding"), ("Otter", "Meetings"), ("Suno", "Music & <b>Sound</b>")):
        db.execute(
            "INSERT INTO tools (slug, name, name_key, category, created_at, updated_at) VALUES (?, ?, ?, ?, '', '')",
            [name.lower(), name, name.lower(), category],
        )
    with served(settings, clock) as found:
        yield found


@pytest.fixture
def her(reader: Reader, db: Database, settings: Settings) -> Ada:
    return ada(db, settings)


def saved(reader: Reader, her: Ada, form: str, fields: dict[str, Any] | None = None) -> str:
    """Send a form of the page, and give the page that follows."""
    answer = reader.submit(f"/p/{her.token}/{form}", fields)
    assert answer.status_code == 303, answer.text
    assert answer.headers["cache-control"] == "no-store"
    page: str = reader.get(answer.headers["location"]).text
    return page


def test_topics_are_saved_and_shown(reader: Reader, her: Ada) -> None:
    assert "That is how it is now" in reader.get(f"/p/{her.token}").text
    page = saved(reader, her, "topics", {"topics": ["coding", "meetings"]})
    assert "Your topics are saved" in page
    assert re.findall(r'value="([^"]+)" checked', page) == ["coding", "meetings"]
    assert her.column("topic_set") is not None
    saved(reader, her, "topics")
    assert her.column("topic_set") is None


def test_a_break_begins_and_ends(reader: Reader, her: Ada) -> None:
    page = saved(reader, her, "pause", {"weeks": "2"})
    assert "10 December 2026" in page
    assert her.column("paused_until") == "2026-12-10T09:00:00.000000Z"
    assert "Your break is over" in saved(reader, her, "resume")
    assert her.column("paused_until") is None


def test_name_and_zone_are_saved(reader: Reader, her: Ada) -> None:
    page = saved(reader, her, "you", {"name": "Countess Ada", "timezone": "Asia/Tokyo"})
    assert 'value="Countess Ada"' in page
    assert (her.column("name"), her.column("timezone")) == ("Countess Ada", "Asia/Tokyo")


@pytest.mark.parametrize(
    ("form", "fields", "field"),
    [
        ("topics", {"topics": "nothing"}, "topics"),
        ("pause", {"weeks": "520"}, "weeks"),
        ("you", {"name": "see www.spam.example", "timezone": "Asia/Tokyo"}, "name"),
        ("you", {"name": "Bea", "timezone": "Mars/Olympus"}, "timezone"),
        ("address", {"email": "no address"}, "email"),
    ],
)
def test_what_cannot_be_saved_is_told_at_its_field_and_kept(
    reader: Reader, her: Ada, form: str, fields: dict[str, str], field: str
) -> None:
    before = dump(her.db)
    answer = reader.submit(f"/p/{her.token}/{form}", fields)
    assert answer.status_code == 400
    assert f'id="{field}-error"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    for name, value in fields.items():
        assert f'value="{value}"' in answer.text or name in ("weeks", "topics")
    assert dump(her.db) == before


def test_another_address_is_asked_for_and_confirmed_at_the_new_one(
    reader: Reader, her: Ada, settings: Settings, clock: Clock
) -> None:
    page = saved(reader, her, "address", {"email": "ada@new.example.com"})
    assert "ada@new.example.com" in page
    change = her.db.execute("SELECT id FROM address_changes").fetchone()[0]
    ends = int((NOW + timedelta(days=settings.confirm_days)).timestamp())
    link = f"/address/{her.links.sign('address', change, ends)}"
    before = dump(her.db)
    assert "ada@new.example.com" in reader.get(link).text
    assert dump(her.db) == before
    done = reader.submit(link)
    assert done.status_code == 200
    assert her.column("email") == "ada@new.example.com"
    own = re.search(r'href="(/p/[^"]+)"', done.text)
    assert own is not None
    assert "ada@new.example.com" in reader.get(own[1]).text
    assert reader.submit(link).status_code == 404
    assert reader.get(link).status_code == 404


def test_a_link_to_a_new_address_ends_and_cannot_be_made(
    reader: Reader, her: Ada, settings: Settings, clock: Clock
) -> None:
    changing_address.ask(her.db, her.id, "ada@new.example.com", letters_a_day=3, now=NOW)
    ends = int((NOW + timedelta(days=settings.confirm_days)).timestamp())
    good = her.links.sign("address", 1, ends)
    before = dump(her.db)
    for wrong in (good[:-1], her.token, her.links.sign("copy", 1, ends), Signer(b"f" * 32).sign("address", 1, ends)):
        assert reader.submit(f"/address/{wrong}").status_code == 400
        assert reader.get(f"/address/{wrong}").status_code == 400
    assert reader.post(f"/address/{good}", headers={"Origin": "https://evil.example"}).status_code == 403
    clock.move_on(days=settings.confirm_days)
    assert reader.submit(f"/address/{good}").status_code == 410
    assert dump(her.db) == before


def test_a_known_address_is_not_told_to_who_asks(reader: Reader, her: Ada) -> None:
    subscribers.add(her.db, "known@example.com", now=NOW)
    known = saved(reader, her, "address", {"email": "known@example.com"})
    other = saved(reader, her, "address", {"email": "other@example.com"})
    assert known.replace("known@", "") == other.replace("other@", "")


def test_a_change_is_called_off(reader: Reader, her: Ada) -> None:
    saved(reader, her, "address", {"email": "ada@new.example.com"})
    assert "ada@new.example.com" not in saved(reader, her, "address/keep")
    assert her.db.execute("SELECT * FROM address_changes").fetchall() == []


def test_what_is_kept_is_shown_and_taken_along(reader: Reader, her: Ada) -> None:
    page = reader.get(f"/p/{her.token}/data")
    assert "ada@example.com" in page.text
    answer = reader.get(f"/p/{her.token}/data.json")
    assert answer.json()["subscription"]["email"] == "ada@example.com"
    assert answer.headers["content-disposition"].startswith("attachment")
    for kept in (page, answer):
        assert kept.headers["cache-control"] == "no-store"
        assert kept.headers["x-robots-tag"] == "noindex"


def test_a_reader_is_counted_no_longer_and_again(reader: Reader, her: Ada) -> None:
    def ticked(page: str) -> bool:
        return bool(re.search(r'name="uncounted"[^>]* checked', page))

    assert not ticked(reader.get(f"/p/{her.token}").text)
    page = saved(reader, her, "counting", {"uncounted": "1"})
    assert "is not counted" in page
    assert ticked(page)
    assert her.column("uncounted") == 1
    assert reader.get(f"/p/{her.token}/data.json").json()["subscription"]["opens_and_clicks_are_counted"] == "no"
    assert not ticked(saved(reader, her, "counting"))
    assert her.column("uncounted") == 0
    assert reader.get(f"/p/{her.token}/data.json").json()["subscription"]["opens_and_clicks_are_counted"] == "yes"


@pytest.mark.parametrize(
    ("tracking", "words"),
    [
        ("off", "At present we count nobody"),
        ("counts", "not who does it"),
        ("readers", "We keep when you open"),
    ],
)
def test_the_page_says_what_is_counted(
    db: Database, settings: Settings, clock: Clock, tracking: str, words: str
) -> None:
    her = ada(db, settings)
    with served(settings.model_copy(update={"tracking": tracking}), clock) as reader:
        page = reader.get(f"/p/{her.token}").text
        assert words in page
        assert "Do not count what I open and click" in page
        assert her.column("uncounted") == 0


@pytest.mark.parametrize(
    ("tracking", "words"),
    [
        ("off", "At present we count nobody"),
        ("counts", "what you open and click is not counted. Earlier ones may"),
        ("readers", "what you open and click is not counted. Earlier ones may"),
    ],
)
def test_who_is_not_counted_is_told_just_that(
    db: Database, settings: Settings, clock: Clock, tracking: str, words: str
) -> None:
    her = ada(db, settings)
    her.db.execute("UPDATE subscribers SET uncounted = 1")
    with served(settings.model_copy(update={"tracking": tracking}), clock) as reader:
        page = reader.get(f"/p/{her.token}").text
    assert words in page
    assert not re.search("We keep when|We count how many|what you choose here", page)


def test_forgetting_is_asked_once_more_and_then_done(reader: Reader, her: Ada) -> None:
    assert len(re.findall("<button", reader.get(f"/p/{her.token}/forget").text)) == 1
    assert "Nobody is behind this link" in saved(reader, her, "forget")
    assert her.column("email") == ""
    assert forgetting.is_forgotten(her.db, "ada@example.com")
    for way in ("", "/data", "/forget"):
        assert "Nobody is behind this link" in reader.get(f"/p/{her.token}{way}").text
    assert reader.get(f"/p/{her.token}/data.json").status_code == 404
    before = dump(her.db)
    for form in FORMS:
        assert reader.submit(f"/p/{her.token}/{form}", {"weeks": "1", "email": "x@example.com"}).status_code < 500
    assert dump(her.db) == before


def test_who_left_sees_the_way_back(reader: Reader, her: Ada) -> None:
    leave(her.db, her.id, way="page", now=NOW)
    page = reader.get(f"/p/{her.token}").text
    assert "Take me back" in page
    assert "Save my topics" not in page


@pytest.mark.parametrize(("reason", "words"), [("hard bounce", "refused our mail"), ("complaint", "do not want")])
def test_who_gets_nothing_is_told_why(reader: Reader, her: Ada, reason: subscribers.Reason, words: str) -> None:
    subscribers.suppress(her.db, "ada@example.com", reason, now=NOW)
    assert words in reader.get(f"/p/{her.token}").text


def test_no_message_can_be_put_into_the_page_from_outside(reader: Reader, her: Ada) -> None:
    for value in ("Your bank called", "<script>alert(1)</script>", "topics&x=1"):
        page = reader.get(f"/p/{her.token}", params={"done": value}).text
        assert "bank" not in page
        assert "<script>alert" not in page


@pytest.mark.parametrize("form", FORMS)
def test_forms_take_only_their_own_pages_and_tokens(reader: Reader, her: Ada, form: str) -> None:
    before = dump(her.db)
    fields = {"topics": "music", "weeks": "1", "name": "Eve", "email": "eve@example.com"}
    address = f"/p/{her.token}/{form}"
    assert reader.post(address, data=fields, headers={"Origin": "https://evil.example"}).status_code == 403
    assert reader.post(address, data=fields, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    for wrong in (her.token[:-1], her.links.sign("confirm", 0, her.id), "x" * 24, "%00"):
        assert 400 <= reader.submit(f"/p/{wrong}/{form}", fields).status_code < 500
    assert dump(her.db) == before


@pytest.mark.parametrize("form", FORMS[:-1])
def test_what_strangers_type_breaks_nothing(reader: Reader, her: Ada, form: str) -> None:
    for value in HOSTILE.values():
        fields = dict.fromkeys(("topics", "weeks", "name", "timezone", "email"), value)
        answer = reader.submit(f"/p/{her.token}/{form}", fields)
        assert answer.status_code in (303, 400)
        page = reader.get(f"/p/{her.token}").text
        assert "<script>alert" not in answer.text + page
        assert her.column("email") == "ada@example.com"
        assert "Music &amp; &lt;b&gt;Sound&lt;/b&gt;" in page


@pytest.mark.parametrize("form", FORMS)
def test_what_cannot_be_read_is_refused(reader: Reader, her: Ada, form: str) -> None:
    before = dump(her.db)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"name=%FF", b"name=a%00b", b"\xff", b"x" * 2**20, b"a=1&" * 300):
        answer = reader.post(f"/p/{her.token}/{form}", content=body, headers=headers)
        assert 400 <= answer.status_code < 500
    assert dump(her.db) == before
