"""Words on pictures: in a font that has their letters, wrapped and made smaller until they fit their room.

The fonts are the machine's Noto and DejaVu where it has them, and after them the one that Pillow brings, which has the
letters of English. What is in none of them is written in Latin letters, and left out where it has none, as emoji are.
"""

from __future__ import annotations

import math
import re
import sys
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, cast

from slugify import slugify

if TYPE_CHECKING:
    from PIL import ImageDraw, ImageFont

_PROBE = 16
"""The size, in pixels, at which it is looked whether a face has a letter."""

_WANTED = re.compile(r"(NotoSans\w*-Bold|DejaVuSans-Bold)\.(ttf|otf|ttc)")
_FIRST = ("NotoSans-Bold", "DejaVuSans-Bold", "NotoSansCJK-Bold")
"""Those that have most letters. The machine may have a hundred more, each of one script."""

Run = tuple[str, int]
"""Some letters and the number of the face they are written in."""


@dataclass(frozen=True)
class Line:
    """A line of text in one size."""

    runs: tuple[Run, ...]
    size: int

    @property
    def width(self) -> float:
        """Its width in pixels."""
        return sum(face(number, self.size).getlength(words) for words, number in self.runs)

    @property
    def height(self) -> float:
        """The room it takes among other lines, in pixels."""
        return self.size * 1.25

    def draw(self, on: ImageDraw.ImageDraw, x: float, y: float, color: str) -> None:
        """Draw it from `x`, its letters standing on `y`."""
        for words, number in self.runs:
            font = face(number, self.size)
            # The face that Pillow brings is no bold one as the others are.
            on.text((x, y), words, color, font, anchor="ls", stroke_width=self.size / 50 * _is_built_in(number))
            x += font.getlength(words)


def fitted(text: str, *, width: int, lines: int, largest: int, smallest: int, height: float = math.inf) -> list[Line]:
    """Write a text in the largest size in which it fits; in the smallest, words are broken and the rest is cut.

    Gives no line where there is no letter to write.
    """
    words = list(_words(_writable(text)))
    if not any(_is_shown(character) for word in words for character in word):
        return []
    for size in range(largest, smallest - 1, -2):
        found = [_line(line, size) for line in _wrapped(words, size, width)]
        fits = len(found) <= lines and sum(line.height for line in found) <= height
        if fits and all(line.width <= width for line in found):
            return found
    broken = [part for word in words for part in _broken(word, smallest, width)]
    wrapped = _wrapped(broken, smallest, width)
    found = [_line(line, smallest) for line in wrapped[:lines]]
    if len(wrapped) > lines:
        found[-1] = _cut(wrapped[lines - 1] + wrapped[lines], smallest, width)
    return found


def _broken(word: str, size: int, width: int) -> Iterator[str]:
    """Break a word that is longer than a line, as late as can be."""
    while _line(word, size).width > width:
        end = bisect_right(range(1, len(word)), width, key=lambda end: math.ceil(_line(word[:end], size).width))
        yield word[: max(1, end)]
        word = word[max(1, end) :]
    yield word


def _cut(text: str, size: int, width: int) -> Line:
    """Cut a line so that it has room for an ellipsis."""
    while text and _line(f"{text}…", size).width > width:
        text = text[:-1]
    return _line(f"{text.rstrip()}…", size)


def _line(text: str, size: int) -> Line:
    return Line(runs_of(text.strip()), size)


def _words(text: str) -> Iterator[str]:
    """Give the parts between which a line may break, with the space after them.

    Chinese, Japanese and Korean break anywhere.
    """
    for word in re.findall(r"\S+\s*", " ".join(text.split())):
        part = ""
        for character in word:
            wide = unicodedata.east_asian_width(character) in "WF"
            if part and wide and unicodedata.category(character)[0] not in "MP":
                yield part
                part = ""
            part += character
        yield part


def _wrapped(words: Sequence[str], size: int, width: int) -> list[str]:
    """Break into lines, each as full as it can be."""
    lines: list[str] = []
    for word in words:
        if lines and _line(lines[-1] + word, size).width <= width:
            lines[-1] += word
        else:
            lines.append(word)
    return lines


def _writable(text: str) -> str:
    """Write in Latin letters what no face has; leave out what has none."""
    parts = groupby(text, key=lambda character: not _is_shown(character) or _face_with(character) is not None)
    return "".join(
        "".join(part) if can else slugify("".join(part), separator=" ", lowercase=False) for can, part in parts
    )


@lru_cache(maxsize=2_000)
def runs_of(text: str) -> tuple[Run, ...]:
    """Give the letters of a text with the faces they are written in: one for all of it where one has them all."""
    shown = [character for character in text if _is_shown(character)]
    for number in range(_count()):
        if all(_has(number, character) for character in shown):
            return ((text, number),)
    runs: list[Run] = []
    for character in text:
        last = runs[-1][1] if runs else 0
        number = last if not _is_shown(character) or _has(last, character) else _face_with(character) or 0
        if runs and number == last:
            runs[-1] = (runs[-1][0] + character, number)
        else:
            runs.append((character, number))
    return tuple(runs)


@lru_cache(maxsize=4_000)
def _face_with(character: str) -> int | None:
    """Give the first face that has a letter."""
    return next((number for number in range(_count()) if _has(number, character)), None)


def _is_shown(character: str) -> bool:
    return unicodedata.category(character) not in ("Cf", "Zs") and character not in "\ufe0e\ufe0f"


@lru_cache(maxsize=8_000)
def _has(number: int, character: str) -> bool:
    """Tell whether a face has a letter: it is drawn otherwise than what is drawn for none (U+10FFFF is none)."""
    try:
        return _drawn(number, character) != _drawn(number, "\U0010ffff")
    except OSError:  # a file that is no font
        return False


@lru_cache(maxsize=2_000)
def _drawn(number: int, character: str) -> tuple[tuple[int, int], bytes]:
    mask = face(number, _PROBE).getmask(character)
    return mask.size, bytes(mask)


@lru_cache(maxsize=300)
def face(number: int, size: int) -> ImageFont.FreeTypeFont:
    """Give a face in a size."""
    from PIL import ImageFont

    if not _is_built_in(number):
        return ImageFont.truetype(_files()[number], size)
    return cast("ImageFont.FreeTypeFont", ImageFont.load_default(size))


def _is_built_in(number: int) -> bool:
    return number == len(_files())


def _count() -> int:
    return len(_files()) + 1


@cache
def _files() -> tuple[Path, ...]:
    """Find the machine's fonts, those that have most letters first."""
    found: dict[str, Path] = {}
    for folder in _folders():
        for path in sorted(folder.rglob("*.[to]t[fc]")) if folder.is_dir() else ():
            if _WANTED.fullmatch(path.name):
                found.setdefault(path.stem, path)
    order = {name: place for place, name in enumerate(_FIRST)}
    return tuple(found[name] for name in sorted(found, key=lambda name: (order.get(name, len(order)), name)))


def _folders() -> list[Path]:
    """Where fonts lie, by the machine's kind."""
    home = Path("~").expanduser()
    if sys.platform == "darwin":
        return [Path("/Library/Fonts"), Path("/System/Library/Fonts"), home / "Library" / "Fonts"]
    if sys.platform == "win32":
        return [Path("C:/Windows/Fonts")]
    return [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".local" / "share" / "fonts"]
