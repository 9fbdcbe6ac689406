from __future__ import annotations

import html
import json
import re
import time
import tomllib
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from batches import KEY, MESSAGE, batch, recipient, with_provider

from digest.providers import connect, options_of
from digest.providers import postmark as provider_file
from digest.providers.interface import (
    AccountError,
    Answer,
    BadCallError,
    Batch,
    Provider,
    ProviderError,
    QuotaError,
    Segments,
    TryAgainError,
    UncertainError,
)
from digest.providers.wire import Form
from digest.simulators import simulate
from digest.simulators.faults import Faults
from digest.simulators.record import Record
from digest.simulators.server import Server, running
from digest.simulators.simulator import Reply, Request, Simulator

TOKEN = "pm-simulated"
BOTH = pytest.mark.parametrize("mode", ["batch", "bulk"])
OK = {"ErrorCode": 0, "Message": "OK", "MessageID": "id"}
PAGE = Path(__file__).parents[2] / "docs" / "providers" / "postmark.md"


class Fixed(Simulator):
    """Answers what it is told to, the last for ever, and keeps what it was asked."""

    name = "postmark"

    def __init__(self, *replies: Reply) -> None:
        super().__init__()
        self.replies, self.requests = list(replies), list[Request]()

    def answer(self, request: Request, number: int) -> Reply:
        self.requests.append(request)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def too_many(self, retry_after_s: float) -> Reply:
        raise NotImplementedError

    def usage(self, url: str) -> dict[str, str]:
        return {}


def working(url: str, work: Callable[[Provider], Coroutine[Any, Any, Any]], **options: Any) -> Any:
    return with_provider("postmark", {"token": TOKEN, "url": url, "timeout_s": 5, **options}, work)


def handed_over(url: str, given: Batch, **options: Any) -> Answer:
    answer = working(url, lambda provider: provider.hand_over(given), **options)
    assert isinstance(answer, Answer)
    return answer


def asked(url: str, given: Batch, **options: Any) -> dict[int, str | None]:
    return dict(working(url, lambda provider: provider.ask(given), **options))


@contextmanager
def simulated(faults: Faults | None = None, **options: Any) -> Iterator[tuple[str, Simulator, Server]]:
    simulator = simulate("postmark", **options)
    with running(simulator, faults) as (url, server):
        yield url, simulator, server


def answered(reply: Any, given: Batch, *, status: int = 200, mode: str = "batch") -> Answer:
    with running(Fixed(Reply.json(status, reply))) as (url, _):
        return handed_over(url, given, mode=mode)


def now(given: Batch) -> Batch:
    return replace(given, date=datetime.now(UTC))


# What arrives --------------------------------------------------------------------------------------------------------


@BOTH
def test_each_copy_arrives_with_its_own_token_and_greeting(mode: str) -> None:
    with simulated() as (url, simulator, _):
        answer = handed_over(url, batch(3), mode=mode)
    copies = simulator.record.accepted
    assert [copy.address for copy in copies] == [f"reader{number}@example.net" for number in (1, 2, 3)]
    assert (answer.rejected, answer.again, answer.uncertain, answer.trouble) == ({}, {}, {}, None)
    if mode == "batch":
        assert list(answer.message_ids) == [copy.message_id for copy in copies]
    else:
        assert len(answer.message_ids) == 1
    for number, copy in enumerate(copies, 1):
        token = f"token{number:019}"
        assert f"Hello &lt;{number}&gt; &amp; &quot;Ü&quot;," in copy.html
        assert f"https://example.com/u/{token}'" in copy.html
        assert copy.text.startswith(f'Hello <{number}> & "Ü",\n')
        assert copy.text.endswith(f"https://example.com/u/{token}\n")
        assert copy.headers["List-Unsubscribe"] == f"<https://example.com/u/{token}>"
        assert copy.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert copy.headers["List-Id"] == "<weekly.example.com>"
        assert copy.tags == {"batch": KEY, "copy": token, "message": f"message{number:017}"}


@BOTH
def test_what_an_author_wrote_reads_the_same(mode: str) -> None:
    with simulated() as (url, simulator, _):
        handed_over(url, batch(1), mode=mode)
    (copy,) = simulator.record.accepted
    assert seen(copy.subject) == "Two tools & {{one}} verdict – 花子"
    assert "{{not_ours}} %recipient.x% -t-" in seen(copy.html)
    assert "{{not_ours}} %recipient.x% -t-\n" in seen(copy.text)


def seen(text: str) -> str:
    return html.unescape(text).replace("\N{WORD JOINER}", "")


@BOTH
@pytest.mark.parametrize("braces", ["{", "{{", "{{{", "{{{{", "}}", "{{#each x}}", "{{{ pm:content }}}"])
def test_braces_beside_a_place_read_the_same(braces: str, mode: str) -> None:
    around = Segments((braces, braces), ("token",))
    with simulated() as (url, simulator, _):
        handed_over(url, batch(1, message=replace(MESSAGE, html=around, text=around)), mode=mode)
    (copy,) = simulator.record.accepted
    assert seen(copy.html) == seen(copy.text) == f"{braces}token{1:019}{braces}"


@BOTH
def test_our_own_message_id_is_kept(mode: str) -> None:
    with simulated() as (url, simulator, _):
        handed_over(url, batch(1), mode=mode)
    (copy,) = simulator.record.accepted
    assert copy.headers["Message-ID"] == f"<message{1:017}@example.com>"


@BOTH
def test_tracking_is_off_and_the_stream_is_named_in_every_message(mode: str) -> None:
    with running(fixed := Fixed(Reply.json(200, [OK, OK] if mode == "batch" else {"Id": "b"}))) as (url, _):
        handed_over(url, batch(2), mode=mode, stream="weekly")
    content = fixed.requests[0].json()
    for message in [content] if mode == "bulk" else content:
        assert message["TrackOpens"] is False
        assert message["TrackLinks"] == "None"
        assert message["MessageStream"] == "weekly"
        assert message["From"] == '"Weekly, Verdicts" <verdicts@example.com>'
        assert message["ReplyTo"] == "editor@example.com"
    for copy in content["Messages"] if mode == "bulk" else content:
        assert {"Name": "X-PM-KeepID", "Value": "true"} in copy["Headers"]
    if mode == "bulk":
        assert content["InlineCss"] is False
        assert content["Messages"][0]["TemplateModel"].keys() == {"t", "g", "h", "k"}  # m is in headers only


@BOTH
def test_the_same_batch_is_the_same_bytes(mode: str) -> None:
    with running(fixed := Fixed(Reply.json(200, [OK] * 3 if mode == "batch" else {"Id": "b"}))) as (url, _):
        handed_over(url, batch(3), mode=mode)
        handed_over(url, batch(3), mode=mode)
    assert fixed.requests[0].body == fixed.requests[1].body


def test_the_shared_body_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    forms = list[object]()

    def counted(document: object) -> Form:
        forms.append(document)
        return Form(document)

    monkeypatch.setattr(provider_file, "Form", counted)
    other = replace(MESSAGE, subject="Another")

    async def thrice(provider: Provider) -> None:
        for message in (MESSAGE, MESSAGE, other):
            await provider.hand_over(batch(2, message=message))

    with simulated() as (url, simulator, _):
        working(url, thrice)
    assert len(forms) == 2
    assert [copy.subject for copy in simulator.record.accepted][-2:] == ["Another", "Another"]


@BOTH
@pytest.mark.parametrize(
    "broken",
    [
        recipient(9, address="a@example.net\r\nBcc: b@example.net"),
        recipient(9)._replace(values={**recipient(9).values, "token": "t\nX: y"}),
    ],
)
def test_a_value_with_a_line_break_is_never_handed_over(broken: Any, mode: str) -> None:
    with simulated() as (url, simulator, _), pytest.raises(BadCallError) as caught:
        handed_over(url, batch(2, extra=(broken,)), mode=mode)
    assert caught.value.rejected.keys() == {9}
    assert simulator.record.calls == 0


# What is refused -----------------------------------------------------------------------------------------------------


@BOTH
def test_a_wrong_token_stops_everything_and_is_not_told(mode: str) -> None:
    with simulated() as (url, _, _), pytest.raises(AccountError) as caught:
        handed_over(url, batch(1), mode=mode, token="secret-token")
    assert str(caught.value).startswith("HTTP 401: ErrorCode 10")
    assert "secret-token" not in str(caught.value)


def test_one_message_over_the_limit_is_refused_and_may_be_split() -> None:
    with simulated() as (url, simulator, _), pytest.raises(BadCallError, match="ErrorCode 410") as caught:
        handed_over(url, batch(501))
    assert (caught.value.shared, caught.value.rejected, simulator.record.accepted) == (False, {}, [])


@BOTH
def test_what_would_weigh_too_much_is_not_even_handed_over(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with simulated() as (url, simulator, _):
        handed_over(url, batch(4), mode=mode)
        with running(fixed := Fixed(Reply.json(200, [OK] * 4 if mode == "batch" else {"Id": "b"}))) as (other, _):
            handed_over(other, batch(4), mode=mode)
        size = len(fixed.requests[0].body)
        monkeypatch.setattr(provider_file, "MOST_BYTES", size)
        handed_over(url, batch(4), mode=mode)
        monkeypatch.setattr(provider_file, "MOST_BYTES", size - 1)
        with pytest.raises(BadCallError, match="would weigh") as caught:
            handed_over(url, batch(4), mode=mode)
        monkeypatch.setattr(provider_file, "MOST_BYTES", 100)
        with pytest.raises(BadCallError) as alone:
            handed_over(url, batch(1), mode=mode)
    assert (caught.value.shared, alone.value.shared) == (False, True)
    assert simulator.record.calls == 2


def test_a_call_that_the_server_finds_too_large_may_be_split() -> None:
    with simulated(most_bytes=4_000) as (url, _, _):
        with pytest.raises(BadCallError, match="HTTP 413") as caught:
            handed_over(url, batch(5))
        assert len(handed_over(url, batch(2)).message_ids) == 2
    assert caught.value.shared is False


@BOTH
def test_a_missing_body_is_everybodys_fault(mode: str) -> None:
    empty = replace(MESSAGE, html=Segments(("",)), text=Segments(("",)))
    with simulated() as (url, simulator, _):
        if mode == "bulk":
            with pytest.raises(BadCallError, match="TextBody") as caught:
                handed_over(url, batch(2, message=empty), mode=mode)
            assert caught.value.shared
        else:
            answer = handed_over(url, batch(2, message=empty))
            assert answer.again.keys() == {1, 2}
            assert isinstance(answer.trouble, AccountError)
    assert simulator.record.accepted == []


def test_a_bad_address_is_rejected_alone() -> None:
    with simulated() as (url, simulator, _):
        answer = handed_over(url, batch(2, extra=(recipient(3, "no address"), recipient(4))))
    assert answer.rejected == {3: "ErrorCode 300: Invalid 'To' address: 'no address'."}
    assert len(answer.message_ids) == len(simulator.record.accepted) == 3
    assert list(answer.message_ids) == [copy.message_id for copy in simulator.record.accepted]


def test_a_suppressed_address_is_rejected_alone() -> None:
    with simulated(inactive="Reader2@example.net") as (url, _, _):
        answer = handed_over(url, batch(3))
    assert answer.rejected.keys() == {2}
    assert answer.rejected[2].startswith("ErrorCode 406: You tried to send")
    assert (len(answer.message_ids), answer.trouble) == (2, None)


@pytest.mark.parametrize("address", ["reader1@example.net", "odd'one@example.net"])
def test_a_bad_address_in_bulk_mail_is_named_and_only_that(address: str) -> None:
    problem = (300, f"Invalid 'To' address: '{address}'.")
    with simulated(errors={address: problem}) as (url, simulator, _), pytest.raises(BadCallError) as caught:
        handed_over(
            url, batch(3, extra=(recipient(8, "odd'one@example.net"), recipient(9, "one@example.net"))), mode="bulk"
        )
    assert caught.value.rejected == {8 if "odd" in address else 1: f"ErrorCode 300: {problem[1]}"}
    assert simulator.record.accepted == []


def test_several_bad_addresses_in_bulk_mail_are_all_named() -> None:
    with simulated() as (url, _, _), pytest.raises(BadCallError) as caught:
        handed_over(url, batch(2, extra=(recipient(3, "no address"), recipient(4, "nor this"))), mode="bulk")
    assert caught.value.rejected.keys() == {3, 4}
    assert "Invalid 'To' address: 'no address'.; Invalid" in str(caught.value)


def test_bulk_mail_leaves_out_the_suppressed_without_a_word() -> None:
    with simulated(inactive="reader2@example.net") as (url, simulator, _):
        (bulk_id,) = handed_over(url, batch(3), mode="bulk").message_ids
        headers = {"X-Postmark-Server-Token": TOKEN, "Accept": "application/json"}
        state = httpx.get(f"{url}/email/bulk/{bulk_id}", headers=headers).json()
        missing = httpx.get(f"{url}/email/bulk/other", headers=headers)
    assert (state["Status"], state["ReleasedCount"], state["FailedCount"]) == ("Completed", 2, 1)
    assert (missing.status_code, missing.json()["ErrorCode"]) == (404, 12)
    assert len(simulator.record.accepted) == 2


def test_bulk_mail_that_is_not_allowed_for_the_account_stops_everything() -> None:
    with simulated(bulk=False) as (url, _, _), pytest.raises(AccountError, match="ErrorCode 14"):
        handed_over(url, batch(1), mode="bulk")


@BOTH
@pytest.mark.parametrize(("wrong", "word"), [({"stream": "other"}, "stream"), ({"domain": "example.org"}, "Signature")])
def test_an_unknown_stream_or_sender_stops_everything(mode: str, wrong: dict[str, Any], word: str) -> None:
    with simulated(**wrong) as (url, simulator, _):
        if mode == "bulk":
            with pytest.raises(AccountError, match=word):
                handed_over(url, batch(2), mode=mode)
        else:
            answer = handed_over(url, batch(2))
            assert answer.again.keys() == {1, 2}
            assert isinstance(answer.trouble, AccountError)
            assert word in str(answer.trouble)
    assert simulator.record.accepted == []


# What is said of each copy -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (405, QuotaError),
        (100, TryAgainError),
        (429, TryAgainError),
        *((code, AccountError) for code in (10, 400, 401, 412, 413, 422, 1235, 1236, 1480)),
        (402, AccountError),
        (4711, AccountError),  # nobody knows it: a person looks before anything else goes out
    ],
)
def test_a_copy_refused_for_a_reason_not_its_own_is_tried_again(code: int, kind: type[ProviderError]) -> None:
    with simulated(errors={"reader2@example.net": (code, "so it is")}) as (url, simulator, _):
        answer = handed_over(url, batch(3))
    assert answer.again == {2: f"ErrorCode {code}: so it is"}
    assert type(answer.trouble) is kind
    assert len(answer.message_ids) == len(simulator.record.accepted) == 2


def test_what_needs_a_person_counts_more_than_what_passes() -> None:
    errors = {f"reader{n}@example.net": (code, "") for n, code in ((1, 100), (2, 413), (3, 100))}
    with simulated(errors=errors) as (url, _, _):
        answer = handed_over(url, batch(4))
    assert answer.again.keys() == {1, 2, 3}
    assert isinstance(answer.trouble, AccountError)


@pytest.mark.parametrize(
    ("words", "where"),
    [
        ("Invalid 'To' address: 'reader1@example.net'.", "rejected"),
        ("Error parsing 'To': Illegal email domain.", "rejected"),
        ("Illegal email address 'Reader1@example.net'.", "rejected"),
        ("Invalid 'From' address: 'verdicts@example.com'.", "again"),
        ("Provide either email TextBody or HtmlBody or both.", "again"),
        ("'Metadata' may have 10 fields.", "again"),
        ("Something is wrong.", "again"),
    ],
)
def test_an_invalid_message_is_rejected_only_where_the_address_is_to_blame(words: str, where: str) -> None:
    answer = answered([{"ErrorCode": 300, "Message": words}], batch(1))
    assert getattr(answer, where) == {1: f"ErrorCode 300: {words}"}
    assert isinstance(answer.trouble, AccountError) == (where == "again")


def test_an_invalid_message_is_rejected_where_the_others_passed() -> None:
    answer = answered([OK, {"ErrorCode": 300, "Message": "Something is wrong."}], batch(2))
    assert answer.rejected == {2: "ErrorCode 300: Something is wrong."}
    assert (answer.again, answer.trouble) == ({}, None)


def test_what_all_copies_share_is_to_blame_though_others_passed() -> None:
    answer = answered([OK, {"ErrorCode": 300, "Message": "Invalid 'From' address: 'x'."}], batch(2))
    assert answer.again.keys() == {2}
    assert isinstance(answer.trouble, AccountError)


@pytest.mark.parametrize(
    ("item", "where"),
    [
        ({"Message": "Message accepted, but delivery may be delayed."}, "accepted"),
        ({"ErrorCode": 0, "Message": "OK"}, "accepted"),
        ({"ErrorCode": 0, "Message": "Message OK, but will not deliver to these inactive addresses: x"}, "rejected"),
        ({"ErrorCode": 101, "Message": "An error that should not have occurred."}, "uncertain"),
        ({"ErrorCode": 300, "Message": "Invalid 'To' address", "MessageID": "x"}, "uncertain"),
        ({"ErrorCode": None, "Message": "?"}, "uncertain"),
        ({"ErrorCode": "300", "Message": "?"}, "uncertain"),
        ({"ErrorCode": True, "Message": "?"}, "uncertain"),
        ({"ErrorCode": False, "Message": "?"}, "uncertain"),
        ({}, "uncertain"),
    ],
)  # fmt: skip
def test_an_odd_result_is_never_guessed(item: dict[str, Any], where: str) -> None:
    answer = answered([OK, item], batch(2))
    others = {name: getattr(answer, name).keys() for name in ("rejected", "again", "uncertain")}
    assert others.pop(where, {2}) == {2}
    assert not any(others.values())
    assert list(answer.message_ids) == (["id", ""] if where == "accepted" else ["id"])


@pytest.mark.parametrize(
    "content", [[OK], [OK] * 3, [OK, "OK"], {"ErrorCode": 0, "Message": "OK"}, {}, None, "OK"], ids=str
)
def test_an_answer_that_does_not_fit_the_batch_is_uncertain(content: Any) -> None:
    with pytest.raises(UncertainError):
        answered(content, batch(2))


@pytest.mark.parametrize("content", [{}, [], None, {"Status": "Accepted"}, {"Id": "b", "Status": "Cancelled"}], ids=str)
def test_an_answer_to_bulk_mail_without_sense_is_uncertain(content: Any) -> None:
    with pytest.raises(UncertainError):
        answered(content, batch(2), mode="bulk")


@pytest.mark.parametrize("status", [200, 202])
@pytest.mark.parametrize("name", ["Id", "ID"])
def test_bulk_mail_is_accepted_whichever_way_it_says_so(name: str, status: int) -> None:
    answer = answered({name: "b", "Status": "Accepted"}, batch(2), mode="bulk", status=status)
    assert answer == Answer(message_ids=["b"])


# What is said of a call ----------------------------------------------------------------------------------------------

JSON = {"Content-Type": "application/json"}


@BOTH
@pytest.mark.parametrize(
    ("status", "content", "kind", "shared"),
    [
        (401, b"", AccountError, None),
        (403, b"<html>blocked</html>", AccountError, None),
        (404, b"", AccountError, None),
        (405, b"", AccountError, None),
        (415, b"", AccountError, None),
        (422, b'{"ErrorCode":10,"Message":"no"}', AccountError, None),
        (422, b'{"ErrorCode":400,"Message":"no"}', AccountError, None),
        (422, b'{"ErrorCode":401,"Message":"no"}', AccountError, None),
        (422, b'{"ErrorCode":412,"Message":"no"}', AccountError, None),
        (422, b'{"ErrorCode":413,"Message":"no"}', AccountError, None),
        (422, b'{"ErrorCode":1480,"Message":"no"}', AccountError, None),
        (422, b'{"ErrorCode":405,"Message":"no credits"}', QuotaError, None),
        (422, b'{"ErrorCode":100,"Message":"later"}', TryAgainError, None),
        (422, b'{"ErrorCode":402,"Message":"Invalid JSON."}', BadCallError, True),
        (422, b'{"ErrorCode":403,"Message":"Invalid request field(s)."}', BadCallError, True),
        (422, b'{"ErrorCode":409,"Message":"JSON required"}', BadCallError, True),
        (422, b'{"ErrorCode":4711,"Message":"new"}', BadCallError, True),
        (422, b'{"ErrorCode":300,"Message":"Invalid \'From\' address: \'x\'."}', BadCallError, True),
        (422, b'{"ErrorCode":300,"Message":"who knows"}', BadCallError, False),
        (422, b'{"ErrorCode":11,"Message":"several"}', BadCallError, True),
        (422, b'{"ErrorCode":11,"Errors":{"To":[{"ErrorCode":300,"Message":"?"}],"X":7}}', BadCallError, False),
        (422, b'{"ErrorCode":11,"Errors":[{"ErrorCode":300,"Message":"?"}]}', BadCallError, False),
        (422, b'{"ErrorCode":101,"Message":"?"}', UncertainError, None),
        (422, b"<html>", UncertainError, None),
        (413, b"", BadCallError, False),
        (429, b"", TryAgainError, None),
        (503, b'{"ErrorCode":100,"Message":"maintenance"}', TryAgainError, None),
        (503, b"<html>", UncertainError, None),
        (503, b"{}", UncertainError, None),
        (500, b'{"ErrorCode":101,"Message":"lost"}', UncertainError, None),
        (502, b"", UncertainError, None),
        (504, b"", UncertainError, None),
        (400, b"", UncertainError, None),
        (302, b"", AccountError, None),
        (200, b"<html>", UncertainError, None),
    ],
)
def test_each_refusal_means_what_it_proves(
    status: int, content: bytes, kind: type[ProviderError], shared: bool | None, mode: str
) -> None:
    with running(Fixed(Reply(status, content, JSON))) as (url, _), pytest.raises(ProviderError) as caught:
        handed_over(url, batch(2), mode=mode)
    assert type(caught.value) is kind
    assert getattr(caught.value, "shared", None) is shared
    assert TOKEN not in str(caught.value)


def test_an_inactive_address_named_by_a_refused_call_is_rejected() -> None:
    words = "Found inactive addresses: reader2@example.net, READER3@example.net. Inactive recipients are ones that"
    with pytest.raises(BadCallError) as caught:
        answered({"ErrorCode": 406, "Message": words}, batch(4), status=422, mode="bulk")
    assert caught.value.rejected.keys() == {2, 3}


def test_too_many_calls_are_tried_again_when_it_says() -> None:
    with simulated(Faults(burst=1, retry_after_s=7)) as (url, simulator, _), pytest.raises(TryAgainError) as caught:
        handed_over(url, batch(1))
    assert caught.value.after_s == 7
    assert simulator.record.accepted == []


def test_no_connection_proves_that_nothing_arrived() -> None:
    with simulated() as (url, _, _):
        pass
    with pytest.raises(TryAgainError):
        handed_over(url, batch(1))


FAULTS = {
    "reset_before": 0, "reset_after": 2, "half": 2, "error_before": 0, "error_after": 2, "garbage": 2, "slow": 2
}  # fmt: skip


@BOTH
@pytest.mark.parametrize(("fault", "taken"), FAULTS.items())
def test_after_a_fault_the_search_tells_what_was_taken(fault: str, taken: int, mode: str) -> None:
    given = now(batch(2))
    with simulated(Faults(**{fault: 1, "slow_s": 30}), bulk_s=0) as (url, simulator, server):
        with pytest.raises(UncertainError):
            handed_over(url, given, mode=mode, timeout_s=0.2 if fault == "slow" else 5)
        server.misbehave(Faults())
        found = asked(url, given, mode=mode)
    assert len(simulator.record.accepted) == len(found) == taken
    ids = {copy.address: copy.message_id for copy in simulator.record.accepted}
    assert found == {number: ids[f"reader{number}@example.net"] for number in range(1, taken + 1)}


# What can be found out -----------------------------------------------------------------------------------------------


def test_only_what_was_taken_is_found_and_only_of_this_batch() -> None:
    with simulated(inactive="reader2@example.net") as (url, _, _):
        handed_over(url, batch(3))
        handed_over(url, batch(9, key="f" * 32))
        assert asked(url, batch(3)).keys() == {1, 3}
        assert asked(url, batch(3, key="e" * 32)) == {}


def test_less_than_the_batch_may_be_asked_for() -> None:
    with simulated() as (url, _, _):
        handed_over(url, batch(5))
        left = batch(5)
        found = asked(url, replace(left, recipients=left.recipients[1:3]))
    assert found.keys() == {2, 3}


def test_copies_are_known_though_their_links_are_signed_anew() -> None:
    given = batch(2)
    others = tuple(one._replace(values={**one.values, "token": "another"}) for one in given.recipients)
    with simulated() as (url, _, _):
        handed_over(url, given)
        assert asked(url, replace(given, recipients=others)).keys() == {1, 2}


@BOTH
def test_a_search_goes_on_page_by_page(mode: str) -> None:
    with simulated() as (url, simulator, _):
        for first in range(0, 1200, 400):  # the batch of one key, in calls that are small enough
            given = batch(1200)
            handed_over(url, replace(given, recipients=given.recipients[first : first + 400]), mode=mode)
        before = simulator.record.calls
        assert len(asked(url, batch(1200), mode=mode)) == 1200
        assert simulator.record.calls - before == 3


def test_a_search_lags_behind_and_settling_says_how_long() -> None:
    with simulated(lag_s=0.3) as (url, _, _):
        handed_over(url, batch(2))
        assert asked(url, batch(2)) == {}
        time.sleep(0.3)
        assert asked(url, batch(2)).keys() == {1, 2}


def found(*about: dict[str, str], total: int | None = None) -> Reply:
    messages = [{"MessageID": str(number), "Metadata": one} for number, one in enumerate(about)]
    return Reply.json(200, {"TotalCount": len(messages) if total is None else total, "Messages": messages})


MINE = {"batch": KEY, "message": f"message{1:017}"}


@pytest.mark.parametrize(
    "replies",
    [
        [found({"batch": "another", "message": "x"})],
        [found({})],
        [found(MINE, total=3), found(total=3)],
        [found(MINE, total=2), found(MINE, total=2)],
        [found(total=1)],
        [found(MINE, total=10_001)],
        [Reply.json(200, {"Messages": []})],
        [Reply.json(200, {"TotalCount": 0})],
        [Reply.json(200, [])],
        [Reply.json(200, {"TotalCount": 1, "Messages": ["x"]})],
        [Reply(200, b"<html>")],
        [Reply(204, b"")],
        [Reply.json(401, {"ErrorCode": 10, "Message": "no"})],
        [Reply.json(422, {"ErrorCode": 700, "Message": "no"})],
        [Reply.json(429, {})],
        [Reply(500, b"")],
    ],
    ids=str,
)  # fmt: skip
def test_a_search_that_is_not_complete_says_nothing(replies: list[Reply]) -> None:
    with running(Fixed(*replies)) as (url, _), pytest.raises(UncertainError):
        asked(url, batch(1))


def test_a_search_without_a_connection_proves_nothing() -> None:
    with simulated() as (url, _, _):
        pass
    with pytest.raises(UncertainError, match="no connection"):
        asked(url, batch(1))


def test_a_search_says_why_it_failed() -> None:
    refused = Reply.json(422, {"ErrorCode": 700, "Message": "Count is wrong."})
    with running(Fixed(refused)) as (url, _), pytest.raises(UncertainError, match="HTTP 422: ErrorCode 700, Count is"):
        asked(url, batch(1))
    with running(fixed := Fixed(found(MINE, total=10_001))) as (url, _), pytest.raises(UncertainError, match="10000"):
        asked(url, batch(1))
    assert len(fixed.requests) == 1


def test_a_search_never_asks_for_more_than_it_may() -> None:
    pages = [found(*({"batch": KEY, "message": f"{page}-{n}"} for n in range(500)), total=10_000) for page in range(20)]
    numbered = [
        Reply.json(200, {**json.loads(reply.body), "Messages": [
            {**message, "MessageID": f"{page}-{message['MessageID']}"} for message in json.loads(reply.body)["Messages"]
        ]})
        for page, reply in enumerate(pages)
    ]  # fmt: skip
    with running(fixed := Fixed(*numbered)) as (url, _):
        assert asked(url, batch(1)) == {}
    assert [(request.query["offset"], request.query["count"]) for request in fixed.requests][-1] == ("9500", "500")
    assert {request.query["metadata_batch"] for request in fixed.requests} == {KEY}
    assert {request.query["messagestream"] for request in fixed.requests} == {"broadcast"}


def test_bulk_mail_that_is_still_being_worked_says_nothing_yet() -> None:
    given = now(batch(3))
    with simulated(bulk_s=0.4) as (url, _, _):
        handed_over(url, given, mode="bulk")
        with pytest.raises(UncertainError, match="still Processing"):
            asked(url, given, mode="bulk")
        time.sleep(0.4)
        assert asked(url, given, mode="bulk").keys() == {1, 2, 3}


def test_bulk_mail_of_before_the_batch_says_nothing_about_it() -> None:
    given = batch(3)
    later = replace(given, date=datetime.now(UTC) + timedelta(hours=2), idempotency_key="f" * 32)
    with simulated(bulk_s=60) as (url, _, _):
        handed_over(url, given, mode="bulk")
        assert asked(url, later, mode="bulk") == {}
        assert asked(url, later, mode="batch") == {}


def test_the_list_of_bulk_mail_is_read_to_its_end() -> None:
    done = {"Id": "a", "Status": "Completed", "SubmittedAt": "2099-01-01T00:00:00.1234567Z"}
    waiting = {**done, "Id": "b", "Status": "Accepted"}
    pages = [
        Reply.json(200, {"TotalCount": 0, "Messages": []}),
        Reply.json(200, {"Requests": [done], "PaginationKey": "next"}),
        Reply.json(200, {"Requests": [waiting]}),
    ]
    with running(fixed := Fixed(*pages)) as (url, _), pytest.raises(UncertainError, match="b is still Accepted"):
        asked(url, batch(1), mode="bulk")
    assert [request.query.get("paginationKey") for request in fixed.requests[1:]] == [None, "next"]


def test_a_list_of_bulk_mail_without_an_end_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_file, "PAGES", 3)
    search = Reply.json(200, {"TotalCount": 0, "Messages": []})
    fixed = Fixed(search, Reply.json(200, {"Requests": [], "PaginationKey": "same"}))
    with running(fixed) as (url, _), pytest.raises(UncertainError, match="without an end"):
        asked(url, batch(1), mode="bulk")
    assert len(fixed.requests) == 4


@pytest.mark.parametrize(
    "reply", [Reply.json(200, []), Reply.json(200, {"Requests": [{}]}), Reply.json(404, {}),
              Reply.json(200, {"Requests": [{"Id": "a", "Status": "Completed", "SubmittedAt": "2099-01-01T00:00:00"}]}),
              Reply.json(200, {"Requests": [{"Id": "a", "Status": "Completed", "SubmittedAt": None}]})]
)  # fmt: skip
def test_a_list_of_bulk_mail_without_sense_says_nothing(reply: Reply) -> None:
    search = Reply.json(200, {"TotalCount": 0, "Messages": []})
    with running(Fixed(search, reply)) as (url, _), pytest.raises(UncertainError):
        asked(url, batch(1), mode="bulk")


# Options -------------------------------------------------------------------------------------------------------------


def made(**options: Any) -> Provider:
    return connect("postmark", {"token": TOKEN, **options})


def test_the_account_is_a_server_a_stream_and_a_way_of_proving() -> None:
    accounts = {made(**one).account for one in ({}, {"stream": "other"}, {"mode": "bulk"}, {"token": "another"})}
    assert len(accounts) == 4
    assert made().account == made(token=f"{TOKEN}\n", timeout_s=7).account
    assert not any(TOKEN in account for account in accounts)
    assert made().account.startswith("api.postmarkapp.com, stream broadcast, batch, token ")


def test_the_proof_is_of_a_whole_call_in_bulk_mode_only() -> None:
    assert (made().proof.whole, made(mode="bulk").proof.whole) == (False, True)
    assert (made().proof.replay_s, made().proof.settling_s, made(settling_s=9).proof.settling_s) == (0, 120, 9)
    assert made(mode="bulk").proof.settling_s == 600
    assert made().proof.ask_s == 6 * 24 * 3600
    assert made(kept_days=45).proof.ask_s == 44 * 24 * 3600


def test_the_limit_lets_a_search_show_a_whole_batch() -> None:
    assert made().limit == 250
    assert made(mode="bulk").limit <= 10_000


def test_the_page_has_every_option_and_settings_that_can_be_used() -> None:
    page = PAGE.read_text()
    for name, field in options_of("postmark").model_fields.items():
        assert f"| `{name}` |" in page
        assert field.description is not None
        assert field.description in page
    for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL):
        made(**tomllib.loads(block).get("postmark", {}))


# The simulator -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", 700),
        ("count=10", 700),
        ("count=501&offset=0", 700),
        ("count=0&offset=0", 700),
        ("count=500&offset=9501", 700),
        ("count=1&offset=0", 1226),  # the stream of transactional mail, by default
        ("count=1&offset=0&messagestream=broadcast&metadata_a=1&metadata_b=2", 700),
        ("count=500&offset=9500&messagestream=broadcast", None),
    ],
)
def test_the_simulated_search_refuses_what_the_real_one_does(query: str, code: int | None) -> None:
    with simulated() as (url, _, _):
        headers = {"X-Postmark-Server-Token": TOKEN.upper(), "Accept": "application/json"}
        response = httpx.get(f"{url}/messages/outbound?{query}", headers=headers)
    assert response.json().get("ErrorCode") == code
    assert response.status_code == (200 if code is None else 422)
    assert response.headers.get("x-pm-apierrorcode") == (None if code is None else str(code))


GOOD = {"From": "a@example.com", "To": "b@example.com", "TextBody": "x", "MessageStream": "broadcast"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, 0),
        ({"From": "Ann <a@example.com>", "To": '"B, c" <b@example.com>'}, 300),  # it splits at every comma
        ({"To": "B <b@example.com>"}, 0),
        ({"From": ""}, 300),
        ({"From": "a@localhost"}, 300),
        ({"To": None}, 300),
        ({"To": ",".join(["b@example.com"] * 51)}, 300),
        ({"ReplyTo": "nobody"}, 300),
        ({"TextBody": ""}, 300),
        ({"Subject": "x" * 2001}, 300),
        ({"TrackLinks": "All"}, 300),
        ({"Metadata": {"x" * 21: "y"}}, 300),
        ({"Metadata": {"x": "y" * 81}}, 300),
        ({"Metadata": {str(n): "" for n in range(11)}}, 300),
        ({"Headers": [{"Name": "X", "Value": "a\r\nY: b"}]}, 300),
        ({"MessageStream": "outbound"}, 1235),
        ({"HTML": "x"}, 403),
    ],
    ids=str,
)
def test_the_simulator_refuses_what_the_real_one_does(change: dict[str, Any], code: int) -> None:
    with simulated() as (url, simulator, _):
        headers = {"X-Postmark-Server-Token": TOKEN, "Accept": "application/json"}
        response = httpx.post(f"{url}/email/batch", headers=headers, json=[GOOD, {**GOOD, **change}])
    assert response.status_code == 200
    assert [item["ErrorCode"] for item in response.json()] == [0, code]
    assert len(simulator.record.accepted) == (2 if code == 0 else 1)


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"Accept": "text/html"}, b"[]", 415),
        ({"Content-Type": "text/plain"}, b"[]", 415),
        ({}, b"{", 422),
        ({}, b"{}", 422),
        ({}, b"[]", 422),
        ({"X-Postmark-Server-Token": ""}, b"[]", 401),
    ],
)
def test_the_simulator_refuses_calls_without_form(headers: dict[str, str], content: bytes, status: int) -> None:
    good = {"X-Postmark-Server-Token": TOKEN, "Accept": "application/json", "Content-Type": "application/json"}
    with simulated() as (url, _, _):
        assert httpx.post(f"{url}/email/batch", headers={**good, **headers}, content=content).status_code == status
        assert httpx.get(f"{url}/nothing", headers=good).status_code == 404


def test_the_simulator_replaces_a_message_id_that_is_not_to_be_kept() -> None:
    own = {**GOOD, "Headers": [{"Name": "Message-ID", "Value": "<mine@example.com>"}]}
    with simulated() as (url, simulator, _):
        headers = {"X-Postmark-Server-Token": TOKEN, "Accept": "application/json"}
        httpx.post(f"{url}/email/batch", headers=headers, json=[own])
    (copy,) = simulator.record.accepted
    assert copy.headers["Message-ID"] == f"<{copy.message_id}@mtasv.net>"


BULK = {k: v for k, v in GOOD.items() if k != "To"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Messages": [{"To": "b@example.com"}]}, None),
        ({"Messages": []}, 403),
        ({"Messages": [{"To": "b@example.com", "Html": "x"}]}, 403),
        ({"TextBody": "{{not valid}}", "Messages": [{"To": "b@example.com"}]}, 1122),
        ({"TextBody": "{{not valid}}", "Messages": [{"To": "b"}]}, 11),
        ({"MessageStream": "other"}, 1226),
        ({"To": "b@example.com"}, 403),
    ],
    ids=str,
)
def test_the_simulator_refuses_bulk_mail_as_the_real_one_does(change: dict[str, Any], code: int | None) -> None:
    with simulated() as (url, simulator, _):
        headers = {"X-Postmark-Server-Token": TOKEN, "Accept": "application/json"}
        response = httpx.post(f"{url}/email/bulk", headers=headers, json={**BULK, **change})
    assert response.json().get("ErrorCode") == code
    assert len(simulator.record.accepted) == (code is None)


def test_the_simulator_fills_in_variables_as_mustachio_does() -> None:
    model = {"a": "<&>"}
    content = {
        **BULK,
        "HtmlBody": "{{a}} {{{a}}} {{ a }} [{{none}}]",
        "Messages": [{"To": "b@example.com", "TemplateModel": model}],
    }
    with simulated() as (url, simulator, _):
        headers = {"X-Postmark-Server-Token": TOKEN, "Accept": "application/json"}
        httpx.post(f"{url}/email/bulk", headers=headers, json=content)
    (copy,) = simulator.record.accepted
    assert copy.html == "&lt;&amp;&gt; <&> &lt;&amp;&gt; []"


def test_a_long_run_keeps_no_bodies() -> None:
    with simulated(record=Record(bodies=False)) as (url, simulator, _):
        handed_over(url, batch(2), mode="bulk")
        handed_over(url, batch(2, key="f" * 32))
        assert asked(url, batch(2), mode="bulk").keys() == {1, 2}
    assert {copy.html for copy in simulator.record.accepted} == {""}
