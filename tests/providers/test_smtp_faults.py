"""Whatever an SMTP server does, no copy is lost and none counts as accepted, or as not, that may be otherwise."""

from __future__ import annotations

import asyncio
import base64
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from batches import MESSAGE, NOW, batch, recipient, with_provider
from keys import server_keys

from digest.providers.interface import (
    AccountError,
    Answer,
    BadCallError,
    Batch,
    NotAcceptedError,
    Provider,
    QuotaError,
    TryAgainError,
)
from digest.simulators.record import Record
from digest.simulators.smtp import SmtpSimulator, running_smtp
from digest.simulators.smtp_faults import SmtpFaults, Step

THIRD = "reader3@example.net"
LONG = "x" * 8_000_000
"""Twice in a message it is more than the buffers of both ends of a connection hold."""


@contextmanager
def served(script: Callable[[Step], str | None] | None = None, **options: Any) -> Iterator[tuple[SmtpSimulator, Any]]:
    server = SmtpSimulator(script=script, **options)
    with running_smtp(server) as (host, port):
        yield server, server.usage(host, port) | {"own_name": "digest.example.com"}


def hand_over(options: dict[str, Any], given: Batch) -> Answer:
    return with_provider("smtp", options, lambda provider: provider.hand_over(given))


def at(stage: str, action: str, *, message: int = 3, connection: int = 0) -> Callable[[Step], str | None]:
    """Do something at a stage of the n-th message, on each connection or on one."""

    def decide(step: Step) -> str | None:
        here = step.stage == stage and step.message == message and connection in (0, step.connection)
        return action if here else None

    return decide


def fates(answer: Answer, given: Batch) -> dict[int, str]:
    """Tell each copy's fate, and check that it has one alone."""
    named: Counter[int] = Counter()
    for part in (answer.rejected, answer.again, answer.uncertain):
        named.update(part.keys())
    assert not named or max(named.values()) == 1
    found = {r.subscriber: "accepted" for r in given.recipients}
    for name in ("rejected", "again", "uncertain"):
        found |= dict.fromkeys(getattr(answer, name), name)
    assert len(answer.message_ids) in (0, list(found.values()).count("accepted"))
    return found


def short(found: dict[int, str]) -> str:
    return "".join(fate[0] if fate != "again" else "-" for fate in found.values())


@pytest.mark.parametrize(
    ("stage", "reply", "expected"),
    [
        ("RCPT", "450 4.2.0 Greylisted", "aa-aa"),
        ("RCPT", "550 5.1.1 No such user", "aaraa"),
        ("RCPT", "552 5.2.2 Mailbox full", "aaraa"),
        ("RCPT", "554 5.4.1 Relay access denied by a host behind this one", "aaraa"),
        ("DATA", "451 4.3.0 Try again later", "aa-aa"),
        ("DATA", "554 5.5.1 No valid recipients", "aaraa"),
        ("content", "452 4.3.1 Insufficient system storage", "aa-aa"),
        ("content", "554 5.7.1 Looks like spam", "aaraa"),
        ("content", "552 5.3.4 Too much mail data", "aaraa"),
        # From here on it is not about the third copy alone.
        ("MAIL", "451 4.3.0 Try again later", "aa---"),
        ("MAIL", "550 5.7.1 You may not send as this", "aa---"),
        ("MAIL", "530 5.7.0 Authentication required", "aa---"),
        ("RCPT", "530 5.7.0 Authentication required", "aa---"),
        ("RCPT", "555 5.5.4 Unsupported option NOTIFY", "aa---"),
        ("RCPT", "550 5.4.5 Daily user sending limit exceeded", "aa---"),
        ("content", "454 4.7.0 Throttling failure: Daily message quota exceeded", "aa---"),
        ("content", "454 4.7.0 Throttling failure: Maximum sending rate exceeded", "aa---"),
        # Answers without any sense: before the message nobody has it.
        ("MAIL", "garbage", "aaaaa"),
        ("RCPT", "299 Whatever", "aaaaa"),
        ("DATA", "250 Ok", "aaaaa"),
        ("content", "354 Go on", "aau--"),
        ("content", "garbage", "aau--"),
        ("content", "half", "aau--"),
    ],
)
def test_each_answer_decides_about_its_copy(stage: str, reply: str, expected: str) -> None:
    with served(at(stage, reply, connection=1)) as (server, options):
        answer = hand_over(options, batch(5))
    found = fates(answer, batch(5))
    assert short(found) == expected, answer
    taken = [copy.address for copy in server.record.accepted]
    assert len(taken) == len(set(taken))
    for copy in batch(5).recipients:
        fate = found[copy.subscriber]
        if fate != "uncertain":
            assert (copy.address in taken) == (fate == "accepted")
    # Copies that are put off one by one trouble nobody else.
    assert (answer.trouble is not None) == ("--" in expected)


@pytest.mark.parametrize(
    ("stage", "reply", "kind"),
    [
        ("MAIL", "451 4.3.0 Try again later", TryAgainError),
        ("MAIL", "550 5.7.1 You may not send as this", AccountError),
        ("RCPT", "530 5.7.0 Authentication required", AccountError),
        ("content", "454 4.7.0 Throttling failure: Daily message quota exceeded", QuotaError),
        ("content", "354 Go on", TryAgainError),
    ],
)
def test_trouble_for_all_comes_beside_what_was_accepted_and_is_raised_where_nothing_was(
    stage: str, reply: str, kind: type[NotAcceptedError]
) -> None:
    with served(at(stage, reply)) as (_, options):
        answer = hand_over(options, batch(5))
    assert type(answer.trouble) is kind
    if stage != "content" or kind is QuotaError:
        with served(at(stage, reply, message=1)) as (_, options), pytest.raises(kind) as caught:
            hand_over(options, batch(5))
        assert type(caught.value) is kind


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "body"])
def test_a_line_lost_before_the_final_dot_is_replaced_and_the_copy_sent_once(stage: str) -> None:
    with served(at(stage, "drop", connection=1)) as (server, options):
        answer = hand_over(options, batch(5))
    # The message is so small that its dot was written before the line was found broken.
    expected = "aau--" if stage == "body" else "aaaaa"
    assert short(fates(answer, batch(5))) == expected
    if stage == "body":
        assert [copy.address for copy in server.record.accepted] == ["reader1@example.net", "reader2@example.net"]
    else:
        assert server.record.addresses() == {f"reader{n}@example.net": 1 for n in range(1, 6)}


def test_a_line_lost_in_the_middle_of_a_large_message_leaves_nothing_uncertain() -> None:
    """The message does not fit into the system's buffers, so the dot is never written."""
    extra = (recipient(3, name=LONG),)

    def script(step: Step) -> str | None:
        return "drop" if step.stage == "body" and len(server.received) == 2 else None

    with served(script, most_bytes=0) as (server, options):
        answer = hand_over(options, batch(2, extra=extra))
    assert short(fates(answer, batch(2, extra=extra))) == "aa-"
    assert "in the message" in answer.again[3]
    assert len(server.record.accepted) == 2


def test_a_line_lost_after_the_dot_before_acceptance_is_uncertain_and_the_rest_goes_again() -> None:
    with served(at("content", "drop")) as (server, options):
        answer = hand_over(options, batch(5))
    assert short(fates(answer, batch(5))) == "aau--"
    assert "after the final dot" in answer.uncertain[3]
    assert len(server.record.accepted) == 2


def test_a_line_lost_after_the_dot_after_acceptance_is_uncertain_and_the_rest_goes_again() -> None:
    with served(at("content", "accept and drop")) as (server, options):
        answer = hand_over(options, batch(5))
    assert short(fates(answer, batch(5))) == "aau--"
    assert len(server.record.accepted) == 3


def test_a_line_that_breaks_at_its_first_copy_is_not_tried_for_ever() -> None:
    with (
        served(lambda step: "drop" if step.stage == "MAIL" else None) as (server, options),
        pytest.raises(TryAgainError, match="the line broke at MAIL"),
    ):
        hand_over(options, batch(5))
    assert server.connections == 1


def test_421_for_a_worn_line_means_a_new_one() -> None:
    with served(most_messages=2) as (server, options):
        answer = hand_over(options, batch(5))
    assert short(fates(answer, batch(5))) == "aaaaa"
    assert [message.connection for message in server.received] == [1, 1, 2, 2, 3]


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "content"])
def test_421_for_a_fresh_line_means_later(stage: str) -> None:
    reply = "421 4.3.2 Shutting down"
    with served(lambda step: reply if step.stage == stage and len(server.received) == 2 else None) as (server, options):
        answer = hand_over(options, batch(5))
    assert short(fates(answer, batch(5))) == "aa---"
    assert isinstance(answer.trouble, TryAgainError)
    assert server.connections == 2
    with (
        served(lambda step: reply if step.stage == stage else None) as (_, options),
        pytest.raises(TryAgainError, match="421"),
    ):
        hand_over(options, batch(5))


@pytest.mark.parametrize(
    ("stage", "action", "kind"),
    [
        ("connect", "421 4.3.2 Busy", TryAgainError),
        ("connect", "554 5.7.1 Your address is blocked", AccountError),
        ("connect", "drop", TryAgainError),
        ("connect", "garbage", TryAgainError),
        ("connect", "slow", TryAgainError),
        ("EHLO", "421 4.3.2 Busy", TryAgainError),
        ("EHLO", "550 5.7.1 Not you", AccountError),
        ("EHLO", "drop", TryAgainError),
        ("EHLO", "half", TryAgainError),
        ("EHLO", "slow", TryAgainError),
    ],
)
def test_a_line_that_cannot_be_opened_has_carried_nothing(
    stage: str, action: str, kind: type[NotAcceptedError]
) -> None:
    script = at(stage, action, message=0)
    with served(script, faults=SmtpFaults(slow_s=2)) as (_, options), pytest.raises(kind) as caught:
        hand_over(options | {"timeout_s": 0.5}, batch(5))
    assert type(caught.value) is kind
    assert "127.0.0.1" in str(caught.value)


@pytest.mark.parametrize(("stage", "expected"), [("MAIL", "aa---"), ("RCPT", "aa---"), ("DATA", "aa---")])
def test_a_slow_answer_before_the_message_leaves_nothing_uncertain(stage: str, expected: str) -> None:
    def script(step: Step) -> str | None:
        return "slow" if step.stage == stage and len(server.received) == 2 else None

    with served(script, faults=SmtpFaults(slow_s=5)) as (server, options):
        answer = hand_over(options | {"timeout_s": 0.8}, batch(5))
        assert short(fates(answer, batch(5))) == expected
    assert len(server.received) == 2


def test_a_slow_answer_after_the_dot_is_waited_for_and_then_uncertain() -> None:
    with served(at("content", "slow"), faults=SmtpFaults(slow_s=1.2)) as (_, options):
        answer = hand_over(options | {"timeout_s": 0.7}, batch(5))
        assert short(fates(answer, batch(5))) == "aaaaa"
        answer = hand_over(options | {"timeout_s": 0.7, "accept_timeout_s": 0.7}, batch(5))
        assert short(fates(answer, batch(5))) == "aau--"


def test_copies_put_off_alone_are_trouble_that_passes() -> None:
    with (
        served(lambda step: "450 4.2.0 Greylisted" if step.stage == "RCPT" else None) as (_, options),
        pytest.raises(TryAgainError, match=r"5 put off, the first because of RCPT: 450 4\.2\.0 Greylisted"),
    ):
        hand_over(options, batch(5))


def test_relaying_denied_from_the_start_is_the_accounts_trouble() -> None:
    with (
        served(at("RCPT", "554 5.7.1 Relay access denied", message=1)) as (_, options),
        pytest.raises(AccountError, match="want a login"),
    ):
        hand_over(options, batch(5))


def test_content_that_nobody_gets_is_the_issues_fault_and_not_each_readers() -> None:
    with (
        served(lambda step: "554 5.7.1 Looks like spam" if step.stage == "content" else None) as (server, options),
        pytest.raises(BadCallError, match="Looks like spam") as caught,
    ):
        hand_over(options, batch(50))
    assert caught.value.shared
    assert server.record.refused["554"] == 3


def test_content_refused_after_some_were_accepted_is_those_copies_fault() -> None:
    def script(step: Step) -> str | None:
        return "554 5.7.1 Not for me" if step.stage == "content" and len(server.received) >= 1 else None

    async def work(provider: Provider) -> tuple[Answer, Answer]:
        return await provider.hand_over(batch(5)), await provider.hand_over(batch(5))

    with served(script) as (server, options):
        first, second = with_provider("smtp", options, work)
    assert short(fates(first, batch(5))) == "arrrr"
    assert short(fates(second, batch(5))) == "rrrrr"


def test_content_that_was_accepted_once_stays_so_though_another_variant_came_between() -> None:
    other = replace(MESSAGE, subject="What is on their topics")

    def script(step: Step) -> str | None:
        return "554 5.7.1 Not for me" if step.stage == "content" and len(server.received) >= 4 else None

    async def work(provider: Provider) -> Answer:
        for message in (MESSAGE, other):
            await provider.hand_over(batch(2, message=message))
        return await provider.hand_over(batch(5))

    with served(script) as (server, options):
        answer = with_provider("smtp", options, work)
    assert short(fates(answer, batch(5))) == "rrrrr"


def test_a_refused_copy_leaves_nothing_of_itself_to_the_next() -> None:
    with served(at("RCPT", "550 5.1.1 No such user")) as (server, options):
        hand_over(options, batch(5))
    assert server.commands.count("RSET") == 1
    assert THIRD not in [message.address for message in server.received]


@pytest.mark.parametrize("action", ["drop", "500 5.5.1 What is that?", "421 4.3.2 Shutting down"])
def test_a_line_that_cannot_be_reset_is_replaced(action: str) -> None:
    def script(step: Step) -> str | None:
        refused = step.stage == "RCPT" and step.address == THIRD
        return "550 5.1.1 No such user" if refused else action if step.stage == "RSET" else None

    with served(script) as (server, options):
        answer = hand_over(options, batch(5))
    assert short(fates(answer, batch(5))) == "aaraa"
    assert [message.connection for message in server.received] == [1, 1, 2, 2]


def test_a_server_that_names_no_queue_id_gives_no_message_ids() -> None:
    with served(lambda step: "299 Thanks" if step.stage == "content" else None) as (_, options):
        assert hand_over(options, batch(2)) == Answer()


def test_reasons_hold_no_secret_even_where_the_server_echoes_it(tmp_path: Path) -> None:
    keys = server_keys(tmp_path)
    password = "s3cret pass"
    echoes = [
        password,
        base64.b64encode(password.encode()).decode(),
        base64.b64encode(f"\0digest\0{password}".encode()).decode(),
    ]
    for code in (454, 535):
        script = at("AUTH", f"{code} AUTH {' or '.join(echoes)} failed", message=0)
        with served(
            script,
            tls="implicit",
            certificate=keys.certificate,
            key=keys.key,
            username="digest",
            password=password,
        ) as (_, options):
            use = options | {"ca_file": keys.authority, "password": password}
            with pytest.raises(AccountError if code == 535 else TryAgainError, match="failed") as caught:
                hand_over(use, batch(1))
        assert not any(echo in str(caught.value) for echo in echoes)


@pytest.mark.parametrize(
    ("reply", "expected"), [(b"552 5.3.4 Enough", "r-"), (b"451 4.3.0 Not now", "--"), (b"250 2.0.0 Ok", "u-")]
)
def test_an_answer_before_the_end_of_a_message_is_no_acceptance(reply: bytes, expected: str) -> None:
    """No server of ours does so; this one answers in the middle of a large message, and takes no other connection."""
    given = batch(0, extra=(recipient(1, name=LONG), recipient(2)))
    with rude_server(reply) as port:
        options = {"host": "127.0.0.1", "port": port, "timeout_s": 5}
        if expected == "--":
            with pytest.raises(TryAgainError, match="no connection"):
                hand_over(options, given)
        else:
            assert short(fates(hand_over(options, given), given)) == expected


@contextmanager
def rude_server(reply: bytes) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        line, _ = listener.accept()
        listener.close()
        with line:
            line.sendall(b"220 rude\r\n")
            for answer in (b"250 rude", b"250 Ok", b"250 Ok", b"354 Go on"):
                line.recv(10_000)
                line.sendall(answer + b"\r\n")
            line.recv(10_000)
            line.sendall(reply + b"\r\n")
            line.settimeout(10)
            try:
                while line.recv(1_000_000):
                    pass
            except OSError:
                pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        thread.join(15)


def test_no_copy_is_lost_or_doubled_in_a_storm() -> None:
    """Hand a thousand copies over until all are settled, as the engine does, with everything going wrong."""
    faults = SmtpFaults(
        mail_4=0.02,
        rcpt_4=0.03,
        rcpt_5=0.03,
        data_4=0.02,
        content_4=0.03,
        closing=0.02,
        reset_body=0.01,
        reset_before=0.01,
        reset_after=0.01,
        half=0.01,
        garbage=0.01,
        seed=7,
    )
    left = {copy.subscriber: copy for copy in batch(1000).recipients}
    settled: dict[int, str] = {}

    async def work(provider: Provider) -> None:
        while left:
            batches = [list(left.values())[start : start + 50] for start in range(0, len(left), 50)]
            await asyncio.gather(*(hand(provider, Batch(1, "0" * 32, MESSAGE, tuple(b), NOW)) for b in batches))

    async def hand(provider: Provider, given: Batch) -> None:
        try:
            found = fates(await provider.hand_over(given), given)
        except TryAgainError:
            return
        for subscriber, fate in found.items():
            if fate != "again":
                assert subscriber not in settled
                settled[subscriber] = fate
                del left[subscriber]

    with served(faults=faults, record=Record(bodies=False)) as (server, options):
        with_provider("smtp", options, work)
    taken = server.record.addresses()
    assert max(taken.values()) == 1
    for copy in batch(1000).recipients:
        fate = settled[copy.subscriber]
        if fate == "accepted":
            assert taken[copy.address] == 1
        elif fate == "rejected":
            assert copy.address not in taken
    counts = Counter(settled.values())
    assert sum(counts.values()) == 1000
    assert counts["accepted"] > 850
    assert counts["uncertain"] > 0


def test_faults_are_read_from_texts() -> None:
    assert SmtpFaults.of({"rcpt_4": "0.5", "seed": "3"}) == SmtpFaults(rcpt_4=0.5, seed=3)
    with pytest.raises(ValueError, match="no fault is called 'x'"):
        SmtpFaults.of({"x": "1"})
