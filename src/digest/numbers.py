"""Numbers as people read them: counts, shares, one of so many."""

from __future__ import annotations


def counted(number: float) -> str:
    """Write a count: ``9,812``."""
    return f"{round(number):,}"


def several(number: int, one: str, many: str = "") -> str:
    """Write how many of something: ``1 copy``, ``9,812 copies``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def short(number: float) -> str:
    """Write a round number for the side of a chart: ``950``, ``2.5k``, ``1M``."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if abs(number) >= size:
            return f"{number / size:g}{letter}"
    return f"{number:g}"


def percent(share: float | None) -> str:
    """Write a share with the digits that say something: ``0.08%``, ``4.2%``, ``37%``, ``98.1%``; a dash for none.

    What is not nothing is never 0 %, and what is not all is never 100 %.
    """
    if share is None:
        return "—"
    if share <= 0 or share >= 1:
        return f"{round(100 * share)}%"
    if share < 0.0001:
        return "under 0.01%"
    if share >= 0.9995:
        return f"{min(100 * share, 99.99):.2f}%"
    digits = 2 if share < 0.01 else 1 if share < 0.0995 or share >= 0.9 else 0
    return f"{100 * share:.{digits}f}%"


def on_scale(share: float) -> str:
    """Write a round share for the side of a chart: ``2.5%``."""
    return f"{100 * share:.6g}%"


def one_in(share: float | None) -> str:
    """Write a share so that it can be pictured: ``1 in 9``; what is more than 2 in 5 in percent; nothing for none."""
    if not share:
        return ""
    return percent(share) if share > 0.4 else f"1 in {round(1 / share):,}"
