"""Features that a named program shows only in part, so that a mail can be right or wrong by where it uses them.

What is only in part is mostly harmless, and `support` does not tell it. What is here is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from digest.issue.checks.css import pixels
from digest.issue.checks.document import SCREENS, Document, Element, document
from digest.issue.checks.model import Finding

PAGE = "https://www.caniemail.com/features/{}/"


@dataclass(frozen=True)
class Trap:
    """What a program does with a feature of caniemail's, which its page there has a note on."""

    slug: str
    client: str
    what: str
    todo: str


PADDING = Trap(
    "css-padding",
    "Outlook for Windows (classic)",
    "padding on <{tag}> is ignored by {client}, which knows it on table cells only",
    "use margin or a table cell, or for a button mso-padding-alt on its cell",
)
TRAPS = (PADDING,)

_SIDES = tuple(f"padding-{side}" for side in ("top", "right", "bottom", "left"))


def padding(html: str) -> Iterator[Finding]:
    """Warn of padding that Outlook for Windows ignores, which is any but that of table cells, once for each tag."""
    page = document(html)
    places: dict[str, list[Element]] = {}
    for element in page.root.within():
        shown = page.style(element, SCREENS[0]).displayed
        if shown and element.tag not in ("td", "th") and _loses_room(page, element):
            places.setdefault(element.tag, []).append(element)
    for tag, elements in places.items():
        count = "1 place" if len(elements) == 1 else f"{len(elements)} places"
        what = PADDING.what.format(tag=tag, client=PADDING.client)
        todo = f"{PADDING.todo}: {PAGE.format(PADDING.slug)}"
        yield Finding("support", "warn", f"{what}: {count}", elements[0].place, todo)


def _loses_room(page: Document, element: Element) -> bool:
    """Tell whether an element has padding where media queries are not read, as in Outlook for Windows.

    A link may have some above and below: that is room for a finger, and nobody points at Outlook with one.
    """
    said = {item.name: item.value for item in element.declared if not any(media.query for media in item.media)}
    # A percentage is one of a width that is not known here: of any.
    padded = {side for side in _SIDES if pixels(said.get(side), 16, whole=100) > 0}
    if element.tag == "a":
        return bool(padded & {"padding-left", "padding-right"}) and not _is_button(page, element)
    return bool(padded)


def _is_button(page: Document, element: Element) -> bool:
    """Tell whether Outlook takes the room in a link from its cell."""
    cell = next((around for around in element.around() if around.tag in ("td", "th")), None)
    boxed = page.style(element, SCREENS[0]).display == "inline-block"
    return element.tag == "a" and boxed and cell is not None and "mso-padding-alt" in cell.attributes.get("style", "")
