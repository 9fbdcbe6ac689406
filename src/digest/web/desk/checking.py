"""The checks beside the editing: those of `digest check`, after each change; of the network where it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast, get_args

from fastapi import APIRouter, Request
from fastapi.responses import Response

from digest.errors import InputError, StateError
from digest.issue import issues
from digest.issue.checks.model import Finding, Mail
from digest.issue.checks.run import Remote, ask, run
from digest.issue.issues import Override
from digest.store import Database
from digest.web.desk.access import AsEditor, DeskForm
from digest.web.desk.findings import Grouped, grouped
from digest.web.desk.pages import page
from digest.web.reading import SEEN
from digest.web.site.archive import Number
from digest.web.state import Now, Our, State, Store

router = APIRouter()

ASKED: tuple[tuple[Remote, str], ...] = (
    ("dns", "the DNS of the sender’s domain"),
    ("spam", "a spam filter"),
    ("links", "every link"),
)
"""What the network is asked, in the words of the page."""


@dataclass(frozen=True)
class Readiness:
    """What the checks say of an issue as it is now, and the hash of what they looked at."""

    mail: Mail
    content: str
    overrides: tuple[Override, ...]
    found: Grouped


def readiness(our: State, db: Database, number: int) -> Readiness:
    """Look an issue over, without the network.

    Raises:
        NotFoundError: there is no such issue.
        StateError: it cannot be rendered.
    """
    issue, fitted = issues.find_issue(db, number), our.looks.laid_out(db, our.settings, number)
    assert fitted is not None  # noqa: S101 (only readers of some topics may get nothing)
    mail = Mail(fitted.draft, fitted.content, our.settings, fitted.moved, issue.content_hash is not None)
    overrides = tuple(issues.overrides_of(db, number))
    found = grouped(asyncio.run(run(mail, network=False)), mail, overrides)
    return Readiness(mail, issues.content_hash(fitted.content), overrides, found)


@router.api_route("/desk/issues/{number}/checks", methods=SEEN)
def checks(request: Request, our: Our, db: Store, now: Now, here: AsEditor, number: Number) -> Response:
    """What the checks say: a part of the editing page for its script, or a page of its own."""
    ready = readiness(our, db, number)
    context = {"number": number, "issue": issues.find_issue(db, number), "ready": ready}
    if "hx-request" in request.headers:
        return page(request, our, here, "issue-checks-part.html", {**context, "form_here": True}, now=now)
    return page(request, our, here, "issue-checks-page.html", {**context, "form_here": False, "asked": None}, now=now)


@router.post("/desk/issues/{number}/checks")
def ask_the_network(
    request: Request, our: Our, db: Store, now: Now, here: AsEditor, form: DeskForm, number: Number
) -> Response:
    """Ask the network too: one thing (`what`) for the script, which asks for all at once, or all for a page."""
    what = form.text("what")
    if what and what not in get_args(Remote):
        raise InputError(f"{what[:40]!r} is none of dns, spam, links", field="what")
    ready = readiness(our, db, number)
    if any(group.check == "places" for group in ready.found.blocks):
        raise StateError("there is a place that nothing fills; mend that first, for no whole mail can be made")
    remote = (cast("Remote", what),) if what else tuple(one for one, _ in ASKED)
    asked = grouped(asyncio.run(_ask(ready.mail, remote)), ready.mail)
    context = {"number": number, "issue": issues.find_issue(db, number), "ready": ready, "asked": asked}
    part = "hx-request" in request.headers
    template = "issue-checks-asked.html" if part else "issue-checks-page.html"
    return page(request, our, here, template, {**context, "form_here": part}, now=now)


async def _ask(mail: Mail, remote: Sequence[Remote]) -> list[Finding]:
    return [finding for found in await asyncio.gather(*(ask(mail, what) for what in remote)) for finding in found]
