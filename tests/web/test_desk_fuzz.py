"""Odd input to every route of the desk, from who may use all of them: it is refused or taken, and breaks nothing."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, urlencode

import httpx
import pytest
from sqlite_utils import Database
from test_desk_doors import routes

from conftest import NOW
from desk import Desk, at_the_desk
from digest.issue import issues
from digest.settings import Settings
from digest.store import writing
from digest.times import to_text
from digest.web import desk as rooms
from serving import Reader

ODD = (
    "", " ", "\0", "a\0b", "-1", "0", "-0", "99999999999999999999999", "2147483648", "9223372036854775808", "1e309",
    "nan", "²", "٣", "\u202e\u2028", "<script>", "a" * 3_000, "2026-11-26T25:61", "0001-01-01", "9999-12-31", "%",
    "../../x", "{{1}}", "[]", "=1+1", "😀", "İ", "null", "http://[::1", "javascript:alert(1)", "https://x.y:99999/",
    "//evil", "on", "\r\nX: y",
)  # fmt: skip
PLACES = ("0", "99999999999999999999", "²", "a\0", "..", "é")
QUERY = (
    "after",
    "as",
    "before",
    "client",
    "date",
    "done",
    "next",
    "page",
    "q",
    "state",
    "time",
    "topic",
    "when",
    "zone",
)
FIELDS = sorted(
    {
        name
        for file in Path(next(iter(rooms.__path__))).glob("*.py")
        for found in re.findall(r'form\.(?:text|get|all_of)\("([\w-]+)"|"([\w-]+)" in form', file.read_text())
        for name in found
        if name
    }
)
ENDS_THE_SESSION = ("/desk/sign-out", "/desk/account/sessions/end-others")
SLOW = ("/desk/settings/sender/check",)
"""It asks the DNS."""

BOUNDARY = "multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="field"\r\n\r\n%s\r\n--x--\r\n'
BODIES = (
    ("application/json", b'{"a": 1}'),
    ("application/x-www-form-urlencoded", b"field=%ED%A0%80&text=%ff"),
    ("application/x-www-form-urlencoded", b"\xff\xfe&&&=;="),
    ("application/x-www-form-urlencoded", b"a=1&" * 300),
    ("multipart/form-data", b"--x\r\ngarbage"),
    (BOUNDARY, b"--x\r\ngarbage"),
    (BOUNDARY, PART % b"\xff\x00"),
    (f"{BOUNDARY}; charset=nonsense", PART % b"a"),
    (f"{BOUNDARY}; charset=utf-7", PART % b"+2AA-"),
    (f"{BOUNDARY}; charset=utf-16", PART % b"a"),
)


class Forms(HTMLParser):
    """The forms of a page that are posted: where to, and the fields as they are filled in."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self._fields: dict[str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._fields = {}
            if of.get("method") == "post":
                self.found.append((of.get("action", ""), self._fields))
        elif self._fields is not None and tag in ("input", "button", "select", "textarea") and of.get("name"):
            self._fields.setdefault(of["name"], of.get("value", ""))


class Fuzz:
    """Asks, and keeps what broke."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.broke = desk, list[str]()
        self.headers = {"X-CSRF-Token": desk.csrf, "Origin": str(desk.http.base_url).rstrip("/")}
        self.random = random.Random(7)

    def get(self, address: str) -> str:
        return "" if address.partition("?")[0].endswith("/live") else self._ask("GET", address, {}).text

    def post(self, address: str, fields: dict[str, str]) -> None:
        self._ask("POST", address, {}, data=fields)

    def post_bytes(self, address: str, kind: str, body: bytes) -> None:
        self._ask("POST", address, {"Content-Type": kind}, content=body)

    def odd(self) -> str:
        return self.random.choice(ODD)

    def _ask(self, method: str, address: str, headers: dict[str, str], **what: object) -> httpx.Response:
        answer = self.desk.http.request(method, address, headers=self.headers | headers, **what)  # type: ignore[arg-type]
        if answer.status_code >= 500:
            self.broke.append(f"{answer.status_code}: {method} {address} {str(what)[:300]}")
        return answer


@pytest.fixture
def fuzz(reader: Reader, settings: Settings, sample: Database) -> Iterator[Fuzz]:
    with writing(sample) as connection:
        # A short issue: it is laid out again and again.
        later = to_text(NOW + timedelta(days=9))
        connection.execute("UPDATE comparisons SET published_at = ? WHERE id > 3", (later,))
    issues.draft(sample, settings, now=NOW)
    ann = at_the_desk(reader, settings)
    found = Fuzz(ann)
    yield found
    # It asked as somebody who may, to the end.
    assert ann.get("/desk/account").status_code == 200
    assert found.broke == []


def filled(path: str, **values: str) -> str:
    return re.sub(r"{(\w+)(?::\w+)?}", lambda place: quote(values.get(place[1], "1"), safe=""), path)


def of(method: str) -> list[str]:
    return [
        route.path
        for route in routes()
        if method in (route.methods or ()) and route.path not in (*ENDS_THE_SESSION, *SLOW)
    ]


def test_odd_addresses(fuzz: Fuzz) -> None:
    for path in of("GET"):
        for place in re.findall(r"{(\w+)", path):
            fuzz.get(filled(path, **{place: fuzz.random.choice(PLACES)}))
        odd = urlencode({name: fuzz.odd() for name in fuzz.random.sample(QUERY, 5)})
        fuzz.get(f"{filled(path)}?{odd}&{fuzz.random.choice(QUERY)}=%ED%A0%80&name=%ff")


def test_odd_forms(fuzz: Fuzz) -> None:
    seen = set()
    for path in of("GET"):
        forms = Forms()
        forms.feed(fuzz.get(filled(path)))
        for action, fields in forms.found:
            to = action or filled(path)
            kind = re.sub(r"/[^/]*\d[^/]*", "/1", to)
            if kind in seen or to in (*ENDS_THE_SESSION, *SLOW):
                continue
            seen.add(kind)
            for name in fuzz.random.sample(sorted(fields), min(3, len(fields))):
                fuzz.post(to, fields | {name: fuzz.odd()})
    assert len(seen) > 25


def test_odd_bodies(fuzz: Fuzz) -> None:
    for path in of("POST"):
        for place in re.findall(r"{(\w+)", path):
            fuzz.post(filled(path, **{place: fuzz.random.choice(PLACES)}), {})
        fuzz.post(filled(path), {name: fuzz.odd() for name in FIELDS})
        for kind, body in fuzz.random.sample(BODIES, 2):
            fuzz.post_bytes(filled(path), kind, body)
