"""Where a sign-up comes from: our own pages, a site on the list, or one that we do not know.

Browsers say it with each POST (https://fetch.spec.whatwg.org/#origin-header). Without a look at it any page could have
its visitors sign strangers up, each from a network of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import Request

from digest.settings import Settings
from digest.web.pages import origin_of


@dataclass(frozen=True)
class Origin:
    """Where it comes from. `foreign` is the other site's origin, where it is one on the list."""

    allowed: bool
    foreign: str
    listed: tuple[str, ...]

    @property
    def headers(self) -> dict[str, str]:
        """What an answer says about who may read it."""
        allow = {"Access-Control-Allow-Origin": self.foreign} if self.foreign else {}
        return {"Vary": "Origin, Accept", **allow}

    @property
    def preflight_headers(self) -> dict[str, str]:
        """What is said before a page of another site asks."""
        if not self.foreign:
            return self.headers
        return {
            **self.headers,
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": "Content-Type, Accept",
            "Access-Control-Max-Age": "86400",
        }

    def source(self, by_way_of: str) -> str:
        """Give the words for the record: ours, or the other site's host; `by_way_of` is what our own page says."""
        found = self.foreign or (by_way_of if by_way_of in self.listed else "")
        return f"form on {urlsplit(found).netloc}" if found else "sign-up form"


def of(request: Request, settings: Settings) -> Origin:
    """Tell where a request comes from.

    One without an `Origin` that does not say it is from another site either is no page's of today's browsers: it is
    taken for ours, and the other guards look at it. The origin ``null`` is that of a page that hides itself.
    """
    stated, fetched = request.headers.get("origin"), request.headers.get("sec-fetch-site", "none")
    if stated is None:
        return Origin(fetched in ("same-origin", "none"), "", settings.sign_up_origins)
    stated = stated.lower()
    if stated in (origin_of(settings.base_url), origin_of(str(request.base_url))):
        return Origin(True, "", settings.sign_up_origins)
    listed = stated in settings.sign_up_origins
    return Origin(listed, stated if listed else "", settings.sign_up_origins)
