"""What becomes of the copies a simulator accepted."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Self

from digest.simulators.given import made_of
from digest.simulators.hooks.caller import Happening

_BY_ADDRESS: dict[str, Happening] = {
    "bounce": "bounced hard",
    "soft": "bounced soft",
    "complaint": "complained",
    "defer": "deferred",
    "delivered": "delivered",
}
_LOCAL = re.compile(rf"({'|'.join(_BY_ADDRESS)})(?![a-z])")


@dataclass(frozen=True)
class Fates:
    """How often what becomes of a copy, as a share of the copies from 0 to 1.

    `bounces` are hard ones. What is not delivered at once (`deferrals`) is later. A reader who complains got the copy.
    `repeats`: events that are told twice. `delivers_after_s` seconds after it was accepted a copy is delivered or
    bounces, give or take half of that. `late_s`: an event is told up to so many seconds after it happened, each as it
    comes, and so in another order. `hurry`: pauses between tries are so many times shorter than the provider's own.
    """

    bounces: float = 0.02
    soft_bounces: float = 0.01
    complaints: float = 0.001
    deferrals: float = 0.02
    repeats: float = 0.02
    delivers_after_s: float = 2
    late_s: float = 2
    hurry: float = 1
    seed: int = 1

    @classmethod
    def of(cls, given: dict[str, str]) -> Self:
        """Make them of texts, such as those of a command line.

        Raises:
            ValueError: an unknown name, or no number.
        """
        return made_of(cls, given, called="fate")

    def drawn_for(self, address: str) -> random.Random:
        """Give what draws for an address: the same seed draws the same for it, whenever its copy comes."""
        return random.Random(f"{self.seed} {address.lower()}")  # noqa: S311 (nothing secret)

    def story_of(self, address: str, draw: random.Random) -> list[tuple[Happening, float]]:
        """Tell what happens to a copy, each so many seconds after it was accepted."""
        after = self.delivers_after_s * draw.uniform(0.5, 1.5)
        begun: list[tuple[Happening, float]] = [("accepted", 0.0)]
        match self._fate(address, draw):
            case "bounced hard" | "bounced soft" as fate:
                return [*begun, (fate, after)]
            case "complained":
                return [*begun, ("delivered", after), ("complained", 2 * after)]
            case "deferred":
                return [*begun, ("deferred", after), ("delivered", 3 * after)]
            case _:
                return [*begun, ("delivered", after)]

    def _fate(self, address: str, draw: random.Random) -> Happening:
        """Draw for a copy, unless its address says what becomes of it: bounce@, soft+3@, complaint-x@ …"""
        if named := _LOCAL.match(address.lower()):
            return _BY_ADDRESS[named[1]]
        shares: tuple[tuple[Happening, float], ...] = (
            ("bounced hard", self.bounces),
            ("bounced soft", self.soft_bounces),
            ("complained", self.complaints),
            ("deferred", self.deferrals),
        )
        at = draw.random()
        for fate, share in shares:
            at -= share
            if at < 0:
                return fate
        return "delivered"
