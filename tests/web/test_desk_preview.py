"""The preview of the desk: the mail in a frame of its own, in all its ways, as any reader, beside last week's."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page
from sqlite_utils import Database

import machine
from browser import Browser, grave, opened, violations
from conftest import NOW
from desk import Desk, at_the_desk
from digest.audience import preferences, subscribers
from digest.issue import editing, issues
from digest.issue.fit import LIMIT
from digest.issue.looking import Looks
from digest.issue.preview import TOKEN
from digest.sending import beginning
from digest.settings import Settings
from digest.store import beside, open_store
from serving import Clock, Reader, dump, served

AT = "/desk/issues/2/preview"
ADA = 2
"""The number of a reader: the second, who is called Ada and chose one topic."""


def two_issues(sample: Database, settings: Settings) -> None:
    """Last week's issue, which went out, and this week's draft: issue 2."""
    subscribers.add(sample, "bob@example.com", now=NOW)
    before = NOW - timedelta(days=7)
    first = issues.draft(sample, settings, now=before, since=before - timedelta(days=7)).issue
    assert first is not None
    issues.freeze(sample, settings, first.number, now=before)
    beginning.begin(sample, settings, first.number, now=before)
    second = issues.draft(sample, settings, now=NOW).issue
    assert second is not None
    assert second.number == 2


@pytest.fixture
def two(sample: Database, settings: Settings) -> int:
    two_issues(sample, settings)
    return 2


@pytest.fixture
def ann(reader: Reader, settings: Settings, two: int) -> Desk:
    """An editor of a store that may be changed."""
    return at_the_desk(reader, settings, "publisher")


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory, stores: Path) -> Iterator[Desk]:
    """An editor of a store that all tests share, because they only look."""
    folder = tmp_path_factory.mktemp("looked-at")
    settings = Settings(db=folder / "digest.db", base_url="https://verdicts.example.com")
    shutil.copyfile(stores / "sample.db", settings.db)
    with closing(open_store(settings.db)) as db:
        two_issues(db, settings)
        ada = subscribers.add(db, "ada@example.com", now=NOW, name="Ada Lovelace")[0].id
        assert ada == ADA
        preferences.choose_topics(db, ada, ["developer-tools"], now=NOW)
    with served(settings, Clock(NOW)) as reader:
        yield at_the_desk(reader, settings, "publisher")


def write(db: Database, settings: Settings, intro: str) -> None:
    editing.edit(db, 2, settings=settings, now=NOW, intro=intro)


def policy_of(answer: httpx.Response) -> str:
    return answer.headers["content-security-policy"]


def test_the_mail_is_a_document_under_a_policy_of_its_own(looked_at: Desk) -> None:
    answer = looked_at.get(f"{AT}/mail")
    assert answer.status_code == 200
    policy = policy_of(answer)
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:" in policy
    assert "form-action 'none'; base-uri 'none'; frame-ancestors 'self'" in policy
    assert "sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox" in policy
    assert "script" not in policy
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "<script" not in answer.text


@pytest.mark.parametrize("way", ["text", "source"])
def test_text_and_source_are_documents_without_script_and_styles_of_their_own(looked_at: Desk, way: str) -> None:
    moved = looked_at.get(f"{AT}/{way}?as=made-up&name=Ada")
    answer = looked_at.get(moved.headers["location"])
    assert answer.status_code == 200
    assert "unsafe-inline" not in policy_of(answer)
    assert "script-src" not in policy_of(answer)
    assert "sandbox" in policy_of(answer)
    assert "Hello Ada," in answer.text


def test_dark_and_light_do_not_ask_the_machine(looked_at: Desk) -> None:
    for scheme in ("light", "dark"):
        assert "prefers-color-scheme" not in looked_at.get(f"{AT}/mail?scheme={scheme}").text
    assert 'content="dark"' in looked_at.get(f"{AT}/mail?scheme=dark").text


def test_each_program_has_a_mail_of_its_own(looked_at: Desk) -> None:
    shown = {client: looked_at.get(f"{AT}/mail?client={client}").text for client in ("mail", "gmail", "outlook")}
    assert len(set(shown.values())) == 3
    assert "@layer word" in shown["outlook"]
    assert "@media print" in shown["mail"]


def test_with_pictures_off_none_is_asked_for(reader: Reader, two: int, settings: Settings) -> None:
    logo = settings.model_copy(update={"logo_url": "https://pictures.example.org/logo.png"})
    with served(logo, Clock(NOW)) as other:
        ann = at_the_desk(other, logo)
        on, off = ann.get(f"/desk/issues/{two}/preview/mail"), ann.get(f"/desk/issues/{two}/preview/mail?images=off")
    assert "https://pictures.example.org/logo.png" in on.text
    assert "logo.png" not in off.text
    assert "img-src 'none'" in policy_of(off)
    assert f'alt="{settings.newsletter_name}"' in off.text


def test_links_lead_out_with_a_token_that_opens_nothing(looked_at: Desk) -> None:
    html = looked_at.get(f"{AT}/mail").text
    links = re.findall(r"<a [^>]*>", html)
    assert links
    assert all('target="_blank" rel="noopener noreferrer"' in link for link in links)
    assert f"https://verdicts.example.com/u/{TOKEN}" in html
    assert looked_at.get(f"/u/{TOKEN}").status_code == 400


def test_an_edit_is_seen_at_once(ann: Desk, sample: Database, settings: Settings) -> None:
    assert "A word from the editor" not in ann.get(f"{AT}/mail").text
    write(sample, settings, "A word from the editor")
    assert "A word from the editor" in ann.get(f"{AT}/mail").text
    assert "A word from the editor" in ann.get(f"{AT}/mail?client=text").text
    facts = ann.get(f"{AT}/facts").json()
    assert facts["version"] > 0


def test_what_the_catalogue_says_anew_is_seen_at_once(ann: Desk, sample: Database) -> None:
    ann.get(f"{AT}/mail")
    sample.execute("UPDATE tools SET tagline = 'Quite another tagline' WHERE slug = 'cursor'")
    assert "Quite another tagline" in ann.get(f"{AT}/mail").text


def test_one_version_is_laid_out_once(two: int, sample: Database, settings: Settings) -> None:
    looks = Looks(kept=2)
    first = looks.laid_out(sample, settings, two)
    assert looks.laid_out(sample, settings, two) is first
    assert looks.laid_out(sample, settings.model_copy(), two) is not first, "other settings, another look"
    looks.laid_out(sample, settings, two, ["developer-tools"])
    looks.laid_out(sample, settings, 1)
    assert len(looks._kept) == 2
    sample.execute("UPDATE issues SET subject = 'Another', own_words = '[\"subject\"]' WHERE number = ?", [two])
    again = looks.laid_out(sample, settings, two)
    assert again is not None
    assert again.content.subject == "Another"


def test_the_facts_stand_around_it(looked_at: Desk) -> None:
    facts = looked_at.get(f"{AT}/facts").json()
    assert facts["inbox"]["from"] == "Weekly AI Tool Verdicts"
    assert facts["inbox"]["subject"].startswith("Cursor vs Claude Code")
    assert 0 < facts["weight"] <= LIMIT
    assert re.fullmatch(r"\d+ KB of 90", facts["words"])
    assert facts["moved"] == []
    assert facts["before"] == 1


def test_what_was_made_smaller_is_told(ann: Desk, sample: Database) -> None:
    sample.execute("UPDATE issue_comparisons SET form = 'full' WHERE issue = 2")
    facts = ann.get(f"{AT}/facts").json()
    assert facts["moved"]
    assert facts["moved"][0].keys() == {"title", "before", "after"}
    assert (
        facts["moved_words"] == f"{len(facts['moved'])} comparison{'s' if len(facts['moved']) > 1 else ''} made smaller"
    )


# As a reader ------------------------------------------------------------------------------------------------------


def test_a_made_up_reader_is_greeted_and_gets_her_topics(looked_at: Desk) -> None:
    everything = looked_at.get(f"{AT}/mail").text
    hers = looked_at.get(f"{AT}/mail?as=made-up&name=Zoë+%3Cb%3E&topic=developer-tools")
    assert hers.status_code == 400, "that is no name"
    hers = looked_at.get(f"{AT}/mail?as=made-up&name=Zo%C3%AB+O%27Hara&topic=developer-tools")
    assert "Hello Zoë O&#x27;Hara," in hers.text
    assert "Hello," in everything
    assert "n8n" in everything
    assert "n8n" not in hers.text
    facts = looked_at.get(f"{AT}/facts?as=made-up&topic=developer-tools").json()
    assert facts["weight"] < looked_at.get(f"{AT}/facts").json()["weight"]


def test_who_gets_no_mail_is_told_so(reader: Reader, two: int, settings: Settings) -> None:
    none = settings.model_copy(update={"off_topic": "none"})
    with served(none, Clock(NOW)) as other:
        ann = at_the_desk(other, none)
        answer = ann.get(f"/desk/issues/{two}/preview/mail?as=made-up&topic=voice-and-audio")
        facts = ann.get(f"/desk/issues/{two}/preview/facts?as=made-up&topic=voice-and-audio").json()
    assert "No mail for this reader" in answer.text
    assert facts["inbox"] is None


def test_a_real_reader_is_found_by_address_and_shown_without_her_token(looked_at: Desk) -> None:
    found = looked_at.ask(f"{AT}/reader", {"email": " ADA@example.com "})
    assert found.json() == {"id": ADA, "name": "Ada Lovelace", "topics": "Developer Tools"}
    shown = looked_at.get(f"{AT}/mail?as={ADA}").text
    assert "Hello Ada Lovelace," in shown
    assert "n8n" not in shown
    assert set(re.findall(r"/[pu]/([\w-]+)", shown)) == {TOKEN}
    plain = looked_at.submit(f"{AT}/reader", {"email": str(ADA)})
    assert (plain.status_code, plain.headers["location"]) == (303, f"{AT}/mail?as={ADA}")


def test_a_reader_who_is_not_there_is_told(looked_at: Desk) -> None:
    for typed, status in (("nobody@example.com", 404), ("", 400), ("not an address", 400), ("999", 404)):
        answer = looked_at.ask(f"{AT}/reader", {"email": typed})
        assert answer.status_code == status
        assert answer.json()["error"]


def test_an_editor_who_is_no_publisher_sees_only_made_up_readers(ann: Desk, reader: Reader, settings: Settings) -> None:
    eve = at_the_desk(reader, settings, "editor", name="Eve")
    assert eve.get(f"{AT}/mail?as=1").status_code == 403
    assert eve.get(f"{AT}/facts?as=1").status_code == 403
    assert eve.submit(f"{AT}/reader", {"email": "bob@example.com"}).status_code == 403
    assert eve.get(f"{AT}/mail?as=made-up&name=Ada").status_code == 200
    assert "A real reader" not in eve.get(f"{AT}/reader").text
    assert "A real reader" in ann.get(f"{AT}/reader").text
    assert ann.get(f"{AT}/mail?as=1").status_code == 200


def test_looking_changes_nothing(ann: Desk, sample: Database) -> None:
    before = dump(sample)
    for way in ("mail", "mail?client=gmail", "mail?client=text", "mail?client=source", "facts", "last", "reader"):
        for method in ("HEAD", "GET"):
            assert ann.http.request(method, f"{AT}/{way}").status_code < 400
    ann.submit(f"{AT}/reader", {"email": "bob@example.com"})
    assert dump(sample) == before


def test_what_cannot_be_read_is_refused(looked_at: Desk) -> None:
    for asked in (
        "mail?client=pine",
        "mail?scheme=blue",
        "mail?images=some",
        "mail?as=everybody",
        "mail?as=99999999999999999999",
        "mail?as=made-up&topic=nothing-of-ours",
        f"mail?as=made-up&name={'x' * 500}",
        f"mail?as={'1' * 30}",
        f"mail?as=made-up&{'&'.join(f'topic={number}' for number in range(300))}",
    ):
        assert 400 <= looked_at.get(f"{AT}/{asked}").status_code < 500, asked


def test_an_issue_that_is_not_there_is_none(looked_at: Desk) -> None:
    for number in ("0", "-1", "7", "x", "99999999999999999999"):
        for way in ("mail", "facts", "reader", "last"):
            answer = looked_at.get(f"/desk/issues/{number}/preview/{way}")
            assert 400 <= answer.status_code < 500, (number, way)


def test_last_weeks_lies_beside_it(looked_at: Desk) -> None:
    answer = looked_at.get(f"{AT}/last?scheme=dark&client=gmail")
    assert answer.headers["location"] == "/desk/issues/1/preview/mail?scheme=dark&client=gmail"
    assert "Issue 1" in looked_at.get("/desk/issues/1/preview/mail").text
    assert "Nothing to lay beside it" in looked_at.get("/desk/issues/1/preview/last").text
    assert looked_at.get("/desk/issues/1/preview/facts").json()["before"] is None


def test_the_source_is_shown_and_not_run(ann: Desk, sample: Database, settings: Settings) -> None:
    write(sample, settings, "<script>alert(1)</script>")
    source = ann.get(f"{AT}/mail?client=source").text
    assert "&lt;mjml" in source
    assert "<script>alert" not in source
    assert "<script>alert" not in ann.get(f"{AT}/mail").text


def test_templates_that_are_wrong_are_told_in_the_frame(
    two: int, settings: Settings, reader: Reader, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("own")
    (folder / "masthead.mjml").write_text("{{ nothing.here }}")
    own = settings.model_copy(update={"templates": str(folder)})
    with served(own, Clock(NOW)) as other:
        answer = at_the_desk(other, own).get(f"/desk/issues/{two}/preview/mail")
    assert answer.status_code == 409
    assert "masthead.mjml" in answer.text


# In a browser -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    machine.needed(machine.find_node)
    with opened() as found:
        yield found


@pytest.fixture
def plain(two: int, settings: Settings) -> Iterator[Desk]:
    """An editor at a desk without https, as a browser of this machine has it."""
    assert two == 2
    plain = settings.model_copy(update={"base_url": "http://localhost:8000"})
    with served(plain, Clock(NOW)) as reader:
        yield at_the_desk(reader, plain, "publisher")


def test_the_preview_follows_the_editing(browser: Browser, plain: Desk, db: Database, settings: Settings) -> None:
    base = str(plain.http.base_url).rstrip("/")
    file = str(settings.db)

    def shown(page: Page) -> str:
        page.wait_for_function("() => !document.querySelector('#look iframe.coming')")
        page.wait_for_timeout(150)
        return str(page.evaluate("document.querySelector('[data-screen=now] iframe').contentDocument.body.innerText"))

    def choose(page: Page, name: str, value: str) -> str:
        page.evaluate(f"document.querySelector('#look-form [name={name}][value={value}]').click()")
        page.wait_for_timeout(100)
        return shown(page)

    def work(page: Page) -> None:
        page.context.add_cookies([{"name": plain.cookie, "value": plain.secret, "url": base}])
        page.goto(f"{base}/desk/issues/2?view=preview")
        page.wait_for_selector("#look.live")
        assert "Weekly AI Tool Verdicts" in shown(page)
        frame = "document.querySelector('[data-screen=now] iframe')"
        page.evaluate(f"{frame}.contentWindow.scrollTo(0, 400); window.kept = {frame}")
        with closing(beside(file)) as other:
            write(other, settings, "Typed just now")
        page.evaluate("import(document.querySelector('script[src*=preview]').src).then((it) => it.refresh(9))")
        page.wait_for_function(f"() => {frame}.contentDocument.body.innerText.includes('Typed just now')")
        assert page.evaluate(f"{frame} === window.kept && {frame}.contentWindow.scrollY") > 300
        assert int(page.get_attribute("[data-screen=now]", "data-version") or 0) >= 9
        assert "Typed just now" in choose(page, "width", "phone")
        assert page.evaluate(f"{frame}.contentWindow.innerWidth") == 375
        assert page.evaluate(f"{frame}.contentWindow.scrollY") > 300
        choose(page, "scheme", "dark")
        assert page.evaluate(f"getComputedStyle({frame}.contentDocument.body).backgroundColor") == "rgb(21, 20, 26)"
        assert "In brief".casefold() in choose(page, "client", "text").casefold()
        choose(page, "client", "gmail")
        assert page.evaluate(f"getComputedStyle({frame}.contentDocument.body).backgroundColor") != "rgb(21, 20, 26)"
        assert page.is_visible(".note-gmail")
        choose(page, "client", "mail")
        page.keyboard.press("b")
        page.wait_for_function(
            "() => document.querySelector('[data-screen=last] iframe:not(.coming)')?.contentDocument?.body?.innerText"
            ".includes('ISSUE 1')"
        )
        assert page.get_attribute("[data-look=beside]", "aria-pressed") == "true"
        page.keyboard.press("b")
        page.click(".look-who summary")
        page.check("[name=as][value=made-up]")
        page.fill("#look-name", "Grace")
        page.wait_for_function(f"() => {frame}.contentDocument.body.innerText.includes('Hello Grace,')")
        assert page.inner_text("[data-look=who]") == "Grace"
        assert not grave(violations(page))

    browser.visit(work)


def test_without_a_script_its_form_and_links_fill_the_frame(browser: Browser, plain: Desk) -> None:
    base = str(plain.http.base_url).rstrip("/")

    def work(page: Page) -> tuple[str, str]:
        page.context.add_cookies([{"name": plain.cookie, "value": plain.secret, "url": base}])
        page.goto(f"{base}/desk/issues/2?view=preview")
        page.check("[name=client][value=text]", force=True)
        page.click(".look-show")
        page.wait_for_timeout(400)
        frame = page.frame("look-frame")
        assert frame is not None
        return frame.url, frame.inner_text("pre")

    address, words = browser.visit(work, javascript=False)
    assert "client=text" in address
    assert "Also compared" in words or "IN BRIEF" in words.upper()
