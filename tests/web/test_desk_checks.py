"""The checks beside the editing: what stands against an issue, why, and the way to where it is mended."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from conftest import NOW
from desk import Desk, at_the_desk
from digest.issue import approval, editing, issues
from digest.issue.checks.model import Finding, Mail
from digest.issue.checks.names import NAMES
from digest.issue.checks.run import IDS
from digest.settings import Settings
from digest.store import Database
from digest.web.desk.findings import grouped, way_to
from serving import Reader, dump

CHECKS = "/desk/issues/1/checks"
PART = {"HX-Request": "true"}


@pytest.fixture
def drafted(sample: Database, settings: Settings) -> Database:
    issues.draft(sample, settings, now=NOW)
    return sample


@pytest.fixture
def ann(drafted: Database, settings: Settings, reader: Reader) -> Desk:
    return at_the_desk(reader, settings, "publisher")


def edit(db: Database, settings: Settings, **words: str) -> None:
    editing.edit(db, 1, now=NOW, settings=settings, **words)  # type: ignore[arg-type]


def test_it_says_what_digest_check_says(ann: Desk, drafted: Database, settings: Settings) -> None:
    part = ann.get(CHECKS, **PART).text
    content = issues.content_hash(approval.mail_of(drafted, settings, 1).content)
    assert f'data-content="{content}" data-blocks="0" data-warns="1"' in part
    assert "Nothing keeps it from going out; 1 warning." in part
    assert "<html" not in part


def test_a_block_says_what_where_and_what_to_do(ann: Desk, drafted: Database, settings: Settings) -> None:
    edit(drafted, settings, subject="Hello {{ first_name }}, ship or skip?")
    part = ann.get(CHECKS, **PART).text
    assert "1 check keeps it from going out" in part
    assert "nothing is filled in there, so readers would see it as it stands." in part
    assert '<p class="todo">Write it without.</p>' in part
    assert '<a href="/desk/issues/1?view=edit#subject" data-place>To the subject</a>' in part
    assert 'name="override-subject" form="approve-form"' in part
    assert part.index('class="findings block"') < part.index('class="findings warn"') < part.index('class="passes"')


def test_nothing_says_what_to_type_on_a_command_line(ann: Desk, drafted: Database, settings: Settings) -> None:
    edit(drafted, settings, subject="RE: GREAT NEWS!!", preheader="x", intro="words " * 20_000)
    part = ann.get(CHECKS, **PART).text
    assert part.count('class="finding-one"') > 5
    assert "digest " not in part
    assert "?view=edit#intro" in part


def test_only_who_may_approve_may_override(ann: Desk, drafted: Database, settings: Settings, reader: Reader) -> None:
    edit(drafted, settings, subject="Hello {{ first_name }}, ship or skip?")
    part = at_the_desk(reader, settings, "editor", name="Carl").get(CHECKS, **PART).text
    assert "override-subject" not in part
    assert "A publisher may override a check with a reason." in part


def test_settings_are_the_owners(ann: Desk, settings: Settings, reader: Reader) -> None:
    assert "An owner mends this in the settings." in ann.get(CHECKS, **PART).text
    part = at_the_desk(reader, settings, "owner", name="Olga").get(CHECKS, **PART).text
    assert '<a href="/desk/settings/sender#sender_address" data-place>To the setting</a>' in part


def test_it_is_a_page_too(ann: Desk) -> None:
    page = ann.get(CHECKS).text
    assert "<h1>Checks</h1>" in page
    assert f'action="{CHECKS}"' in page
    assert ann.get("/desk/issues/9/checks").status_code == 404


def test_the_network_is_asked_only_where_that_is_wanted(
    ann: Desk, drafted: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def ask(mail: Mail, what: str) -> list[Finding]:
        asked.append(what)
        return [Finding(f"{what}-says", "warn", f"the {what} says <b>no</b>", "there", "do something")]

    monkeypatch.setattr("digest.web.desk.checking.ask", ask)
    before = dump(drafted)
    ann.get(CHECKS)
    assert asked == []
    part = ann.http.post(
        CHECKS, data={"csrf": ann.csrf, "what": "dns"}, headers={**PART, "Origin": str(ann.http.base_url)}
    )
    assert (asked, "The dns says &lt;b&gt;no&lt;/b&gt;." in part.text, "<html" in part.text) == (["dns"], True, False)
    page = ann.submit(CHECKS).text
    assert sorted(asked[1:]) == ["dns", "links", "spam"]
    assert "The spam says &lt;b&gt;no" in page
    assert ann.submit(CHECKS, what="the oracle").status_code == 400
    assert dump(drafted) == before


def test_of_what_was_approved_it_says_what_was_passed_over(ann: Desk, drafted: Database, settings: Settings) -> None:
    edit(drafted, settings, subject="Hello {{ first_name }}, ship or skip?")
    content = re.search(r'data-content="(\w+)"', ann.get(CHECKS, **PART).text)
    assert content is not None
    fields = {"content": content[1], "when": "at", "date": "2026-11-27", "time": "09:00", "override-subject": "a joke"}
    assert ann.submit("/desk/issues/1/approve", fields).status_code == 303
    part = ann.get(CHECKS, **PART).text
    assert 'data-blocks="0"' in part
    assert "<strong>Passed over:</strong>" in part
    assert "override-subject" not in part


# Where things are mended ------------------------------------------------------------------------------------------


def test_every_check_has_a_name() -> None:
    assert set(IDS) <= NAMES.keys()


@pytest.mark.parametrize(
    ("check", "where", "todo", "to"),
    [
        ("subject", "subject “x”", "shorten it", "/desk/issues/1?view=edit#subject"),
        ("preheader", "preheader “x”", "say more", "/desk/issues/1?view=edit#preheader"),
        ("size", "HTML", "leave comparisons out", "/desk/issues/1?view=edit#contents"),
        ("size", "HTML", "shorten the introduction", "/desk/issues/1?view=edit#intro"),
        ("postal-address", "setting postal_address", "set it", "/desk/settings/#postal_address"),
        ("sender", "setting sender_address", "set it", "/desk/settings/sender#sender_address"),
        ("contrast", "<td> 4", "change one of the two colours", "/desk/settings/theme"),
        ("dns-spf", "example.com", "publish it", "/desk/settings/sender"),
        ("unsubscribe", "HTML", "put it into the footer, templates/email/footer.mjml", None),
        ("text-size", "<p> “tagline” in <td>", "raise its font-size in the templates in templates/email", None),
    ],
)
def test_the_way_to_where_it_is_mended(mail: Mail, check: str, where: str, todo: str, to: str | None) -> None:
    way = way_to(Finding(check, "warn", "it is wrong", where, todo), mail)
    assert (way.to if way else None) == to


def test_the_way_to_whose_words_they_are(mail: Mail) -> None:
    placed = mail.draft.placed[2].comparison
    page = f"{mail.settings.base_url}/compare/{placed.slug}"
    of_a_comparison = way_to(Finding("links", "warn", "1 link is odd", f"link 9 ({page}, “x”)", "mend it"), mail)
    assert of_a_comparison is not None
    assert of_a_comparison.to == f"/desk/issues/1?view=edit#comparison-{placed.slug}"
    tool = mail.draft.placed[0].comparison.left
    of_a_tool = way_to(Finding("links-answer", "warn", "it is gone", f"link 3 ({tool.url}, “y”)", "mend it"), mail)
    assert of_a_tool is not None
    assert of_a_tool.to == f"/desk/catalogue/tools/{tool.slug}"
    intro = replace(mail, draft=replace(mail.draft, intro="See https://example.org/here for more."))
    of_the_intro = way_to(Finding("links", "warn", "x", "link 2 (https://example.org/here)", "mend it"), intro)
    assert of_the_intro is not None
    assert of_the_intro.to == "/desk/issues/1?view=edit#intro"


def test_settings_are_called_as_their_page_calls_them(mail: Mail) -> None:
    finding = Finding("postal-address", "warn", "postal_address is not set", "setting postal_address", "set it")
    (group,) = grouped([finding], mail).warns
    assert group.findings[0].what == "“Postal address” is not set"
