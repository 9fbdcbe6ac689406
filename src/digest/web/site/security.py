"""Whom to tell of a hole in the site: security.txt (RFC 9116)."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from digest.web.reading import SEEN
from digest.web.state import Now, Our

router = APIRouter()

VALID = timedelta(days=180)
"""RFC 9116 (2.5.5) wants less than a year; who keeps the file asks again long before."""


@router.api_route("/.well-known/security.txt", methods=SEEN)
def security_txt(request: Request, our: Our, now: Now) -> Response:
    """Whom to tell, and until when that holds; not found where nobody is named."""
    contact = our.settings.security_contact
    if not contact:
        raise HTTPException(404)
    # By the day, so that it stays the same between two visits.
    expires = (now + VALID).replace(hour=0, minute=0, second=0, microsecond=0)

    def make() -> bytes:
        lines = [
            f"Contact: {contact}",
            f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}",
            f"Preferred-Languages: {our.settings.language}",
            f"Canonical: {our.settings.base_url}/.well-known/security.txt",
        ]
        return "\n".join([*lines, ""]).encode()

    return our.kept.answer(
        request,
        "/.well-known/security.txt",
        make,
        version=expires.toordinal(),
        media_type="text/plain; charset=utf-8",
        seconds=86_400,
    )
