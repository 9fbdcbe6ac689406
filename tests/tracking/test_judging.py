from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.events import Kind, Mark
from digest.tracking.agents import Agent
from digest.tracking.judging import HIDING, Seen, Verdict, Why, judge

SENT = 1_764_147_600_000
MINUTE = 60_000
LATER = SENT + 180 * MINUTE
"""When a reader reads, as a rule."""


def opened(at: float, agent: Agent = Agent.BROWSER) -> Seen:
    """An open, so many seconds after a reader would read."""
    return Seen(Kind.OPENED, 0, LATER + int(at * 1000), agent)


def clicked(at: float, link: int, agent: Agent = Agent.BROWSER) -> Seen:
    """A click, so many seconds after a reader would read."""
    return Seen(Kind.CLICKED, link, LATER + int(at * 1000), agent)


def sweep(start: float, links: int, gap: float, agent: Agent = Agent.BROWSER) -> list[Seen]:
    """Clicks on all links, one after the other."""
    return [clicked(start + gap * place, place + 1, agent) for place in range(links)]


def soon(start: float) -> float:
    """So many seconds after the copy was sent, as `opened` and `clicked` count."""
    return (SENT - LATER) / 1000 + start


def marks(readings: list[Seen], *, known: bool = True, links: int | None = 20) -> list[Mark]:
    return [mark for mark, _ in judge(readings, handed_over_ms=SENT if known else None, links=links)]


def whys(readings: list[Seen], *, known: bool = True, links: int | None = 20) -> list[Why]:
    return [why for _, why in judge(readings, handed_over_ms=SENT if known else None, links=links)]


def test_a_reader_who_opens_and_clicks_is_a_person() -> None:
    readings = [opened(0), clicked(40, 3), clicked(95, 7), opened(7200), clicked(7300, 3)]
    assert judge(readings, handed_over_ms=SENT, links=20) == [(Mark.PERSON, Why.PLAIN)] * 5
    assert judge(readings) == [(Mark.PERSON, Why.PLAIN)] * 5


@pytest.mark.parametrize(
    ("agent", "open_is", "click_is"),
    [
        (Agent.BROWSER, (Mark.PERSON, Why.PLAIN), (Mark.PERSON, Why.PLAIN)),
        (Agent.APPLE_PROXY, (Mark.MACHINE, Why.APPLE_PROXY), (Mark.MACHINE, Why.PROGRAM)),
        (Agent.GMAIL_PROXY, (Mark.PERSON, Why.GMAIL_PROXY), (Mark.MACHINE, Why.PROGRAM)),
        (Agent.OTHER_PROXY, (Mark.PERSON, Why.OTHER_PROXY), (Mark.MACHINE, Why.PROGRAM)),
        (Agent.SCANNER, (Mark.MACHINE, Why.SCANNER), (Mark.MACHINE, Why.SCANNER)),
        (Agent.PROGRAM, (Mark.MACHINE, Why.PROGRAM), (Mark.MACHINE, Why.PROGRAM)),
        (Agent.NETWORK, (Mark.MACHINE, Why.NETWORK), (Mark.MACHINE, Why.NETWORK)),
        (Agent.HEAD, (Mark.MACHINE, Why.HEAD), (Mark.MACHINE, Why.HEAD)),
        (Agent.NONE, (Mark.UNSURE, Why.NO_AGENT), (Mark.UNSURE, Why.NO_AGENT)),
        (Agent.PREFETCH, (Mark.MACHINE, Why.PREFETCH), (Mark.MACHINE, Why.PREFETCH)),
    ],
)
def test_what_says_what_it_is_is_judged_by_that(agent: Agent, open_is: Verdict, click_is: Verdict) -> None:
    assert judge([opened(0, agent)]) == [open_is]
    assert judge([clicked(0, 3, agent)]) == [click_is]


def test_only_a_proxy_that_opens_everything_hides_an_open() -> None:
    assert set(HIDING) == {Why.APPLE_PROXY}


@pytest.mark.parametrize("gap", [0.005, 0.3, 1, 3])
@pytest.mark.parametrize("after", [15, 40, 200, 7_200])
@pytest.mark.parametrize("known", [True, False])
def test_all_links_one_upon_the_other_are_a_machines(gap: float, after: float, known: bool) -> None:
    burst = sweep(soon(after), 20, gap)
    assert set(marks(burst, known=known)) == {Mark.MACHINE}
    assert set(marks(burst, known=known, links=None)) == {Mark.MACHINE}


def test_what_asks_beside_a_burst_is_the_same_machine_and_the_reader_is_not() -> None:
    burst = sweep(soon(40), 20, 0.05)
    before, among, after = opened(soon(12)), opened(soon(40.3)), clicked(soon(60), 2)
    reader = [opened(0), clicked(30, 4)]
    found = judge([before, *burst, among, after, *reader], handed_over_ms=SENT, links=20)
    assert [found[0], found[21]] == [(Mark.MACHINE, Why.BESIDE_BURST)] * 2
    assert found[22][0] is Mark.MACHINE
    assert found[23:] == [(Mark.PERSON, Why.PLAIN)] * 2


@pytest.mark.parametrize("agent", [Agent.GMAIL_PROXY, Agent.OTHER_PROXY])
def test_a_proxy_beside_a_burst_is_a_readers_and_in_it_is_not(agent: Agent) -> None:
    burst = sweep(soon(100), 20, 0.1)
    assert marks([*burst, opened(soon(90), agent), opened(soon(103), agent)])[20:] == [Mark.PERSON] * 2
    assert marks([*burst, opened(soon(101), agent)])[20:] == [Mark.MACHINE]


def test_a_named_scanners_burst_tells_of_the_picture_without_a_name() -> None:
    readings = [opened(0), *sweep(10, 20, 0.1, Agent.HEAD)]
    assert whys(readings)[0] is Why.BESIDE_BURST


def test_a_check_beside_a_click_takes_nothing_from_the_reader() -> None:
    """Safe Links and its like look at a link while the person who clicked waits."""
    for agent in (Agent.SCANNER, Agent.HEAD, Agent.NONE):
        readings = [clicked(0, 3, agent), clicked(0.2, 3), clicked(60, 5, agent), clicked(60.2, 5)]
        assert marks(readings)[1::2] == [Mark.PERSON] * 2, agent


@pytest.mark.parametrize("links", [(3, 5), (3, 5, 9), (3, 5, 9, 11, 2, 4)])
@pytest.mark.parametrize("gap", [0.7, 2, 4])
@pytest.mark.parametrize("known", [True, False])
def test_a_reader_may_open_some_tabs(links: tuple[int, ...], gap: float, known: bool) -> None:
    tabs = [clicked(gap * place, link) for place, link in enumerate(links)]
    assert judge([opened(-20), *tabs], handed_over_ms=SENT if known else None, links=20) == [
        (Mark.PERSON, Why.PLAIN),
        *[(Mark.PERSON, Why.SOME_QUICK)] * len(links),
    ]


def test_no_hand_is_so_fast() -> None:
    assert whys([clicked(0, 3), clicked(0.2, 5)]) == [Why.BURST] * 2
    assert marks([clicked(0, 3), clicked(0.2, 3)]) == [Mark.PERSON, Mark.UNSURE]


@pytest.mark.parametrize(("count", "links"), [(2, 2), (2, 4), (3, 3), (3, None), (5, None), (7, 30)])
def test_where_it_could_be_either_nobody_says(count: int, links: int | None) -> None:
    tabs = [opened(-30), *sweep(0, count, 1.5)]
    assert judge(tabs, links=links) == [
        (Mark.UNSURE, Why.BESIDE_FEW),
        *[(Mark.UNSURE, Why.FEW_QUICK)] * count,
    ]


def test_half_of_the_links_long_after_the_sending_are_a_readers() -> None:
    half = sweep(0, 3, 1.5)
    assert marks(half, links=6) == [Mark.PERSON] * 3
    assert marks(half, links=6, known=False) == [Mark.UNSURE] * 3
    # What asked first came after the sending: so that is long ago too.
    assert marks([opened(-3_600, Agent.APPLE_PROXY), *half], links=6, known=False)[1:] == [Mark.PERSON] * 3
    assert marks(sweep(soon(300), 3, 1.5), links=6) == [Mark.UNSURE] * 3
    assert marks(sweep(0, 3, 1.5), links=3) == [Mark.UNSURE] * 3


def test_a_slow_scanner_is_known_by_following_nearly_all() -> None:
    slow = sweep(soon(120), 20, 9)
    assert set(whys(slow)) == {Why.SWEEP}
    assert set(whys(slow[:16])) == {Why.SWEEP}
    assert set(marks(slow[:15])) == {Mark.PERSON}
    assert marks([*slow, clicked(soon(400), 4)])[-1] is Mark.PERSON, "a reader two minutes after it"
    assert marks([opened(soon(100)), *slow])[0] is Mark.MACHINE
    assert set(marks(sweep(0, 20, 40))) == {Mark.PERSON}, "a reader who takes a quarter of an hour"


def test_who_follows_the_hidden_link_is_a_machine_with_all_beside_it() -> None:
    readings = [
        opened(soon(50)),
        clicked(soon(80), 2),
        clicked(soon(84), 0),
        clicked(soon(88), 3),
        clicked(soon(110), 4),
        opened(0),
        clicked(30, 4),
    ]
    assert whys(readings) == [
        Why.BESIDE_HIDDEN_LINK,
        Why.BESIDE_HIDDEN_LINK,
        Why.HIDDEN_LINK,
        Why.BESIDE_HIDDEN_LINK,
        Why.BESIDE_HIDDEN_LINK,
        Why.PLAIN,
        Why.PLAIN,
    ]
    assert marks(readings)[-2:] == [Mark.PERSON] * 2


def test_nobody_reads_within_seconds_of_the_sending() -> None:
    assert whys([opened(soon(3)), clicked(soon(9), 2)]) == [Why.SOON] * 2
    assert whys([opened(soon(3), Agent.GMAIL_PROXY)]) == [Why.SOON]
    assert whys([opened(soon(3), Agent.APPLE_PROXY)]) == [Why.APPLE_PROXY]
    assert whys([opened(soon(3))], known=False) == [Why.PLAIN]
    # It was handed over once more after it had arrived already.
    assert whys([opened(soon(-3)), clicked(soon(-1), 2)]) == [Why.PLAIN] * 2


def test_within_a_minute_it_may_be_either() -> None:
    assert whys([opened(soon(20)), clicked(soon(45), 2)]) == [Why.EARLY] * 2
    assert marks([opened(soon(20), Agent.GMAIL_PROXY)]) == [Mark.PERSON]
    assert marks([opened(soon(70)), clicked(soon(100), 2)]) == [Mark.PERSON] * 2


def test_a_double_click_is_one_click_of_a_person() -> None:
    assert judge([clicked(0, 3), clicked(0.3, 3), clicked(0.7, 3), clicked(30, 3)]) == [
        (Mark.PERSON, Why.PLAIN),
        (Mark.UNSURE, Why.AGAIN),
        (Mark.UNSURE, Why.AGAIN),
        (Mark.PERSON, Why.PLAIN),
    ]


def test_nothing_was_seen() -> None:
    assert judge([]) == []


def test_a_copy_that_is_asked_for_without_end_is_judged_in_no_time() -> None:
    many = [clicked(place * 0.9, 1 + place % 20) for place in range(20_000)]
    assert set(marks(many)) == {Mark.MACHINE}


def test_every_reason_has_its_words_and_number_for_ever() -> None:
    assert len({why.words for why in Why}) == len(Why)
    assert [why.name for why in sorted(Why)] == [
        "PLAIN", "HEAD", "SCANNER", "PROGRAM", "NETWORK", "HIDDEN_LINK", "BESIDE_HIDDEN_LINK", "BURST", "SWEEP",
        "BESIDE_BURST", "SOON", "APPLE_PROXY", "GMAIL_PROXY", "OTHER_PROXY", "PREFETCH", "SOME_QUICK", "FEW_QUICK",
        "AGAIN", "NO_AGENT", "BESIDE_FEW", "EARLY",
    ]  # fmt: skip


SEEN = st.builds(
    Seen,
    st.sampled_from([Kind.OPENED, Kind.CLICKED]),
    st.integers(0, 6),
    st.integers(0, 400).map(lambda step: SENT + step * 700) | st.integers(SENT, SENT + 20_000),
    st.sampled_from(Agent),
)


@given(st.lists(SEEN, max_size=25), st.none() | st.just(SENT), st.none() | st.integers(1, 8), st.randoms())
def test_verdicts_depend_on_the_set_and_not_on_the_order(
    readings: list[Seen], handed_over_ms: int | None, links: int | None, chance: random.Random
) -> None:
    found = dict(zip(readings, judge(readings, handed_over_ms=handed_over_ms, links=links), strict=True))
    others = list(readings)
    chance.shuffle(others)
    assert dict(zip(others, judge(others, handed_over_ms=handed_over_ms, links=links), strict=True)) == found


@given(st.lists(SEEN, max_size=25), st.none() | st.just(SENT), st.none() | st.integers(1, 8))
def test_what_says_it_is_a_machine_is_one_whatever_is_beside_it(
    readings: list[Seen], handed_over_ms: int | None, links: int | None
) -> None:
    named = {Agent.SCANNER, Agent.PROGRAM, Agent.NETWORK, Agent.HEAD, Agent.PREFETCH, Agent.APPLE_PROXY}
    for one, (mark, _) in zip(readings, judge(readings, handed_over_ms=handed_over_ms, links=links), strict=True):
        if one.agent in named or (one.kind is Kind.CLICKED and one.link == 0):
            assert mark is Mark.MACHINE
        if one.agent is Agent.NONE:
            assert mark is not Mark.PERSON
