"""How opens and clicks of an issue are counted: its links lead by the site, and its HTML ends in a picture nobody sees.

What is frozen, checked, previewed and archived has the real addresses. Only the copies that are handed over are written
so, and of them only the HTML: what they have more is the place ``[[digest:track]]``, a token that opens nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape, unescape
from typing import Literal, Self
from urllib.parse import quote, unquote_plus

from digest.catalogue.model import Comparison
from digest.mail.personalise import TRACK
from digest.settings import Settings

Mode = Literal["off", "counts", "readers"]
"""What of opens and clicks is kept: nothing, how many but not whose they are, or whose too."""

HIDDEN = 0
"""The number of the link that no person sees; those of real links begin with 1."""

_PLACE = f"[[digest:{TRACK}]]"
# What stands in quotes is passed over whole; of a tag without an address nothing fits.
_HREF = re.compile(
    r"""(<(?:a|area|v:[a-z]+)(?=\s)(?:[^<>"']|"[^"]*"|'[^']*')*?\shref=)(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE
)
_END = re.compile(r"</body\s*>(?!.*</body\s*>)", re.IGNORECASE | re.DOTALL)
_LONGEST = 9999


@dataclass(frozen=True)
class Tracking:
    """What is done to the links of an issue, as approval froze it.

    `site` is where they lead by, `utm` the tags that real addresses get, with the number of the issue in them. `hidden`
    says whether there is a link that only machines follow. Where the mode is `off`, there are tags and nothing else.
    """

    mode: Mode
    site: str = ""
    utm: str = ""
    hidden: bool = False

    @classmethod
    def of(cls, settings: Settings, number: int) -> Self | None:
        """Give what the settings say for the issue of this number; None where its links stay as they are."""
        utm = settings.utm.replace("{number}", str(number))
        if settings.tracking == "off":
            return cls("off", utm=utm) if utm else None
        return cls(settings.tracking, settings.base_url, utm, settings.hidden_link)

    @property
    def counts(self) -> bool:
        """Whether opens and clicks are counted."""
        return self.mode != "off"


def write(tracking: Tracking | None) -> tuple[str | None, str | None]:
    """Give the columns `tracking` and `utm` of an issue; the first is NULL where opens and clicks are not counted."""
    if tracking is None or not tracking.counts:
        return None, tracking.utm if tracking else None
    parts = {"mode": tracking.mode, "utm": tracking.utm, "hidden": tracking.hidden, "site": tracking.site}
    return json.dumps(parts), tracking.utm or None


def read(tracking: str | None, utm: str | None) -> Tracking | None:
    """Read what `write` gave."""
    if tracking is not None:
        return Tracking(**json.loads(tracking))
    return Tracking("off", utm=utm) if utm else None


def settings_of(settings: Settings, tracking: Tracking | None) -> Settings:
    """Give settings that would freeze an issue's links as they are frozen, whatever is set by now."""
    mode, utm, hidden = (tracking.mode, tracking.utm, tracking.hidden) if tracking else ("off", "", False)
    return settings.model_copy(update={"tracking": mode, "utm": utm, "hidden_link": hidden})


def addresses_in(html: str) -> tuple[str, ...]:
    """Give the addresses that can be counted, each once, in their order: of the web, and the same in every copy."""
    found = (unescape(match[2] or match[3] or "") for match in _HREF.finditer(html))
    return tuple(dict.fromkeys(filter(_is_countable, found)))


def comparisons_of(addresses: Iterable[str], comparisons: Iterable[Comparison], site: str) -> dict[str, str]:
    """Give the slug of the comparison that an address belongs to, for those that belong to one.

    They are its page, the pages of its tools, and the tools' own; of several with the same tool it is the first.
    """
    known: dict[str, str] = {}
    for comparison in comparisons:
        known.setdefault(f"{site}/compare/{quote(comparison.slug, safe='')}", comparison.slug)
        for tool in (comparison.left, comparison.right):
            known.setdefault(f"{site}/tools/{quote(tool.slug, safe='')}", comparison.slug)
            if tool.url:
                known.setdefault(tool.url, comparison.slug)
    found = {address: known.get(address) or known.get(re.split("[?#]", address)[0]) for address in addresses}
    return {address: slug for address, slug in found.items() if slug}


def as_mailed(html: str, tracking: Tracking | None, numbers: Mapping[str, int]) -> str:
    """Write the HTML of an issue as it is handed over.

    Args:
        html: as it is frozen. Only the addresses of links are written anew, and what is not seen is put at its end.
        tracking: what is done to it.
        numbers: of the addresses that were written down; any other stays as it is.
    """
    if tracking is None:
        return html

    def led_by(match: re.Match[str]) -> str:
        address = unescape(match[2] or match[3] or "")
        if not _is_countable(address):
            return match[0]
        if not tracking.counts:
            return f'{match[1]}"{escape(with_utm(address, tracking.utm, 0))}"'
        number = numbers.get(address)
        return match[0] if number is None else f'{match[1]}"{_by(tracking, number)}"'

    written = _HREF.sub(led_by, html)
    if not tracking.counts:
        return written
    unseen = _unseen(tracking)
    return _END.sub(lambda end: unseen + end[0], written, count=1) if _END.search(written) else written + unseen


def longest_as_mailed(html: str, tracking: Tracking | None) -> str:
    """Write HTML as it is handed over at its longest, before its links have numbers."""
    return as_mailed(html, tracking, dict.fromkeys(addresses_in(html), _LONGEST))


def with_utm(address: str, utm: str, number: int) -> str:
    """Give an address with UTM tags at the end of its query; those that it has already stay as they are.

    Args:
        address: an http or https address, whole; nothing in it is written anew.
        utm: the tags, as the setting `utm` has them; none where it is empty.
        number: of the issue, which stands for ``{number}`` in them.
    """
    rest, sign, fragment = address.partition("#")
    path, _, query = rest.partition("?")
    there = {unquote_plus(pair.partition("=")[0]).casefold() for pair in query.split("&")}
    tags = [tag for tag in utm.replace("{number}", str(number)).split("&") if tag]
    new = [tag for tag in tags if tag.partition("=")[0].casefold() not in there]
    if not new:
        return address
    joined = "&".join([query.rstrip("&"), *new] if query.rstrip("&") else new)
    return f"{path}?{joined}{sign}{fragment}"


def _is_countable(address: str) -> bool:
    return address.lower().startswith(("https://", "http://")) and "[[digest:" not in address


def _by(tracking: Tracking, number: int) -> str:
    return f"{escape(tracking.site)}/c/{_PLACE}/{number}"


def _unseen(tracking: Tracking) -> str:
    """Give what stands at the end: the picture, and before it the link that only machines follow, where there is one.

    The picture takes no room: it lies on the last line of pixels of what stands before it. Without words of its own and
    out of the order of tabs, the link is nothing to a person, with or without eyes (`mso-hide` is Outlook's).
    """
    hidden = ""
    if tracking.hidden:
        hidden = (
            '<div style="display:none;mso-hide:all" aria-hidden="true">'
            f'<a href="{_by(tracking, HIDDEN)}" tabindex="-1" rel="nofollow"></a></div>'
        )
    picture = f"{escape(tracking.site)}/o/{_PLACE}.gif"
    return f'{hidden}<img src="{picture}" width="1" height="1" alt="" style="display:block;margin-top:-1px">'
