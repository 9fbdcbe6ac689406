"""The text of a comparison page, as a person copies it from the site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from digest.catalogue.records import Record, Source, whole_number
from digest.errors import InputError

PANEL = ("Builder", "Skeptic", "Futurist", "Founder")
"""The order of the pairs in a page's scorecard: a page shows the quotes and not whose they are."""

_DASHES = ("—", "–", "-")
_ENTRIES = {"free": "free", "freemium": "freemium", "paid": "paid"}
_SCORECARD = "reviewer scorecard"
_SIGN_UP = "weekly ai tool verdicts"
_OPEN, _CLOSE = '“"«„', '”"»“'


def read_page(source: Source) -> Iterator[Record]:
    """Read a page: two tools, their reviews by the place of the pair, and the comparison.

    The page has a heading, ``A vs B``, then for each side category, name, tagline, panel ship, community,
    entry and description; then the scorecard, where quotes alternate left and right; a sign-up block ends it.
    It states panel ship but no verdicts, so the reviews have none. A review's `reviewer` is a name of `PANEL`.

    Raises:
        InputError: with the line, and the field that was expected there.
    """
    page = _Page(source)
    left, right = page.heading()
    tools = [page.side(left, stop=right), page.side(right, stop=None)]
    yield from tools
    yield from page.scorecard(tools)
    yield Record("comparison", {"left": left, "right": right}, source, page.heading_line)


class _Page:
    """The lines of a page that have text, and how far we have read."""

    def __init__(self, source: Source) -> None:
        self.source = source
        texts = enumerate((line.strip() for line in source.text.split("\n")), 1)
        self.lines = [(number, text) for number, text in texts if text]
        self.at = 0
        self.heading_line = 1

    def error(self, message: str, field: str, at: int | None = None) -> InputError:
        index = min(self.at if at is None else at, len(self.lines) - 1)
        return InputError(message, file=self.source.file, line=self.lines[index][0], field=field)

    def take(self, field: str) -> tuple[int, str]:
        if self.at >= len(self.lines):
            raise self.error("the page ends before it", field)
        self.at += 1
        return self.lines[self.at - 1]

    def heading(self) -> tuple[str, str]:
        """Find ``A vs B``: the first line that splits into two names which both stand below on their own."""
        below = {text for _, text in self.lines}
        for index, (number, text) in enumerate(self.lines):
            for found in re.finditer(r"\s+vs\.?\s+", text):
                left, right = text[: found.start()], text[found.end() :]
                if left in below and right in below and left != right:
                    self.at, self.heading_line = index + 1, number
                    return left, right
        raise self.error("no line reads “A vs B” with both names below it; is this a comparison page?", "heading", 0)

    def side(self, name: str, stop: str | None) -> Record:
        """Read one tool. `stop` is the name of the tool that follows, None where the scorecard does."""
        try:
            start = next(i for i in range(self.at, len(self.lines)) if self.lines[i][1] == name)
        except StopIteration:
            raise self.error(f"the tool {name!r} of the heading does not follow", "name") from None
        if start == self.at:
            raise self.error(f"a category should stand above {name!r}", "category")
        data: dict[str, Any] = {"name": name, "category": self.lines[start - 1][1]}
        lines = {"name": self.lines[start][0], "category": self.lines[start - 1][0]}
        self.at = start + 1
        for field, value in (
            ("tagline", self._tagline),
            ("panel_ship", lambda: self._figure("panel_ship", "Panel ship")),
            ("community", lambda: self._figure("community", "Community")),
            ("entry", self._entry),
        ):
            lines[field] = self.lines[min(self.at, len(self.lines) - 1)][0]
            stated = value()
            if stated is not None:
                data[field] = stated
        lines["description"] = self.lines[min(self.at, len(self.lines) - 1)][0]
        if description := self._description(stop):
            data["description"] = description
        return Record("tool", data, self.source, lines["name"], lines)

    def _tagline(self) -> str | None:
        # A tool without a tagline goes on with its panel ship.
        if self.at < len(self.lines) and self._is_figure(self.lines[self.at][1]):
            return None
        return self.take("tagline")[1]

    def _is_figure(self, text: str) -> bool:
        return text in _DASHES or re.fullmatch(r"\d+\s*%", text) is not None

    def _figure(self, field: str, label: str) -> float | None:
        _, text = self.take(field)
        found = re.fullmatch(r"(\d+)\s*%", text)
        if not found and text not in _DASHES:
            raise self.error(
                f"expected a percentage such as 75%, or a dash for none, found {text!r}", field, self.at - 1
            )
        self._label(field, label)
        return whole_number(found[1]) if found else None

    def _entry(self) -> str | None:
        _, text = self.take("entry")
        if text not in _DASHES and text.casefold() not in _ENTRIES:
            raise self.error(f"expected Free, Freemium or Paid, found {text!r}", "entry", self.at - 1)
        self._label("entry", "Entry")
        return _ENTRIES.get(text.casefold())

    def _label(self, field: str, label: str) -> None:
        _, text = self.take(field)
        if text.casefold() != label.casefold():
            raise self.error(f"expected the label {label!r} under the figure, found {text!r}", field, self.at - 1)

    def _description(self, stop: str | None) -> str:
        start = self.at
        while self.at < len(self.lines):
            _, text = self.lines[self.at]
            follows = self.lines[self.at + 1][1] if self.at + 1 < len(self.lines) else ""
            if text.casefold() == _SCORECARD or (stop is not None and follows == stop):
                break
            self.at += 1
        else:
            expected = f"the tool {stop!r}" if stop else "“Reviewer scorecard”"
            raise self.error(f"{expected} should follow", "description", start)
        return "\n".join(text for _, text in self.lines[start : self.at])

    def scorecard(self, tools: list[Record]) -> Iterator[Record]:
        """Read the quotes: left and right in turn, one pair a reviewer, up to the sign-up block."""
        _, text = self.take("scorecard")
        if text.casefold() != _SCORECARD:
            raise self.error(f"expected “Reviewer scorecard”, found {text!r}", "scorecard", self.at - 1)
        quotes = list(self._quotes())
        if len(quotes) % 2:
            raise InputError(
                f"there are {len(quotes)} quotes; they come in pairs, left and right",
                file=self.source.file,
                line=quotes[-1][0],
                field="quote",
            )
        if len(quotes) > 2 * len(PANEL):
            raise InputError(
                f"there are {len(quotes) // 2} pairs and the panel of a page is {', '.join(PANEL)}; "
                "import more reviewers as JSON or CSV, which name them",
                file=self.source.file,
                line=quotes[2 * len(PANEL)][0],
                field="quote",
            )
        for index, (number, quote) in enumerate(quotes):
            data = {"tool": tools[index % 2].data["name"], "reviewer": PANEL[index // 2], "quote": quote}
            yield Record("review", data, self.source, number)

    def _quotes(self) -> Iterator[tuple[int, str]]:
        while self.at < len(self.lines) and self.lines[self.at][1].casefold() != _SIGN_UP:
            number, text = self.take("quote")
            if text[0] not in _OPEN:
                raise self.error("expected a quote in quotation marks", "quote", self.at - 1)
            parts = [text[1:]]
            while not (parts[-1] and parts[-1][-1] in _CLOSE):
                if self.at >= len(self.lines) or self.lines[self.at][1].casefold() == _SIGN_UP:
                    raise InputError("the quote is not closed", file=self.source.file, line=number, field="quote")
                parts.append(self.take("quote")[1])
            parts[-1] = parts[-1][:-1]
            yield number, "\n".join(parts).strip()
