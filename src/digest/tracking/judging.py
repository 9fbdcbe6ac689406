"""People and machines told apart: what each open and click of one copy was the work of, and why.

A machine that does not say so is known by what no person does: it follows a link that nobody can see, many links at
once, or all of them. Where a person might have done the same, the answer is *unsure*. All figures below are about what
people can do, and what scanners were seen to do: https://github.com/putyourlightson/craft-campaign/issues/546 has 836
bursts of clicks, of which 0.5 % came within 10 s of the sending, 69 % within a minute, 97 % within five.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Literal

from digest.events import Kind, Mark
from digest.tracking.agents import Agent


class Why(IntEnum):
    """Why an open or a click was judged so. The store keeps the numbers: none is ever used for another reason."""

    PLAIN = 0
    HEAD = 1
    SCANNER = 2
    PROGRAM = 3
    NETWORK = 4
    HIDDEN_LINK = 5
    BESIDE_HIDDEN_LINK = 6
    BURST = 7
    SWEEP = 8
    BESIDE_BURST = 9
    SOON = 10
    APPLE_PROXY = 11
    GMAIL_PROXY = 12
    OTHER_PROXY = 13
    PREFETCH = 14
    SOME_QUICK = 15
    FEW_QUICK = 16
    AGAIN = 17
    NO_AGENT = 18

    @property
    def words(self) -> str:
        """The reason in short plain words."""
        return _WORDS[self]


_WORDS = {
    Why.PLAIN: "a browser or a mail program, and nothing speaks against a person",
    Why.HEAD: "asked with HEAD, as no browser does",
    Why.SCANNER: "a mail scanner, by its own words",
    Why.PROGRAM: "a program or a crawler, by its own words",
    Why.NETWORK: "from a network that is a machine's, by setting",
    Why.HIDDEN_LINK: "followed the link that no person sees",
    Why.BESIDE_HIDDEN_LINK: "within minutes of what followed the hidden link",
    Why.BURST: "part of a burst of clicks that no person makes",
    Why.SWEEP: "nearly all links of the mail within minutes",
    Why.BESIDE_BURST: "within minutes of a machine's burst",
    Why.SOON: "within seconds of the sending",
    Why.APPLE_PROXY: "Apple's privacy proxy, which opens everything",
    Why.GMAIL_PROXY: "Gmail's picture proxy, for a person who opened",
    Why.OTHER_PROXY: "a mailbox provider's picture proxy, for a person who opened",
    Why.PREFETCH: "Gmail, fetching pictures ahead",
    Why.SOME_QUICK: "a few of many links in quick order, no faster than a hand",
    Why.FEW_QUICK: "several links in quick order: a hand or a machine",
    Why.AGAIN: "the same link twice at once: a double click, or a check beside one",
    Why.NO_AGENT: "does not say what it is",
}

SOON_MS = 10_000
"""What asks so soon after the handing over is a machine: the mail must arrive, be noticed, opened and read before."""

RUN_MS = 5_000
"""Clicks of a copy with no longer pauses between them are one run."""

FAST_MS = 400
"""Nobody follows another link so soon: to aim at a thing and press takes a hand half a second and more
(https://en.wikipedia.org/wiki/Fitts%27s_law), to find the next link comes on top. Scanners take milliseconds."""

FEW = 3
"""So many links in a run may be a reader opening tabs, whatever share of the mail's links they are."""

SOME = 6
"""So many may be, where they are a small share of the mail's links."""

SMALL_SHARE = 1 / 3
"""Scanners follow all links, or a sample of one or two. A run of some is a person's if it leaves two thirds out."""

LARGE_SHARE = 1 / 2
"""More than `FEW` links in a run are a machine's if they are half of the mail's."""

LATE_MS = 600_000
"""When so much time has passed since the handing over, a run of few links at a hand's pace is a person's: of scanners'
bursts 97 % begin within half of it."""

SWEEP_MS, SWEEP_LINKS, SWEEP_SHARE = 300_000, 6, 0.8
"""A slow scanner: so long it may take, for so many links at least, which are so large a share of all."""

BESIDE_MS = 120_000
"""What asks so long before or after a machine's clicks is taken for the same machine. In the 836 bursts its picture was
fetched first, in the median 33 s before. It costs those who read in the very minutes after the mail arrived, where
a scanner does, about 1 in 50 of these."""

AGAIN_MS = 1_000
"""The same link a second time within this is no second click."""

HIDING = frozenset({Why.APPLE_PROXY})
"""Reasons for which a person's open of a copy cannot be seen: the proxy asks for everybody's.

Such a copy is `hidden`, or where a click (or an open elsewhere) tells of a person all the same, `hidden people`. Both
are out of the rate of opens by people, (opened people - hidden people) / (delivered - hidden - hidden people): it would
be too high if of Apple's readers those came into it who click, and those who read and click on nothing did not.
"""


@dataclass(frozen=True)
class Seen:
    """An open or a click of a copy; `link` 0 of a click is the hidden one, `at_ms` in milliseconds since 1970."""

    kind: Literal[Kind.OPENED, Kind.CLICKED]
    link: int
    at_ms: int
    agent: Agent


Verdict = tuple[Mark, Why]
Span = tuple[int, int]
"""From a moment to another, both in it."""

_BY_NAME: dict[Agent, Verdict] = {
    Agent.BROWSER: (Mark.PERSON, Why.PLAIN),
    Agent.APPLE_PROXY: (Mark.MACHINE, Why.APPLE_PROXY),
    Agent.GMAIL_PROXY: (Mark.PERSON, Why.GMAIL_PROXY),
    Agent.OTHER_PROXY: (Mark.PERSON, Why.OTHER_PROXY),
    Agent.SCANNER: (Mark.MACHINE, Why.SCANNER),
    Agent.PROGRAM: (Mark.MACHINE, Why.PROGRAM),
    Agent.NETWORK: (Mark.MACHINE, Why.NETWORK),
    Agent.HEAD: (Mark.MACHINE, Why.HEAD),
    Agent.NONE: (Mark.UNSURE, Why.NO_AGENT),
    Agent.PREFETCH: (Mark.MACHINE, Why.PREFETCH),
}
_PROXIES = frozenset({Agent.APPLE_PROXY, Agent.GMAIL_PROXY, Agent.OTHER_PROXY})
_PLAIN = frozenset({Agent.BROWSER, Agent.NONE})
_TABS: Verdict = (Mark.PERSON, Why.SOME_QUICK)
_BURST: Verdict = (Mark.MACHINE, Why.BURST)
_UNCLEAR: Verdict = (Mark.UNSURE, Why.FEW_QUICK)


def judge(readings: Sequence[Seen], *, handed_over_ms: int | None = None, links: int | None = None) -> list[Verdict]:
    """Judge all opens and clicks of one copy; give mark and reason of each, in the order given.

    The verdict on each depends on the set of all of them alone, not on their order.

    Args:
        readings: the opens and clicks of the copy.
        handed_over_ms: when the copy was handed to the provider, where that is known.
        links: how many counted links the mail has, where that is known.
    """
    clicks = sorted(
        (one for one in readings if one.kind is Kind.CLICKED), key=lambda one: (one.at_ms, one.link, one.agent)
    )
    by_run: dict[Seen, Verdict] = {}
    bursts: list[Span] = []
    hidden: list[Span] = []
    # Those that say who they are make runs of their own: beside a person's click there may be the one of a scanner that
    # looks at what the person is about to see.
    for plain in (True, False):
        for run in _runs([one for one in clicks if (one.agent in _PLAIN) is plain]):
            late = handed_over_ms is not None and run[0].at_ms - handed_over_ms >= LATE_MS
            found = _judge_run(run, links=links, late=late)
            by_run.update(dict.fromkeys(run, found) if found else {})
            if any(one.link == 0 for one in run):
                hidden.append((run[0].at_ms, run[-1].at_ms))
            elif found == _BURST:
                bursts.append((run[0].at_ms, run[-1].at_ms))
    for swept in _sweeps([one for one in clicks if one.agent in _PLAIN], links):
        by_run.update((one, (Mark.MACHINE, Why.SWEEP)) for one in swept if by_run.get(one) != _BURST)
        bursts.append((swept[0].at_ms, swept[-1].at_ms))
    beside = {
        Why.BESIDE_HIDDEN_LINK: (_joined(hidden, 0), _joined(hidden, BESIDE_MS)),
        Why.BESIDE_BURST: (_joined(bursts, 0), _joined(bursts, BESIDE_MS)),
    }
    again = _again(clicks)

    def verdict(one: Seen) -> Verdict:
        by_name = _by_name(one)
        if by_name[0] is Mark.MACHINE:
            return by_name
        if one.kind is Kind.CLICKED and one.link == 0:
            return Mark.MACHINE, Why.HIDDEN_LINK
        if handed_over_ms is not None and 0 <= one.at_ms - handed_over_ms < SOON_MS:
            return Mark.MACHINE, Why.SOON
        found = by_run.get(one, by_name)
        if found[0] is Mark.MACHINE:
            return found
        for why, (within, around) in beside.items():
            # A scanner does not come by a mailbox provider's proxy; that it asks in the same second may be chance.
            if _inside(one.at_ms, within if one.agent in _PROXIES else around):
                return Mark.MACHINE, why
        if by_name[0] is Mark.UNSURE or found[0] is Mark.UNSURE:
            return by_name if by_name[0] is Mark.UNSURE else found
        return (Mark.UNSURE, Why.AGAIN) if one in again else found

    return [verdict(one) for one in readings]


def hides(reasons: Iterable[Why]) -> bool:
    """Tell whether, of a copy whose readings have these reasons, a person's open could not be seen."""
    return any(why in HIDING for why in reasons)


def _by_name(one: Seen) -> Verdict:
    # Proxies for pictures follow no link for anybody: a click that comes by one is somebody looking at where it leads.
    if one.kind is Kind.CLICKED and one.agent in _PROXIES:
        return Mark.MACHINE, Why.PROGRAM
    return _BY_NAME[one.agent]


def _runs(clicks: Sequence[Seen]) -> Iterator[list[Seen]]:
    run: list[Seen] = []
    for one in clicks:
        if run and one.at_ms - run[-1].at_ms > RUN_MS:
            yield run
            run = []
        run.append(one)
    if run:
        yield run


def _judge_run(run: Sequence[Seen], *, links: int | None, late: bool) -> Verdict | None:
    """Judge clicks that came one upon the other; None where they are on one link."""
    if any(one.link == 0 for one in run):
        return Mark.MACHINE, Why.BESIDE_HIDDEN_LINK
    count = len({one.link for one in run})
    if count == 1:
        return None
    if any(other.at_ms - one.at_ms < FAST_MS for one, other in pairwise(run) if one.link != other.link):
        return _BURST
    share = count / links if links else None
    small = share is not None and share <= SMALL_SHARE
    if count <= FEW:
        return _TABS if small or late else _UNCLEAR
    if share is None:
        return _BURST if count > SOME else _UNCLEAR
    if small and count <= SOME:
        return _TABS
    return _BURST if share >= LARGE_SHARE else _UNCLEAR


def _sweeps(clicks: Sequence[Seen], links: int | None) -> Iterator[Sequence[Seen]]:
    """Give the clicks, as far as they hang together, in which nearly all links were followed within minutes."""
    if not links or links < SWEEP_LINKS:
        return
    inside: Counter[int] = Counter()
    first, swept = 0, (0, 0)  # from the first click in the window; what is part of a sweep, from and to before
    for last, one in enumerate(clicks):
        inside[one.link] += 1
        while one.at_ms - clicks[first].at_ms > SWEEP_MS:
            gone = clicks[first].link
            inside[gone] -= 1
            if not inside[gone]:
                del inside[gone]
            first += 1
        if len(inside) >= SWEEP_SHARE * links:
            if first >= swept[1]:
                yield from [clicks[slice(*swept)]] if swept[1] else []
                swept = (first, last + 1)
            swept = (swept[0], last + 1)
    if swept[1]:
        yield clicks[slice(*swept)]


def _again(clicks: Sequence[Seen]) -> set[Seen]:
    """Give the clicks of browsers on a link that was followed just before."""
    latest: dict[int, int] = {}
    found: set[Seen] = set()
    for one in clicks:
        if one.agent is Agent.BROWSER:
            if one.link in latest and 0 < one.at_ms - latest[one.link] <= AGAIN_MS:
                found.add(one)
            latest[one.link] = one.at_ms
    return found


def _joined(spans: Iterable[Span], margin: int) -> list[Span]:
    """Give spans with a margin on both sides, joined where they touch, in order."""
    joined: list[Span] = []
    for start, end in sorted((start - margin, end + margin) for start, end in spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _inside(at: int, spans: Sequence[Span]) -> bool:
    place = bisect_right(spans, at, key=lambda span: span[0])
    return place > 0 and at <= spans[place - 1][1]
