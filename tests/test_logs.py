"""The log: nothing in it is a reader's, whoever wrote the line."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.provisional import urls

from digest import logs
from digest.tokens import Signer
from digest.web.observing import NO_ROUTE, path_of
from receiver import loggers_as_they_were

SIGNER = Signer(b"k" * 32)
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="@%\n"), max_size=60)


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    with loggers_as_they_were():
        yield


def written(form: str, *, verbose: bool = False, part: str = "") -> io.StringIO:
    stream = io.StringIO()
    logs.set_up(form, verbose=verbose, part=part, stream=stream)  # type: ignore[arg-type]
    return stream


@settings(max_examples=150, deadline=None)
@given(st.emails(), WORDS, WORDS, st.sampled_from([" ", "<", "'", '"', "\n", "=", ":", "/", "mailto:"]))
def test_no_address_is_seen(address: str, before: str, after: str, edge: str) -> None:
    found = logs.clean(f"{before}{edge}{address} {after}")
    assert address not in found
    # A domain may stand there for itself, but not what is before it.
    assert f"{address.partition('@')[0]}@" not in found


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["copy", "confirm", "desk", "report"]),
    st.integers(0, 2**32 - 1),
    st.integers(2**20, 2**32 - 1),
    st.sampled_from(["/u/{}", "/desk/sign-in/{}?next=/desk/", "the token {} is cut", "{{'token': '{}'}}"]),
)
def test_no_token_is_seen(purpose: str, first: int, second: int, around: str) -> None:
    token = SIGNER.sign(purpose, first, second)  # type: ignore[arg-type]
    assert token not in logs.clean(around.format(token)) or not any(map(str.isdigit, token))


@settings(max_examples=60, deadline=None)
@given(urls())
def test_no_query_of_an_address_is_seen(url: str) -> None:
    assert "secret=7" not in logs.clean(f"GET {url.partition('?')[0].partition('#')[0]}?secret=7&x=1 failed")


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        ("imaps://ann:pass@mail.example.com/INBOX refuses", "imaps://…/mail.example.com/INBOX refuses"),
        ("Authorization: Bearer re_123456789", "Authorization: (token)"),
        ("dgt_abc_def is revoked", "(token) is revoked"),
        ("hex " + "0a" * 32, "hex (token)"),
        ("ada%40example.com left", "(address) left"),
        ('"a b"@example.com left', "(address) left"),
        ("x [type=str, input_value='Ada L', input_type=str]", "x [type=str, input_value=…, input_type=str]"),
    ],
    ids=["a mailbox", "a header", "a token of the API", "a key", "an encoded address", "a quoted address", "pydantic"],
)  # fmt: skip
def test_what_is_secret_is_blanked(words: str, seen: str) -> None:
    assert logs.clean(words) == seen


@pytest.mark.parametrize(
    "words",
    [
        "issue 12: its time passed at Fri 27 Nov 2026 09:00 while digest was not running; send it now",
        'File "/srv/digest/site-packages/digest/web/desk/subscribers_suppressions.py", line 12, in _unless_name',
        "digest.errors.UnknownReferenceError: sqlite3.IntegrityError SQLITE_CONSTRAINT_PRIMARYKEY",
        "is it late? no",
        "digest-20261126T033000Z.db is 12 MB",
    ],
)
def test_what_is_not_secret_stays(words: str) -> None:
    assert logs.clean(words) == words


def test_a_long_line_costs_no_more_than_its_length() -> None:
    # By squares, this would take minutes.
    assert len(logs.clean("a" * 200_000 + "@")) > 0
    assert len(logs.clean("?a=" * 50_000)) > 0


def test_json_is_one_object_a_line_with_what_is_known() -> None:
    stream = written("json", verbose=True, part="sending")
    logs.request_id.set("a-request-1")
    logging.getLogger("digest").warning("issue %d: ada@example.com\nleft", 7, extra={"job": "draft", "secret": "x"})
    try:
        raise ValueError("ada@example.com is not an address")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("it broke")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first == {
        "time": first["time"],
        "level": "warning",
        "logger": "digest",
        "message": "issue 7: (address)\nleft",
        "part": "sending",
        "request": "a-request-1",
        "job": "draft",
    }
    assert second["error"] == "ValueError"
    assert "test_logs.py" in second["stack"]
    assert "ada@" not in stream.getvalue()


def test_text_is_as_the_command_says_things_and_a_trace_is_blanked_too() -> None:
    stream = written("text")
    logging.getLogger("digest").warning("letters wait")
    logging.getLogger("digest").info("nobody asked")
    logging.getLogger("apscheduler.scheduler").error("no")
    try:
        raise ValueError("ada@example.com")
    except ValueError:
        logging.getLogger("digest").exception("it broke")
    lines = stream.getvalue().splitlines()
    assert lines[:3] == ["digest: letters wait", "digest: error: apscheduler.scheduler: no", "digest: error: it broke"]
    assert lines[-1] == "ValueError: (address)"


@pytest.mark.parametrize("named", [{}, {"slug": "a\r\nb\x1b[31mc\u202e"}])
def test_what_somebody_asks_for_neither_begins_a_line_nor_colours_it(named: dict[str, str]) -> None:
    scope = {"path": "/x/a\r\nb\x1b[31mc\u202e", "path_params": named}
    path = path_of(scope, "/x/{slug}" if named else NO_ROUTE)
    assert path == r"/x/a\r\nb\x1b[31mc\u202e"
    stream = written("text")
    logging.getLogger("digest").warning("a\x1b[2Jb\n\tc")
    assert stream.getvalue() == "digest: a\\x1b[2Jb\n    c\n"


def test_the_access_log_of_the_server_has_no_say_any_more() -> None:
    stream = written("text", verbose=True)
    # As uvicorn writes it: the reader's network address, and the token in the path.
    logging.getLogger("uvicorn.access").info('203.0.113.9:1 - "GET /u/abc HTTP/1.1" 200')
    logging.getLogger("uvicorn.error").info("Application startup complete.")
    assert stream.getvalue() == "digest: uvicorn.error: Application startup complete.\n"


def test_what_dies_in_a_thread_is_logged_like_all_else() -> None:
    stream = written("json")

    def die() -> None:
        raise RuntimeError("ada@example.com")

    thread = threading.Thread(target=die, name="letters")
    thread.start()
    thread.join()
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["message"] == "letters broke"
    assert "ada@" not in line


@pytest.mark.parametrize("given", ["short", "a" * 65, "a b c d e", "ada@example.com", "<script>1", "zeile\nzwei"])
def test_a_strange_number_of_a_request_is_not_taken(given: str) -> None:
    assert not logs.is_sane(given)
    assert logs.is_sane("018f-aZ_9.0")
