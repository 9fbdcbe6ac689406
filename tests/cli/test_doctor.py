"""`digest doctor` and `digest events`."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
import test_command_line
from test_command_line import Run

from digest.providers import hooks
from digest.providers.hooks.interface import Told, Unknown
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.store import open_store
from digest.times import now, to_text
from digest.tracking.records import HookCall, encode
from digest.tracking.spool import Spool, folder_of

digest, drafted = test_command_line.digest, test_command_line.drafted
DB = Path("digest.db")


class Teller:
    def read(self, body: bytes) -> Sequence[Told | Unknown]:
        return [
            Told(event["word"], datetime.fromisoformat(event["at"]), copy=event["copy"])
            if "word" in event
            else Unknown("teleported", json.dumps(event))
            for event in json.loads(body)
        ]


@pytest.fixture
def sent(drafted: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Issue 1 is sent to three readers, and a provider told of it: three deliveries, and something unheard of."""
    monkeypatch.setattr(hooks, "hooks_of", lambda name: Teller())
    drafted("approve", "1")
    drafted("send", "1", "--now")
    with closing(open_store(DB)) as db:
        signers = Signers.of(db, Settings(), now=now())
    moment = now().isoformat()
    told = [{"word": "delivered", "at": moment, "copy": signers.links.sign("copy", 1, n)} for n in (1, 2, 3)]
    spooled(
        encode(HookCall("teller", json.dumps(told).encode(), None, int(now().timestamp() * 1000))),
        encode(HookCall("teller", b'[{"what": "is this"}]', None, int(now().timestamp() * 1000))),
        b"no record",
    )
    return drafted


def spooled(*records: bytes) -> None:
    async def put() -> None:
        spool = Spool(folder_of(DB))
        await spool.put(*records)
        await spool.close()

    asyncio.run(put())


def tamper(sql: str) -> None:
    with closing(open_store(DB)) as db:
        db.execute(sql)


def test_what_waits_is_shown_worked_and_counted(sent: Run) -> None:
    before = sent("events", "--json").data
    assert before["waiting_files"] == 1
    assert before["waiting_bytes"] > 100
    assert "wait to be worked" in sent("events").out
    done = sent("events", "work", "--json").data
    assert done == {"records": 3, "outcomes": {"new": 3, "taken": 2, "unknown": 1, "unreadable": 1}, "proven": 0}
    assert sent("events", "work", "--json").data["records"] == 0
    shown = sent("events", "show").out
    assert "Nothing waits." in shown
    assert "teller: 1 of the unknown kind teleported, the last one:" in shown
    assert '{"what": "is this"}' in shown
    after = sent("events", "show", "--json", "--hours", "2").data
    assert after["outcomes"] == [
        {"provider": "", "calls": {}, "events": {"unreadable": 1}},
        {"provider": "teller", "calls": {"taken": 2}, "events": {"new": 3, "unknown": 1}},
    ]
    assert [kind["kind"] for kind in after["unknown"]] == ["unreadable", "teleported"]


def test_calls_and_the_events_in_them_stand_in_tables_of_their_own(digest: Run) -> None:
    digest("db", "migrate")
    hour = to_text(now())[:13]
    for provider, outcome, count in (
        *(
            ("postmark", "taken", 250),
            ("postmark", "new", 247),
            ("postmark", "repeated", 50),
            ("postmark", "failed", 1),
        ),
        *(("brevo", "refused: wrong password", 4), ("", "kept", 9)),
    ):
        row = f"('{hour}', '{provider}', '{outcome}', {count})"
        tamper(f"INSERT INTO hook_counts (hour, provider, outcome, count) VALUES {row}")
    lines = [" ".join(line.split()) for line in digest("events").out.splitlines()]
    assert lines == [
        "calls from what became of them count",
        "brevo refused: wrong password 4",
        "postmark failed 1",
        "postmark repeated 50",
        "postmark taken 250",
        "",
        "events from what became of them count",
        "opens and clicks kept 9",
        "postmark new 247",
        "Nothing waits.",
    ]


def test_nothing_that_came_in_steers_the_terminal(digest: Run) -> None:
    digest("db", "migrate")
    tamper(
        "INSERT INTO unknown_events (provider, kind, raw, digest, received_at) VALUES"
        " ('brevo', 'new' || char(155) || '2J', 'no JSON' || char(27) || '[2J' || char(8238, 10) || 'x', x'00',"
        " '2026-11-26T09:00:00.000000Z')"
    )
    shown = digest("events").out
    assert "the unknown kind new 2J" in shown
    assert "  no JSON [2J x\n" in shown


def test_a_store_nobody_told_anything_says_so(digest: Run) -> None:
    digest("db", "migrate")
    assert digest("events").out == "Nothing came in within 168 hours.\nNothing waits.\n"


def test_all_is_well(sent: Run) -> None:
    sent("events", "work")
    told = sent("doctor", "--offline").out
    assert re.search(r"✓ all \d+ figures are true: 6 rows were counted again\n", told)
    assert re.search(r"^Nothing is bad: \d+ well, \d+ to look at, 0 bad, \d+ not looked at\.$", told, re.MULTILINE)
    found = sent("doctor", "--offline", "--json").data
    assert found["sound"]
    assert found["problems"] == {"store": [], "ledger": [], "figures": [], "audience": []}
    assert found["figures"] > 3
    assert found["rows"] == 6


@pytest.mark.parametrize(
    ("tampering", "of", "words"),
    [
        (
            "UPDATE figures SET count = 7 WHERE measure = 'delivered' AND part = ''",
            "figures",
            "issue 1: delivered is 7, and counted again 3",
        ),
        (
            "UPDATE figures SET count = 7 WHERE measure = 'accepted copies' AND part = 'host'",
            "figures",
            "issue 1: accepted copies (host 0) is 7, and counted again 3",
        ),
        (
            "UPDATE audience_days SET count = 4 WHERE measure = 'joined'",
            "audience",
            "the audience: 4 joined and 0 left, which leaves 4; 3 are active",
        ),
        (
            "UPDATE deliveries SET state = 4 WHERE subscriber = 1",
            "ledger",
            "issue 1 is sent, but 1 of its deliveries are not settled",
        ),
    ],
)
def test_what_is_wrong_is_named(sent: Run, tampering: str, of: str, words: str) -> None:
    sent("events", "work")
    tamper(tampering)
    assert f"✗ {words}\n" in sent("doctor", "store", code=1).out
    found = sent("doctor", "--json", "store", code=1).data
    assert not found["sound"]
    assert words in found["problems"][of]


def test_what_was_deleted_is_not_looked_at_and_said_so(sent: Run) -> None:
    sent("events", "work")
    tamper("UPDATE issues SET events_deleted_at = '2027-01-01T00:00:00.000000Z'")
    tamper("DELETE FROM events")
    found = sent("doctor", "store").out
    assert "– issue 1: its events were deleted on 2027-01-01, and its figures stay\n" in found
    assert "✗" not in found
