from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlite_utils import Database
from starlette.routing import Match, Router

from digest.settings import Settings
from digest.web.later import Later

STARTED = """
import asyncio, json, sys
from pathlib import Path
from digest.settings import Settings
from digest.web.app import create_app
from digest.web.later import load_rest

# What nothing loads before somebody asks for it, or until the server has answered for a while.
LATE = ("digest.web.desk.", "digest.web.api.", "digest.web.reporting", "digest.issue.checks.run", "httpx", "jsonschema",
        "dns.resolver", "markdown_it", "PIL", "altcha")

def loaded():
    return [name for name in LATE if any(known.startswith(name) for known in sys.modules)]

async def ask(path):
    said = []
    async def receive():
        return {"type": "http.request"}
    async def send(message):
        said.append(message)
    await app({"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [], "scheme": "http"},
              receive, send)
    return said[0]["status"]

app = create_app(Settings(db=Path(sys.argv[1])), work=False)
site = asyncio.run(ask("/"))
before = loaded()
desk, nowhere, api = (asyncio.run(ask(path)) for path in ("/desk/", "/desk/nowhere", "/api/v1/issues"))
load_rest(app.routes)
print(json.dumps([site, before, desk, nowhere, api, loaded()]))
"""


def test_a_start_loads_neither_the_desk_nor_the_api_and_both_are_there(settings: Settings, db: Database) -> None:
    # In a process of its own: this one has loaded all of it.
    ran = subprocess.run(
        [sys.executable, "-c", STARTED, str(settings.db)], capture_output=True, text=True, check=True, timeout=60
    )
    site, before, desk, nowhere, api, after = json.loads(ran.stdout)
    assert (site, desk, nowhere, api) == (200, 303, 404, 401)
    assert before == []
    assert {"digest.web.desk.", "digest.web.api.", "digest.web.reporting"} <= set(after)


@pytest.mark.parametrize(
    ("path", "match"),
    [
        ("/desk", Match.FULL),
        ("/desk/", Match.FULL),
        ("/desk/x/y", Match.FULL),
        ("/desks", Match.NONE),
        ("/des", Match.NONE),
        ("/x/desk/", Match.NONE),
    ],
)
def test_it_takes_what_is_under_its_prefix(path: str, match: Match) -> None:
    assert Later("/desk", Router).matches({"type": "http", "path": path})[0] is match


def test_it_is_loaded_once_however_many_ask_at_first() -> None:
    loads = []

    def load() -> Router:
        loads.append(threading.get_ident())
        time.sleep(0.05)
        return Router()

    later = Later("/desk", load)
    with ThreadPoolExecutor(8) as threads:
        found = {id(router) for router in threads.map(lambda _: later.loaded(), range(8))}
    assert (len(loads), len(found)) == (1, 1)


def test_what_cannot_be_loaded_is_tried_again() -> None:
    tries = iter([RuntimeError("the disk is away"), None])

    def load() -> Router:
        if (error := next(tries)) is not None:
            raise error
        return Router()

    later = Later("/desk", load)
    with pytest.raises(RuntimeError, match="the disk is away"):
        later.loaded()
    assert later.loaded() is later.loaded()
