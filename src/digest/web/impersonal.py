"""A mail for everybody: the places of a frozen issue filled so that nothing of any reader is there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

from markupsafe import escape

from digest.mail.personalise import greeting, split

_OWN = re.compile(r"https?://[^\s\"'<>\[]*/(?P<way>[a-z]+)/\[\[digest:token\]\](?P<rest>(?:/[^\s\"'<>]*)?)")
"""A link of one reader; its site is that of the day on which the issue was approved."""


def impersonal(html: str, site: str, pages: Mapping[str, str]) -> str:
    """Fill the places of an issue's HTML.

    The links of one reader lead to where everybody may do the same: a vote to the page of its comparison, preferences
    and the way out to the sign-up form. A token that stands anywhere else is left out.

    Args:
        html: as approval froze it.
        site: the address of the site.
        pages: the slug of its comparison, by the slug of each tool.
    """
    public = _OWN.sub(lambda found: str(escape(site + _public(found["way"], found["rest"], pages))), html)
    return split(public).fill(
        {"token": "", "message": "", "greeting": greeting(None)}, lambda value: str(escape(value))
    )


def _public(way: str, rest: str, pages: Mapping[str, str]) -> str:
    tool = unquote(rest.strip("/").partition("/")[0])
    if way != "v" or not tool:
        return "/#sign-up"
    page = f"/compare/{quote(pages[tool], safe='')}" if tool in pages else f"/tools/{quote(tool, safe='')}"
    return f"{page}#votes"
