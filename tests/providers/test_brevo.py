from __future__ import annotations

import asyncio
import html
import json
import socket
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from batches import KEY, MESSAGE, batch, recipient, with_provider

from digest.mail import personalise
from digest.providers.brevo import Brevo, Options, connect
from digest.providers.interface import (
    AccountError,
    Answer,
    BadCallError,
    Batch,
    Message,
    Provider,
    QuotaError,
    TryAgainError,
    UncertainError,
)
from digest.simulators import simulate
from digest.simulators.brevo import Brevo as Simulated
from digest.simulators.faults import Faults
from digest.simulators.record import Record
from digest.simulators.server import running
from digest.simulators.simulator import Reply, Request

SECRET = "xkeysib-simulated"
OPTIONS = {"key": SECRET, "settling_s": 0.2}


def today(count: int, **more: Any) -> Batch:
    """A batch that was claimed just now: Brevo's log has the time of this machine."""
    return replace(batch(count, **more), date=datetime.now(UTC))


def hand_over(url: str, given: Batch, **options: Any) -> Answer:
    return with_provider("brevo", {**OPTIONS, "url": url, **options}, lambda provider: provider.hand_over(given))


def ask(url: str, given: Batch) -> dict[int, str | None]:
    async def work(provider: Provider) -> dict[int, str | None]:
        return dict(await provider.ask(given))

    return with_provider("brevo", {**OPTIONS, "url": url}, work)


def answering(reply: Reply, given: Batch, **options: Any) -> Answer:
    """What comes of a call that Brevo answers like this."""

    class Fixed(Simulated):
        def answer(self, request: Request, number: int) -> Reply:
            return reply

    with running(Fixed(SECRET)) as (url, _):
        return hand_over(url, given, **options)


def refused(status: int, code: str, message: str) -> Reply:
    return Reply.json(status, {"code": code, "message": message})


def body_of(message: Message, *, count: int = 2, key: str = KEY, **options: Any) -> bytes:
    class Caught(Simulated):
        body = b""

        def answer(self, request: Request, number: int) -> Reply:
            self.body = request.body
            return super().answer(request, number)

    simulator = Caught(SECRET)
    with running(simulator) as (url, _):
        hand_over(url, batch(count, key=key, message=message), **options)
    return simulator.body


@pytest.mark.parametrize("mode", ["bodies", "merge"])
def test_a_batch_arrives_with_an_id_for_each_copy(mode: str) -> None:
    simulator = simulate("brevo")
    with running(simulator) as (url, _):
        answer = hand_over(url, batch(3), mode=mode)
    accepted = simulator.record.accepted
    assert [copy.address for copy in accepted] == [f"reader{number}@example.net" for number in (1, 2, 3)]
    assert answer.message_ids == [copy.message_id for copy in accepted]


@pytest.mark.parametrize("count", [1, 2])
def test_each_copy_has_its_own_token_greeting_and_headers(count: int) -> None:
    simulator = simulate("brevo")
    with running(simulator) as (url, _):
        hand_over(url, batch(count))
    assert len(simulator.record.accepted) == count
    for number, copy in enumerate(simulator.record.accepted, start=1):
        token = f"token{number:019}"
        assert f"Hello &lt;{number}&gt; &amp; &quot;Ü&quot;," in copy.html
        assert copy.text.startswith(f'Hello <{number}> & "Ü",\n')
        assert f"https://example.com/u/{token}" in copy.html
        assert f"https://example.com/u/{token}" in copy.text
        assert copy.headers["List-Unsubscribe"] == f"<https://example.com/u/{token}>"
        assert copy.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert copy.headers["List-Id"] == "<weekly.example.com>"
        assert copy.tags == {"copy": token, "batch": KEY}


@pytest.mark.parametrize("escaping", [True, False])
def test_merged_values_read_the_same_whether_they_are_escaped_or_not(escaping: bool) -> None:
    simulator = simulate("brevo", escaping=escaping)
    with running(simulator) as (url, _):
        hand_over(url, batch(2), mode="merge")
    for number, copy in enumerate(simulator.record.accepted, start=1):
        token = f"token{number:019}"
        assert f"<p>Hello ‹{number}› ＆ ”Ü”, " in copy.html
        assert copy.text.startswith(f"Hello ‹{number}› ＆ ”Ü”,\n")
        assert f"https://example.com/u/{token}'" in copy.html
        assert f"https://example.com/u/{token}\n" in copy.text
        assert copy.headers["List-Unsubscribe"] == f"<https://example.com/u/{token}>"


@pytest.mark.parametrize("mode", ["bodies", "merge"])
@pytest.mark.parametrize("count", [1, 2])
def test_what_an_author_wrote_looks_as_it_stands(mode: str, count: int) -> None:
    simulator = simulate("brevo")
    with running(simulator) as (url, _):
        hand_over(url, batch(count), mode=mode)
    for copy in simulator.record.accepted:
        for text in ("{{not_ours}}", "%recipient.x%", "-t-"):
            assert text in html.unescape(copy.html)
            assert text in copy.text.replace("\N{WORD JOINER}", "")
        assert copy.subject.replace("\N{WORD JOINER}", "") == MESSAGE.subject


def test_tags_and_comments_of_its_template_language_are_broken_up_too() -> None:
    text = "{% if x %} {# y #} {{{z}}} { {"
    message = replace(MESSAGE, text=personalise.split(text), html=personalise.split(text))
    version = json.loads(body_of(message))["messageVersions"][0]
    for part in (version["htmlContent"], version["textContent"]):
        assert not any(sign in part for sign in ("{{", "{%", "{#"))
    assert html.unescape(version["htmlContent"]) == text
    assert version["textContent"].replace("\N{WORD JOINER}", "") == text


@pytest.mark.parametrize("count", [1, 2])
def test_a_greeting_never_becomes_a_template(count: int) -> None:
    simulator = simulate("brevo")
    given = batch(count)
    sly = given.recipients[0]._replace(values={**given.recipients[0].values, "greeting": "Hello {{params.x}} {%"})
    with running(simulator) as (url, _):
        hand_over(url, replace(given, recipients=(sly, *given.recipients[1:])))
    copy = simulator.record.accepted[0]
    assert "Hello {{params.x}} {%" in html.unescape(copy.html)
    assert copy.text.replace("\N{WORD JOINER}", "").startswith("Hello {{params.x}} {%\n")


def test_the_fallback_of_a_call_names_no_reader() -> None:
    call = json.loads(body_of(MESSAGE))
    top = json.dumps({name: value for name, value in call.items() if name != "messageVersions"})
    assert "token0" not in top
    assert "Hello" not in top
    assert call["htmlContent"]
    assert call["textContent"]


def test_the_key_is_a_uuid_inside_the_body_and_the_same_batch_has_the_same_bytes() -> None:
    assert json.loads(body_of(MESSAGE))["headers"] == {"idempotencyKey": str(uuid.UUID(KEY))}
    assert json.loads(body_of(MESSAGE, count=1))["headers"]["idempotencyKey"] == str(uuid.UUID(KEY))
    assert body_of(MESSAGE) == body_of(replace(MESSAGE))
    assert body_of(MESSAGE) != body_of(MESSAGE, key="f" * 32)


def test_the_message_id_is_left_to_brevo() -> None:
    assert b"essage-I" not in body_of(MESSAGE)
    assert connect(Options(key=SECRET)).unused == {"message"}
    bare = recipient(1)._replace(values={"token": "t", "track": "k", "greeting": "Hello,"})
    with running(simulate("brevo")) as (url, _):
        hand_over(url, replace(batch(1), recipients=(bare,)))
        hand_over(url, replace(batch(1, key="f" * 32), recipients=(bare, recipient(2))))


def test_a_message_without_greeting_sender_name_or_reply_address_arrives() -> None:
    plain = replace(
        MESSAGE,
        sender_name="",
        reply_to="",
        html=personalise.split("<p>[[digest:token]]</p>"),
        text=personalise.split("[[digest:token]]"),
    )
    for mode in ("bodies", "merge"):
        simulator = simulate("brevo")
        with running(simulator) as (url, _):
            hand_over(url, batch(2, message=plain), mode=mode)
        assert simulator.record.accepted[0].html == "<p>token0000000000000000001</p>"


def test_readers_without_a_greeting_can_be_handed_over() -> None:
    plain = replace(MESSAGE, html=personalise.split("<p>x</p>"), text=personalise.split("x"))
    bare = recipient(1)._replace(values={"token": "t", "message": "m"})
    with running(simulate("brevo")) as (url, _):
        assert len(hand_over(url, replace(batch(1, message=plain), recipients=(bare,))).message_ids) == 1


def test_a_value_with_a_line_break_never_gets_into_a_header() -> None:
    bad = recipient(2)._replace(values={**recipient(2).values, "token": "x\r\nBcc: all@example.org"})
    with running(simulate("brevo")) as (url, server):
        with pytest.raises(BadCallError) as caught:
            hand_over(url, batch(1, extra=(bad,)))
        assert server.simulator.record.calls == 0
    assert list(caught.value.rejected) == [2]


def test_a_header_that_brevo_would_send_raw_is_refused() -> None:
    message = replace(MESSAGE, headers={**MESSAGE.headers, "List-Id": personalise.split("Köln <k.example.com>")})
    with pytest.raises(BadCallError, match="List-Id") as caught:
        hand_over("http://127.0.0.1:9", batch(2, message=message))
    assert caught.value.shared


def test_its_modes_have_their_limits() -> None:
    assert connect(Options(key=SECRET)).limit == 100
    assert connect(Options(key=SECRET, mode="merge")).limit == 1000
    assert connect(Options(key=SECRET, copies_a_call=1)).limit == 1
    assert connect(Options(key=SECRET)).pace.calls_a_second == 1.6


def test_a_thousand_merged_copies_arrive_in_one_call() -> None:
    simulator = simulate("brevo", record=Record(bodies=False))
    with running(simulator) as (url, _):
        answer = hand_over(url, batch(1000), mode="merge")
    assert simulator.record.summary() == {"calls": 1, "accepted": 1000, "addresses": 1000, "twice": 0, "refused": {}}
    assert len(answer.message_ids) == 1000


def test_a_wrong_key_stops_the_account_and_is_not_told() -> None:
    with running(simulate("brevo", key="xkeysib-other")) as (url, _), pytest.raises(AccountError) as caught:
        hand_over(url, batch(1))
    assert SECRET not in str(caught.value)
    assert SECRET not in connect(Options(key=SECRET)).account


def test_an_unverified_sender_stops_the_account() -> None:
    with (
        running(simulate("brevo", domain="verified.example")) as (url, _),
        pytest.raises(AccountError, match="authenticate your domain"),
    ):
        hand_over(url, batch(1))


@pytest.mark.parametrize("code", ["permission_denied", "account_under_validation"])
def test_a_closed_account_stops_the_account(code: str) -> None:
    for status in (400, 403):
        with pytest.raises(AccountError):
            answering(refused(status, code, "no"), batch(1))


def test_used_up_credits_are_a_quota() -> None:
    with running(simulate("brevo", credits=3)) as (url, _):
        hand_over(url, batch(3))
        with pytest.raises(QuotaError, match="not_enough_credits"):
            hand_over(url, batch(1, key="f" * 32))
    with pytest.raises(QuotaError):
        answering(refused(400, "invalid_parameter", "You have reached your daily sending limit"), batch(1))


def test_one_copy_more_than_a_thousand_is_refused() -> None:
    simulator = simulate("brevo")
    with running(simulator) as (url, _), pytest.raises(BadCallError, match="should not exceed 1000") as caught:
        hand_over(url, batch(1001), mode="merge")
    assert (caught.value.rejected, caught.value.shared) == ({}, False)
    assert simulator.record.accepted == []


def test_a_call_that_is_too_large_is_tried_in_halves_until_the_body_is_to_blame() -> None:
    simulator = simulate("brevo")
    simulator.most_bytes = 4000
    with running(simulator) as (url, _):
        with pytest.raises(BadCallError) as several:
            hand_over(url, batch(20))
        hand_over(url, batch(1))
        with pytest.raises(BadCallError) as one:
            hand_over(url, batch(1, message=replace(MESSAGE, html=personalise.split("x" * 4000))))
    assert not several.value.shared
    assert one.value.shared


def test_values_that_are_too_large_are_refused() -> None:
    wordy = recipient(1)._replace(values={**recipient(1).values, "greeting": "x" * 100_001})
    with running(simulate("brevo")) as (url, _), pytest.raises(BadCallError, match="params are too large"):
        hand_over(url, batch(0, extra=(wordy, recipient(2))), mode="merge")


@pytest.mark.parametrize("count", [0, 1])
def test_a_bad_address_that_is_not_named_is_tried_in_halves(count: int) -> None:
    with running(simulate("brevo")) as (url, _), pytest.raises(BadCallError, match="not valid in to") as caught:
        hand_over(url, batch(count, extra=(recipient(3, "no address"),)))
    assert (caught.value.rejected, caught.value.shared) == ({}, False)


def test_an_address_that_is_named_is_the_culprit() -> None:
    words = "email Reader2@example.net. is not valid in to"
    with pytest.raises(BadCallError) as caught:
        answering(refused(400, "invalid_parameter", words), batch(3))
    assert caught.value.rejected == {2: words}


@pytest.mark.parametrize(
    "words",
    [
        "subject is missing",
        "htmlContent is not valid in messageVersions",
        "email is not valid in replyTo",
        "headers no",
    ],
)
def test_what_all_copies_share_is_told_apart(words: str) -> None:
    with pytest.raises(BadCallError) as caught:
        answering(refused(400, "invalid_parameter", words), batch(2))
    assert caught.value.shared


def test_an_empty_subject_is_refused_and_is_shared() -> None:
    with running(simulate("brevo")) as (url, _), pytest.raises(BadCallError, match="subject is missing") as caught:
        hand_over(url, batch(2, message=replace(MESSAGE, subject="")))
    assert caught.value.shared


def test_the_simulator_refuses_calls_without_their_fields() -> None:
    good: dict[str, Any] = {
        "sender": {"email": "a@example.com"},
        "subject": "s",
        "htmlContent": "<p>h</p>",
        "messageVersions": [{"to": [{"email": "b@example.com"}]}],
    }
    cases: list[dict[str, Any]] = [{key: value for key, value in good.items() if key != missing} for missing in good]
    cases += [
        {**good, "to": [{"email": "b@example.com"}]},
        {**good, "messageVersions": []},
        {**good, "messageVersions": [{}]},
        {**good, "messageVersions": [{"to": [{"email": "b@example.com"}] * 100}]},
        {**good, "messageVersions": [{"to": [{"email": "b@example.com"}] * 99}] * 21},
        {**good, "sender": {"email": "a@example.com", "name": "x" * 71}},
        {**good, "replyTo": {"email": "x"}},
    ]
    with running(simulate("brevo")) as (url, _), httpx.Client(base_url=url, headers={"api-key": SECRET}) as client:
        assert client.post("/v3/smtp/email", json=good).status_code == 201
        for case in cases:
            answer = client.post("/v3/smtp/email", json=case)
            assert answer.status_code == 400, case
            assert answer.json()["code"] in ("missing_parameter", "invalid_parameter")
        for nonsense in (b"{", b"[]"):
            assert client.post("/v3/smtp/email", content=nonsense).status_code == 400
        assert client.get("/v3/smtp/email").status_code == 405
        assert client.get("/v3/smtp/emails").status_code == 400
        del client.headers["api-key"]
        assert client.post("/v3/smtp/email", json=good).status_code == 401


def test_a_wrong_url_is_the_account_s_trouble() -> None:
    with running(simulate("brevo")) as (url, _), pytest.raises(AccountError, match=r"brevo\.url"):
        hand_over(f"{url}/elsewhere", batch(1))


def test_too_many_requests_wait_until_the_reset() -> None:
    with (
        running(simulate("brevo"), Faults(burst=1, retry_after_s=30)) as (url, _),
        pytest.raises(TryAgainError, match="too_many_requests") as caught,
    ):
        hand_over(url, batch(1))
    assert caught.value.after_s == 30


def test_retry_after_counts_where_there_is_no_reset() -> None:
    reply = refused(429, "too_many_requests", "no")
    with pytest.raises(TryAgainError) as caught:
        answering(Reply(429, reply.body, {**reply.headers, "Retry-After": "7"}), batch(1))
    assert caught.value.after_s == 7


def test_maintenance_is_proven_only_by_brevo_s_own_words() -> None:
    with pytest.raises(TryAgainError):
        answering(refused(503, "service_unavailable", "no"), batch(1))
    with pytest.raises(UncertainError):
        answering(Reply(503, b"<html>Service Unavailable</html>", {"Content-Type": "text/html"}), batch(1))


@pytest.mark.parametrize(
    "reply",
    [
        refused(500, "internal_error", "no"),
        Reply(502, b"Bad Gateway"),
        Reply(504, b""),
        Reply(200, b""),
        Reply(201, b""),
        Reply.json(201, {}),
        Reply.json(201, []),
        Reply.json(201, {"messageIds": "<a@b>"}),
        Reply.json(201, {"messageIds": ["<a@b>"]}),
        Reply.json(201, {"messageIds": ["<a@b>", None]}),
        refused(400, "duplicate_request", "The same request is being processed"),
        refused(400, "duplicate_parameter", "something stands there twice"),
    ],
)
def test_answers_that_make_no_sense_are_uncertain(reply: Reply) -> None:
    with pytest.raises(UncertainError):
        answering(reply, batch(2), confirm=False)


@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "half", "error_before", "error_after", "garbage"])
def test_a_line_that_breaks_leaves_the_batch_uncertain(fault: str) -> None:
    simulator = simulate("brevo")
    with running(simulator, Faults.of({fault: "1"})) as (url, _), pytest.raises(UncertainError):
        hand_over(url, batch(2))
    assert len(simulator.record.accepted) == (0 if fault.endswith("before") else 2)


def test_a_slow_answer_is_given_up_and_uncertain() -> None:
    with (
        running(simulate("brevo"), Faults(slow=1, slow_s=5)) as (url, _),
        pytest.raises(UncertainError, match="no whole answer"),
    ):
        hand_over(url, batch(1), timeout_s=0.2)


def test_no_connection_is_no_hand_over() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(TryAgainError, match="no connection"):
        hand_over(f"http://127.0.0.1:{port}", batch(1))


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "half", "error_after"])
def test_a_broken_call_is_handed_over_again_and_mails_everybody_once(fault: str, count: int) -> None:
    simulator = simulate("brevo")
    given = today(count)
    with running(simulator, Faults.of({fault: "1"})) as (url, server):
        with pytest.raises(UncertainError):
            hand_over(url, given)
        server.misbehave(Faults())
        answer = hand_over(url, given)
    assert answer.rejected == {}
    assert len(answer.message_ids) == (count if fault == "reset_before" else 0)
    assert simulator.record.summary()["accepted"] == count
    assert simulator.record.summary()["twice"] == 0


def test_a_key_that_a_failed_call_used_up_is_not_taken_for_acceptance() -> None:
    simulator = simulate("brevo", domain="verified.example", failure_uses_key=True)
    with running(simulator, Faults(reset_after=1)) as (url, server):
        with pytest.raises(UncertainError):
            hand_over(url, today(3))
        server.misbehave(Faults())
        with pytest.raises(UncertainError, match="shows none"):
            hand_over(url, today(3))
        assert hand_over(url, today(3), confirm=False) == Answer()
    assert simulator.record.accepted == []


def test_the_log_is_waited_for() -> None:
    simulator = simulate("brevo", log_lag_s=0.3)
    with running(simulator) as (url, _):
        hand_over(url, today(2))
        with pytest.raises(UncertainError):
            hand_over(url, today(2), settling_s=0.01)
        assert hand_over(url, today(2), settling_s=1) == Answer()


def test_a_log_that_cannot_be_asked_says_nothing_of_the_batch() -> None:
    class Closed(Simulated):
        def _log(self, request: Request) -> Reply:
            return refused(429, "too_many_requests", "Too many requests")

    with running(Closed(SECRET)) as (url, _):
        hand_over(url, today(2))
        # Not TryAgainError, which would say that nothing was accepted.
        with pytest.raises(UncertainError, match="cannot be asked"):
            hand_over(url, today(2))


def test_a_line_to_the_log_that_breaks_says_nothing_of_the_batch() -> None:
    async def work(provider: Provider) -> None:
        await provider.ask(today(1))

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(UncertainError, match="cannot be asked: no connection"):
        with_provider("brevo", {**OPTIONS, "url": f"http://127.0.0.1:{port}"}, work)


def test_one_copy_in_the_log_proves_the_whole_batch() -> None:
    with running(simulate("brevo")) as (url, _):
        hand_over(url, today(3))
        assert ask(url, today(3)) == {1: None, 2: None, 3: None}


def test_mail_of_another_subject_or_time_or_reader_is_no_proof() -> None:
    now = today(2)
    with running(simulate("brevo")) as (url, _):
        hand_over(url, now)
        for other in (
            replace(now, message=replace(MESSAGE, subject="Another")),
            replace(now, date=now.date + timedelta(hours=1)),
            replace(now, recipients=(recipient(7), recipient(8))),
        ):
            with pytest.raises(UncertainError, match="does not prove"):
                ask(url, other)


@pytest.mark.parametrize("rows", [None, ["x"], [{}], [{"email": "reader1@example.net", "date": "yesterday"}]])
def test_a_log_that_makes_no_sense_is_no_proof(rows: object) -> None:
    class Odd(Simulated):
        def _log(self, request: Request) -> Reply:
            return Reply.json(200, {"transactionalEmails": rows})

    with running(Odd(SECRET)) as (url, _), pytest.raises(UncertainError, match="does not prove"):
        ask(url, today(1))


def test_a_date_without_a_zone_is_read_as_utc() -> None:
    class Naive(Simulated):
        def _log(self, request: Request) -> Reply:
            date = datetime.now(UTC).replace(tzinfo=None).isoformat()
            row = {"email": "reader1@example.net", "subject": f" {MESSAGE.subject}  ", "date": date}
            return Reply.json(200, {"transactionalEmails": [row]})

    with running(Naive(SECRET)) as (url, _):
        assert ask(url, today(1)) == {1: None}


def test_it_may_be_handed_over_again_for_less_than_half_an_hour() -> None:
    proof = connect(Options(key=SECRET)).proof
    assert proof.replay_s == 25 * 60
    assert proof.ask_s > 24 * 3600
    assert proof.settling_s == 180


def test_a_version_without_headers_loses_them_and_one_reader_a_call_does_not() -> None:
    simulator = simulate("brevo", version_headers=False)
    with running(simulator) as (url, _):
        hand_over(url, batch(2))
        hand_over(url, batch(1, key="f" * 32))
    among, alone = simulator.record.accepted[0], simulator.record.accepted[2]
    assert "List-Unsubscribe" not in among.headers
    assert alone.headers["List-Unsubscribe"] == "<https://example.com/u/token0000000000000000001>"


def test_the_shared_body_is_encoded_once_for_many_batches() -> None:
    async def twice(provider: Brevo) -> bool:
        provider._body(batch(2))
        first = provider._encoded
        provider._body(batch(2, key="e" * 32))
        await provider.close()
        return provider._encoded is first

    assert asyncio.run(twice(connect(Options(key=SECRET))))
