"""What machines read in a page: JSON-LD in the words of https://schema.org.

Each function gives a whole ``<script type="application/ld+json">``: data, which no browser runs, and which no policy
for scripts touches. Jinja's own `htmlsafe_json_dumps` writes ``<``, ``>`` and ``&`` as escapes of JSON, so that no text
can end the element.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from digest import times
from digest.audience.topics import topic_of
from digest.catalogue.critics import Critic
from digest.catalogue.finding import Category
from digest.catalogue.model import Comparison, Review, Reviewer, Tool
from digest.issue import compose
from digest.issue.archive import Mailed
from digest.issue.model import Draft
from digest.settings import Settings

Thing = dict[str, Any]
"""A thing of schema.org; what is None of it is left out."""


def script(things: Sequence[Thing]) -> Markup:
    """Write things as an element of a page's head."""
    data = htmlsafe_json_dumps(
        {"@context": "https://schema.org", "@graph": [*map(_stated, things)]}, ensure_ascii=False
    )
    return Markup('<script type="application/ld+json">{}</script>').format(data)


def _stated(thing: Any) -> Any:
    """Leave out what is not known."""
    if isinstance(thing, dict):
        return {name: _stated(value) for name, value in thing.items() if value is not None}
    return [_stated(value) for value in thing] if isinstance(thing, list) else thing


class JsonLd:
    """Says what the pages of a site are about."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._site = settings.base_url

    def home(self) -> Markup:
        """The site, whose it is, and how it is searched."""
        search = {
            "@type": "SearchAction",
            "target": {"@type": "EntryPoint", "urlTemplate": f"{self._site}/search?q={{search_term_string}}"},
            "query-input": "required name=search_term_string",
        }
        site = {
            "@type": "WebSite",
            "@id": f"{self._site}/#site",
            "name": self._settings.newsletter_name,
            "description": self._settings.newsletter_tagline or None,
            "url": f"{self._site}/",
            "inLanguage": self._settings.language,
            "publisher": {"@id": f"{self._site}/#publisher"},
            "potentialAction": search,
        }
        return script([site, self._publisher()])

    def comparison(self, comparison: Comparison) -> Markup:
        """A comparison: two tools, what each reviewer said of them, and the way to it."""
        address = self._at("compare", comparison.slug)
        category = comparison.left.category or comparison.right.category
        crumbs = (
            [("Categories", f"{self._site}/category/")] if category else [("Comparisons", f"{self._site}/compare/")]
        )
        if category:
            crumbs.append((category, self._at("category", topic_of(category))))
        page = {
            "@type": "WebPage",
            "@id": address,
            "url": address,
            "name": f"{comparison.title}: ship or skip?",
            "description": compose.verdict_line(comparison),
            "datePublished": times.to_text(comparison.published_at),
            "inLanguage": self._settings.language,
            "primaryImageOfPage": {"@type": "ImageObject", "url": f"{address}/share.png"},
            "isPartOf": {"@id": f"{self._site}/#site"},
            "publisher": self._publisher(),
            "mainEntity": _list([self._tool(tool, whole=True) for tool in (comparison.left, comparison.right)]),
        }
        return script([page, self._crumbs([*crumbs, (comparison.title, address)])])

    def tool(self, tool: Tool) -> Markup:
        """A tool, and what each reviewer said of it."""
        crumbs = [(tool.name, self._at("tools", tool.slug))]
        if tool.category:
            crumbs.insert(0, (tool.category, self._at("category", topic_of(tool.category))))
        return script([self._tool(tool, whole=True), self._crumbs(crumbs)])

    def comparisons(self, name: str, address: str, comparisons: Iterable[Comparison]) -> Markup:
        """A page that lists comparisons; `address` is its path."""
        listed = [{"name": found.title, "url": self._at("compare", found.slug)} for found in comparisons]
        return self._listing(name, address, listed)

    def categories(self, categories: Iterable[Category]) -> Markup:
        """The page of categories."""
        listed = [{"name": found.name, "url": self._at("category", found.slug)} for found in categories]
        return self._listing("Categories", "/category/", listed)

    def panel(self, panel: Iterable[Critic]) -> Markup:
        """The page of the panel."""
        listed = [{"name": found.reviewer.name, "url": self._reviewer(found.reviewer)["url"]} for found in panel]
        return self._listing("The panel", "/panel", listed)

    def reviewer(self, reviewer: Reviewer, reviews: Iterable[tuple[Tool, Review]]) -> Markup:
        """One reviewer, and what they said of which tool."""
        said = [self._review(review, tool=tool) for tool, review in reviews]
        page = {"@type": "ProfilePage", "mainEntity": self._reviewer(reviewer), "hasPart": said}
        crumbs = [("The panel", f"{self._site}/panel"), (reviewer.name, self._at("panel", reviewer.slug))]
        return script([page, self._crumbs(crumbs)])

    def issues(self, issues: Iterable[Mailed], address: str) -> Markup:
        """A page of the archive."""
        listed = [{"name": issue.subject, "url": f"{self._site}/issues/{issue.number}"} for issue in issues]
        return self._listing("Issues", address, listed)

    def issue(self, issue: Mailed, draft: Draft) -> Markup:
        """An issue as an article, and the comparisons in it."""
        address = f"{self._site}/issues/{issue.number}"
        shown = [item.comparison for item in compose.shown(draft.placed)]
        article = {
            "@type": "NewsArticle",
            "@id": address,
            "url": address,
            "mainEntityOfPage": address,
            "headline": issue.subject,
            "description": issue.preheader,
            "datePublished": times.to_text(issue.sending_at),
            "dateModified": times.to_text(issue.sending_at),
            "image": [f"{address}/share.png"],
            "inLanguage": self._settings.language,
            "isAccessibleForFree": True,
            "author": self._publisher(),
            "publisher": self._publisher(),
            "about": _list([{"name": found.title, "url": self._at("compare", found.slug)} for found in shown]),
        }
        crumbs = [("Issues", f"{self._site}/issues/"), (f"Issue {issue.number}", address)]
        return script([article, self._crumbs(crumbs)])

    def _listing(self, name: str, address: str, listed: Sequence[Thing]) -> Markup:
        here = f"{self._site}{address}"
        page = {"@type": "CollectionPage", "@id": here, "url": here, "name": name, "mainEntity": _list(listed)}
        crumbs = [] if address == "/" else [self._crumbs([(name, here)])]
        return script([page, *crumbs])

    def _tool(self, tool: Tool, *, whole: bool = False) -> Thing:
        thing: Thing = {
            "@type": "SoftwareApplication",
            "@id": self._at("tools", tool.slug),
            "url": self._at("tools", tool.slug),
            "name": tool.name,
            "applicationCategory": tool.category,
            "description": tool.tagline or None,
            "sameAs": tool.url,
            "isAccessibleForFree": tool.entry != "paid" if tool.entry else None,
        }
        if whole:
            thing["review"] = [self._review(review) for review in tool.reviews] or None
            if tool.is_judged:
                # Counted from the verdicts on the page: of a figure that a source states nobody knows of how many.
                thing["aggregateRating"] = {
                    "@type": "AggregateRating",
                    "name": "Panel ship",
                    "ratingValue": tool.panel_ship,
                    "bestRating": 100,
                    "worstRating": 0,
                    "ratingCount": tool.ships + tool.skips,
                }
        return thing

    def _review(self, review: Review, *, tool: Tool | None = None) -> Thing:
        rating = {
            "@type": "Rating",
            "ratingValue": 1 if review.verdict == "ship" else 0,
            "bestRating": 1,
            "worstRating": 0,
            "ratingExplanation": (review.verdict or "").capitalize(),
        }
        return {
            "@type": "Review",
            "author": self._reviewer(review.reviewer),
            "itemReviewed": self._tool(tool) if tool else None,
            "reviewBody": review.quote,
            "reviewRating": rating if review.verdict else None,
        }

    def _reviewer(self, reviewer: Reviewer) -> Thing:
        address = self._at("panel", reviewer.slug)
        return {
            "@type": "Person",
            "@id": address,
            "url": address,
            "name": reviewer.name,
            "description": reviewer.stance,
        }

    def _publisher(self) -> Thing:
        return {
            "@type": "Organization",
            "@id": f"{self._site}/#publisher",
            "name": self._settings.newsletter_name,
            "url": f"{self._site}/",
            "logo": self._settings.logo_url or f"{self._site}/icon.png",
            "sameAs": [*self._settings.social_links.values()] or None,
        }

    def _crumbs(self, crumbs: Sequence[tuple[str, str]]) -> Thing:
        listed = [("Home", f"{self._site}/"), *crumbs]
        return {
            "@type": "BreadcrumbList",
            "itemListElement": [
                {"@type": "ListItem", "position": place, "name": name, "item": address}
                for place, (name, address) in enumerate(listed, 1)
            ],
        }

    def _at(self, *parts: str) -> str:
        return "/".join((self._site, *(quote(part, safe="") for part in parts)))


def _list(things: Sequence[Thing]) -> Thing:
    """Give a list: of things where they are whole, else of their addresses."""
    return {
        "@type": "ItemList",
        "numberOfItems": len(things),
        "itemListElement": [
            {"@type": "ListItem", "position": place, **({"item": thing} if "@type" in thing else thing)}
            for place, thing in enumerate(things, 1)
        ],
    }
