from __future__ import annotations

import asyncio
import hashlib
import html
from collections.abc import Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.header import decode_header, make_header
from typing import Any

import httpx
import orjson
import pytest
from batches import KEY, MESSAGE, batch, recipient, with_provider
from pydantic import SecretStr, ValidationError

from digest.mail import personalise
from digest.providers import calls, connect, ses_answers, ses_body, sigv4
from digest.providers import ses as provider
from digest.providers.interface import (
    AccountError,
    Answer,
    BadCallError,
    NotAcceptedError,
    Proof,
    Provider,
    ProviderError,
    QuotaError,
    Recipient,
    TryAgainError,
    UncertainError,
)
from digest.simulators import simulate
from digest.simulators.faults import Faults
from digest.simulators.record import Record
from digest.simulators.server import running
from digest.simulators.ses import Ses as Simulated

SECRET = "simulated/secret+key"
OPTIONS: dict[str, Any] = {
    "region": "us-east-1",
    "access_key_id": "AKIASIMULATED",
    "secret_access_key": SECRET,
    "timeout_s": 5,
}
WORD_JOINER = "\N{WORD JOINER}"


def make(**options: Any) -> Simulated:
    simulated = simulate("ses", **options)
    assert isinstance(simulated, Simulated)
    return simulated


def hand_over(simulated: Simulated, given: Any = None, /, faults: Faults | None = None, **options: Any) -> Answer:
    async def work(one: Provider) -> Answer:
        return await one.hand_over(given or batch(2))

    with running(simulated, faults) as (url, _):
        return with_provider("ses", OPTIONS | {"url": url} | options, work)


def opened(simulated: Simulated, faults: Faults | None = None, **options: Any) -> Provider:
    async def work(one: Provider) -> Provider:
        await one.open(begin=True)
        return one

    with running(simulated, faults) as (url, _):
        return with_provider("ses", OPTIONS | {"url": url} | options, work)


def posted(simulated: Simulated, document: Any, *, now: datetime | None = None, **changed: str) -> httpx.Response:
    """Post any document, signed as it should be; `changed` are headers to put wrong."""
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    with running(simulated) as (url, _):
        target = f"{url}/v2/email/outbound-bulk-emails"
        headers = sigv4.signed(
            sigv4.Credentials("AKIASIMULATED", SECRET),
            region="us-east-1",
            service="ses",
            method="POST",
            url=target,
            headers={"Content-Type": "application/json"},
            payload_hash=hashlib.sha256(body).hexdigest(),
            now=now or datetime.now(UTC),
        )
        names = {name.replace("_", "-"): value for name, value in changed.items()}
        return httpx.post(target, content=body, headers=headers | names)


def document(entries: int = 1, **content: str) -> dict[str, Any]:
    return {
        "FromEmailAddress": "verdicts@example.com",
        "DefaultContent": {"Template": {"TemplateContent": {"Subject": "s", "Html": "<p>h</p>"} | content}},
        "BulkEmailEntries": [
            {"Destination": {"ToAddresses": [f"reader{number}@example.net"]}} for number in range(1, entries + 1)
        ],
    }


# What arrives ----------------------------------------------------------------------------------------------------


def test_a_batch_arrives_and_each_copy_has_its_own_id() -> None:
    simulated = make()
    answer = hand_over(simulated, batch(50))
    accepted = simulated.record.accepted
    assert [copy.address for copy in accepted] == [f"reader{number}@example.net" for number in range(1, 51)]
    assert list(answer.message_ids) == [copy.message_id for copy in accepted]
    assert simulated.record.calls == 1
    assert not simulated.events


def test_each_copy_has_its_own_token_and_a_greeting_that_is_escaped_in_html_only() -> None:
    simulated = make()
    hand_over(simulated)
    for number, copy in enumerate(simulated.record.accepted, 1):
        token = f"token{number:019}"
        assert f"https://example.com/u/{token}'" in copy.html
        assert f"https://example.com/u/{token}\n" in copy.text
        assert f"<p>Hello &lt;{number}&gt; &amp; &quot;Ü&quot;, " in copy.html
        assert copy.text.startswith(f'Hello <{number}> & "Ü",\n')


def test_what_an_author_wrote_in_the_syntax_of_providers_arrives_as_it_stands() -> None:
    simulated = make()
    hand_over(simulated)
    copy = simulated.record.accepted[0]
    assert "{{not_ours}} %recipient.x% -t-" in html.unescape(copy.html)
    assert "{{not_ours}} %recipient.x% -t-" in copy.text.replace(WORD_JOINER, "")
    assert copy.subject.replace(WORD_JOINER, "") == MESSAGE.subject


def test_each_copy_can_be_unsubscribed_from_with_one_click() -> None:
    simulated = make()
    hand_over(simulated)
    for number, copy in enumerate(simulated.record.accepted, 1):
        assert copy.headers["List-Unsubscribe"] == f"<https://example.com/u/token{number:019}>"
        assert copy.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_shared_headers_arrive_and_those_that_ses_writes_are_its_own() -> None:
    simulated = make()
    hand_over(simulated)
    copy = simulated.record.accepted[0]
    assert copy.headers["List-Id"] == "<weekly.example.com>"
    assert copy.headers["Precedence"] == "bulk"
    assert copy.headers["Reply-To"] == "editor@example.com"
    assert copy.headers["Message-ID"] == f"<{copy.message_id}@email.amazonses.com>"
    assert copy.headers["Feedback-ID"] == "1.simulated:AmazonSES"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Weekly, Verdicts", '"Weekly, Verdicts" <verdicts@example.com>'),
        ("", "verdicts@example.com"),
        ("Zwölf Werkzeuge – 花子", None),
        ("Not =?utf-8?q?encoded?=", None),
        ("Ein sehr langer Name mit Ümläuten, länger als ein kodiertes Wort sein darf", None),
    ],
)
def test_the_senders_name_is_plain_ascii_on_the_wire(name: str, written: str | None) -> None:
    simulated = make()
    hand_over(simulated, batch(1, message=replace(MESSAGE, sender_name=name)))
    sender = simulated.record.accepted[0].headers["From"]
    assert sender.isascii()
    assert "\n" not in sender
    assert written in (sender, None)
    assert written or str(make_header(decode_header(sender))) == f"{name} <verdicts@example.com>"
    assert all(len(word) <= 75 for word in sender.split(" "))


def test_events_can_be_told_to_a_copy_and_to_its_batch() -> None:
    simulated = make()
    hand_over(simulated)
    assert [copy.tags for copy in simulated.record.accepted] == [
        {"copy": f"token{number:019}", "batch": KEY} for number in (1, 2)
    ]


def test_each_variable_of_the_body_has_a_default_and_no_other_is_sent() -> None:
    simulated = make()
    hand_over(simulated, batch(1))
    template = simulated.last["DefaultContent"]["Template"]
    [entry] = simulated.last["BulkEmailEntries"]
    own = entry["ReplacementEmailContent"]["ReplacementTemplate"]["ReplacementTemplateData"]
    assert set(orjson.loads(template["TemplateData"])) == set(orjson.loads(own)) == {"t", "g", "h", "k"}


def test_the_feedback_id_of_ses_names_the_issue_where_that_is_wanted() -> None:
    simulated = make()
    hand_over(simulated, feedback_id=True)
    copy = simulated.record.accepted[0]
    assert copy.tags["ses:feedback-id-a"] == "issue-1"
    assert copy.tags["ses:feedback-id-b"] == "weekly"
    assert copy.headers["Feedback-ID"].startswith("issue-1:weekly:")


def test_tracking_is_switched_off_in_every_call() -> None:
    simulated = make()
    hand_over(simulated)
    off = {"Tracking": {"OpenTrackingEnabled": "DISABLED", "ClickTrackingEnabled": "DISABLED"}}
    assert simulated.last["ConfigurationOverrides"] == off
    hand_over(simulated, tracking_off=False)
    assert "ConfigurationOverrides" not in simulated.last


def test_a_configuration_set_is_named_where_there_is_one() -> None:
    simulated = make(configuration_set="weekly")
    hand_over(simulated, configuration_set="weekly")
    assert simulated.last["ConfigurationSetName"] == "weekly"
    hand_over(make())
    with pytest.raises(AccountError, match="NotFoundException, Configuration set <monthly> does not exist"):
        hand_over(simulated, configuration_set="monthly")


def test_temporary_credentials_carry_their_token() -> None:
    simulated = make(session_token="FwoGZXIvYXdzEXAMPLE")
    hand_over(simulated, session_token="FwoGZXIvYXdzEXAMPLE")
    assert len(simulated.record.accepted) == 2
    with pytest.raises(AccountError, match="ExpiredTokenException"):
        hand_over(simulated, session_token="older")


def test_a_record_without_bodies_has_the_tags() -> None:
    simulated = make(record=Record(bodies=False))
    hand_over(simulated)
    assert simulated.record.accepted[0].tags["copy"] == f"token{1:019}"
    assert not simulated.record.accepted[0].html


def test_the_same_batch_gives_the_same_bytes() -> None:
    def content() -> tuple[tuple[bytes, bytes], str]:
        body = ses_body.Body(MESSAGE, {}, feedback_id=False)
        entries = [body.entry(one, KEY) for one in batch(3).recipients]
        return body.call([entry for entry in entries if isinstance(entry, bytes)])

    (head, rest), digest = content()
    assert content() == ((head, rest), digest)
    assert digest == hashlib.sha256(head + rest).hexdigest()


def test_what_readers_share_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ses_body.Body] = []

    class Counted(ses_body.Body):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            made.append(self)

    monkeypatch.setattr(provider, "Body", Counted)
    simulated = make()

    async def work(one: Provider) -> None:
        await one.hand_over(batch(2))
        await one.hand_over(batch(3))
        await one.hand_over(batch(1, message=replace(MESSAGE, subject="Another")))

    with running(simulated) as (url, _):
        with_provider("ses", OPTIONS | {"url": url}, work)
    assert len(made) == 2
    assert [copy.subject for copy in simulated.record.accepted][-1] == "Another"


# Addresses and headers that it does not take -----------------------------------------------------------------------


@pytest.mark.parametrize("address", ["jürgen@example.net", "no-at.example.net", "a b@example.net", "a@b@example.net"])
def test_an_address_that_ses_does_not_take_is_rejected_and_the_others_arrive(address: str) -> None:
    simulated = make()
    answer = hand_over(simulated, batch(2, extra=(recipient(9, address),)))
    assert list(answer.rejected) == [9]
    assert "plain ASCII" in answer.rejected[9]
    assert len(answer.message_ids) == len(simulated.record.accepted) == 2


def test_nobody_is_called_for_nothing() -> None:
    simulated = make()
    answer = hand_over(simulated, batch(0, extra=(recipient(9, "jürgen@example.net"),)))
    assert list(answer.rejected) == [9]
    assert simulated.record.calls == 0


def test_an_address_that_only_ses_finds_wrong_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ses_body, "address_problem", lambda address: "")
    simulated = make()
    answer = hand_over(simulated, batch(2, extra=(recipient(9, "nobody"),)))
    assert answer.rejected == {9: "INVALID_PARAMETER: Missing final '@domain'"}
    assert len(answer.message_ids) == 2
    assert answer.trouble is None


def test_a_value_with_a_line_break_starts_no_header() -> None:
    simulated = make()
    headers = {**MESSAGE.headers, "X-Greeting": personalise.split("[[digest:greeting]]")}
    message = replace(MESSAGE, headers=headers)
    wicked = Recipient(9, "r@example.net", {"token": "t", "track": "k", "greeting": "Hello\r\nBcc: spy@example.com,"})
    plain = Recipient(8, "q@example.net", {"token": "t", "track": "k", "greeting": "Hello,"})
    answer = hand_over(simulated, batch(0, message=message, extra=(wicked, plain)))
    assert list(answer.rejected) == [9]
    assert [copy.headers["X-Greeting"] for copy in simulated.record.accepted] == ["Hello,"]


@pytest.mark.parametrize(
    "changed",
    [
        {"reply_to": "rédaction@example.com"},
        {"sender_address": "not an address"},
        {"sender_name": "花" * 90},
        {"headers": {"X-Über": personalise.split("x")}},
        {"headers": {"X-Long": personalise.split("x" * 1000)}},
        {"headers": {"X-Lines": personalise.split("a\nb")}},
        {"headers": {f"X-{number}": personalise.split("x") for number in range(16)}},
    ],
)
def test_what_is_wrong_with_the_issue_itself_is_found_before_the_call(changed: dict[str, Any]) -> None:
    simulated = make()
    with pytest.raises(BadCallError) as caught:
        hand_over(simulated, batch(2, message=replace(MESSAGE, **changed)))
    assert caught.value.shared
    assert simulated.record.calls == 0


# Too much ----------------------------------------------------------------------------------------------------------


def test_one_reader_too_many_is_a_bad_call() -> None:
    simulated = make()
    with pytest.raises(BadCallError, match="exceeds 50") as caught:
        hand_over(simulated, batch(51))
    assert not caught.value.shared
    assert not simulated.record.accepted


def test_an_issue_that_is_too_large_by_itself_is_to_blame() -> None:
    simulated = make()
    with pytest.raises(BadCallError, match="1,000,000") as caught:
        hand_over(simulated, batch(2, message=replace(MESSAGE, html=personalise.split("x" * 999_500))))
    assert caught.value.shared
    assert simulated.record.calls == 0


def test_a_call_that_is_too_large_by_its_readers_is_not() -> None:
    simulated = make()
    large = tuple(recipient(number, name="n" * 100_000) for number in range(1, 7))
    with pytest.raises(BadCallError) as caught:
        hand_over(simulated, batch(0, extra=large))
    assert not caught.value.shared
    assert simulated.record.calls == 0
    hand_over(simulated, batch(0, extra=large[:2]))
    assert len(simulated.record.accepted) == 2


@pytest.mark.parametrize(("readers", "shared"), [(2, False), (1, True)])
def test_more_than_a_megabyte_is_refused_by_ses(monkeypatch: pytest.MonkeyPatch, readers: int, shared: bool) -> None:
    monkeypatch.setattr(ses_body, "MOST_BYTES", 10_000_000)
    simulated = make()
    with pytest.raises(BadCallError, match="413") as caught:
        hand_over(simulated, batch(readers, message=replace(MESSAGE, html=personalise.split("x" * 1_000_000))))
    assert caught.value.shared is shared


# The key, the clock, the account -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"access_key_id": "AKIAOTHER"}, "UnrecognizedClientException"),
        ({"secret_access_key": "another/secret"}, "SignatureDoesNotMatch"),
        ({"region": "eu-central-1"}, "SignatureDoesNotMatch"),
        ({"session_token": "not-asked-for"}, "ExpiredTokenException"),
    ],
)
def test_a_wrong_key_stops_the_account(wrong: dict[str, Any], kind: str) -> None:
    simulated = make()
    with pytest.raises(AccountError, match=kind):
        hand_over(simulated, **wrong)
    with pytest.raises(AccountError, match=kind):
        opened(simulated, **wrong)
    assert not simulated.record.accepted


@pytest.mark.parametrize(("minutes", "words"), [(-6, "Signature expired"), (6, "not yet current")])
def test_a_wrong_clock_stops_the_account(minutes: int, words: str) -> None:
    async def work(url: str) -> None:
        options = provider.Options(**OPTIONS | {"url": url})
        one = provider.Ses(options, clock=lambda: datetime.now(UTC) + timedelta(minutes=minutes))
        try:
            await one.hand_over(batch(1))
        finally:
            await one.close()

    with running(make()) as (url, _), pytest.raises(AccountError, match=words):
        asyncio.run(work(url))


def test_a_reason_holds_no_secret() -> None:
    token = "FwoGZXIvYXdzEXAMPLE"
    simulated = make(session_token=token)
    with pytest.raises(AccountError) as caught:
        hand_over(simulated, session_token=token, secret_access_key="another/secret")
    assert "SignatureDoesNotMatch" in str(caught.value)
    assert "Canonical" not in str(caught.value)
    assert token not in str(caught.value)
    refusal = httpx.Response(403, text=f"denied:\n{token} {SECRET}")
    assert str(ses_answers.failure(refusal, (), (SECRET, token))) == "HTTP 403: denied: … …"
    long = httpx.Response(403, text="x" * (calls.REASON_LENGTH - 5) + SECRET)
    assert SECRET[:5] not in str(ses_answers.failure(long, (), (SECRET, token)))
    assert str(ses_answers.failure(httpx.Response(403), (), (SECRET, token))) == "HTTP 403: (empty)"


def test_the_account_is_told_without_a_secret() -> None:
    one = connect("ses", OPTIONS)
    assert one.account.startswith("email.us-east-1.amazonaws.com, key ")
    assert "AKIASIMULATED" not in one.account
    assert connect("ses", OPTIONS | {"session_token": "t"}).account == "email.us-east-1.amazonaws.com"
    assert connect("ses", OPTIONS | {"url": "https://example.com"}).account.startswith("example.com, key ")


@pytest.mark.parametrize("wrong", [{"region": "Europe"}, {"configuration_set": "a b"}, {"url": "ftp://example.com"}])
def test_wrong_options_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        connect("ses", OPTIONS | wrong)


def test_an_empty_option_is_as_if_it_were_not_there() -> None:
    empty = {"url": "", "session_token": SecretStr(""), "configuration_set": ""}
    assert connect("ses", OPTIONS | empty).account == connect("ses", OPTIONS).account


def test_the_account_says_how_fast_it_may_be_worked() -> None:
    assert opened(make(rate=14)).pace.copies_a_second == 14
    assert opened(make(rate=14), connections=2).pace.connections == 2


def test_an_account_is_not_asked_where_the_settings_say_how_fast() -> None:
    simulated = make(rate=14)
    assert opened(simulated, copies_a_second=5).pace.copies_a_second == 5
    assert simulated.record.calls == 0


@pytest.mark.parametrize(
    ("account", "rate"),
    [
        ({"SendQuota": {"Max24HourSend": 200.0, "MaxSendRate": 1.0, "SentLast24Hours": 199.0}}, 1),
        ({"SendQuota": {"Max24HourSend": -1.0, "MaxSendRate": 80.0, "SentLast24Hours": 5.0}}, 80),
        ({"SendQuota": {}, "SendingEnabled": True, "EnforcementStatus": "PROBATION"}, 1),
        ({}, 1),
    ],
)
def test_an_account_is_read_with_what_it_tells(account: Any, rate: float) -> None:
    assert ses_answers.rate(account) == rate


@pytest.mark.parametrize(
    ("account", "kind"),
    [
        ({"SendQuota": {"Max24HourSend": 200.0, "SentLast24Hours": 200.0}}, QuotaError),
        ({"SendingEnabled": False}, AccountError),
        ({"EnforcementStatus": "SHUTDOWN"}, AccountError),
        ([], UncertainError),
        ({"SendQuota": {"MaxSendRate": "fast"}}, UncertainError),
    ],
)
def test_an_account_that_may_not_send_says_why(account: Any, kind: type[ProviderError]) -> None:
    with pytest.raises(kind):
        ses_answers.rate(account)


@pytest.mark.parametrize(
    ("simulated", "kind"),
    [
        ({"a_day": 100, "gone": 100}, QuotaError),
        ({"enabled": False}, AccountError),
        ({"session_token": "other"}, AccountError),
    ],
)
def test_an_issue_is_not_begun_that_would_not_be_taken(simulated: dict[str, Any], kind: type[ProviderError]) -> None:
    with pytest.raises(kind):
        opened(make(**simulated))


@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "half", "error_before", "garbage"])
def test_an_account_that_gives_no_answer_is_asked_again(fault: str) -> None:
    with pytest.raises(TryAgainError):
        opened(make(), Faults(**{fault: 1.0}))  # type: ignore[arg-type]
    with pytest.raises(TryAgainError) as caught:
        opened(make(), Faults(burst=1, retry_after_s=7))
    assert caught.value.after_s == 7


# Nobody there, or half an answer -----------------------------------------------------------------------------------


def test_no_connection_proves_that_nothing_was_accepted() -> None:
    options = OPTIONS | {"url": "http://127.0.0.1:9"}

    async def over(one: Provider) -> Answer:
        return await one.hand_over(batch(1))

    async def ready(one: Provider) -> None:
        await one.open(begin=True)

    for work in (over, ready):
        with pytest.raises(TryAgainError, match="no connection"):
            with_provider("ses", options, work)


@pytest.mark.parametrize(
    ("fault", "accepted"),
    [
        ("reset_before", 0),
        ("reset_after", 2),
        ("half", 2),
        ("error_before", 0),
        ("error_after", 2),
        ("garbage", 2),
    ],
)
def test_a_line_that_breaks_leaves_the_batch_uncertain(fault: str, accepted: int) -> None:
    simulated = make()
    with pytest.raises(UncertainError):
        hand_over(simulated, faults=Faults(**{fault: 1.0}))  # type: ignore[arg-type]
    assert len(simulated.record.accepted) == accepted


def test_an_answer_that_trickles_in_is_given_up() -> None:
    simulated = make()
    with pytest.raises(UncertainError):
        hand_over(simulated, faults=Faults(slow=1, slow_s=20), timeout_s=1)
    assert len(simulated.record.accepted) == 2


def test_too_many_requests_are_told_how_long_to_wait() -> None:
    simulated = make()
    with pytest.raises(TryAgainError) as caught:
        hand_over(simulated, faults=Faults(burst=1, retry_after_s=3))
    assert caught.value.after_s == 3
    assert not simulated.record.accepted


def test_it_promises_neither_to_be_asked_nor_to_mail_once() -> None:
    """What the ledger must not do here: the same batch again mails everybody again."""
    assert connect("ses", OPTIONS).proof == Proof()
    simulated = make()

    async def work(one: Provider) -> None:
        await one.hand_over(batch(2))
        await one.hand_over(batch(2))
        with pytest.raises(NotImplementedError):
            await one.ask(batch(2))

    with running(simulated) as (url, _):
        with_provider("ses", OPTIONS | {"url": url}, work)
    assert simulated.record.summary()["twice"] == 2


# What becomes of single copies -------------------------------------------------------------------------------------

OTHER = "reader2@example.net"


@pytest.mark.parametrize("status", sorted(ses_answers.REFUSED))
def test_a_copy_that_is_refused_is_rejected(status: str) -> None:
    answer = hand_over(make(statuses={OTHER: status}), batch(3))
    assert answer.rejected == {2: f"{status}: Unknown error occurred. Please try again later"}
    assert len(answer.message_ids) == 2
    assert not answer.again
    assert answer.trouble is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, TryAgainError) for status in sorted(ses_answers.PASSING)),
        ("ACCOUNT_DAILY_QUOTA_EXCEEDED", QuotaError),
        *((status, AccountError) for status in sorted(ses_answers.STOPPED)),
    ],
)
def test_a_copy_that_was_not_taken_is_tried_again(status: str, kind: type[NotAcceptedError]) -> None:
    answer = hand_over(make(statuses={OTHER: status}), batch(3))
    assert list(answer.again) == [2]
    assert isinstance(answer.trouble, kind)
    assert len(answer.message_ids) == 2
    assert not answer.rejected
    with pytest.raises(kind):
        hand_over(make(statuses={f"reader{number}@example.net": status for number in (1, 2)}))


def test_a_status_nobody_knows_leaves_the_copy_uncertain() -> None:
    answer = hand_over(make(statuses={OTHER: "QUEUED_SOMEWHERE"}), batch(3))
    assert list(answer.uncertain) == [2]
    assert len(answer.message_ids) == 2
    assert not answer.rejected
    assert not answer.again
    alone = hand_over(make(statuses={"reader1@example.net": "QUEUED_SOMEWHERE"}), batch(1))
    assert list(alone.uncertain) == [1]


def test_of_several_troubles_the_worst_counts() -> None:
    statuses = {
        "reader1@example.net": "TRANSIENT_FAILURE",
        "reader2@example.net": "ACCOUNT_SUSPENDED",
        "reader3@example.net": "ACCOUNT_DAILY_QUOTA_EXCEEDED",
        "reader4@example.net": "MESSAGE_REJECTED",
    }
    extra = (recipient(9, "jürgen@example.net"),)
    answer = hand_over(make(statuses=statuses), batch(5, extra=extra))
    assert set(answer.again) == {1, 2, 3}
    assert set(answer.rejected) == {4, 9}
    assert isinstance(answer.trouble, AccountError)
    assert len(answer.message_ids) == 1
    del statuses["reader2@example.net"]
    assert isinstance(hand_over(make(statuses=statuses), batch(5)).trouble, QuotaError)


def test_what_is_refused_to_all_is_blamed_on_what_they_share() -> None:
    statuses = {f"reader{number}@example.net": "MESSAGE_REJECTED" for number in range(1, 4)}
    with pytest.raises(BadCallError, match="MESSAGE_REJECTED") as caught:
        hand_over(make(statuses=statuses), batch(3))
    assert caught.value.shared
    # Of one alone nobody can tell.
    assert list(hand_over(make(statuses=statuses), batch(1)).rejected) == [1]


def test_a_copy_that_has_no_id_is_accepted_all_the_same() -> None:
    entries = [{"Status": "SUCCESS", "MessageId": "a"}, {"Status": "SUCCESS"}]
    response = httpx.Response(200, json={"BulkEmailEntryResults": entries})
    answer = ses_answers.answer(response, batch(2).recipients, {})
    assert answer == Answer()


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        {"BulkEmailEntryResults": []},
        {"BulkEmailEntryResults": [{"Status": "SUCCESS"}]},
        {"BulkEmailEntryResults": [{"Status": "SUCCESS"}] * 3},
        {"BulkEmailEntryResults": [{"MessageId": "a"}, {"MessageId": "b"}]},
        {"BulkEmailEntryResults": ["SUCCESS", "SUCCESS"]},
        {"BulkEmailEntryResults": None},
    ],
)
def test_an_answer_without_the_results_proves_nothing(content: Any) -> None:
    with pytest.raises(UncertainError):
        ses_answers.answer(httpx.Response(200, json=content), batch(2).recipients, {})


# Quotas, the sandbox, permissions ----------------------------------------------------------------------------------


def test_a_call_with_more_than_the_second_takes_is_taken_in_part() -> None:
    simulated = make(rate=3)
    answer = hand_over(simulated, batch(5))
    assert len(answer.message_ids) == 3
    assert list(answer.again) == [4, 5]
    assert isinstance(answer.trouble, TryAgainError)
    with pytest.raises(TryAgainError, match="Maximum sending rate exceeded"):
        hand_over(simulated, batch(5))


def test_a_call_with_more_than_the_day_takes_is_taken_in_part() -> None:
    simulated = make(a_day=103, gone=100)
    answer = hand_over(simulated, batch(5))
    assert list(answer.again) == [4, 5]
    assert isinstance(answer.trouble, QuotaError)
    with pytest.raises(QuotaError, match="Daily message quota exceeded"):
        hand_over(simulated, batch(5))


def test_in_the_sandbox_nobody_is_rejected_and_the_account_is_told_of() -> None:
    verified = frozenset({"reader1@example.net"})
    simulated = make(sandbox=True, verified=verified)
    answer = hand_over(simulated, batch(3, extra=(recipient(9, "success@simulator.amazonses.com"),)))
    assert len(answer.message_ids) == 2
    assert list(answer.again) == [2, 3]
    assert isinstance(answer.trouble, AccountError)
    with pytest.raises(AccountError, match="not verified"):
        hand_over(make(sandbox=True), batch(3))


@pytest.mark.parametrize(
    ("simulated", "words"),
    [
        ({"domain": "example.org"}, "MessageRejected, Email address is not verified"),
        ({"enabled": False}, "SendingPausedException"),
        ({"tracking": False}, "allow it, or set ses.tracking_off = false"),
        ({"configuration_set": "other"}, "Configuration set"),
    ],
)
def test_what_only_the_account_can_mend_stops_it(simulated: dict[str, Any], words: str) -> None:
    with pytest.raises(AccountError, match=words):
        hand_over(make(**simulated), configuration_set="weekly")


def test_without_the_permission_mail_goes_out_where_tracking_is_left_alone() -> None:
    simulated = make(tracking=False)
    hand_over(simulated, tracking_off=False)
    assert len(simulated.record.accepted) == 2


# Errors by their names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "words", "expected"),
    [
        (400, "ThrottlingException", "Maximum sending rate exceeded.", TryAgainError),
        (400, "Throttling", "Daily message quota exceeded.", QuotaError),
        (429, "TooManyRequestsException", "", TryAgainError),
        (429, "", "", TryAgainError),
        (400, "LimitExceededException", "", QuotaError),
        (400, "AccountSuspendedException", "", AccountError),
        (400, "SendingPausedException", "", AccountError),
        (400, "MailFromDomainNotVerifiedException", "", AccountError),
        (400, "MessageRejected", "Email address is not verified.", AccountError),
        (400, "MessageRejected", "Message contains a virus.", BadCallError),
        (404, "NotFoundException", "Configuration set <x> does not exist.", AccountError),
        (400, "BadRequestException", "Configuration set <x> does not exist.", AccountError),
        (400, "RequestExpired", "", AccountError),
        (400, "SomethingNewException", "", AccountError),
        (403, "SignatureDoesNotMatch", "", AccountError),
        (403, "AccessDeniedException", "", AccountError),
        (401, "", "", AccountError),
        (403, "", "", AccountError),
        (404, "", "", AccountError),
        (400, "", "", UncertainError),
        (302, "", "", UncertainError),
        (408, "RequestTimeoutException", "", UncertainError),
        (500, "InternalFailure", "", UncertainError),
        (500, "", "", UncertainError),
        (502, "", "", UncertainError),
        (503, "ServiceUnavailable", "", UncertainError),
        (503, "Throttling", "", TryAgainError),
        (504, "", "", UncertainError),
    ],
)
@pytest.mark.parametrize("named_in", ["header", "body"])
def test_an_error_means_what_its_name_says(
    status: int, kind: str, words: str, expected: type[ProviderError], named_in: str
) -> None:
    headers = {"x-amzn-ErrorType": f"{kind}:http://internal.amazon.com/"} if named_in == "header" and kind else {}
    content = {"message": words} | ({"__type": f"com.amazonaws.ses#{kind}"} if named_in == "body" and kind else {})
    found = ses_answers.failure(httpx.Response(status, json=content, headers=headers), batch(2).recipients, ())
    assert type(found) is expected
    assert str(status) in str(found)
    if isinstance(found, BadCallError):
        assert found.shared


@pytest.mark.parametrize(
    ("words", "readers", "rejected", "shared"),
    [
        ("at 'bulkEmailEntries.2.member.destination' failed", 3, [2], False),
        ("at 'bulkEmailEntries.1.member.x'; at 'bulkEmailEntries.3.member.x'", 3, [1, 3], False),
        ("at 'bulkEmailEntries.1.member.x' failed", 1, [1], False),
        # All of them, or one that is not there: that is no reader's fault.
        ("at 'bulkEmailEntries.1.member.x'; at 'bulkEmailEntries.2.member.x'", 2, [], True),
        ("at 'bulkEmailEntries.9.member.x' failed", 3, [], True),
        ("at 'bulkEmailEntries.0.member.x' failed", 3, [], True),
        ("Template contains unsupported operations.", 3, [], True),
        ("Invalid email address<verdicts@>.", 3, [], True),
        ("at 'defaultContent' failed to satisfy constraint", 3, [], True),
        ("Something is wrong", 3, [], False),
    ],
)
def test_a_bad_call_is_blamed_on_whom_it_names(words: str, readers: int, rejected: list[int], shared: bool) -> None:
    response = httpx.Response(400, json={"message": words}, headers={"x-amzn-ErrorType": "BadRequestException"})
    found = ses_answers.failure(response, batch(readers).recipients, ())
    assert isinstance(found, BadCallError)
    assert (list(found.rejected), found.shared) == (rejected, shared)


# The simulator -----------------------------------------------------------------------------------------------------


def refused(response: httpx.Response) -> tuple[int, str, str]:
    return response.status_code, response.headers["x-amzn-errortype"].partition(":")[0], response.json()["message"]


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("FromEmailAddress", "FromEmailAddress is required."),
        ("DefaultContent", "'defaultContent'"),
        ("BulkEmailEntries", "'bulkEmailEntries'"),
    ],
)
def test_the_simulator_refuses_a_call_without_a_field(missing: str, words: str) -> None:
    whole = document()
    del whole[missing]
    status, kind, said = refused(posted(make(), whole))
    assert (status, kind) == (400, "BadRequestException")
    assert words in said


def test_a_missing_field_is_a_bad_call() -> None:
    with pytest.raises(BadCallError) as caught:
        hand_over(make(), batch(2, message=replace(MESSAGE, subject="")))
    assert caught.value.shared


def test_the_simulator_names_the_entry_that_is_wrong() -> None:
    wrong = document(3)
    del wrong["BulkEmailEntries"][1]["Destination"]
    assert "'bulkEmailEntries.2.member.destination'" in refused(posted(make(), wrong))[2]
    wrong = document(3)
    wrong["BulkEmailEntries"][2]["ReplacementHeaders"] = [{"Name": "X-A", "Value": "ü"}]
    assert "'bulkEmailEntries.3.member.replacementHeaders.1.member.value'" in refused(posted(make(), wrong))[2]


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("ReplacementHeaders", [{"Name": "Message-ID", "Value": "<a@b>"}]),
        ("ReplacementHeaders", [{"Name": "X-A"}]),
        ("ReplacementHeaders", [{"Name": f"X-{number}", "Value": "x"} for number in range(16)]),
        ("ReplacementTags", [{"Name": "reader", "Value": "a@example.net"}]),
        ("ReplacementTags", [{"Name": "ses:caller-identity", "Value": "x"}]),
        ("ReplacementEmailContent", {"ReplacementTemplate": {"ReplacementTemplateData": "{"}}),
        ("ReplacementEmailContent", {"ReplacementTemplate": {"ReplacementTemplateData": {"t": "1"}}}),
    ],
)
def test_the_simulator_refuses_an_entry_against_the_rules(part: str, value: Any) -> None:
    wrong = document(2)
    wrong["BulkEmailEntries"][1][part] = value
    assert refused(posted(make(), wrong))[:2] == (400, "BadRequestException")


@pytest.mark.parametrize("template", ["{{#if t}}x{{/if}}", "{{{t}}}", "{{> part}}"])
def test_the_simulator_takes_plain_variables_only(template: str) -> None:
    said = refused(posted(make(), document(Html=template)))
    assert said == (400, "BadRequestException", "Template contains unsupported operations.")


@pytest.mark.parametrize("template", ["Hello {{name}}", "Hello {{", "Hello {{name"])
def test_what_cannot_be_rendered_is_accepted_and_never_sent(template: str) -> None:
    simulated = make()
    response = posted(simulated, document(Html=template))
    [result] = response.json()["BulkEmailEntryResults"]
    assert result["Status"] == "SUCCESS"
    assert not simulated.record.accepted
    [event] = simulated.events
    assert event["eventType"] == "Rendering Failure"
    assert event["mail"]["messageId"] == result["MessageId"]


def test_a_default_stands_in_for_a_missing_variable() -> None:
    simulated = make()
    call = document(Html="Hello {{name}}")
    call["DefaultContent"]["Template"]["TemplateData"] = '{"name":"you"}'
    posted(simulated, call)
    assert simulated.record.accepted[0].html == "Hello you"


@pytest.mark.parametrize("body", [b"", b"{", b"[]"])
def test_the_simulator_refuses_what_is_no_call(body: bytes) -> None:
    assert refused(posted(make(), body))[:2] == (400, "SerializationException")


def test_a_wrong_answer_address_is_told_of_every_entry() -> None:
    call = document(2) | {"ReplyToAddresses": ["editor"]}
    results = posted(make(), call).json()["BulkEmailEntryResults"]
    assert [result["Status"] for result in results] == ["INVALID_PARAMETER"] * 2


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"Authorization": ""}, "MissingAuthenticationTokenException"),
        ({"Authorization": "Bearer x"}, "IncompleteSignatureException"),
        ({"x_amz_meta": "not signed"}, "IncompleteSignatureException"),
        ({"Content_Type": "text/plain"}, "SignatureDoesNotMatch"),
        ({"X_Amz_Date": "20260101T000000Z"}, "SignatureDoesNotMatch"),
    ],
)
def test_the_simulator_refuses_what_is_not_signed_so(changed: dict[str, Any], kind: str) -> None:
    simulated = make()
    assert refused(posted(simulated, document(), **changed))[:2] == (403, kind)
    assert not simulated.record.accepted


def test_the_simulator_computes_the_signature_of_the_body() -> None:
    simulated = make()
    with running(simulated) as (url, _):
        target = f"{url}/v2/email/outbound-bulk-emails"
        headers = sigv4.signed(
            sigv4.Credentials("AKIASIMULATED", SECRET),
            region="us-east-1",
            service="ses",
            method="POST",
            url=target,
            headers={},
            payload_hash=hashlib.sha256(b"another").hexdigest(),
            now=datetime.now(UTC),
        )
        response = httpx.post(target, content=orjson.dumps(document()), headers=headers)
    assert refused(response)[1] == "SignatureDoesNotMatch"


def test_the_simulator_knows_no_other_call() -> None:
    async def work(one: Provider) -> httpx.Response:
        assert isinstance(one, provider.Ses)
        return await one._call("GET", "/v2/email/identities")

    with running(make()) as (url, _):
        assert with_provider("ses", OPTIONS | {"url": url}, work).status_code == 404


def test_the_simulator_says_how_to_reach_it() -> None:
    simulated = make(session_token="t", region="eu-west-1")
    with running(simulated) as (url, _):
        usage = simulated.usage(url)
        given = {name.partition(".")[2]: value for name, value in usage.items() if "." in name}

        def work(one: Provider) -> Coroutine[Any, Any, Answer]:
            return one.hand_over(batch(1))

        with_provider(usage["provider"], given, work)
    assert simulated.record.accepted[0].headers["Message-ID"].endswith("@eu-west-1.amazonses.com>")
