"""`digest simulate`."""

from __future__ import annotations

import asyncio
import inspect
import json
import shlex
import signal
import typing
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import click
from click.shell_completion import CompletionItem
from pydantic import TypeAdapter, ValidationError
from rich.live import Live
from rich.text import Text

from digest import simulators
from digest.cli.app import App, Command, with_app
from digest.errors import DigestError, NotFoundError, nearest
from digest.simulators.fates import Fates
from digest.simulators.faults import Faults
from digest.simulators.record import Record
from digest.simulators.server import Server
from digest.sources import holds_secret, variable_of

if TYPE_CHECKING:
    from digest.simulators.telling import Teller

PORT = 9025
LOOK_EVERY_S = 0.25
_NUMBERS = {int: "whole number", float: "number"}


class _Server(Protocol):
    """What listens: at a URL, or where it speaks no HTTP at a host and a port."""

    def listening(self, host: str, port: int) -> AbstractAsyncContextManager[str | tuple[str, int]]: ...


def _names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in simulators.names() if name.startswith(incomplete)]


def _pairs(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    given = {}
    for value in values:
        name, equals, right = value.partition("=")
        if not equals:
            raise click.BadParameter(f"{value!r} is not NAME=VALUE")
        given[name.strip()] = right
    return given


def _site(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise click.BadParameter(f"{value!r} is no address of a site, such as http://127.0.0.1:8000")
    return value.rstrip("/")


@click.command(cls=Command)
@click.argument("provider", shell_complete=_names)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address it listens at.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="The port; 0 takes any free one."
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_pairs,
    help="What goes wrong on purpose, such as reset_after=0.01; may repeat.",
)
@click.option(
    "--hooks",
    "site",
    metavar="URL",
    callback=_site,
    help="The address of a digest serve, which is told what becomes of the copies.",
)
@click.option(
    "--fate",
    "fates",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_pairs,
    help="What becomes of the copies that it tells of, such as bounces=0.05; may repeat.",
)
@click.option(
    "--record",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file to which every copy it accepts is added, a line of JSON each.",
)
@click.option("--bodies", is_flag=True, help="Into that file with the bodies, too.")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_pairs,
    help="What this simulator may be told, such as key=…, lists as JSON; may repeat.",
)
@with_app
def simulate(
    app: App,
    provider: str,
    host: str,
    port: int,
    faults: dict[str, str],
    site: str | None,
    fates: dict[str, str],
    file: Path | None,
    bodies: bool,
    options: dict[str, str],
) -> None:
    """Run a provider on this machine that mails nobody: to try things out, and to see what goes wrong.

    It refuses what the real one refuses. Ctrl-C ends it and prints what it accepted.
    With --json it prints a line of JSON when it listens and another when it ends.
    """
    types = _types(provider)
    own_faults = next((kind for kind in typing.get_args(types.pop("faults", None)) if kind is not type(None)), None)
    wrong = _numbers(own_faults or Faults, faults, "fault", "calls")
    become = _numbers(Fates, fates, "fate", "copies")
    if fates and site is None:
        raise click.BadParameter("it is told to a site; give --hooks, too", param_hint="--fate")
    wanted = _typed(provider, types, options)
    record = Record(file, bodies=False, written=bodies)
    teller = _teller(provider, record, site, become)
    simulator: Any = simulators.simulate(provider, record=record, **wanted, **({"faults": wrong} if own_faults else {}))
    server: _Server = simulator if hasattr(simulator, "listening") else Server(simulator, wrong)
    asyncio.run(_serve(app, simulator, server, teller, (host, port)))


def _teller(provider: str, record: Record, site: str | None, fates: Fates) -> Teller | None:
    """Make what tells a site of the copies, where one is given."""
    if site is None:
        return None
    # Here, as few simulations tell anything.
    from digest.simulators import hooks
    from digest.simulators.telling import Teller

    if provider not in (names := hooks.names()):
        raise click.BadParameter(
            f"{provider}, simulated, calls nobody; those that do are {', '.join(names)}", param_hint="--hooks"
        )
    return Teller(record, hooks.caller_of(provider), f"{site}/hooks/{provider}", fates)


async def _serve(app: App, simulator: Any, server: _Server, teller: Teller | None, place: tuple[str, int]) -> None:
    """Listen until a signal comes."""
    record: Record = simulator.record
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    # Python 3.11 reports each connection that is open at the end as an error of its own.
    loop.set_exception_handler(_unless_cancelled)
    async with AsyncExitStack() as stack:
        try:
            at = await stack.enter_async_context(server.listening(*place))
        except OSError as error:
            # asyncio puts the address before the reason.
            reason = (error.strerror or str(error)).rpartition(": ")[2]
            where = ":".join(map(str, place))
            raise DigestError(f"cannot listen at {where}: {reason}; give another --port or --host") from None
        url = _begin(app, simulator, teller, at)
        async with asyncio.TaskGroup() as group:
            telling = group.create_task(teller.tell()) if teller else None
            await _watch(app, record, teller, stopped)
            if telling:
                telling.cancel()
    _end(app, url, record.summary() | ({"hooks": teller.summary()} if teller else {}))


def _unless_cancelled(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), asyncio.CancelledError):
        loop.default_exception_handler(context)


async def _watch(app: App, record: Record, teller: Teller | None, stopped: asyncio.Event) -> None:
    """Show on a terminal how much it took, until it is stopped."""
    if not app.err.is_terminal:
        await stopped.wait()
        return
    with Live(console=app.err, transient=True, auto_refresh=False) as live:
        while not stopped.is_set():
            refused = sum(record.refused.values())
            words = f"{record.calls:,} calls, {refused:,} refused; {len(record.accepted):,} copies accepted"
            if teller:
                words += f"; {teller.told.total():,} events told, {teller.waiting:,} to go"
            live.update(Text(words, style="dim"), refresh=True)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), LOOK_EVERY_S)


def _begin(app: App, simulator: Any, teller: Teller | None, at: str | tuple[str, int]) -> str:
    """Say where it listens and how it is used; give the URL."""
    name: str = simulator.name
    if isinstance(at, str):
        url, usage = at, simulator.usage(at)
    else:
        own = {f"{name}.{option}": str(value) for option, value in simulator.usage(*at).items()}
        url, usage = f"{name}://{at[0]}:{at[1]}", {"provider": name} | own
    if teller:
        usage |= teller.usage()
    if app.json:
        click.echo(json.dumps({"provider": name, "url": url, "usage": usage}))
        return url
    app.say(f"{name}, simulated at {url}; nobody is mailed. In another shell:")
    app.say()
    secrets = {name: value for name, value in usage.items() if holds_secret(name)}
    told = "".join(f"{variable_of(name)}={shlex.quote(value)} " for name, value in secrets.items())
    given = " ".join(f"--set {shlex.quote(f'{name}={usage[name]}')}" for name in usage if name not in secrets)
    app.say(f"  {told}digest send 1 {given}")
    if teller:
        app.say(f"  {told}digest serve {given}")
    app.say()
    app.say("Ctrl-C ends it.")
    return url


def _end(app: App, url: str, figures: dict[str, Any]) -> None:
    if app.json:
        click.echo(json.dumps({"url": url} | figures))
        return
    refused = ", ".join(f"{count:,} with {status}" for status, count in figures["refused"].items()) or "none"
    app.say(f"Calls: {figures['calls']:,}; refused: {refused}")
    app.say(f"Copies accepted: {figures['accepted']:,}")
    app.say(f"Addresses: {figures['addresses']:,}; with more than one copy: {figures['twice']:,}")
    if hooked := figures.get("hooks"):
        told = ", ".join(f"{count:,} {what}" for what, count in hooked["told"].items()) or "nothing"
        answers = ", ".join(f"{count:,} with {status}" for status, count in hooked["calls"].items()) or "none"
        app.say(f"Told: {told}; given up: {hooked['given_up']:,}; not told yet: {hooked['waiting']:,}")
        app.say(f"Its calls, answered: {answers}")


def _types(provider: str) -> dict[str, Any]:
    """Give what the simulator of a provider may be made with, by name, and the types of it."""
    if provider not in (names := simulators.names()):
        hint = nearest(provider, names) or f"; there are {', '.join(names)}"
        raise NotFoundError(f"no provider called {provider!r} can be simulated{hint}")
    try:
        maker = import_module(f"digest.simulators.{provider}").simulator
    except ImportError as error:
        raise DigestError(str(error)) from error
    types = typing.get_type_hints(maker)
    if any(one.kind is one.VAR_KEYWORD for one in inspect.signature(maker).parameters.values()):
        types = typing.get_type_hints(types["return"].__init__)
    return {name: of for name, of in types.items() if name not in ("record", "return")}


def _typed(provider: str, types: Mapping[str, Any], options: Mapping[str, str]) -> dict[str, Any]:
    """Give the options of a simulator in its own types; lists and the like are written as JSON."""
    typed = {}
    for name, value in options.items():
        if name not in types:
            hint = nearest(name, types) or f"; there are {', '.join(types)}"
            raise click.BadParameter(f"the simulator of {provider} has no option {name!r}{hint}", param_hint="--option")
        of = TypeAdapter(types[name])
        try:
            typed[name] = of.validate_python(value)
        except ValidationError as error:
            try:
                typed[name] = of.validate_json(value)
            except ValidationError:
                raise click.BadParameter(f"{name}: {error.errors()[0]['msg']}", param_hint="--option") from None
    return typed


def _numbers(kind: Any, given: Mapping[str, str], what: str, of: str) -> Any:
    """Make faults or fates of a kind; those that are no seconds and no counts are shares of the calls, or copies."""
    known = typing.get_type_hints(kind)
    for name, value in given.items():
        trouble = ""
        if name not in known:
            hint = nearest(name, known) or f"; there are {', '.join(known)}"
            trouble = f"no {what} is called {name!r}{hint}"
        elif (number := _number(known[name], value)) is None:
            trouble = f"{name} is a {_NUMBERS[known[name]]}, not {value!r}"
        elif name == "hurry" and not number > 0:
            trouble = "hurry is more than 0"
        elif known[name] is float and not name.endswith("_s") and name != "hurry" and not 0 <= number <= 1:
            trouble = f"{name} is a share of the {of}, from 0 to 1"
        elif not 0 <= number < float("inf"):
            trouble = f"{name} is 0 or more"
        if trouble:
            raise click.BadParameter(trouble, param_hint=f"--{what}")
    return kind.of(dict(given))


def _number(kind: Callable[[str], float], text: str) -> float | None:
    try:
        return kind(text)
    except ValueError:
        return None
