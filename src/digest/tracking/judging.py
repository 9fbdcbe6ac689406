"""People and machines told apart: what each open and click of one copy was the work of, and why.

A machine that does not say so is known by what no person does: it follows a link that nobody can see, many links at
once, or all of them. Where a person might have done the same, the answer is *unsure*. All figures below are about what
people can do, and what scanners were seen to do: https://github.com/putyourlightson/craft-campaign/issues/546 has 836
bursts of clicks, of which 0.5 % came within 10 s of the sending, 69 % within a minute, 97 % within five.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
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
    BESIDE_FEW = 19
    EARLY = 20

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
    Why.BESIDE_HIDDEN_LINK: "shortly before or after what followed the hidden link",
    Why.BURST: "part of a burst of clicks that no person makes",
    Why.SWEEP: "nearly all links of the mail within minutes",
    Why.BESIDE_BURST: "shortly before or after a machine's burst",
    Why.SOON: "within seconds of the sending",
    Why.APPLE_PROXY: "Apple's privacy proxy, which opens everything",
    Why.GMAIL_PROXY: "Gmail's picture proxy, for a person who opened",
    Why.OTHER_PROXY: "a mailbox provider's picture proxy, for a person who opened",
    Why.PREFETCH: "Gmail, fetching pictures ahead",
    Why.SOME_QUICK: "a few of many links in quick order, no faster than a hand",
    Why.FEW_QUICK: "several links in quick order: a hand or a machine",
    Why.AGAIN: "the same link twice at once: a double click, or a check beside one",
    Why.NO_AGENT: "does not say what it is",
    Why.BESIDE_FEW: "shortly before or after clicks of a hand or a machine",
    Why.EARLY: "within a minute of the sending, when scanners come and hardly a reader",
}

SOON_MS = 10_000
"""What asks so soon after the handing over is a machine: the mail must arrive, be noticed, opened and read before."""

EARLY_MS = 60_000
"""What asks so soon and says it is a browser may be a scanner that looks at the picture or at one link and no more, and
does nothing else to be known by: two thirds of scanners come in this time, and of readers some in a thousand."""

RUN_MS = 5_000
"""Clicks of a copy with no longer pauses between them are one run."""

FAST_MS = 400
"""Nobody follows another link so soon: to aim at a thing and press takes a hand half a second and more
(https://en.wikipedia.org/wiki/Fitts%27s_law), to find the next link comes on top. Scanners take milliseconds."""

FEW, SOME = 3, 6
"""So many links in a run may be a reader opening tabs: few whatever share of the mail's links they are, some where most
are left out."""

HALF = 1 / 2
"""A run that leaves out more than half of the mail's links is a person's, at a hand's pace: scanners follow all of
them, or a sample of one or two. One that does not, with more than a few, is a machine's."""

NEARLY_ALL = 0.8
"""So large a share of the mail's links are all that a scanner follows."""

LATE_MS = 600_000
"""When so much time has passed since the handing over, or since anything first asked, a run at a hand's pace that does
not have nearly all links is a person's: of scanners' bursts 97 % begin within half of that time."""

SWEEP_MS, SWEEP_LINKS = 30_000, 8
"""A slow scanner follows nearly all links, of a mail that has so many at least, with no longer pauses between them."""

BEFORE_MS, AFTER_MS = 120_000, 30_000
"""A picture asked for so long before a machine's clicks is taken for the same machine's: in the 836 bursts it came
first, in the median by 33 s. So is what asks so long after them, and a click so long before. It costs those who read
in the very minute after a mail arrived where a scanner does."""

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
_SWEEP: Verdict = (Mark.MACHINE, Why.SWEEP)
_HIDDEN: Verdict = (Mark.MACHINE, Why.BESIDE_HIDDEN_LINK)
_UNCLEAR: Verdict = (Mark.UNSURE, Why.FEW_QUICK)


def judge(readings: Sequence[Seen], *, handed_over_ms: int | None = None, links: int | None = None) -> list[Verdict]:
    """Judge all opens and clicks of one copy; give mark and reason of each, in the order given.

    The verdict on each depends on the set of all of them alone, not on their order.

    Args:
        readings: the opens and clicks of the copy.
        handed_over_ms: when the copy was handed to the provider, where that is known.
        links: how many counted links the mail has, where that is known.
    """
    copy = _Copy(readings, handed_over_ms, links)
    return [copy.judge(one) for one in readings]


class _Copy:
    """What the clicks of a copy tell together, and by it each reading."""

    def __init__(self, readings: Sequence[Seen], handed_over_ms: int | None, links: int | None) -> None:
        self._handed_over_ms = handed_over_ms
        clicks = [one for one in readings if one.kind is Kind.CLICKED]
        clicks.sort(key=lambda one: (one.at_ms, one.link, one.agent))
        # Nothing asks before the handing over, so that is no later than what asked first.
        begun = handed_over_ms if handed_over_ms is not None else min((one.at_ms for one in readings), default=0)
        self._by_run: dict[Seen, Verdict] = {}
        spans: dict[Verdict | None, list[Span]] = defaultdict(list)
        plain = [one for one in clicks if one.agent in _PLAIN]
        # Those that say who they are make runs of their own: beside a person's click there may be the one of a scanner
        # that looks at what the person is about to see.
        named = [one for one in clicks if one.agent not in _PLAIN]
        for run in (*_runs(plain, RUN_MS), *_runs(named, RUN_MS)):
            found = _judge_run(run, links=links, late=run[0].at_ms - begun >= LATE_MS)
            spans[found if run[0].agent in _PLAIN or found != _UNCLEAR else None].append((run[0].at_ms, run[-1].at_ms))
            if found is not None:
                self._by_run.update(dict.fromkeys(run, found))
        for run in _runs(plain, SWEEP_MS) if links else ():
            if _is_sweep(run, links or 0):
                spans[_BURST].append((run[0].at_ms, run[-1].at_ms))
                self._by_run.update(
                    (one, _SWEEP) for one in run if self._by_run.get(one, _UNCLEAR)[0] is not Mark.MACHINE
                )
        self._hidden, self._burst, self._few = _Beside(spans[_HIDDEN]), _Beside(spans[_BURST]), _Beside(spans[_UNCLEAR])
        self._again = _again(clicks)

    def judge(self, one: Seen) -> Verdict:
        """Judge one of the readings."""
        by_name = _by_name(one)
        if by_name[0] is Mark.MACHINE:
            return by_name
        if one.kind is Kind.CLICKED and one.link == 0:
            return Mark.MACHINE, Why.HIDDEN_LINK
        # What asks before is no sign: the copy may have been handed over a second time.
        after = one.at_ms - self._handed_over_ms if self._handed_over_ms is not None else -1
        if 0 <= after < SOON_MS:
            return Mark.MACHINE, Why.SOON
        found = self._by_run.get(one, by_name)
        if found[0] is Mark.MACHINE:
            return found
        if self._hidden.has(one):
            return _HIDDEN
        if self._burst.has(one):
            return Mark.MACHINE, Why.BESIDE_BURST
        if by_name[0] is Mark.UNSURE:
            return by_name
        return found if found[0] is Mark.UNSURE else self._doubt(one, after) or found

    def _doubt(self, one: Seen, after: int) -> Verdict | None:
        """Say why it may be no person, or no click more."""
        if one in self._again:
            return Mark.UNSURE, Why.AGAIN
        if one.kind is Kind.OPENED and self._few.has(one):
            return Mark.UNSURE, Why.BESIDE_FEW
        return (Mark.UNSURE, Why.EARLY) if one.agent is Agent.BROWSER and 0 <= after < EARLY_MS else None


def _by_name(one: Seen) -> Verdict:
    # Proxies for pictures follow no link for anybody: a click that comes by one is somebody looking at where it leads.
    if one.kind is Kind.CLICKED and one.agent in _PROXIES:
        return Mark.MACHINE, Why.PROGRAM
    return _BY_NAME[one.agent]


def _runs(clicks: Sequence[Seen], pause_ms: int) -> Iterator[list[Seen]]:
    run: list[Seen] = []
    for one in clicks:
        if run and one.at_ms - run[-1].at_ms > pause_ms:
            yield run
            run = []
        run.append(one)
    if run:
        yield run


def _judge_run(run: Sequence[Seen], *, links: int | None, late: bool) -> Verdict | None:
    """Judge clicks that came one upon the other; None where they are on one link."""
    if any(one.link == 0 for one in run):
        return _HIDDEN
    count = len({one.link for one in run})
    if count == 1:
        return None
    if any(other.at_ms - one.at_ms < FAST_MS for one, other in pairwise(run) if one.link != other.link):
        return _BURST
    if not links:
        return _BURST if count > SOME else _UNCLEAR
    share = count / links
    if count <= SOME and (share < HALF or (late and share < NEARLY_ALL)):
        return _TABS
    return _BURST if count > FEW and share >= HALF else _UNCLEAR


def _is_sweep(run: Sequence[Seen], links: int) -> bool:
    return links >= SWEEP_LINKS and len({one.link for one in run}) >= NEARLY_ALL * links


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


class _Beside:
    """Tells what asked beside clicks that came one upon the other."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._within = _joined(spans, 0, 0)
        self._picture = _joined(spans, BEFORE_MS, AFTER_MS)
        self._click = _joined(spans, AFTER_MS, AFTER_MS)

    def has(self, one: Seen) -> bool:
        """Tell whether it asked so near that it is taken for the same."""
        if one.agent in _PROXIES:
            # A scanner comes by no mailbox provider's proxy: what asks by one shortly before or after is no part of it.
            return _inside(one.at_ms, self._within)
        return _inside(one.at_ms, self._picture if one.kind is Kind.OPENED else self._click)


def _joined(spans: Sequence[Span], before: int, after: int) -> list[Span]:
    """Give spans that begin so much earlier and end so much later, joined where they touch, in order."""
    joined: list[Span] = []
    for start, end in sorted((start - before, end + after) for start, end in spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _inside(at: int, spans: Sequence[Span]) -> bool:
    place = bisect_right(spans, at, key=lambda span: span[0])
    return place > 0 and at <= spans[place - 1][1]
