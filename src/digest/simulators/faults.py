"""What goes wrong on purpose, on the line and in the machine behind it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal, Self

from digest.simulators.given import made_of

Kind = Literal["reset_before", "reset_after", "half", "error_before", "error_after", "garbage", "slow"]


@dataclass(frozen=True)
class Faults:
    """How often what goes wrong, as a share of the calls from 0 to 1.

    `reset_before`, `reset_after`: the connection is reset once the request was read, before or after it was worked.
    `half`: it is worked, and half of the answer is written. `error_before`, `error_after`: a 500 without the
    provider's own body. `garbage`: it is worked, and the answer is no JSON. `slow`: the answer comes byte by byte,
    over `slow_s` seconds. `latency_s`: every call takes so long. `burst`: every so many calls, as many are answered
    with 429 and ``Retry-After: retry_after_s``; 0 is never.
    """

    reset_before: float = 0
    reset_after: float = 0
    half: float = 0
    error_before: float = 0
    error_after: float = 0
    garbage: float = 0
    slow: float = 0
    slow_s: float = 2
    latency_s: float = 0
    burst: int = 0
    retry_after_s: float = 1
    seed: int = 1

    @classmethod
    def of(cls, given: dict[str, str]) -> Self:
        """Make them of texts, such as those of a command line.

        Raises:
            ValueError: an unknown name, or no number.
        """
        return made_of(cls, given, called="fault")


class Chance:
    """Draws what goes wrong with each call; the same seed draws the same."""

    _KINDS: tuple[Kind, ...] = ("reset_before", "reset_after", "half", "error_before", "error_after", "garbage", "slow")

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._random = random.Random(faults.seed)  # noqa: S311 (nothing secret)
        self._calls = 0

    def draw(self) -> Kind | None:
        """Draw for the next call; at most one thing goes wrong with it."""
        at = self._random.random()
        for kind in self._KINDS:
            at -= getattr(self.faults, kind)
            if at < 0:
                return kind
        return None

    def too_many(self) -> bool:
        """Tell whether the next call falls into a burst of 429."""
        self._calls += 1
        return bool(self.faults.burst) and (self._calls // self.faults.burst) % 2 == 1
