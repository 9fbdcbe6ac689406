"""Test sends from the desk: they arrive as the issue will, and it is told what became of each."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest

from conftest import NOW
from desk import Desk, at_the_desk
from digest.audience import subscribers
from digest.editors import audit
from digest.issue import editing, issues
from digest.sending import trials
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.simulators.smtp import SmtpSimulator, running_smtp, simulator
from digest.simulators.smtp_faults import Step
from digest.store import Database
from digest.tokens import TokenError
from serving import Clock, Reader, dump, served

TESTS = "/desk/issues/1/tests"


@pytest.fixture
def db(sample: Database, settings: Settings) -> Database:
    issues.draft(sample, settings, now=NOW)
    return sample


@contextmanager
def mailing(settings: Settings, clock: Clock, **options: Any) -> Iterator[tuple[Desk, SmtpSimulator]]:
    """A server that mails by SMTP, with an editor at its desk."""
    server = simulator(**options)
    with running_smtp(server) as (host, port):
        use = {**server.usage(host, port), "own_name": "digest.example.com"}
        mine = settings.model_copy(update={"provider": "smtp", "providers": {"smtp": use}})
        with served(mine, clock, work=True) as reader:
            yield at_the_desk(reader, mine, "editor"), server


def settled(ann: Desk, at: str, *, seconds: float = 10) -> httpx.Response:
    """Look until all of a test is known."""
    until = time.monotonic() + seconds
    while 'data-over="no"' in (found := ann.get(at, **{"HX-Request": "true"})).text:
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)
    return found


def copies(found: httpx.Response) -> list[tuple[str, str]]:
    return re.findall(r'<li class="copy (\w+)"><bdi class="copy-to">([^<]*)', found.text)


def received(server: SmtpSimulator) -> dict[str, EmailMessage]:
    mails = {one.address: message_from_bytes(one.content, policy=policy.default) for one in server.received}
    assert len(mails) == len(server.received)
    return mails


def words_of(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def test_a_test_arrives_in_seconds_as_the_issue_will(db: Database, settings: Settings, clock: Clock) -> None:
    with mailing(settings, clock) as (ann, server):
        began = time.monotonic()
        asked = ann.ask(TESTS, to="ada@example.com\nGrace@example.org, ada@example.com", name="Zoë")
        found = settled(ann, asked.json()["at"])
        took = time.monotonic() - began
        mails = received(server)
    assert copies(found) == [("sent", "ada@example.com"), ("sent", "Grace@example.org")]
    assert took < 10
    assert mails.keys() == {"ada@example.com", "Grace@example.org"}
    mail, issue = mails["ada@example.com"], issues.load_draft(db, 1)
    assert mail["Subject"] == f"Test: {issue.subject}"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["Feedback-ID"].startswith("issue-1:test:")
    for kind in ("plain", "html"):
        words = words_of(mail, kind)
        assert "Hello Zoë," in words
        assert "ada@example.com" in words
        assert "Nobody else got it" in " ".join(words.split())


def test_its_links_open_nothing_of_any_reader(db: Database, settings: Settings, clock: Clock) -> None:
    for number in range(5):
        subscribers.add(db, f"reader{number}@example.com", now=NOW)
    with mailing(settings, clock) as (ann, server):
        settled(ann, ann.ask(TESTS, to="ada@example.com").json()["at"])
        (mail,) = received(server).values()
    [token] = set(re.findall(r"/u/([\w-]+)", words_of(mail, "html")))
    with pytest.raises(TokenError):
        Signers.of(db, settings, now=NOW).links.read("copy", token)


def test_it_is_no_sending(db: Database, settings: Settings, clock: Clock) -> None:
    subscribers.add(db, "reader@example.com", now=NOW)
    with mailing(settings, clock) as (ann, server):
        settled(ann, ann.ask(TESTS, to="ada@example.com").json()["at"])
        assert len(server.received) == 1
    tables = dump(db)
    assert not tables["deliveries"]
    assert not tables["batches"]
    assert issues.find_issue(db, 1).state == "draft"


def test_what_is_refused_says_why(db: Database, settings: Settings, clock: Clock) -> None:
    def decide(step: Step) -> str | None:
        return "550 5.1.1 no such mailbox" if step.stage == "RCPT" and "nobody" in step.address else None

    with mailing(settings, clock, script=decide) as (ann, _):
        found = settled(ann, ann.ask(TESTS, to="nobody@example.com\nada@example.com").json()["at"])
    assert copies(found) == [("failed", "nobody@example.com"), ("sent", "ada@example.com")]
    assert "no such mailbox" in found.text


def test_it_shows_what_the_editor_saw_though_another_edits_on(db: Database, settings: Settings, clock: Clock) -> None:
    with served(settings, clock) as reader:
        asked = at_the_desk(reader, settings, "editor", name="Bea").ask(TESTS, to="ada@example.com").json()
    before = issues.load_draft(db, 1).subject
    editing.edit(db, 1, now=NOW, subject="Something else altogether", settings=settings)
    with mailing(settings, clock) as (_, server):
        until = time.monotonic() + 10
        while not server.received:
            assert time.monotonic() < until, "it did not arrive"
            time.sleep(0.05)
        (mail,) = received(server).values()
    assert mail["Subject"] == f"Test: {before}"
    assert trials.find(db, asked["test"]).version < db.execute("SELECT version FROM issues").fetchone()[0]


def test_a_topic_choice_is_composed_for_it(db: Database, settings: Settings, clock: Clock) -> None:
    with mailing(settings, clock) as (ann, server):
        topics = re.findall(r'name="topic" value="([^"]+)"', ann.get(TESTS).text)
        assert len(topics) > 1
        fields = {"to": "ada@example.com", "topic": topics[0]}
        settled(ann, ann.ask(TESTS, fields).json()["at"])
        settled(ann, ann.ask(TESTS, to="bob@example.com").json()["at"])
        mails = received(server)
    few, all_of_it = (words_of(mails[who], "html").count("/compare/") for who in ("ada@example.com", "bob@example.com"))
    assert 0 < few < all_of_it


def test_tests_go_where_the_issue_goes_and_letters_do_not(
    db: Database, settings: Settings, clock: Clock, tmp_path: Path
) -> None:
    elsewhere = settings.model_copy(update={"letters_provider": "outbox", "outbox": tmp_path / "letters"})
    with mailing(elsewhere, clock) as (ann, server):
        settled(ann, ann.ask(TESTS, to="ada@example.com").json()["at"])
        assert [one.address for one in server.received] == ["ada@example.com"]
    assert not (tmp_path / "letters").exists()


@pytest.fixture
def ann(db: Database, settings: Settings, reader: Reader) -> Desk:
    return at_the_desk(reader, settings, "editor")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"to": ""}, "at least one address"),
        ({"to": "ada@example.com\nnonsense"}, "nonsense"),
        ({"to": "\n".join(f"a{number}@example.com" for number in range(11))}, "more than the 10"),
        ({"to": "ada@example.com", "name": "https://example.com/"}, "cannot be greeted with"),
        ({"to": "ada@example.com", "topic": "no-such-topic"}, "no topic is called"),
    ],
    ids=["nobody", "no address", "too many", "a link for a name", "no topic"],
)
def test_what_cannot_be_tested_is_refused_and_stores_nothing(
    ann: Desk, db: Database, fields: dict[str, str], said: str
) -> None:
    before = dump(db)
    asked = ann.ask(TESTS, fields)
    assert asked.status_code == 400
    assert said in asked.json()["error"]
    page = ann.submit(TESTS, fields)
    assert page.status_code == 400
    assert said in page.text.lower()
    assert dump(db) == before


def test_an_hour_has_so_many(ann: Desk, db: Database, clock: Clock) -> None:
    to = "\n".join(f"a{number}@example.com" for number in range(10))
    for _ in range(6):
        assert ann.ask(TESTS, to=to).status_code == 200
    refused = ann.ask(TESTS, to="ada@example.com")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "600")
    clock.move_on(hours=1, seconds=1)
    assert ann.ask(TESTS, to="ada@example.com").status_code == 200


def test_without_a_script_it_leads_to_what_became_of_it(ann: Desk) -> None:
    sent = ann.submit(TESTS, to="ada@example.com")
    assert sent.status_code == 303
    page = ann.get(sent.headers["location"])
    assert 'http-equiv="refresh"' in page.text
    assert copies(page) == [("queued", "ada@example.com")]


def test_one_that_waits_for_long_says_what_may_be_wrong(ann: Desk, clock: Clock) -> None:
    at = ann.ask(TESTS, to="ada@example.com").json()["at"]
    assert "--no-work" not in ann.get(at).text
    clock.move_on(seconds=21)
    assert "--no-work" in ann.get(at).text


def test_a_test_is_of_its_issue(ann: Desk) -> None:
    at = ann.ask(TESTS, to="ada@example.com").json()["at"]
    assert ann.get(at.replace("/issues/1/", "/issues/2/")).status_code == 404
    for other in ("99", "0", "9" * 30):
        assert ann.get(f"{TESTS}/{other}").status_code == 404


def test_the_audit_has_how_many_and_never_to_whom(ann: Desk, db: Database) -> None:
    ann.ask(TESTS, to="ada@example.com\ngrace@example.org")
    (done,) = audit.done(db, limit=1, what="issue 1")
    assert (done.who, done.did, done.detail["copies"]) == ("Ann", "sent a test of", 2)
    assert "@" not in str(done.detail)


def test_a_suppressed_address_is_not_mailed(db: Database, settings: Settings, clock: Clock) -> None:
    subscribers.add(db, "gone@example.com", now=NOW)
    subscribers.suppress(db, "gone@example.com", "hard bounce", now=NOW)
    with mailing(settings, clock) as (ann, server):
        found = settled(ann, ann.ask(TESTS, to="gone@example.com").json()["at"])
        assert server.received == []
    assert copies(found) == [("dropped", "gone@example.com")]
    assert "suppressed" in found.text
