"""POST /hooks/<provider>: what is the provider's own is in the spool when it is answered, and nothing else ever is."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import BaseModel
from sqlite_utils import Database

from digest.providers import hooks
from digest.providers.hooks.interface import Call, Fetch, RefusedError, Verified
from digest.settings import Settings
from digest.store import file_of, writing
from digest.tracking import hook_keys
from digest.tracking.hook_counting import HookCounts, count
from digest.tracking.records import HookCall, decode
from digest.tracking.spool import drain, folder_of
from digest.web.hooks.keys import HookKeys
from serving import Clock, Reader, dump, served

KEY = b"a key of the endpoint's own"
TOKEN = "a long word nobody guesses"
BODY = b'{"type":"email.delivered","data":{}}'
LIMIT = 5 * 1024 * 1024


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Webhooks of three providers, none of which we send by: what they need for that is missing."""
    own = {
        "resend": {"webhook_secret": f"whsec_{base64.b64encode(KEY).decode()}"},
        "postmark": {"webhook_password": TOKEN},
        "brevo": {"webhook_token": TOKEN},
    }
    return Settings(**{**settings.model_dump(), "providers": own})


@pytest.fixture
def site(db: Database, settings: Settings, clock: Clock) -> Iterator[Reader]:
    with served(settings, clock) as reader:
        yield reader


def signed(body: bytes, now: datetime, *, key: bytes = KEY, ident: str = "msg_1") -> dict[str, str]:
    moment = str(int(now.timestamp()))
    mac = hmac.new(key, f"{ident}.{moment}.".encode() + body, hashlib.sha256).digest()
    return {
        "svix-id": ident,
        "svix-timestamp": moment,
        "svix-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


def basic(password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'digest:{password}'.encode()).decode()}"}


def right(provider: str, now: datetime) -> dict[str, str]:
    return {
        "resend": signed(BODY, now),
        "postmark": basic(TOKEN),
        "brevo": {"Authorization": f"Bearer {TOKEN}"},
    }[provider]


def spooled(db: Database) -> list[HookCall]:
    """What lies in the spool, and is taken out of it."""
    found: list[bytes] = []
    drain(folder_of(Path(file_of(db))), db, lambda _, records: found.extend(records))
    calls = [decode(record) for record in found]
    assert all(isinstance(call, HookCall) for call in calls)
    return [call for call in calls if isinstance(call, HookCall)]


def counts(db: Database) -> dict[tuple[str, str], int]:
    return {(row["provider"], row["outcome"]): row["count"] for row in db["hook_counts"].rows}


# What is taken -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["resend", "postmark", "brevo"])
def test_a_call_is_in_the_spool_as_it_came_when_it_is_answered(
    site: Reader, db: Database, now: datetime, provider: str
) -> None:
    before = dump(db)
    answer = site.post(f"/hooks/{provider}", content=BODY, headers=right(provider, now))
    assert (answer.status_code, answer.text) == (200, "taken\n")
    assert dump(db) == before
    assert spooled(db) == [HookCall(provider, BODY, None, int(now.timestamp() * 1000))]


def test_what_is_no_json_is_taken_too_and_not_lost(site: Reader, db: Database, now: datetime) -> None:
    for body in (b"\xff\x00{", b""):
        answer = site.post("/hooks/postmark", content=body, headers=basic(TOKEN))
        assert answer.status_code == 200
    assert [call.body for call in spooled(db)] == [b"\xff\x00{", b""]


def test_large_calls_are_taken_and_larger_ones_are_not(site: Reader, db: Database) -> None:
    answer = site.post("/hooks/brevo", content=b"x" * LIMIT, headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert len(spooled(db)[0].body) == LIMIT
    for content in (b"x" * (LIMIT + 1), iter([b"x" * LIMIT, b"x"])):
        answer = site.post("/hooks/brevo", content=content, headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 413
    assert spooled(db) == []


def test_many_at_once_are_all_there(site: Reader, db: Database, now: datetime) -> None:
    def call(number: int) -> int:
        body = b'{"n": %d}' % number
        return int(site.post("/hooks/resend", content=body, headers=signed(body, now)).status_code)

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(call, range(200))) == {200}
    assert sorted(json.loads(found.body)["n"] for found in spooled(db)) == list(range(200))


# What is refused ---------------------------------------------------------------------------------------------------


def test_refused_calls_are_counted_and_leave_nothing(
    db: Database, settings: Settings, clock: Clock, now: datetime
) -> None:
    good = signed(BODY, now)
    stale, early = (signed(BODY, now + timedelta(seconds=span)) for span in (-301, 301))
    forged: list[tuple[str, bytes, Mapping[str, str], str]] = [
        ("resend", BODY + b" ", good, "wrong signature"),
        ("resend", BODY, signed(BODY, now, key=b"another"), "wrong signature"),
        ("resend", BODY, stale, "too old"),
        ("resend", BODY, early, "too old"),
        ("resend", BODY, {**good, "svix-timestamp": "soon"}, "malformed"),
        ("resend", BODY, {"svix-id": "msg_1"}, "no signature"),
        ("postmark", BODY, basic("another"), "wrong password"),
        ("postmark", BODY, {}, "no password"),
        ("brevo", BODY, {"Authorization": "Bearer another"}, "wrong password"),
        ("brevo", BODY, {}, "no password"),
    ]
    with served(settings, clock) as site:
        for provider, body, headers, why in forged:
            answer = site.post(f"/hooks/{provider}", content=body, headers=headers)
            assert (answer.status_code, answer.text) == (401, f"{why}\n")
        # The very call that was good, once more when it is old.
        assert site.post("/hooks/resend", content=BODY, headers=good).status_code == 200
        assert len(spooled(db)) == 1
        clock.move_on(seconds=301)
        assert site.post("/hooks/resend", content=BODY, headers=good).status_code == 401
    assert spooled(db) == []
    assert counts(db) == {
        ("resend", "refused: wrong signature"): 2,
        ("resend", "refused: too old"): 3,
        ("resend", "refused: malformed"): 1,
        ("resend", "refused: no signature"): 1,
        ("postmark", "refused: wrong password"): 1,
        ("postmark", "refused: no password"): 1,
        ("brevo", "refused: wrong password"): 1,
        ("brevo", "refused: no password"): 1,
    }


def test_a_flood_of_forged_calls_writes_nothing_until_it_is_written_down_together(
    db: Database, settings: Settings, clock: Clock
) -> None:
    with served(settings, clock) as site:
        before = dump(db)
        for _ in range(100):
            assert site.post("/hooks/brevo", content=BODY).status_code == 401
        clock.move_on(hours=1)
        assert site.post("/hooks/brevo", content=BODY).status_code == 401
        assert dump(db) == before
        assert not folder_of(settings.db).exists()
    assert [tuple(row.values()) for row in db["hook_counts"].rows] == [
        ("2026-11-26T09", "brevo", "refused: no password", 100),
        ("2026-11-26T10", "brevo", "refused: no password", 1),
    ]


def test_without_a_secret_no_call_is_believed(db: Database, settings: Settings, clock: Clock, now: datetime) -> None:
    bare = Settings(**{**settings.model_dump(), "providers": {"resend": {"key": "re_1", "connections": 2}}})
    with served(bare, clock) as site:
        for provider in ("resend", "postmark", "brevo"):
            answer = site.post(f"/hooks/{provider}", content=BODY, headers=right(provider, now))
            assert (answer.status_code, answer.text) == (401, "not set up\n")
    assert spooled(db) == []
    assert counts(db) == {(name, "refused: not set up"): 1 for name in ("resend", "postmark", "brevo")}


def test_there_is_no_other_provider(site: Reader, db: Database) -> None:
    before = dump(db)
    for name in ("outbox", "nobody", "interface", "fields", "__init__", "a%2Fb", "resend/", "resend/x", "%00", ""):
        assert site.post(f"/hooks/{name}", content=BODY, headers=basic(TOKEN)).status_code == 404
    assert (dump(db), spooled(db)) == (before, [])


def test_only_a_post_is_taken(site: Reader, db: Database, now: datetime) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = site.request(method, "/hooks/postmark", headers=right("postmark", now))
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert spooled(db) == []


def test_strangers_cannot_fill_the_memory_and_small_calls_are_taken_all_the_same(
    site: Reader, db: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digest.web.hooks.bodies.MOST", 1024 * 1024)
    large, begun, ending = b"x" * 1024 * 1024, threading.Event(), threading.Event()

    def stalling() -> Iterator[bytes]:
        yield large
        begun.set()
        ending.wait(10)
        yield b"x"

    with ThreadPoolExecutor(1) as pool:
        stalled = pool.submit(site.post, "/hooks/brevo", content=stalling())
        assert begun.wait(10)
        answer = site.post("/hooks/brevo", content=large, headers=right("brevo", now))
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
        assert site.post("/hooks/brevo", content=BODY, headers=right("brevo", now)).status_code == 200
        ending.set()
        assert stalled.result().status_code == 401
    assert site.post("/hooks/brevo", content=large, headers=right("brevo", now)).status_code == 200
    assert [len(call.body) for call in spooled(db)] == [len(BODY), len(large)]


def test_a_call_that_does_not_come_to_its_end_is_given_up(
    site: Reader, db: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digest.web.hooks.bodies.LONGEST_S", 0.2)
    ending = threading.Event()

    def stalling() -> Iterator[bytes]:
        yield b"x"
        ending.wait(1)
        yield b"x"

    assert site.post("/hooks/brevo", content=stalling(), headers=right("brevo", now)).status_code == 429
    assert spooled(db) == []


# What cannot be kept -----------------------------------------------------------------------------------------------


def test_what_cannot_be_written_down_is_to_come_again(
    db: Database, settings: Settings, clock: Clock, now: datetime
) -> None:
    folder = folder_of(settings.db)
    with served(settings, clock) as site:
        folder.write_text("a file where the folder must be")
        answer = site.post("/hooks/brevo", content=BODY, headers=right("brevo", now))
        # Brevo would never call again after 503.
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
        folder.unlink()
        assert site.post("/hooks/brevo", content=BODY, headers=right("brevo", now)).status_code == 200
    assert len(spooled(db)) == 1
    assert counts(db) == {("brevo", "failed"): 1}


# Providers whose signature does not cover the body -----------------------------------------------------------------


class Keyed:
    """Hooks of a provider that signs a key alone, and wants something done after a call is kept."""

    class Options(BaseModel):
        pass

    def __init__(self) -> None:
        self.fails, self.answered, self.held = 0, 0, threading.Event()
        self.held.set()

    async def verify(self, call: Call, options: Mapping[str, object], *, now: datetime, fetch: Fetch) -> Verified:
        if call.headers.get("x-broken"):
            raise OSError("there is no such certificate")
        if not call.query.get("key"):
            raise RefusedError("malformed", 406)
        return Verified(call.query["key"], self.answer)

    async def answer(self) -> None:
        self.answered += 1
        await asyncio.to_thread(self.held.wait, 10)
        if self.fails:
            self.fails -= 1
            raise OSError("it cannot be confirmed")


@pytest.fixture
def keyed(monkeypatch: pytest.MonkeyPatch) -> Keyed:
    made = Keyed()
    known, hooks_of = hooks.names(), hooks.hooks_of
    fake = SimpleNamespace(
        names=lambda: (*known, "keyed"), hooks_of=lambda name: made if name == "keyed" else hooks_of(name)
    )
    monkeypatch.setattr("digest.web.hooks.receiving.hooks", fake)
    return made


def test_the_same_call_again_is_answered_and_not_kept_again(
    db: Database, settings: Settings, clock: Clock, keyed: Keyed, now: datetime
) -> None:
    with served(settings, clock) as site:
        for _ in range(3):
            assert site.post("/hooks/keyed?key=1", content=BODY).status_code == 200
        assert site.post("/hooks/keyed?key=2", content=BODY).status_code == 200
    assert [(call.key, call.body) for call in spooled(db)] == [("1", BODY), ("2", BODY)]
    assert counts(db) == {("keyed", "repeated"): 2}
    assert keyed.answered == 2


def test_a_known_key_with_another_body_is_a_forgery(
    db: Database, settings: Settings, clock: Clock, keyed: Keyed, now: datetime
) -> None:
    with served(settings, clock) as site:
        assert site.post("/hooks/keyed?key=1", content=BODY).status_code == 200
        assert site.post("/hooks/keyed?key=1", content=b"another").status_code == 401
        # What was worked by another process before this one began.
        with writing(db) as connection:
            assert hook_keys.keep(connection, "keyed", "2", hook_keys.digest_of(BODY), now=now) == "new"
        assert site.post("/hooks/keyed?key=2", content=b"another").status_code == 401
        assert site.post("/hooks/keyed?key=2", content=BODY).text == "taken\n"
    assert [call.key for call in spooled(db)] == ["1"]
    assert counts(db) == {("keyed", "refused: wrong signature"): 2, ("keyed", "repeated"): 1}


def test_what_comes_twice_at_once_is_kept_once_and_answered_when_it_is(
    db: Database, settings: Settings, clock: Clock, keyed: Keyed
) -> None:
    keyed.held.clear()
    with served(settings, clock) as site, ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(site.post, "/hooks/keyed?key=1", content=BODY) for _ in range(4)]
        threading.Event().wait(0.3)
        assert not any(call.done() for call in calls)
        keyed.held.set()
        assert [call.result().status_code for call in calls] == [200] * 4
    assert len(spooled(db)) == 1
    assert counts(db) == {("keyed", "repeated"): 3}


def test_a_call_that_could_not_be_answered_may_come_again(
    db: Database, settings: Settings, clock: Clock, keyed: Keyed
) -> None:
    keyed.fails = 1
    with served(settings, clock) as site:
        assert site.post("/hooks/keyed?key=1", content=BODY).status_code == 429
        assert site.post("/hooks/keyed?key=1", content=BODY).status_code == 200
        assert site.post("/hooks/keyed?key=3", headers={"X-Broken": "1"}).status_code == 429
        assert site.post("/hooks/keyed").status_code == 406
    # It is there twice, and works out to the same.
    assert [call.key for call in spooled(db)] == ["1", "1"]
    assert counts(db) == {("keyed", "failed"): 2, ("keyed", "refused: malformed"): 1}


def test_keys_are_forgotten_when_nothing_can_be_repeated_with_them(db: Database, now: datetime) -> None:
    digest = hook_keys.digest_of(BODY)
    with writing(db) as connection:
        hook_keys.keep(connection, "mailgun", "1", digest, now=now)
        hook_keys.keep(connection, "mailgun", "2", digest, now=now + timedelta(days=1))
        assert hook_keys.keep(connection, "mailgun", "1", digest, now=now) == "repeated"
        assert hook_keys.keep(connection, "mailgun", "1", b"another", now=now) == "forged"
        assert hook_keys.forget(connection, now=now + hook_keys.KEPT + timedelta(seconds=1)) == 1
        assert hook_keys.look(connection, "mailgun", "1", b"another") == "new"
        assert hook_keys.look(connection, "mailgun", "2", b"another") == "forged"


def test_only_so_many_keys_are_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.web.hooks.keys.KEPT", 3)
    keys, kept = HookKeys(), []

    def keep(number: int) -> Callable[[], Awaitable[None]]:
        async def done() -> None:
            kept.append(number)

        return done

    async def run(numbers: Sequence[int]) -> list[bool]:
        return [await keys.once("p", str(number), b"d", look=lambda: "new", keep=keep(number)) for number in numbers]

    assert asyncio.run(run([1, 2, 3, 4, 4, 3, 1])) == [True] * 4 + [False] * 2 + [True]
    assert kept == [1, 2, 3, 4, 1]


# Counting ----------------------------------------------------------------------------------------------------------


def test_counts_add_up_and_are_not_lost_when_the_store_is_busy(
    db: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = HookCounts()
    counted.write_down(db)
    assert counts(db) == {}
    counted.note("ses", "refused: too old", now)
    with monkeypatch.context() as patch:
        patch.setattr("digest.tracking.hook_counting.count", lambda *_: (_ for _ in ()).throw(OSError("busy")))
        with pytest.raises(OSError, match="busy"):
            counted.write_down(db)
    counted.note("ses", "refused: too old", now)
    counted.write_down(db)
    counted.write_down(db)
    count(db, {("2026-11-26T09", "ses", "refused: too old"): 5})
    assert counts(db) == {("ses", "refused: too old"): 7}
