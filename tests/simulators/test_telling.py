"""What simulated providers tell of their copies: our own hooks believe it; it comes in any order, and again."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from digest.providers.hooks import hooks_of
from digest.providers.hooks.interface import Call, Told
from digest.simulators import hooks, simulate
from digest.simulators.fates import Fates
from digest.simulators.hooks import caller_of
from digest.simulators.hooks.caller import Caller, Happening
from digest.simulators.record import Accepted, Record
from digest.simulators.server import running
from digest.simulators.simulator import Reply, Request, Simulator
from digest.simulators.telling import Teller

NOW = datetime(2026, 11, 26, 9, 0, 5, tzinfo=UTC)
TAGS = {"copy": "AAAADAAAB-kQm3Lr0tXvYw7z", "batch": "8f14e45fceea4a7a9c3b2d1b0c9a7e10"}
COPY = Accepted("ada@example.net", 1, "14c5d75ce93.dfd.64b469", "Two editors compared", tags=TAGS)
WORDS: dict[Happening, tuple[str, bool]] = {
    "accepted": ("accepted", False),
    "deferred": ("deferred", False),
    "delivered": ("delivered", False),
    "bounced hard": ("bounced", True),
    "bounced soft": ("bounced", False),
    "complained": ("complained", False),
}
HURRY = Fates(bounces=0, soft_bounces=0, complaints=0, deferrals=0, repeats=0, delivers_after_s=0.05, late_s=0.05)


def believed(caller: Caller, body: bytes, headers: dict[str, str], *, now: datetime = NOW) -> list[Any]:
    """Verify a call by our own hooks with the settings that were printed; give what is read in it."""

    async def nothing(address: str) -> bytes:
        raise AssertionError(address)

    ours = hooks_of(caller.name)
    given: Any = {name.partition(".")[2]: value for name, value in caller.usage().items()}
    call = Call({name.lower(): value for name, value in headers.items()}, body, {})
    asyncio.run(ours.verify(call, dict(ours.Options(**given)), now=now, fetch=nothing))
    return list(ours.read(body))


def test_all_that_have_an_api_tell_but_amazon() -> None:
    assert set(hooks.names()) == {"brevo", "mailgun", "postmark", "resend", "sendgrid"}


@pytest.mark.parametrize("what", WORDS)
@pytest.mark.parametrize("name", hooks.names())
def test_what_is_told_is_believed_and_understood(name: str, what: Happening) -> None:
    caller = caller_of(name)
    event = caller.event(COPY, what, NOW, 7)
    if event is None:
        assert (name, what) in {("postmark", "accepted"), ("postmark", "deferred")}
        return
    body = caller.body([event], NOW)
    (told,) = believed(caller, body, caller.headers(body, 7, NOW))
    assert isinstance(told, Told)
    assert (told.word, told.hard) == WORDS[what]
    assert (told.at, told.copy, told.address) == (NOW, TAGS["copy"], COPY.address)
    assert told.batch == (None if name == "resend" else TAGS["batch"])
    assert bool(told.code) == ("bounced" in what) or told.word in ("deferred", "delivered")


def test_a_call_is_signed_anew_for_each_try_and_by_mailgun_once() -> None:
    later = NOW + timedelta(hours=3)
    for name in ("resend", "sendgrid", "mailgun"):
        caller = caller_of(name)
        event = caller.event(COPY, "delivered", NOW, 7)
        assert event is not None
        body = caller.body([event], NOW)
        assert believed(caller, body, caller.headers(body, 7, later), now=later)


# What becomes of copies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "fate"),
    [
        ("bounce@example.net", "bounced hard"),
        ("Bounce+3@example.net", "bounced hard"),
        ("soft-3@example.net", "bounced soft"),
        ("complaint7@example.net", "complained"),
        ("defer.x@example.net", "deferred"),
        ("bouncer@example.net", "delivered"),
        ("software@example.net", "delivered"),
        ("ada@example.net", "delivered"),
    ],
)
def test_an_address_may_say_what_becomes_of_its_copy(address: str, fate: str) -> None:
    story = HURRY.story_of(address, HURRY.drawn_for(address))
    assert fate in [what for what, _ in story]
    assert [after for _, after in story] == sorted(after for _, after in story)
    assert (story[-1][0] == "delivered") == (fate in ("delivered", "deferred"))


def test_others_are_drawn_by_share_and_the_same_for_the_same_seed() -> None:
    def ends(fates: Fates) -> list[str]:
        addresses = [f"reader{number}@example.net" for number in range(4000)]
        return [fates.story_of(address, fates.drawn_for(address))[-1][0] for address in addresses]

    found = Counter(ends(Fates(bounces=0.1, soft_bounces=0.05, complaints=0.02)))
    assert 340 < found["bounced hard"] < 460
    assert 150 < found["bounced soft"] < 250
    assert 50 < found["complained"] < 110
    assert ends(Fates()) == ends(Fates())
    assert ends(Fates()) != ends(Fates(seed=2))


def test_fates_are_read_from_texts() -> None:
    assert Fates.of({"bounces": "0.5", "seed": "3"}) == Fates(bounces=0.5, seed=3)
    with pytest.raises(ValueError, match="no fate is called 'luck'; there are bounces, "):
        Fates.of({"luck": "1"})


# Calls ---------------------------------------------------------------------------------------------------------------


class Site(Simulator):
    """Answers with the statuses it is given, one after the other, and with 200 after them."""

    name = "site"

    def __init__(self, *statuses: int) -> None:
        super().__init__()
        self.statuses, self.requests = list(statuses), list[Request]()

    def answer(self, request: Request, number: int) -> Reply:
        self.requests.append(request)
        return Reply(self.statuses.pop(0) if self.statuses else 200)

    def too_many(self, retry_after_s: float) -> Reply:
        return Reply(429)

    def usage(self, url: str) -> dict[str, str]:
        return {}


def copies(count: int) -> list[Accepted]:
    return [Accepted(f"reader{number}@example.net", 1, f"id-{number}", "s", tags=TAGS) for number in range(count)]


def tell(name: str, site: Site, fates: Fates = HURRY, count: int = 1) -> Teller:
    """Tell a site of some copies, to the end."""
    record = Record()
    record.add(copies(count))
    with running(site) as (url, _):
        teller = Teller(record, caller_of(name), f"{url}/hooks/{name}", fates)
        asyncio.run(teller.tell(over=lambda: True))
    assert teller.waiting == 0
    assert {request.path for request in site.requests} == {f"/hooks/{name}"}
    return teller


def test_events_come_in_another_order_than_they_happened_and_some_twice() -> None:
    site = Site()
    teller = tell("resend", site, replace(HURRY, late_s=0.3, repeats=0.2), 60)
    assert teller.told == {"accepted": 60, "delivered": 60}
    bodies = [request.body for request in site.requests]
    moments = [json.loads(body)["created_at"] for body in bodies]
    assert moments != sorted(moments)
    twice = [body for body, count in Counter(bodies).items() if count == 2]
    assert 5 < len(twice) < 50
    assert len(bodies) == teller.told.total() + len(twice)
    ids = {request.headers["svix-id"] for request in site.requests}
    assert len(ids) == teller.told.total()


def test_sendgrid_tells_many_events_in_a_call_and_some_of_them_again() -> None:
    site = Site()
    teller = tell("sendgrid", site, Fates(bounces=1, delivers_after_s=0, late_s=0.2, repeats=0.3), 200)
    assert teller.told == {"accepted": 200, "bounced hard": 200}
    assert len(site.requests) < 20
    events = [event["sg_event_id"] for request in site.requests for event in json.loads(request.body)]
    assert len(set(events)) == 400 < len(events)


@pytest.mark.parametrize("name", hooks.names())
def test_what_is_answered_429_comes_again(name: str) -> None:
    site = Site(429, 429)
    teller = tell(name, site, Fates(bounces=1, repeats=0, delivers_after_s=0.05, late_s=0.01, hurry=20_000))
    assert (teller.told["bounced hard"], teller.given_up) == (1, 0)
    assert teller.calls["429"] == 2
    first = site.requests[0].body
    assert [request.body for request in site.requests].count(first) > 1


@pytest.mark.parametrize(("name", "status"), [("brevo", 503), ("mailgun", 406), ("postmark", 403)])
def test_what_ends_a_provider_s_tries_ends_them(name: str, status: int) -> None:
    site = Site(*[status] * 9)
    teller = tell(name, site, Fates(bounces=1, repeats=0, delivers_after_s=0.05, late_s=0, hurry=20_000))
    assert teller.told == {}
    assert teller.given_up == len(site.requests) == (1 if name == "postmark" else 2)


def test_after_its_last_try_an_event_is_given_up_and_mailgun_tells_of_a_delivery_once() -> None:
    fates = replace(HURRY, hurry=1e6)
    assert tell("resend", Site(*[500] * 99), fates).calls == {"500": 2 * 8}
    mailgun = tell("mailgun", Site(*[500] * 99), fates)
    assert (mailgun.calls, mailgun.given_up) == ({"500": 7 + 1}, 2)


def test_where_nobody_answers_it_calls_again() -> None:
    record = Record()
    record.add(copies(1))
    teller = Teller(record, caller_of("brevo"), "http://127.0.0.1:9/hooks/brevo", replace(HURRY, hurry=1e6))
    asyncio.run(teller.tell(over=lambda: True))
    assert (teller.calls["no answer"], teller.given_up) == (10, 2)


def test_copies_that_come_in_meanwhile_are_told_of_too() -> None:
    site, simulator = Site(), simulate("sendgrid")
    rounds = iter(range(6))

    def over() -> bool:
        simulator.record.add(copies(10)[: 10 if (at := next(rounds, 9)) < 3 else 0])
        return at >= 3

    with running(site) as (url, _):
        teller = Teller(simulator.record, caller_of("sendgrid"), url, HURRY)
        asyncio.run(teller.tell(over=over))
    assert teller.told == {"accepted": 30, "delivered": 30}
    assert teller.summary()["told"] == {"accepted": 30, "delivered": 30}
