"""Resend takes whole messages, and keeps a key for a day: the same call again gives the same ids and mails nobody."""

from __future__ import annotations

import html
import socket
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from batches import KEY, MESSAGE, batch, recipient, with_provider
from pydantic import ValidationError

from digest.providers import connect
from digest.providers.interface import (
    AccountError,
    Answer,
    BadCallError,
    Batch,
    ProviderError,
    QuotaError,
    Segments,
    TryAgainError,
    UncertainError,
)
from digest.simulators import simulate
from digest.simulators.faults import Faults
from digest.simulators.server import running
from digest.simulators.simulator import Reply, Request, Simulator

SECRET = "re_very_secret"


def resend(**options: Any) -> Simulator:
    return simulate("resend", key=SECRET, **options)


def options(url: str, **others: Any) -> dict[str, Any]:
    return {"url": url, "key": SECRET, **others}


def hand_over(url: str, given: Batch, **others: Any) -> Answer:
    return with_provider("resend", options(url, **others), lambda provider: provider.hand_over(given))


def refused(url: str, given: Batch | None = None, **others: Any) -> ProviderError:
    """Hand over in vain, and give the error; no reason may tell the key."""
    with pytest.raises(ProviderError) as caught:
        hand_over(url, given or batch(3), **others)
    assert SECRET not in str(caught.value)
    return caught.value


class Scripted(Simulator):
    """Answers always the same."""

    name = "scripted"

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply, self.requests = reply, list[Request]()

    def answer(self, request: Request, number: int) -> Reply:
        self.requests.append(request)
        return self.reply

    def too_many(self, retry_after_s: float) -> Reply:
        raise NotImplementedError

    def usage(self, url: str) -> dict[str, str]:
        raise NotImplementedError


def answering(status: int, name: str, message: str = "", given: Batch | None = None, **headers: str) -> ProviderError:
    """Hand over to one that answers so."""
    reply = Reply.json(status, {"statusCode": status, "name": name, "message": message}, **headers)
    with running(Scripted(reply)) as (url, _):
        return refused(url, given)


# What arrives -------------------------------------------------------------------------------------------------


def test_a_batch_arrives_and_every_copy_is_its_readers_own() -> None:
    simulator = resend()
    with running(simulator) as (url, _):
        answer = hand_over(url, batch(3))
    accepted = simulator.record.accepted
    assert [copy.address for copy in accepted] == [f"reader{n}@example.net" for n in (1, 2, 3)]
    assert list(answer.message_ids) == [copy.message_id for copy in accepted]
    assert not answer.rejected
    for number, copy in enumerate(accepted, start=1):
        token = f"token{number:019}"
        assert copy.subject == MESSAGE.subject
        assert f"/u/{token}'" in copy.html
        assert f"/u/{token}\n" in copy.text
        assert f"<p>Hello &lt;{number}&gt; &amp; &quot;Ü&quot;, " in copy.html
        assert copy.text.startswith(f'Hello <{number}> & "Ü",\n')
        assert copy.headers["Message-ID"] == f"<message{number:017}@example.com>"
        assert copy.headers["List-Unsubscribe"] == f"<https://example.com/u/{token}>"
        assert copy.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert copy.tags == {"copy": token}


def test_what_an_author_wrote_in_any_providers_syntax_arrives_as_it_is() -> None:
    simulator = resend()
    with running(simulator) as (url, _):
        hand_over(url, batch(1))
    (copy,) = simulator.record.accepted
    assert "{{not_ours}} %recipient.x% -t-" in html.unescape(copy.html)
    assert "\n{{not_ours}} %recipient.x% -t-\n" in copy.text
    assert copy.subject == "Two tools & {{one}} verdict – 花子"


def test_the_call_says_who_we_are_how_it_is_checked_and_by_which_key_it_is_known() -> None:
    simulator = Scripted(Reply.json(200, {"data": [{"id": "a"}]}))
    with running(simulator) as (url, _):
        hand_over(url, batch(1))
    (request,) = simulator.requests
    (message,) = request.json()
    assert request.headers["user-agent"].startswith("digest/")
    assert request.headers["x-batch-validation"] == "strict"
    assert request.headers["idempotency-key"] == KEY
    assert message["from"] == '"Weekly, Verdicts" <verdicts@example.com>'
    assert message["to"] == ["reader1@example.net"]
    assert message["reply_to"] == ["editor@example.com"]


def test_without_tokens_and_an_address_to_reply_to_there_are_none() -> None:
    simulator = Scripted(Reply.json(200, {"data": [{"id": "a"}]}))
    bare = replace(MESSAGE, reply_to="", html=Segments(("<p>Hi</p>",)), text=Segments(("Hi",)), headers={})
    given = batch(1, message=bare)
    tokenless = replace(given, recipients=(given.recipients[0]._replace(values={}),))
    with running(simulator) as (url, _):
        hand_over(url, tokenless)
    (message,) = simulator.requests[0].json()
    assert message.keys() == {"from", "to", "subject", "html", "text", "headers"}


def test_the_same_batch_has_the_same_bytes() -> None:
    simulator = Scripted(Reply.json(200, {"data": [{"id": "a"}, {"id": "b"}]}))
    with running(simulator) as (url, _):
        for _ in range(2):
            hand_over(url, batch(2))
    first, second = simulator.requests
    assert first.body == second.body


def test_a_shared_body_is_encoded_once() -> None:
    async def both(provider: Any) -> bool:
        await provider.hand_over(batch(1))
        form = provider._encoded[1]
        await provider.hand_over(batch(2, key="f" * 32))
        return provider._encoded[1] is form

    with running(resend()) as (url, _):
        assert with_provider("resend", options(url), both)


# The same again -----------------------------------------------------------------------------------------------


def test_a_call_whose_answer_was_lost_gives_its_ids_when_it_is_repeated_and_mails_nobody_twice() -> None:
    simulator = resend()
    with running(simulator, Faults(reset_after=1)) as (url, server):
        assert isinstance(refused(url), UncertainError)
        server.misbehave(Faults())
        again = hand_over(url, batch(3))
    assert list(again.message_ids) == [copy.message_id for copy in simulator.record.accepted]
    assert len(simulator.record.accepted) == 3


def test_a_call_that_was_lost_itself_is_sent_when_it_is_repeated() -> None:
    simulator = resend()
    with running(simulator, Faults(reset_before=1)) as (url, server):
        assert isinstance(refused(url), UncertainError)
        server.misbehave(Faults())
        hand_over(url, batch(3))
        hand_over(url, batch(3, key="e" * 32))
    assert simulator.record.summary()["accepted"] == 6


def test_its_key_is_good_for_a_little_less_than_a_day() -> None:
    proof = connect("resend", options("https://api.resend.com")).proof
    assert 22 * 3600 <= proof.replay_s < 24 * 3600
    assert (proof.whole, proof.ask_s) == (True, 0)


def test_other_bytes_under_a_key_prove_nothing() -> None:
    simulator = resend()
    with running(simulator) as (url, _):
        hand_over(url, batch(3))
        error = refused(url, batch(2))
    assert isinstance(error, UncertainError)
    assert "invalid_idempotent_request" in str(error)
    assert len(simulator.record.accepted) == 3


@pytest.mark.parametrize("name", ["concurrent_idempotent_requests", "invalid_idempotent_request", "resource_locked"])
def test_a_conflict_says_that_the_first_call_was_seen_and_no_more(name: str) -> None:
    assert isinstance(answering(409, name), UncertainError)


# What it refuses ----------------------------------------------------------------------------------------------


def test_a_wrong_key_or_address_of_the_api_stops_at_once() -> None:
    with running(resend()) as (url, _):
        assert isinstance(refused(url, key="re_wrong"), AccountError)
        assert isinstance(refused(f"{url}/v1"), AccountError)


def test_a_domain_that_is_not_verified_stops_at_once() -> None:
    with running(resend(domain="other.example.com")) as (url, _):
        error = refused(url)
    assert isinstance(error, AccountError)
    assert "not verified" in str(error)


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (401, "missing_api_key"),
        (401, "restricted_api_key"),
        (403, "invalid_api_key"),
        (403, "suspended_api_key"),
        (403, "1010"),
        (404, "not_found"),
        (405, "method_not_allowed"),
    ],
)
def test_what_is_wrong_with_the_account_stops_at_once(status: int, name: str) -> None:
    assert isinstance(answering(status, name), AccountError)


def test_one_message_too_many_is_halved() -> None:
    simulator = resend()
    with running(simulator) as (url, _):
        error = refused(url, batch(101))
        assert isinstance(error, BadCallError)
        assert (error.shared, error.rejected) == (False, {})
        assert len(hand_over(url, batch(100)).message_ids) == 100
    assert connect("resend", options("https://api.resend.com")).limit == 100


def test_a_call_that_is_too_large_is_halved_until_one_copy_alone_is_too_large() -> None:
    simulator = resend()
    simulator.most_bytes = 2000
    with running(simulator) as (url, _):
        error = refused(url, batch(3))
        assert isinstance(error, BadCallError)
        assert not error.shared
        assert hand_over(url, batch(1)).message_ids
        error = refused(url, batch(1, message=replace(MESSAGE, text=Segments(("x" * 2000,)))))
        assert isinstance(error, BadCallError)
        assert error.shared


@pytest.mark.parametrize("address", ["no.domain@localhost", "jörg@example.net", "a b@example.net", "a@b@example.net"])
def test_a_bad_address_fails_the_call_and_halves_find_it(address: str) -> None:
    simulator = resend()
    with running(simulator) as (url, _):
        error = refused(url, batch(3, extra=(recipient(4, address),)))
    assert isinstance(error, BadCallError)
    assert (error.shared, error.rejected) == (False, {})
    assert "Invalid `to` field" in str(error)
    assert len(simulator.record.accepted) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"subject": ""},
        {"sender_address": "nobody", "sender_name": ""},
        {"html": Segments(("",)), "text": Segments(("",))},
    ],
)
def test_what_all_copies_lack_is_no_reason_to_halve(change: Mapping[str, Any]) -> None:
    with running(resend()) as (url, _):
        error = refused(url, batch(3, message=replace(MESSAGE, **change)))
    assert isinstance(error, BadCallError)
    assert error.shared


@pytest.mark.parametrize(
    ("status", "name", "message"),
    [
        (400, "invalid_idempotency_key", "The key must be between 1-256 chars."),
        (422, "validation_error", "The `request.body` field must be an `array`."),
        (422, "invalid_attachment", "The `attachments` field is not supported in batch"),
    ],
)
def test_what_is_wrong_with_our_calls_is_no_reason_to_halve(status: int, name: str, message: str) -> None:
    error = answering(status, name, message)
    assert isinstance(error, BadCallError)
    assert error.shared


# Too much -----------------------------------------------------------------------------------------------------


def test_too_many_calls_are_tried_again_after_what_it_says() -> None:
    with running(resend(), Faults(burst=1, retry_after_s=7)) as (url, _):
        error = refused(url)
    assert isinstance(error, TryAgainError)
    assert error.after_s == 7


def test_a_day_that_is_used_up_pauses_but_a_known_call_still_gives_its_ids() -> None:
    simulator = resend(quota=4)
    with running(simulator) as (url, _):
        first = hand_over(url, batch(3))
        assert isinstance(refused(url, batch(2, key="e" * 32)), QuotaError)
        assert hand_over(url, batch(3)) == first
    assert len(simulator.record.accepted) == 3


@pytest.mark.parametrize("name", ["daily_quota_exceeded", "monthly_quota_exceeded"])
def test_a_used_up_quota_pauses(name: str) -> None:
    assert isinstance(answering(429, name, "You have reached your quota", retry_after="5"), QuotaError)


def test_maintenance_is_a_refusal_only_in_its_own_words() -> None:
    error = answering(503, "service_unavailable", retry_after="30")
    assert isinstance(error, TryAgainError)
    assert error.after_s == 30
    assert isinstance(answering(503, "upstream"), UncertainError)
    with running(Scripted(Reply(503, b"<html>Service Unavailable</html>"))) as (url, _):
        assert isinstance(refused(url), UncertainError)


# What nobody knows --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 418, 500, 502, 504])
def test_any_other_answer_proves_nothing(status: int) -> None:
    assert isinstance(answering(status, "application_error"), UncertainError)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"data": {"id": "a"}}',
        b'{"data": [{"id": "a"}]}',
        b'{"data": [{"id": "a"}, {"id": null}, {"id": "c"}]}',
        b'{"data": [{"id": "a"}, {}, {"id": "c"}]}',
        b"<html>fine</html>",
    ],
)
def test_a_success_that_makes_no_sense_proves_nothing(body: bytes) -> None:
    with running(Scripted(Reply(200, body))) as (url, _):
        assert isinstance(refused(url), UncertainError)


@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "half", "error_before", "error_after", "garbage"])
def test_a_broken_line_proves_nothing(fault: str) -> None:
    simulator = resend()
    with running(simulator, Faults(**{fault: 1})) as (url, _):
        assert isinstance(refused(url), UncertainError)
    assert len(simulator.record.accepted) == (0 if fault.endswith("_before") else 3)


def test_an_answer_that_trickles_in_proves_nothing() -> None:
    with running(resend(), Faults(slow=1, slow_s=20)) as (url, _):
        assert isinstance(refused(url, timeout_s=0.2), UncertainError)


def test_where_nobody_listens_nothing_was_accepted() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert isinstance(refused(f"http://127.0.0.1:{taken.getsockname()[1]}"), TryAgainError)


# Its settings -------------------------------------------------------------------------------------------------


def test_an_account_is_told_by_its_key_without_showing_it() -> None:
    one, same, other = (connect("resend", options("https://api.resend.com", key=key)) for key in ("a", "a", "b"))
    assert one.account == same.account != other.account
    assert SECRET not in connect("resend", options("https://api.resend.com")).account


@pytest.mark.parametrize("wrong", [{"key": ""}, {"key": f"{SECRET}ü"}, {"url": "api.resend.com"}])
def test_wrong_options_are_refused_without_showing_the_key(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"key|url|ascii") as caught:
        connect("resend", {"url": "https://api.resend.com", "key": SECRET} | wrong)
    assert SECRET not in str(caught.value)
    assert ("url" in wrong) == isinstance(caught.value, ValidationError)
