"""How heavy the mail is, and whether its plain-text twin says the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

from digest.issue.checks.document import document, excerpt
from digest.issue.checks.model import Finding, Mail
from digest.issue.fit import LIMIT, weight
from digest.issue.model import Moved

KB = 1024
GMAIL_CUTS = 102 * KB
"""Gmail shows about so much of the HTML and cuts off the rest, the way out with it:
https://www.spamresource.com/2022/01/what-is-gmail-clipping-and-what-to-do.html."""

NAMED = 5
"""How many of the comparisons that were made smaller are named; the others are counted."""

TEXT_MOST = 64 * KB
LINE = 78
"""Characters in a line of text: RFC 5322, section 2.1.1."""

_LEFTOVER = re.compile(
    r"&(?:[a-z]+|#\d+|#x[0-9a-f]+);|</?(?:a|b|br|div|em|h[1-6]|i|img|li|p|span|strong|t[adhr]|table|ul)\b[^<>\n]*>",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"\S*https?://\S+")


LONG_INTRODUCTION = 16 * 1024
"""Bytes of an introduction that crowds out comparisons: some five pages of a book."""


def size(mail: Mail) -> list[Finding]:
    """Look that no mailbox cuts the mail off; what was made smaller for that is told."""
    html, text = weight(mail.content), len(mail.content.text.encode())
    found = list(_too_heavy(mail, html, text))
    if mail.moved:
        found.append(_told(mail))
    return found or [Finding("size", "pass", f"the HTML has {_kb(html)}, the plain text {_kb(text)}")]


def _too_heavy(mail: Mail, html: int, text: int) -> Iterator[Finding]:
    todo, command = "leave comparisons out", f"digest edit {mail.draft.number} --out SLUG"
    if (introduction := len(mail.draft.intro.encode())) > LONG_INTRODUCTION:
        todo = f"shorten the introduction, which alone has {_kb(introduction)}"
        command = f'digest edit {mail.draft.number} --intro "…"'
    if html > GMAIL_CUTS:
        what = f"the HTML has {_kb(html)}: Gmail cuts a mail off after {_kb(GMAIL_CUTS)}, and the way out is at its end"
        yield Finding("size", "block", what, "HTML", todo, command)
    elif html > LIMIT:
        what = f"the HTML has {_kb(html)}; Gmail cuts a mail off after {_kb(GMAIL_CUTS)}, and a provider may add to it"
        yield Finding("size", "warn", what, "HTML", f"{todo}, to come under {_kb(LIMIT)}", command)
    if text > TEXT_MOST:
        yield Finding(
            "size",
            "warn",
            f"the plain text has {_kb(text)}; nobody reads more than {_kb(TEXT_MOST)}",
            "plain text",
            todo,
            command,
        )


def _told(mail: Mail) -> Finding:
    count = len(mail.moved)
    were = "1 comparison was" if count == 1 else f"{count} comparisons were"
    names = ", ".join(f"{moved.comparison.title} ({_change(moved)})" for moved in mail.moved[:NAMED])
    names += f" and {count - NAMED} more" if count > NAMED else ""
    what = f"{were} made smaller so that the mail fits in {_kb(LIMIT)}: {names}"
    command = f"digest edit {mail.draft.number} --out SLUG"
    return Finding("size", "warn", what, "HTML", "leave it so, or leave comparisons out", command)


def _change(moved: Moved) -> str:
    return f"{moved.before} → {'only counted' if moved.after == 'more' else moved.after}"


def _kb(count: int) -> str:
    return f"{count / KB:.1f}".removesuffix(".0") + " KB"


def plain_text(mail: Mail) -> list[Finding]:
    """Look that the plain text has every link and every comparison, and is written as text."""
    links = _links(mail.content.html)
    found = [*_missing_links(mail, links), *_missing_names(mail), *_long_lines(mail.content.text), *_leftovers(mail)]
    lines = mail.content.text.count("\n")
    return found or [Finding("plain-text", "pass", f"{lines} lines with all {len(links)} links and every comparison")]


def _links(html: str) -> list[str]:
    addresses = (link.attributes.get("href", "").strip() for link in document(html).elements("a"))
    return list(dict.fromkeys(address for address in addresses if address.startswith(("https://", "http://"))))


def _missing_links(mail: Mail, links: list[str]) -> Iterator[Finding]:
    # Whole addresses: /issues/1 is not there because /issues/12 is.
    there = set(re.findall(r"https?://[^\s<>]+", mail.content.text))
    there |= {address.rstrip(".,;:)”'\"") for address in there}
    missing = [link for link in links if link not in there]
    if missing:
        what = f"the plain text lacks {len(missing)} of the {len(links)} links: {_some(missing)}"
        yield Finding("plain-text", "block", what, "plain text", "put them into templates/email/issue.txt")


def _missing_names(mail: Mail) -> Iterator[Finding]:
    counted = {moved.comparison.slug for moved in mail.moved if moved.after == "more"}
    text = _plain(mail.content.text)
    missing = [
        item.comparison.title
        for item in mail.draft.placed
        if item.form not in ("more", "out") and item.comparison.slug not in counted
        if not all(_plain(tool.name) in text for tool in (item.comparison.left, item.comparison.right))
    ]
    if missing:
        what = f"the plain text does not name {len(missing)} of the comparisons: {_some(missing)}"
        yield Finding("plain-text", "warn", what, "plain text", "put them into templates/email/issue.txt")


def _plain(text: str) -> str:
    """Take out white space and what nobody sees: where lines break, and marks of direction, are not words."""
    return "".join(character for character in text if character.isprintable() and not character.isspace())


def _long_lines(text: str) -> Iterator[Finding]:
    long = [(at, line) for at, line in enumerate(text.splitlines(), 1) if _is_long(line)]
    if long:
        at, line = long[0]
        count = "1 line has" if len(long) == 1 else f"{len(long)} lines have"
        what = f"{count} more than {LINE} characters; some mail programs break them in odd places"
        todo = "wrap them with the filter `wrap` in templates/email/issue.txt"
        yield Finding("plain-text", "warn", what, f"plain text, line {at} (“{excerpt(line.strip())}”)", todo)


def _is_long(line: str) -> bool:
    """Tell whether a line is too long and could be broken: an address, or a script without spaces, cannot be."""
    without = _ADDRESS.sub("", line).strip()
    return len(line) > LINE and len(without) > LINE and " " in without


def _leftovers(mail: Mail) -> Iterator[Finding]:
    """Find traces of HTML in the plain text that no author wrote."""
    # A heading may be in capitals, and lines are wrapped anew.
    authors = " ".join(written(mail).casefold().split())
    for at, line in enumerate(mail.content.text.splitlines(), 1):
        # The &D; in "R&D; and more" is no character reference: it stands for nothing.
        traces = (found for found in _LEFTOVER.findall(line) if found[0] == "<" or unescape(found) != found)
        left = next((found for found in traces if found.casefold() not in authors), None)
        if left:
            what = f"“{left}” in the plain text is HTML, which a reader would see as it stands"
            yield Finding("plain-text", "warn", what, f"plain text, line {at}", "mend templates/email/issue.txt")
            return


def written(mail: Mail) -> str:
    """Give all that authors and the operator wrote."""
    settings = mail.settings
    texts = [mail.draft.subject, mail.draft.preheader, mail.draft.intro]
    texts += [settings.newsletter_name, settings.newsletter_tagline, settings.postal_address, *settings.social_links]
    for tool in (tool for item in mail.draft.placed for tool in (item.comparison.left, item.comparison.right)):
        texts += [tool.name, tool.tagline or "", tool.category or "", tool.description or ""]
        texts += [words for review in tool.reviews for words in (review.quote, review.reviewer.name)]
    return "\n".join(texts)


def _some(things: list[str]) -> str:
    more = f" and {len(things) - 3} more" if len(things) > 3 else ""
    return ", ".join(excerpt(thing, 80) for thing in things[:3]) + more
