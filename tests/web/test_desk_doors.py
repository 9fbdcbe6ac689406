"""Every route of the desk refuses no session, a role that is not enough, another site's page, a missing token."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

import httpx
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from sqlite_utils import Database
from starlette.routing import Match

from desk import Desk, at_the_desk
from digest.editors.people import ROLES, Role
from digest.settings import Settings
from digest.web import desk as rooms
from digest.web.app import create_app
from digest.web.desk import browsers
from digest.web.desk.access import Door
from digest.web.later import Later
from serving import Reader, dump

OPEN = {
    "/desk/static/{version}/{name}",
    # Who signs in has no session yet: test_desk_sign_in.py.
    "/desk/sign-in",
    "/desk/sign-in/sent",
    "/desk/sign-in/passkey/begin",
    "/desk/sign-in/passkey",
    "/desk/sign-in/{token}",
}
"""What anybody may ask for: each with a reason in its own test."""


def routes() -> list[APIRoute]:
    found = []
    for module in iter_modules(rooms.__path__):
        router = getattr(import_module(f"{rooms.__name__}.{module.name}"), "router", None)
        found += [route for route in (router.routes if router else ()) if isinstance(route, APIRoute)]
    return found


def doors(dependant: Dependant) -> Iterator[Door]:
    if isinstance(dependant.call, Door):
        yield dependant.call
    for inner in dependant.dependencies:
        yield from doors(inner)


def address(route: APIRoute) -> str:
    """An address of the route; what is in its places need not be there, since nobody may come so far."""
    return re.sub(r"{[^}]*}", "1", route.path)


GUARDED = [
    (method, address(route), role)
    for route in routes()
    if route.path not in OPEN
    for role in [next((door.role for door in doors(route.dependant)), "owner")]
    for method in sorted((route.methods or set()) - {"HEAD"})
]
WRITES = sorted({(method, path) for method, path, _ in GUARDED if method != "GET"})


def test_every_route_has_a_door() -> None:
    without = [route.path for route in routes() if route.path not in OPEN and not list(doors(route.dependant))]
    assert without == []


def test_nothing_else_of_the_application_answers_under_the_desk(settings: Settings, db: Database) -> None:
    # What is mounted, a WebSocket, or a route of another room would be asked by nobody who comes.
    known = {id(route.endpoint) for route in routes()}
    app = create_app(settings, work=False)
    (desk,) = (route for route in app.routes if isinstance(route, Later) and route.prefix == "/desk")
    assert {id(route.endpoint) for route in iter_route_contexts(desk.loaded().routes)} == known
    for route in app.routes:
        if route is desk:
            continue
        match, _ = route.matches({"type": "http", "method": "GET", "path": "/desk/x", "root_path": "", "headers": []})
        assert match is Match.NONE, route
        assert not str(getattr(route, "path", "")).lower().startswith("/desk"), route
    for module in iter_modules(rooms.__path__):
        router = getattr(import_module(f"{rooms.__name__}.{module.name}"), "router", None)
        assert all(isinstance(route, APIRoute) for route in (router.routes if router else ())), module.name


def test_what_anybody_may_post_to_is_held_to_a_browser() -> None:
    for route in routes():
        if route.path in OPEN and "POST" in (route.methods or ()):
            asked = {dependant.call for dependant in route.dependant.dependencies}
            assert browsers.known_browser in asked, route.path
            assert any(isinstance(call, browsers.Slowly) for call in asked), route.path


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE"])
def test_no_other_method_comes_in(reader: Reader, method: str) -> None:
    for path in sorted({path for _, path, _ in GUARDED}):
        answer = reader.request(method, path)
        assert answer.status_code in ((303, 405) if method == "HEAD" else (405,)), path
        assert "sign-out" not in answer.text


def test_no_other_spelling_of_an_address_comes_in(reader: Reader, settings: Settings) -> None:
    for path in sorted({path for method, path, _ in GUARDED if method == "GET"}):
        rest = path.removeprefix("/desk")
        for spelt in (f"/%64esk{rest}", f"/desk%2f{rest[1:]}", f"//desk{rest}", f"/DESK{rest}", f"/./desk{rest}"):
            # As it is written, with nothing put right on the way.
            url = reader.base_url.copy_with(raw_path=spelt.encode())
            answer = reader.send(httpx.Request("GET", url))
            assert answer.status_code in (303, 404), (spelt, answer.status_code)
            if answer.status_code == 303:
                assert answer.headers["location"].startswith("/desk/sign-in?"), spelt


def test_no_route_takes_anything_but_get_and_post() -> None:
    assert {method for method, _, _ in GUARDED} <= {"GET", "POST"}


def test_nobody_comes_in_without_a_session(reader: Reader) -> None:
    for method, path, _ in GUARDED:
        answer = reader.request(method, path)
        if method == "GET":
            assert (answer.status_code, answer.headers["location"][:14]) == (303, "/desk/sign-in?"), path
        else:
            assert answer.status_code == 401, (method, path)


def test_nobody_comes_in_with_a_made_up_session(reader: Reader) -> None:
    for name in ("__Host-digest-desk", "digest-desk"):
        for method, path, _ in GUARDED:
            answer = reader.request(method, path, headers={"Cookie": f"{name}=made-up"})
            assert answer.status_code == (303 if method == "GET" else 401), (method, path)


def test_a_role_that_is_not_enough_is_refused(reader: Reader, settings: Settings) -> None:
    people: dict[Role, Desk] = {role: at_the_desk(reader, settings, role, name=role) for role in ROLES}
    for method, path, needed in GUARDED:
        for role in ROLES[: ROLES.index(needed)]:
            answer = people[role].get(path) if method == "GET" else people[role].submit(path)
            assert answer.status_code == 403, (method, path, role)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_what_another_site_posts_is_refused(reader: Reader, settings: Settings, headers: dict[str, str]) -> None:
    ann = at_the_desk(reader, settings)
    for method, path in WRITES:
        answer = ann.http.request(method, path, data={"csrf": ann.csrf}, headers=headers)
        assert answer.status_code == 403, (method, path)


@pytest.mark.parametrize("token", ["", "wrong", "another's"])
def test_a_form_without_its_sessions_token_is_refused(reader: Reader, settings: Settings, token: str) -> None:
    ann, bea = at_the_desk(reader, settings), at_the_desk(reader, settings, name="Bea")
    given = bea.csrf if token == "another's" else token
    for method, path in WRITES:
        for fields, headers in (({"csrf": given}, {}), ({}, {"X-CSRF-Token": given})):
            answer = ann.http.request(method, path, data=fields, headers=headers)
            assert answer.status_code == 403, (method, path)


def test_what_is_refused_changes_nothing(reader: Reader, settings: Settings, db: Database) -> None:
    ann = at_the_desk(reader, settings, "editor")
    before = dump(db)
    for method, path in WRITES:
        ann.http.request(method, path, data={"csrf": "wrong"})
    assert dump(db) == before


def test_nobody_may_frame_the_desk_or_keep_its_pages(reader: Reader, settings: Settings) -> None:
    answer = at_the_desk(reader, settings).get("/desk/nothing-here")
    assert answer.status_code == 404
    assert "unsafe-inline" not in answer.headers["content-security-policy"]
