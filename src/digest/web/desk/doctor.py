"""The doctor: whether all is well, looked at when somebody asks, and the last look to read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from fastapi import APIRouter, Request
from fastapi.responses import Response

from digest.doctor.model import Case, Finding
from digest.doctor.run import names, run, subject
from digest.sentences import sentence
from digest.sources import Loaded
from digest.web.desk.access import AsPublisher, DeskForm
from digest.web.desk.pages import done, page
from digest.web.reading import SEEN
from digest.web.state import Now, Our, State

router = APIRouter(prefix="/desk/doctor")

MOST_S = 50.0
"""Proxies give an answer up after a minute."""

HEADINGS: Mapping[str, str] = {
    "bad": "Bad",
    "warn": "To look at",
    "not looked at": "Not looked at",
    "pass": "Well",
}
"""In the order in which they are shown."""


@dataclass(frozen=True)
class Said:
    """A finding as it is shown: sentences, and a command for whoever runs the server."""

    what: str
    todo: str
    command: str


@dataclass(frozen=True)
class Group:
    """What one subject said, of one level; or several the same."""

    subject: str
    findings: tuple[Said, ...]


@router.api_route("/", methods=SEEN)
def doctor(request: Request, our: Our, now: Now, here: AsPublisher) -> Response:
    """The last look that this server took; it takes none by itself."""
    last = our.examined.last
    context = {
        "last": last,
        "levels": [(level, words, list(_grouped(last.report.findings, level))) for level, words in HEADINGS.items()]
        if last
        else [],
        "subjects": [(name, subject(name).WORDS) for name in names()],
    }
    return page(request, our, here, "doctor.html", context, now=now)


@router.post("/")
def look(our: Our, now: Now, here: AsPublisher, form: DeskForm) -> Response:
    """Look, and show what was seen. With `network`, servers are asked too: the DNS, the provider, the site itself."""
    with our.examined.one_at_a_time():
        case = Case(_loaded(our), network=form.get("network") == "1", quick=True, clock=our.clock)
        our.examined.keep(run(case, most=MOST_S), at=now, by=here.editor.name, network=case.network)
    return done("/desk/doctor/")


def _loaded(our: State) -> Loaded:
    warnings = our.current.held().laid.warnings
    return Loaded(our.settings, our.current.sources, our.current.own, tuple(warnings))


def _grouped(findings: tuple[Finding, ...], level: str) -> Iterator[Group]:
    of_level = [found for found in findings if found.level == level]
    groups: dict[tuple[Said, ...], list[str]] = {}
    for name, group in groupby(of_level, attrgetter("subject")):
        said = tuple(Said(_shown(one.what), _shown(one.todo), one.command) for one in group)
        groups.setdefault(said, []).append(name)
    for said, subjects in groups.items():
        yield Group(", ".join(subjects), said)


def _shown(words: str) -> str:
    """Write words as a sentence; one that begins with a name, such as base_url or a host, begins with it as it is."""
    begins_plainly = re.match(r"[a-z]+(?![\w.:/@-])", words)
    whole = sentence(words) if words else ""
    return (whole if begins_plainly else words[:1] + whole[1:]).replace("`", "")
