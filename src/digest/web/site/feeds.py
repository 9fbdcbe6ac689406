"""Feeds of comparisons and of issues, as Atom (RFC 4287) and as JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/).

An entry's id is drawn from the store's own key, not from its address: the site may move, and what a reader's programme
knows stays known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid5

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from digest import times
from digest.catalogue.finding import newest
from digest.catalogue.listing import changes
from digest.issue import compose, issues
from digest.issue.archive import mailed
from digest.store import Database
from digest.web.pages import version_of
from digest.web.reading import SEEN
from digest.web.state import Now, Our, State, Store

router = APIRouter()
COMPARISONS, ISSUES = 50, 20
"""Entries of a feed: about a week of the busiest catalogue, some months of a weekly newsletter."""

_NAMESPACE = UUID("5f9a4b1e-6c0d-5d43-9a51-2f1f1f0d7c66")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may have (https://www.w3.org/TR/xml/#charsets)."""

_NOTHING_YET = datetime(1970, 1, 1, tzinfo=UTC)
"""When an empty feed changed last: it must say something, and the same every time."""


@dataclass(frozen=True)
class Entry:
    """One entry of a feed; `html` is all of it, `image` its picture."""

    id: str
    address: str
    title: str
    summary: str
    html: str
    image: str
    published: datetime
    updated: datetime
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class Feed:
    """A feed; `path` is where it is, without its ending, and `page` what it is the feed of."""

    id: str
    path: str
    page: str
    title: str
    entries: tuple[Entry, ...]

    @property
    def updated(self) -> datetime:
        """When any of its entries changed last."""
        return max((entry.updated for entry in self.entries), default=_NOTHING_YET)


@router.api_route("/feeds/{name}", methods=SEEN)
def feed(name: str, request: Request, our: Our, db: Store, now: Now) -> Response:
    """A feed: ``comparisons.atom``, ``comparisons.json``, ``issues.atom``, ``issues.json``."""
    of, _, kind = name.partition(".")
    if of not in _MADE or kind not in _WRITTEN:
        raise HTTPException(404)

    def make() -> bytes:
        return _WRITTEN[kind](our, _MADE[of](our, db, now)).encode()

    return our.kept.answer(
        request, request.url.path, make, version=version_of(db, now), media_type=_TYPES[kind], headers=OPEN
    )


OPEN = {"Access-Control-Allow-Origin": "*"}
"""Public for every page: a reader's programme may be one."""


def _comparisons(our: State, db: Database, now: datetime) -> Feed:
    found = newest(db, now=now, size=COMPARISONS).comparisons
    changed = changes(db, [comparison.id for comparison in found])
    site, template = our.settings.base_url, our.pages.environment.get_template("feed/comparison.html")
    entries = tuple(
        Entry(
            id=_id_of(our, f"compare/{comparison.slug}"),
            address=f"{site}/compare/{quote(comparison.slug, safe='')}",
            title=compose.title(comparison),
            summary=compose.verdict_line(comparison),
            html=template.render(comparison=comparison),
            image=f"{site}/compare/{quote(comparison.slug, safe='')}/share.png",
            published=comparison.published_at,
            updated=changed[comparison.id],
            categories=_distinct(comparison.left.category, comparison.right.category),
        )
        for comparison in found
    )
    title = f"{our.settings.newsletter_name}: comparisons"
    return Feed(_id_of(our, "feeds/comparisons"), "/feeds/comparisons", f"{site}/compare/", title, entries)


def _issues(our: State, db: Database, now: datetime) -> Feed:
    site, template = our.settings.base_url, our.pages.environment.get_template("feed/issue.html")
    entries = []
    for issue in mailed(db, size=ISSUES).issues:
        draft = issues.snapshot_of(db, issue.number)
        shown = compose.shown(draft.placed) if draft else []
        entries.append(
            Entry(
                id=_id_of(our, f"issues/{issue.number}"),
                address=f"{site}/issues/{issue.number}",
                title=issue.subject,
                summary=issue.preheader,
                html=template.render(issue=issue, shown=shown),
                image=f"{site}/issues/{issue.number}/share.png",
                published=issue.sending_at,
                updated=issue.sending_at,
                categories=_distinct(
                    *(tool.category for item in shown for tool in (item.comparison.left, item.comparison.right))
                ),
            )
        )
    title = our.settings.newsletter_name
    return Feed(_id_of(our, "feeds/issues"), "/feeds/issues", f"{site}/issues/", title, tuple(entries))


def _id_of(our: State, what: str) -> str:
    own = our.signers.messages.salted("feeds").sign("message", 0, 0)
    return uuid5(_NAMESPACE, f"{own}/{what}").urn


def _distinct(*names: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name))


def _atom(our: State, feed: Feed) -> str:
    return _NOT_XML.sub("", our.pages.environment.get_template("feed/feed.atom").render(feed=feed))


def _json(our: State, feed: Feed) -> str:
    site, settings = our.settings.base_url, our.settings
    document = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": feed.page,
        "feed_url": f"{site}{feed.path}.json",
        "description": settings.newsletter_tagline,
        "icon": f"{site}/icon.png",
        "favicon": f"{site}/favicon.ico",
        "authors": [{"name": settings.newsletter_name, "url": f"{site}/"}],
        "language": settings.language,
        "items": _items(feed.entries),
    }
    return json.dumps(document, ensure_ascii=False)


def _items(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    return [
        {
            "id": entry.id,
            "url": entry.address,
            "title": entry.title,
            "summary": entry.summary,
            "content_html": entry.html,
            "image": entry.image,
            "date_published": times.to_text(entry.published),
            "date_modified": times.to_text(entry.updated),
            "tags": list(entry.categories),
        }
        for entry in entries
    ]


_MADE: dict[str, Callable[[State, Database, datetime], Feed]] = {"comparisons": _comparisons, "issues": _issues}
_WRITTEN: dict[str, Callable[[State, Feed], str]] = {"atom": _atom, "json": _json}
_TYPES = {"atom": "application/atom+xml; charset=utf-8", "json": "application/feed+json; charset=utf-8"}
