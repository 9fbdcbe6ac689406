"""The tokens of programs, and the answers kept for them."""

from __future__ import annotations

import json
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from digest import times
from digest.cli import cli
from digest.errors import InputError, NotFoundError, StateError
from digest.programs import answers, api_tokens
from digest.programs.answers import Answer, Call, KeyBusyError, KeyReusedError, Underway
from digest.programs.api_tokens import SCOPES, RefusedTokenError
from digest.store import Database
from serving import dump


def test_a_token_is_kept_as_a_hash_and_read_back(db: Database, now: datetime) -> None:
    token, made = api_tokens.create(db, "  the  site ", ["stats:read", "comparisons:read"], now=now)
    assert token.startswith("dgt_")
    assert len(token) == 47
    assert made.name == "the site"
    assert made.scopes == ("comparisons:read", "stats:read")
    assert token not in str(dump(db))
    assert token.removeprefix("dgt_").encode() not in b"".join(
        row[0] for row in db.conn.execute("SELECT hash FROM api_tokens")
    )
    assert api_tokens.read(db, token, now=now).name == "the site"


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: t + "A", lambda t: t.upper(), lambda t: "", lambda t: t[4:]]
)
def test_a_token_that_is_cut_or_altered_opens_nothing(db: Database, now: datetime, change: object) -> None:
    token, _ = api_tokens.create(db, "site", ["stats:read"], now=now)
    with pytest.raises(RefusedTokenError, match="not known"):
        api_tokens.read(db, change(token), now=now)  # type: ignore[operator]


def test_a_token_ends_when_it_should(db: Database, now: datetime) -> None:
    token, _ = api_tokens.create(db, "site", ["stats:read"], now=now, expires_at=now + timedelta(days=1))
    api_tokens.read(db, token, now=now + timedelta(hours=23))
    with pytest.raises(RefusedTokenError, match="ran out"):
        api_tokens.read(db, token, now=now + timedelta(days=1))


def test_a_revoked_token_opens_nothing_from_then_on(db: Database, now: datetime) -> None:
    token, _ = api_tokens.create(db, "site", ["stats:read"], now=now)
    assert api_tokens.revoke(db, "site", now=now)[1]
    assert not api_tokens.revoke(db, "site", now=now)[1]
    with pytest.raises(RefusedTokenError, match="revoked"):
        api_tokens.read(db, token, now=now)


def test_its_use_is_written_down_once_an_hour(db: Database, now: datetime) -> None:
    token, _ = api_tokens.create(db, "site", ["stats:read"], now=now)
    seen = []
    for minutes in (0, 30, 59, 61, 90):
        api_tokens.read(db, token, now=now + timedelta(minutes=minutes))
        seen.append(api_tokens.find(db, "site").last_used_at)
    later = times.to_text(now + timedelta(minutes=61))
    assert seen == [times.to_text(now)] * 3 + [later] * 2


def test_what_cannot_be_a_token_is_refused(db: Database, now: datetime) -> None:
    api_tokens.create(db, "site", ["stats:read"], now=now)
    with pytest.raises(StateError, match="already"):
        api_tokens.create(db, "site", ["stats:read"], now=now)
    with pytest.raises(InputError, match="did you mean 'stats:read'"):
        api_tokens.create(db, "other", ["stat:read"], now=now)
    with pytest.raises(InputError, match="at least one"):
        api_tokens.create(db, "other", [], now=now)
    with pytest.raises(InputError, match="passed"):
        api_tokens.create(db, "other", ["stats:read"], now=now, expires_at=now)
    with pytest.raises(InputError, match="name"):
        api_tokens.create(db, " \n", ["stats:read"], now=now)
    with pytest.raises(NotFoundError, match="did you mean 'site'"):
        api_tokens.revoke(db, "sites", now=now)
    assert [token.name for token in api_tokens.all_of(db)] == ["site"]


def call(key: str = "k", body: bytes = b"one", token: int = 1) -> Call:
    return Call(token, key, body.ljust(32, b"."))


@pytest.fixture
def tokened(db: Database, now: datetime) -> Database:
    for name in ("one", "two"):
        api_tokens.create(db, name, SCOPES, now=now)
    return db


def test_the_same_call_does_its_work_once(tokened: Database, now: datetime) -> None:
    done: list[int] = []

    def work() -> Answer:
        done.append(1)
        return Answer(201, b"{}", "/there")

    first = answers.once(tokened, call(), work, now=now)
    again = answers.once(tokened, call(), work, now=now + timedelta(hours=23))
    assert (first.status, first.body, first.location, first.replayed) == (201, b"{}", "/there", False)
    assert (again.status, again.body, again.location, again.replayed) == (201, b"{}", "/there", True)
    assert len(done) == 1
    answers.once(tokened, call(token=2), work, now=now)
    answers.once(tokened, call("other"), work, now=now)
    assert len(done) == 3


def test_a_key_stands_for_one_call_only(tokened: Database, now: datetime) -> None:
    answers.once(tokened, call(), lambda: Answer(200, b""), now=now)
    with pytest.raises(KeyReusedError):
        answers.once(tokened, call(body=b"two"), lambda: Answer(200, b""), now=now)


def test_after_a_day_a_key_is_free_and_its_answer_gone(tokened: Database, now: datetime) -> None:
    answers.once(tokened, call(), lambda: Answer(200, b"old"), now=now)
    answers.once(tokened, call("late"), lambda: Answer(200, b"late"), now=now + timedelta(hours=1))
    later = now + timedelta(hours=24)
    assert answers.once(tokened, call(body=b"two"), lambda: Answer(200, b"new"), now=later).body == b"new"
    assert answers.purge(tokened, now=later + timedelta(hours=2)) == 1
    assert [row[0] for row in tokened.conn.execute("SELECT body FROM answers")] == [b"new"]


def test_what_fails_leaves_neither_its_work_nor_an_answer(tokened: Database, now: datetime) -> None:
    def half() -> Answer:
        tokened.conn.execute("INSERT INTO topic_sets (topics) VALUES ('[]')")
        raise StateError("no")

    before = dump(tokened)
    with pytest.raises(StateError):
        answers.once(tokened, call(), half, now=now)
    assert dump(tokened) == before
    assert answers.once(tokened, call(), lambda: Answer(200, b"now"), now=now).body == b"now"


def test_a_call_that_is_being_worked_on_is_not_begun_again() -> None:
    underway, begun, go_on = Underway(), threading.Event(), threading.Event()

    def slow() -> None:
        with underway.hold(call()):
            begun.set()
            go_on.wait(5)

    thread = threading.Thread(target=slow)
    thread.start()
    begun.wait(5)
    with pytest.raises(KeyBusyError), underway.hold(call()):
        pass
    with underway.hold(call("other")), underway.hold(call(token=2)):
        go_on.set()
    thread.join()
    with underway.hold(call()):
        pass


def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    given = ["--db", str(tmp_path / "store.db"), *arguments]
    cli.main(given, prog_name="digest", standalone_mode=False)
    return capsys.readouterr().out


def test_the_command_line_shows_a_token_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    token = run(tmp_path, capsys, "tokens", "create", "site", "--scope", "stats:read", "--scope", "issues:read").strip()
    assert token.startswith("dgt_")
    listed = run(tmp_path, capsys, "tokens", "list")
    assert "issues:read stats:read" in listed
    assert "active" in listed
    assert token[4:] not in listed
    assert run(tmp_path, capsys, "tokens", "revoke", "site") == "site is revoked.\n"
    [told] = json.loads(run(tmp_path, capsys, "tokens", "list", "--json"))
    assert told["state"] == "revoked"


def test_the_command_line_gives_tokens_an_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = json.loads(run(tmp_path, capsys, "tokens", "create", "a", "--scope", "all", "--expires", "90d", "--json"))
    assert made["scopes"] == list(SCOPES)
    left = times.from_text(made["expires_at"]) - times.now()
    assert timedelta(days=89) < left < timedelta(days=91)
    made = json.loads(
        run(tmp_path, capsys, "tokens", "create", "b", "--scope", "all", "--expires", "2999-01-01", "--json")
    )
    assert made["expires_at"].startswith("2998-12-31") or made["expires_at"].startswith("2999-01-01")
    with pytest.raises(InputError, match="or like 90d"):
        run(tmp_path, capsys, "tokens", "create", "c", "--scope", "all", "--expires", "soon")
    with pytest.raises(InputError, match="passed"):
        run(tmp_path, capsys, "tokens", "create", "c", "--scope", "all", "--expires", "0d")
