"""What every command shares: the options, the settings, the store, and the way of printing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cached_property, wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from digest.errors import SettingsError

if TYPE_CHECKING:
    # `--help` and `--version` do without, and take a third of the time.
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from digest.settings import Settings
    from digest.sources import Loaded
    from digest.store import Database

P = ParamSpec("P")
R = TypeVar("R")

FAILED, IN_PART, INTERRUPTED = 1, 3, 130
"""Exit codes beside 0 and click's 2 for wrong usage: see docs/cli.md."""


class App:
    """One run of the command: built once from the options of the group and of the command."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self.json: bool = options.get("json", False)
        self.verbose: bool = options.get("verbose", False)

    @cached_property
    def out(self) -> Console:
        """Standard output."""
        return _console()

    @cached_property
    def err(self) -> Console:
        """Standard error."""
        return _console(stderr=True)

    @cached_property
    def loaded(self) -> Loaded:
        """The settings and their sources; read when first needed, so that `--help` never fails."""
        from digest import sources

        given: dict[str, Any] = dict(self._options.get("set", {}))
        if "db" in self._options:
            given["db"] = self._options["db"]
        loaded = sources.load(given, file=self._options.get("config"))
        for warning in loaded.warnings:
            self.note(warning)
        return loaded

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.loaded.settings

    @contextmanager
    def store(self, *, create: bool = False, allow_pending: bool = False, dry_run: bool = False) -> Iterator[Database]:
        """Open the store for a block; a dry run on one that does not exist yet gets one that goes away."""
        from digest.store import explain, open_store

        path = self.settings.db
        if dry_run and not path.exists():
            with TemporaryDirectory() as folder, closing(open_store(Path(folder) / path.name, create=True)) as db:
                yield db
            return
        db = open_store(path, create=create, allow_pending=allow_pending)
        try:
            yield db
        except sqlite3.Error as error:
            raise explain(error, self.settings.db) from error
        finally:
            db.close()

    def say(self, text: str = "") -> None:
        """Print a line for a person; nothing with `--json`."""
        if not self.json:
            self.out.print(text)

    def note(self, text: str) -> None:
        """Print a line beside the result, on standard error."""
        self.err.print(f"digest: {text}")

    def give(self, data: Any) -> None:
        """Print the result as JSON, where `--json` asks for it."""
        if self.json:
            click.echo(json.dumps(data, ensure_ascii=False, indent=2, default=str))

    @contextmanager
    def progress(self, what: str, total: int | None = None) -> Iterator[Advance]:
        """Show a bar on a terminal, once the work takes a second; the block is given how to move it on."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self.err,
            transient=True,
            disable=not self.err.is_terminal,
        )
        advance = Advance(bar, bar.add_task(what, total=total), bar.get_time())
        try:
            yield advance
        finally:
            bar.stop()


class Advance:
    """Moves a progress bar on by some steps; shows it once the work has taken a second."""

    def __init__(self, bar: Progress, task: TaskID, started: float) -> None:
        self._bar, self._task, self._started = bar, task, started
        self._shown = False

    def __call__(self, by: int) -> None:
        """Move on by some steps."""
        self._bar.advance(self._task, by)
        if not self._shown and self._bar.get_time() - self._started > 1:
            self._shown = True
            self._bar.start()

    def total(self, total: int) -> None:
        """Say how many steps there are, where it was not known before."""
        self._bar.update(self._task, total=total)


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    # Subjects and names are printed as they are: no "[red]" and no ":rocket:" is ours.
    return Console(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)


def _keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """Keep a shared option for `App`; given both before and after the command's name, the latter wins."""

    def callback(context: click.Context, _: click.Parameter, value: Any) -> None:
        if value not in (None, False, (), {}):
            options = context.ensure_object(dict)
            options[name] = {**options.get(name, {}), **value} if isinstance(value, dict) else value

    return callback


def _assignments(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> None:
    given = {}
    for value in values:
        name, equals, right = value.partition("=")
        if not equals:
            raise click.BadParameter(f"{value!r} is not NAME=VALUE, such as base_url=https://example.com")
        name = name.strip().lower()
        from digest import sources

        if sources.holds_secret(name):
            raise SettingsError(
                f"--set {name}: everybody on this machine can read a command line, and it stays in the shell's history;"
                f" set {sources.variable_of(name)}, or give a file that holds the secret: --set {name}_file=PATH"
            )
        given[name] = right
    _keep("set")(context, parameter, given)


def counted(counts: Mapping[str, int]) -> str:
    """Write counts of things in the plural: ``1 tool, 2 reviews``."""
    return ", ".join(f"{count} {kind.removesuffix('s') if count == 1 else kind}" for kind, count in counts.items())


def shared_options() -> list[click.Option]:
    """Give the options that every command takes, before or after its name."""
    path = click.Path(path_type=Path)
    return [
        click.Option(["--db"], type=path, help="The SQLite file.", callback=_keep("db"), expose_value=False),
        click.Option(
            ["--config"],
            type=path,
            help="The settings file; digest.toml where it is not given.",
            callback=_keep("config"),
            expose_value=False,
        ),
        click.Option(
            ["--set"],
            multiple=True,
            metavar="NAME=VALUE",
            help="Set any setting for this run.",
            callback=_assignments,
            expose_value=False,
        ),
        click.Option(["--json"], is_flag=True, help="Print JSON.", callback=_keep("json"), expose_value=False),
        click.Option(
            ["-v", "--verbose"],
            is_flag=True,
            help="Print more: every change; the trace of an error that is not yours.",
            callback=_keep("verbose"),
            expose_value=False,
        ),
    ]


class Command(click.Command):
    """A command with the shared options after its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += shared_options()


class Group(click.Group):
    """A group of such commands, with the shared options too."""

    command_class = Command
    group_class = type

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += shared_options()


def with_app(function: Callable[Concatenate[App, P], R]) -> Callable[P, R]:
    """Hand a command the `App` as its first argument."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(App(click.get_current_context().find_object(dict) or {}), *args, **kwargs)

    return wrapped
