"""Documents that are no pages (feeds, site maps, pictures): made once a version, kept, and answered with an ETag."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Lock

from fastapi import Request
from fastapi.responses import Response

from digest.web.pages import matches

MOST = 32 * 1024 * 1024
"""Bytes kept in memory; the documents asked for least recently go first."""


class Kept:
    """Keeps documents that are the same for everybody."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = Lock()
        self._documents: OrderedDict[str, tuple[object, bytes, str]] = OrderedDict()
        self._size = 0

    def answer(
        self,
        request: Request,
        name: str,
        make: Callable[[], bytes],
        *,
        version: object,
        media_type: str,
        seconds: int = 300,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Answer with a document.

        Args:
            request: whose `If-None-Match` is looked at.
            name: the document, whatever the query of the address says: one is kept for a name.
            make: makes it; called only where it is not kept.
            version: what it is kept for, such as `pages.version_of` gives.
            media_type: what it is.
            seconds: for how long it may be used without asking again.
            headers: what it is answered with beside.
        """
        body, etag = self._document(name, make, version)
        given = {"ETag": etag, "Cache-Control": f"public, max-age={seconds}", **(headers or {})}
        if matches(request, etag):
            return Response(None, 304, given)
        return Response(body, 200, given, media_type)

    def _document(self, name: str, make: Callable[[], bytes], version: object) -> tuple[bytes, str]:
        with self._lock:
            kept = self._documents.get(name)
            if kept is not None and kept[0] == version:
                self._documents.move_to_end(name)
                return kept[1], kept[2]
        body = make()
        etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
        with self._lock:
            if (before := self._documents.pop(name, None)) is not None:
                self._size -= len(before[1])
            self._documents[name] = (version, body, etag)
            self._size += len(body)
            while self._size > self._most and len(self._documents) > 1:
                _, (_, oldest, _) = self._documents.popitem(last=False)
                self._size -= len(oldest)
        return body, etag
