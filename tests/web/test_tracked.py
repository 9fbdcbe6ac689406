"""Tracked links and the picture: where they lead, what is written down, and that they lead nowhere else."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, get_args
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
import pytest
from fastapi import APIRouter
from hypothesis import HealthCheck, example, given
from hypothesis import settings as given_settings
from hypothesis import strategies as st
from own_links import ada, begin_to_send, signer
from sqlite_utils import Database

from conftest import NOW
from digest.audience import changing_address
from digest.events import Kind
from digest.issue.link_records import numbers_of
from digest.settings import Settings
from digest.tokens import Purpose, Signer
from digest.tracking.agents import Agent
from digest.tracking.intake import ASK_AGAIN, Destinations, Tracked, location, tracked
from digest.tracking.records import Reading, decode
from digest.tracking.spool import drain, folder_of
from digest.web import site
from serving import Clock, Reader, free_port, served

BROWSER = {"User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0"}
COPY = 77
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
UTM = {"utm_source": "weekly", "utm_campaign": "issue-1"}


class Issue:
    """An issue that is being sent, its links by number, and tokens of its copies."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self.db, self.settings = db, settings
        self.her = ada(db, settings, issue=1)
        self.signer = signer(db, settings)
        self.number = begin_to_send(db, settings)
        self.links = {number: address for address, number in numbers_of(db, self.number).items()}

    def track(self, copy: int = COPY, issue: int | None = None) -> str:
        return self.signer.sign("track", self.number if issue is None else issue, copy)

    def to(self, number: int = 1, **who: Any) -> str:
        return f"/c/{self.track(**who)}/{number}"

    def written(self) -> list[Reading]:
        """What was written down since the last time."""
        found: list[Reading] = []

        def take(_: object, records: list[bytes]) -> None:
            for record in map(decode, records):
                assert isinstance(record, Reading)
                found.append(record)

        drain(folder_of(self.settings.db), self.db, take)
        return found


@pytest.fixture
def settings(settings: Settings) -> Settings:
    changes = {"tracking": "readers", "utm": "utm_source=weekly&utm_campaign=issue-{number}", "hidden_link": True}
    return settings.model_copy(update=changes)


@pytest.fixture
def issue(sample: Database, settings: Settings) -> Issue:
    return Issue(sample, settings)


@pytest.fixture
def reader(issue: Issue, settings: Settings, clock: Clock) -> Iterator[Reader]:
    with served(settings, clock) as found:
        found.headers.update(BROWSER)
        yield found


def test_every_link_leads_where_the_issue_says_and_is_written_down(reader: Reader, issue: Issue) -> None:
    assert len(issue.links) > 5
    for number, address in issue.links.items():
        answer = reader.get(issue.to(number))
        assert answer.status_code == 302
        to = answer.headers["location"]
        assert to.split("?")[0] == address.split("?")[0].split("#")[0]
        assert dict(parse_qsl(urlsplit(to).query)) == dict(parse_qsl(urlsplit(address).query)) | UTM
    milliseconds = int(NOW.timestamp() * 1000)
    assert issue.written() == [
        Reading(issue.number, COPY, Kind.CLICKED, number, milliseconds, Agent.BROWSER) for number in issue.links
    ]


def test_the_picture_is_one_transparent_pixel_and_is_written_down(reader: Reader, issue: Issue) -> None:
    answer = reader.get(f"/o/{issue.track()}.gif")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
    assert answer.content[:10] == b"GIF89a\x01\x00\x01\x00"
    assert answer.content[19:24] == b"\x21\xf9\x04\x01\x00", "a colour of it is transparent"
    assert [(found.kind, found.copy, found.link) for found in issue.written()] == [(Kind.OPENED, COPY, 0)]


def test_what_is_answered_is_kept_by_nobody_and_told_to_nobody(reader: Reader, issue: Issue) -> None:
    for address in (issue.to(), issue.to(0), f"/o/{issue.track()}.gif"):
        headers = reader.get(address).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-robots-tag"] == "noindex"
        assert headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in headers["content-security-policy"]
    assert reader.get("/robots.txt").text.count("Disallow: /c/") == 1


def test_a_head_is_answered_alike_and_written_down_as_what_it_is(reader: Reader, issue: Issue) -> None:
    assert reader.head(issue.to()).headers["location"] == reader.get(issue.to()).headers["location"]
    assert reader.head(f"/o/{issue.track()}.gif").content == b""
    assert [found.agent for found in issue.written()] == [Agent.HEAD, Agent.BROWSER, Agent.HEAD]


def test_the_hidden_link_leads_nowhere_and_is_written_down(reader: Reader, issue: Issue) -> None:
    answer = reader.get(issue.to(0))
    assert (answer.status_code, answer.content) == (204, b"")
    assert "location" not in answer.headers
    assert [(found.kind, found.link) for found in issue.written()] == [(Kind.CLICKED, 0)]


def test_nothing_else_is_asked_than_by_get_and_head(reader: Reader, issue: Issue) -> None:
    for address in (issue.to(), f"/o/{issue.track()}.gif"):
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert reader.request(method, address).status_code == 405
    assert issue.written() == []


@pytest.mark.parametrize("header", ["DNT", "Sec-GPC"])
def test_who_asks_not_to_be_tracked_is_led_on_and_not_written_down(reader: Reader, issue: Issue, header: str) -> None:
    assert reader.get(issue.to(), headers={header: "1"}).status_code == 302
    assert reader.get(f"/o/{issue.track()}.gif", headers={header: "1"}).status_code == 200
    assert issue.written() == []
    assert not folder_of(issue.settings.db).exists()
    assert reader.get(issue.to(), headers={header: "0"}).status_code == 302
    assert len(issue.written()) == 1


def test_a_copy_of_one_who_is_not_counted_is_led_on_and_not_written_down(reader: Reader, issue: Issue) -> None:
    assert reader.get(issue.to(copy=0)).status_code == 302
    assert reader.get(issue.to(0, copy=0)).status_code == 204
    assert reader.get(f"/o/{issue.track(copy=0)}.gif").status_code == 200
    assert issue.written() == []


def test_where_tracking_is_switched_off_links_go_on_leading_on(issue: Issue, settings: Settings, clock: Clock) -> None:
    with served(settings.model_copy(update={"tracking": "off"}), clock) as reader:
        assert reader.get(issue.to()).is_redirect
        assert reader.get(f"/o/{issue.track()}.gif").status_code == 200
    issue.db.execute("UPDATE issues SET tracking = NULL")
    with served(settings, clock) as reader:
        assert reader.get(issue.to()).is_redirect
    assert issue.written() == []


def test_networks_of_machines_are_told_by_the_address_behind_the_proxy(
    issue: Issue, settings: Settings, clock: Clock
) -> None:
    with served(settings.model_copy(update={"machine_networks": ("203.0.113.0/24",)}), clock) as reader:
        for address in ("203.0.113.9", "198.51.100.9"):
            reader.get(issue.to(), headers={**BROWSER, "X-Forwarded-For": address})
    assert [found.agent for found in issue.written()] == [Agent.NETWORK, Agent.BROWSER]


def test_a_click_asks_no_database_once_the_issue_is_known(
    reader: Reader, issue: Issue, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader.get(issue.to())

    def asked(*_: object) -> None:
        raise AssertionError("the store was asked")

    monkeypatch.setattr("digest.web.site.tracked.tracked", asked)
    assert reader.get(issue.to(2)).is_redirect
    assert reader.get(issue.to(99_999)).status_code == 404


def test_what_cannot_be_written_down_is_503_with_the_way_on(
    reader: Reader, issue: Issue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full)
        answer = reader.get(issue.to())
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
        to = tracked(issue.db, issue.number).locations[1]
        assert f'href="{to.replace("&", "&amp;")}"' in answer.text
        assert reader.get(issue.to(0)).status_code == 503
        picture = reader.get(f"/o/{issue.track()}.gif")
        assert (picture.status_code, picture.headers["content-type"]) == (503, "image/gif")
    assert reader.get(issue.to()).status_code == 302
    assert len(issue.written()) == 1, "what was refused does not count"


# Nowhere else -------------------------------------------------------------------------------------------------------


def refused(answer: httpx.Response, *statuses: int) -> None:
    assert answer.status_code in statuses
    assert not answer.is_redirect
    assert "location" not in answer.headers


def test_a_link_that_is_none_of_the_issue_is_a_page_that_helps(reader: Reader, issue: Issue) -> None:
    for address in (issue.to(max(issue.links) + 1), issue.to(1, issue=99), issue.to(0, issue=99)):
        answer = reader.get(address)
        refused(answer, 404)
        assert "Newest comparisons" in answer.text
    refused(reader.get(f"/o/{issue.track(issue=99)}.gif"), 404)
    assert issue.written() == []


def test_a_token_that_is_cut_or_made_up_is_refused_and_the_picture_stays_a_picture(
    reader: Reader, issue: Issue
) -> None:
    track = issue.track()
    foreign = Signer(b"another key of another site").sign("track", issue.number, COPY)
    for token in (track[:-1], track + "A", track.swapcase(), foreign, "x", "A" * 24, "A" * 5_000):
        refused(reader.get(f"/c/{token}/1"), 400)
        for name in (f"{token}.gif", token, f"{token}/../x.gif"):
            answer = reader.get(f"/o/{name}")
            refused(answer, 404)
            assert answer.headers["content-type"] == "image/gif"
    assert issue.written() == []


def test_a_token_for_something_else_tracks_nothing(reader: Reader, issue: Issue) -> None:
    for purpose in PURPOSES:
        token = issue.signer.sign(purpose, issue.number, COPY)
        if purpose != "track":
            refused(reader.get(f"/c/{token}/1"), 400)
            refused(reader.get(f"/o/{token}.gif"), 404)
    assert issue.written() == []


OPENED_BY: dict[str, Purpose] = {
    "/u/{}": "copy",
    "/p/{}": "copy",
    "/p/{}/data": "copy",
    "/p/{}/data.json": "copy",
    "/p/{}/forget": "copy",
    "/v/{}/cursor": "copy",
    "/v/{}/cursor/ship": "copy",
    "/confirm/{}": "confirm",
    "/address/{}": "address",
    "/reports/{}/": "report",
    "/c/{}/1": "track",
    "/o/{}.gif": "track",
}
"""What a token opens, by its purpose."""


def test_a_token_opens_what_it_is_for_and_nothing_else(reader: Reader, issue: Issue) -> None:
    ends = int((NOW + timedelta(days=1)).timestamp())
    assert changing_address.ask(issue.db, issue.her.id, "new@example.com", letters_a_day=3, now=NOW)
    numbers = {
        "confirm": (issue.her.id, ends),
        "address": (1, ends),
        "report": (ends, 0),
        "copy": (issue.number, issue.her.id),
        "track": (issue.number, issue.her.id),
    }
    for address, wanted in OPENED_BY.items():
        for purpose in PURPOSES:
            # Numbers that open something under any purpose, and those that open this.
            for first, second in {*numbers.values(), numbers[wanted]}:
                answer = reader.get(address.format(issue.signer.sign(purpose, first, second)))
                if purpose != wanted:
                    refused(answer, 400, 403, 404)
                    assert "ada@example.com" not in answer.text
                elif (first, second) == numbers[wanted]:
                    assert answer.status_code in (200, 302), address


def test_every_page_that_takes_a_token_is_among_those(reader: Reader) -> None:
    taking = set()
    for module in iter_modules(site.__path__):
        routes = getattr(import_module(f"{site.__name__}.{module.name}"), "router", APIRouter()).routes
        taking |= {str(getattr(route, "path", "")) for route in routes if "GET" in getattr(route, "methods", ())}
    rooms = {path.split("/")[1] for path in taking if re.match(r"/\w+/\{(token|track|name:path)", path)}
    # What is behind a shared link is found by chance alone, by no signed token: test_shared_pages.py.
    assert rooms - {"shared"} == {address.split("/")[1] for address in OPENED_BY}


def raw(reader: Reader, target: bytes, headers: bytes = b"") -> tuple[int, bytes | None]:
    """Ask for an address as its very bytes; give the status and where it leads."""
    with socket.create_connection((str(reader.base_url.host), reader.base_url.port or 80), timeout=10) as line:
        line.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: evil.example\r\n" + headers + b"Connection: close\r\n\r\n")
        answer = b""
        while part := line.recv(65536):
            answer += part
    head = answer.split(b"\r\n\r\n")[0].split(b"\r\n")
    found = [line.partition(b":")[2].strip() for line in head if line.lower().startswith(b"location:")]
    assert len(found) <= 1
    return int(head[0].split()[1]), found[0] if found else None


NASTY = (
    "//evil.example", "https://evil.example", "%2f%2fevil.example", "/%2fevil.example", "\\evil.example", "%5cevil",
    "1//evil.example", "1/../../evil.example", "1%2f..%2f..", "1%00", "1%0d%0aLocation:%20https://evil.example",
    "1%0aSet-Cookie:a=b", "1?to=https://evil.example", "1?url=//evil.example&next=https://evil.example",
    "1#@evil.example", "1@evil.example", "1;//evil.example", "-1", "+1", "01", "1e0", "0x1", "1.0", "1%20", "%201", "١",
    "１", "%EF%BC%91", "%D9%A1", "9" * 400, "4294967297", "18446744073709551617", "-0", "00", "NaN", "null", "",
    "javascript:alert(1)", "data:text/html,x", "{{7*7}}", "%7B%7B7*7%7D%7D", "' OR 1=1 --", "%ff", "%c0%af", "1/",
)  # fmt: skip
"""What stands in place of a link's number."""


def test_nothing_in_an_address_leads_anywhere_else(reader: Reader, issue: Issue) -> None:
    allowed = {to.encode() for to in tracked(issue.db, issue.number).locations.values()}
    led = set()
    for number in NASTY:
        for start in (f"/c/{issue.track()}/", f"//evil.example/c/{issue.track()}/", f"/c/{issue.track()}//"):
            target = quote(start + number, safe="%/?#:;,@&=+$-_.!~*'()[]\\{}").encode()
            status, to = raw(reader, target)
            assert status < 500, target
            if to is not None:
                assert to in allowed
                led.add(number)
        track = quote(number, safe="%")
        status, to = raw(reader, f"/c/{track}/1".encode())
        assert (status in (400, 404), to) == (True, None), track
    # A query and a fragment say nothing; without them the rest would be a link as well.
    assert {re.split("[?#]", number)[0] for number in led} == {"1"}


@given(
    path=st.lists(
        st.sampled_from(["c", "o", "TRACK", "1", "0", "2", "..", ".", "", "%2e%2e", "%2f", "evil.example", "http:"])
        | st.text(max_size=12),
        max_size=6,
    ),
    query=st.text(max_size=30),
    host=st.sampled_from(["", "//evil.example", "http://evil.example", "https://evil.example:443"]),
)
@example(path=["c", "TRACK", "1"], query="next=//evil.example", host="http://evil.example")
@given_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_asked_the_way_on_is_one_that_was_written_down(
    reader: Reader, issue: Issue, path: list[str], query: str, host: str
) -> None:
    parts = [issue.track() if part == "TRACK" else part for part in path]
    target = host + "/" + "/".join(quote(part, safe="%:") for part in parts) + "?" + quote(query, safe="=&/:")
    status, to = raw(reader, target.encode(), b"X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\n")
    assert status < 500
    if path[:2] == ["c", "TRACK"] and to is not None:
        assert to in {there.encode() for there in tracked(issue.db, issue.number).locations.values()}
    elif to is not None:
        # A page of ours that has another address: a list that wants its slash.
        assert to.startswith(b"/")
        assert not to.startswith((b"//", b"/\\"))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://a.example/ü?q=ö#ß", "https://a.example/%C3%BC?q=%C3%B6#%C3%9F"),
        ("https://a.example/x\r\nSet-Cookie: a=b", "https://a.example/x%0D%0ASet-Cookie:%20a=b"),
        ("https://a.example/%41%zz?x=a+b;c[]={}~|^`", "https://a.example/%41%zz?x=a+b;c[]={}~|^`"),
        ("https://a.example/\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
         "https://a.example/%F0%9F%98%80"),
    ],
)  # fmt: skip
def test_an_address_stands_in_a_header_as_it_was_recorded(address: str, expected: str) -> None:
    assert location(address) == expected


@given(st.text())
@given_settings(max_examples=100)
def test_no_address_breaks_a_header(address: str) -> None:
    assert all("!" <= character <= "~" for character in location(address))


def test_what_is_no_address_of_the_web_is_nowhere_to_go(issue: Issue) -> None:
    for number, address in enumerate(("javascript:alert(1)", "//evil.example", "/x", "ftp://a.example"), start=900):
        issue.db.execute("INSERT INTO links VALUES (?, ?, ?, NULL)", [issue.number, number, address])
    assert all(number < 900 for number in tracked(issue.db, issue.number).locations)


def test_an_issue_without_tracking_leads_nowhere(sample: Database, settings: Settings, clock: Clock) -> None:
    issue = Issue(sample, settings.model_copy(update={"tracking": "off"}))
    assert issue.links == {}
    with served(settings, clock) as reader:
        refused(reader.get(issue.to()), 404)
        refused(reader.get(issue.to(0)), 404)
        refused(reader.get(f"/o/{issue.track()}.gif"), 404)
    assert issue.written() == []


def test_an_issue_that_is_not_there_yet_is_asked_for_again_soon_and_one_that_is_never(clock: Clock) -> None:
    destinations, none, some = Destinations(), Tracked(False, {}), Tracked(True, {1: "https://a.example/"})
    asked: list[int] = []

    def load(issue: int) -> Tracked:
        asked.append(issue)
        return some if len(asked) > 2 else none

    for _ in range(3):
        assert destinations.of(1, load, now=clock()) is none
    assert asked == [1]
    clock.move_on(seconds=ASK_AGAIN.total_seconds())
    assert destinations.of(1, load, now=clock()) is none
    clock.move_on(seconds=-60)
    assert destinations.of(1, load, now=clock()) is some, "a clock that is set back hides nothing"
    clock.move_on(days=999)
    assert destinations.of(1, load, now=clock()) is some
    assert asked == [1, 1, 1]


def test_many_issues_are_not_kept_in_memory_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.tracking.intake.KEPT", 3)
    destinations, asked = Destinations(), []

    def load(issue: int) -> Tracked:
        asked.append(issue)
        return Tracked(True, {1: "https://a.example/"})

    for issue in (1, 2, 3, 1, 4, 1, 2):
        destinations.of(issue, load, now=NOW)
    assert asked == [1, 2, 3, 4, 2]


def test_the_spool_of_a_server_that_stops_is_left_to_others(issue: Issue, settings: Settings, clock: Clock) -> None:
    with served(settings, clock) as reader:
        assert reader.get(issue.to()).is_redirect
        assert len(issue.written()) == 1
        assert len(list(folder_of(settings.db).iterdir())) == 1
    assert issue.written() == []
    assert list(folder_of(settings.db).iterdir()) == []


def test_what_was_answered_is_there_after_the_server_was_killed(issue: Issue, settings: Settings) -> None:
    port, answered = free_port(), list[int]()
    command = [sys.executable, "-m", "digest", "--db", str(settings.db), "serve", "--port", str(port), "--no-work"]

    def click(first: int) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client, suppress(httpx.TransportError):
            for copy in range(first, first + 10_000):
                if client.get(issue.to(copy=copy)).is_redirect:
                    answered.append(copy)

    with subprocess.Popen(command, cwd=settings.db.parent, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 30
            while time.monotonic() < until:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.02)
            clicking = [threading.Thread(target=click, args=(10_000 * number,)) for number in range(1, 5)]
            for thread in clicking:
                thread.start()
            while len(answered) < 50 and time.monotonic() < until:
                time.sleep(0.01)
        finally:
            process.kill()
    for thread in clicking:
        thread.join()
    found = Counter(reading.copy for reading in issue.written())
    assert len(answered) >= 50
    assert {*answered} - {*found} == set()
    assert max(found.values()) == 1
