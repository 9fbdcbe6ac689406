"""The catalogue by form and by file, as an editor without JavaScript uses it."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta

import httpx
import pytest
from sqlite_utils import Database

from conftest import NOW
from desk import Desk, at_the_desk
from digest.catalogue import browsing
from digest.catalogue.model import Tool
from digest.editors import audit
from digest.issue import issues
from digest.issue.collect import collect
from digest.settings import Settings
from digest.store import writing
from serving import Clock, Reader, dump, served

ROOM = "/desk/catalogue"
CURSOR = f"{ROOM}/tools/cursor"
PAIR = f"{ROOM}/comparisons/cursor-vs-claude-code"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"timezone": "Europe/Berlin"})


@pytest.fixture
def bea(reader: Reader, settings: Settings) -> Desk:
    return at_the_desk(reader, settings, "editor", name="Bea")


@pytest.fixture
def ann(reader: Reader, settings: Settings, bea: Desk) -> Desk:
    assert bea.editor.id == 1
    return at_the_desk(reader, settings, name="Ann")


def form_of(page: str, action: str = "") -> dict[str, str]:
    """Read a form as a browser would post it: the one with this action, or the first with a `seen`."""
    forms = re.findall(r"(?s)<form[^>]*>.*?</form>", page)
    [form] = [one for one in forms if (f'action="{action}"' in one if action else 'name="seen"' in one)]
    found = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = re.search(r' name="([^"]*)"', tag), re.search(r' value="([^"]*)"', tag)
        kind = re.search(r' type="([^"]*)"', tag)
        if name and not (kind and kind[1] in ("radio", "checkbox") and " checked" not in tag):
            found[name[1]] = html.unescape(value[1]) if value else ""
    for name, text in re.findall(r'(?s)<textarea[^>]* name="([^"]*)"[^>]*>(.*?)</textarea>', form):
        found[name] = html.unescape(text)
    for name, options in re.findall(r'(?s)<select[^>]* name="([^"]*)"[^>]*>(.*?)</select>', form):
        chosen = re.search(r'<option value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else ""
    return {name: value for name, value in found.items() if name != "csrf"}


def tool(db: Database, slug: str = "cursor") -> Tool:
    return browsing.tool(db, slug)


def bring(desk: Desk, *files: tuple[str, str]) -> httpx.Response:
    parts = [("files", (name, content.encode(), "application/octet-stream")) for name, content in files]
    return desk.http.post(
        f"{ROOM}/import",
        files=parts,
        data={"csrf": desk.csrf},
        headers={"Origin": str(desk.http.base_url), "Sec-Fetch-Site": "same-origin"},
    )


# Tools -------------------------------------------------------------------------------------------------------------


def test_a_form_saved_as_it_came_changes_nothing(bea: Desk, db: Database, sample: Database) -> None:
    before = dump(db, but=("sessions",))
    for address in (CURSOR, PAIR):
        fields = form_of(bea.get(address).text)
        assert bea.submit(address, fields).headers["location"] == f"{address}?done=changed"
    assert dump(db, but=("sessions",)) == before


def test_a_tool_is_changed_with_its_reviews(bea: Desk, db: Database, sample: Database) -> None:
    fields = form_of(bea.get(CURSOR).text)
    assert fields["quote-builder"]
    fields |= {
        "tagline": "An editor",
        "entry": "paid",
        "panel_ship": "61%",
        "description": "One\r\n\r\nTwo",
        "verdict-builder": "skip",
        "quote-skeptic": "",
        "quote-designer": "Says more.",
        "verdict-designer": "",
    }
    assert bea.submit(CURSOR, fields).status_code == 303
    found = tool(db)
    said = {review.reviewer.slug: review for review in found.reviews}
    assert (found.tagline, found.entry, found.stated_panel_ship) == ("An editor", "paid", 61)
    assert found.description == "One\n\nTwo"
    assert said["builder"].verdict == "skip"
    assert "skeptic" not in said
    assert (said["designer"].verdict, said["designer"].quote) == (None, "Says more.")
    [done] = audit.done(db, limit=9, what="tool cursor")
    assert (done.did, done.who, done.detail["removed_reviews"]) == ("changed", "Bea", ["skeptic"])
    assert set(done.detail["fields"]) >= {"tagline", "entry", "verdict"}
    assert "Bea changed this today" in bea.get(f"{CURSOR}?done=changed").text


def test_a_tool_is_made_and_readers_see_it(bea: Desk, reader: Reader, db: Database, sample: Database) -> None:
    page = bea.get(f"{ROOM}/new-tool").text
    fields = form_of(page) | {
        "name": "Löwe 2",
        "category": "Lions",
        "verdict-builder": "ship",
        "quote-builder": "Roars.",
    }
    answer = bea.submit(f"{ROOM}/new-tool", fields)
    assert answer.headers["location"] == f"{ROOM}/tools/lowe-2?done=added"
    assert tool(db, "lowe-2").panel_ship == 100
    assert "Roars." in reader.get("/tools/lowe-2").text
    again = bea.submit(f"{ROOM}/new-tool", name="LOWE 2", slug="cursor")
    assert again.status_code == 422
    assert "There is a tool “Löwe 2” already" in again.text
    assert "Another tool has this one" in again.text


def test_all_that_is_wrong_is_said_at_its_fields_and_nothing_is_stored(
    bea: Desk, db: Database, sample: Database
) -> None:
    fields = form_of(bea.get(CURSOR).text)
    before = dump(db, but=("sessions",))
    wrong = {
        "name": "",
        "entry": "payed",
        "url": "javascript:alert(1)",
        "panel_ship": "101",
        "community": "many",
        "tagline": "x" * 301,
        "verdict-builder": "maybe",
        "quote-skeptic": "y" * 10_001,
        "quote-nobody": "I am new here",
    }
    # A reviewer who has said nothing of it yet, with a verdict alone.
    silent = next(name for name, value in fields.items() if name.startswith("quote-") and not value)
    wrong[silent.replace("quote", "verdict", 1)] = "ship"
    answer = bea.submit(CURSOR, fields | wrong)
    assert answer.status_code == 422
    for name in ("name", "entry", "url", "panel_ship", "community", "tagline", "quote-skeptic", silent):
        assert f'id="{name}-problem"' in answer.text, name
    assert "is not one of ship, skip" in html.unescape(answer.text)
    assert "is not in the panel any more" in answer.text
    assert form_of(answer.text)["tagline"] == "x" * 301
    assert dump(db, but=("sessions",)) == before


def test_what_another_changed_meanwhile_is_told_and_nothing_typed_is_lost(
    bea: Desk, ann: Desk, db: Database, sample: Database
) -> None:
    hers, mine = form_of(ann.get(CURSOR).text), form_of(bea.get(CURSOR).text)
    ann.submit(CURSOR, hers | {"tagline": "Hers", "entry": "paid", "quote-builder": "Her words"})
    refused = bea.submit(CURSOR, mine | {"tagline": "Mine", "category": "My own"})
    assert refused.status_code == 409
    assert tool(db).tagline == "Hers"
    shown = form_of(refused.text)
    # What was typed stays, what was not takes what the other wrote.
    assert (shown["tagline"], shown["category"], shown["entry"]) == ("Mine", "My own", "paid")
    assert shown["quote-builder"] == "Her words"
    assert "Hers" in refused.text
    assert bea.submit(CURSOR, shown).status_code == 303
    found = tool(db)
    assert (found.tagline, found.category, found.entry) == ("Mine", "My own", "paid")
    assert bea.submit(CURSOR, mine | {"seen": ""}).status_code == 409


def test_a_form_that_was_wrong_still_knows_what_it_had_seen(
    bea: Desk, ann: Desk, db: Database, sample: Database
) -> None:
    mine = form_of(bea.get(CURSOR).text)
    ann.submit(CURSOR, form_of(ann.get(CURSOR).text) | {"tagline": "Hers"})
    wrong = bea.submit(CURSOR, mine | {"url": "x"})
    assert wrong.status_code == 409
    assert bea.submit(CURSOR, form_of(wrong.text)).status_code == 422
    assert tool(db).tagline == "Hers"


# Comparisons -------------------------------------------------------------------------------------------------------


def test_a_comparison_is_made_with_a_tool_that_is_new(
    bea: Desk, reader: Reader, db: Database, sample: Database, clock: Clock
) -> None:
    new = f"{ROOM}/new-comparison"
    fields = form_of(bea.get(new).text) | {"left": "cursor", "right": "Brand New", "published_at": "2026-11-27T09:00"}
    refused = bea.submit(new, fields)
    assert refused.status_code == 422
    assert "There is no tool “Brand New” yet" in refused.text
    assert 'value="right"> <span>Make' in refused.text
    answer = bea.submit(new, form_of(refused.text) | {"make": "right"})
    slug = "cursor-vs-brand-new"
    assert answer.headers["location"] == f"{ROOM}/comparisons/{slug}?done=added"
    found = browsing.comparison(db, slug)
    assert found.published_at == NOW.replace(day=27, hour=8)
    assert "published tomorrow, 09:00" in bea.get(f"{ROOM}/?q=brand").text
    assert reader.get(f"/compare/{slug}").status_code == 404
    assert f'href="/compare/{slug}"' not in bea.get(f"{ROOM}/comparisons/{slug}").text
    clock.move_on(days=1)
    assert "new: goes into the next issue" in bea.get(f"{ROOM}/?q=brand").text
    assert f'href="/compare/{slug}"' in bea.get(f"{ROOM}/comparisons/{slug}").text
    assert [done.did for done in audit.done(db, limit=9, what="comparison")] == ["added"]


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"left": ""}, "left", "Say which tool"),
        ({"right": "cursor"}, "right", "a comparison has two tools"),
        ({"published_at": "2026-03-29T02:30"}, "published_at", "the clocks are put forward"),
        ({"published_at": "-3d"}, "published_at", "Write it like"),
        ({"published_at": "2026-02-30T10:00"}, "published_at", "is not a time"),
        ({"slug": "Not A Slug"}, "slug", "does not fit"),
        ({"slug": "n8n-vs-zapier"}, "slug", "Another comparison has this one"),
        ({"right": "claude-code"}, "slug", "compared already"),
    ],
)
def test_a_comparison_that_does_not_fit_is_said_at_its_field(
    reader: Reader, settings: Settings, sample: Database, fields: dict[str, str], field: str, words: str
) -> None:
    desk = at_the_desk(reader, settings, "editor")
    before = dump(sample, but=("sessions",))
    good = {"left": "cursor", "right": "zapier", "published_at": "2026-11-26T09:00"}
    answer = desk.submit(f"{ROOM}/new-comparison", good | fields)
    assert answer.status_code == 422
    text = html.unescape(answer.text)
    assert words in re.search(rf'(?s)id="{field}-problem">(.*?)</span>', text)[1]  # type: ignore[index]
    assert dump(sample, but=("sessions",)) == before


def test_a_date_is_changed_and_a_pair_that_stands_in_an_issue_stays(
    bea: Desk, db: Database, settings: Settings, sample: Database
) -> None:
    fields = form_of(bea.get(PAIR).text)
    assert bea.submit(PAIR, fields | {"published_at": ""}).status_code == 422
    assert bea.submit(PAIR, fields | {"published_at": "2026-12-24T18:00"}).status_code == 303
    assert browsing.comparison(db, "cursor-vs-claude-code").published_at.isoformat().startswith("2026-12-24T17:00")
    bea.submit(PAIR, form_of(bea.get(PAIR).text) | {"published_at": fields["published_at"]})
    issues.draft(db, settings, now=NOW)
    assert "in issue 1 (draft)" in bea.get(f"{ROOM}/?q=cursor+vs+claude").text
    assert "Remove…" not in bea.get(PAIR).text
    assert bea.submit(f"{PAIR}/remove").status_code == 409
    assert browsing.comparison(db, "cursor-vs-claude-code")


def test_what_nothing_stands_on_is_removed_after_a_question(bea: Desk, db: Database, sample: Database) -> None:
    for address in (f"{ROOM}/tools/cursor", f"{ROOM}/panel/builder"):
        assert bea.submit(f"{address}/remove").status_code == 409
    assert "Remove…" not in bea.get(CURSOR).text
    assert "Remove the comparison" in bea.get(f"{PAIR}/remove").text
    assert bea.submit(f"{PAIR}/remove").headers["location"] == f"{ROOM}/?done=removed"
    assert bea.get(PAIR).status_code == 404
    bea.submit(f"{ROOM}/new-tool", name="Short lived")
    made = f"{ROOM}/tools/short-lived"
    assert "cannot be undone" in bea.get(f"{made}/remove").text
    assert bea.submit(f"{made}/remove").status_code == 303
    assert bea.get(made).status_code == 404
    assert [done.did for done in audit.done(db, limit=2)] == ["removed", "added"]


def test_lists_are_searched_and_paged(bea: Desk, sample: Database) -> None:
    assert "n8n" in bea.get(f"{ROOM}/?q=zapier+N8N").text
    assert "No comparison has all of these words" in bea.get(f"{ROOM}/?q=zapier+cursor").text
    assert "/tools/qwen" in bea.get(f"{ROOM}/tools?q=通义").text
    assert "No tool has all of these words" in bea.get(f"{ROOM}/tools?q=%25").text
    assert bea.get(f"{ROOM}/?page=99").status_code == 404
    assert bea.get(f"{ROOM}/?page=x").status_code == 400
    assert bea.get(f"{ROOM}/tools?q={'x' * 201}").status_code == 400


def test_an_empty_catalogue_teaches_to_import(settings: Settings, db: Database, clock: Clock) -> None:
    with served(settings, clock) as reader:
        desk = at_the_desk(reader, settings, "editor")
        for address in ("/", "/tools", "/panel", "/import", "/new-tool", "/new-comparison"):
            assert desk.get(ROOM + address).status_code == 200
        assert "Nothing in the catalogue yet" in desk.get(f"{ROOM}/").text
        assert f'href="{ROOM}/import"' in desk.get(f"{ROOM}/").text


# The panel ---------------------------------------------------------------------------------------------------------


def test_the_panel_is_changed_added_to_and_left(bea: Desk, db: Database, sample: Database) -> None:
    page = bea.get(f"{ROOM}/panel").text
    to = f"{ROOM}/panel/skeptic"
    fields = form_of(page, to)
    assert bea.submit(to, fields | {"stance": "Doubts it."}).status_code == 303
    assert bea.submit(to, fields | {"stance": "Doubts all."}).status_code == 409
    assert bea.submit(to, form_of(bea.get(f"{ROOM}/panel").text, to) | {"name": ""}).status_code == 422
    assert bea.submit(f"{ROOM}/panel", name="The Poet", stance="Likes words.").status_code == 303
    twice = bea.submit(f"{ROOM}/panel", name="the poet")
    assert twice.status_code == 422
    assert "is in the panel already" in twice.text
    assert bea.submit(f"{ROOM}/panel/the-poet/remove").status_code == 303
    assert bea.submit(f"{ROOM}/panel/nobody/remove").status_code == 404
    assert bea.submit(f"{ROOM}/panel/nobody", name="X").status_code == 404
    names = [row["slug"] for row in db["reviewers"].rows_where(order_by="position, slug")]
    assert names[:2] == ["builder", "skeptic"]
    assert "the-poet" not in names


def test_the_order_of_the_panel_makes_nothing_news(
    bea: Desk, db: Database, settings: Settings, sample: Database
) -> None:
    issues.draft(db, settings, now=NOW)
    with writing(db) as connection:
        connection.execute("UPDATE issues SET sending_at = cutoff")
    assert collect(db, now=NOW).updated == ()
    assert bea.submit(f"{ROOM}/panel/skeptic/move", to="up").status_code == 303
    assert bea.submit(f"{ROOM}/panel/skeptic/move", to="up").status_code == 303
    assert bea.submit(f"{ROOM}/panel/skeptic/move", to="left").status_code == 400
    assert bea.submit(f"{ROOM}/panel/nobody/move", to="up").status_code == 404
    order = [row["slug"] for row in db["reviewers"].rows_where(order_by="position, slug")]
    assert order[:2] == ["skeptic", "builder"]
    assert collect(db, now=NOW).updated == ()
    assert [done.detail for done in audit.done(db, limit=9, what="reviewer skeptic")] == [{"to": 1}]
    fields = form_of(bea.get(CURSOR).text)
    bea.submit(CURSOR, fields | {"verdict-builder": "" if fields["verdict-builder"] else "ship"})
    assert {one.slug for one in collect(db, now=NOW).updated} >= {"cursor-vs-claude-code"}


# Files -------------------------------------------------------------------------------------------------------------

GOOD = json.dumps(
    {"tools": [{"name": "Fresh"}, {"slug": "cursor", "name": "Cursor", "tagline": "Brought"}], "reviewers": []}
)
BAD = "name,entry\nStale,free\nStaler,payed\n"


def test_files_are_looked_at_first_and_go_in_whole_or_not_at_all(bea: Desk, db: Database, sample: Database) -> None:
    before = dump(db, but=("sessions",))
    seen = bring(bea, ("good.json", GOOD), ("folder/bad.csv", BAD))
    assert seen.status_code == 200
    text = html.unescape(seen.text)
    assert "<strong>Adds</strong> 1 tool." in text
    assert "tool <bdi>Cursor</bdi>" in text
    assert "tagline" in text
    assert "Line 3" in text
    assert "did you mean 'paid'?" in text
    assert "bad.csv" in text
    assert dump(db, but=("sessions",)) == before
    kept = re.search(r'name="kept" value="([^"]+)"', text)
    assert kept is not None
    done = bea.submit(f"{ROOM}/import/sure", kept=kept[1])
    assert "1 file imported" in done.text
    assert tool(db).tagline == "Brought"
    assert tool(db, "fresh").name == "Fresh"
    assert db["tools"].count_where("name = 'Stale'") == 0
    assert bea.submit(f"{ROOM}/import/sure", kept=kept[1]).status_code == 404
    [noted] = audit.done(db, limit=9, what="catalogue")
    assert noted.detail == {"file": "good.json", "added": {"tools": 1}, "updated": {"tools": 1}}
    same = bring(bea, ("good.json", GOOD))
    assert "in the catalogue already" in same.text
    assert 'name="kept"' not in same.text


def test_kept_files_are_the_editors_own_and_can_be_let_be(bea: Desk, ann: Desk, db: Database, sample: Database) -> None:
    kept = re.search(r'name="kept" value="([^"]+)"', bring(bea, ("good.json", GOOD)).text)
    assert kept is not None
    assert ann.submit(f"{ROOM}/import/sure", kept=kept[1]).status_code == 404
    assert ann.submit(f"{ROOM}/import/sure", kept="../../etc").status_code == 404
    assert bea.submit(f"{ROOM}/import/sure", kept=kept[1], drop="1").status_code == 303
    assert bea.submit(f"{ROOM}/import/sure", kept=kept[1]).status_code == 404
    assert db["tools"].count_where("name = 'Fresh'") == 0


@pytest.mark.parametrize("content", ["", "{", '{"tools": 3}', "\x00", '{"tools": [{"name": "\\ud800"}]}'])
def test_a_file_that_cannot_be_read_says_why(bea: Desk, sample: Database, content: str) -> None:
    answer = bring(bea, ("file.json", content))
    assert answer.status_code == (200 if content else 422)
    assert "Nothing of it goes in" in answer.text or 'id="files-problem"' in answer.text


def test_a_day_later_the_files_are_gone(
    bea: Desk, sample: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(bea, ("good.json", GOOD))
    monkeypatch.setattr("digest.web.desk.staging.KEPT_S", timedelta(days=-1).total_seconds())
    bring(bea, ("good.json", "{}"))
    folder = settings.db.with_name(settings.db.name + "-uploads")
    assert list(folder.iterdir()) == []
