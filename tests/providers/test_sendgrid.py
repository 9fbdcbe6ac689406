from __future__ import annotations

import asyncio
import html
import re
import socket
from dataclasses import replace
from typing import Any

import httpx
import pytest
from batches import KEY, MESSAGE, batch, recipient, with_provider

from digest.mail import personalise
from digest.providers.interface import (
    AccountError,
    Answer,
    BadCallError,
    Batch,
    Message,
    Provider,
    QuotaError,
    Recipient,
    TryAgainError,
    UncertainError,
)
from digest.providers.sendgrid import Options, SendGrid, connect
from digest.simulators import simulate
from digest.simulators.faults import Faults
from digest.simulators.record import Record
from digest.simulators.sendgrid import SendGrid as Simulated
from digest.simulators.server import running
from digest.simulators.simulator import Reply, Request

SECRET = "SG.simulated"


def hand_over(url: str, given: Batch, **options: Any) -> Answer:
    return with_provider("sendgrid", {"key": SECRET, "url": url, **options}, lambda provider: provider.hand_over(given))


def ask(url: str, given: Batch, **options: Any) -> dict[int, str | None]:
    async def work(provider: Provider) -> dict[int, str | None]:
        return dict(await provider.ask(given))

    return with_provider("sendgrid", {"key": SECRET, "url": url, "activity": True, **options}, work)


def answering(reply: Reply, given: Batch) -> Answer:
    """What comes of a call that SendGrid answers like this."""

    class Fixed(Simulated):
        def answer(self, request: Request, number: int) -> Reply:
            return reply

    with running(Fixed(SECRET)) as (url, _):
        return hand_over(url, given)


def refused(status: int, *errors: tuple[str | None, str]) -> Reply:
    return Reply.json(
        status, {"errors": [{"field": field, "message": message, "help": None} for field, message in errors]}
    )


def test_a_batch_arrives_and_has_one_id() -> None:
    simulator = simulate("sendgrid")
    with running(simulator) as (url, _):
        answer = hand_over(url, batch(3))
    accepted = simulator.record.accepted
    assert [copy.address for copy in accepted] == [f"reader{number}@example.net" for number in (1, 2, 3)]
    assert len(answer.message_ids) == 1
    assert {copy.message_id for copy in accepted} == set(answer.message_ids)


def test_a_whole_thousand_arrives_in_one_call() -> None:
    simulator = simulate("sendgrid", record=Record(bodies=False))
    with running(simulator) as (url, _):
        hand_over(url, batch(1000))
    assert simulator.record.summary() == {"calls": 1, "accepted": 1000, "addresses": 1000, "twice": 0, "refused": {}}


def test_each_copy_has_its_own_token_greeting_and_headers() -> None:
    simulator = simulate("sendgrid")
    with running(simulator) as (url, _):
        hand_over(url, batch(2))
    for number, copy in enumerate(simulator.record.accepted, start=1):
        token = f"token{number:019}"
        assert f"Hello &lt;{number}&gt; &amp; &quot;Ü&quot;," in copy.html
        assert copy.text.startswith(f'Hello <{number}> & "Ü",\n')
        assert f"https://example.com/u/{token}" in copy.html
        assert f"https://example.com/u/{token}" in copy.text
        assert copy.headers["List-Unsubscribe"] == f"<https://example.com/u/{token}>"
        assert copy.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert copy.headers["Message-ID"] == f"<message{number:017}@example.com>"
        assert copy.headers["List-Id"] == "<weekly.example.com>"
        assert copy.tags == {"copy": token, "batch": KEY}
        assert "-digest-" not in copy.html + copy.text + copy.subject


def test_what_an_author_wrote_arrives_as_it_stands() -> None:
    simulator = simulate("sendgrid")
    with running(simulator) as (url, _):
        hand_over(url, batch(1))
    copy = simulator.record.accepted[0]
    for text in ("{{not_ours}}", "%recipient.x%", "-t-"):
        assert text in html.unescape(copy.html)
        assert text in copy.text
    assert copy.subject == MESSAGE.subject


def test_no_author_can_write_a_tag() -> None:
    first = bytes_of(MESSAGE)
    tag = re.search(rb"-digest-[0-9a-f]{8}-t-", first)
    assert tag is not None
    # Even one who read the tags of a message changes them by writing them into it.
    sly = replace(MESSAGE, text=personalise.split(f"{tag[0].decode()} [[digest:token]]\n"))
    simulator = simulate("sendgrid")
    with running(simulator) as (url, _):
        hand_over(url, batch(1, message=sly))
    assert simulator.record.accepted[0].text == f"{tag[0].decode()} token0000000000000000001\n"


def test_a_tag_that_stands_in_the_message_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    class Digests:
        def __init__(self, content: bytes) -> None:
            self.digest = "aaaaaaaa" if content.startswith(b"0|") else "bbbbbbbb"

        def hexdigest(self) -> str:
            return self.digest

    monkeypatch.setattr("digest.providers.sendgrid.hashlib.sha256", Digests)
    sly = replace(MESSAGE, text=personalise.split("-digest-aaaaaaaa-t- [[digest:token]]"))
    simulator = Simulated(SECRET)
    with running(simulator) as (url, _):
        hand_over(url, batch(1, message=sly))
    assert simulator.record.accepted[0].text == "-digest-aaaaaaaa-t- token0000000000000000001"


def bytes_of(message: Message, *, key: str = KEY, **options: Any) -> bytes:
    class Caught(Simulated):
        body = b""

        def answer(self, request: Request, number: int) -> Reply:
            self.body = request.body
            return super().answer(request, number)

    simulator = Caught(SECRET)
    with running(simulator) as (url, _):
        hand_over(url, batch(2, key=key, message=message), **options)
    return simulator.body


def test_the_same_batch_has_the_same_bytes() -> None:
    assert bytes_of(MESSAGE) == bytes_of(replace(MESSAGE))
    assert bytes_of(MESSAGE) != bytes_of(MESSAGE, key="f" * 32)


def test_the_tracking_of_sendgrid_is_off_in_every_call() -> None:
    body = bytes_of(MESSAGE).decode()
    assert '"click_tracking":{"enable":false,"enable_text":false}' in body
    assert '"open_tracking":{"enable":false}' in body
    assert '"subscription_tracking":{"enable":false}' in body


def test_a_message_without_greeting_sender_name_or_reply_address_arrives() -> None:
    plain = replace(
        MESSAGE,
        sender_name="",
        reply_to="",
        html=personalise.split("<p>[[digest:token]]</p>"),
        text=personalise.split("[[digest:token]]"),
    )
    simulator = simulate("sendgrid")
    with running(simulator) as (url, _):
        hand_over(url, batch(1, message=plain))
    assert simulator.record.accepted[0].html == "<p>token0000000000000000001</p>"


def test_the_message_id_can_be_left_to_sendgrid() -> None:
    simulator = simulate("sendgrid")
    with running(simulator) as (url, _):
        hand_over(url, batch(1), message_id=False)
    assert "Message-ID" not in simulator.record.accepted[0].headers
    assert connect(Options(key=SECRET, message_id=False)).unused == {"message"}


def test_a_value_with_a_line_break_never_gets_into_a_header() -> None:
    bad = recipient(2)._replace(values={**recipient(2).values, "token": "x\r\nBcc: all@example.org"})
    with running(simulate("sendgrid")) as (url, server):
        with pytest.raises(BadCallError) as caught:
            hand_over(url, batch(1, extra=(bad,)))
        assert server.simulator.record.calls == 0
    assert list(caught.value.rejected) == [2]


def test_an_address_in_two_spellings_is_refused_before_it_is_handed_over_so_that_halves_part_them() -> None:
    with running(simulate("sendgrid")) as (url, server):
        with pytest.raises(BadCallError) as caught:
            hand_over(url, batch(1, extra=(recipient(2, "READER1@example.net"),)))
        assert server.simulator.record.calls == 0
    assert (caught.value.rejected, caught.value.shared) == ({}, False)


def test_an_address_that_sendgrid_takes_for_another_is_nobody_s_fault() -> None:
    words = "Each unique email address in the personalizations array should only be included once. You have included"
    for field in ("personalizations", "personalizations.1", "personalizations.1.to.0.email"):
        with pytest.raises(BadCallError) as caught:
            answering(refused(400, (field, f"{words} [reader2@example.net] more than once.")), batch(2))
        assert (caught.value.rejected, caught.value.shared) == ({}, False)


def test_a_wrong_key_stops_the_account_and_is_not_told() -> None:
    with running(simulate("sendgrid", key="SG.other")) as (url, _), pytest.raises(AccountError) as caught:
        hand_over(url, batch(1))
    assert SECRET not in str(caught.value)
    assert SECRET not in connect(Options(key=SECRET)).account


def test_an_unverified_sender_stops_the_account() -> None:
    with (
        running(simulate("sendgrid", domain="verified.example")) as (url, _),
        pytest.raises(AccountError, match="verified Sender Identity"),
    ):
        hand_over(url, batch(1))


def test_used_up_credits_are_a_quota() -> None:
    with running(simulate("sendgrid", credits=3)) as (url, _):
        hand_over(url, batch(3))
        with pytest.raises(QuotaError, match="Maximum credits exceeded"):
            hand_over(url, batch(1))


def test_one_copy_more_than_a_thousand_is_refused() -> None:
    simulator = simulate("sendgrid")
    with running(simulator) as (url, _), pytest.raises(BadCallError, match="limited to 1000") as caught:
        hand_over(url, batch(1001))
    assert (caught.value.rejected, caught.value.shared) == ({}, False)
    assert simulator.record.accepted == []


def test_a_call_that_is_too_large_is_tried_in_halves_until_the_body_is_to_blame() -> None:
    simulator = simulate("sendgrid")
    simulator.most_bytes = 4000
    with running(simulator) as (url, _):
        with pytest.raises(BadCallError) as several:
            hand_over(url, batch(20))
        hand_over(url, batch(1))
        with pytest.raises(BadCallError) as one:
            hand_over(url, batch(1, message=replace(MESSAGE, html=personalise.split("x" * 4000))))
    assert not several.value.shared
    assert one.value.shared


def test_the_simulator_takes_thirty_megabytes() -> None:
    assert simulate("sendgrid").most_bytes == 30 * 1024 * 1024


def test_a_bad_address_is_told_by_its_place() -> None:
    given = batch(2, extra=(recipient(3, "no address"), recipient(4)))
    with running(simulate("sendgrid")) as (url, _), pytest.raises(BadCallError) as caught:
        hand_over(url, given)
    assert caught.value.rejected == {3: "Does not contain a valid address."}
    assert not caught.value.shared


def test_one_bad_address_is_told_even_beside_other_trouble() -> None:
    errors = refused(400, ("personalizations", "something else"), ("personalizations.1.to", "no valid address"))
    with pytest.raises(BadCallError) as caught:
        answering(errors, batch(2))
    assert caught.value.rejected == {2: "no valid address"}


def test_a_place_that_is_not_in_the_call_names_nobody() -> None:
    with pytest.raises(BadCallError) as caught:
        answering(refused(400, ("personalizations.7.to.0.email", "Does not contain a valid address.")), batch(2))
    assert caught.value.rejected == {}


@pytest.mark.parametrize(
    "field",
    ["subject", "content", "content.0.value", "from", "from.email", "reply_to.email", "headers", "custom_args"]
    + [f"personalizations.1.{name}" for name in ("headers", "substitutions", "custom_args", "subject")],
)
def test_what_all_copies_share_is_told_apart(field: str) -> None:
    errors = refused(400, (field, "no"), ("personalizations.0.to.0.email", "Does not contain a valid address."))
    with pytest.raises(BadCallError) as caught:
        answering(errors, batch(2))
    assert caught.value.shared
    assert caught.value.rejected == {}


def test_an_empty_subject_is_refused_and_is_shared() -> None:
    with running(simulate("sendgrid")) as (url, _), pytest.raises(BadCallError, match="subject is required") as caught:
        hand_over(url, batch(2, message=replace(MESSAGE, subject="")))
    assert caught.value.shared


def test_a_reserved_header_is_refused_and_is_shared() -> None:
    message = replace(MESSAGE, headers={**MESSAGE.headers, "Reply-To": personalise.split("a@example.com")})
    with running(simulate("sendgrid")) as (url, _), pytest.raises(BadCallError, match="reserved keys") as caught:
        hand_over(url, batch(2, message=message))
    assert caught.value.shared


def test_an_error_without_a_culprit_is_tried_in_halves() -> None:
    with pytest.raises(BadCallError) as caught:
        answering(refused(400, (None, "Bad Request")), batch(2))
    assert (caught.value.rejected, caught.value.shared) == ({}, False)


def test_the_simulator_refuses_calls_without_their_fields() -> None:
    good = {
        "from": {"email": "a@example.com"},
        "subject": "s",
        "content": [{"type": "text/plain", "value": "t"}, {"type": "text/html", "value": "h"}],
        "personalizations": [{"to": [{"email": "b@example.com"}]}],
    }
    person = good["personalizations"][0]  # type: ignore[index]
    cases: list[dict[str, Any]] = [{key: value for key, value in good.items() if key != missing} for missing in good]
    cases += [
        {**good, "content": good["content"][::-1]},  # type: ignore[index]
        {**good, "personalizations": [{}]},
        {**good, "personalizations": [person, person]},
        {**good, "personalizations": [{**person, "substitutions": {"-x-": "y" * 10_001}}]},
        {**good, "personalizations": [{**person, "custom_args": {"x": "y" * 10_001}}]},
        {**good, "personalizations": [{**person, "custom_args": {"x": 1}}]},
        {**good, "personalizations": [{**person, "headers": {"Sübject": "x"}}]},
    ]
    with running(simulate("sendgrid")) as (url, _), httpx.Client(base_url=url) as client:
        client.headers["Authorization"] = f"Bearer {SECRET}"
        assert client.post("/v3/mail/send", json=good).status_code == 202
        for case in cases:
            answer = client.post("/v3/mail/send", json=case)
            assert answer.status_code == 400, case
            assert answer.json()["errors"][0]["message"]
        assert client.post("/v3/mail/send", content=b"{").status_code == 400
        assert client.get("/v3/mail/send").status_code == 405
        assert client.get("/v3/nothing").status_code == 404


def test_a_wrong_url_is_the_account_s_trouble() -> None:
    with running(simulate("sendgrid")) as (url, _), pytest.raises(AccountError, match=r"sendgrid\.url"):
        hand_over(f"{url}/elsewhere", batch(1))


def test_too_many_requests_wait_until_the_reset() -> None:
    with (
        running(simulate("sendgrid"), Faults(burst=1, retry_after_s=30)) as (url, _),
        pytest.raises(TryAgainError, match="too many requests") as caught,
    ):
        hand_over(url, batch(1))
    assert caught.value.after_s is not None
    assert 20 <= caught.value.after_s <= 31


def test_the_reset_is_read_against_the_clock_of_sendgrid() -> None:
    reply = refused(429, (None, "too many requests"))
    headers = {**reply.headers, "X-RateLimit-Reset": "1392815263", "Date": "Wed, 19 Feb 2014 13:07:23 GMT"}
    with pytest.raises(TryAgainError) as caught:
        answering(Reply(429, reply.body, headers), batch(1))
    assert caught.value.after_s == 20


@pytest.mark.parametrize("reset", ["", "soon", "9" * 400])
def test_retry_after_counts_where_there_is_no_reset(reset: str) -> None:
    reply = refused(429, (None, "too many requests"))
    headers = {**reply.headers, "Retry-After": "7", "X-RateLimit-Reset": reset}
    with pytest.raises(TryAgainError) as caught:
        answering(Reply(429, reply.body, headers), batch(1))
    assert caught.value.after_s == 7


def test_maintenance_is_proven_only_by_sendgrid_s_own_words() -> None:
    with pytest.raises(TryAgainError):
        answering(refused(503, (None, "service not available")), batch(1))
    with pytest.raises(UncertainError):
        answering(Reply(503, b"<html>Service Unavailable</html>", {"Content-Type": "text/html"}), batch(1))


@pytest.mark.parametrize(
    "reply",
    [
        refused(500, (None, "internal server error")),
        Reply(502, b"Bad Gateway"),
        Reply(504, b""),
        Reply(408, b""),
        Reply(200, b"", {"X-Message-Id": "checked but not sent"}),
        Reply(202, b""),
    ],
)
def test_answers_that_make_no_sense_are_uncertain(reply: Reply) -> None:
    with pytest.raises(UncertainError):
        answering(reply, batch(1))


@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "half", "error_before", "error_after", "garbage"])
def test_a_line_that_breaks_leaves_the_batch_uncertain(fault: str) -> None:
    simulator = simulate("sendgrid")
    with running(simulator, Faults.of({fault: "1"})) as (url, _), pytest.raises(UncertainError):
        hand_over(url, batch(2))
    assert len(simulator.record.accepted) == (0 if fault.endswith("before") else 2)


def test_a_slow_answer_is_given_up_and_uncertain() -> None:
    with (
        running(simulate("sendgrid"), Faults(slow=1, slow_s=5)) as (url, _),
        pytest.raises(UncertainError, match="no whole answer"),
    ):
        hand_over(url, batch(1), timeout_s=0.2)


def test_no_connection_is_no_hand_over() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(TryAgainError, match="no connection"):
        hand_over(f"http://127.0.0.1:{port}", batch(1))


def test_it_is_never_handed_over_again_and_asked_only_where_that_was_bought() -> None:
    without, bought = connect(Options(key=SECRET)), connect(Options(key=SECRET, activity=True, settling_s=60))
    assert (without.proof.replay_s, without.proof.ask_s, without.proof.whole) == (0, 0, True)
    assert bought.proof.replay_s == 0
    assert bought.proof.ask_s > 24 * 3600
    assert (without.proof.settling_s, bought.proof.settling_s) == (900, 60)


def test_one_copy_in_the_activity_proves_the_whole_batch() -> None:
    simulator = simulate("sendgrid")
    with running(simulator, Faults(reset_after=1)) as (url, server):
        with pytest.raises(UncertainError):
            hand_over(url, batch(3))
        server.misbehave(Faults())
        found = ask(url, batch(3))
    assert set(found) == {1, 2, 3}
    assert all(
        message_id and message_id.startswith(simulator.record.accepted[0].message_id) for message_id in found.values()
    )


def test_what_the_activity_does_not_show_is_not_believed_to_be_lost() -> None:
    with running(simulate("sendgrid", activity_lag_s=60)) as (url, _):
        hand_over(url, batch(2))
        with pytest.raises(UncertainError, match="does not prove"):
            ask(url, batch(2))


def test_it_is_believed_where_the_operator_says_so_and_the_activity_shows_anything() -> None:
    with running(simulate("sendgrid")) as (url, _):
        with pytest.raises(UncertainError, match="nothing of this sender"):
            ask(url, batch(2), activity_complete=True)
        hand_over(url, batch(1, key="e" * 32))
        assert ask(url, batch(2), activity_complete=True) == {}


def test_a_search_that_was_not_understood_proves_nothing() -> None:
    class Careless(Simulated):
        """Ignores the query, and shows the newest messages."""

        def _search(self, request: Request) -> Reply:
            return super()._search(replace(request, query={"limit": request.query["limit"]}))

    with running(Careless(SECRET)) as (url, _):
        hand_over(url, batch(2, key="e" * 32))
        with pytest.raises(UncertainError, match="another batch"):
            ask(url, batch(2), activity_complete=True)


def test_a_key_that_may_not_read_the_activity_proves_nothing() -> None:
    with running(simulate("sendgrid", activity=False)) as (url, _):
        hand_over(url, batch(1))
        with pytest.raises(UncertainError, match="cannot be asked"):
            ask(url, batch(1), activity_complete=True)


def test_rows_without_an_id_prove_nothing() -> None:
    class Odd(Simulated):
        def _search(self, request: Request) -> Reply:
            return Reply.json(200, {"messages": [{"to_email": "reader1@example.net"}]})

    with running(Odd(SECRET)) as (url, _), pytest.raises(UncertainError, match="without an address or an id"):
        ask(url, batch(1))


def test_the_shared_body_is_encoded_once_for_many_batches() -> None:
    async def twice(provider: SendGrid) -> bool:
        first = provider._body(batch(2))
        second = provider._body(batch(2, key="e" * 32))
        await provider.close()
        return first[0] is second[0]

    assert asyncio.run(twice(connect(Options(key=SECRET))))


def test_names_that_look_like_anything_arrive_as_they_are() -> None:
    odd = Recipient(9, "odd@example.net", {**recipient(9).values, "greeting": "Hello -t- {{t}} %s \\ $1 \u2028,"})
    simulator = simulate("sendgrid")
    with running(simulator) as (url, _):
        hand_over(url, batch(1, extra=(odd,)))
    assert simulator.record.accepted[1].text.startswith("Hello -t- {{t}} %s \\ $1 \u2028,\n")
