"""Other subjects for an issue at the desk: written, arranged, chosen, and how they stand."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from playwright.sync_api import Page
from sqlite_utils import Database

from browser import grave, opened, violations
from conftest import NOW
from desk import Desk, at_the_desk
from digest.audience import subscribers
from digest.editors import audit
from digest.editors.audit import COMMAND_LINE
from digest.issue import issues, subjects
from digest.issue.contents import version_of
from digest.issue.model import Alternative, SubjectTest
from digest.providers.interface import Answer
from digest.sending import beginning, ledger, subject_test
from digest.sending.subject_standing import standing
from digest.settings import Settings
from digest.store import writing
from serving import Reader, dump

B, C = "Which of these would you ship?", "Nine critics fell out over this"
PAGE = "/desk/issues/1/subjects"
XSS = "<script>alert(1)</script>"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    # Without https, so that a browser takes the cookie of a site on this machine.
    return settings.model_copy(update={"tracking": "readers", "base_url": "http://desk.example.com"})


@pytest.fixture
def draft(sample: Database, settings: Settings) -> Database:
    """A store with a draft, and 900 readers."""
    issues.draft(sample, settings, now=NOW)
    with writing(sample):
        for number in range(900):
            subscribers.add(sample, f"reader{number}@example.com", now=NOW)
    return sample


@pytest.fixture
def ann(draft: Database, reader: Reader, settings: Settings) -> Desk:
    return at_the_desk(reader, settings, "publisher")


def tried(db: Database, settings: Settings) -> SubjectTest:
    return subjects.arrangement_of(db, settings, 1)


def sent_to_the_share(db: Database, settings: Settings) -> None:
    """The issue is approved, and all of the share have their copies."""
    issues.freeze(db, settings, 1, now=NOW)
    beginning.begin(db, settings, 1, now=NOW)
    for variant in (0, 1):
        while True:
            batch = ledger.claim_batch(
                db, 1, provider="outbox", account="x", worker=1, size=500, after=0, variant=variant, now=NOW
            )
            if batch is None:
                break
            ledger.record(db, batch, Answer([str(copy[0]) for copy in batch.copies]), now=NOW)


def test_subjects_are_written_and_said_in_numbers(ann: Desk, draft: Database, settings: Settings) -> None:
    before = version_of(draft, 1)
    assert (
        ann.submit(f"{PAGE}/add", {"subject": f"  {B} ", "preheader": ""}).headers["location"] == f"{PAGE}?done=added"
    )
    ann.submit(f"{PAGE}/add", {"subject": C, "preheader": "And over that"})
    assert tried(draft, settings).others == (Alternative(B), Alternative(C, "And over that"))
    assert version_of(draft, 1) > before
    ann.submit(f"{PAGE}/arrange", {"share": "30", "wait": "240", "rule": "clicks"})
    assert (tried(draft, settings).share, tried(draft, settings).wait) == (30, 240)
    page = unescape(ann.get(PAGE).text)
    assert "30% of 900 readers is 270 readers, about 90 for each subject." in page
    assert "The other 630 wait 4 hours longer, and get the subject that more people clicked." in page
    assert "only a difference of 9.1 percentage points or more could be told from it" in page
    ann.submit(f"{PAGE}/change", {"which": "1", "was": B, "subject": "Another one", "preheader": "With this"})
    assert tried(draft, settings).others[0] == Alternative("Another one", "With this")
    assert [done.did for done in audit.done(draft, limit=2)] == ["changed a subject of", "arranged the subjects of"]


def test_what_is_taken_out_can_be_put_back(ann: Desk, draft: Database, settings: Settings) -> None:
    for words in (B, C):
        ann.submit(f"{PAGE}/add", {"subject": words, "preheader": "P"})
    answer = ann.submit(f"{PAGE}/remove", {"which": "1", "was": B})
    assert tried(draft, settings).others == (Alternative(C, "P"),)
    assert f'Taken out: “<span dir="auto">{B}</span>”' in answer.text
    assert f'name="subject" value="{B}"' in answer.text


@pytest.mark.parametrize(
    ("what", "fields", "said"),
    [
        ("add", {"subject": "   "}, "It is empty; an alternative needs words"),
        ("add", {"subject": "x" * 400}, "It has 400 characters, more than the 300 it may have"),
        ("add", {"subject": C, "preheader": "x" * 400}, "It has 400 characters"),
        ("add", {"subject": B.upper()}, f"“{B.upper()}” is alternative B already"),
        ("arrange", {"share": "3", "wait": "120", "rule": "clicks"}, "3 is none it may be: 5 to 100 percent"),
        ("arrange", {"share": "20", "wait": "2", "rule": "clicks"}, "2 is none it may be: 5 to 1,440 minutes"),
        ("arrange", {"share": "20", "wait": "120", "rule": "dice"}, "Choose who decides"),
        ("arrange", {"share": "a lot", "wait": "120", "rule": "clicks"}, "'a lot' is no whole number"),
    ],
    ids=["empty", "long", "long preheader", "twice", "few percent", "short wait", "no rule", "no number"],
)
def test_what_cannot_be_is_said_beside_what_was_typed_and_kept_nowhere(
    ann: Desk, draft: Database, what: str, fields: dict[str, str], said: str
) -> None:
    ann.submit(f"{PAGE}/add", {"subject": B})
    before = dump(draft)
    answer = ann.submit(f"{PAGE}/{what}", fields)
    assert answer.status_code == 400
    assert said in unescape(answer.text)
    assert dump(draft) == before


def test_there_are_no_more_than_four(ann: Desk, draft: Database, settings: Settings) -> None:
    for words in ("one", "two", "three", "four"):
        ann.submit(f"{PAGE}/add", {"subject": f"Number {words}"})
    assert 'action="/desk/issues/1/subjects/add"' not in ann.get(PAGE).text
    assert ann.submit(f"{PAGE}/add", {"subject": "Five"}).status_code == 400
    assert len(tried(draft, settings).others) == 4


def test_what_somebody_else_changed_is_not_overwritten(ann: Desk, draft: Database, settings: Settings) -> None:
    ann.submit(f"{PAGE}/add", {"subject": B})
    ann.submit(f"{PAGE}/change", {"which": "1", "was": B, "subject": "Theirs"})
    answer = ann.submit(f"{PAGE}/change", {"which": "1", "was": B, "subject": "Mine"})
    assert answer.status_code == 409
    page = unescape(answer.text)
    assert "Somebody changed this alternative of issue 1 meanwhile: it says “Theirs” now" in page
    assert 'value="Mine"' in page
    assert tried(draft, settings).others == (Alternative("Theirs"),)
    assert ann.submit(f"{PAGE}/remove", {"which": "1", "was": B}).status_code == 409
    assert ann.submit(f"{PAGE}/change", {"which": "3", "was": B, "subject": "Mine"}).status_code == 409


def test_words_that_look_like_html_are_words(ann: Desk, draft: Database, settings: Settings) -> None:
    ann.submit(f"{PAGE}/add", {"subject": XSS, "preheader": f'"{XSS}'})
    sent_to_the_share(draft, settings)
    subject_test.decide(draft, 1, 1, now=NOW)
    for address in (PAGE, f"{PAGE}/part", "/desk/issues/1/sending", "/issues/1", "/issues/", "/desk/issues/"):
        assert XSS not in ann.get(address).text, address


def test_an_approved_issue_is_shown_and_not_changed(ann: Desk, draft: Database, settings: Settings) -> None:
    ann.submit(f"{PAGE}/add", {"subject": B})
    issues.freeze(draft, settings, 1, now=NOW)
    page = ann.get(PAGE).text
    assert B in unescape(page)
    assert "<input id=" not in page
    before = dump(draft)
    for what in ("add", "change", "remove", "arrange"):
        fields = {"subject": C, "which": "1", "was": B, "share": "20", "wait": "60", "rule": "clicks"}
        assert ann.submit(f"{PAGE}/{what}", fields).status_code == 409
    assert dump(draft) == before


def test_where_clicks_are_not_counted_only_a_person_decides(
    ann: Desk, draft: Database, settings: Settings, reader: Reader
) -> None:
    off = settings.model_copy(update={"tracking": "off"})
    subjects.add(draft, off, 1, B, now=NOW)
    assert tried(draft, off).rule == "person"
    page = ann.get(PAGE).text
    assert re.search(r'value="person" checked', page)


def test_it_shows_how_they_stand_and_lets_one_be_chosen(ann: Desk, draft: Database, settings: Settings) -> None:
    ann.submit(f"{PAGE}/add", {"subject": B})
    sent_to_the_share(draft, settings)
    subject_test.decide_due(draft, 1, now=NOW)
    page = unescape(ann.get(PAGE).text)
    assert "Nobody has clicked yet." in page
    assert (
        "Readers’ clicks decide on Thu 26 Nov 2026, 11:00 UTC. As it stands, the issue’s own subject would win." in page
    )
    assert "2 hours left" in page
    assert "720 readers who wait" in page
    sure = ann.submit(f"{PAGE}/decide", {"winner": "1"})
    assert "Choose subject B?" in sure.text
    found = standing(draft, 1)
    assert found is not None
    assert found.winner is None
    assert ann.submit(f"{PAGE}/decide", {"winner": "1", "sure": "yes"}).headers["location"] == f"{PAGE}?done=decided"
    found = standing(draft, 1)
    assert found is not None
    assert (found.winner, found.decided_by) == (1, "person")
    last = audit.done(draft, limit=1)[0]
    assert (last.who, last.editor, last.detail["subject"]) == ("Ann", ann.editor.id, B)
    page = unescape(ann.get(PAGE).text)
    assert "B won: a person chose it" in page
    assert "Choose this one" not in page
    assert ann.submit(f"{PAGE}/decide", {"winner": "0", "sure": "yes"}).status_code == 409
    # The site shows the issue by the subject that won, and the reports do.
    assert B in unescape(ann.get("/issues/1").text)
    assert B in unescape(ann.get("/issues/").text)


def test_an_editor_may_look_and_not_choose(ann: Desk, draft: Database, settings: Settings, reader: Reader) -> None:
    ann.submit(f"{PAGE}/add", {"subject": B})
    sent_to_the_share(draft, settings)
    bea = at_the_desk(reader, settings, "editor", name="Bea")
    page = bea.get(PAGE).text
    assert "Choosing is for publishers." in page
    assert "Choose this one" not in page
    assert bea.submit(f"{PAGE}/decide", {"winner": "1", "sure": "yes"}).status_code == 403


@pytest.mark.parametrize("winner", ["7", "-1", "b", "99999999999"])
def test_a_subject_that_there_is_not_is_refused(ann: Desk, draft: Database, settings: Settings, winner: str) -> None:
    ann.submit(f"{PAGE}/add", {"subject": B})
    sent_to_the_share(draft, settings)
    assert ann.submit(f"{PAGE}/decide", {"winner": winner, "sure": "yes"}).status_code == 400


def test_an_issue_that_is_not_there_has_no_page(ann: Desk) -> None:
    assert [
        ann.get(address).status_code for address in ("/desk/issues/9/subjects", "/desk/issues/9/subjects/part")
    ] == [404, 404]


def test_an_issue_with_one_subject_says_so(ann: Desk, draft: Database, settings: Settings) -> None:
    assert "Try other subjects" in ann.get(PAGE).text
    issues.freeze(draft, settings, 1, now=NOW)
    assert "Issue 1 has one subject, and no other was tried." in ann.get(PAGE).text


def test_in_the_browser_they_are_written_beside_the_issue_and_chosen_while_it_is_sent(
    ann: Desk, draft: Database, settings: Settings
) -> None:
    base = str(ann.http.base_url).rstrip("/")

    def write(page: Page) -> None:
        page.context.add_cookies([{"name": ann.cookie, "value": ann.secret, "url": base}])
        page.goto(f"{base}/desk/issues/1")
        page.click("#subjects summary")
        page.fill("#subject-new", B)
        page.press("#subject-new", "Enter")
        page.wait_for_selector("#subject-1")
        page.fill("#subject-1", C)
        page.fill("#subject-share", "50")
        page.press("#subject-share", "Tab")
        page.wait_for_selector("text=50% of 900 readers")
        assert page.input_value("#subject-1") == C
        assert grave(violations(page)) == []

    def choose(page: Page) -> None:
        page.context.add_cookies([{"name": ann.cookie, "value": ann.secret, "url": base}])
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto(f"{base}/desk/issues/1/sending")
        page.wait_for_selector("#choose-1")
        page.focus("#choose-1")
        page.keyboard.press("Enter")
        page.wait_for_selector(".subject-table .won")
        assert grave(violations(page)) == []

    with opened() as browser:
        browser.visit(write, width=1280)
        assert tried(draft, settings) == SubjectTest(50, 120, "clicks", (Alternative(C),))
        sent_to_the_share(draft, settings)
        browser.visit(choose, width=1280, scheme="dark")
    found = standing(draft, 1)
    assert found is not None
    assert found.winner == 1


def test_the_figures_are_told_as_they_change(ann: Desk, draft: Database, settings: Settings) -> None:
    ann.submit(f"{PAGE}/add", {"subject": B})
    sent_to_the_share(draft, settings)
    with ann.http.stream("GET", f"{PAGE}/live", timeout=10) as answer:
        lines = answer.iter_lines()
        assert next(line for line in lines if line.startswith("data:")) == 'data: {"winner": null}'
        subject_test.decide(draft, 1, 0, now=NOW + timedelta(minutes=1))
        assert next(line for line in lines if line.startswith("data:")) == 'data: {"winner": 0}'


def test_the_report_says_which_subject_won(ann: Desk, draft: Database, settings: Settings) -> None:
    ann.submit(f"{PAGE}/add", {"subject": B, "preheader": ""})
    sent_to_the_share(draft, settings)
    assert "Which subject wins" in ann.get("/desk/reports/issues/1").text
    subject_test.decide(draft, 1, winner=1, by=COMMAND_LINE, now=NOW)
    page = unescape(ann.get("/desk/reports/issues/1").text)
    assert "Which subject won" in page
    assert B in page
