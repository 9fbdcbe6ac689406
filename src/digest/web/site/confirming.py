"""Confirming: the page behind the link of the letter, and its one button. Following the link changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from digest.audience import signing_up
from digest.audience.consents import Witness
from digest.tokens import TokenError
from digest.web.guard import from_here
from digest.web.reading import SEEN
from digest.web.state import Now, Our, State, Store

router = APIRouter()


@router.api_route("/confirm/{token}", methods=SEEN)
def page(request: Request, our: Our, db: Store, now: Now, token: str) -> Response:
    """The button, or what is to be said instead."""
    read = _read(request, our, token, now)
    if isinstance(read, Response):
        return read
    match signing_up.standing(db, read):
        case "waits":
            return our.pages.page(request, "confirm.html", {"token": token}, now=now)
        case "already":
            return _in(request, our, read, now, already=True)
        case _:
            return _gone(request, our, now)


@router.post("/confirm/{token}", dependencies=[Depends(from_here)])
def press(request: Request, our: Our, db: Store, now: Now, token: str) -> Response:
    """The press of the button."""
    read = _read(request, our, token, now)
    if isinstance(read, Response):
        return read
    client = request.client.host if request.client else ""
    witness = Witness("confirmation letter", client, request.headers.get("user-agent", ""))
    match signing_up.confirm(db, our.settings, read, witness, now=now):
        case "confirmed":
            return _in(request, our, read, now, already=False)
        case "already":
            return _in(request, our, read, now, already=True)
        case "barred":
            return _over(
                request,
                our,
                now,
                409,
                "We cannot write to this address",
                "Mail to it came back to us, or was marked as unwanted, so we send none. If that is over, write to"
                f" {our.settings.reply_to or our.settings.sender_address}, and we set it right.",
                again=False,
            )
        case _:
            return _gone(request, our, now)


def _read(request: Request, our: State, token: str, now: datetime) -> int | Response:
    """Give the subscriber of a link, or the page that says what is wrong with it."""
    try:
        subscriber, ends = our.signers.links.read("confirm", token)
    except TokenError:
        return _over(
            request,
            our,
            now,
            400,
            "This link is not whole",
            "Part of it is missing, or it was changed on the way. Please copy all of it from the letter, or get a new"
            " one here.",
        )
    if datetime.fromtimestamp(ends, UTC) < now:
        days = our.settings.confirm_days
        return _over(
            request,
            our,
            now,
            410,
            "This link has run out",
            f"It worked for {'a day' if days == 1 else f'{days} days'}, so that no old letter signs anybody up."
            " Get a new one here.",
        )
    return subscriber


def _in(request: Request, our: State, subscriber: int, now: datetime, *, already: bool) -> Response:
    preferences = our.signers.links.sign("copy", 0, subscriber)
    return our.pages.page(request, "confirmed.html", {"already": already, "preferences": preferences}, now=now)


def _gone(request: Request, our: State, now: datetime) -> Response:
    return _over(
        request,
        our,
        now,
        410,
        "This link has done its work",
        "There is nothing to confirm any more. If you would like to get our mail, ask for a new letter here.",
    )


def _over(
    request: Request, our: State, now: datetime, status: int, heading: str, words: str, *, again: bool = True
) -> Response:
    context = {"heading": heading, "words": words, "again": again}
    return our.pages.page(request, "confirm-over.html", context, now=now, status=status)
