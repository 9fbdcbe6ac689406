"""What is measured for those who watch from outside: a name, words, and figures by their labels.

Each room has a file of this name with what it measures of its own tables: by queries that look at an index or at a few
rows, since they are asked every few seconds. `/metrics` gives them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Gauge:
    """A measure: what it is called after `digest_`, what it means, the names of its labels, and its figures.

    A figure is by the values of the labels, in their order. `counts_up` says that it only grows while a process lives.
    """

    name: str
    words: str
    labels: tuple[str, ...]
    figures: Mapping[tuple[str, ...], float]
    counts_up: bool = False


def single(name: str, words: str, figure: float | None) -> Gauge:
    """Make a measure of one figure; of None there is none."""
    return Gauge(name, words, (), {} if figure is None else {(): figure})
