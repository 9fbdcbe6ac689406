"""An introduction's Markdown: paragraphs, lists, quotes; emphasis, code and links in them. Nothing else means anything.

It is CommonMark (https://spec.commonmark.org/0.31.2/) with three rules of ours: a line break begins a paragraph, an
address that stands bare is a link, and HTML, headings and pictures are shown as they are typed, for a mail has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Literal

import nh3
from markupsafe import Markup, escape

from digest.mail.text import clean

if TYPE_CHECKING:
    # Loading it takes 30 ms, for which neither a start nor a command waits that meets no introduction.
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

Kind = Literal["paragraph", "bullet", "number", "quote"]

_RULES = (
    "list", "blockquote", "emphasis", "link", "autolink", "linkify", "backticks", "escape", "entity", "newline",
)  # fmt: skip
_TAGS = {"strong", "em", "code", "a"}
_SCHEMES = {"http", "https", "mailto"}
_OPEN = {"strong_open": "<strong>", "strong_close": "</strong>", "em_open": "<em>", "em_close": "</em>"}
_DEPTH = 100
"""So deep quotes and lists may stand in each other."""


@dataclass(frozen=True)
class Block:
    """A paragraph, an item of a list or a paragraph of a quote.

    `number` is that of an item of a numbered list. `html` is fit for any page and any mail; `words` is the text alone.
    """

    kind: Kind
    number: int
    html: Markup
    words: str
    _inline: tuple[Token, ...] = ()

    def plain(self, ref: Callable[[str], str]) -> str:
        """Write it as plain text: a link as its words and what `ref` makes of its address, such as ``[3]``."""
        return "".join(_plain(self._inline, ref)).strip()


def blocks(text: str | None) -> tuple[Block, ...]:
    """Give the parts of a text, in their order; lists and quotes in each other are laid flat."""
    return _blocks(text or "")


@lru_cache(maxsize=256)
def _blocks(text: str) -> tuple[Block, ...]:
    found, kinds, numbers = [], list[Kind](), list[int]()
    begins = False
    for token in _parser().parse(clean(text)):
        match token.type:
            case "bullet_list_open" | "ordered_list_open":
                kinds.append("bullet" if token.type == "bullet_list_open" else "number")
                numbers.append(int(token.attrGet("start") or 1) - 1)
            case "blockquote_open":
                kinds.append("quote")
                numbers.append(0)
            case "bullet_list_close" | "ordered_list_close" | "blockquote_close":
                kinds.pop()
                numbers.pop()
            case "list_item_open":
                numbers[-1] += 1
                begins = True
            case "inline":
                kind: Kind = kinds[-1] if kinds else "paragraph"
                for line in _lines(token.children or (), joined=kind in ("bullet", "number")):
                    # What follows in the same item is a paragraph of its own.
                    shown: Kind = kind if begins or kind not in ("bullet", "number") else "paragraph"
                    found.append(_block(shown, numbers[-1] if numbers else 0, line))
                    begins = False
    return tuple(block for block in found if block.words)


def words_of(text: str | None) -> str:
    """Give the words of a text in one line, without its marks."""
    return " ".join(block.words for block in blocks(text))


def groups(text: str | None) -> list[tuple[Kind, list[Block]]]:
    """Give the parts of a text with those of the same kind together, as HTML wants lists."""
    found: list[tuple[Kind, list[Block]]] = []
    for block in blocks(text):
        follows = bool(found) and found[-1][0] == block.kind and block.kind != "paragraph"
        if follows and not (block.kind == "number" and block.number != found[-1][1][-1].number + 1):
            found[-1][1].append(block)
        else:
            found.append((block.kind, [block]))
    return found


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    made = MarkdownIt("zero", {"linkify": True, "html": False, "maxNesting": _DEPTH}).enable(list(_RULES))
    assert made.linkify is not None  # noqa: S101 (it is asked for)
    # Only an address that says so: "site.com" may be a tool's name.
    made.linkify.set({"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})
    return made


def _lines(tokens: Sequence[Token], *, joined: bool) -> Iterator[tuple[Token, ...]]:
    """Part a paragraph at its line breaks; a mark that is open across one ends there, and begins again.

    Where they are `joined`, as in an item of a list, a break is a space.
    """
    from markdown_it.token import Token

    line: list[Token] = []
    open_: list[Token] = []
    for token in tokens:
        if token.type in ("softbreak", "hardbreak"):
            if joined:
                line.append(Token("text", "", 0, content=" "))
                continue
            yield (*line, *(_end_of(one) for one in reversed(open_)))
            line = list(open_)
            continue
        line.append(token)
        if token.nesting == 1:
            open_.append(token)
        elif token.nesting == -1:
            open_.pop()
    yield tuple(line)


def _end_of(token: Token) -> Token:
    return token.copy(type=token.type.replace("_open", "_close"), nesting=-1)


def _block(kind: Kind, number: int, line: tuple[Token, ...]) -> Block:
    html = nh3.clean(
        "".join(_html(line)),
        tags=_TAGS,
        attributes={"a": {"href"}},
        url_schemes=_SCHEMES,
        link_rel=None,
    ).replace("&nbsp;", "&#160;")  # XML knows no other name for it
    words = "".join(token.content for token in line if token.type in ("text", "code_inline", "text_special"))
    return Block(kind, number, Markup(html.strip()), " ".join(words.split()), line)  # noqa: S704 (sanitised)


def _html(line: Sequence[Token]) -> Iterator[str]:
    closes: list[str] = []
    for token in line:
        match token.type:
            case "link_open":
                address = str(token.attrGet("href") or "")
                good = _is_address(address)
                yield f'<a href="{escape(address)}">' if good else ""
                closes.append("</a>" if good else "")
            case "link_close":
                yield closes.pop()
            case "code_inline":
                yield f"<code>{escape(token.content)}</code>"
            case kind if kind in _OPEN:
                yield _OPEN[kind]
            case _:
                yield str(escape(token.content))


def _plain(line: Sequence[Token], ref: Callable[[str], str]) -> Iterator[str]:
    opened: list[tuple[str, list[str]]] = []
    for token in line:
        if token.type == "link_open":
            opened.append((str(token.attrGet("href") or ""), []))
        elif token.type == "link_close":
            address, parts = opened.pop()
            words = "".join(parts)
            yield words
            if _is_address(address) and not address.startswith("mailto:"):
                yield ("" if words == address else " ") + (ref(address) if words != address else "")
        elif token.type in ("text", "code_inline", "text_special"):
            if opened:
                opened[-1][1].append(token.content)
            else:
                yield token.content


def _is_address(address: str) -> bool:
    return address.partition(":")[0].lower() in _SCHEMES
