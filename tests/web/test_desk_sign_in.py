"""Signing in at the desk, attacked as strangers would."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest
from sqlite_utils import Database

from authenticator import Authenticator
from conftest import NOW
from desk import at_the_desk
from digest.audience import letterbox
from digest.editors import audit, passkeys, people, sessions, sign_in
from digest.editors.audit import COMMAND_LINE
from digest.sending.copies import Signers
from digest.sending.letter_writing import batch_of
from digest.settings import Settings
from digest.tokens import TOKEN_LENGTH
from digest.web.abuse.sign_ins import AN_HOUR
from serving import Clock, Reader, dump, served

HTTPS = "https://verdicts.example.com"


@pytest.fixture
def plain(settings: Settings) -> Settings:
    """A site without https, whose cookies go over the tests' sockets."""
    return settings.model_copy(update={"base_url": "http://localhost:8000"})


@pytest.fixture
def ann(db: Database, plain: Settings, clock: Clock) -> Iterator[Browser]:
    """Ann's browser, who is an editor."""
    people.add(db, "ann@example.com", name="Ann", by=COMMAND_LINE, now=NOW)
    with served(plain, clock) as reader:
        yield Browser(reader, db, plain)


@dataclass
class Browser:
    """A browser on its way in, without JavaScript."""

    http: Reader
    db: Database
    settings: Settings

    def another(self) -> Browser:
        return Browser(self.http.another(), self.db, self.settings)

    def form(self, address: str = "/desk/sign-in") -> dict[str, str]:
        """Load a page, and give the hidden fields of its form."""
        page = self.http.get(address)
        return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))

    def ask(self, email: str = "ann@example.com", address: str = "/desk/sign-in") -> httpx.Response:
        return self.http.submit("/desk/sign-in", {**self.form(address), "email": email})

    def mailed(self) -> list[str]:
        """Give the links that are mailed now."""
        found, signers = [], Signers.of(self.db, self.settings, now=NOW)
        while letter := letterbox.claim(self.db, provider="outbox", account="", worker=1, now=NOW + timedelta(days=1)):
            text = "".join(batch_of(letter, self.settings, signers).message.text.texts)
            place = text.index("/desk/sign-in/")
            found.append(text[place : place + len("/desk/sign-in/") + TOKEN_LENGTH])
            letterbox.settle(self.db, letter, "sent", now=NOW)
        return found

    def link(self, address: str = "/desk/sign-in") -> str:
        assert self.ask(address=address).status_code == 303
        (link,) = self.mailed()
        return link

    def press(self, link: str) -> httpx.Response:
        """Follow a link, and press its button."""
        return self.http.submit(link, self.form(link))

    @property
    def is_in(self) -> bool:
        return self.http.get("/desk/account").status_code == 200


def test_a_mailed_link_lets_in(ann: Browser) -> None:
    asked = ann.ask()
    assert (asked.status_code, asked.headers["location"]) == (303, "/desk/sign-in/sent")
    assert "on its way" in ann.http.get("/desk/sign-in/sent").text
    (link,) = ann.mailed()
    assert not ann.is_in
    page = ann.http.get(link)
    assert "ann@example.com" in page.text
    entered = ann.press(link)
    assert (entered.status_code, entered.headers["location"]) == (303, "/desk/")
    assert ann.is_in
    assert "Ann" in ann.http.get("/desk/account").text
    # Who is in is not asked again.
    assert ann.http.get("/desk/sign-in?next=/desk/audit").headers["location"] == "/desk/audit"


def test_the_cookies_are_for_this_site_alone(ann: Browser, db: Database, clock: Clock) -> None:
    link = ann.link()
    flags = ann.press(link).headers.get_list("set-cookie")
    (kept,) = [one for one in flags if one.startswith("digest-desk=")]
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(kept.split("; "))
    assert "Secure" not in kept
    # With https they have a name that no neighbour and no plain page can set.
    secure = ann.settings.model_copy(update={"base_url": HTTPS})
    token = sign_in.print_link(db, Signers.of(db, secure, now=NOW).links, 1, by=COMMAND_LINE, now=NOW)
    with served(secure, clock) as reader:
        page = reader.get(f"/desk/sign-in/{token}")
        browser = page.headers["set-cookie"]
        assert browser.startswith("__Host-digest-browser=")
        assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= set(browser.split("; "))
        assert "domain" not in browser.lower()
        csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert csrf is not None
        headers = {"Cookie": browser.partition(";")[0], "Origin": HTTPS}
        entered = reader.post(f"/desk/sign-in/{token}", data={"csrf": csrf[1]}, headers=headers)
        (session,) = [one for one in entered.headers.get_list("set-cookie") if "-desk=" in one]
        assert session.startswith("__Host-digest-desk=")
        assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= set(session.split("; "))


def test_nobody_keeps_or_frames_the_pages(ann: Browser) -> None:
    link = ann.link()
    for address in ("/desk/sign-in", "/desk/sign-in/sent", link, "/desk/sign-in/cut"):
        answer = ann.http.get(address)
        assert answer.headers["cache-control"] == "no-store", address
        assert "noindex" in answer.headers["x-robots-tag"]
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "unsafe-inline" not in answer.headers["content-security-policy"]


# Links -------------------------------------------------------------------------------------------------------------


def test_scanners_that_follow_a_link_change_nothing(ann: Browser, db: Database) -> None:
    link = ann.link()
    before = dump(db)
    for browser in (ann, ann.another()):
        for _ in range(2):
            browser.http.get(link)
            browser.http.head(link)
    assert dump(db) == before
    assert ann.press(link).status_code == 303


def test_another_browser_is_told_where_to_open_the_link(ann: Browser) -> None:
    link = ann.link()
    thief = ann.another()
    told = thief.http.get(link)
    assert told.status_code == 403
    assert "asked for in another browser" in told.text
    assert "Ann" not in told.text
    fields = thief.form()
    assert thief.http.submit(link, fields).status_code == 403
    assert not thief.is_in
    assert ann.press(link).status_code == 303


def test_a_link_that_was_used_is_over_ran_out_or_was_cut_says_so(ann: Browser, clock: Clock) -> None:
    used, fields = ann.link(), ann.form()
    late = ann.link()
    other = ann.another()
    assert ann.press(used).status_code == 303
    assert (ann.http.get(used).status_code, "has done its work" in ann.http.get(used).text) == (410, True)
    # Signing in ended what this browser had asked for beside.
    assert ann.http.get(late).status_code == 410
    over = other.link()
    clock.move_on(minutes=16)
    assert (other.http.get(over).status_code, "has run out" in other.http.get(over).text) == (410, True)
    assert other.http.submit(over, other.form()).status_code == 410
    for cut in (over[:-1], over + "A", "/desk/sign-in/x", "/desk/sign-in/%2e%2e"):
        answer = other.http.get(cut)
        assert answer.status_code in (400, 404), cut
    assert 'href="/desk/sign-in"' in other.http.get(over[:-1]).text
    assert fields["csrf"]
    assert not other.is_in


def test_a_link_without_its_pages_token_lets_nobody_in(ann: Browser) -> None:
    link = ann.link()
    for fields in ({}, {"csrf": ""}, {"csrf": "x"}, {"csrf": ann.another().form()["csrf"]}):
        assert ann.http.submit(link, fields).status_code == 403
    assert ann.another().http.submit(link, ann.form()).status_code == 403
    assert ann.press(link).status_code == 303


OTHER_SITES = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", OTHER_SITES, ids=str)
def test_what_another_site_posts_is_refused(ann: Browser, db: Database, headers: dict[str, str]) -> None:
    link, fields = ann.link(), ann.form()
    before = dump(db)
    for address in ("/desk/sign-in", link, "/desk/sign-in/passkey", "/desk/sign-in/passkey/begin"):
        answer = ann.http.post(address, data={**fields, "email": "ann@example.com"}, headers=headers)
        assert answer.status_code == 403, address
    assert dump(db) == before


def test_a_browser_without_cookies_is_told(ann: Browser, db: Database) -> None:
    fields, before = ann.form(), dump(db)
    ann.http.cookies.clear()
    for address in ("/desk/sign-in", "/desk/sign-in/passkey", "/desk/sign-in/passkey/begin", "/desk/sign-in/x"):
        answer = ann.http.submit(address, {**fields, "email": "ann@example.com"})
        assert answer.status_code == 403, address
        assert "cookies" in answer.text
    assert dump(db) == before


def test_a_planted_cookie_that_is_not_as_ours_are_is_not_taken(ann: Browser) -> None:
    planted = ann.http.another(Cookie="digest-browser=planted")
    assert "planted" not in planted.get("/desk/sign-in").headers["set-cookie"]


def test_a_session_is_new_at_each_sign_in(ann: Browser, db: Database) -> None:
    links = Signers.of(db, ann.settings, now=NOW).links
    secrets: list[str] = []
    for planted in ("planted-by-somebody-else", ""):
        token = sign_in.print_link(db, links, 1, by=COMMAND_LINE, now=NOW)
        cookie = {"digest-desk": planted or secrets[0], "digest-browser": "m" * 43}
        browser = ann.http.another(Cookie="; ".join(f"{name}={value}" for name, value in cookie.items()))
        answer = browser.submit(f"/desk/sign-in/{token}", {"csrf": sessions.csrf_of("m" * 43)})
        (kept,) = [one for one in answer.headers.get_list("set-cookie") if one.startswith("digest-desk=")]
        secrets.append(kept.partition("=")[2].partition(";")[0])
    assert len({"planted-by-somebody-else", *secrets}) == 3
    # The one that the browser had before has ended.
    assert [bool(sessions.here(db, secret, now=NOW)) for secret in secrets] == [False, True]


# Who asks ----------------------------------------------------------------------------------------------------------


def test_asking_for_a_strangers_address_looks_the_same(ann: Browser, db: Database) -> None:
    answers = [ann.another().ask(email) for email in ("ann@example.com", "stranger@example.org")]
    seen = [(answer.status_code, answer.text, answer.headers["location"]) for answer in answers]
    assert seen[0] == seen[1]
    assert sorted(answers[0].headers) == sorted(answers[1].headers)
    assert len(ann.mailed()) == 1
    assert db["sign_in_links"].count == 2


def test_what_is_no_address_is_said_beside_the_field(ann: Browser) -> None:
    for email in ("", "ann", "ann@", "x" * 400):
        answer = ann.ask(email)
        assert answer.status_code == 422, email
        assert 'id="email-problem"' in answer.text
    assert "&lt;script&gt;" in ann.ask("<script>").text


def test_a_network_asks_so_often_an_hour(ann: Browser, clock: Clock) -> None:
    codes = [ann.ask(f"x{number}@example.com").status_code for number in range(AN_HOUR["ask"] + 2)]
    assert codes == [*[303] * AN_HOUR["ask"], 429, 429]
    answer = ann.ask()
    assert int(answer.headers["retry-after"]) > 0
    assert "from your network" in answer.text
    clock.move_on(hours=1)
    assert ann.ask().status_code == 303


def test_a_network_guesses_so_many_links_an_hour(ann: Browser) -> None:
    fields = ann.form()
    codes = {ann.http.submit(f"/desk/sign-in/guess{n}", fields).status_code for n in range(AN_HOUR["try"])}
    assert codes == {400}
    for address in ("/desk/sign-in/guess", "/desk/sign-in/passkey", "/desk/sign-in/passkey/begin"):
        assert ann.http.submit(address, fields).status_code == 429, address


def test_where_nobody_may_come_in_it_says_how(reader: Reader) -> None:
    page = reader.get("/desk/sign-in").text
    assert "digest editors add you@example.com" in page
    assert 'name="email"' not in page


# Where it leads ----------------------------------------------------------------------------------------------------


def test_who_was_sent_to_sign_in_comes_back_to_where_they_were_going(ann: Browser) -> None:
    sent = ann.http.get("/desk/audit?subject=issue%201").headers["location"]
    link = ann.link(sent)
    assert ann.press(link).headers["location"] == "/desk/audit?subject=issue%201"


@pytest.mark.parametrize("way", ["https://evil.example", "//evil.example", "/desk/%5C%5Cevil.example", "/desk/../x"])
def test_it_leads_to_no_other_site(ann: Browser, way: str) -> None:
    fields = ann.form()
    ann.http.submit("/desk/sign-in", {**fields, "email": "ann@example.com", "next": way})
    (link,) = ann.mailed()
    assert ann.press(link).headers["location"] == "/desk/"
    assert ann.http.get("/desk/sign-in", params={"next": way}).headers["location"] == "/desk/"


# Out ---------------------------------------------------------------------------------------------------------------


def test_signing_out_ends_the_session(ann: Browser, db: Database) -> None:
    ann.press(ann.link())
    secret = next(cookie.value for cookie in ann.http.cookies.jar if cookie.name == "digest-desk")
    assert secret is not None
    answer = ann.http.submit("/desk/sign-out", {"csrf": sessions.csrf_of(secret)})
    assert answer.headers["location"] == "/desk/sign-in?done=out"
    assert not ann.is_in
    ann.http.cookies.set("digest-desk", secret)
    assert not ann.is_in
    assert [one.did for one in audit.done(db, limit=2)] == ["signed out", "signed in"]
    assert "signed out" in ann.http.get("/desk/sign-in?done=out").text


# Passkeys ----------------------------------------------------------------------------------------------------------


def test_a_passkey_lets_in_the_browser_that_asked(db: Database, clock: Clock, plain: Settings) -> None:
    with served(plain, clock) as reader:
        bea = at_the_desk(reader, plain, name="Bea")
        device = Authenticator("http://localhost:8000")
        options = bea.ask("/desk/account/passkeys/begin").json()
        added = bea.ask("/desk/account/passkeys", {"credential": device.create(options), "name": "Phone"})
        assert added.json() == {"next": "/desk/account?done=passkey#passkeys"}
        assert "Phone" in bea.get("/desk/account").text

        browser, thief = (Browser(reader.another(), db, plain) for _ in range(2))
        csrf = {"csrf": browser.form()["csrf"]}
        options = browser.http.submit("/desk/sign-in/passkey/begin", csrf).json()
        answer = {"credential": device.get(options), "next": "/desk/audit"}
        stolen = thief.http.submit("/desk/sign-in/passkey", {**answer, "csrf": thief.form()["csrf"]})
        assert stolen.status_code == 400
        assert not thief.is_in
        entered = browser.http.submit("/desk/sign-in/passkey", {**answer, **csrf})
        assert entered.json() == {"next": "/desk/audit"}
        assert browser.is_in
        assert "by passkey" in browser.http.get("/desk/account").text

        id_ = passkeys.of(db, bea.editor.id)[0].id
        assert "Remove" in bea.get(f"/desk/account/passkeys/remove?passkey={id_}").text
        assert bea.submit("/desk/account/passkeys/rename", passkey=id_, name="Old").status_code == 303
        assert bea.submit("/desk/account/passkeys/remove", passkey=id_).status_code == 303
        assert bea.submit("/desk/account/passkeys/remove", passkey=id_).status_code == 404
        csrf = {"csrf": thief.form()["csrf"]}
        options = thief.http.submit("/desk/sign-in/passkey/begin", csrf).json()
        refused = thief.http.submit("/desk/sign-in/passkey", {**csrf, "credential": device.get(options)})
        assert refused.status_code == 404


def test_a_plain_site_has_no_passkeys(settings: Settings, clock: Clock, db: Database) -> None:
    people.add(db, "ann@example.com", by=COMMAND_LINE, now=NOW)
    with served(settings.model_copy(update={"base_url": "http://192.0.2.1"}), clock) as reader:
        browser = Browser(reader, db, settings)
        assert "passkey" not in reader.get("/desk/sign-in").text.partition("Your address")[2]
        assert reader.submit("/desk/sign-in/passkey/begin", browser.form()).status_code == 404
