"""Pages: Jinja2 into HTML, kept as long as what they show stands still, and answered with an ETag.

A page that is the same for everybody is rendered once for each version of the store's public content. Its ETag is weak:
the moment at which its sign-up form was shown is written into each answer, and is not part of what the page says.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property, lru_cache, partial
from pathlib import Path
from threading import Lock
from types import CodeType
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import Request
from fastapi.responses import Response
from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup, escape
from starlette.concurrency import run_in_threadpool

from digest import times
from digest.audience.consents import sign_up_words
from digest.audience.topics import topic_of
from digest.issue import compose
from digest.mail import markdown, text
from digest.mail.theme import Palette
from digest.numbers import counted, percent, several
from digest.resources import resource
from digest.settings import Settings
from digest.store import Database
from digest.tokens import Signer
from digest.web.abuse.sign_ups import TRAP
from digest.web.jsonld import JsonLd

KEPT = 2_000
"""Pages kept in memory, 20 KB each; those asked for least recently go first."""

_ENTRY = {"free": "Free", "freemium": "Freemium", "paid": "Paid", None: "—"}
_SCORE = re.compile(r" ?\b(\d+–\d+)\b")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
Make = Callable[[], Mapping[str, Any]]


class _Compiled(BytecodeCache):
    """Keeps compiled templates for all pages of the process: other settings make other pages, of the same templates."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code is not None:
            self._code[bucket.key, bucket.checksum] = bucket.code


_COMPILED = _Compiled()


class Pages:
    """Renders pages and keeps those that are the same for everybody."""

    def __init__(self, settings: Settings, links: Signer) -> None:
        self.settings = settings
        self._links = links
        # What no author can write, because it is drawn anew in each process.
        self._moment = f"moment-{secrets.token_hex(12)}"
        self._kept: OrderedDict[str, tuple[object, str, str]] = OrderedDict()
        self._lock = Lock()

    @cached_property
    def environment(self) -> Environment:
        """The templates of templates/site/."""
        made = Environment(
            loader=FileSystemLoader(resource("templates", "site")),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            bytecode_cache=_COMPILED,
        )
        made.filters |= {
            "coded": coded,
            "counted": counted,
            "day": self.day,
            "entry": lambda tool: _ENTRY[tool.entry],
            "excerpt": text.excerpt,
            "figure": text.figure,
            "host": host_of,
            "isolated": text.isolated,
            "markdown": markdown.groups,
            "markdown_words": markdown.words_of,
            "paragraphs": text.paragraphs,
            "percent": percent,
            "readable": self.readable,
            "segment": lambda part: quote(part, safe=""),
            "several": several,
            "shorten": text.shorten,
            "stamp": times.to_text,
            "title_of": compose.title,
            "topic": topic_of,
            "unbroken": unbroken,
            "verdict_line": compose.verdict_line,
        }
        made.globals |= {
            "settings": self.settings,
            "site": self.settings.base_url,
            "sign_up_words": sign_up_words(self.settings),
            "static": static,
            "theme_address": self.theme_address,
            "trap": TRAP,
            "jsonld": JsonLd(self.settings),
            "form_moment": Markup(self._moment),  # noqa: S704 (ours)
            "dir": "rtl" if text.is_rtl_language(self.settings.language) else "ltr",
        }
        return made

    @cached_property
    def desk(self) -> Environment:
        """The templates of templates/desk/, which may use those of the site."""
        made = self.environment.overlay(
            loader=FileSystemLoader([resource("templates", "desk"), resource("templates", "site")])
        )
        made.globals = {**made.globals, "static_of_desk": static_of_desk}
        return made

    def render(self, template: str, context: Mapping[str, Any], *, now: datetime) -> str:
        """Render a template, with the moment in its sign-up form."""
        return self._with_moment(self.environment.get_template(template).render(context), now)

    def page(
        self,
        request: Request,
        template: str,
        context: Mapping[str, Any] | None = None,
        *,
        now: datetime,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Answer with a page that is one reader's own: nobody keeps it, and no search engine lists it."""
        html = self.render(template, {"request": request, "path": request.url.path} | dict(context or {}), now=now)
        own = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
        return Response(html, status, {**own, **(headers or {})}, "text/html; charset=utf-8")

    def public(
        self, request: Request, template: str, make: Make, *, version: object, now: datetime, asked: str | None = None
    ) -> Response:
        """Answer with a page that is the same for everybody.

        Args:
            request: whose path and query, in their order, name the page.
            template: its template.
            make: gives its context; called only where the page is not kept.
            version: what it is kept for: see `version_of`.
            now: the moment.
            asked: what of the query the page looks at, where that is not all of it: else anybody could have it
                rendered and kept once more under every query they think of.
        """
        key = _key(request, template, asked)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
        if kept is None or kept[0] != version:
            context = {"request": request, "path": request.url.path, **make()}
            html = self.environment.get_template(template).render(context)
            tag = hashlib.sha256(html.replace(self._moment, "").encode()).hexdigest()[:20]
            kept = (version, html, f'W/"{tag}"')
            with self._lock:
                self._kept[key] = kept
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
        _, html, etag = kept
        headers = {"ETag": etag, "Cache-Control": "public, max-age=0, must-revalidate"}
        if matches(request, etag):
            return Response(None, 304, headers)
        return Response(self._with_moment(html, now), 200, headers, "text/html; charset=utf-8")

    async def shown(
        self, request: Request, template: str, make: Make, *, db: Database, now: datetime, asked: str | None = None
    ) -> Response:
        """Answer as `public` does, from a route on the event loop: one that is kept at once, another from a thread.

        A thread for every request costs about 0.3 ms of CPU more, where a kept page takes 0.7 ms.
        """
        version = version_of(db, now)
        kept = self._kept.get(_key(request, template, asked))
        answer = partial(self.public, request, template, make, version=version, now=now, asked=asked)
        return answer() if kept is not None and kept[0] == version else await run_in_threadpool(answer)

    def _with_moment(self, html: str, now: datetime) -> str:
        if self._moment not in html:
            return html
        token = self._links.sign("form", int(now.timestamp()), secrets.randbits(32))
        return html.replace(self._moment, token)

    def day(self, moment: datetime) -> str:
        """Write a day as people do, in the newsletter's zone: ``26 November 2026``."""
        local = moment.astimezone(self.settings.zone)
        return f"{local.day} {local:%B %Y}"

    def readable(self, value: object) -> object:
        """Write a moment of the store as people do; anything else stays as it is."""
        is_moment = isinstance(value, str) and _MOMENT.fullmatch(value)
        return times.for_people(times.from_text(str(value)), self.settings.zone) if is_moment else value

    @cached_property
    def theme_address(self) -> str:
        """The address of the newsletter's colours, which changes with them."""
        return f"/static/theme.css?v={hashlib.sha256(self.theme.encode()).hexdigest()[:12]}"

    @cached_property
    def theme(self) -> str:
        """The newsletter's colours, as CSS."""
        light, dark = Palette.of(self.settings), Palette.of(self.settings, "_dark")
        return (
            f":root{{color-scheme:light dark;{_variables(light)}}}"
            f"@media (prefers-color-scheme:dark){{:root{{{_variables(dark)}}}}}"
        )


def _key(request: Request, template: str, asked: str | None) -> str:
    return f"{template} {request.url.path}?{request.url.query if asked is None else asked}"


def _variables(palette: Palette) -> str:
    colors = vars(palette) | {"on_accent": palette.on_accent, "on_ship": palette.on_ship}
    return "".join(f"--{name.replace('_', '-')}:{color};" for name, color in colors.items())


def static(name: str) -> str:
    """Give the address of a file of templates/site/static/, which changes with its content."""
    digest = hashlib.sha256(resource("templates", "site", "static", name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def static_of_desk(name: str) -> str:
    """Give the address of a file of templates/desk/static/, which changes with the content of any of them.

    The version is a folder of the address, so that a script finds its neighbours of the same version beside it.
    """
    with os.scandir(resource("templates", "desk", "static")) as found:
        stand = tuple(sorted((file.path, file.stat().st_mtime_ns) for file in found))
    return f"/desk/static/{_digest(stand)}/{name}"


@lru_cache(maxsize=1)
def _digest(stand: tuple[tuple[str, int], ...]) -> str:
    """Hash files, given with the moments of their last change: they are read anew only after one."""
    return hashlib.sha256(b"".join(Path(path).read_bytes() for path, _ in stand)).hexdigest()[:12]


def coded(line: str) -> list[tuple[str, bool]]:
    """Part a line at what stands between backticks: each part with whether it is code."""
    return [(part, number % 2 == 1) for number, part in enumerate(re.split(r"`([^`]+)`", line)) if part]


def unbroken(line: str) -> Markup:
    """Keep scores such as 3–1 on one line of HTML, with the last word of whose they are."""
    return Markup(_SCORE.sub(_kept_together, str(escape(line))))  # noqa: S704 (escaped)


def _kept_together(score: re.Match[str]) -> str:
    return f'{"&nbsp;" if score[0] != score[1] else ""}<span class="score">{score[1]}</span>'


_USUAL = {"http": 80, "https": 443}


def host_of(address: str) -> str:
    """Give the host of an address as people say it, without `www.`; with the port where it is another than usual."""
    try:
        parts = urlsplit(address)
        host, port = (parts.hostname or "").removeprefix("www."), parts.port
    except ValueError:
        return address
    if host and port not in (None, _USUAL.get(parts.scheme)):
        host = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return host or address


def version_of(db: Database, now: datetime) -> tuple[object, ...]:
    """Give what changes whenever a public page may: the catalogue, what of it is public by now, the issues."""
    row: tuple[object, ...] = db.conn.execute(
        "SELECT (SELECT version FROM catalogue_version),"
        " (SELECT max(published_at) FROM comparisons WHERE published_at <= ?),"
        " (SELECT max(updated_at) FROM issues), (SELECT group_concat(state) FROM issues)",
        (times.to_text(now),),
    ).fetchone()
    return row


def matches(request: Request, etag: str) -> bool:
    """Tell whether the asker has this version already (RFC 9110, 13.1.2: compared weakly)."""
    given = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return "*" in given or etag.removeprefix("W/") in given


def origin_of(address: str) -> str:
    """Give the origin of an address, as browsers write it."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}".lower()
