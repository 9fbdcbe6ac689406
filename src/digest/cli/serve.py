"""`digest serve`."""

from __future__ import annotations

import errno
import gc
import logging
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from digest.cli.app import App, Command, with_app
from digest.errors import SettingsError

if TYPE_CHECKING:
    from digest.web.server import Server

_LOCAL = ("localhost", "127.0.0.1", "::1")

log = logging.getLogger("digest")


@click.command(cls=Command)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on; 0.0.0.0 is all.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="The port; 0 takes any.")
@click.option(
    "--work/--no-work",
    default=True,
    help="Also do what is due, the default; with --no-work another process must, such as `digest run-due`.",
)
@click.option("--migrate", is_flag=True, help="First bring an older store up to date, with a backup beside it.")
@with_app
def serve(app: App, host: str, port: int, work: bool, migrate: bool) -> None:
    """Serve the readers' site, the desk and the API; and do what is due: the schedule, sending, letters."""
    # Here, because no other command should wait until it is loaded.
    from digest import watching
    from digest.editors import people

    settings = app.settings
    if work:
        for name in (settings.letters_provider or settings.provider, settings.failover):
            if name:
                # What is missing is told before anybody signs up, and not when the first letter is due.
                settings.options_for(name)
    with _listening(host, port) as listening:
        watching.begin(settings, verbose=app.verbose)
        # A log that a machine reads has nothing else in it.
        note = log.info if settings.log_format == "json" else app.note
        if migrate:
            from digest.safekeeping.migrating import up_to_date

            done = up_to_date(settings.db)
            if done.applied:
                note(f"{settings.db} is up to date now: {', '.join(done.applied)}. Before: {done.backup}")
        is_new = not settings.db.exists()
        server = _made(app, work=work)
        with app.store() as db:
            is_desk_empty = not people.has_any(db)
        if is_new:
            note(f"made {settings.db}, which was not there; it is empty, `digest import` fills it")
        port = listening.getsockname()[1]
        note(f"serving {settings.base_url} on {_address(host, port)}; Ctrl-C stops it")
        if is_desk_empty:
            note(f"nobody may use {settings.base_url}/desk/ yet; `digest editors add you@example.com` lets you in")
        if settings.host in _LOCAL and (urlsplit(settings.base_url).port or 80) != port:
            here = _address(settings.host, port)
            note(f"links in mails lead to {settings.base_url}; --set base_url={here} has them lead here")
        server.run(sockets=[listening])
        note("stopped")


def _made(app: App, *, work: bool) -> Server:
    # What is loaded now stays: looking through it for garbage meanwhile costs a tenth of the start.
    gc.disable()
    try:
        from digest.web.app import create_app
        from digest.web.server import server_of

        made = server_of(create_app(app.loaded.own, work=work, sources=app.loaded.sources), app.settings)
        gc.freeze()
        return made
    finally:
        gc.enable()


def _listening(host: str, port: int) -> socket.socket:
    """Listen, before anything is said or done.

    Raises:
        SettingsError: nobody can listen there, and what to do about it.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise SettingsError(f"--host {host} is no address of this machine; 127.0.0.1 is, and 0.0.0.0 is all") from error
    # Of this protocol by name: asyncio turns Nagle's algorithm off for no other, and each answer would take 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(2048)
    except OSError as error:
        listening.close()
        match error.errno:
            case errno.EADDRINUSE:
                why = f"port {port} of {host} is taken; stop what listens there, or give another --port"
            case errno.EADDRNOTAVAIL:
                why = f"--host {host} is no address of this machine; 127.0.0.1 is, and 0.0.0.0 is all"
            case errno.EACCES | errno.EPERM:
                why = f"port {port} is not yours to take; give a --port above 1023, and put a proxy before it"
            case _:
                why = f"nothing can listen on port {port} of {host}: {error.strerror}; give another --host or --port"
        raise SettingsError(why) from error
    return listening


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
