"""The readers at the desk: found, looked after, added, imported, exported, suppressed; by a publisher."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from datetime import timedelta

import httpx
import pytest
from sqlite_utils import Database

from conftest import NOW
from desk import Desk, at_the_desk
from digest import times
from digest.audience import browsing, subscribers, suppression
from digest.audience.leaving import leave
from digest.editors import audit
from digest.settings import Settings
from digest.store import writing
from serving import Clock, Reader, dump

HOME = "/desk/subscribers"
HOSTILE = "<script>alert(1)</script>\"'{{7*7}}"


@pytest.fixture
def ann(reader: Reader, settings: Settings) -> Desk:
    return at_the_desk(reader, settings, "publisher")


def add(db: Database, email: str, name: str = "", **more: str) -> int:
    return subscribers.add(db, email, now=NOW, name=name or None, **more)[0].id  # type: ignore[arg-type]


def reader_of(db: Database, number: int) -> browsing.Listed:
    return browsing.subscriber(db, str(number))


def done(db: Database) -> list[tuple[str, str]]:
    return [(one.did, one.what) for one in audit.done(db, limit=100) if not one.what.startswith("editor")]


def bring(ann: Desk, address: str, *files: tuple[str, bytes], **fields: str) -> httpx.Response:
    headers = {"Origin": str(ann.http.base_url).rstrip("/")}
    parts = [("files", (name, content, "text/csv")) for name, content in files]
    return ann.http.post(address, data={"csrf": ann.csrf, **fields}, files=parts, headers=headers)


# The list -----------------------------------------------------------------------------------------------------------


def test_an_empty_list_says_how_readers_come(ann: Desk) -> None:
    page = ann.get(f"{HOME}/").text
    assert "Nobody is here yet" in page
    assert f'href="{HOME}/import"' in page


def test_readers_are_listed_newest_first_and_paged(ann: Desk, db: Database) -> None:
    numbers = [add(db, f"reader{place}@example.org") for place in range(60)]
    first = ann.get(f"{HOME}/").text
    assert "60 readers" in first
    assert "60 came and 0 left: +60" in first
    links = [int(number) for number in re.findall(rf'href="{HOME}/(\d+)"', first)]
    assert links == numbers[:9:-1]
    older = re.search(rf'href="({HOME}/\?before=\d+)" rel="next"', first)
    assert older is not None
    second = ann.get(older[1]).text
    assert [int(number) for number in re.findall(rf'href="{HOME}/(\d+)"', second)] == numbers[9::-1]
    assert 'rel="next"' not in second


def test_readers_are_asked_for_by_how_they_stand_and_by_topic(ann: Desk, db: Database) -> None:
    add(db, "active@example.org")
    paused, left, _, gone = (add(db, f"{name}@example.org") for name in ("paused", "left", "bounced", "gone"))
    pending = ann.submit(f"{HOME}/add", email="pending@example.org", how="ask").headers["location"]
    slug = re.findall(r'name="topics" value="([^"]+)"', ann.get(f"{HOME}/{paused}").text)[0]
    ann.submit(f"{HOME}/{paused}", name="", pause="2", topics=slug)
    leave(db, left, way="editor", now=NOW)
    suppression.add_suppression(db, "bounced@example.org", "hard bounce", source="test", now=NOW)
    suppression.add_suppression(db, "nobody@example.org", "complaint", source="test", now=NOW)
    ann.submit(f"{HOME}/{gone}/forget", email="gone@example.org")

    def found(query: str) -> set[str]:
        return set(re.findall(r"<bdi>(\w+)@example.org</bdi></strong>", ann.get(f"{HOME}/?{query}").text))

    assert found("standing=pending") == {"pending"}
    assert "/desk/subscribers/" in pending
    assert found("standing=paused") == {"paused"}
    assert found("standing=unsubscribed") == {"left"}
    assert found("standing=suppressed") == {"bounced"}
    assert found("standing=active") == {"active", "paused", "bounced"}
    assert found(f"topic={slug}") == {"paused"}
    assert found("topic=no-such-topic") == set()
    assert ann.get(f"{HOME}/?standing=king").status_code == 400


def test_somebody_is_found_by_address_and_no_address_stands_in_a_pages_address(ann: Desk, db: Database) -> None:
    ada = add(db, "Ada@Example.org", "Ada Lovelace")
    add(db, "ad_min@example.org")
    exact = ann.submit(f"{HOME}/find", words=" ada@EXAMPLE.org ")
    assert exact.headers["location"] == f"{HOME}/{ada}"
    assert ann.submit(f"{HOME}/find", words=str(ada)).headers["location"] == f"{HOME}/{ada}"
    for words, there in (("ada", True), ("lovel", True), ("vela", False), ("ad%", False), ("ada@exam", True)):
        assert ("Ada@Example.org" in ann.submit(f"{HOME}/find", words=words).text) is there, words
    assert "ad_min" in ann.submit(f"{HOME}/find", words="ad_").text
    assert ann.submit(f"{HOME}/find", words="").headers["location"] == f"{HOME}/"
    suppression.add_suppression(db, "gone@example.org", "complaint", source="test", now=NOW)
    assert "on <a" in ann.submit(f"{HOME}/find", words="gone@example.org").text
    for page in (ann.get(f"{HOME}/"), ann.get(f"{HOME}/{ada}"), ann.submit(f"{HOME}/find", words="a")):
        assert not re.search(r'(href|action|hx-get)="[^"]*(@|%40)', page.text)


def test_what_is_found_is_paged_by_form(ann: Desk, db: Database) -> None:
    for place in range(55):
        add(db, f"reader{place}@example.org")
    first = ann.submit(f"{HOME}/find", words="reader").text
    before = re.search(r'name="before" value="(\d+)"', first)
    assert before is not None
    second = ann.submit(f"{HOME}/find", words="reader", before=before[1]).text
    assert len(re.findall(rf'href="{HOME}/\d+"', second)) == 5
    assert ann.submit(f"{HOME}/find", words="reader", before="x").status_code == 400


# One reader ---------------------------------------------------------------------------------------------------------


def test_a_reader_is_shown_with_what_happened_and_taken_along(ann: Desk, db: Database) -> None:
    number = add(db, "ada@example.org", "Ada", timezone="Europe/Berlin")
    page = ann.get(f"{HOME}/{number}").text
    assert all(words in page for words in ("ada@example.org", "Europe/Berlin", "added by hand", "Came"))
    told = ann.get(f"{HOME}/{number}.json")
    assert told.headers["content-disposition"] == f'attachment; filename="subscriber-{number}.json"'
    assert told.json()["subscription"]["email"] == "ada@example.org"
    rows = list(csv.DictReader(io.StringIO(ann.get(f"{HOME}/{number}.csv").text)))
    assert [row["kind"] for row in rows] == ["came"]
    for address in (f"{HOME}/999", f"{HOME}/999.json", f"{HOME}/999/forget"):
        assert ann.get(address).status_code == 404
    assert ann.get(f"{HOME}/{number}.xml").status_code in (400, 404)


def test_what_a_reader_chose_is_changed_and_written_down_without_it(ann: Desk, db: Database) -> None:
    number = add(db, "ada@example.org", "Ada")
    (slug,) = re.findall(r'name="topics" value="([^"]+)"', ann.get(f"{HOME}/{number}").text)[:1]
    answer = ann.submit(f"{HOME}/{number}", name="Ada L.", timezone="Asia/Tokyo", topics=slug, pause="4")
    assert answer.headers["location"] == f"{HOME}/{number}?done=changed"
    found = reader_of(db, number)
    assert (found.name, found.timezone, found.topics) == ("Ada L.", "Asia/Tokyo", (slug,))
    assert found.paused_until == times.to_text(NOW + timedelta(weeks=4))
    (line,) = [one for one in audit.done(db, limit=9) if one.did == "changed"]
    assert (line.who, line.what) == ("Ann", f"subscriber {number}")
    assert line.detail == {"fields": ["name", "timezone", "topics", "paused until"]}
    ann.submit(f"{HOME}/{number}", name="", timezone="", pause="keep")
    found = reader_of(db, number)
    assert (found.name, found.timezone, found.topics) == (None, None, None)
    assert found.paused_until is not None
    ann.submit(f"{HOME}/{number}", pause="0")
    assert reader_of(db, number).paused_until is None


@pytest.mark.parametrize(
    ("field", "value"), [("name", "www.evil.example/"), ("timezone", "Mars/Base"), ("topics", "none"), ("pause", "99")]
)
def test_what_does_not_fit_a_reader_is_said_beside_its_field(ann: Desk, db: Database, field: str, value: str) -> None:
    number = add(db, "ada@example.org", "Ada")
    before = reader_of(db, number)
    answer = ann.submit(f"{HOME}/{number}", {"name": "Ada L.", field: value})
    assert answer.status_code == 422
    assert f'id="{field}-problem"' in answer.text
    assert reader_of(db, number) == before


def test_a_reader_is_unsubscribed_and_comes_back_only_with_words(ann: Desk, db: Database) -> None:
    number = add(db, "ada@example.org")
    assert "Unsubscribe" in ann.get(f"{HOME}/{number}/leave").text
    assert reader_of(db, number).state == "active"
    ann.submit(f"{HOME}/{number}/leave")
    assert reader_of(db, number).state == "unsubscribed"
    assert db.conn.execute("SELECT way FROM departures").fetchall() == [("editor",)]
    assert ann.submit(f"{HOME}/{number}/again", agreed=" ").status_code == 422
    assert reader_of(db, number).state == "unsubscribed"
    answer = ann.submit(f"{HOME}/{number}/again", agreed="wrote on Monday")
    assert answer.headers["location"] == f"{HOME}/{number}?done=again"
    assert (reader_of(db, number).state, reader_of(db, number).suppressed) == ("active", None)
    assert "wrote on Monday" in ann.get(f"{HOME}/{number}").text
    named = f"subscriber {number}"
    assert done(db) == [("subscribed again", named), ("unsubscribed", named)]


def test_who_complained_is_never_mailed_again_in_silence(ann: Desk, db: Database) -> None:
    number = add(db, "ada@example.org")
    ann.submit(f"{HOME}/{number}/suppress", reason="complaint")
    leave(db, number, way="page", now=NOW)
    assert reader_of(db, number).suppressed == "complaint"
    page = ann.get(f"{HOME}/{number}").text
    assert "reported our mail as spam" in page
    assert f"{HOME}/{number}/again" not in page
    assert "not undone in silence" in ann.get(f"{HOME}/{number}/again").text
    assert ann.submit(f"{HOME}/{number}/again", agreed="they asked").status_code == 409
    assert ann.submit(f"{HOME}/{number}/lift").status_code == 422
    assert reader_of(db, number).suppressed == "complaint"
    ann.submit(f"{HOME}/{number}/lift", sure="on")
    assert (reader_of(db, number).suppressed, reader_of(db, number).state) == (None, "unsubscribed")
    assert done(db)[0] == ("took off the suppression list", f"subscriber {number}")


def test_a_reader_is_suppressed_for_a_reason(ann: Desk, db: Database) -> None:
    number = add(db, "ada@example.org")
    for wrong in ("", "forgotten", "because"):
        assert ann.submit(f"{HOME}/{number}/suppress", reason=wrong).status_code == 422
    ann.submit(f"{HOME}/{number}/suppress", reason="hard bounce")
    assert reader_of(db, number).suppressed == "hard bounce"
    assert "refused our mail for good" in ann.get(f"{HOME}/{number}").text
    ann.submit(f"{HOME}/{number}/lift")
    assert reader_of(db, number).suppressed is None


def test_a_reader_is_forgotten_once_the_address_is_typed(ann: Desk, db: Database) -> None:
    number = add(db, "Ada@example.org")
    assert "cannot be undone" in ann.get(f"{HOME}/{number}/forget").text
    for wrong in ("", "bea@example.org", "ada"):
        assert ann.submit(f"{HOME}/{number}/forget", email=wrong).status_code == 422
    assert reader_of(db, number).email == "Ada@example.org"
    answer = ann.submit(f"{HOME}/{number}/forget", email="ada@EXAMPLE.org ")
    assert answer.headers["location"] == f"{HOME}/?done=forgotten"
    assert ann.get(f"{HOME}/{number}").status_code == 404
    assert done(db) == [("forgot", f"subscriber {number}")]
    assert "ada@" not in json.dumps(dump(db, but=("editors",)), default=str).lower()


def test_who_waits_is_asked_once_more_but_not_over_and_over(ann: Desk, db: Database, clock: Clock) -> None:
    to = ann.submit(f"{HOME}/add", email="ada@example.org", how="ask").headers["location"]
    number = int(re.findall(r"/(\d+)", to)[0])
    assert ann.submit(f"{HOME}/{number}/confirm").headers["location"] == f"{HOME}/{number}?done=enough"
    clock.move_on(hours=1)
    assert ann.submit(f"{HOME}/{number}/confirm").headers["location"] == f"{HOME}/{number}?done=asked"
    assert db.conn.execute("SELECT kind, email FROM letters").fetchall() == [("confirm", "ada@example.org")] * 2
    assert db["consents"].count == 1
    active = add(db, "bea@example.org")
    assert ann.submit(f"{HOME}/{active}/confirm").status_code == 409
    assert db["letters"].count == 2


# Adding one ---------------------------------------------------------------------------------------------------------


def test_who_is_added_is_asked_by_letter_or_in_with_the_words_of_consent(ann: Desk, db: Database) -> None:
    ann.submit(f"{HOME}/add", email="ada@example.org", name="Ada", how="ask", agreed="not kept")
    ada = browsing.subscriber(db, "ada@example.org")
    assert ada.state == "pending"
    assert db["letters"].count == 1
    answer = ann.submit(f"{HOME}/add", email="bea@example.org", name="Bea", how="agreed", agreed="signed in Porto")
    bea = browsing.subscriber(db, "bea@example.org")
    assert answer.headers["location"] == f"{HOME}/{bea.id}?done=added"
    assert (bea.state, bea.name, bea.source) == ("active", "Bea", "an editor")
    assert db.conn.execute("SELECT words FROM consents WHERE kind = 'added'").fetchall() == [("signed in Porto",)]
    assert done(db) == [("added", f"subscriber {bea.id}"), ("added", f"subscriber {ada.id}")]
    assert "bea" not in json.dumps([one.detail for one in audit.done(db, limit=9)], default=str)
    assert ann.submit(f"{HOME}/add", email="bea@example.org", how="ask").headers["location"].endswith("done=known")


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"email": "", "how": "ask"}, 422, "email"),
        ({"email": "ada", "how": "ask"}, 422, "email"),
        ({"email": "ada@example.org", "how": "agreed"}, 422, "agreed"),
        ({"email": "ada@example.org"}, 422, "how"),
        ({"email": "ada@example.org", "how": "ask", "name": "http://x"}, 422, "name"),
        ({"email": "ada@example.org", "how": "ask", "topics": "none"}, 422, "topics"),
        ({"email": "left@example.org", "how": "agreed", "agreed": "said so"}, 409, "email"),
    ],
)
def test_who_cannot_be_added_is_said_beside_the_field(
    ann: Desk, db: Database, fields: dict[str, str], status: int, field: str
) -> None:
    leave(db, add(db, "left@example.org"), way="page", now=NOW)
    before = dump(db)
    answer = ann.submit(f"{HOME}/add", fields)
    assert answer.status_code == status
    assert f'id="{field}-problem"' in answer.text
    assert dump(db, but=("sessions",)) == {name: rows for name, rows in before.items() if name != "sessions"}


# Moving in and out --------------------------------------------------------------------------------------------------

ROWS = (
    b"email,name,state,shoe\nada@example.org,Ada,,38\nnobody,Nob,,\n"
    b"left@example.org,Lee,,\nbea@example.org,Bea,pending,\n"
)


def test_an_import_says_first_what_would_happen_and_writes_on_the_button(ann: Desk, db: Database) -> None:
    leave(db, add(db, "left@example.org"), way="page", now=NOW)
    before = dump(db)
    to = bring(ann, f"{HOME}/import", ("list.csv", ROWS)).headers["location"]
    page = ann.get(to).text
    assert "This would happen" in page
    assert all(words in page for words in ("list.csv:3", "<bdi>shoe</bdi>", "left@example.org", "Import so"))
    same = ("sessions",)
    assert dump(db, but=same) == {name: rows for name, rows in before.items() if name not in same}
    assert ann.submit(f"{to}/write", what="subscribers", chosen="").headers["location"] == to
    page = ann.get(to).text
    assert "<h1>Imported</h1>" in page
    assert browsing.subscriber(db, "ada@example.org").state == "active"
    assert browsing.subscriber(db, "bea@example.org").state == "pending"
    assert browsing.subscriber(db, "left@example.org").state == "unsubscribed"
    assert done(db) == [("imported", "subscribers")]
    rows = list(csv.DictReader(io.StringIO(ann.get(f"{to}/left-out.csv").text)))
    assert (rows[0]["file"], rows[0]["line"], rows[0]["row"]) == ("list.csv", "3", "nobody,Nob,,")
    assert any("left@example.org" in row["why"] for row in rows)
    assert ann.submit(f"{to}/write", what="subscribers").status_code == 409


def test_several_files_and_a_zip_of_a_service_are_read(ann: Desk, db: Database) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        header = "Email Address,First Name,MEMBER_RATING,OPTIN_TIME\n"
        archive.writestr("subscribed_members_export_1.csv", f"{header}ada@example.org,Ada,2,2024-01-02 03:04:05\n")
        archive.writestr("opens.csv", "who,when\nada@example.org,today\n")
    more = ("more_subscribed_members.csv", b"Email Address,MEMBER_RATING\nbea@example.org,2\n")
    to = bring(ann, f"{HOME}/import", ("mailchimp.zip", packed.getvalue()), more).headers["location"]
    page = ann.get(to).text
    assert "export of <strong>Mailchimp</strong>" in page
    ann.submit(f"{to}/write", what="subscribers", chosen="")
    assert browsing.subscriber(db, "ada@example.org").name == "Ada"
    assert db.conn.execute("SELECT DISTINCT kind FROM consents").fetchall() == [("imported",)]


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        ([], ""),
        ([("empty.csv", b"")], ""),
        ([("list.csv", ROWS)], "king"),
    ],
    ids=["none", "empty", "unknown service"],
)
def test_what_cannot_be_brought_is_said(ann: Desk, files: list[tuple[str, bytes]], chosen: str) -> None:
    answer = bring(ann, f"{HOME}/import", *files, chosen=chosen)
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize(
    "content",
    [
        b"who\nada\n",
        b"PK\x03\x04 no zip",
        b"\xff\xfe\x00",
        b'email\n"open',
        "email,\udcff\n".encode("utf-8", "surrogateescape"),
    ],
    ids=["no column", "no zip", "half utf-16", "open quote", "no utf-8"],
)
def test_what_is_no_list_breaks_nothing(ann: Desk, db: Database, content: bytes) -> None:
    for address in (f"{HOME}/import", f"{HOME}/suppressions/import"):
        to = bring(ann, address, ("list.csv", content)).headers["location"]
        assert ann.get(to).status_code == 200
        assert ann.get(f"{to}/part").status_code == 204
        assert ann.get(f"{to}/left-out.csv").status_code in (200, 404)
    assert db["subscribers"].count == 0


def test_files_are_their_editors_own_and_can_be_thrown_away(
    ann: Desk, reader: Reader, settings: Settings, db: Database
) -> None:
    bea = at_the_desk(reader, settings, "publisher", name="Bea")
    to = bring(ann, f"{HOME}/import", ("list.csv", ROWS)).headers["location"]
    assert bea.get(to).status_code == 404
    assert bea.submit(f"{to}/write", what="subscribers").status_code == 404
    assert ann.submit(f"{to}/drop").status_code == 303
    assert ann.get(to).status_code == 404
    assert db["subscribers"].count == 0


def test_readers_are_exported_and_that_is_written_down(ann: Desk, db: Database) -> None:
    add(db, "ada@example.org", "=1+1")
    leave(db, add(db, "left@example.org"), way="page", now=NOW)
    answer = ann.submit(f"{HOME}/export", state="", shape="csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="subscribers.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["email"], row["state"]) for row in rows] == [
        ("ada@example.org", "active"),
        ("left@example.org", "unsubscribed"),
    ]
    told = ann.submit(f"{HOME}/export", state="active", shape="json").json()
    assert [one["email"] for one in told] == ["ada@example.org"]
    assert "Email Address" in ann.submit(f"{HOME}/export", shape="mailchimp").text
    lines = [one.detail for one in audit.done(db, limit=3)]
    assert [line["count"] for line in lines] == [1, 1, 2]
    assert ann.submit(f"{HOME}/export", shape="xml").status_code == 400
    assert ann.submit(f"{HOME}/export", state="king").status_code == 400
    assert "<h1>Export</h1>" in ann.get(f"{HOME}/export").text


# Those who must not be mailed ---------------------------------------------------------------------------------------


def test_an_address_comes_on_the_list_and_off(ann: Desk, db: Database) -> None:
    home = f"{HOME}/suppressions"
    assert "Nobody is on it" in ann.get(home).text
    number = add(db, "ada@example.org")
    ann.submit(f"{home}/add", email="ada@example.org", reason="hard bounce")
    ann.submit(f"{home}/add", email="stranger@example.org", reason="complaint")
    page = ann.get(home).text
    assert "ada@example.org" in page
    assert "stranger@example.org" in page
    assert "stranger" not in ann.get(f"{home}?reason=hard+bounce").text
    assert "stranger" not in ann.submit(f"{home}/find", words="ada").text
    assert ann.get(f"{home}?page=2").status_code == 200
    assert "Bounced for good" in ann.submit(f"{home}/ask", email="ada@example.org").text
    ann.submit(f"{home}/lift", email="ada@example.org")
    assert reader_of(db, number).suppressed is None
    assert ann.submit(f"{home}/lift", email="stranger@example.org").status_code == 422
    assert ann.submit(f"{home}/lift", email="stranger@example.org", sure="on").status_code == 303
    assert db["suppressions"].count == 0
    assert ann.submit(f"{home}/lift", email="stranger@example.org").status_code == 404
    assert done(db) == [
        ("took off the suppression list", "an address"),
        ("took off the suppression list", f"subscriber {number}"),
        ("suppressed", "an address"),
        ("suppressed", f"subscriber {number}"),
    ]
    for fields in ({"email": "ada", "reason": "complaint"}, {"email": "ada@example.org", "reason": "x"}):
        assert ann.submit(f"{home}/add", fields).status_code == 422


def test_the_list_is_moved_in_and_out(ann: Desk, db: Database) -> None:
    number = add(db, "ada@example.org")
    content = b"address,type\nada@example.org,unsubscribe\nbea@example.org,odd\ncid@example.org,bounce\n"
    to = bring(ann, f"{HOME}/suppressions/import", ("list.csv", content)).headers["location"]
    assert "list.csv:3" in ann.get(to).text
    assert db["suppressions"].count == 0
    ann.submit(f"{to}/write", what="suppressions", chosen="")
    assert "<h1>Imported</h1>" in ann.get(to).text
    assert reader_of(db, number).state == "unsubscribed"
    rows = list(csv.DictReader(io.StringIO(ann.submit(f"{HOME}/suppressions/export").text)))
    assert [(row["email"], row["reason"]) for row in rows] == [
        ("ada@example.org", "unsubscribed"),
        ("cid@example.org", "hard bounce"),
    ]
    assert done(db) == [("exported", "suppressions"), ("imported", "suppressions")]


def test_what_people_type_shows_as_text(ann: Desk, db: Database) -> None:
    number = add(db, "ada@example.org")
    leave(db, number, way="page", now=NOW)
    ann.submit(f"{HOME}/{number}/again", agreed=HOSTILE)
    with writing(db) as connection:
        connection.execute("UPDATE subscribers SET name = ?1, timezone = ?1, source = ?1", (HOSTILE,))
        connection.execute("INSERT INTO suppressions VALUES ('x@example.org', 'complaint', ?, ?)", (
            times.to_text(NOW), HOSTILE))  # fmt: skip
        connection.execute("UPDATE departures SET words = ?", (HOSTILE,))
    content = f'email,"{HOSTILE.replace(chr(34), chr(34) * 2)}"\n"{HOSTILE.replace(chr(34), chr(34) * 2)}",x\n'.encode()
    brought = bring(ann, f"{HOME}/import", ("<script>alert(2).csv", content)).headers["location"]
    pages = [
        ann.get(f"{HOME}/"),
        ann.get(f"{HOME}/?topic={HOSTILE}"),
        ann.get(f"{HOME}/{number}"),
        ann.get(f"{HOME}/suppressions"),
        ann.get(brought),
        ann.submit(f"{HOME}/find", words=HOSTILE),
        ann.submit(f"{HOME}/suppressions/find", words=HOSTILE),
        ann.submit(f"{HOME}/suppressions/add", email=HOSTILE, reason=HOSTILE),
        ann.submit(f"{HOME}/add", email=HOSTILE, name=HOSTILE, agreed=HOSTILE, how=HOSTILE),
        ann.submit(f"{HOME}/{number}", name=HOSTILE, timezone=HOSTILE),
        *(ann.get(f"{HOME}/{number}/{act}") for act in ("leave", "again", "suppress", "lift", "forget")),
    ]
    for page in pages:
        assert page.status_code < 500
        assert "<script>alert" not in page.text, page.url
    assert "&lt;script&gt;" in pages[2].text
