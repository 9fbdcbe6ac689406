"""The button at the end of a change of address, behind the link that was mailed to the new one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import Response

from digest.audience import changing_address
from digest.web.forms import Posted
from digest.web.guard import from_here
from digest.web.reading import SEEN
from digest.web.state import Now, Our, Store

router = APIRouter()


async def _change(token: str, our: Our, now: Now) -> int:
    """Read the number of a change out of its link.

    Raises:
        TokenError: it is not one of ours.
        HTTPException: 410, its time is over.
    """
    change, ends = our.signers.links.read("address", token)
    if now >= datetime.fromtimestamp(ends, now.tzinfo):
        raise HTTPException(
            410, f"this link worked for {our.settings.confirm_days} days; ask for the new address once more"
        )
    return change


Change = Annotated[int, Depends(_change)]


@router.api_route("/address/{token}", methods=SEEN)
def look(token: str, change: Change, request: Request, our: Our, db: Store, now: Now) -> Response:
    """The page with one button."""
    context = {"token": token, "change": changing_address.find_change(db, change), "moved": None}
    return our.pages.page(request, "address.html", context, now=now)


@router.post("/address/{token}", dependencies=[Depends(from_here)])
def confirm(change: Change, form: Posted, request: Request, our: Our, db: Store, now: Now) -> Response:
    """Change the address."""
    moved = changing_address.confirm(db, change, now=now)
    own = our.signers.links.sign("copy", 0, moved.subscriber)
    return our.pages.page(request, "address.html", {"token": own, "change": None, "moved": moved}, now=now)
