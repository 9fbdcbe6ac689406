from __future__ import annotations

import re

from conftest import NOW
from digest.audience.subscribers import add, suppress
from digest.audience.topics import topics_of
from digest.store import Database
from serving import Clock, Reader, dump
from signing import JSON, counted, letters, sign_up


def test_a_person_signs_up_from_any_page(reader: Reader, clock: Clock, sample: Database) -> None:
    moment = reader.moment("/")
    clock.move_on(seconds=9)
    answer = reader.submit("/sign-up", moment=moment, email=" ada@example.org ")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-up/sent")
    assert letters(sample) == ["ada@example.org"]
    page = reader.get("/sign-up/sent")
    assert "Check your inbox" in page.text
    assert page.headers["cache-control"] == "no-store"


def test_name_topics_and_zone_wait_as_a_wish(reader: Reader, clock: Clock, sample: Database) -> None:
    topic = topics_of(sample)[0].slug
    sign_up(reader, clock, name="Ada", topics=topic, timezone="Europe/Berlin")
    wish = sample.conn.execute("SELECT name, timezone, topics, source FROM wishes").fetchone()
    assert wish == ("Ada", "Europe/Berlin", f'["{topic}"]', "sign-up form")
    assert sample.conn.execute("SELECT name, topic_set FROM subscribers").fetchone() == (None, None)


def test_a_zone_that_is_none_is_left_out(reader: Reader, clock: Clock, sample: Database) -> None:
    assert sign_up(reader, clock, timezone="Mars/Olympus").status_code == 303
    assert sample.conn.execute("SELECT timezone FROM wishes").fetchone() == (None,)


def test_the_form_has_all_topics_to_choose_from(reader: Reader, sample: Database) -> None:
    page = reader.get("/sign-up").text
    assert re.findall(r'name="topics" value="([^"]+)"', page) == [topic.slug for topic in topics_of(sample)]


def test_the_answer_is_the_same_whether_an_address_is_known_or_not(
    reader: Reader, clock: Clock, sample: Database
) -> None:
    add(sample, "reader@example.org", now=NOW)
    suppress(sample, "bounced@example.org", "hard bounce", now=NOW)
    answers = [
        sign_up(reader, clock, email) for email in ("new@example.org", "reader@example.org", "bounced@example.org")
    ]
    own = ("date", "x-request-id")
    same = [(a.status_code, a.content, {k: v for k, v in a.headers.items() if k not in own}) for a in answers]
    assert same[0] == same[1] == same[2]
    assert letters(sample) == ["new@example.org"]


def test_a_double_press_is_one_letter(reader: Reader, clock: Clock, sample: Database) -> None:
    moment = reader.moment()
    clock.move_on(seconds=5)
    for _ in range(3):
        assert reader.submit("/sign-up", moment=moment, email="ada@example.org").status_code == 303
    assert letters(sample) == ["ada@example.org"]
    assert counted(sample) == {"asked": 1, "repeated": 2}


WRONG: list[tuple[dict[str, str], str, str]] = [
    ({"email": "ada@example"}, "email", "is not an email address"),
    ({"email": ""}, "email", "Please type your address"),
    ({"email": "a" * 5000 + "@example.org"}, "email", "more than the 1000"),
    ({"email": "ada@example.org", "name": "Win at www.example.com"}, "name", "no links"),
    ({"email": "ada@example.org", "name": "{{7*7}}"}, "name", "brackets"),
    ({"email": "ada@example.org", "name": "x" * 101}, "name", "at most 100"),
    ({"email": "ada@example.org", "topics": "' OR 1=1 --"}, "topics", "No topic is called"),
]


def test_what_is_wrong_stands_beside_its_field_and_nothing_is_stored(
    reader: Reader, clock: Clock, sample: Database
) -> None:
    for fields, field, words in WRONG:
        _shows_what_is_wrong(reader, clock, sample, fields, field, words)


def _shows_what_is_wrong(
    reader: Reader, clock: Clock, sample: Database, fields: dict[str, str], field: str, words: str
) -> None:
    before = dump(sample, but=("sign_up_counts",))
    moment = reader.moment("/sign-up")
    clock.move_on(seconds=5)
    answer = reader.submit("/sign-up", {"moment": moment, "timezone": "Europe/Berlin", **fields})
    assert answer.status_code == 422
    assert dump(sample, but=("sign_up_counts",)) == before
    problem = re.search(rf'id="sign-up-{field}-problem" role="alert">([^<]+)<', answer.text)
    assert problem is not None
    assert words in problem[1]
    assert f'aria-describedby="sign-up-{field}-problem"' in answer.text
    if field == "name":
        assert 'value="ada@example.org"' in answer.text
    assert 'name="timezone" value="Europe/Berlin"' in answer.text


def test_what_was_typed_comes_back_as_text_and_not_as_a_page(reader: Reader, clock: Clock) -> None:
    answer = sign_up(reader, clock, '"><script>alert(1)</script>', name="<b>{{ 7*7 }}</b>")
    assert answer.status_code == 422
    assert "<script>alert" not in answer.text
    assert "<b>" not in answer.text
    assert "49" not in re.findall(r'name="name" value="([^"]*)"', answer.text)


def test_a_form_that_cannot_be_read_is_refused(reader: Reader, sample: Database) -> None:
    before = dump(sample, but=("sign_up_counts",))
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"email=%ff%fe", b"email=a%40b.org&name=%00", b"email=\xff", b"&".join([b"topics=x"] * 300)):
        assert reader.post("/sign-up", content=body, headers=kind).status_code == 400
    assert reader.post("/sign-up", content=b"x" * 2**20, headers=kind).status_code == 413
    assert dump(sample, but=("sign_up_counts",)) == before


def test_looking_at_the_pages_changes_nothing(reader: Reader, sample: Database) -> None:
    before = dump(sample)
    for path in ("/sign-up", "/sign-up/sent", "/sign-up/challenge", "/embed"):
        assert reader.get(path).status_code == 200
        assert reader.head(path).status_code in (200, 405)
    assert dump(sample) == before


# As JSON -------------------------------------------------------------------------------------------------------------


def test_a_script_signs_up_as_json(reader: Reader, clock: Clock, sample: Database) -> None:
    moment = reader.get("/sign-up/challenge").json()["moment"]
    clock.move_on(seconds=3)
    asked = {"email": "ada@example.org", "name": None, "topics": [topics_of(sample)[0].slug], "moment": moment}
    answer = reader.post("/sign-up", json=asked, headers=JSON)
    assert answer.status_code == 202
    assert answer.json()["status"] == "sent"
    assert letters(sample) == ["ada@example.org"]


def test_json_without_a_moment_is_told_to_come_again_with_one(reader: Reader, clock: Clock, sample: Database) -> None:
    answer = reader.post("/sign-up", json={"email": "ada@example.org"}, headers=JSON)
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "moment"
    assert letters(sample) == []
    clock.move_on(seconds=3)
    again = {"email": "ada@example.org", "moment": answer.json()["moment"]}
    assert reader.post("/sign-up", json=again, headers=JSON).status_code == 202


WRONG_JSON = [
    (b"", 400),
    (b"[]", 400),
    (b"{", 400),
    (b"[" * 60_000, 400),
    (b'{"email": "\xff"}', 400),
    (b'{"email": "\\u0000"}', 400),
    (b'{"email": "\\ud800@example.org"}', 400),
    (b'{"email": 7}', 400),
    (b'{"email": {"a": "b"}}', 400),
    (b'{"email": "nobody"}', 422),
    (b'{"email": "' + b"x" * 2**17 + b'"}', 413),
]


def test_json_that_is_wrong_is_a_problem(reader: Reader, sample: Database) -> None:
    before = dump(sample, but=("sign_up_counts",))
    for body, status in WRONG_JSON:
        answer = reader.post("/sign-up", content=body, headers={**JSON, "Content-Type": "application/json"})
        assert answer.status_code == status, body[:40]
        if status != 413:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == status
    assert dump(sample, but=("sign_up_counts",)) == before
