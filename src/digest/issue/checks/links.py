"""The links of an issue: are they whole, and safe to follow?"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from ipaddress import ip_address
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from digest.catalogue.model import Comparison
from digest.issue.checks.model import Finding, Level, Mail
from digest.mail import personalise

# fmt: off
VAGUE = frozenset((
    "click", "click here", "continue", "details", "go", "here", "learn more", "link", "more", "more info", "read",
    "read more", "see more", "this", "this link", "this page", "view",
))
# fmt: on
"""Link texts that say nothing where they are read out as a list, as screen readers do
(https://www.w3.org/WAI/WCAG22/Understanding/link-purpose-link-only.html)."""

# fmt: off
SHORTENERS = frozenset((
    "bit.ly", "bitly.com", "buff.ly", "cutt.ly", "goo.gl", "is.gd", "lnkd.in", "ow.ly", "rb.gy", "t.co", "t.ly",
    "tinyurl.com",
))
# fmt: on
"""The best known; spam filters distrust what hides where it leads
(https://www.wordtothewise.com/2011/06/bitly-gets-you-blocked)."""

_LEFTOVER = re.compile(
    r"\{\{|\}\}|%7b%7b|\{%|%\}|%recipient\.|\*\||\|\*|<%|%%\w+%%|example\.invalid|\[\[|%5b%5b|^javascript:|^#?$", re.I
)
"""What other mailers write for a value to fill in, and what authors write for a link to think of later."""

_CONDITIONAL = re.compile(r"\b(href|src)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.I)
_IN_TEXT = re.compile(r"^(?:\[\d+\] |[ ]+)([^\s:]+:\S+)$", re.M)
"""An address that we wrote: in a line of the list of links, or alone in one of the footer."""

_RULE = "=" * 72
"""Stands above the footer of the plain text; before it an author may quote any address (templates/email/issue.txt)."""

_INVISIBLE = re.compile("[\u00ad\u034f\u200b-\u200f\u2066-\u2069\ufeff]")


@dataclass(frozen=True)
class Link:
    """An address in a mail. `text` is what it is called: None where it has no words of its own, as a picture."""

    address: str
    where: str
    text: str | None = None


def links_of(mail: Mail) -> tuple[Link, ...]:
    """Give every address of a mail, in order: of the HTML (also what only Outlook sees), then of the text."""
    parser = _Parser()
    parser.feed(mail.content.html)
    parser.close()
    in_text = (_INVISIBLE.sub("", found) for found in _IN_TEXT.findall(mail.content.text.rpartition(_RULE)[2]))
    return (*parser.links, *(Link(address, f"text ({_short(address)})") for address in in_text))


def check(mail: Mail) -> list[Finding]:
    """Look at the links without following them (id `links`); troubles of a kind are one finding."""
    links = links_of(mail)
    if not links:
        return [Finding("links", "warn", "there is no link in the mail", "html", "link at least to the web copy")]
    troubles = [finding for kind in _KINDS for finding in _of_kind(kind, links, mail)]
    troubles += _called_alike(links, mail)
    if troubles:
        return troubles
    addresses = {link.address for link in links}
    mailto = " or mailto" if any(address.lower().startswith("mailto:") for address in addresses) else ""
    return [Finding("links", "pass", f"{counted(len(addresses))}, all absolute and https{mailto}")]


class _Parser(HTMLParser):
    """Collects the addresses of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[Link] = []
        self._open: tuple[str, str | None] | None = None
        self._words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "a" and "href" in values:
            self._finish()
            self._open = values["href"] or "", values.get("aria-label")
            return
        if tag == "img":
            self._words.append(values.get("alt") or "")
        for name in ("href", "src", "background"):
            if name in values and tag != "a":
                self._add(values[name] or "", "picture" if name != "href" else tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._finish()

    def handle_data(self, data: str) -> None:
        self._words.append(data)

    def handle_comment(self, data: str) -> None:
        if data.lstrip().startswith("[if"):
            for name, one, other in _CONDITIONAL.findall(data):
                self._add(unescape(one or other), f"{name.lower()} for Outlook")

    def close(self) -> None:
        super().close()
        self._finish()

    def _finish(self) -> None:
        if self._open is not None:
            address, label = self._open
            words = " ".join(_INVISIBLE.sub("", label or "".join(self._words)).split())
            self._add(address, "link", words)
        self._open, self._words = None, []

    def _add(self, address: str, kind: str, text: str | None = None) -> None:
        called = f", “{text}”" if text else ""
        where = f"{kind} {len(self.links) + 1} ({_short(address.strip())}{called})"
        self.links.append(Link(address.strip(), where, text))


def scheme_and_host(address: str) -> tuple[str, str]:
    """Give the scheme and the host of an address, each empty where there is none that can be read."""
    try:
        parts = urlsplit(address)
        return parts.scheme.lower(), parts.hostname or ""
    except ValueError:
        return "", ""


def counted(count: int) -> str:
    """Give ``1 link``, ``2 links``, ``0 links``."""
    return "1 link" if count == 1 else f"{count} links"


@dataclass(frozen=True)
class _Kind:
    """A kind of trouble a link by itself can have; `what` goes on after "3 links"."""

    level: Level | None
    wrong: Callable[[Link, Mail], bool]
    what: str
    todo: str


def _is_leftover(link: Link, mail: Mail) -> bool:
    try:
        return any(_LEFTOVER.search(text) for text in personalise.split(link.address).texts if text or not link.address)
    except ValueError:
        return True


def _is_partial(link: Link, mail: Mail) -> bool:
    parts = scheme_and_host(link.address)
    return not _is_leftover(link, mail) and (not parts[0] or (parts[0] in ("http", "https") and not parts[1]))


def _is_tracked_twice(link: Link, mail: Mail) -> bool:
    query = link.address.partition("?")[2].partition("#")[0]
    names = Counter(name.casefold() for name, _ in parse_qsl(query, keep_blank_values=True))
    if any(count > 1 and not name.endswith("[]") for name, count in names.items()):
        return True
    own = link.address.partition(f"{mail.settings.base_url}/c/")
    return not own[0] and "/c/" in unquote(unquote(own[2]))


def _is_odd_host(link: Link, mail: Mail) -> bool:
    host = scheme_and_host(link.address)[1]
    if not host.isascii() or host.removeprefix("www.") in SHORTENERS:
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


_KINDS = (
    _Kind("block", _is_leftover, "have a placeholder that nothing fills", "write the address that is meant"),
    _Kind(
        "block",
        _is_partial,
        "are not absolute, so that they lead nowhere in a mail",
        "write the whole address, beginning with https://",
    ),
    _Kind(
        "block",
        lambda link, mail: scheme_and_host(link.address)[0] not in ("", "http", "https", "mailto", "javascript"),
        "are neither https nor mailto, which mail programs do not open",
        "link to an https page",
    ),
    _Kind(
        None,
        lambda link, mail: scheme_and_host(link.address)[0] == "http",
        "are http, which browsers and mail programs warn of",
        "use https; for our own links set base_url to the site's https address",
    ),
    _Kind(
        "warn",
        _is_tracked_twice,
        "carry the same tracking twice",
        "give each parameter of the address once, and do not wrap what is wrapped already",
    ),
    _Kind(
        "warn",
        lambda link, mail: link.text == "",
        "have no words a screen reader could say",
        "give the link a text, or its picture an alt text",
    ),
    _Kind(
        "warn",
        lambda link, mail: (link.text or "").casefold().strip(" .…»›→>:!") in VAGUE,
        "have a text that makes no sense alone",
        "let the text name what is behind the link",
    ),
    _Kind(
        "warn",
        _is_odd_host,
        "have a host that spam filters distrust (a bare IP address, a link shortener, or not ASCII)",
        "link to the page itself, by the name of its site",
    ),
)


def _of_kind(kind: _Kind, links: Iterable[Link], mail: Mail) -> Iterator[Finding]:
    wrong = [link for link in links if kind.wrong(link, mail)]
    if wrong:
        yield Finding("links", kind.level or mail.grave, _sentence(len(wrong), kind.what), wrong[0].where, kind.todo)


def _called_alike(links: Iterable[Link], mail: Mail) -> Iterator[Finding]:
    """Find texts that lead to different places (https://www.w3.org/WAI/WCAG22/Techniques/failures/F84).

    What is said of a tool may stand on the pages of several comparisons of it: any of them is the right one.
    """
    names = {quote(item.comparison.slug, safe=""): _names(item.comparison) for item in mail.draft.placed}
    leads: dict[str, dict[str, Link]] = defaultdict(dict)
    for link in links:
        if link.text and link.text.casefold() not in VAGUE:
            leads[link.text.casefold()].setdefault(link.address, link)
    for text, ways in leads.items():
        pages = [names.get(address.rpartition("/compare/")[2], []) for address in ways]
        if len(ways) > 1 and not all(any(name in text for name in page) for page in pages):
            last = list(ways.values())[-1]
            yield Finding(
                "links",
                "warn",
                f"the link text “{last.text}” leads to {len(ways)} different addresses",
                last.where,
                "name in each link what is behind it",
            )


def _names(comparison: Comparison) -> list[str]:
    """Give the tools' names in small letters; of a long one its beginning, for a label may cut it."""
    return [" ".join(tool.name.split())[:40].casefold() for tool in (comparison.left, comparison.right)]


def _short(address: str) -> str:
    return address if len(address) <= 80 else address[:79] + "…"


def _sentence(count: int, what: str) -> str:
    if count > 1:
        return f"{count} links {what}"
    verb, _, rest = what.partition(" ")
    singular = {"have": "has", "are": "is", "carry": "carries"}[verb]
    return f"1 link {singular} {rest}".replace("so that they lead", "so that it leads")
