"""Plain text: wrapped, with figures in columns, and links by number."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.cells import cell_len

from digest.mail.text import closed

WIDTH = 72
"""What a line of plain text has at most, in the cells of a terminal; a long address stays whole."""


class References:
    """Numbers addresses in the order they are named, each once: ``[1]``."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, address: str) -> str:
        """Name an address."""
        return f"[{self._numbers.setdefault(address, len(self._numbers) + 1)}]"

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Give ``[1]`` and the address, in order."""
        return iter((f"[{number}]", address) for address, number in self._numbers.items())


def wrap(text: str, indent: int = 0, first: int | None = None) -> str:
    """Wrap a text at 72 cells, each of its lines as a paragraph; `first` is the indent of the first line.

    Greedy and on spaces only, looking for one break a line: textwrap, which looks at every word, took half the
    time of rendering an issue. Beside a wide character, such as a Chinese one, a line may break without a space.
    """
    lines = []
    for paragraph in (line for line in text.split("\n") if line.strip()):
        rest = " ".join(paragraph.split())
        margin = " " * (indent if first is None else first)
        while (fitting := _fitting(rest, WIDTH - len(margin))) < len(rest):
            cut = _break(rest, fitting)
            if cut == len(rest):
                break
            lines.append(margin + rest[:cut])
            rest = rest[cut:].lstrip(" ")
            margin = " " * indent
        lines.append(margin + rest)
    return "\n".join(lines)


def columns(rows: Sequence[Sequence[str]], indent: int = 0) -> str:
    """Set rows of cells out in columns: the first to the left and cut to the room there is, figures to the right.

    The last column, which is words, stands to the left.
    """
    widths = [max(cell_len(row[column]) for row in rows) for column in range(len(rows[0]))]
    widths[0] = min(widths[0], WIDTH - indent - sum(widths[1:]) - 2 * (len(widths) - 1))
    return "\n".join(" " * indent + "  ".join(_set(row, widths)).rstrip() for row in rows)


def tidy(text: str) -> str:
    """Take trailing spaces off lines, and keep at most one blank line between blocks."""
    lines = "\n".join(line.rstrip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", lines).strip("\n") + "\n"


def _fitting(text: str, room: int) -> int:
    """How many characters of a text fit into some cells; at least one."""
    begins = text[:room]
    if text.isascii() or cell_len(begins) == len(begins):
        return len(begins)
    cells, fitting = 0, len(text)
    for index, character in enumerate(text):
        cells += cell_len(character)
        if cells > room:
            fitting = index
            break
    # Signs made of several characters may be wider than their parts.
    while fitting > 1 and cell_len(text[:fitting]) > room:
        fitting -= 1
    return max(int(fitting), 1)


def _break(text: str, cut: int) -> int:
    """Where to break a line: at the last place up to `cut` where that may be, else at the first after it."""
    if (at_space := text.rfind(" ", 0, cut + 1)) > 0 and text[:cut].isascii():
        return at_space
    for at in range(cut, 0, -1):
        if _may_break(text, at):
            return at
    if not text[cut - 1 : cut + 1].isascii():
        return cut
    return next((at for at in range(cut + 1, len(text)) if _may_break(text, at)), len(text))


def _may_break(text: str, at: int) -> bool:
    return text[at] == " " or (not text.isascii() and 2 in (cell_len(text[at - 1]), cell_len(text[at])))


def _set(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
        shown = cell if cell_len(cell) <= width else closed(cell[: _fitting(cell, width - 1)].rstrip() + "…")
        room = " " * (width - cell_len(shown))
        yield room + shown if 0 < place < len(widths) - 1 else shown + room
