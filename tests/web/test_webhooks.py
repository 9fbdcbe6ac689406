"""Other programs are told what happens: signed, tried again, given up in the end; by a real server on loopback."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks import Webhook as Signature
from standardwebhooks import WebhookVerificationError

from conftest import NOW
from digest import times
from digest.audience import subscribers
from digest.audience.forgetting import forget
from digest.audience.leaving import come_back, leave
from digest.errors import InputError, NotFoundError, StateError
from digest.events import Kind
from digest.programs import telling, webhooks
from digest.store import Database, writing
from serving import Clock

BY_HAND = "added by hand"


@dataclass
class Program:
    """A program that is told; `answers` are the statuses it gives, the last one for ever."""

    url: str = ""
    answers: list[int] = field(default_factory=lambda: [204])
    headers: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def told(self) -> list[Any]:
        return [json.loads(body) for _, body in self.calls]


@contextmanager
def program() -> Iterator[Program]:
    made = Program()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.calls.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(made.answers.pop(0) if len(made.answers) > 1 else made.answers[0])
            for name, value in made.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}/hooks"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def crm() -> Iterator[Program]:
    with program() as made:
        yield made


def issue_with_a_copy(db: Database, reader: int) -> None:
    stamp = times.to_text(NOW)
    with writing(db) as connection:
        connection.execute(
            "INSERT INTO issues (number, state, subject, preheader, intro, cutoff, content_hash, html, text, envelope,"
            " created_at, updated_at, sent_at) VALUES (7, 'sending', 'Two', '', '', ?1, 'h', '', '', '{}', ?1, ?1, ?1)",
            (stamp,),
        )
        connection.execute("INSERT INTO deliveries (issue, subscriber) VALUES (7, ?)", (reader,))


def test_what_happens_is_told_once_and_signed(db: Database, crm: Program) -> None:
    made, secret = webhooks.add(db, crm.url, (), now=NOW)
    ada = subscribers.add(db, "ada@example.org", now=NOW)[0].id
    leave(db, ada, way="one-click", now=NOW)
    come_back(db, ada, source="page", now=NOW)
    issue_with_a_copy(db, ada)
    with writing(db) as connection:
        connection.execute(
            "INSERT INTO events (issue, subscriber, kind, key, at, detail) VALUES (7, ?, ?, 'hard', ?, '5.1.1')",
            (ada, int(Kind.BOUNCED), int(NOW.timestamp())),
        )
        connection.execute("UPDATE issues SET state = 'sent', updated_at = ?", (times.to_text(NOW),))
    assert telling.tell(db, clock=lambda: NOW) == {"sent": 5, "later": 0, "dead": 0}
    assert [(one["type"], one["data"]) for one in crm.told] == [
        ("subscriber.subscribed", {"subscriber": ada, "email": "ada@example.org", "name": None, "source": BY_HAND}),
        ("subscriber.unsubscribed", {"subscriber": ada, "email": "ada@example.org", "name": None, "forgotten": False}),
        ("subscriber.subscribed", {"subscriber": ada, "email": "ada@example.org", "name": None, "source": BY_HAND}),
        ("copy.bounced", {"issue": 7, "subscriber": ada, "email": "ada@example.org", "hard": True,
                          "detail": "5.1.1"}),
        ("issue.sent", {"issue": 7, "subject": "Two", "sent_at": times.to_text(NOW)}),
    ]  # fmt: skip
    assert telling.tell(db, clock=lambda: NOW) == {"sent": 0, "later": 0, "dead": 0}
    assert len({headers["webhook-id"] for headers, _ in crm.calls}) == 5
    for headers, body in crm.calls:
        signed = Signature(secret).sign(headers["webhook-id"], NOW, body.decode())
        assert headers["webhook-signature"] == signed
        assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert webhooks.find(db, made.id).sent == 5


def test_the_specifications_own_library_believes_a_message_and_no_altered_one(db: Database, crm: Program) -> None:
    made, secret = webhooks.add(db, crm.url, (), now=NOW)
    webhooks.test(db, made.id, now=times.now())
    telling.tell(db)
    headers, body = crm.calls[0]
    assert Signature(secret).verify(body, headers)["type"] == webhooks.TEST
    with pytest.raises(WebhookVerificationError):
        Signature(secret).verify(body.replace(b"Hello", b"Hallo"), headers)


def test_a_program_is_told_only_what_it_asked_for_and_nothing_of_before(db: Database, crm: Program) -> None:
    subscribers.add(db, "early@example.org", now=NOW)
    webhooks.add(db, crm.url, ["subscriber.unsubscribed"], now=NOW)
    ada = subscribers.add(db, "ada@example.org", now=NOW)[0].id
    leave(db, ada, way="page", now=NOW)
    telling.tell(db, clock=lambda: NOW)
    assert [one["type"] for one in crm.told] == ["subscriber.unsubscribed"]


def test_what_was_undone_is_not_told(db: Database, crm: Program) -> None:
    webhooks.add(db, crm.url, (), now=NOW)
    with suppress(RuntimeError), writing(db):
        subscribers.add(db, "ada@example.org", now=NOW)
        raise RuntimeError
    assert db.execute("SELECT count(*) FROM subscribers").fetchone() == (0,)
    telling.tell(db, clock=lambda: NOW)
    assert crm.calls == []


def test_one_who_was_forgotten_is_told_by_number_alone(db: Database, crm: Program) -> None:
    webhooks.add(db, crm.url, (), now=NOW)
    ada = subscribers.add(db, "ada@example.org", now=NOW)[0].id
    forget(db, ada, now=NOW)
    telling.tell(db, clock=lambda: NOW)
    assert [one["data"] for one in crm.told] == [{"subscriber": ada, "email": None, "name": None, "forgotten": True}]


def test_one_that_is_not_taken_is_tried_again_ever_later_and_then_given_up(db: Database, crm: Program) -> None:
    crm.answers = [503]
    made, _ = webhooks.add(db, crm.url, (), now=NOW)
    webhooks.test(db, made.id, now=NOW)
    clock, moments = Clock(NOW), []
    for _ in telling.PAUSES_S:
        assert telling.tell(db, clock=clock)["later"] == 1
        moments.append(clock.now)
        assert telling.tell(db, clock=clock) == {"sent": 0, "later": 0, "dead": 0}
        clock.now = times.from_text(webhooks.messages_of(db, made.id)[0].not_before)
    assert telling.tell(db, clock=clock) == {"sent": 0, "later": 0, "dead": 1}
    assert [int((b - a).total_seconds()) for a, b in zip(moments, [*moments[1:], clock.now], strict=True)] == list(
        telling.PAUSES_S
    )
    assert len({headers["webhook-id"] for headers, _ in crm.calls}) == 1
    clock.move_on(days=9)
    assert telling.tell(db, clock=clock) == {"sent": 0, "later": 0, "dead": 0}
    crm.answers = [200]
    assert webhooks.enable(db, made.id, now=clock.now)[1] == 1
    assert telling.tell(db, clock=clock)["sent"] == 1


@pytest.mark.parametrize(
    ("given", "seconds"), [("7200", 7200), ("9999999", 86400), ("1", 5), ("Thu, 26 Nov 2026 10:00:00 GMT", 5)]
)
def test_a_program_may_ask_for_patience(db: Database, crm: Program, given: str, seconds: int) -> None:
    crm.answers, crm.headers = [429], {"Retry-After": given}
    made, _ = webhooks.add(db, crm.url, (), now=NOW)
    webhooks.test(db, made.id, now=NOW)
    telling.tell(db, clock=lambda: NOW)
    assert webhooks.messages_of(db, made.id)[0].not_before == times.to_text(NOW + timedelta(seconds=seconds))


def test_one_that_is_gone_is_told_nothing_more(db: Database, crm: Program) -> None:
    crm.answers = [410]
    made, _ = webhooks.add(db, crm.url, (), now=NOW)
    for _ in range(3):
        webhooks.test(db, made.id, now=NOW)
    assert telling.tell(db, clock=lambda: NOW)["dead"] == 1
    subscribers.add(db, "ada@example.org", now=NOW)
    assert telling.tell(db, clock=lambda: NOW + timedelta(days=1)) == {"sent": 0, "later": 0, "dead": 0}
    known = webhooks.find(db, made.id)
    assert (known.queued, known.dead, known.disabled_at) == (0, 4, times.to_text(NOW))


def test_one_that_is_told_again_is_told_what_it_missed(db: Database, crm: Program) -> None:
    crm.answers = [410]
    made, _ = webhooks.add(db, crm.url, (), now=NOW)
    webhooks.test(db, made.id, now=NOW)
    telling.tell(db, clock=lambda: NOW)
    ada = subscribers.add(db, "ada@example.org", now=NOW)[0].id
    leave(db, ada, way="page", now=NOW)
    crm.answers, crm.calls[:] = [200], []
    assert webhooks.enable(db, made.id, now=NOW)[1] == 3
    assert telling.tell(db, clock=lambda: NOW)["sent"] == 3
    assert [one["type"] for one in crm.told] == [
        webhooks.TEST, "subscriber.subscribed", "subscriber.unsubscribed",
    ]  # fmt: skip


def test_nobody_waits_for_one_that_does_not_answer(db: Database, crm: Program) -> None:
    with program() as broken:
        broken.answers = [500]
        first, _ = webhooks.add(db, broken.url, (), now=NOW)
        second, _ = webhooks.add(db, crm.url, (), now=NOW)
        for _ in range(3):
            webhooks.test(db, first.id, now=NOW)
        for _ in range(3):
            webhooks.test(db, second.id, now=NOW)
        assert telling.tell(db, clock=lambda: NOW) == {"sent": 3, "later": 1, "dead": 0}
        assert len(broken.calls) == 1


def test_one_in_the_hands_of_a_process_that_died_is_told_by_another(db: Database, crm: Program) -> None:
    made, _ = webhooks.add(db, crm.url, (), now=NOW)
    webhooks.test(db, made.id, now=NOW)
    assert telling._claim(db, NOW, ()) is not None
    assert telling.tell(db, clock=lambda: NOW)["sent"] == 0
    assert telling.tell(db, clock=lambda: NOW + timedelta(seconds=telling.CLAIM_S))["sent"] == 1


def test_no_redirect_is_followed_and_a_dead_line_is_no_end(db: Database, crm: Program) -> None:
    crm.answers, crm.headers = [302], {"Location": crm.url + "/elsewhere"}
    made, _ = webhooks.add(db, crm.url, (), now=NOW)
    gone, _ = webhooks.add(db, "http://127.0.0.1:1/nobody", (), now=NOW)
    for one in (made, gone):
        webhooks.test(db, one.id, now=NOW)
    assert telling.tell(db, clock=lambda: NOW) == {"sent": 0, "later": 2, "dead": 0}
    assert len(crm.calls) == 1
    assert webhooks.find(db, made.id).trouble == "HTTP 302"
    assert "ConnectError" in str(webhooks.find(db, gone.id).trouble)


@contextmanager
def talker(begin: bytes, more: bytes, pause_s: float) -> Iterator[tuple[str, list[int]]]:
    """Listen, and answer every call with `begin` and then `more` again and again; give the bytes that were taken."""
    listening, ending, taken = socket.create_server(("127.0.0.1", 0)), threading.Event(), [0]

    def answer() -> None:
        with suppress(OSError):
            while True:
                line, _ = listening.accept()
                with line, suppress(OSError):
                    line.recv(65536)
                    line.sendall(begin)
                    while not ending.wait(pause_s):
                        taken[0] += line.send(more)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/", taken
    finally:
        ending.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


@pytest.mark.parametrize(
    ("begin", "more", "outcome"),
    [
        (b"", b"H", "later"),
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"a", "later"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"a", "sent"),
    ],
    ids=["no status", "endless headers", "endless body"],
)
def test_nobody_waits_for_one_that_says_a_byte_now_and_then(
    db: Database, crm: Program, monkeypatch: pytest.MonkeyPatch, begin: bytes, more: bytes, outcome: str
) -> None:
    monkeypatch.setattr(telling, "TIMEOUT_S", 0.5)
    monkeypatch.setattr(telling, "REST_S", 0.2)
    with talker(begin, more, 0.05) as (url, _):
        slow, _ = webhooks.add(db, url, (), now=NOW)
        other, _ = webhooks.add(db, crm.url, (), now=NOW)
        for one in (slow, other):
            webhooks.test(db, one.id, now=NOW)
        begun = time.monotonic()
        done = telling.tell(db, clock=lambda: NOW)
        assert time.monotonic() - begun < 3
    assert Counter(done) == Counter(["sent", outcome])
    assert len(crm.calls) == 1


def test_of_an_answer_without_end_little_is_read(db: Database) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
    with talker(head, gzip.compress(bytes(10_000_000)) + bytes(1_000_000), 0) as (url, taken):
        made, _ = webhooks.add(db, url, (), now=NOW)
        webhooks.test(db, made.id, now=NOW)
        assert telling.tell(db, clock=lambda: NOW) == {"sent": 1, "later": 0, "dead": 0}
    assert taken[0] < 20_000_000


def test_an_address_that_cannot_be_called_holds_up_nobody(db: Database, crm: Program) -> None:
    bad, _ = webhooks.add(db, "https://crm.example.com/", (), now=NOW)
    good, _ = webhooks.add(db, crm.url, (), now=NOW)
    db.execute("UPDATE webhooks SET url = 'https://xn--.com/' WHERE id = ?", [bad.id])
    for one in (bad, good):
        webhooks.test(db, one.id, now=NOW)
    assert telling.tell(db, clock=lambda: NOW) == {"sent": 1, "later": 1, "dead": 0}


def test_old_messages_are_deleted_and_waiting_ones_are_not(db: Database, crm: Program) -> None:
    made, _ = webhooks.add(db, crm.url, (), now=NOW)
    webhooks.test(db, made.id, now=NOW)
    telling.tell(db, clock=lambda: NOW)
    webhooks.test(db, made.id, now=NOW)
    assert telling.delete_old(db, now=NOW + timedelta(days=29)) == 0
    assert telling.delete_old(db, now=NOW + timedelta(days=31)) == 1
    assert [one.state for one in webhooks.messages_of(db, made.id)] == ["queued"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://crm.example.com/x", "https"),
        ("ftp://crm.example.com", "no address"),
        ("https://", "no address"),
        ("https://a:b@crm.example.com/", "name and password"),
        ("https://crm.example.com:99999/", "no address"),
        ("https://crm.example.com/x\r\nX-Role: admin", "no address"),
        ("https://crm.example.com/\x01", "no address"),
        ("https://crm example.com/", "no address"),
        ("https://999.1.1.1/", "no address"),
        ("https://xn--.com/", "no address"),
    ],
)
def test_an_address_that_will_not_do_is_refused(db: Database, url: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        webhooks.add(db, url, (), now=NOW)
    assert webhooks.all_of(db) == []


def test_who_is_told_can_be_listed_and_removed(db: Database) -> None:
    made, _ = webhooks.add(db, "https://crm.example.com/x", ["issue.sent", "copy.bounced"], now=NOW)
    with pytest.raises(StateError, match="already"):
        webhooks.add(db, "https://crm.example.com/x", (), now=NOW)
    with pytest.raises(InputError, match="did you mean"):
        webhooks.add(db, "https://crm.example.com/y", ["issue.send"], now=NOW)
    webhooks.test(db, made.id, now=NOW)
    assert [(one.kinds, one.queued) for one in webhooks.all_of(db)] == [(("issue.sent", "copy.bounced"), 1)]
    assert webhooks.remove(db, made.id).queued == 1
    assert db.execute("SELECT count(*) FROM webhook_messages").fetchone() == (0,)
    with pytest.raises(NotFoundError):
        webhooks.find(db, made.id)
