"""Passkeys: what a device answers is believed only where it was asked for, here, of this person, and once."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlite_utils import Database

from authenticator import PRESENT, Authenticator, coded
from conftest import NOW
from digest.editors import audit, passkeys, people, sessions
from digest.editors.audit import COMMAND_LINE
from digest.editors.passkeys import Site
from digest.editors.sessions import Here
from digest.errors import InputError, NotFoundError, StateError
from digest.settings import Settings

MINE, OTHER = "m" * 43, "o" * 43
ORIGIN = "https://verdicts.example.com"


@pytest.fixture
def site(settings: Settings) -> Site:
    found = Site.of(settings)
    assert found == Site("verdicts.example.com", ORIGIN, settings.newsletter_name)
    return found


@pytest.fixture
def ann(db: Database) -> Here:
    return signed_in(db, "Ann")


@pytest.fixture
def device(db: Database, site: Site, ann: Here) -> Authenticator:
    """Ann's phone, with a passkey."""
    made = Authenticator(ORIGIN)
    passkeys.add(db, site, ann, made.create(begin(db, site, ann)), name="Phone", now=NOW)
    return made


def signed_in(db: Database, name: str) -> Here:
    editor = people.add(db, f"{name.lower()}@example.com", name=name, by=COMMAND_LINE, now=NOW)
    here = sessions.here(db, sessions.begin(db, editor.id, way="link", browser="Tests", now=NOW), now=NOW)
    assert here is not None
    return here


def begin(db: Database, site: Site, here: Here) -> dict[str, Any]:
    return passkeys.begin_adding(db, site, here, now=NOW)


def asked(db: Database, site: Site, browser: str = MINE) -> dict[str, Any]:
    return passkeys.begin_signing_in(db, site, browser=browser, now=NOW)


def enter(db: Database, site: Site, answer: str, browser: str = MINE, now: datetime = NOW) -> str:
    return passkeys.enter(db, site, answer, browser=browser, agent="Tests", now=now)


def test_what_is_asked_of_a_device(db: Database, site: Site, ann: Here) -> None:
    options = begin(db, site, ann)
    assert options["rp"] == {"id": "verdicts.example.com", "name": site.name}
    assert options["user"]["name"] == "ann@example.com"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["attestation"] == "none"
    options = asked(db, site)
    assert options["userVerification"] == "required"
    assert options["allowCredentials"] == []


def test_a_passkey_lets_in_whose_it_is(db: Database, site: Site, ann: Here, device: Authenticator) -> None:
    signed_in(db, "Bea")
    secret = enter(db, site, device.get(asked(db, site)))
    here = sessions.here(db, secret, now=NOW)
    assert here is not None
    assert here.editor == people.find(db, ann.editor.id)
    assert sessions.of(db, ann.editor.id, now=NOW)[0].way == "passkey"
    done = audit.done(db, limit=1)[0]
    assert (done.who, done.did, done.detail["passkey"]) == ("Ann", "signed in", "Phone")
    (passkey,) = passkeys.of(db, ann.editor.id)
    assert passkey.used_at is not None


@pytest.mark.usefixtures("device")
def test_a_device_is_not_asked_for_a_second_passkey_of_the_same_person(db: Database, site: Site, ann: Here) -> None:
    (known,) = begin(db, site, ann)["excludeCredentials"]
    assert known["id"] == passkeys.of(db, ann.editor.id)[0].id
    assert begin(db, site, signed_in(db, "Bea"))["excludeCredentials"] == []


# What is not believed ----------------------------------------------------------------------------------------------


def test_an_answer_counts_once(db: Database, site: Site, device: Authenticator) -> None:
    answer = device.get(asked(db, site))
    enter(db, site, answer)
    with pytest.raises(InputError, match="was given before"):
        enter(db, site, answer)


def test_what_is_to_be_signed_runs_out(db: Database, site: Site, device: Authenticator) -> None:
    answer = device.get(asked(db, site))
    with pytest.raises(InputError, match="took too long"):
        enter(db, site, answer, now=NOW + passkeys.LASTS)


def test_another_browser_cannot_use_the_answer(db: Database, site: Site, device: Authenticator) -> None:
    answer = device.get(asked(db, site))
    with pytest.raises(InputError, match="was given before"):
        enter(db, site, answer, OTHER)
    enter(db, site, answer)


def test_what_a_browser_asked_for_before_ends(db: Database, site: Site, device: Authenticator) -> None:
    first = device.get(asked(db, site))
    asked(db, site)
    with pytest.raises(InputError, match="was given before"):
        enter(db, site, first)
    assert db["challenges"].count == 1


def test_what_was_asked_to_add_does_not_let_in(db: Database, site: Site, ann: Here, device: Authenticator) -> None:
    options = begin(db, site, ann)
    answer = device.get({**options, "rpId": site.host})
    with pytest.raises(InputError, match="was given before"):
        enter(db, site, answer, ann.csrf)


def of_another_site(device: Authenticator, options: dict[str, Any]) -> str:
    device.origin = "https://verdicts.example.com.evil.example"
    return device.get(options)


def of_http(device: Authenticator, options: dict[str, Any]) -> str:
    device.origin = "http://verdicts.example.com"
    return device.get(options)


def of_another_host(device: Authenticator, options: dict[str, Any]) -> str:
    return device.get(options, host="evil.example")


def without_finger_or_pin(device: Authenticator, options: dict[str, Any]) -> str:
    device.flags = PRESENT
    return device.get(options)


def of_a_copy(device: Authenticator, options: dict[str, Any]) -> str:
    device.count = 0
    return device.get(options)


def in_a_frame(device: Authenticator, options: dict[str, Any]) -> str:
    return device.get(options, crossOrigin=True)


def of_another_kind(device: Authenticator, options: dict[str, Any]) -> str:
    return device.get(options, type="webauthn.create")


def with_another_key(device: Authenticator, options: dict[str, Any]) -> str:
    return Authenticator(device.origin, id=device.id, handle=device.handle, count=5).get(options)


def of_somebody_else(device: Authenticator, options: dict[str, Any]) -> str:
    device.handle = bytes(32)
    return device.get(options)


def of_nobody(device: Authenticator, options: dict[str, Any]) -> str:
    device.handle = b""
    return device.get(options)


@pytest.mark.parametrize(
    "wrong",
    [
        of_another_site, of_http, of_another_host, without_finger_or_pin, of_a_copy, in_a_frame, of_another_kind,
        with_another_key, of_somebody_else, of_nobody,
    ],
)  # fmt: skip
def test_a_wrong_answer_lets_nobody_in(
    db: Database, site: Site, device: Authenticator, wrong: Callable[[Authenticator, dict[str, Any]], str]
) -> None:
    enter(db, site, device.get(asked(db, site)))
    before = db["sessions"].count
    with pytest.raises(InputError, match="your device's answer does not fit"):
        enter(db, site, wrong(device, asked(db, site)))
    assert db["sessions"].count == before
    assert db["challenges"].count == 0


def test_a_device_that_does_not_count_may_come_again(db: Database, site: Site, ann: Here) -> None:
    # Passkeys that are kept in step between devices always say 0.
    device = Authenticator(ORIGIN, step=0)
    passkeys.add(db, site, ann, device.create(begin(db, site, ann)), name="", now=NOW)
    for _ in range(2):
        enter(db, site, device.get(asked(db, site)))
    assert passkeys.of(db, ann.editor.id)[0].name == "Passkey"


@pytest.mark.parametrize(
    "answer",
    [
        "", "null", "[]", "{}", '"x"', "{", '{"response": 1}', '{"response": {}}',
        '{"response": {"clientDataJSON": "e30"}}', '{"response": {"clientDataJSON": 7}}',
        '{"response": {"clientDataJSON": "bnVsbA"}}', '{"response": {"clientDataJSON": "é"}}', "[" * 5000,
        json.dumps({"response": {"clientDataJSON": coded(b'{"challenge": 5}')}}),
        json.dumps({"response": {"clientDataJSON": coded(b"\xff\xfe")}}),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused(db: Database, site: Site, ann: Here, answer: str) -> None:
    with pytest.raises(InputError):
        enter(db, site, answer)
    with pytest.raises(InputError):
        passkeys.add(db, site, ann, answer, name="", now=NOW)


@pytest.mark.parametrize("part", ["clientDataJSON", "authenticatorData", "signature", "userHandle"])
@pytest.mark.parametrize("value", [None, "", "AAAA", 5, ["x"], {"a": 1}, "é"])
def test_a_broken_answer_is_refused(db: Database, site: Site, device: Authenticator, part: str, value: object) -> None:
    answer = json.loads(device.get(asked(db, site)))
    answer["response"][part] = value
    with pytest.raises(InputError):
        enter(db, site, json.dumps(answer))


@pytest.mark.parametrize("value", [None, "", "AAAA", 5, "o2NmbXRkbm9uZWdhdHRTdG10oGhhdXRoRGF0YUA"])
def test_a_broken_passkey_is_not_added(db: Database, site: Site, ann: Here, value: object) -> None:
    answer = json.loads(Authenticator(ORIGIN).create(begin(db, site, ann)))
    answer["response"]["attestationObject"] = value
    with pytest.raises(InputError):
        passkeys.add(db, site, ann, json.dumps(answer), name="", now=NOW)
    assert passkeys.of(db, ann.editor.id) == []


def test_nobody_adds_a_passkey_for_another(db: Database, site: Site, ann: Here) -> None:
    bea = signed_in(db, "Bea")
    answer = Authenticator(ORIGIN).create(begin(db, site, ann))
    with pytest.raises(InputError, match="was given before"):
        passkeys.add(db, site, bea, answer, name="", now=NOW)
    passkeys.add(db, site, ann, answer, name="", now=NOW)


def test_a_passkey_without_finger_or_pin_is_not_added(db: Database, site: Site, ann: Here) -> None:
    device = Authenticator(ORIGIN, flags=PRESENT)
    with pytest.raises(InputError, match="does not fit"):
        passkeys.add(db, site, ann, device.create(begin(db, site, ann)), name="", now=NOW)


@pytest.mark.usefixtures("ann")
def test_a_passkey_that_is_there_is_not_taken_over(db: Database, site: Site, device: Authenticator) -> None:
    bea = signed_in(db, "Bea")
    thief = Authenticator(ORIGIN, id=device.id)
    with pytest.raises(StateError, match="there already"):
        passkeys.add(db, site, bea, thief.create(begin(db, site, bea)), name="", now=NOW)


# Keeping them ------------------------------------------------------------------------------------------------------


def test_a_passkey_that_was_removed_lets_nobody_in(db: Database, site: Site, ann: Here, device: Authenticator) -> None:
    bea = signed_in(db, "Bea")
    (passkey,) = passkeys.of(db, ann.editor.id)
    with pytest.raises(NotFoundError):
        passkeys.remove(db, passkey.id, editor=bea.editor.id, by=bea.by, now=NOW)
    passkeys.remove(db, passkey.id, editor=ann.editor.id, by=ann.by, now=NOW)
    with pytest.raises(NotFoundError, match="not known here"):
        enter(db, site, device.get(asked(db, site)))
    assert [one.did for one in audit.done(db, limit=10, what="editor 1")][:2] == [
        "removed a passkey from",
        "added a passkey to",
    ]


def test_an_editor_who_was_removed_has_no_passkeys_any_more(
    db: Database, site: Site, ann: Here, device: Authenticator
) -> None:
    people.add(db, "owner@example.com", role="owner", by=COMMAND_LINE, now=NOW)
    people.remove(db, ann.editor.id, by=COMMAND_LINE, now=NOW)
    with pytest.raises(NotFoundError):
        enter(db, site, device.get(asked(db, site)))
    people.add(db, "ann@example.com", by=COMMAND_LINE, now=NOW)
    with pytest.raises(NotFoundError):
        enter(db, site, device.get(asked(db, site)))


@pytest.mark.usefixtures("device")
def test_a_passkey_gets_another_name_from_its_owner_alone(db: Database, ann: Here) -> None:
    bea = signed_in(db, "Bea")
    (passkey,) = passkeys.of(db, ann.editor.id)
    passkeys.rename(db, passkey.id, editor=ann.editor.id, name="  Old   phone ")
    with pytest.raises(NotFoundError):
        passkeys.rename(db, passkey.id, editor=bea.editor.id, name="Mine")
    with pytest.raises(InputError, match="more than the 60"):
        passkeys.rename(db, passkey.id, editor=ann.editor.id, name="x" * 61)
    assert passkeys.of(db, ann.editor.id)[0].name == "Old phone"


def test_there_is_an_end_to_passkeys(db: Database, site: Site, ann: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passkeys, "MOST", 1)
    passkeys.add(db, site, ann, Authenticator(ORIGIN).create(begin(db, site, ann)), name="", now=NOW)
    with pytest.raises(StateError, match="remove one"):
        begin(db, site, ann)


@pytest.mark.parametrize(
    ("base_url", "origin"),
    [
        ("https://Example.com:443", "https://example.com"),
        ("https://example.com:8443/news", "https://example.com:8443"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://localhost:80", "http://localhost"),
        ("http://desk.localhost", "http://desk.localhost"),
        ("http://example.com", None),
        ("https://192.0.2.1", None),
        ("https://[2001:db8::1]", None),
        ("http://127.0.0.1:8000", None),
    ],
)
def test_where_passkeys_work(base_url: str, origin: str | None) -> None:
    site = Site.of(Settings(base_url=base_url))
    assert (site.origin if site else None) == origin


def test_moments_are_told(db: Database, site: Site, ann: Here, device: Authenticator) -> None:
    later = NOW + timedelta(minutes=1)
    enter(db, site, device.get(asked(db, site)), now=later)
    (passkey,) = passkeys.of(db, ann.editor.id)
    assert passkey.used_at is not None
    assert passkey.created_at < passkey.used_at
