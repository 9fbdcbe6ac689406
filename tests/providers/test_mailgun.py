"""Mailgun takes whole batches, each copy its own, and tells by a Message-Id what it has."""

from __future__ import annotations

import email
import email.policy
import html
import socket
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
from batches import KEY, MESSAGE, NOW, batch, recipient, with_provider
from pydantic import ValidationError

from digest.mail import personalise
from digest.providers import connect
from digest.providers.interface import (
    AccountError,
    Answer,
    BadCallError,
    Batch,
    Message,
    ProviderError,
    QuotaError,
    Segments,
    TryAgainError,
    UncertainError,
)
from digest.providers.mailgun import HOUR_S, Form
from digest.simulators import simulate
from digest.simulators.faults import Faults
from digest.simulators.mailgun import Mailgun
from digest.simulators.server import Server, running
from digest.simulators.simulator import Reply, Request, Simulator

SECRET = "key-very-secret"
DOMAIN = "mg.example.com"
FRESH = replace(batch(3), date=datetime.now(UTC))


def mailgun(**options: Any) -> Mailgun:
    found = simulate("mailgun", key=SECRET, domain=DOMAIN, **options)
    assert isinstance(found, Mailgun)
    return found


def options(url: str, **others: Any) -> dict[str, Any]:
    return {"url": url, "key": SECRET, "domain": DOMAIN, **others}


def hand_over(url: str, given: Batch, **others: Any) -> Answer:
    return with_provider("mailgun", options(url, **others), lambda provider: provider.hand_over(given))


def ask(url: str, given: Batch, **others: Any) -> dict[int, str | None]:
    return dict(with_provider("mailgun", options(url, **others), lambda provider: provider.ask(given)))


def open_it(url: str, **others: Any) -> None:
    with_provider("mailgun", options(url, **others), lambda provider: provider.open(begin=True))


def refused(url: str, given: Batch | None = None, **others: Any) -> ProviderError:
    """Hand over in vain, and give the error; no reason may tell the key."""
    with pytest.raises(ProviderError) as caught:
        hand_over(url, given or batch(3), **others)
    assert SECRET not in str(caught.value)
    return caught.value


class Scripted(Simulator):
    """Answers what it is told to, one after the other and the last for ever."""

    name = "scripted"

    def __init__(self, *replies: Reply) -> None:
        super().__init__()
        self.replies, self.requests = list(replies), list[Request]()

    def answer(self, request: Request, number: int) -> Reply:
        self.requests.append(request)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def too_many(self, retry_after_s: float) -> Reply:
        raise NotImplementedError

    def usage(self, url: str) -> dict[str, str]:
        raise NotImplementedError


def says(status: int, message: str, **headers: str) -> Reply:
    return Reply.json(status, {"message": message}, **headers)


def answering(*replies: Reply, given: Batch | None = None) -> ProviderError:
    """Hand over to one that answers so."""
    with running(Scripted(*replies)) as (url, _):
        return refused(url, given)


def without(name: str) -> Message:
    """The message without something that Mailgun wants."""
    empty = Segments(("",))
    missing: dict[str, dict[str, Any]] = {
        "subject": {"subject": ""},
        "from": {"sender_name": "", "sender_address": ""},
        "bodies": {"html": empty, "text": empty},
    }
    return replace(MESSAGE, **missing[name])


# What arrives -------------------------------------------------------------------------------------------------


def test_a_batch_arrives_and_every_copy_is_its_readers_own() -> None:
    simulator = mailgun()
    with running(simulator) as (url, _):
        answer = hand_over(url, batch(3))
    assert list(answer.message_ids) == [f"{KEY}.batch@{DOMAIN}"]
    assert not answer.rejected
    assert [copy.address for copy in simulator.record.accepted] == [f"reader{n}@example.net" for n in (1, 2, 3)]
    for number, copy in enumerate(simulator.record.accepted, start=1):
        token = f"token{number:019}"
        assert copy.subject == MESSAGE.subject
        assert f"/u/{token}'" in copy.html
        assert f"/u/{token}\n" in copy.text
        assert f"<p>Hello &lt;{number}&gt; &amp; &quot;Ü&quot;, " in copy.html
        assert copy.text.startswith(f'Hello <{number}> & "Ü",\n')
        assert copy.headers["List-Unsubscribe"] == f"<https://example.com/u/{token}>"
        assert copy.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert copy.headers["List-Id"] == "<weekly.example.com>"
        assert copy.headers["Reply-To"] == "editor@example.com"
        assert copy.headers["From"] == '"Weekly, Verdicts" <verdicts@example.com>'
        assert copy.headers["Message-Id"] == f"<{KEY}.batch@{DOMAIN}>"
        assert "Message-ID" not in copy.headers
        assert copy.tags["copy"] == token
        assert copy.tags["batch"] == KEY


def test_nobody_sees_who_else_reads() -> None:
    simulator = mailgun()
    with running(simulator) as (url, _):
        hand_over(url, batch(3))
        hand_over(url, batch(1))
    assert simulator.leaks == []
    assert all(copy.headers["To"] == copy.address for copy in simulator.record.accepted)


def test_what_an_author_wrote_in_mailguns_syntax_looks_the_same() -> None:
    simulator = mailgun()
    written = "%recipient.t% %recipient% %RECIPIENT_EMAIL% %unsubscribe_url% %tag_unsubscribe_url% 100% %20 {{x}} -t-"
    odd = replace(
        MESSAGE,
        sender_name="%recipient.t%",
        subject=written,
        html=Segments((f"<p>{written}</p>",)),
        text=Segments((written,)),
        headers=dict(MESSAGE.headers) | {"X-Odd": Segments((written,))},
    )
    with running(simulator) as (url, _):
        hand_over(url, batch(1, message=odd))
        hand_over(url, batch(1))
    copy, usual = simulator.record.accepted
    assert html.unescape(copy.html) == f"<p>{written}</p>"
    for text in (copy.text, copy.subject, copy.headers["X-Odd"]):
        assert text.replace("\N{WORD JOINER}", "") == written
    assert copy.headers["From"].replace("\N{WORD JOINER}", "") == '"%recipient.t%" <verdicts@example.com>'
    assert "{{not_ours}} %recipient.x% -t-" in html.unescape(usual.html)
    assert "{{not_ours}} %recipient.x% -t-" in usual.text.replace("\N{WORD JOINER}", "")


def test_its_own_tracking_is_off_and_the_mail_has_a_tag() -> None:
    simulator = mailgun()
    with running(simulator) as (url, _):
        hand_over(url, batch(1))
        hand_over(url, batch(1), tag="")
    tags = simulator.record.accepted[0].tags
    assert [tags[name] for name in ("o:tracking", "o:tracking-opens", "o:tracking-clicks")] == ["no", "no", "no"]
    assert tags["o:tag"] == "digest"
    assert "o:tag" not in simulator.record.accepted[1].tags


def test_the_body_is_multipart_to_another_reader_too() -> None:
    form = Form(MESSAGE, DOMAIN, "digest")
    head = f"Content-Type: {form.content_type}\r\n\r\n".encode()
    found = email.message_from_bytes(head + form.fill(batch(2)), policy=email.policy.HTTP)
    assert isinstance(found, EmailMessage)
    assert found.defects == []
    fields: dict[str, bytes] = {}
    for part in found.iter_parts():
        value = part.get_payload(decode=True)
        assert isinstance(value, bytes)
        fields[str(part.get_param("name", header="content-disposition"))] = value
    assert fields["to"] == b"reader1@example.net,reader2@example.net"
    assert set(orjson.loads(fields["recipient-variables"])) == {"reader1@example.net", "reader2@example.net"}
    assert fields["subject"] == MESSAGE.subject.encode()
    assert fields["html"].decode().startswith("<p>%recipient.h% {{not_ours}} &#37;recipient.x% -t-")


def test_only_the_values_a_message_needs_go_along() -> None:
    bare = replace(MESSAGE, html=personalise.split("<p>Hi</p>"), text=personalise.split("Hi"), headers={})
    form = Form(bare, DOMAIN, "")
    assert b'{"reader1@example.net":{}}' in form.fill(batch(1, message=bare))
    assert b"v:copy" not in form.fill(batch(1, message=bare))


def test_the_same_batch_has_the_same_bytes() -> None:
    simulator = Scripted(Reply.json(200, {"id": "<x@y>", "message": "Queued. Thank you."}))
    with running(simulator) as (url, _):
        for _ in range(2):
            hand_over(url, batch(5))
    first, second = simulator.requests
    assert first.body == second.body
    assert first.headers["content-type"] == second.headers["content-type"]


def test_a_shared_body_is_encoded_once() -> None:
    async def both(provider: Any) -> bool:
        await provider.hand_over(batch(1))
        form = provider._encoded[1]
        await provider.hand_over(batch(2, key="f" * 32))
        return provider._encoded[1] is form

    with running(mailgun()) as (url, _):
        assert with_provider("mailgun", options(url), both)


# What it refuses ----------------------------------------------------------------------------------------------


def test_a_wrong_key_or_domain_stops_at_once() -> None:
    with running(mailgun()) as (url, _):
        assert isinstance(refused(url, key="key-wrong"), AccountError)
        assert isinstance(refused(url, domain="other.example.com"), AccountError)
        assert isinstance(refused(f"{url}/v3"), AccountError)


def test_one_recipient_too_many_is_halved() -> None:
    simulator = mailgun()
    with running(simulator) as (url, _):
        error = refused(url, batch(1001))
        assert isinstance(error, BadCallError)
        assert (error.shared, error.rejected) == (False, {})
        assert len(simulator.record.accepted) == 0
        assert hand_over(url, batch(1000)).message_ids
    assert len(simulator.record.accepted) == 1000


def test_on_probation_it_is_halved_too_or_told_before() -> None:
    with running(mailgun(recipients=10)) as (url, _):
        error = refused(url, batch(11))
    assert isinstance(error, BadCallError)
    assert (error.shared, error.rejected) == (False, {})
    assert connect("mailgun", options("https://api.mailgun.net", copies_a_call=10)).limit == 10


def test_a_message_that_is_too_large_is_no_reason_to_halve() -> None:
    simulator = mailgun()
    assert simulator.most_bytes == 25 * 1024 * 1024
    simulator.most_bytes = 3000
    large = replace(MESSAGE, text=Segments(("x" * 3000,)))
    with running(simulator) as (url, _):
        error = refused(url, batch(1, message=large))
    assert isinstance(error, BadCallError)
    assert error.shared


@pytest.mark.parametrize("name", ["subject", "from", "bodies"])
def test_what_all_copies_lack_is_no_reason_to_halve(name: str) -> None:
    with running(mailgun()) as (url, _):
        error = refused(url, batch(3, message=without(name)))
    assert isinstance(error, BadCallError)
    assert error.shared


def test_headers_that_are_too_long_are_no_reason_to_halve() -> None:
    long = replace(MESSAGE, headers=dict(MESSAGE.headers) | {"X-Long": Segments(("x" * 16 * 1024,))})
    with running(mailgun()) as (url, _):
        error = refused(url, batch(3, message=long))
    assert isinstance(error, BadCallError)
    assert "16 kB" in str(error)
    assert error.shared


def test_a_bad_address_fails_the_call_and_halves_find_it() -> None:
    simulator = mailgun()
    with running(simulator) as (url, _):
        error = refused(url, batch(3, extra=(recipient(4, "no.domain@localhost"),)))
    assert isinstance(error, BadCallError)
    assert (error.shared, error.rejected) == (False, {})
    assert "valid address" in str(error)
    assert len(simulator.record.accepted) == 0


def test_an_address_it_names_is_the_one_refused() -> None:
    error = answering(says(400, "to parameter is not a valid address: <Reader2@example.net>."))
    assert isinstance(error, BadCallError)
    assert list(error.rejected) == [2]


def test_a_named_sender_is_no_reader_of_ours() -> None:
    given = batch(2, extra=(recipient(3, "verdicts@example.com"),))
    error = answering(says(400, "from parameter is not a valid address: verdicts@example.com"), given=given)
    assert isinstance(error, BadCallError)
    assert (error.shared, error.rejected) == (True, {})


@pytest.mark.parametrize(
    "words", ["", "something new", "'recipient-variables' parameter is not a valid JSON", "Header name must be ASCII"]
)
def test_an_unknown_refusal_is_for_a_person_and_not_for_every_reader(words: str) -> None:
    error = answering(says(400, words))
    assert isinstance(error, BadCallError)
    assert error.shared


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (402, "Payment required"),
        (403, "Domain mg.example.com is not allowed to send: Please activate your Mailgun account"),
        (400, "Sandbox subdomains are for test purposes only. Please add the address to authorized recipients"),
        (404, "Domain not found: mg.example.com"),
        (405, "Method not allowed"),
        (308, ""),
    ],
)
def test_what_is_wrong_with_the_account_stops_at_once(status: int, words: str) -> None:
    assert isinstance(answering(says(status, words)), AccountError)


# Too much -----------------------------------------------------------------------------------------------------


def test_too_many_calls_are_tried_again_after_what_it_says() -> None:
    with running(mailgun(), Faults(burst=1, retry_after_s=7)) as (url, _):
        error = refused(url)
    assert isinstance(error, TryAgainError)
    assert error.after_s == 7


@pytest.mark.parametrize("moment", [lambda: time.time() + 90, lambda: (time.time() + 90) * 1000, lambda: 90])
def test_a_reset_may_be_told_as_a_moment_or_a_length(moment: Any) -> None:
    error = answering(says(429, "slow down", X_RateLimit_Reset=str(int(moment()))))
    assert isinstance(error, TryAgainError)
    assert error.after_s == pytest.approx(90, abs=5)


def test_a_wait_in_the_body_counts_and_nonsense_does_not() -> None:
    error = answering(Reply.json(429, {"message": "slow down", "retry-seconds": 60}))
    assert isinstance(error, TryAgainError)
    assert error.after_s == 60
    error = answering(says(429, "slow down", X_RateLimit_Reset="nan"))
    assert isinstance(error, TryAgainError)
    assert error.after_s is None


def test_a_used_up_number_of_recipients_waits_for_the_time_it_names() -> None:
    then = format_datetime(datetime.now(UTC) + timedelta(minutes=20)).replace("+0000", "UTC")
    words = f"Domain {DOMAIN} is not allowed to send: recipient limit exceeded, try again after {then}"
    error = answering(says(420, words))
    assert isinstance(error, TryAgainError)
    assert error.after_s == pytest.approx(1200, abs=5)
    assert isinstance(answering(says(420, "recipient limit exceeded")), QuotaError)
    assert isinstance(answering(says(420, "recipient limit exceeded, try again after a day UTC")), QuotaError)


def test_maintenance_is_a_refusal_only_in_its_own_words() -> None:
    assert isinstance(answering(says(503, "down for maintenance")), TryAgainError)
    assert isinstance(answering(Reply(503, b"<html>Service Unavailable</html>")), UncertainError)


# What nobody knows --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 418, 500, 502, 504])
def test_any_other_answer_proves_nothing(status: int) -> None:
    assert isinstance(answering(says(status, "Internal Server Error")), UncertainError)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id": 7}', b'{"id": "<>"}', b"<html>fine</html>"])
def test_a_success_that_makes_no_sense_proves_nothing(body: bytes) -> None:
    assert isinstance(answering(Reply(200, body)), UncertainError)


@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "half", "error_before", "error_after", "garbage"])
def test_a_broken_line_proves_nothing(fault: str) -> None:
    simulator = mailgun()
    with running(simulator, Faults(**{fault: 1})) as (url, _):
        assert isinstance(refused(url), UncertainError)
    assert len(simulator.record.accepted) == (0 if fault.endswith("_before") else 3)


def test_an_answer_that_trickles_in_proves_nothing() -> None:
    with running(mailgun(), Faults(slow=1, slow_s=20)) as (url, _):
        assert isinstance(refused(url, timeout_s=0.2), UncertainError)


def test_where_nobody_listens_nothing_was_accepted() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert isinstance(refused(f"http://127.0.0.1:{taken.getsockname()[1]}"), TryAgainError)


# Asking -------------------------------------------------------------------------------------------------------


def lost(server: Server, url: str, fault: str) -> None:
    """Hand over, and lose the answer."""
    server.misbehave(Faults(**{fault: 1}))
    assert isinstance(refused(url, FRESH), UncertainError)
    server.misbehave(Faults())


def test_a_call_whose_answer_was_lost_is_found_by_its_message_id() -> None:
    with running(mailgun()) as (url, server):
        lost(server, url, "reset_after")
        assert ask(url, FRESH) == dict.fromkeys((1, 2, 3), f"{KEY}.batch@{DOMAIN}")


def test_a_call_that_was_lost_is_not_found_and_arrives_once_when_handed_over_again() -> None:
    simulator = mailgun()
    with running(simulator) as (url, server):
        lost(server, url, "reset_before")
        hand_over(url, replace(FRESH, idempotency_key="e" * 32))
        assert ask(url, FRESH) == {}
        hand_over(url, FRESH)
        assert set(ask(url, FRESH)) == {1, 2, 3}


def test_events_come_late_which_is_why_absence_is_believed_only_after_half_an_hour() -> None:
    with running(mailgun(lag_s=0.5)) as (url, _):
        hand_over(url, FRESH)
        assert ask(url, FRESH) == {}
        time.sleep(0.5)
        assert set(ask(url, FRESH)) == {1, 2, 3}
    proof = connect("mailgun", options("https://api.mailgun.net")).proof
    assert (proof.settling_s, proof.whole, proof.replay_s) == (1800, True, 0)
    assert proof.ask_s < 24 * 3600
    assert connect("mailgun", options("https://api.mailgun.net", settling_s=60)).proof.settling_s == 60


def page(*message_ids: str | None, following: str = "/v3/x/events/next") -> Reply:
    items = [{"event": "failed", "message": {"headers": {"message-id": one} if one else {}}} for one in message_ids]
    return Reply.json(200, {"items": items, "paging": {"next": f"https://elsewhere.example{following}"}})


def test_it_asks_for_all_events_of_the_call_since_an_hour_before() -> None:
    simulator = Scripted(page())
    with running(simulator) as (url, _):
        assert ask(url, batch(1)) == {}
    (request,) = simulator.requests
    assert request.query == {
        "message-id": f"{KEY}.batch@{DOMAIN}",
        "begin": str(int(NOW.timestamp() - HOUR_S)),
        "ascending": "yes",
        "limit": "300",
    }


def test_any_event_of_the_call_proves_it_and_those_of_others_do_not() -> None:
    with running(Scripted(page("other@x"), page(f"<{KEY.upper()}.batch@{DOMAIN}>"))) as (url, _):
        assert set(ask(url, batch(2))) == {1, 2}
    with running(Scripted(page("other@x"), page())) as (url, _):
        assert ask(url, batch(2)) == {}


def test_the_next_page_is_fetched_from_our_own_host_only() -> None:
    simulator = Scripted(page("other@x", following="/v3/x/events/abc?limit=3"), page())
    with running(simulator) as (url, _):
        ask(url, batch(1))
        assert simulator.requests[1].headers["host"] == urlsplit(url).netloc
    assert (simulator.requests[1].path, simulator.requests[1].query) == ("/v3/x/events/abc", {"limit": "3"})


def test_the_simulator_pages_its_events_too() -> None:
    async def pages(provider: Any) -> list[int]:
        counts, path = [], provider._path("events")
        params: dict[str, str | int] = {"ascending": "yes", "limit": 2}
        while True:
            items, path = await provider._events(path, params)
            counts.append(len(items))
            params = {}
            if not items:
                return counts

    with running(mailgun()) as (url, _):
        hand_over(url, FRESH)
        assert with_provider("mailgun", options(url), pages) == [2, 1, 0]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"<html>"),
        Reply.json(200, {}),
        Reply.json(200, []),
        Reply.json(200, {"items": {}, "paging": {"next": "https://x/y"}}),
        Reply.json(200, {"items": [], "paging": {}}),
        Reply.json(200, {"items": [], "paging": {"next": None}}),
        Reply.json(200, {"items": [], "paging": {"next": "https://x//elsewhere.example/y"}}),
        Reply(401, b"Forbidden"),
        says(404, "Domain not found"),
        says(429, "slow down"),
        Reply(500, b""),
        says(400, "no such filter"),
        page("other@x"),  # for ever
    ],
)
def test_an_answer_that_makes_no_sense_is_not_an_answer(reply: Reply) -> None:
    with running(Scripted(reply)) as (url, _), pytest.raises(ProviderError) as caught:
        ask(url, batch(2))
    assert SECRET not in str(caught.value)


def test_events_that_do_not_say_whose_they_are_leave_it_open() -> None:
    with running(Scripted(page(None), page())) as (url, _), pytest.raises(UncertainError):
        ask(url, batch(2))


# Before it begins ---------------------------------------------------------------------------------------------


def test_a_key_that_may_not_read_events_is_found_out_before_it_matters() -> None:
    with running(mailgun(sending_only=True)) as (url, _):
        with pytest.raises(AccountError, match=r"mailgun\.events"):
            open_it(url)
        open_it(url, events=False)
        assert hand_over(url, batch(1), events=False).message_ids
    proof = connect("mailgun", options("https://api.mailgun.net", events=False)).proof
    assert (proof.ask_s, proof.replay_s) == (0, 0)


def test_a_hiccup_of_the_events_does_not_keep_the_mail_back() -> None:
    with running(mailgun()) as (url, server):
        open_it(url)
        server.misbehave(Faults(error_before=1))
        open_it(url)
    open_it("http://127.0.0.1:9")


def test_an_account_is_told_by_its_domain_and_region() -> None:
    found = connect("mailgun", options("https://api.eu.mailgun.net", domain="MG.example.com"))
    assert found.account == "mg.example.com at api.eu.mailgun.net"
    assert SECRET not in repr(vars(found))


@pytest.mark.parametrize(
    "wrong", [{"domain": "mg.example.com/../x"}, {"copies_a_call": 1001}, {"tag": "ü"}, {"url": "x"}]
)
def test_wrong_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        connect("mailgun", options("https://api.mailgun.net", **wrong) if "url" not in wrong else options(**wrong))


# What could mislead it ----------------------------------------------------------------------------------------


def test_two_copies_for_one_mailbox_are_parted_before_anything_is_sent() -> None:
    simulator = mailgun()
    with running(simulator) as (url, _):
        error = refused(url, batch(1, extra=(recipient(2, "READER1@example.net"),)))
        assert isinstance(error, BadCallError)
        assert (error.shared, error.rejected) == (False, {})
        assert simulator.record.calls == 0
        hand_over(url, batch(1))
        hand_over(url, replace(batch(0, extra=(recipient(2, "READER1@example.net"),)), idempotency_key="b" * 32))
    assert len(simulator.record.accepted) == 2


def test_the_simulator_mails_an_address_named_twice_only_once() -> None:
    simulator = mailgun()
    body = (
        b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (name, value)
        for name, value in (
            (b"from", b"v@example.com"),
            (b"to", b"a@example.net, Ada <A@example.net>, b@example.net"),
            (b"subject", b"Hi"),
            (b"text", b"Hi"),
        )
    )
    headers = {"authorization": "Basic YXBpOmtleS12ZXJ5LXNlY3JldA==", "content-type": "multipart/form-data; boundary=b"}
    request = Request("POST", f"/v3/{DOMAIN}/messages", {}, headers, b"".join(body) + b"--b--\r\n")
    assert simulator.answer(request, 1).status == 200
    assert [copy.address for copy in simulator.record.accepted] == ["a@example.net", "b@example.net"]
    # It was called without recipient-variables, so everyone saw everyone.
    assert simulator.leaks == [1]
    assert simulator.record.accepted[0].headers["To"] == "a@example.net, A@example.net, b@example.net"


@pytest.mark.parametrize(
    "address",
    [
        "a@example.net,evil@example.org",
        "a@example.net\r\n--digest",
        "Ada <a@example.net>",
        '"a b"@example.net',
        "a@example.net;b@example.net",
        "a@example.net\0",
    ],
)
def test_an_address_that_could_be_read_as_two_is_rejected_alone(address: str) -> None:
    simulator = mailgun()
    with running(simulator) as (url, _):
        error = refused(url, batch(2, extra=(recipient(3, address),)))
    assert isinstance(error, BadCallError)
    assert list(error.rejected) == [3]
    assert simulator.record.calls == 0


def test_a_value_with_a_line_break_cannot_begin_another_header() -> None:
    greeted = replace(MESSAGE, headers=dict(MESSAGE.headers) | {"X-Greeting": personalise.split("[[digest:greeting]]")})
    given = batch(2, message=greeted, extra=(recipient(3, name="Ada\r\nBcc: all@example.com"),))
    simulator = mailgun()
    with running(simulator) as (url, _):
        error = refused(url, given)
        assert isinstance(error, BadCallError)
        assert list(error.rejected) == [3]
        # In a body it is a line break like any other.
        hand_over(url, replace(given, message=MESSAGE))
    assert simulator.record.accepted[2].text.startswith("Ada\r\nBcc: all@example.com\n")


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "Hi\r\nBcc: all@example.com"},
        {"sender_name": "Hi\nBcc: all@example.com"},
        {"reply_to": "a@example.com\nBcc: b@example.com"},
        {"headers": {"X-Odd": Segments(("a\nBcc: b@example.com",))}},
        {"headers": {'X-Odd"\r\n': Segments(("a",))}},
        {"html": Segments(("<p>", "</p>"), ("message",))},
    ],
)
def test_what_would_break_every_copy_is_for_a_person(change: dict[str, Any]) -> None:
    with running(mailgun()) as (url, _):
        error = refused(url, batch(2, message=replace(MESSAGE, **change)))
    assert isinstance(error, BadCallError)
    assert error.shared


def test_a_greeting_with_a_nul_is_escaped_all_the_same() -> None:
    simulator = mailgun()
    with running(simulator) as (url, _):
        hand_over(url, batch(1, extra=(recipient(2, name="<\0>"),)))
    assert "&lt;1&gt;" in simulator.record.accepted[0].html
    assert "<p>&lt;\0&gt; " in simulator.record.accepted[1].html
