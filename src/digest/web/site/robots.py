"""What search engines ask for: which pages there are (https://www.sitemaps.org/protocol.html).

Which are not theirs is told in robots.txt (RFC 9309).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from digest.catalogue.critics import panel
from digest.catalogue.finding import categories
from digest.catalogue.listing import all_comparisons, all_tools
from digest.issue.archive import all_shown
from digest.store import Database
from digest.web.pages import version_of
from digest.web.reading import SEEN, address
from digest.web.state import Now, Our, State, Store

router = APIRouter()
MOST_PLACES = 50_000
MOST_BYTES = 50 * 1024 * 1024
"""What one site map may have at most; beyond it there are several, and an index of them."""

_AROUND = 200
"""Bytes of a site map before and after its places."""

_PRIVATE = ("/p/", "/u/", "/v/", "/confirm/", "/address/", "/c/", "/o/", "/reports/", "/shared/", "/api/")
"""Where a reader's own pages and links are, the editors' reports and previews, and the programs' door."""


@dataclass(frozen=True)
class Place:
    """A page that is for everybody, and when it changed last where that is known."""

    address: str
    changed: datetime | None = None

    @property
    def weight(self) -> int:
        """The most bytes it takes in a site map: an ampersand in an address takes five."""
        return len(self.address.encode()) + 4 * self.address.count("&") + 100


@router.api_route("/robots.txt", methods=SEEN)
def robots(request: Request, our: Our) -> Response:
    """What search engines are to leave alone."""

    def make() -> bytes:
        lines = ["User-agent: *", *(f"Disallow: {path}" for path in _PRIVATE), ""]
        return "\n".join([*lines, f"Sitemap: {our.settings.base_url}/sitemap.xml", ""]).encode()

    return our.kept.answer(
        request, "/robots.txt", make, version=0, media_type="text/plain; charset=utf-8", seconds=86_400
    )


@router.api_route("/sitemap.xml", methods=SEEN)
def sitemap(request: Request, our: Our, db: Store, now: Now) -> Response:
    """All pages, or where they are too many for one map, all maps."""

    def make() -> bytes:
        maps = list(split(places(db, our.settings.base_url, now=now)))
        if len(maps) == 1:
            return _written(our, maps[0])
        return our.pages.environment.get_template("sitemap-index.xml").render(count=len(maps)).encode()

    return _answer(request, our, db, now, make)


@router.api_route("/sitemap-{number}.xml", methods=SEEN)
def part(number: str, request: Request, our: Our, db: Store, now: Now) -> Response:
    """One of several maps."""

    def make() -> bytes:
        maps = list(split(places(db, our.settings.base_url, now=now)))
        if len(maps) == 1 or number not in (str(there) for there in range(1, len(maps) + 1)):
            raise HTTPException(404)
        return _written(our, maps[int(number) - 1])

    return _answer(request, our, db, now, make)


def places(db: Database, site: str, *, now: datetime) -> Iterator[Place]:
    """Give every page that is for everybody and says something of its own."""
    for path in ("/", "/compare/", "/category/", "/panel", "/issues/"):
        yield Place(f"{site}{path}")
    for number, sent in all_shown(db):
        yield Place(f"{site}/issues/{number}", sent)
    for slug, changed in all_comparisons(db, now=now):
        yield Place(f"{site}{address('compare', slug)}", changed)
    for slug, changed in all_tools(db, now=now):
        yield Place(f"{site}{address('tools', slug)}", changed)
    for category in categories(db, now=now):
        yield Place(f"{site}{address('category', category.slug)}")
    for critic in panel(db, now=now):
        yield Place(f"{site}{address('panel', critic.reviewer.slug)}")


def split(found: Iterator[Place]) -> Iterator[list[Place]]:
    """Share places among as many maps as they need."""
    part: list[Place] = []
    weight = _AROUND
    for place in found:
        if part and (len(part) == MOST_PLACES or weight + place.weight > MOST_BYTES):
            yield part
            part, weight = [], _AROUND
        part.append(place)
        weight += place.weight
    yield part


def _written(our: State, part: list[Place]) -> bytes:
    return our.pages.environment.get_template("sitemap.xml").render(places=part).encode()


def _answer(request: Request, our: State, db: Database, now: datetime, make: Callable[[], bytes]) -> Response:
    version, media_type = version_of(db, now), "application/xml; charset=utf-8"
    return our.kept.answer(request, request.url.path, make, version=version, media_type=media_type)
