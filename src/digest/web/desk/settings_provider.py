"""The provider: who takes the mail, how fast, whether it tells what became of it, and a letter of trial."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from digest.audience.letterbox import Fate
from digest.errors import NotFoundError
from digest.provider_facts import facts_of, paced, proved
from digest.providers import hooks
from digest.sending import pace, probing
from digest.sources import Loaded
from digest.store import Database
from digest.tracking.hook_counting import last_calls
from digest.web.desk.access import AsOwner
from digest.web.desk.pages import OWN, done, page, wants_json
from digest.web.desk.settings_fields import where
from digest.web.reading import SEEN
from digest.web.state import Now, Our, State, Store

router = APIRouter(prefix="/desk/settings/provider")

ROLES: Mapping[str, str] = {
    "provider": "takes the issues",
    "failover": "takes over what the first has proven not to have accepted",
    "letters_provider": "takes the letters",
}


@router.api_route("", methods=SEEN)
def provider(request: Request, our: Our, db: Store, now: Now, here: AsOwner, test: str = "") -> Response:
    """Who takes the mail."""
    settings = our.settings
    names = list(dict.fromkeys(filter(None, (settings.provider, settings.failover, settings.letters_provider))))
    facts = asyncio.run(facts_of(settings, names))
    loaded = Loaded(settings, our.current.sources, our.current.own)
    context = {
        "section": "provider",
        "providers": [
            {
                "facts": one,
                "roles": [words for role, words in ROLES.items() if getattr(settings, role) == one.name],
                "pace": paced(one.pace),
                "proof": proved(one.proof),
                "room": pace.room_today(db, one.name, one.pace, now=now),
                "wait": pace.wait_of(db, one.name, now=now),
                "options": [
                    (option, where(option.name.replace(".", "_"), option.source)) for option in loaded.options(one.name)
                ],
                "hook": _hook(our, db, one.name),
            }
            for one in facts
        ],
        "test": test if (found := _fate(db, test, now)) else "",
        "fate": _told(found) if found else None,
        "works": any(not one.trouble for one in facts if one.name == settings.provider),
        "mails_people": settings.mails_people,
    }
    return page(request, our, here, "settings-provider.html", context, now=now)


@router.post("/test")
def send_me_a_test(request: Request, db: Store, now: Now, here: AsOwner) -> Response:
    """Put a letter of trial to the one who asks into the letterbox."""
    name = probing.send(db, here, now=now)
    to = f"/desk/settings/provider?test={name}"
    return JSONResponse({"test": name, "at": to}, headers=OWN) if wants_json(request) else done(f"{to}#test")


@router.api_route("/test/{name}", methods=SEEN)
def what_became(name: str, db: Store, now: Now, here: AsOwner) -> Response:
    """What became of it so far, for the page's script."""
    found = _fate(db, name, now)
    if found is None:
        raise NotFoundError("there is no such test any more")
    return JSONResponse(_told(found), headers=OWN)


def _fate(db: Database, name: str, now: datetime) -> Fate | None:
    return probing.fate(db, name[:40], now=now) if name else None


def _told(fate: Fate) -> dict[str, Any]:
    """Say what became of a letter of trial."""
    why = f": {fate.trouble}" if fate.trouble else ""
    match fate.state:
        case "queued":
            words = f"It waits{why}." if why else f"It is on its way to {fate.email} …"
        case "claimed":
            words = f"It is being handed over, to {fate.email} …"
        case "sent":
            words = (
                f"The provider has taken it, for {fate.email}. It should arrive within a minute; look in the junk too."
            )
        case "uncertain":
            words = f"Nobody knows yet whether the provider took it{why}."
        case _:
            words = f"It was not taken{why}."
    bad = fate.state in ("failed", "dropped")
    return {
        "words": words,
        "state": "bad" if bad or (fate.state == "queued" and why) else fate.state,
        "settled": fate.state in ("sent", "failed", "dropped"),
    }


def _hook(our: State, db: Database, name: str) -> dict[str, Any] | None:
    """Give where a provider may tell us what became of copies, and whether it ever did; None where it never does."""
    if name not in hooks.names():
        return None
    calls = last_calls(db, name)
    hours = {outcome: _hour(hour) for outcome, _, hour in calls}
    verified = max((hours[outcome] for outcome in ("taken", "repeated") if outcome in hours), default=None)
    return {
        "address": f"{our.settings.base_url}/hooks/{name}",
        "verified": verified,
        "refused": [(outcome, count, hours[outcome]) for outcome, count, _ in calls if outcome.startswith("refused")],
    }


def _hour(hour: str) -> datetime:
    return datetime.strptime(hour, "%Y-%m-%dT%H").replace(tzinfo=UTC)
