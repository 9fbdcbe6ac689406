"""The sender: who the mail is from, and the records that the DNS must have so that receivers believe it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dns.asyncresolver
from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from digest.issue import sender_dns
from digest.issue.sender_dns import Looked
from digest.web.desk.access import AsOwner, DeskForm
from digest.web.desk.pages import page
from digest.web.desk.settings_pages import Asked, save, show
from digest.web.reading import SEEN
from digest.web.state import Now, Our, State, Store

router = APIRouter(prefix="/desk/settings/sender")

resolver: dns.asyncresolver.Resolver | None = None
"""Who is asked; the machine's own where it is None."""


@router.api_route("", methods=SEEN)
def sender(request: Request, our: Our, db: Store, now: Now, here: AsOwner) -> Response:
    """The sender."""
    return show(Asked(request, our, here, db, now), "sender", _beside)


@router.post("")
def save_sender(request: Request, our: Our, db: Store, now: Now, here: AsOwner, form: DeskForm) -> Response:
    """Save it."""
    return save(Asked(request, our, here, db, now), form, "sender", _beside)


@router.post("/check")
async def check(request: Request, our: Our, db: Store, now: Now, here: AsOwner) -> Response:
    """Ask the DNS, and show what it says beside each record."""
    looked = await sender_dns.look(our.settings, resolver=resolver)
    if "hx-request" in request.headers:
        return page(request, our, here, "settings-records.html", _records(our, looked), now=now)

    def beside(asked: Asked, typed: Mapping[str, str]) -> Mapping[str, Any]:
        return {**_beside(asked, typed), **_records(our, looked)}

    return await run_in_threadpool(show, Asked(request, our, here, db, now), "sender", beside)


def _beside(asked: Asked, typed: Mapping[str, str]) -> Mapping[str, Any]:
    name = typed["sender_name"] or asked.our.settings.newsletter_name
    return {"from_name": name, "from_address": typed["sender_address"], **_records(asked.our, None)}


def _records(our: State, looked: Sequence[Looked] | None) -> dict[str, Any]:
    """Give the records, with what the DNS says of each where it was asked."""
    settings = our.settings
    of = {one.record: one for one in looked or ()}
    return {
        "records": [(record, of.get(record)) for record in sender_dns.records(settings)],
        "asked": looked is not None,
        "well": sum(one.state == "found" for one in looked or ()),
        "domain": settings.sender_address.rpartition("@")[2],
        "provider": settings.provider,
        "is_example": settings.sender_address.rpartition("@")[2] in ("example.com", "example.org", "example.net"),
    }
