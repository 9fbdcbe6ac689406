"""The settings in the desk: what is saved holds at once, everywhere; what is wrong is refused, and says what to do."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from email import message_from_bytes, policy
from html import unescape
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect
from sqlite_utils import Database

from browser import grave, opened, violations
from conftest import NOW
from desk import Desk, at_the_desk
from digest.chosen import COLOR_SETTINGS, SECTIONS, read
from digest.issue import issues
from digest.palettes import PALETTES
from digest.sending import probing
from digest.settings import SETTINGS, Settings
from digest.store import beside, file_of
from digest.web import current
from digest.web.desk import settings_sender
from digest.web.desk.settings_words import CHOICES, LABELS
from name_server import Server
from serving import Clock, Reader, dump, served

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
PAGES = ("", "theme", "sender", "issue", "readers", "provider", "operator")


@dataclass(frozen=True)
class Owner:
    """An owner at the desk, and a reader of the same site."""

    desk: Desk
    reader: Reader
    db: Database

    def save(self, page: str, **values: str) -> httpx.Response:
        """Save some fields of a page, as somebody does who sees what there is now."""
        return self.desk.submit(f"/desk/settings/{page}", {**self.was(page, *values), **values})

    def was(self, page: str, *names: str) -> dict[str, str]:
        text = self.desk.get(f"/desk/settings/{page}").text
        found = dict(re.findall(r'name="was\.(\w+)" value="([^"]*)"', text))
        return {f"was.{name}": unescape(found[name]) for name in names if name in found}

    def page(self, page: str = "") -> str:
        answer = self.desk.get(f"/desk/settings/{page}")
        assert answer.status_code == 200
        return answer.text

    def change(self, answer: httpx.Response) -> str:
        """The number of the change that an answer leads to."""
        found = re.search(r"change=(\d+)", answer.headers["location"])
        assert found is not None
        return found[1]


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    """The operator's: a postal address, and nothing that may be chosen beside."""
    return Settings(
        db=tmp_path / "digest.db",
        outbox=tmp_path / "outbox",
        base_url="http://localhost:8000",
        postal_address="1 Sample Street, 10115 Berlin",
    )


@pytest.fixture
def settings(own: Settings) -> Settings:
    return own


@pytest.fixture
def owner(reader: Reader, settings: Settings, sample: Database) -> Owner:
    return Owner(at_the_desk(reader, settings), reader, sample)


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


# The pages -----------------------------------------------------------------------------------------------------------


def test_every_setting_that_may_be_chosen_has_a_field_with_words_and_its_name(owner: Owner) -> None:
    for section, names in SECTIONS.items():
        text = owner.page("" if section == "newsletter" else section)
        for name in names:
            assert f'name="{name}"' in text, name
            assert name in LABELS, name
            if section != "theme" or name.startswith("logo"):
                assert f"<code>{name}</code>" in text, name


def test_every_choice_has_words() -> None:
    for name, choices in CHOICES.items():
        assert set(choices) == {str(choice) for choice in SETTINGS[name].annotation.__args__}  # type: ignore[union-attr]


def test_all_that_may_not_be_chosen_is_shown_and_no_secret_is(sample: Database, own: Settings, clock: Clock) -> None:
    secret, token = "correct horse battery staple, twice over", "pm-token-4711"
    given = own.model_dump(include=own.model_fields_set)
    settings = Settings(**given, secret_key=secret, providers={"postmark": {"token": token}}, provider="postmark")
    with served(settings, clock) as reader:
        ann = at_the_desk(reader, settings)
        texts = [ann.get(f"/desk/settings/{page}").text for page in PAGES]
    for name in set(SETTINGS) - {name for names in SECTIONS.values() for name in names}:
        assert f"<code>{name}</code>" in texts[-1], name
    assert "********" in texts[-1]
    assert not any(secret in text or token in text for text in texts)


# Saving --------------------------------------------------------------------------------------------------------------


def test_a_change_shows_on_the_site_at_once(owner: Owner) -> None:
    before = owner.reader.get("/")
    assert "Ship or Skip" not in before.text
    answer = owner.save("", newsletter_name="Ship or Skip", newsletter_tagline="Every Thursday")
    assert (answer.status_code, answer.headers["location"][:26]) == (303, "/desk/settings/?done=saved")
    home = owner.reader.get("/", headers={"If-None-Match": before.headers["etag"]})
    assert home.status_code == 200
    assert "Ship or Skip" in home.text
    assert "Every Thursday" in home.text
    assert "Ship or Skip" in owner.reader.get("/feeds/issues.atom").text
    assert "Ship or Skip" in owner.desk.get(answer.headers["location"]).text


def test_a_theme_shows_on_the_site_at_once_under_an_address_of_its_own(owner: Owner) -> None:
    sheet = re.compile(r'href="(/static/theme\.css\?v=\w+)"')
    before = sheet.search(owner.reader.get("/").text)
    assert owner.save("theme", **PALETTES["forest"][1]).status_code == 303
    after = sheet.search(owner.reader.get("/").text)
    assert before is not None
    assert after is not None
    assert before[1] != after[1]
    css = owner.reader.get(after[1])
    assert "--accent:#1f5a3c" in css.text
    assert "immutable" in css.headers["cache-control"]
    assert owner.reader.get(before[1]).headers["cache-control"] == "no-store"
    assert "#1f5a3c" in owner.reader.get("/icon.svg").text


def test_a_logo_may_be_shown_at_once(owner: Owner) -> None:
    owner.save("theme", logo_url="https://pictures.example.com/logo.png")
    policy_ = owner.reader.get("/").headers["content-security-policy"]
    assert "img-src 'self' data: https://pictures.example.com;" in policy_


def test_what_readers_may_do_is_another_at_once(owner: Owner, clock: Clock) -> None:
    owner.save("readers", disposable_addresses="refuse")
    moment = owner.reader.moment()
    clock.move_on(seconds=10)
    answer = owner.reader.submit("/sign-up", email="ann@mailinator.com", moment=moment)
    assert "lends mailboxes to throw away" in answer.text


def test_a_change_holds_in_another_process_within_seconds(
    owner: Owner, settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(current, "EVERY_S", 0.2)
    with served(settings, clock) as other:
        assert "Ship or Skip" not in other.get("/").text
        owner.save("", newsletter_name="Ship or Skip")
        until = time.monotonic() + 3
        while "Ship or Skip" not in other.get("/").text:
            assert time.monotonic() < until
            time.sleep(0.05)


def test_a_server_begins_with_what_was_chosen(owner: Owner, settings: Settings, clock: Clock) -> None:
    owner.save("", newsletter_name="Ship or Skip")
    with served(settings, clock) as again:
        assert "Ship or Skip" in again.get("/").text


def test_a_choice_that_is_not_valid_any_more_stops_nothing_and_is_told(
    owner: Owner, settings: Settings, clock: Clock
) -> None:
    owner.db.execute("INSERT INTO chosen_settings VALUES ('confirm_days', '900', '')")
    with served(settings, clock) as again:
        ann = Desk(again, owner.desk.editor, owner.desk.secret, owner.desk.cookie)
        assert "the most is 60" in ann.get("/desk/settings/readers").text


WRONG = [
    ("", "newsletter_name", "", "It is empty."),
    ("", "newsletter_name", "x" * 101, "more than the 100 characters"),
    ("", "timezone", "Europe/Berlinn", "did you mean 'Europe/Berlin'?"),
    ("", "social_links", "Feed https://example.com", "is no https:// address"),
    ("", "social_links", "Feed = javascript:alert(1)", "is no https:// address"),
    ("theme", "color_ink", "red", "Write it like #2b2380."),
    ("theme", "color_ink", "#cccccc", "Text on a card has a contrast of 1.6; text needs 4.5."),
    ("theme", "logo_url", "http://example.com/logo.png", "is no https:// address"),
    ("theme", "logo_width", "9999", "The most is 600."),
    ("sender", "sender_address", "nobody", "An email address must have an @-sign."),
    ("sender", "list_id", "a b", "Write it like weekly.example.com."),
    ("issue", "quiet_hours", "at night", "Write it like 22:00-07:00."),
    ("issue", "utm", "?", "Write it like utm_source="),
    ("issue", "tracking", "everything", "It is none of"),
    ("readers", "confirm_days", "a week", "It is no whole number."),
]


def test_a_wrong_value_is_refused_at_its_field_and_kept_in_it(owner: Owner) -> None:
    before = dump(owner.db, but=("sessions", "editors"))
    for page, name, value, why in WRONG:
        answer = owner.save(page, **{name: value})
        assert answer.status_code == 422, name
        text = unescape(answer.text)
        problem = re.search(rf'id="{name}-problem">([^<]*)<', text)
        assert problem is not None, name
        assert why.casefold() in problem[1].casefold()
        assert "Nothing is saved yet" in text
        if name not in CHOICES:
            assert value in text, name
    assert dump(owner.db, but=("sessions", "editors")) == before


def test_a_field_longer_than_any_setting_is_refused(owner: Owner) -> None:
    assert owner.save("", newsletter_name="x" * 5_000).status_code == 400


def test_what_the_operator_set_is_shown_locked_and_refused(owner: Owner) -> None:
    page = owner.page()
    assert re.search(r'<input id="postal_address"[^>]* disabled>', page)
    assert "The operator says so" in page
    answer = owner.desk.submit("/desk/settings/", {"postal_address": "Elsewhere", "was.postal_address": "x"})
    assert answer.status_code == 409
    assert "set by the operator" in answer.text
    assert "Elsewhere" not in owner.reader.get("/").text


def test_where_the_operator_set_it_is_said(sample: Database, settings: Settings) -> None:
    from digest.web.app import create_app
    from digest.web.desk.settings_fields import fields

    sources = {"postal_address": "digest.toml", "base_url": "environment"}
    app = create_app(settings, work=False, sources=sources)
    assert fields(app.state.digest.current, "newsletter")["postal_address"].locked == "digest.toml"


def test_nothing_else_is_saved_with_a_form(owner: Owner) -> None:
    names = ("provider", "secret_key", "base_url", "db", "trusted_proxies")
    for page in ("", "theme", "sender", "issue", "readers"):
        fields = dict.fromkeys(names, "x" * 40) | {f"was.{name}": "y" for name in names}
        assert owner.desk.submit(f"/desk/settings/{page}", fields).headers["location"].endswith("?done=same")
    assert read(owner.db.conn) == {}


def test_a_box_that_is_not_ticked_means_no(owner: Owner) -> None:
    assert owner.desk.submit("/desk/settings/readers", owner.was("readers", "welcome_letter")).status_code == 303
    assert json.loads(read(owner.db.conn)["welcome_letter"]) is False


def test_links_are_written_a_line_each(owner: Owner) -> None:
    owner.save("", social_links="Mastodon = https://example.social/@verdicts\r\n\r\nFeed=https://example.com/a=b")
    assert json.loads(read(owner.db.conn)["social_links"]) == {
        "Mastodon": "https://example.social/@verdicts",
        "Feed": "https://example.com/a=b",
    }
    assert "Mastodon = https://example.social/@verdicts\nFeed = https://example.com/a=b" in owner.page()


def test_two_who_save_at_once_do_not_undo_each_other(owner: Owner) -> None:
    seen = owner.was("sender", "sender_name", "reply_to")
    owner.save("sender", sender_name="Bea", reply_to="")
    owner.desk.submit("/desk/settings/sender", {**seen, "sender_name": "", "reply_to": "ann@example.com"})
    chosen = {name: json.loads(value) for name, value in read(owner.db.conn).items()}
    assert chosen == {"sender_name": "Bea", "reply_to": "ann@example.com"}
    answer = owner.desk.submit("/desk/settings/sender", {**seen, "sender_name": "Ann"})
    assert (answer.status_code, "changed meanwhile, to “Bea”" in answer.text) == (409, True)
    assert "sender_name" in read(owner.db.conn)


def test_scripts_are_answered_with_json(owner: Owner) -> None:
    answer = owner.desk.ask("/desk/settings/", {"newsletter_name": "", **owner.was("", "newsletter_name")})
    assert (answer.status_code, list(answer.json()["problems"])) == (422, ["newsletter_name"])
    answer = owner.desk.ask("/desk/settings/", {"newsletter_name": "Other", **owner.was("", "newsletter_name")})
    assert answer.json()["change"] > 0


# The way back --------------------------------------------------------------------------------------------------------


def test_a_setting_goes_back_to_its_default_alone(owner: Owner) -> None:
    owner.save("sender", sender_name="Ann", reply_to="ann@example.com")
    fields = {"default": "sender_name", "sender_name": "Ann", "reply_to": "ann@example.com"}
    answer = owner.desk.submit("/desk/settings/sender", {**owner.was("sender", "sender_name", "reply_to"), **fields})
    assert answer.status_code == 303
    assert list(read(owner.db.conn)) == ["reply_to"]


def test_what_else_was_typed_is_kept_on_the_page_and_not_saved(owner: Owner) -> None:
    owner.save("sender", sender_name="Ann")
    fields = {"default": "sender_name", "sender_name": "Ann", "reply_to": "typed@example.com"}
    answer = owner.desk.submit("/desk/settings/sender", {**owner.was("sender", "sender_name", "reply_to"), **fields})
    assert (answer.status_code, 'value="typed@example.com"' in answer.text) == (200, True)
    assert "not saved yet" in answer.text
    assert read(owner.db.conn) == {}


def test_who_changed_what_is_told_and_can_be_put_back(owner: Owner) -> None:
    answer = owner.save("", newsletter_name="Ship or Skip")
    page = owner.desk.get(answer.headers["location"]).text
    assert "Changed by <bdi>Ann</bdi>, Thu 26 Nov 2026, 09:00 UTC" in page
    assert "<bdi>the default</bdi>" in page
    assert page.count('action="/desk/settings/undo"') == 2
    undone = owner.desk.submit("/desk/settings/undo", {"change": owner.change(answer)})
    assert undone.headers["location"] == "/desk/settings/?done=undone"
    assert "Weekly AI Tool Verdicts" in owner.reader.get("/").text
    assert "Put back by <bdi>Ann</bdi>" in owner.page()


def test_what_is_no_change_cannot_be_put_back(owner: Owner) -> None:
    for change in ("", "7", "x", "9" * 40, "²"):
        assert owner.desk.submit("/desk/settings/undo", {"change": change}).status_code == 404, change


def test_an_approved_issue_stays_as_it_was_approved_and_that_is_told(owner: Owner, settings: Settings) -> None:
    drafted = issues.draft(owner.db, settings, now=NOW).issue
    assert drafted is not None
    frozen = issues.freeze(owner.db, settings, drafted.number, now=NOW)
    assert "is approved" not in owner.page("theme")
    owner.save("theme", **PALETTES["plum"][1])
    assert f'<a href="/desk/issues/{drafted.number}">Issue {drafted.number}</a> is approved' in owner.page("theme")
    assert issues.find_issue(owner.db, drafted.number).content_hash == frozen.content_hash
    owner.save("theme", **PALETTES["ours"][1])
    assert "is approved" not in owner.page("theme")


# The theme -----------------------------------------------------------------------------------------------------------


def test_a_look_is_shown_before_it_is_saved_under_a_policy_of_its_own(owner: Owner) -> None:
    before = dump(owner.db, but=("sessions", "editors"))
    for scheme, color in (("light", "#7a1f5c"), ("dark", "#f0a8d8")):
        answer = owner.desk.submit(f"/desk/settings/theme/preview?scheme={scheme}", dict(PALETTES["plum"][1]))
        assert answer.status_code == 200
        assert color in answer.text
        assert "[[digest:" not in answer.text
        policy_ = answer.headers["content-security-policy"]
        assert "default-src 'none'; style-src 'unsafe-inline'" in policy_
        assert "sandbox" in policy_
        assert "script" not in policy_
    assert "#7a1f5c" not in owner.desk.get("/desk/settings/theme/preview").text
    assert dump(owner.db, but=("sessions", "editors")) == before


def test_a_look_that_cannot_be_read_is_shown_and_nothing_hostile_is_in_it(owner: Owner) -> None:
    fields = {"color_ink": "#eeeeee", "color_card": HOSTILE, "logo_url": f"https://example.com/{HOSTILE}"}
    answer = owner.desk.submit("/desk/settings/theme/preview", fields)
    assert (answer.status_code, "#eeeeee" in answer.text) == (200, True)
    assert "alert(" not in answer.text


def test_a_look_is_shown_where_there_is_nothing_to_mail_yet(db: Database, settings: Settings, clock: Clock) -> None:
    with served(settings, clock) as reader:
        text = at_the_desk(reader, settings).get("/desk/settings/theme/preview").text
        assert "Welcome, Ada" in text


def test_the_contrast_of_what_is_picked_is_told_with_the_nearest_that_passes(owner: Owner) -> None:
    answer = owner.desk.submit("/desk/settings/theme/contrast", {"color_ink": "#8888aa", "color_ship": "no colour"})
    assert "2 of 24 cannot be read well enough" in answer.text
    assert 'data-use="color_ink" data-color="#6b6b86"' in answer.text
    assert "All 24 pairs" in answer.text


def test_a_palette_is_filled_in_and_not_saved(owner: Owner) -> None:
    answer = owner.desk.submit("/desk/settings/theme", {"palette": "plum"})
    assert "Plum is filled in, and not saved yet." in answer.text
    assert all(f'name="{name}" value="{PALETTES["plum"][1][name]}"' in answer.text for name in COLOR_SETTINGS)
    assert read(owner.db.conn) == {}


# The sender and the provider -----------------------------------------------------------------------------------------


def test_the_dns_is_asked_when_somebody_wants_to_know(
    owner: Owner, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings_sender, "resolver", server.resolver())
    owner.save("sender", sender_address="news@example.com")
    server.records = {"example.com": {"MX": ["10 mx.example.com."]}}
    assert server.asked == []
    answer = owner.desk.submit("/desk/settings/sender/check")
    assert (answer.status_code, "1 of 2 found" in answer.text) == (200, True)
    assert "publish _dmarc.example.com." in answer.text
    headers = {"HX-Request": "true", "X-CSRF-Token": owner.desk.csrf}
    part = owner.desk.http.post("/desk/settings/sender/check", headers=headers).text
    assert part.lstrip().startswith('<div id="records">')
    assert "1 of 2 found" in part


def test_a_record_with_markup_in_it_shows_as_text(
    owner: Owner, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings_sender, "resolver", server.resolver())
    owner.save("sender", sender_address="news@example.com")
    server.records = {"_dmarc.example.com": {"TXT": ["v=DMARC1; p=none; <script>alert(1)</script>"]}}
    assert "<script>alert" not in owner.desk.submit("/desk/settings/sender/check").text


def test_a_test_goes_to_the_one_who_asks_by_the_way_issues_go(
    sample: Database, settings: Settings, clock: Clock
) -> None:
    with served(settings, clock, work=True) as reader:
        ann = at_the_desk(reader, settings)
        at = ann.submit("/desk/settings/provider/test", {"to": "somebody@else.example"}).headers["location"]
        name = re.search(r"test=(\w+)", at)
        assert name is not None
        until = time.monotonic() + 10
        while not (found := ann.get(f"/desk/settings/provider/test/{name[1]}").json())["settled"]:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert found["state"] == "sent"
        assert found["words"] in unescape(ann.get(at).text)
    (file,) = settings.outbox.glob("new/*")
    mail = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert (mail["To"], mail["Subject"]) == ("ann@example.com", "A test from Weekly AI Tool Verdicts")


def test_nobody_can_have_test_after_test_sent(owner: Owner, settings: Settings, clock: Clock) -> None:
    answers = [owner.desk.submit("/desk/settings/provider/test") for _ in range(probing.MOST_AN_HOUR + 1)]
    assert [answer.status_code for answer in answers] == [303] * probing.MOST_AN_HOUR + [409]
    clock.move_on(hours=2)
    assert owner.desk.submit("/desk/settings/provider/test").status_code == 303


def test_the_page_of_the_provider_says_whether_its_webhook_was_ever_verified(
    sample: Database, own: Settings, clock: Clock
) -> None:
    given = own.model_dump(include=own.model_fields_set)
    settings = Settings(**given, provider="postmark", providers={"postmark": {"token": "a-token"}})
    with served(settings, clock) as reader:
        ann = at_the_desk(reader, settings)
        page = ann.get("/desk/settings/provider").text
        assert "never called" in page
        assert "http://localhost:8000/hooks/postmark" in page
        with closing(beside(file_of(sample))) as db:
            db.execute("INSERT INTO hook_counts VALUES ('2026-11-26T08', 'postmark', 'taken', 3)")
        assert "within the hour of Thu 26 Nov 2026, 08:00 UTC" in ann.get("/desk/settings/provider").text


# Hostile words -------------------------------------------------------------------------------------------------------


def test_markup_in_every_text_setting_shows_as_text_everywhere(owner: Owner) -> None:
    for page, names in (
        ("", ("newsletter_name", "newsletter_tagline")),
        ("sender", ("sender_name",)),
    ):
        for name in names:
            assert owner.save(page, **{name: HOSTILE}).status_code == 303, name
    assert (
        owner.save("", social_links=f'{HOSTILE[:25]}"> = https://example.com/"onmouseover=alert(1)').status_code == 303
    )
    assert owner.save("sender", dkim_selector=HOSTILE).status_code == 303
    addresses = [f"/desk/settings/{page}" for page in PAGES] + [
        "/desk/settings/theme/preview",
        "/",
        "/issues/",
        "/feeds/issues.atom",
        "/feeds/comparisons.atom",
    ]
    for address in addresses:
        answer = owner.desk.get(address)
        assert answer.status_code == 200, address
        assert "<script>alert" not in answer.text, address
        assert "<img src=x" not in answer.text, address
        assert 'com/"onmouseover' not in answer.text, address


# In a browser --------------------------------------------------------------------------------------------------------


def test_a_theme_is_made_in_a_browser(owner: Owner) -> None:
    base = str(owner.reader.base_url).rstrip("/")

    def made(page: Page) -> None:
        page.context.add_cookies([{"name": owner.desk.cookie, "value": owner.desk.secret, "url": base}])
        page.goto(f"{base}/desk/settings/theme")
        page.get_by_label("Text, light", exact=True).fill("#8888aa")
        expect(page.locator("#contrast")).to_contain_text("cannot be read well enough")
        page.locator('[data-use="color_ink"]').first.click()
        expect(page.locator("#contrast")).to_contain_text("Every text can be read")
        page.get_by_role("button", name="Plum").click()
        for scheme, color in (("light", "rgb(122, 31, 92)"), ("dark", "rgb(240, 168, 216)")):
            link = page.frame_locator(f'.look[data-scheme="{scheme}"] iframe:not(.coming)').locator("a").first
            expect(link).to_have_css("color", color)
        assert page.evaluate("history.length") == 2
        assert grave(violations(page)) == []
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.locator(".saved-words")).to_contain_text("Saved")
        expect(page.locator(".desk-bar")).to_have_css("background-color", "rgb(255, 255, 255)")
        expect(page.locator(".nameplate a")).to_be_visible()
        page.goto(f"{base}/desk/settings/sender")
        page.get_by_label("Sender’s name").fill("Zoë")
        expect(page.locator('[data-from="name"]')).to_have_text("Zoë")
        expect(page.locator('[data-from="face"]')).to_have_text("Z")

    with opened() as browser:
        browser.visit(made)
    assert json.loads(read(owner.db.conn)["color_accent"]) == "#7a1f5c"
