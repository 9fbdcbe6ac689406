"""How far a run is through the copies that are queued: variant by variant, in the order of subscribers.

Each provider is handed one message a call, so a batch is of one variant. Other processes, and what comes back, may
queue copies behind where this run is; so at the end of all it looks once more what there is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Turn:
    """What to claim next: of which variant, and after which subscriber."""

    variant: int
    after: int
    back: int


class Queue:
    """Where the next batch is to be claimed. `through` says that nothing is queued that may go now."""

    def __init__(self, variants: Iterable[int]) -> None:
        self._variants = tuple(variants)
        self._after = dict.fromkeys(self._variants, 0)
        self._back = 0
        self.through = False

    def turn(self) -> Turn | None:
        """Give what to claim next; None where all variants were gone through, and `swept` is to know what is left."""
        for variant, after in self._after.items():
            return Turn(variant, after, self._back)
        return None

    def went(self, turn: Turn, last: int, *, more: bool) -> None:
        """Copies of a turn were looked at up to a subscriber; `more` says whether there may be others behind."""
        # Where copies came back meanwhile, they may lie behind.
        if turn.back == self._back and turn.variant in self._after:
            if more:
                self._after[turn.variant] = max(self._after[turn.variant], last)
            else:
                del self._after[turn.variant]

    def since(self) -> int:
        """Give a mark, by which `swept` knows whether copies came back meanwhile."""
        return self._back

    def swept(self, since: int, variants: Iterable[int]) -> None:
        """Of these variants copies are queued; where there are none, the run is through."""
        if since == self._back:
            self._after = dict.fromkeys(variants, 0)
            self.through = not self._after

    def add(self, variants: Iterable[int]) -> None:
        """There are these variants now, and copies of them are queued."""
        self._variants = tuple(variants)
        self.anew()

    def back(self, variant: int, subscriber: int) -> None:
        """Copies of a variant are queued again, from a subscriber on."""
        self._after[variant] = min(self._after.get(variant, subscriber - 1), subscriber - 1)
        self._again()

    def anew(self, variants: Iterable[int] | None = None) -> None:
        """Whatever is queued may lie anywhere, of any variant or of those given: begin again."""
        self._after = dict.fromkeys(self._variants if variants is None else sorted(variants), 0)
        self._again()

    def _again(self) -> None:
        self._back += 1
        self.through = False
