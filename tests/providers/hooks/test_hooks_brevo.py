"""What Brevo tells: each of its events as its pages have them, and calls that are not Brevo's."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from calling import BATCH, COPY, at, check_that_nothing_breaks, refusal, verify
from pydantic import SecretStr

from digest.providers.hooks.brevo import Options, read
from digest.providers.hooks.fields import UNTOLD
from digest.providers.hooks.interface import Nothing, Told, Unknown

TOKEN = "a long word nobody guesses"
OPTIONS = Options(webhook_token=SecretStr(TOKEN))
RIGHT = {"Authorization": f"Bearer {TOKEN}"}
ADA = "ada@example.net"
SECONDS = int(at("08:00:09").timestamp())
TOLD: dict[str, Any] = {"at": at("08:00:09.120"), "copy": COPY, "address": ADA, "batch": BATCH}


def event(kind: str, **own: Any) -> dict[str, Any]:
    common = {
        "event": kind,
        "email": ADA,
        "id": 26224,
        # In Paris, where the others are in UTC.
        "date": "2026-11-26 09:00:09",
        "ts": SECONDS + 3600,
        "message-id": "<202611260800.123@smtp-relay.mailin.fr>",
        "ts_event": SECONDS,
        "subject": "Two editors compared",
        "X-Mailin-custom": json.dumps({"copy": COPY, "batch": BATCH}),
        "sending_ip": "203.0.113.5",
        "ts_epoch": SECONDS * 1000 + 120,
        "template_id": 0,
        "tag": "[]",
        "tags": [],
    }
    return common | own


EVENTS: list[tuple[dict[str, Any], Told | Nothing]] = [
    (event("request"), Told("accepted", **TOLD)),
    (event("sent"), Told("accepted", **TOLD)),
    (event("delivered"), Told("delivered", **TOLD)),
    (
        event("deferred", reason="451 4.7.1 greylisted, come back later"),
        Told("deferred", **TOLD, code="4.7.1", words="451 4.7.1 greylisted, come back later"),
    ),
    (
        event("soft_bounce", reason="452 the mailbox is full"),
        Told("bounced", **TOLD, code="452", words="452 the mailbox is full"),
    ),
    (
        event("hard_bounce", reason=" RecipientError: 550 5.1.1 no such user"),
        Told("bounced", **TOLD, hard=True, code="5.1.1", words="RecipientError: 550 5.1.1 no such user"),
    ),
    (event("invalid_email"), Told("bounced", **TOLD, hard=True)),
    (event("blocked", reason="blocked : due to blacklist user"),
     Told("bounced", **TOLD, words="blocked : due to blacklist user", blameless=True)),
    (event("error", reason="it broke here"), Told("bounced", **TOLD, words="it broke here", blameless=True)),
    (event("spam"), Told("complained", **TOLD)),
    (event("complaint"), Told("complained", **TOLD)),
    (event("unsubscribed"), Told("unsubscribed", **TOLD)),
    (event("unsubscribe"), Told("unsubscribed", **TOLD)),
    (event("opened", user_agent="Mozilla/5.0"), Told("opened", **TOLD, agent="Mozilla/5.0")),
    (event("unique_opened"), Told("opened", **TOLD)),
    (event("proxy_open"), Told("opened", **TOLD, machine=True)),
    (event("unique_proxy_open"), Told("opened", **TOLD, machine=True)),
    (event("click", link="https://example.com/a"), Told("clicked", **TOLD, link="https://example.com/a")),
    ({"event": "list_addition", "email": [ADA], "list_id": [8]}, Nothing("list_addition")),
    ({"event": "contact_updated", "email": ADA}, Nothing("contact_updated")),
    ({"event": "contact_deleted", "email": [ADA]}, Nothing("contact_deleted")),
]  # fmt: skip


def body_of(value: Any) -> bytes:
    return json.dumps(value).encode()


BODY = body_of(EVENTS[0][0])


@pytest.mark.parametrize(
    ("payload", "told"), EVENTS, ids=lambda value: value.get("event") if isinstance(value, dict) else ""
)
def test_each_event_is_verified_and_normalised(payload: dict[str, Any], told: Told | Nothing) -> None:
    body = body_of(payload)
    assert verify("brevo", body, RIGHT, OPTIONS).key is None
    assert read(body) == [told]


def test_a_batch_is_read_event_by_event() -> None:
    strange = {"event": "teleported", "email": ADA}
    found = read(body_of([payload for payload, _ in EVENTS] + [strange, 5]))
    assert found[:-2] == [told for _, told in EVENTS]
    assert found[-2:] == [Unknown("teleported", '{"event":"teleported","email":"ada@example.net"}'), Unknown("", "5")]
    assert read(b"[]") == []


@pytest.mark.parametrize("body", [b"{", b"", b"\xff", b'{"event": "teleported"}', b"null", b"{}"])
def test_what_is_not_known_is_kept_as_it_came(body: bytes) -> None:
    (unknown,) = read(body)
    assert isinstance(unknown, Unknown)
    assert unknown.raw.replace(" ", "") == body.decode(errors="replace").replace(" ", "")


def test_the_moment_is_taken_from_what_is_in_utc() -> None:
    def moment(**own: Any) -> Any:
        (told,) = read(body_of(event("delivered", **own)))
        assert isinstance(told, Told)
        return told.at

    # The samples in Brevo's pages have seconds where its table says milliseconds.
    assert moment(ts_epoch=SECONDS) == at("08:00:09")
    assert moment(ts_epoch=None) == at("08:00:09")
    assert moment(ts_epoch=str(SECONDS)) == at("08:00:09")
    assert moment(ts_epoch=0) == at("08:00:09")
    for absurd in (None, -1, 0, 10**30, "soon", True, [5]):
        assert moment(ts_epoch=absurd, ts_event=absurd) == UNTOLD


@pytest.mark.parametrize("custom", [None, "", "{", "a header of somebody else", "[]", '"x"', 5, {"copy": None}])
def test_without_our_header_it_counts_by_its_address(custom: object) -> None:
    (told,) = read(body_of(event("hard_bounce", **{"X-Mailin-custom": custom})))
    assert told == Told("bounced", at=TOLD["at"], address=ADA, hard=True)


def test_our_header_may_come_as_an_object_too() -> None:
    (told,) = read(body_of(event("delivered", **{"X-Mailin-custom": {"copy": COPY, "batch": BATCH}})))
    assert told == Told("delivered", **TOLD)


def test_what_cannot_be_written_again_does_not_bring_all_of_its_batch_along() -> None:
    deep = "[" * 300 + "]" * 300
    body = f"[{','.join(['null', deep] * 100)}]".encode()
    assert read(body) == [Unknown("", "null")] * 200
    # By itself it is kept as it came.
    alone = f'{{"event": "new", "deep": {deep}}}'
    assert read(alone.encode()) == [Unknown("new", alone)]


def test_nothing_breaks_the_reading() -> None:
    check_that_nothing_breaks(read, [payload for payload, _ in EVENTS] + [[payload] for payload, _ in EVENTS])


# Whose it is -------------------------------------------------------------------------------------------------------


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


def test_the_token_may_be_the_password_of_any_user() -> None:
    verify("brevo", BODY, basic("digest", TOKEN), OPTIONS)
    verify("brevo", BODY, basic("", TOKEN), OPTIONS)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer a long word"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer ü"},
        basic("digest", "a long word"),
        basic(TOKEN, ""),
    ],
)
def test_a_wrong_token_is_refused(headers: dict[str, str]) -> None:
    assert refusal("brevo", BODY, headers, OPTIONS) == ("wrong password", 401)


@pytest.mark.parametrize("headers", [{}, {"Authorization": TOKEN}, {"Authorization": "Basic ???"}, {"api-key": TOKEN}])
def test_a_missing_token_is_refused(headers: dict[str, str]) -> None:
    assert refusal("brevo", BODY, headers, OPTIONS) == ("no password", 401)


def test_without_a_token_nothing_is_believed() -> None:
    for options in (Options(), Options(webhook_token=SecretStr("")), Options(webhook_token=SecretStr("  "))):
        assert refusal("brevo", BODY, {"Authorization": "Bearer "}, options) == ("not set up", 401)
