"""The desk as its people use it: somebody signed in, with forms that carry what they must."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime

import httpx

from conftest import NOW
from digest.editors import people, sessions
from digest.editors.audit import COMMAND_LINE
from digest.editors.people import Editor, Role
from digest.settings import Settings
from digest.store import open_store
from digest.web.desk.access import cookie_name
from serving import Reader


class Desk:
    """One editor at the desk, by HTTP without JavaScript."""

    def __init__(self, reader: Reader, editor: Editor, secret: str, cookie: str) -> None:
        self.editor, self.csrf, self.cookie, self.secret = editor, sessions.csrf_of(secret), cookie, secret
        self.http = reader.another(Cookie=f"{cookie}={secret}")

    def get(self, address: str, **more: str) -> httpx.Response:
        """Look at a page."""
        return self.http.get(address, headers=more)

    def submit(self, address: str, fields: Mapping[str, str] | None = None, **more: str) -> httpx.Response:
        """Post a form as the desk's own page does."""
        return self.http.submit(address, {"csrf": self.csrf, **(fields or {}), **more})

    def ask(self, address: str, fields: Mapping[str, str] | None = None, **more: str) -> httpx.Response:
        """Post as the desk's scripts do: it is answered with JSON."""
        headers = {"Accept": "application/json", "X-CSRF-Token": self.csrf, "Origin": str(self.http.base_url)}
        return self.http.post(address, data={**(fields or {}), **more}, headers=headers)


def at_the_desk(
    reader: Reader, settings: Settings, role: Role = "owner", *, name: str = "Ann", now: datetime = NOW
) -> Desk:
    """Make an editor and sign her in."""
    with closing(open_store(settings.db)) as db:
        editor = people.add(db, f"{name.lower()}@example.com", name=name, role=role, by=COMMAND_LINE, now=now)
        secret = sessions.begin(db, editor.id, way="link", browser="Tests", now=now)
    return Desk(reader, editor, secret, cookie_name("desk", secure=settings.base_url.startswith("https:")))
