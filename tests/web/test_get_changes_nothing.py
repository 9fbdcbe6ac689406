"""A scanner that opens every link of our mails, and every page, changes nothing: no GET and no HEAD writes a row."""

from __future__ import annotations

import re
from datetime import timedelta
from importlib import import_module
from pkgutil import iter_modules
from urllib.parse import unquote

import pytest
from fastapi import APIRouter
from own_links import Ada, ada, begin_to_send, claim
from sqlite_utils import Database
from starlette.routing import Route

from conftest import NOW
from digest.audience import changing_address, letterbox
from digest.audience.addresses import read_address
from digest.editors.audit import COMMAND_LINE
from digest.issue import issues, shares
from digest.issue.link_records import numbers_of
from digest.issue.preview import message_of
from digest.sending import ledger
from digest.sending.copies import Signers, Writer
from digest.sending.letter_writing import batch_of
from digest.settings import Settings
from digest.tracking.spool import folder_of
from digest.web import site
from serving import Clock, Reader, dump

SCANNER = {"User-Agent": "Mozilla/5.0 (compatible; a link scanner)"}


@pytest.fixture
def her(reader: Reader, sample: Database, settings: Settings) -> Ada:
    return ada(sample, settings)


def links_of(text: str, settings: Settings) -> set[str]:
    """Every address of ours in a mail, without the site."""
    found = re.findall(re.escape(settings.base_url) + r"(/[^\s\"'<>)\]]*)?", text)
    return {address.replace("&amp;", "&").rstrip(".,") or "/" for address in found}


def copy_of_issue(her: Ada, settings: Settings) -> str:
    """The issue as it is handed over for her, its links and all: HTML, text and headers."""
    number = begin_to_send(her.db, settings)
    batch = claim(her.db, number)
    assert batch is not None
    content = issues.frozen(her.db, number)
    assert content is not None
    message = message_of(content, numbers_of(her.db, number))
    signers = Signers.of(her.db, settings, now=NOW)
    writer = Writer.of(number, message, signers, nonce=None, unused=(), tracking=content.tracking)
    [recipient] = writer.recipients(batch.copies, ledger.copies_counted(her.db, batch))
    parts = (message.html, message.text, *message.headers.values())
    return "\n".join(part.fill(recipient.values) for part in parts)


def letter(her: Ada, settings: Settings, kind: letterbox.Kind, subscriber: int, **detail: object) -> str:
    """A letter as it is handed over."""
    address = read_address("someone@example.com")
    letterbox.post(her.db, kind, address, subscriber=subscriber, now=NOW, detail=detail)
    posted = letterbox.claim(her.db, provider="x", account="y", worker=1, now=NOW)
    assert posted is not None
    assert posted.kind == kind
    batch = batch_of(posted, settings, Signers.of(her.db, settings, now=NOW))
    parts = (batch.message.html, batch.message.text, *batch.message.headers.values())
    return "\n".join(part.fill(batch.recipients[0].values) for part in parts)


def scan(reader: Reader, db: Database, addresses: set[str]) -> None:
    """Open every address twice, by GET and HEAD, as scanners do; see that all are there and nothing changed."""
    before = dump(db)
    for address in [*sorted(addresses), *sorted(addresses)]:
        for method in ("HEAD", "GET"):
            answer = reader.request(method, address, headers=SCANNER)
            assert answer.status_code in (200, 204, 301, 302, 303), f"{method} {address}: {answer.status_code}"
            assert answer.is_redirect or method == "GET" or answer.content == b""
    assert dump(db) == before


def test_the_links_of_an_issue(reader: Reader, her: Ada, settings: Settings) -> None:
    settings = settings.model_copy(update={"hidden_link": True})
    addresses = links_of(copy_of_issue(her, settings), settings)
    ways = {unquote(address).split("/")[1] for address in addresses}
    assert {"u", "p", "v", "c", "o", "compare", "issues"} <= ways
    assert any(re.fullmatch(r"/c/[\w-]{24}/0", address) for address in addresses), "the link no person sees"
    assert len({address for address in addresses if address.startswith("/v/")}) >= 4
    scan(reader, her.db, addresses)
    assert her.state() == ("active", None)
    assert any(folder_of(settings.db).iterdir()), "who opened them is in the spool"


@pytest.mark.parametrize("kind", ["confirm", "welcome", "goodbye", "address", "notice"])
def test_the_links_of_a_letter(reader: Reader, her: Ada, settings: Settings, kind: letterbox.Kind) -> None:
    key = "someone@example.com"
    state = {"confirm": "pending", "goodbye": "unsubscribed"}.get(kind, "active")
    if kind == "address":
        changing_address.ask(her.db, her.id, key, letters_a_day=0, now=NOW)
        her.db.execute("DELETE FROM letters")
        addresses = links_of(letter(her, settings, kind, her.id, change=1), settings)
    else:
        her.db.execute("UPDATE subscribers SET email = ?, email_key = ?, state = ?", [key, key, state])
        addresses = links_of(letter(her, settings, kind, her.id), settings)
    way = {"confirm": "/confirm/", "address": "/address/", "goodbye": "/u/"}.get(kind, "/p/")
    assert any(address.startswith(way) for address in addresses)
    scan(reader, her.db, addresses)
    assert her.column("state") == state


def test_every_page_behind_a_readers_link(reader: Reader, her: Ada, clock: Clock) -> None:
    change = changing_address.ask(her.db, her.id, "new@example.com", letters_a_day=3, now=NOW)
    assert change is not None
    ends = int((NOW + timedelta(days=1)).timestamp())
    ways = ("p/{}", "p/{}/data", "p/{}/data.json", "p/{}/forget", "u/{}", "v/{}/cursor", "v/{}/cursor/ship")
    addresses = {f"/{way.format(her.token)}" for way in ways}
    addresses |= {f"/address/{her.links.sign('address', 1, ends)}", "/vote/cursor"}
    scan(reader, her.db, addresses)


def filled(path: str, values: dict[str, str]) -> str:
    """The address of a route, with something in each of its places."""
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: values.get(found[1], "x"), path)


def test_every_route_there_is(reader: Reader, her: Ada, settings: Settings) -> None:
    track = her.links.sign("track", 1, her.id)
    values = {"token": her.token, "tool": "cursor", "verdict": "ship", "slug": "cursor", "number": "1"}
    values |= {"track": track, "name": f"{track}.gif", "unit": "week", "form": "csv"}
    reports = her.links.sign("report", int((NOW + timedelta(days=1)).timestamp()), 0)
    assert issues.draft(her.db, settings, now=NOW, since=NOW - timedelta(days=7)).issue
    shared, _ = shares.make(her.db, 1, days=7, by=COMMAND_LINE, now=NOW)
    before = dump(her.db)
    asked = set()
    for module in iter_modules(site.__path__):
        routes = getattr(import_module(f"{site.__name__}.{module.name}"), "router", APIRouter()).routes
        for route in routes:
            if not isinstance(route, Route) or not {"GET", "HEAD"} & (route.methods or set()):
                continue
            own = values | ({"token": reports, "name": "links"} if route.path.startswith("/reports/") else {})
            own |= {"token": shared} if route.path.startswith("/shared/") else {}
            address = filled(route.path, own)
            for method in ("GET", "HEAD", "GET"):
                assert reader.request(method, address, headers=SCANNER).status_code < 500, f"{method} {address}"
            asked.add(address)
    assert {"/", "/compare/cursor", f"/u/{her.token}", f"/v/{her.token}/cursor/ship", f"/c/{track}/1"} <= asked
    assert {f"/reports/{reports}/", f"/reports/{reports}/issues/1/links.csv"} <= asked
    assert {f"/shared/{shared}", f"/shared/{shared}/mail"} <= asked
    assert dump(her.db) == before
