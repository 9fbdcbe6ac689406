"""A week after an issue went out, made up: what its readers truly do, and what asks the site for pictures and links.

It knows nothing of how readings are judged. What is taken for granted, and what it is taken from, stands in `Mix`:
change it, and see where the report begins to be wrong.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

Client = Literal["plain", "apple", "gmail", "sweeping scanner", "named scanner"]

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
WEEK = 7 * DAY

APPLE = "Mozilla/5.0"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
GMAIL_AHEAD = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135"
    " Safari/537.36 Edge/12.246 Mozilla/5.0"
)
MAIL_PROGRAMS = (
    "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/7.0; Microsoft Outlook 16.0.5134; ms-office)",
    "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.12026; Pro)",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.4.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
    "Mozilla/5.0 (Linux; Android 14; SM-S911B; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/129.0",
    "Dalvik/2.1.0 (Linux; U; Android 13; SM-G991B Build/TP1A.220624.014)",
    "Outlook-iOS/723.4027091.prod.iphone (4.28.0)",
)
BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0"
    " Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Mobile Safari/537.36",
)
# What scanners call themselves that want to see what a person would: https://github.com/gophish/gophish/issues/2446
PRETENDERS = tuple(
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version} Safari/537.36"
    for version in ("79.0.3945.136", "80.0.3987.132", "96.0.4664.110", "129.0.0.0")
)
NAMED = (
    "Barracuda Sentinel (EE)",
    "python-requests/2.32.3",
    "Mozilla/5.0 (compatible; Proofpoint URL Defense)",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/129.0.0.0 Safari/537.36",
)

# When sweeping scanners begin after a mail was sent, of 836 bursts: share, from, to, in seconds
# (https://github.com/putyourlightson/craft-campaign/issues/546).
BURSTS = (
    (0.005, 1, 10),
    (0.022, 10, 20),
    (0.664, 20, 60),
    (0.283, 60, 300),
    (0.019, 300, 1_800),
    (0.007, 3_600, 86_400),
)


@dataclass(frozen=True)
class Mix:
    """What is taken for granted: shares between 0 and 1."""

    clients: dict[Client, float] = field(
        default_factory=lambda: {
            "plain": 0.45,
            "apple": 0.30,
            "gmail": 0.15,
            "sweeping scanner": 0.06,
            "named scanner": 0.04,
        }
    )
    opening: dict[Client, float] = field(
        default_factory=lambda: {
            "plain": 0.38,
            "apple": 0.46,
            "gmail": 0.34,
            "sweeping scanner": 0.40,
            "named scanner": 0.40,
        }
    )
    """Of the readers with each client, those who read the issue."""
    clicking: float = 0.18
    """Of those who read it, those who follow links."""
    soon: float = 0.10
    """Of those who read it, those who do so as the mail comes in (some five minutes later); others hours later."""
    pictures_blocked: float = 0.06
    """Of those whose mail program loads pictures itself, those who have that turned off."""
    tabs: float = 0.05
    """Of those who click, those who open 2 to 5 links in tabs, 0.7 to 4 s apart."""
    double: float = 0.02
    """Of clicks, those that are double clicks, and ask twice."""
    again: float = 0.10
    """Of those who click, those who come back on another day and click again."""
    forwarding: float = 0.01
    """Of those who read it, those who pass the mail on to 1 to 3 others, who read it as they do."""
    apple_absent: float = 0.04
    """Of Apple's readers, those whose device asks for no picture in all the week."""
    apple_elsewhere: float = 0.05
    """Of Apple's readers who read it, those who open it in another mail program too."""
    gmail_ahead: float = 0.03
    """Of Gmail's readers, those for whom Gmail fetches pictures as the mail comes in."""
    pace: tuple[float, float] = (0.05, 3.0)
    """Seconds between a sweeping scanner's requests, from and to, each as likely. The 836 were far quicker."""
    picture_before: float = 0.6
    """Of sweeping scanners, those that fetch the picture 2 to 60 s before; of the others half do so among the links."""
    twice: float = 0.10
    """Of sweeping scanners, those that come once more within the day."""
    sampling: float = 0.0
    """Of sweeping scanners, those that follow one link alone, and cannot be told from a reader by anything."""


@dataclass(frozen=True, order=True)
class Request:
    """What asks the site: `copy` by its place among those delivered; `link` 0 is the picture, -1 the hidden link."""

    at_ms: int
    copy: int
    link: int
    user_agent: str
    head: bool = False
    person: bool = False


@dataclass
class Truth:
    """What the reader of a copy, and those it was passed on to, truly did."""

    client: Client
    read: bool = False
    showed: bool = False
    """Whether it was read in a program that asked for the picture, and not for everybody's."""
    apple_asked: bool = False
    clicks: list[int] = field(default_factory=list)


class Week:
    """Makes up what happens to one issue: `requests` in the order of time, and `truths` of all its copies."""

    def __init__(self, mix: Mix, *, handed_over_ms: Sequence[int], links: int, hidden: bool, seed: int) -> None:
        self.mix = mix
        self.links = links
        self._draw = random.Random(seed)
        self._hidden = hidden
        self._end = 0
        self._weights = [1 / (place + 2) for place in range(links)]  # the first links are followed most
        self.truths: list[Truth] = []
        found: list[Request] = []
        clients, shares = list(mix.clients), list(mix.clients.values())
        for copy, handed_over in enumerate(handed_over_ms):
            truth = Truth(self._draw.choices(clients, shares)[0])
            self.truths.append(truth)
            # It takes a provider some seconds to deliver.
            arrived = handed_over + self._some(1, 8)
            self._end = arrived + WEEK
            found += (request for request in self._copy(truth, copy, arrived) if request.at_ms < self._end)
        self.requests = sorted(found)

    def _some(self, low: float, high: float) -> int:
        return int(self._draw.uniform(low, high) * SECOND)

    def _later(self, median_s: float, sigma: float) -> int:
        return int(median_s * math.exp(self._draw.gauss(0, sigma)) * SECOND)

    def _is(self, share: float) -> bool:
        return self._draw.random() < share

    def _copy(self, truth: Truth, copy: int, arrived: int) -> Iterator[Request]:
        mix, draw = self.mix, self._draw
        match truth.client:
            case "apple":
                if not self._is(mix.apple_absent):
                    truth.apple_asked = True
                    yield Request(arrived + self._later(2_400, 1.8), copy, 0, APPLE)
            case "gmail":
                if self._is(mix.gmail_ahead):
                    yield Request(arrived + self._some(0, 3), copy, 0, GMAIL_AHEAD)
            case "sweeping scanner":
                yield from self._sweep(copy, arrived)
            case "named scanner":
                yield from self._named(copy, arrived)
            case _:
                pass
        if self._is(mix.opening[truth.client]):
            read = arrived + 5 * SECOND + (self._later(240, 0.9) if self._is(mix.soon) else self._later(10_800, 1.5))
            if read < self._end - HOUR:  # who reads it later reads it in no week of ours
                yield from self._reader(truth, copy, read, truth.client)
                if self._is(mix.forwarding):
                    for _ in range(draw.randint(1, 3)):
                        other: Client = "plain" if self._is(0.5) else "gmail"
                        yield from self._reader(truth, copy, read + self._later(7_200, 1), other)

    def _reader(self, truth: Truth, copy: int, read: int, client: Client) -> Iterator[Request]:
        mix, draw = self.mix, self._draw
        truth.read = True
        program, browser = draw.choice(MAIL_PROGRAMS), draw.choice(BROWSERS)
        if client == "apple":
            if self._is(mix.apple_elsewhere):
                truth.showed = True
                yield Request(read + self._later(14_400, 1), copy, 0, program, person=True)
        elif client == "gmail":
            truth.showed = True
            yield Request(read, copy, 0, GMAIL, person=True)  # kept by the proxy: it asks no second time
        elif not self._is(mix.pictures_blocked):
            truth.showed = True
            opened = read
            while True:
                yield Request(opened, copy, 0, program, person=True)
                if not self._is(0.25):
                    break
                opened += self._later(10_800, 1.2)
        if self._is(mix.clicking):
            yield from self._clicks(truth, copy, read + 1_500 + self._later(40, 1), browser)
            if self._is(mix.again):
                yield from self._clicks(truth, copy, read + self._later(86_400, 0.3), browser)

    def _clicks(self, truth: Truth, copy: int, at: int, browser: str) -> Iterator[Request]:
        mix, draw = self.mix, self._draw
        in_tabs = self._is(mix.tabs)
        count = draw.randint(2, 5) if in_tabs else 1
        while not in_tabs and self._is(0.3):
            count += 1
        chosen: list[int] = []
        while len(chosen) < min(count, self.links):
            link = draw.choices(range(1, self.links + 1), self._weights)[0]
            if link not in chosen:
                chosen.append(link)
        for link in chosen:
            if at >= self._end:
                break
            truth.clicks.append(link)
            yield Request(at, copy, link, browser, person=True)
            if self._is(mix.double):
                yield Request(at + self._some(0.05, 0.4), copy, link, browser, person=True)
            at += self._some(0.7, 4) if in_tabs else 1_500 + self._later(45, 1)

    def _sweep(self, copy: int, arrived: int) -> Iterator[Request]:
        """All links, one after the other, by what calls itself a browser."""
        mix, draw = self.mix, self._draw
        agent = draw.choice(PRETENDERS)
        _, low, high = draw.choices(BURSTS, [share for share, *_ in BURSTS])[0]
        starts = [arrived + self._some(low, high)]
        if self._is(mix.twice):
            starts.append(starts[0] + self._later(3_600, 1.5))
        before = self._is(mix.picture_before)
        for start in starts:
            at = start
            if before:
                yield Request(max(at - self._some(2, 60), arrived), copy, 0, agent)
            order = [*range(1, self.links + 1), *([-1] if self._hidden else [])]
            if self._is(mix.sampling):
                order = [draw.randint(1, self.links)]
            if not before and self._is(0.5):
                order.insert(draw.randrange(len(order) + 1), 0)
            for link in order:
                yield Request(at, copy, link, agent)
                at += self._some(*mix.pace)

    def _named(self, copy: int, arrived: int) -> Iterator[Request]:
        """All links and the picture, with HEAD, or by what says that it is a program."""
        draw = self._draw
        by_head = self._is(0.5)
        agent = draw.choice(PRETENDERS) if by_head else draw.choice(NAMED)
        at = arrived + self._some(1, 300)
        for link in range(self.links + 1):
            yield Request(at, copy, link, agent, head=by_head)
            at += self._some(0.05, 3)
