"""Whether everybody can read the mail: in the dark, on a phone, with poor eyes, with a screen reader.

What is asked for is WCAG 2.2 (https://www.w3.org/TR/WCAG22/), level AA where it has one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise

from digest.contrast import AA
from digest.contrast import contrast as ratio_of
from digest.issue.checks.attributes import escaped
from digest.issue.checks.css import Screen
from digest.issue.checks.document import (
    SCREENS,
    Document,
    Element,
    Text,
    direction_of,
    document,
    excerpt,
    label,
    name_of,
)
from digest.issue.checks.model import Finding, Level, Mail
from digest.mail.text import is_rtl_language

AA_LARGE = 3.0
"""What success criterion 1.4.3 asks of large text: 24 px (18 pt), or 18.66 px (14 pt) where it is bold."""

FINGER = 44
"""How high a target must be, in pixels, to be hit with a finger: https://www.w3.org/TR/WCAG22/#target-size-enhanced.
Criterion 2.5.8 asks 24 px; links in a line of text are exempt from both."""

SMALL, TINY = 14, 10
"""Text below 14 px is small on a phone held at arm's length; below 10 px hardly anybody reads it. No standard names
a size; these are ours."""

_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_FILE_NAME = re.compile(r"[^\s/]+\.(?:png|jpe?g|gif|webp|svg)", re.IGNORECASE)
_PHONE = Screen("light", 375)
_TEMPLATES = "the templates in templates/email"


def alt_text(mail: Mail) -> list[Finding]:
    """Look that every picture says in words what it shows (WCAG 1.1.1); decoration has an empty text."""
    pictures = [
        element
        for element in document(mail.content.html).elements("img", "div", "span", "td", "table", "a")
        if element.tag == "img" or element.attributes.get("role") == "img"
    ]
    found = [finding for at, picture in enumerate(pictures, 1) if (finding := _picture(picture, at))]
    found += escaped(mail)
    words = f"{_count(len(pictures), 'picture')}, each with words in its place" if pictures else "there are no pictures"
    return found or [Finding("alt-text", "pass", words)]


def _picture(picture: Element, at: int) -> Finding | None:
    where = f"picture {at} ({picture.attributes.get('src') or picture.place})"
    if picture.tag != "img":
        if label(picture) or "aria-labelledby" in picture.attributes:
            return None
        words = 'what is shown here as a picture (role="img") has no words for those who do not see it'
        return Finding("alt-text", "block", words, where, f"give it an aria-label in {_TEMPLATES}")
    if "alt" not in picture.attributes:
        words = (
            "a picture has no alt text: a screen reader reads its address out, and where pictures are off it is a gap"
        )
        todo = f'say in alt="…" what it shows, or write alt="" where it is decoration, in {_TEMPLATES}'
        return Finding("alt-text", "block", words, where, todo)
    alt = picture.attributes["alt"].strip()
    link = next((element for element in picture.around() if element.tag == "a" and "href" in element.attributes), None)
    if not alt and link and not name_of(link):
        words = f"a link to {excerpt(link.attributes['href'], 60)} is a picture with an empty alt text: it has no name"
        return Finding("alt-text", "block", words, where, f'say in alt="…" where the link leads, in {_TEMPLATES}')
    if _FILE_NAME.fullmatch(alt):
        words = f"the alt text “{alt}” is the name of a file"
        return Finding("alt-text", "warn", words, where, f"say what the picture shows, in {_TEMPLATES}")
    return None


def contrast(mail: Mail) -> list[Finding]:
    """Look that texts can be read on their grounds, by day and by night (WCAG 1.4.3)."""
    seen = [(text, screen) for screen in SCREENS for text in document(mail.content.html).texts(screen)]
    shown = [(text, screen) for text, screen in seen if not _is_ornament(text)]
    weak = [(text, screen) for text, screen in shown if ratio_of(text.color, text.ground) < _needed(text)]
    found = [
        _too_weak([item for item in weak if _colors(item[0]) == pair])
        for pair in dict.fromkeys(_colors(t) for t, _ in weak)
    ]
    if found:
        return found
    lowest = min((ratio_of(text.color, text.ground) for text, _ in shown), default=21.0)
    pairs = len({_colors(text) for text, _ in shown})
    words = f"{_count(pairs, 'pair')} of colours, light and dark; the lowest contrast is {lowest:.1f}"
    return [Finding("contrast", "pass", words)]


def _too_weak(items: list[tuple[Text, Screen]]) -> Finding:
    (text, first), rest = items[0], len({text.text for text, _ in items}) - 1
    ratio = ratio_of(text.color, text.ground)
    schemes = " and ".join(dict.fromkeys(screen.scheme for _, screen in items))
    widths = {screen.width for _, screen in items}
    phone = f" on a screen {first.width} px wide" if len(widths) == 1 else ""
    more = f" ({_count(rest, 'more text')} in these colours)" if rest else ""
    # Below 3 not even a headline may be (1.4.3), so nobody should be sent it. From there up most people can read
    # it, though not all: that is for an editor to weigh.
    level: Level = "warn" if ratio >= AA_LARGE else "block"
    return Finding(
        "contrast",
        level,
        f"{text.color} on {text.ground} has a contrast of {ratio:.2f} in {schemes} mode{phone};"
        f" text of {text.style.size:g} px needs {_needed(text):g}{more}",
        text.place,
        f"change one of the two colours: the color_… settings, or {_TEMPLATES}",
    )


def _needed(text: Text) -> float:
    return AA_LARGE if text.style.size >= (18.66 if text.bold else 24) else AA


def _colors(text: Text) -> tuple[str, str]:
    return text.color, text.ground


def _is_ornament(text: Text) -> bool:
    """Tell whether a text says nothing: signs that are hidden from screen readers, too."""
    hidden = any(element.attributes.get("aria-hidden") == "true" for element in text.element.around())
    return hidden and not any(character.isalnum() for character in text.text)


def headings(mail: Mail) -> list[Finding]:
    """Look that headings make an outline (WCAG 1.3.1, 2.4.6): screen readers jump from one to the next."""
    page = document(mail.content.html)
    shown = [element for element in page.elements(*_HEADINGS) if page.style(element, SCREENS[0]).displayed]
    found = list(_outline_troubles(shown))
    levels = ", ".join(f"{len(list(same))} {tag}" for tag, same in groupby(sorted(element.tag for element in shown)))
    return found or [Finding("headings", "pass", f"{_count(len(shown), 'heading')} in order: {levels}")]


def _outline_troubles(shown: list[Element]) -> Iterator[Finding]:
    def trouble(what: str, heading: Element | None, todo: str) -> Finding:
        where = f"“{excerpt(heading.words)}” in {heading.place}" if heading else ""
        return Finding("headings", "warn", what, where, f"{todo} in {_TEMPLATES}")

    if not shown:
        yield trouble(
            "the mail has no heading: with a screen reader it is one long text", None, "make its title an <h1>"
        )
    elif shown[0].tag != "h1":
        yield trouble(f"the first heading is an {shown[0].tag}, not an h1", shown[0], "make the mail's title an <h1>")
    for again in [element for element in shown if element.tag == "h1"][1:]:
        yield trouble("a second heading is an h1: a mail has one title", again, "make it an <h2>")
    for before, after in pairwise(shown):
        if int(after.tag[1]) > int(before.tag[1]) + 1:
            what = f"an {after.tag} follows an {before.tag}: a level is skipped"
            yield trouble(what, after, f"make it an <h{int(before.tag[1]) + 1}>")
    for heading in shown:
        if not name_of(heading):
            yield trouble(f"an {heading.tag} is empty", heading, "give it words or take it out")


def language(mail: Mail) -> list[Finding]:
    """Look that the mail says its language, which way that runs, its title, and which tables are only layout.

    WCAG 3.1.1, 1.3.2, 2.4.2 and https://www.w3.org/WAI/ARIA/apg/practices/hiding-semantics/.
    """
    page, wanted = document(mail.content.html), mail.settings.language
    found = [Finding("language", "warn", *words) for words in _language_troubles(page, wanted)]
    tables = sum(1 for _ in page.elements("table"))
    words = f"the mail says it is in {wanted!r}, {_direction(wanted)}; {_count(tables, 'table')}, none read out as data"
    return found or [Finding("language", "pass", words)]


def _language_troubles(page: Document, wanted: str) -> Iterator[tuple[str, str, str]]:
    tag, way = page.root.attributes, _direction(wanted)
    said = tag.get("lang", "").strip()
    if said.lower() != wanted.lower():
        what = (
            f"the mail says it is in {said!r}, the language set is {wanted!r}"
            if said
            else "the mail does not say its language"
        )
        yield what, "<html>", f'write lang="{wanted}" into the <mjml> tag, or set language to what the mail is in'
    if tag.get("dir", "").strip().lower() != way:
        is_now = f"is {tag['dir']!r}" if tag.get("dir") else "is missing"
        yield f"the direction {is_now}: {wanted!r} is written {way}", "<html>", f'write dir="{way}" into the <mjml> tag'
    if wrong := _against(page, way):
        what = f"most texts run the other way than {wanted!r}, which is written {way}"
        yield what, wrong.place, f"take direction and dir out of {_TEMPLATES}, or set them to {way}"
    if not any(element.words for element in page.elements("title")):
        yield (
            "the mail has no <title>: a screen reader and a browser's tab have no name for it",
            "<head>",
            "add <mj-title>",
        )
    if bare := [table for table in page.elements("table") if _reads_as_data(table)]:
        what = f"{_count(len(bare), 'table')} for layout would be read out as data, cell by cell"
        yield (
            what,
            f"“{excerpt(bare[0].words)}” in {bare[0].place}",
            f'write role="presentation" into its tag in {_TEMPLATES}',
        )


def _against(page: Document, way: str) -> Text | None:
    """Give the first of the texts of this direction that is laid out in the other, where most are.

    Texts of the other direction may well be turned to their own side: English names and quotes in an Arabic mail.
    """
    texts = [text for text in page.texts(SCREENS[0]) if direction_of(text.text) == way]
    wrong = [text for text in texts if text.style.direction != way and not _is_turned(text)]
    return wrong[0] if 2 * _length(wrong) > _length(texts) else None


def _is_turned(text: Text) -> bool:
    """Tell whether it stands in a paragraph that is set to its own side, such as a link in a quote."""
    marked = next((element for element in text.element.around() if "dir" in element.attributes), None)
    return marked is not None and marked.parent is not None and direction_of(marked.words) == text.style.direction


def _reads_as_data(table: Element) -> bool:
    is_data = any(element.tag in ("th", "caption") for element in table.within())
    return "role" not in table.attributes and not is_data


def _direction(language: str) -> str:
    return "rtl" if is_rtl_language(language) else "ltr"


def text_size(mail: Mail) -> list[Finding]:
    """Look that no text is too small to read."""
    texts = [text for screen in SCREENS for text in document(mail.content.html).texts(screen)]
    by_size: dict[float, list[Text]] = {}
    for text in texts:
        by_size.setdefault(round(text.style.size, 1), []).append(text)
    small = sorted(size for size in by_size if size < SMALL)
    if small:
        return [_too_small(size, by_size[size]) for size in small]
    smallest = min(by_size, default=16.0)
    return [Finding("text-size", "pass", f"the smallest text is {smallest:g} px")]


def _too_small(size: float, texts: list[Text]) -> Finding:
    rest = len({text.text for text in texts}) - 1
    more = f", and so {'is' if rest == 1 else 'are'} {_count(rest, 'more text')}" if rest else ""
    what = f"a text is {size:g} px{more}; {SMALL} px is the least that reads well on a phone"
    level: Level = "block" if size < TINY else "warn"
    return Finding("text-size", level, what, texts[0].place, f"raise its font-size in {_TEMPLATES}")


def touch(mail: Mail) -> list[Finding]:
    """Look that buttons are high enough for a finger; links in a line of text need not be (WCAG 2.5.8)."""
    page = document(mail.content.html)
    buttons = [element for element in page.elements("a", "button") if _is_button(page, element)]
    low: dict[float, list[Element]] = {}
    for button in buttons:
        if (height := _height(page, button)) < FINGER:
            low.setdefault(height, []).append(button)
    found = [_too_low(height, same) for height, same in sorted(low.items())]
    least = f", the lowest {min(_height(page, button) for button in buttons):g} px high" if buttons else ""
    return found or [Finding("touch", "pass", f"{_count(len(buttons), 'button')}{least}")]


def _too_low(height: float, buttons: list[Element]) -> Finding:
    rest = len(buttons) - 1
    more = f", and so {'is' if rest == 1 else 'are'} {_count(rest, 'more button')}" if rest else ""
    what = f"the button “{excerpt(name_of(buttons[0]))}” is {height:g} px high{more}; a finger needs {FINGER} px"
    todo = f"give it {(FINGER - height) / 2:g} px more padding above and below in {_TEMPLATES}"
    return Finding("touch", "warn", what, buttons[0].place, todo)


def _is_button(page: Document, link: Element) -> bool:
    style = page.style(link, _PHONE)
    boxed = style.display in ("inline-block", "block") and style.padding > 0
    named = any("button" in element.attributes.get("class", "").lower() for element in link.around())
    return style.visible and (boxed or named or link.tag == "button" or link.attributes.get("role") == "button")


def _height(page: Document, button: Element) -> float:
    """Give what takes a click, in pixels: an inline link with padding is as high as its text and that."""
    style = page.style(button, _PHONE)
    lines = [page.style(element, _PHONE).line_height for element in button.within()]
    return round(max(style.padding + max(lines), style.height), 1)


def _length(texts: Iterable[Text]) -> int:
    return sum(len(text.text) for text in texts)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
