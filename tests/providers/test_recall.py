"""What providers list of what they accepted, by whatever key it went: asked after a restore."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from batches import MESSAGE, batch, with_provider

from digest.providers import calls, postmark
from digest.providers.interface import AccountError, Found, Provider, Recalled, UncertainError
from digest.simulators import postmark as simulated_postmark
from digest.simulators import simulate
from digest.simulators.faults import Faults
from digest.simulators.server import running
from digest.simulators.simulator import Simulator

HOUR = timedelta(hours=1)
LISTING = ("brevo", "mailgun", "outbox", "postmark", "resend")
NAMES = {
    "brevo": (),
    "mailgun": ("token" + "0" * 18 + "2",),
    "outbox": ("message" + "0" * 16 + "2",),
    "postmark": ("message" + "0" * 16 + "2", "token" + "0" * 18 + "2"),
    "resend": (),
}


def options_of(simulator: Simulator, url: str, **others: Any) -> dict[str, Any]:
    given = simulator.usage(url)
    return {name.partition(".")[2]: value for name, value in given.items() if "." in name} | others


async def pages(provider: Provider, since: datetime) -> list[Sequence[Found]]:
    assert isinstance(provider, Recalled)
    return [page async for page in provider.recall(since)]


def recalled(
    name: str, options: dict[str, Any], *, copies: int = 5, calls_made: int = 2, ago: timedelta = HOUR
) -> list[Sequence[Found]]:
    async def work(provider: Provider) -> list[Sequence[Found]]:
        await provider.open(begin=True)
        for number in range(calls_made):
            await provider.hand_over(batch(copies, key=f"{number:032x}"))
        return await pages(provider, datetime.now(UTC) - ago)

    return with_provider(name, options, work)


@pytest.mark.parametrize("name", LISTING)
def test_everything_is_listed_with_what_tells_whose_it_is(name: str, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    if name == "outbox":
        found = recalled(name, {"folder": tmp_path / "outbox"}, calls_made=1)
    else:
        simulator = simulate(name)
        with running(simulator) as (url, _):
            found = recalled(name, options_of(simulator, url), calls_made=1)
    copies = [one for page in found for one in page]
    assert sorted(one.address for one in copies) == [f"reader{number}@example.net" for number in range(1, 6)]
    second = next(one for one in copies if one.address == "reader2@example.net")
    assert second.names == NAMES[name]
    assert "two tools" in second.subject.lower()
    assert second.subject.replace("\N{WORD JOINER}", "") == MESSAGE.subject
    if name != "outbox":
        assert abs(second.at - now) < timedelta(minutes=1)
        assert second.message_id


@pytest.mark.parametrize(("name", "page"), [("mailgun", "PAGE"), ("brevo", "ROWS"), ("resend", "PAGE")])
def test_a_long_list_is_read_page_by_page(name: str, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"digest.providers.{name}.{page}", 2)
    simulator = simulate(name)
    with running(simulator) as (url, _):
        found = recalled(name, options_of(simulator, url))
    assert max(len(one) for one in found) == 2
    assert sum(len(one) for one in found) == 10


def test_a_search_that_shows_too_few_is_parted_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (postmark, simulated_postmark):
        monkeypatch.setattr(module, "SEARCHABLE", 4)
    monkeypatch.setattr(postmark, "PAGE", 3)
    simulator = simulate("postmark")
    with running(simulator) as (url, _):
        options = options_of(simulator, url)
        with pytest.raises(UncertainError, match="in a second"):
            recalled("postmark", options, calls_made=1)
        sent = simulator._sent  # type: ignore[attr-defined]
        sent[:] = [one._replace(received=one.received - timedelta(minutes=at)) for at, one in enumerate(sent)]
        found = recalled("postmark", options, calls_made=0)
        assert len({one.message_id for page in found for one in page}) == 5
        # In winter and in summer, whatever the hour where they are.
        sent[:] = [one._replace(received=datetime(2026, 7, 1, 12, at, tzinfo=UTC)) for at, one in enumerate(sent)]
        since = datetime.now(UTC) - datetime(2026, 7, 1, 12, tzinfo=UTC)
        assert sum(map(len, recalled("postmark", options, calls_made=0, ago=since))) >= 5


def test_bulk_mail_that_is_still_worked_is_waited_for() -> None:
    simulator = simulate("postmark", bulk_s=60)
    with running(simulator) as (url, _), pytest.raises(UncertainError, match="still Processing"):
        recalled("postmark", options_of(simulator, url, mode="bulk"), calls_made=1)


@pytest.mark.parametrize("name", ["resend", "mailgun"])
def test_a_key_that_may_only_send_is_told(name: str) -> None:
    simulator = simulate(name, sending_only=True)
    with running(simulator) as (url, _), pytest.raises(AccountError, match="401"):
        with_provider(name, options_of(simulator, url), lambda provider: pages(provider, datetime.now(UTC)))


@pytest.mark.parametrize("name", [one for one in LISTING if one != "outbox"])
def test_a_page_that_fails_is_asked_for_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "LOOK_AGAIN_S", 0.001)
    simulator = simulate(name)
    with running(simulator) as (url, server):
        options = options_of(simulator, url)
        recalled(name, options, calls_made=1)
        server.misbehave(Faults(error_before=0.2, reset_after=0.2, garbage=0.2, seed=3))
        assert sum(map(len, recalled(name, options, calls_made=0))) == 5
        server.misbehave(Faults(error_before=1))
        with pytest.raises(UncertainError):
            recalled(name, options, calls_made=0)
