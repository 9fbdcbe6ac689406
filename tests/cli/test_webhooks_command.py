"""`digest webhooks`: what a person reads of the programs that are told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import test_command_line
from test_command_line import Run

digest = test_command_line.digest


@pytest.fixture
def gone() -> Iterator[str]:
    """The address of a program that wants to be told nothing any more."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(410)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hooks/digest"
    server.shutdown()
    server.server_close()


def test_who_is_told_is_listed_line_by_line(digest: Run) -> None:
    digest("webhooks", "add", "https://crm.example.com/hooks/digest")
    digest("webhooks", "add", "https://crm.example.com/bounces", "--kind", "copy.bounced", "--kind", "issue.sent")
    assert digest("webhooks", "list").out == (
        "webhook 1: https://crm.example.com/hooks/digest\n  told of: everything\n  0 waiting, 0 taken, 0 given up\n"
        "webhook 2: https://crm.example.com/bounces\n  told of: issue.sent, copy.bounced\n"
        "  0 waiting, 0 taken, 0 given up\n"
    )


def test_what_was_given_up_is_not_said_to_be_tried_again(digest: Run, gone: str) -> None:
    digest("webhooks", "add", gone)
    tried = digest("webhooks", "test", "1", code=1)
    assert tried.out == "It was not taken: HTTP 410; `digest webhooks retry 1` begins again.\n"
    told = digest("webhooks", "list").out
    assert "0 waiting, 0 taken, 1 given up\n  off since " in told
    assert "it answered 410: it wants to be told nothing any more" in told
    assert "given up" in digest("webhooks", "messages", "1").out
    assert digest("webhooks", "retry", "1").out == f"{gone} is told again; queued of what it missed: 1 message.\n"
    assert digest("webhooks", "remove", "1").out == (
        f"{gone} is told nothing any more; thrown away: 1 waiting message.\n"
    )


def test_moments_are_in_the_newsletters_zone(digest: Run, gone: str) -> None:
    digest("webhooks", "add", gone)
    digest("webhooks", "test", "1", code=1)
    here = digest("webhooks", "messages", "1", "--set", "timezone=UTC").out
    far = digest("webhooks", "messages", "1", "--set", "timezone=Asia/Kolkata").out
    assert here[:17] != far[:17]
    assert here[17:] == far[17:]


def test_a_message_is_shown_with_the_id_that_the_program_saw(digest: Run, gone: str) -> None:
    digest("webhooks", "add", gone)
    name = digest("webhooks", "test", "1", "--json", code=1).data["name"]
    lines = digest("webhooks", "messages", "1").out.splitlines()
    assert lines[0].endswith("  webhook.test: given up, 1 try")
    assert lines[1:] == [f"  webhook-id {name}", "  HTTP 410"]
