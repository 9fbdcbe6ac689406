"""What is asked of servers: real ones on loopback, which say what the real ones say when something is wrong."""

from __future__ import annotations

import asyncio
import operator
import shutil
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from looked import Answer, answering, case_of, levels, look, with_settings, words
from sqlite_utils import Database

import imap_server
import name_server
from conftest import NOW
from digest import times
from digest.audience import dummy, subscribers
from digest.audience.health import health
from digest.audience.leaving import leave
from digest.doctor.model import Case, Level
from digest.doctor.subjects.dns import aligned
from digest.errors import StateError
from digest.programs import webhooks
from digest.sending import ledger
from digest.settings import Settings
from digest.simulators import simulate
from digest.simulators.server import running
from digest.simulators.smtp import running_smtp
from digest.simulators.smtp import simulator as smtp_simulator
from digest.store import open_store
from digest.tracking.hook_counting import count, hour_of, last_calls
from digest.web.app import create_app
from serving import Clock, Prompt, dump, free_port, served

POSTMARK = {"token": "a-token", "webhook_password": "a-long-password-for-hooks"}


@pytest.fixture
def case(db: Database, settings: Settings) -> Case:
    return case_of(settings)


@contextmanager
def site(case: Case, **changes: Any) -> Iterator[Case]:
    """Serve the store at its public address for a block; give the case with that address."""
    port = free_port()
    there = with_settings(case, base_url=f"http://127.0.0.1:{port}", **changes)
    with served(there.settings, Clock(NOW), port=port):
        yield there


# The site ------------------------------------------------------------------------------------------------------------


def test_the_site_that_serves_this_store_is_known_and_its_webhook_reached_uncounted(case: Case, db: Database) -> None:
    with site(case, provider="postmark", providers={"postmark": POSTMARK}) as there:
        found = look("web", there)
    assert levels(found) == {"answers": "pass", "webhook": "pass"}
    assert "refuses what is not from postmark" in words(found, "webhook")
    assert last_calls(db, "postmark") == []


def test_a_webhook_that_is_not_set_up_and_a_provider_that_never_called_are_told(
    case: Case, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailgun = {"domain": "mg.example.org", "key": "k"}
    with site(case, provider="mailgun", providers={"mailgun": mailgun}) as there:
        found = look("web", there)
        assert "is not set" in words(found, "webhook")
        assert levels(found) == {"answers": "pass", "webhook": "warn"}
        monkeypatch.setattr(ledger, "newest_claim", lambda db: NOW - timedelta(hours=3))
        assert "mailgun told us nothing since the last send" in words(look("web", there), "called")
        count(db, {(hour_of(NOW), "mailgun", "taken"): 3})
        assert levels(look("web", there))["called"] == "pass"


def test_a_site_that_is_not_there_and_one_of_another_store_are_told(case: Case, tmp_path: Path) -> None:
    nowhere = with_settings(case, base_url=f"http://127.0.0.1:{free_port()}")
    assert levels(look("web", nowhere)) == {"answers": "warn"}
    assert levels(look("web", with_settings(nowhere, provider="postmark", providers={"postmark": POSTMARK}))) == {
        "answers": "bad"
    }
    with site(with_settings(case, db=tmp_path / "another.db")) as there:
        found = look("web", with_settings(there, db=case.settings.db))
        assert "another store" in words(found, "answers")
        left = look("one-click", with_settings(there, db=case.settings.db))
    assert levels(left) == {"looking": "pass", "left": "warn"}


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (301, {"Location": "https://x.example/"}, "a POST would lose its way"),
        (404, {}, "answers 404"),
        (503, {}, "503"),
    ],
    ids=["redirect", "not found", "down"],
)
def test_what_stands_before_the_site_and_passes_nothing_on_is_told(
    case: Case, status: int, headers: dict[str, str], said: str
) -> None:
    with answering(lambda method, path, body: (status, headers, b"")) as port:
        there = with_settings(
            case, base_url=f"http://127.0.0.1:{port}", provider="postmark", providers={"postmark": POSTMARK}
        )
        found, left = look("web", there), look("one-click", there)
    assert levels(found)["answers"] == "bad"
    assert said in words(found, "answers")
    assert levels(left) == {"looking": "pass", "left": "bad"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 by itself, and its key: for forty days."""
    from datetime import UTC, datetime
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, folder = ec.generate_private_key(ec.SECP256R1()), tmp_path_factory.mktemp("tls")
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=40))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "c.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "k.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "c.pem", folder / "k.pem"


@contextmanager
def secured(settings: Settings, certificate: tuple[Path, Path], port: int) -> Iterator[None]:
    """Serve a store over TLS."""
    config = uvicorn.Config(
        create_app(settings, work=False),
        port=port,
        log_level="error",
        loop="asyncio",
        ssl_certfile=str(certificate[0]),
        ssl_keyfile=str(certificate[1]),
    )
    server = Prompt(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            threading.Event().wait(0.005)
        yield
    finally:
        server.should_exit = True
        thread.join(10)


def test_tls_its_end_and_the_headers_are_looked_at(case: Case, certificate: tuple[Path, Path]) -> None:
    port, now = free_port(), times.now()
    there = with_settings(case, base_url=f"https://127.0.0.1:{port}")
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    with secured(there.settings, certificate, port):
        ahead: tuple[tuple[int, Level], ...] = ((0, "pass"), (30, "warn"), (38, "bad"))
        for days, level in ahead:
            found = look("web", replace(there, clock=partial(operator.add, now, timedelta(days=days)), tls=trusting))
            assert levels(found) == {"certificate": level, "answers": "pass", "headers": "pass"}
        found = look("web", replace(there, clock=lambda: now))
        assert "is not valid: self-signed certificate" in words(found, "certificate")
        assert levels(found) == {"certificate": "bad", "answers": "warn"}
    served_by_hand = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served_by_hand.load_cert_chain(*certificate)
    with answering(lambda method, path, body: (200, {}, b""), served_by_hand) as bare:
        there = with_settings(case, base_url=f"https://127.0.0.1:{bare}")
        found = look("web", replace(there, clock=lambda: now, tls=trusting))
    assert "without Strict-Transport-Security, Content-Security-Policy" in words(found, "headers")


# One click -----------------------------------------------------------------------------------------------------------


def test_one_click_is_tried_for_real_and_leaves_no_trace(case: Case, db: Database) -> None:
    subscribers.add(db, "ada@example.org", now=NOW)
    webhooks.add(db, "https://hooks.example.org/", [], now=NOW)
    with site(case, goodbye_letter=True) as there:
        before, counts = dump(db), (subscribers.count_audience(db), health(db, now=NOW))
        assert levels(look("one-click", there)) == {"looking": "pass", "left": "pass"}
        assert dump(db) == before
    assert (subscribers.count_audience(db), health(db, now=NOW)) == counts


def test_nothing_counts_or_lists_the_dummy_while_it_is_there(db: Database) -> None:
    webhooks.add(db, "https://hooks.example.org/", [], now=NOW)
    counts = (subscribers.count_audience(db), health(db, now=NOW))
    dummy.make(db, now=NOW)
    with pytest.raises(StateError, match="another process"):
        dummy.make(db, now=NOW + timedelta(minutes=1))
    assert (subscribers.count_audience(db), health(db, now=NOW)) == counts
    assert list(subscribers.find_subscribers(db)) == []
    assert leave(db, dummy.NUMBER, way="one-click", now=NOW, goodbye=True)
    assert dummy.way_out(db) == "one-click"
    assert (subscribers.count_audience(db), health(db, now=NOW)) == counts
    for table in ("letters", "webhook_messages", "audience_days", "events"):
        assert db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0
    # One that a process left behind gives way.
    dummy.make(db, now=NOW + timedelta(hours=1))
    dummy.remove(db)
    assert db.execute("SELECT count(*) FROM subscribers").fetchone()[0] == 0
    assert db.execute("SELECT count(*) FROM suppressions").fetchone()[0] == 0


def test_a_link_that_unsubscribes_who_opens_it_and_one_that_only_says_so_are_bad(case: Case) -> None:
    def leaving(on: str) -> Answer:
        def answer(method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
            if method == on:
                with_store = open_store(case.settings.db)
                leave(with_store, dummy.NUMBER, way="one-click", now=NOW)
                with_store.close()
            return (202 if on == "POST" else 200), {}, b""

        return answer

    people = with_settings(case, provider="postmark", providers={"postmark": POSTMARK})
    for on, check, said in (
        ("GET", "looking", "opening the link unsubscribes"),
        ("POST", "left", "answered 202"),
        ("", "left", "another store that answers"),
    ):
        with answering(leaving(on)) as port:
            found = look("one-click", with_settings(people, base_url=f"http://127.0.0.1:{port}"))
        assert levels(found)[check] == "bad"
        assert said in words(found, check)


# DNS, providers, mailboxes, others' clocks ---------------------------------------------------------------------------


@pytest.fixture
def names() -> Iterator[name_server.Server]:
    server = name_server.Server()
    yield server
    server.close()


def test_the_dns_is_asked_for_the_sender_the_site_and_the_server(case: Case, names: name_server.Server) -> None:
    names.records = {
        "digest.press": {"MX": ["10 mail.digest.press."], "TXT": ["v=spf1 ip4:192.0.2.1 -all"]},
        "mail.digest.press": {"A": ["8.8.4.4"]},
        "www.digest.press": {"A": ["10.0.0.1"]},
        "4.4.8.8.in-addr.arpa": {"PTR": ["mail.digest.press."]},
    }
    smtp = {"host": "mail.digest.press"}
    there = replace(
        with_settings(
            case,
            sender_address="ann@digest.press",
            base_url="https://www.digest.press",
            provider="smtp",
            providers={"smtp": smtp},
        ),
        resolver=names.resolver(),
    )
    found = look("dns", there)
    told = levels(found)
    assert (told["dns-mx"], told["ptr"], told["site"], told["dns-dmarc"]) == ("pass", "pass", "bad", "bad")
    assert "which nobody outside can reach" in words(found, "site")
    names.records["www.digest.press"] = {"A": ["8.8.8.8"]}
    names.records["4.4.8.8.in-addr.arpa"] = {"PTR": ["elsewhere.example.org."]}
    found = look("dns", replace(there, resolver=names.resolver()))
    assert (levels(found)["site"], levels(found)["ptr"]) == ("pass", "warn")
    nowhere = with_settings(replace(there, resolver=names.resolver()), base_url="https://gone.digest.press")
    assert levels(look("dns", nowhere))["site"] == "bad"


def test_nobody_is_asked_for_names_that_nobody_can_own(case: Case, names: name_server.Server) -> None:
    found = look("dns", replace(case, resolver=names.resolver()))
    assert levels(found) == {"sender": "not looked at", "site": "not looked at"}
    assert names.asked == []


def test_mail_signed_for_another_domain_is_told(case: Case, names: name_server.Server) -> None:
    mailgun = {"domain": "mg.elsewhere.org", "key": "k"}
    there = with_settings(case, sender_address="a@digest.press", provider="mailgun", providers={"mailgun": mailgun})
    assert levels(look("dns", replace(there, resolver=names.resolver())))["alignment"] == "bad"
    assert aligned("mg.digest.press", "digest.press")
    assert aligned("mg.digest.press", "news.digest.press")
    assert not aligned("digest.press", "digest.example")


def of_provider(case: Case, name: str, use: dict[str, str]) -> Case:
    options = {key.partition(".")[2]: value for key, value in use.items() if key.startswith(f"{name}.")}
    return with_settings(case, provider=name, providers={name: options})


@pytest.mark.parametrize(
    ("name", "secret", "said"),
    [
        ("postmark", "token", "server Simulated, stream broadcast (Broadcasts)"),
        ("resend", "key", "the key is right; domains: example.com (verified)"),
        ("sendgrid", "key", "the key may send mail"),
        ("mailgun", "key", "the domain mg.example.com is active"),
        ("brevo", "key", "the key is right (free: 10000 credits left)"),
        ("ses", "secret_access_key", "100,000 copies a second, any number sent in 24 hours"),
    ],
)
def test_each_provider_says_that_it_knows_us_or_does_not_and_is_sent_nothing(
    case: Case, name: str, secret: str, said: str
) -> None:
    simulator = simulate(name, domain="example.com") if name == "resend" else simulate(name)
    with running(simulator) as (url, _):
        use = simulator.usage(url)
        found = look("provider", of_provider(case, name, use))
        assert levels(found) == {name: "pass"}
        assert said in words(found, name)
        wrong = look("provider", of_provider(case, name, {**use, f"{name}.{secret}": "re_wrong"}))
        assert levels(wrong) == {name: "bad"}
        assert "would take no mail" in words(wrong, name)
        assert "re_wrong" not in words(wrong, name)
    assert simulator.record.accepted == []
    assert levels(look("provider", of_provider(case, name, use))) == {name: "bad"}


def test_what_a_provider_doubts_is_told(case: Case) -> None:
    doubtful: dict[str, tuple[dict[str, Any], dict[str, Any], Level]] = {
        "postmark": ({}, {"delivery": "Sandbox"}, "warn"),
        "resend": ({"domain": ""}, {}, "warn"),
        "sendgrid": ({}, {"scopes": ("stats.read",)}, "bad"),
        "mailgun": ({}, {"state": "unverified"}, "warn"),
        "brevo": ({}, {"left": 0}, "warn"),
        "ses": ({"sandbox": True}, {}, "warn"),
    }
    for name, (options, attributes, level) in doubtful.items():
        simulator = simulate(name, **options)
        for attribute, value in attributes.items():
            setattr(simulator, attribute, value)
        with running(simulator) as (url, _):
            assert levels(look("provider", of_provider(case, name, simulator.usage(url)))) == {name: level}, name
    with running(simulate("resend", sending_only=True)) as (url, server):
        found = look("provider", of_provider(case, "resend", server.simulator.usage(url)))
    assert "for sending alone" in words(found, "resend")
    with running(simulate("mailgun", sending_only=True)) as (url, server):
        use = {**server.simulator.usage(url), "mailgun.events": "false"}
        assert levels(look("provider", of_provider(case, "mailgun", use))) == {"mailgun": "not looked at"}
    with running(simulate("postmark")) as (url, server):
        use = {**server.simulator.usage(url), "postmark.letters_stream": "gone"}
        found = look("provider", of_provider(case, "postmark", use))
    assert [one.level for one in found] == ["pass", "bad"]
    assert "(letters) would take no mail: the server Simulated has no stream gone" in found[1].what


def test_an_smtp_server_is_logged_in_to_and_an_outbox_is_looked_for(case: Case) -> None:
    server = smtp_simulator()
    with running_smtp(server) as (host, port):
        smtp = {"host": host, "port": port}
        there = with_settings(case, provider="smtp", providers={"smtp": smtp})
        assert "answers, in the open, without a login" in words(look("provider", there), "smtp")
    assert levels(look("provider", there)) == {"smtp": "bad"}
    assert server.record.accepted == []
    assert levels(look("provider", case)) == {"outbox": "pass"}
    shutil.rmtree(case.settings.outbox, ignore_errors=True)
    case.settings.outbox.write_text("no folder")
    assert levels(look("provider", case)) == {"outbox": "bad"}
    missing = with_settings(case, provider="resend")
    assert levels(look("provider", missing)) == {"resend": "bad"}


def test_mailboxes_are_logged_in_to_and_nothing_in_them_changes(case: Case) -> None:
    assert set(levels(look("mailboxes", case)).values()) == {"pass"}
    box = imap_server.Mailbox()
    mail = box.deliver(b"Subject: out\n\n")
    with imap_server.serving(box) as port:
        there = with_settings(
            case,
            unsubscribe_imap=f"imap://leave@127.0.0.1:{port}/INBOX",
            unsubscribe_imap_password="secret",
            bounce_imap=f"imap://leave@127.0.0.1:{port}/Gone",
            bounce_imap_password="secret",
        )
        found = look("mailboxes", there)
        assert levels(found) == {"unsubscribe_imap": "pass", "bounce_imap": "bad"}
        assert "1 mails wait" in words(found, "unsubscribe_imap")
        assert mail.flags == set()
        wrong = look("mailboxes", with_settings(there, unsubscribe_imap_password="wrong"))
        assert "see unsubscribe_imap_password" in words(wrong, "unsubscribe_imap")
    only_address = with_settings(case, unsubscribe_mailto="leave@example.org")
    assert levels(look("mailboxes", only_address))["unsubscribe_imap"] == "warn"


def test_the_clock_of_the_provider_is_compared_with_ours(case: Case) -> None:
    def answer(method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        return 404, {"Date": format_datetime(NOW + timedelta(minutes=2), usegmt=True)}, b""

    with answering(answer) as port:
        resend = {"url": f"http://127.0.0.1:{port}", "key": "re_1"}
        there = with_settings(case, provider="resend", providers={"resend": resend})
        found = look("clock", there)
    assert levels(found)["provider"] == "warn"
    assert "120 seconds behind" in words(found, "provider")
    assert levels(look("clock", there))["provider"] == "not looked at"
    assert levels(look("clock", case))["provider"] == "not looked at"
