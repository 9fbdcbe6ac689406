"""This week, all issues, and the page on which one is made: as HTML, with forms that need no script."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlite_utils import Database

from conftest import NOW
from desk import Desk, at_the_desk
from digest import times
from digest.editors import audit
from digest.issue import issues
from digest.settings import Settings
from digest.store import writing
from digest.web.desk.issues import Words as Field
from digest.web.desk.issues import advice, when
from serving import Clock, Reader, served

ZONE = ZoneInfo("Europe/Berlin")


@pytest.fixture
def ann(reader: Reader, settings: Settings) -> Desk:
    return at_the_desk(reader, settings, "editor")


@pytest.fixture
def nobody_wrote(db: Database, settings: Settings, clock: Clock) -> Iterator[Desk]:
    """The desk of a store that is empty."""
    with served(settings, clock) as reader:
        yield at_the_desk(reader, settings, "editor")


@pytest.fixture
def weeks(sample: Database, settings: Settings) -> Callable[..., None]:
    """Gives each comparison a day, and makes issue 1 of those of last week, as sent then."""

    def make(*, sent: str = "sent", new: int = 10) -> None:
        with writing(sample) as connection:
            for place, (id_,) in enumerate(connection.execute("SELECT id FROM comparisons ORDER BY slug").fetchall()):
                at = NOW - timedelta(days=2) if place < new else NOW - timedelta(days=9)
                connection.execute("UPDATE comparisons SET published_at = ? WHERE id = ?", (times.to_text(at), id_))
        issues.draft(sample, settings, now=NOW - timedelta(days=7))
        issues.freeze(sample, settings, 1, now=NOW - timedelta(days=7))
        with writing(sample) as connection:
            then = times.to_text(NOW - timedelta(days=7))
            connection.execute("UPDATE issues SET state = ?, sending_at = ?, sent_at = ?", (sent, then, then))

    return make


def listed(html: str) -> list[tuple[str, str]]:
    """The comparisons of a page, in their order, each with its form."""
    return re.findall(r'<li class="placing"[^>]* data-slug="([^"]+)" data-form="(\w+)"', html)


def why(html: str, slug: str) -> str:
    row = html[html.index(f'data-slug="{slug}"') :]
    found = re.search(r'<p class="why">(.*?)</p>', row, re.DOTALL)
    assert found
    return " ".join(re.sub(r"<[^>]+>", "", found[1]).split())


# This week ----------------------------------------------------------------------------------------------------------


def test_with_no_catalogue_the_desk_teaches_to_import_one(nobody_wrote: Desk) -> None:
    page = nobody_wrote.get("/desk/").text
    assert 'href="/desk/catalogue/import"' in page
    assert "Draft the issue now" not in page


def test_with_nothing_open_it_says_what_came_in_and_when_the_next_goes(ann: Desk, weeks: Callable[..., None]) -> None:
    weeks()
    page = ann.get("/desk/").text
    assert "10 new comparisons came in since issue 1" in page
    assert "Next: Friday, 27 November" in page
    assert "drafted by itself 3 December, 09:00 UTC; one usually goes out tomorrow, 09:00 UTC" in page
    assert 'action="/desk/draft"' in page


def test_drafting_makes_the_issue_says_who_and_leads_to_it(ann: Desk, sample: Database) -> None:
    answer = ann.submit("/desk/draft")
    assert (answer.status_code, answer.headers["location"]) == (303, "/desk/issues/1?done=drafted")
    assert next((one.who, one.did, one.what) for one in audit.done(sample, limit=3)) == ("Ann", "drafted", "issue 1")
    again = ann.submit("/desk/draft")
    assert again.headers["location"] == "/desk/issues/1"
    assert sample["issues"].count == 1


def test_drafting_with_nothing_new_says_so_and_leads_to_the_catalogue(
    ann: Desk, weeks: Callable[..., None], sample: Database
) -> None:
    weeks(new=0)
    answer = ann.submit("/desk/draft")
    assert answer.headers["location"] == "/desk/?done=nothing-new"
    page = ann.get("/desk/?done=nothing-new").text
    assert "Nothing new came in" in page
    assert 'class="button" href="/desk/catalogue/"' in page
    assert sample["issues"].count == 1


def test_an_open_draft_is_this_week(ann: Desk, sample: Database, settings: Settings) -> None:
    issues.draft(sample, settings, now=NOW)
    answer = ann.get("/desk/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/desk/issues/1")


def test_what_is_under_way_stands_first_with_its_next_step(
    ann: Desk, weeks: Callable[..., None], sample: Database
) -> None:
    weeks(sent="approved")
    said = {"approved": "It is approved", "sending": "It is going out", "paused": "The provider is closed"}
    for state, words in said.items():
        with writing(sample) as connection:
            connection.execute("UPDATE issues SET state = ?, trouble = 'the provider is closed'", (state,))
        page = ann.get("/desk/").text
        assert words in page
        assert 'href="/desk/issues/1/sending"' in page
        # Next week's can be drafted meanwhile.
        assert "Draft the issue now" in page
    ann.submit("/desk/draft")
    page = ann.get("/desk/").text
    assert page.index("/desk/issues/1/sending") < page.index("Go on with the draft")


# All issues ---------------------------------------------------------------------------------------------------------


def test_all_issues_stand_in_a_list_with_their_ways(ann: Desk, weeks: Callable[..., None]) -> None:
    weeks()
    ann.submit("/desk/draft")
    page = ann.get("/desk/issues/").text
    assert page.index(">drafted <time") < page.index(">sent <time")
    assert 'title="Thu 19 Nov 2026, 09:00 UTC"' in page
    assert 'href="/desk/reports/issues/1"' in page
    assert ann.get("/desk/issues").headers["location"] == "/desk/issues/"


def test_a_list_without_issues_says_what_will_be_there(ann: Desk) -> None:
    assert "Draft the first of 30 comparisons" in ann.get("/desk/issues/").text


def test_old_issues_are_on_further_pages(ann: Desk, weeks: Callable[..., None], sample: Database) -> None:
    weeks()
    with writing(sample) as connection:
        for number in range(2, 60):
            connection.execute(
                "INSERT INTO issues (number, state, subject, preheader, intro, cutoff, created_at, updated_at)"
                " SELECT ?, 'cancelled', 'S', '', '', cutoff, created_at, updated_at FROM issues WHERE number = 1",
                (number,),
            )
    first = ann.get("/desk/issues/").text
    assert 'href="/desk/issues/?before=10"' in first
    assert '/desk/issues/1"' not in first
    assert '/desk/issues/1"' in ann.get("/desk/issues/?before=10").text


# The page -----------------------------------------------------------------------------------------------------------


def test_the_page_says_why_each_is_in(
    ann: Desk, weeks: Callable[..., None], sample: Database, settings: Settings
) -> None:
    weeks()
    mailed = sample.execute(
        "SELECT slug FROM issue_comparisons i JOIN comparisons c ON c.id = i.comparison"
        " WHERE form <> 'out' ORDER BY position LIMIT 2"
    ).fetchall()
    changed, older = (slug for (slug,) in mailed)
    with writing(sample) as connection:
        connection.execute(
            "UPDATE tools SET entry = iif(entry = 'paid', 'free', 'paid')"
            " WHERE id = (SELECT left_tool FROM comparisons WHERE slug = ?)",
            (changed,),
        )
    ann.submit("/desk/draft")
    ann.submit("/desk/issues/1/add")  # refused, being no draft: changes nothing
    ann.submit("/desk/issues/2/add", comparison=older)
    page = ann.get("/desk/issues/2").text
    assert why(page, listed(page)[0][0]) == "new since issue 1, published Tuesday"
    assert why(page, changed) == "updated its verdicts, figures or price changed since issue 1"
    assert why(page, older) == "added by Ann; last mailed in issue 1, 19 November"
    assert page.count("lead-pill") == 1


def test_what_came_in_since_can_be_taken_in_one_by_one_or_all(
    ann: Desk, weeks: Callable[..., None], sample: Database, clock: Clock
) -> None:
    weeks()
    with writing(sample) as connection:
        late = connection.execute(
            "UPDATE comparisons SET published_at = ? WHERE slug IN (SELECT slug FROM comparisons ORDER BY slug LIMIT 3)"
            " RETURNING slug",
            (times.to_text(NOW + timedelta(hours=1)),),
        ).fetchall()
    ann.submit("/desk/draft")
    assert "Came in since" not in ann.get("/desk/issues/2").text
    clock.move_on(hours=2)
    page = ann.get("/desk/issues/2").text
    assert 'Came in since <span class="count">3</span>' in page
    before = len(listed(page))
    ann.submit("/desk/issues/2/add", comparison=late[0][0])
    page = ann.get("/desk/issues/2").text
    assert 'Came in since <span class="count">2</span>' in page
    assert len(listed(page)) == before + 1
    ann.submit("/desk/issues/2/collect")
    assert len(listed(ann.get("/desk/issues/2").text)) == before + 3


def test_what_is_left_out_stands_below_and_can_be_put_in(ann: Desk) -> None:
    ann.submit("/desk/draft")
    before = listed(ann.get("/desk/issues/1").text)
    slug = before[2][0]
    ann.submit("/desk/issues/1/form", comparison=slug, form="out")
    page = ann.get("/desk/issues/1").text
    assert slug not in dict(listed(page))
    assert "left out by <bdi>Ann</bdi>" in page
    form = page[page.index('id="left-out-heading"') :]
    assert f'value="{slug}"' in form
    last = re.search(r'name="to" value="(\d+)"', form)
    assert last
    ann.submit("/desk/issues/1/order", comparison=slug, to=last[1])
    assert listed(ann.get("/desk/issues/1").text)[-1][0] == slug


def test_what_there_is_no_room_for_is_told(ann: Desk, sample: Database) -> None:
    ann.submit("/desk/draft")
    for slug, _ in listed(ann.get("/desk/issues/1").text):
        ann.submit("/desk/issues/1/form", comparison=slug, form="full")
    page = ann.get("/desk/issues/1").text
    assert {form for _, form in listed(page)} == {"full"}
    assert "Shown in brief: there is no room in full" in page


def test_the_forms_of_the_page_do_their_work_without_a_script(ann: Desk, sample: Database) -> None:
    ann.submit("/desk/draft")
    page = ann.get("/desk/issues/1").text
    before = listed(page)
    for field, words in {"subject": "By hand", "preheader": "Also by hand", "intro": "One\n\nTwo **loud**"}.items():
        form = page[page.index(f'id="words-{field}"') :]
        base = re.search(r'name="base" value="([^"]*)"', form)
        assert base
        answer = ann.submit("/desk/issues/1/words", field=field, text=words, base=base[1])
        assert answer.headers["location"] == "/desk/issues/1?done=saved"
    ann.submit("/desk/issues/1/order", comparison=before[1][0], to="0")
    page = ann.get("/desk/issues/1?done=saved").text
    assert '<p class="said" role="status">Saved.</p>' in page
    assert 'value="By hand"' in page
    assert ">One\n\nTwo **loud**</textarea>" in page
    assert [slug for slug, _ in listed(page)][:2] == [before[1][0], before[0][0]]
    assert page.count('data-own="true"') == 3
    ann.submit("/desk/issues/1/own", field="subject")
    assert ann.get("/desk/issues/1").text.count('data-own="true"') == 2


def test_older_ones_are_found_with_when_they_were_mailed(ann: Desk, weeks: Callable[..., None]) -> None:
    weeks()
    ann.submit("/desk/draft")
    slug, title = _mailed(ann)
    part = ann.get(f"/desk/issues/2/older?q={title}").text
    assert "<html" not in part
    assert "last mailed in issue 1, <time" in part
    assert f'value="{slug}"' in part
    # The same as a whole page, without a script.
    assert f'value="{slug}"' in ann.get(f"/desk/issues/2?q={title}").text
    ann.submit("/desk/issues/2/add", comparison=slug)
    part = ann.get(f"/desk/issues/2/older?q={title}").text
    assert "in this issue" in part
    assert f'value="{slug}"' not in part
    assert "Nothing was found" in ann.get("/desk/issues/2/older?q=zzzzqqqq").text
    assert ann.get("/desk/issues/2/older?q=").text.strip() == ""


def _mailed(ann: Desk) -> tuple[str, str]:
    page = ann.get("/desk/issues/1").text
    slug = re.search(r'data-slug="([^"]+)"', page)
    name = re.search(r'data-name="([^"]+)"', page)
    assert slug
    assert name
    return slug[1], name[1]


def test_an_issue_that_is_no_draft_is_shown_but_not_edited(
    ann: Desk, weeks: Callable[..., None], sample: Database
) -> None:
    weeks()
    for state in ("approved", "sending", "paused", "sent", "cancelled"):
        with writing(sample) as connection:
            connection.execute("UPDATE issues SET state = ?", (state,))
        page = ann.get("/desk/issues/1").text
        assert "next-step" in page
        assert listed(page)
        assert "<textarea" not in page
        for path in ("words", "order", "form", "add", "collect", "undo"):
            assert f'action="/desk/issues/1/{path}"' not in page


def test_what_anybody_wrote_shows_as_text(ann: Desk, sample: Database) -> None:
    ann.submit("/desk/draft")
    bad = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    for field in ("subject", "preheader", "intro"):
        ann.submit("/desk/issues/1/words", field=field, text=bad, base="")
    with writing(sample) as connection:
        connection.execute("UPDATE tools SET name = ?, name_key = 'x' WHERE id = 1", (bad,))
        connection.execute("UPDATE editors SET name = ?", (bad,))
    for address in ("/desk/issues/1", "/desk/issues/1/contents", "/desk/issues/", f"/desk/issues/1/older?q={bad}"):
        page = ann.get(address)
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text


def test_bad_addresses_end_in_a_clear_answer(ann: Desk) -> None:
    ann.submit("/desk/draft")
    huge = "9" * 20
    for address, status in {
        "/desk/issues/7": 404,
        "/desk/issues/0": 400,
        "/desk/issues/x": 400,
        f"/desk/issues/{huge}": 400,
        "/desk/issues/7/contents": 404,
        "/desk/issues/7/older?q=a": 404,
        "/desk/issues/?before=0": 400,
        f"/desk/issues/?before={huge}": 400,
        "/desk/issues/1?view=nothing": 200,
        f"/desk/issues/1?q={'a' * 201}": 400,
        "/desk/issues/1?q=%00%1b": 200,
        "/desk/issues/1/older?q=%22%27%28%2a": 200,
    }.items():
        assert ann.get(address).status_code == status, address


# Words for people ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (timedelta(0), "today"),
        (timedelta(days=1), "yesterday"),
        (timedelta(days=-1), "tomorrow"),
        (timedelta(days=2), "Tuesday"),
        (timedelta(days=-6), "Wednesday"),
        (timedelta(days=7), "19 November"),
        (timedelta(days=400), "22 October 2025"),
    ],
)
def test_a_moment_is_said_as_one_does(ago: timedelta, said: str) -> None:
    assert when(NOW - ago, now=NOW, zone=ZONE) == said


def test_a_moment_is_of_the_day_it_is_in_the_newsletters_zone() -> None:
    late = NOW.replace(hour=23, minute=30)
    assert when(late, now=NOW, zone=ZONE, clock=True) == "tomorrow, 00:30"


def test_a_field_says_what_a_phone_cuts() -> None:
    assert advice(Field("subject", "a" * 40, own=True, phone=40)) == "40 characters; a phone shows it whole"
    assert advice(Field("subject", "a" * 39 + "bcd", own=True, phone=40)).endswith("cuts “bcd”")
    assert advice(Field("intro", "a", own=True)) == "1 character"
    assert advice(Field("subject", "", own=False, phone=40)) == "An issue needs a subject"
