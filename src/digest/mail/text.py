"""What happens to an author's text on its way into a mail: cleaned, cut, and turned to its own side."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from markupsafe import Markup, escape

from digest.mail import personalise

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
_ESCAPED_LETTERS = "\u115f\u1160\u3164\uffa0\uff9e\uff9f"
"""Letters that Rust escapes all the same: fillers nobody sees, and voicing marks that join the letter before."""

_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")
_RTL_LANGUAGES = ("ar", "ckb", "dv", "fa", "he", "iw", "nqo", "ps", "sd", "syr", "ug", "ur", "yi")
_RTL_SCRIPTS = ("adlm", "arab", "hebr", "nkoo", "rohg", "syrc", "thaa")
"""The languages are those whose usual script runs from right to left; a script in the tag wins over them."""
_SENTENCE_END = re.compile(r"""[.!?…][)”"’']*(?=\s)|[。！？][」』”）]*|[؟۔।]+[)”»]*(?=\s)""")


def clean(text: str) -> str:
    """Take out what XML cannot carry, and break what would look like a place of ours.

    Characters that turn the direction go too, unless they are isolates that are closed: an open one turns round
    what follows it, and 3–1 would read 1–3.
    """
    if not text.isascii() and _DIRECTIONS.search(text) and _open_isolates(text) != 0:
        text = _DIRECTIONS.sub("", text)
    return personalise.neutralise(_CONTROL.sub("", text) if _CONTROL.search(text) else text)


def attribute(text: str) -> Markup:
    """Write a text so that it may stand in an attribute.

    The renderer (mrml) writes what Rust would escape in a string as ``\\u{301}``; a character reference passes.
    """
    safe = (
        character
        if character == " " or (unicodedata.category(character)[0] in "LNPS" and character not in _ESCAPED_LETTERS)
        else f"&#{ord(character)};"
        for character in str(escape(clean(" ".join(text.split()))))
    )
    return Markup("".join(safe).replace("\\", "&#92;"))  # noqa: S704 (escaped)


def paragraphs(text: str | None) -> list[str]:
    """Give the lines of a text that are not empty."""
    return [line.strip() for line in (text or "").split("\n") if line.strip()]


@dataclass(frozen=True)
class Excerpt:
    """The beginning of a text, and whether it was cut."""

    text: str
    cut: bool

    @property
    def paragraphs(self) -> list[str]:
        """Its lines that are not empty."""
        return paragraphs(self.text)


def excerpt(text: str | None, length: int) -> Excerpt:
    """Cut a text that is longer than `length` characters at the end of a sentence, else at a word.

    A sentence counts where it ends in the latter two thirds of the room: else too much would be lost.
    """
    whole = "\n".join(paragraphs(text))
    if len(whole) <= length:
        return Excerpt(whole, cut=False)
    ends = [match.end() for match in _SENTENCE_END.finditer(whole, 0, length + 1) if match.end() <= length]
    if ends and ends[-1] >= length // 3:
        return Excerpt(whole[: ends[-1]].rstrip(), cut=True)
    return Excerpt(shorten(whole, length), cut=True)


def shorten(text: str, length: int) -> str:
    """Cut a text at a word, with an ellipsis, where it is longer than `length` characters."""
    if len(text) <= length:
        return text
    cut = text[: length - 1]
    at_word = cut[: max(cut.rfind(" "), cut.rfind("\n"), 0)]
    return closed((at_word if len(at_word) > length // 2 else cut).rstrip(" \n,.;:–-") + "…")


def closed(text: str) -> str:
    """Close the isolates that a cut left open."""
    return text if text.isascii() else text + "\N{POP DIRECTIONAL ISOLATE}" * max(0, _open_isolates(text))


def _open_isolates(text: str) -> int:
    """How many isolates stand open at the end; -1 where one is closed that was not open, or there is an embedding."""
    depth = 0
    for character in _DIRECTIONS.findall(text):
        if character in "\u2066\u2067\u2068":
            depth += 1
        elif character == "\u2069" and depth:
            depth -= 1
        else:
            return -1
    return depth


def isolated(text: str) -> str:
    """Give a text in one line; one that runs from right to left keeps to itself.

    Else it would turn round what follows: 1–0 would read 0–1.
    """
    line = _DIRECTIONS.sub("", " ".join(text.split()))
    return f"\N{FIRST STRONG ISOLATE}{line}\N{POP DIRECTIONAL ISOLATE}" if has_rtl(line) else line


def has_rtl(text: str) -> bool:
    """Tell whether a text has a letter that is written from right to left."""
    return not text.isascii() and any(unicodedata.bidirectional(character) in ("R", "AL") for character in text)


def is_rtl_language(language: str) -> bool:
    """Tell whether a language, as a BCP 47 tag, is written from right to left."""
    base, *more = language.casefold().split("-")
    scripts = [part for part in more if len(part) == 4 and part.isalpha()]
    return scripts[0] in _RTL_SCRIPTS if scripts else base in _RTL_LANGUAGES


def turned(text: str, base: str) -> Markup:
    """Give the attributes that turn a paragraph to its own side, where it runs against the mail's direction.

    A paragraph runs as its first letter does (Unicode Bidirectional Algorithm, rule P2), isolates passed over.
    """
    own = _direction(text) or base
    if own == base:
        return Markup("")
    return Markup(' dir="rtl" align="right"') if own == "rtl" else Markup(' dir="ltr" align="left"')


def _direction(text: str) -> str | None:
    if text.isascii():
        return "ltr" if any(character.isalpha() for character in text) else None
    depth = 0
    for character in text:
        match unicodedata.bidirectional(character):
            case "FSI" | "LRI" | "RLI":
                depth += 1
            case "PDI":
                depth = max(0, depth - 1)
            case "L" if not depth:
                return "ltr"
            case "R" | "AL" if not depth:
                return "rtl"
    return None


def figure(percent: int | None) -> str:
    """Write a figure as the pages do: ``75%``, or a dash for none."""
    return "—" if percent is None else f"{percent}%"
