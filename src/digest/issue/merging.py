"""Merging: what two people made of the same thing, in one. Pure functions; what cannot be had both is None.

Three-way merging by `merge3` (the algorithm of diff3: what one of the two left as it was is taken from the other), over
words and not over lines, since a paragraph is one line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

from merge3 import Merge3

_WORD = re.compile(r"\n+|[^\S\n]+|\S+[^\S\n]*")
"""A word with the space after it, so that words side by side are not told apart by the space between; line breaks are
words of their own, so that the end of a paragraph and the beginning of the next are."""

PAIRS = 100_000
"""Pairs of equal words that are looked at to align two texts: some tens of milliseconds, under the store's lock."""


class _Matcher:
    """What two sequences have in common, as `difflib` tells it, but in a time that is bounded.

    What both begin and end with is cut off first: mostly people change one place. Where what is left would take too
    long it is taken to have nothing in common, which makes a conflict of it and loses nothing.
    """

    def __init__(
        self,
        isjunk: Callable[[str], bool] | None = None,
        a: Sequence[str] = "",
        b: Sequence[str] = "",
        autojunk: bool = True,
    ) -> None:
        self._a, self._b = a, b

    def get_matching_blocks(self) -> list[tuple[int, int, int]]:
        """Give (place in a, place in b, length) of each run in common; the last one is empty."""
        a, b = self._a, self._b
        most = min(len(a), len(b))
        head = next((at for at in range(most) if a[at] != b[at]), most)
        most -= head
        tail = next((at for at in range(most) if a[-1 - at] != b[-1 - at]), most)
        left, right = a[head : len(a) - tail], b[head : len(b) - tail]
        blocks = [(0, 0, head)] if head else []
        if left and right and _pairs(left, right) <= PAIRS:
            found = SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()
            blocks += [(head + at, head + there, size) for at, there, size in found[:-1]]
        if tail:
            blocks.append((len(a) - tail, len(b) - tail, tail))
        return [*blocks, (len(a), len(b), 0)]


def merge_words(base: str, theirs: str, mine: str) -> str | None:
    """Give the text that has what both made of `base`; None where they changed the same words."""
    merged = merge_sequences(*(_WORD.findall(text) for text in (base, theirs, mine)))
    return None if merged is None else "".join(merged)


def merge_sequences(base: Sequence[str], theirs: Sequence[str], mine: Sequence[str]) -> list[str] | None:
    """Give what both made of `base`; None where they changed the same place.

    What was put between two things can often be told to begin after the first or to end before the second: where the
    one way is a conflict, the other is tried.
    """
    for step in (1, -1):
        merged: list[str] = []
        for kind, *parts in Merge3(
            base[::step], theirs[::step], mine[::step], sequence_matcher=_Matcher
        ).merge_groups():
            if kind == "conflict":
                break
            merged += parts[0]
        else:
            return merged[::step]
    return None


def changes_between(before: str, after: str) -> list[tuple[str, str]]:
    """Tell two texts apart for people to read: parts, each with ``same``, ``gone`` or ``new``."""
    a, b = _WORD.findall(before), _WORD.findall(after)
    parts: list[tuple[str, str]] = []
    at = there = 0
    for left, right, size in _Matcher(None, a, b).get_matching_blocks():
        for kind, words in (("gone", a[at:left]), ("new", b[there:right]), ("same", a[left : left + size])):
            if words:
                parts.append((kind, "".join(words)))
        at, there = left + size, right + size
    return parts


def holds(text: str, part: str) -> bool:
    """Tell whether all letters of `part` stand in `text` in their order: nothing is lost where only `text` is kept."""
    letters = iter(text)
    return all(letter in letters for letter in part)


def _pairs(left: Sequence[str], right: Sequence[str]) -> int:
    there = Counter(right)
    return sum(count * there[word] for word, count in Counter(left).items())
