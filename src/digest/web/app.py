"""The web application: what belongs to whom, and what an error looks like."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cache, partial
from http import HTTPStatus
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from digest import times
from digest.errors import DigestError, InputError, NotFoundError, StateError
from digest.sending.copies import Signers
from digest.sending.workers import Worker
from digest.settings import Settings
from digest.store import file_of, open_store, store_key
from digest.tokens import TokenError
from digest.tracking.spool import Spool, SpoolError, folder_of
from digest.web import desk, site
from digest.web.abuse.sign_ups import SignUps
from digest.web.current import Current
from digest.web.guard import Guard, refuse_too_large, security_headers
from digest.web.later import Later
from digest.web.lost import lost_at
from digest.web.observing import Observed, numbered
from digest.web.pages import Pages
from digest.web.state import State
from digest.web.stores import Stores


def create_app(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = times.now,
    work: bool = True,
    sources: Mapping[str, str] | None = None,
) -> FastAPI:
    """Make the application for a store, which is made where there is none.

    Args:
        settings: the operator's own; what was chosen in the desk is laid over their defaults.
        clock: tells the time.
        work: whether it also does what is due in the background: mail letters, end sign-ups nobody confirmed.
        sources: where the operator set what is set, by the setting's name, for people.
    """
    db = open_store(settings.db, create=True)
    try:
        signers, file = Signers.of(db, settings, now=clock()), file_of(db)
        sign_ups = SignUps(settings, signers.links, store_key(db, "altcha", now=clock()))
    finally:
        db.close()
    from pathlib import Path

    stores = Stores(Path(file))
    current = Current(settings, stores, lambda now: Pages(now, signers.links), sources=sources, told=sign_ups.follow)
    spool = Spool(folder_of(Path(file)))
    state = State(current, stores, signers, clock, sign_ups=sign_ups, spool=spool, worker=Worker(settings.db))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            if work:
                from digest.web.background import background

                async with background(state):
                    yield
            else:
                with state.worker:
                    yield
        finally:
            await spool.close()
            db = stores.take()
            sign_ups.write_down(db, clock())
            state.hook_counts.write_down(db)
            stores.give_back(db)
            stores.close()

    app = FastAPI(
        title=state.settings.newsletter_name,
        lifespan=lifespan,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.digest = state
    app.add_middleware(Guard, settings=lambda: state.settings)
    # The last is the outermost.
    app.add_middleware(Observed, requests=state.metrics.requests)
    app.router.routes += _routes().routes
    app.router.routes += [
        Later("/desk", _routes_of_desk),
        Later("/reports", _routes_of_reports),
        Later("/api/v1", partial(_api, state)),
    ]
    for kind in (HTTPException, RequestValidationError, DigestError, sqlite3.Error, Exception):
        app.add_exception_handler(kind, _error_page)
    app.add_exception_handler(ClientDisconnect, _nobody)
    return app


# The routes of all applications of a process: to make them anew for each would take it a sixth of a second.
@cache
def _routes() -> APIRouter:
    from digest.web.hooks.receiving import router as hooks

    names = {module.name for module in iter_modules(site.__path__)}
    # Each router is asked for its routes, which takes some 15 µs: what comes by the thousand a second is asked first.
    found = [_router_of(site, name) for name in ("tracked", *sorted(names - {"tracked", "reports"}))]
    return _joined([hooks, *found])


@cache
def _routes_of_desk() -> APIRouter:
    return _joined([_router_of(desk, module.name) for module in iter_modules(desk.__path__)])


@cache
def _routes_of_reports() -> APIRouter:
    return _joined([_router_of(site, "reports")])


def _router_of(room: ModuleType, name: str) -> APIRouter | None:
    return getattr(import_module(f"{room.__name__}.{name}"), "router", None)


def _joined(routers: list[APIRouter | None]) -> APIRouter:
    made = APIRouter(dependencies=[Depends(refuse_too_large)], redirect_slashes=False)
    for router in routers:
        if router is not None:
            made.include_router(router, include_in_schema=False)
    return made


def _api(state: State) -> APIRouter:
    # Here, because it is loaded later.
    from digest.web.api.app import create_api

    made = APIRouter(redirect_slashes=False)
    made.mount("/api/v1", create_api(state))
    return made


async def _nobody(request: Request, error: Exception) -> Response:
    """Answer one who went away in the middle of a form: no trouble of ours, and nothing for the log."""
    return Response(status_code=400)


async def _error_page(request: Request, error: Exception) -> Response:
    state: State = request.app.state.digest
    status, words = told(error)
    if request.url.path.startswith("/desk"):
        # Here, because the desk is loaded later.
        from digest.web.desk.pages import desk_error

        return await run_in_threadpool(desk_error, request, error, status, words)
    context: dict[str, object] = {"status": status, "heading": HTTPStatus(status).phrase, "words": words}
    if status == HTTPStatus.NOT_FOUND:
        context["lost"] = await run_in_threadpool(lost_at, state, request.url.path)
    headers = dict(getattr(error, "headers", None) or {})
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        # It is answered outside of the guard.
        headers |= security_headers(state.settings)
        headers |= numbered(request.scope)
        context["numbered"] = request.scope.get("digest.request", "")
    return state.pages.page(request, "error.html", context, now=state.clock(), status=status, headers=headers)


def told(error: Exception) -> tuple[int, str]:
    """Give the HTTP status of an error, and what is said of it."""
    match error:
        case HTTPException():
            known = error.detail if error.detail != HTTPStatus(error.status_code).phrase else ""
            return error.status_code, known
        case RequestValidationError():
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"][1:])
            return 400, f"the “{field}” in this address cannot be read" if field else "this cannot be read"
        case TokenError() | InputError():
            return 400, str(error)
        case NotFoundError():
            return 404, str(error)
        case StateError():
            return 409, str(error)
        case SpoolError():
            return 503, str(error)
        case sqlite3.OperationalError():
            return 503, "the store is busy; please try again in a minute"
        case _:
            return 500, ""
