"""Where settings come from: the desk, `digest.toml`, the environment (``DIGEST_*``), the command line; the later wins.

What was chosen in the desk lies in the store that the others name, and only what `digest.chosen` lists may be chosen.

A provider's options are a table of its name in the file (``[resend]``), ``DIGEST_RESEND_KEY`` in the environment and
``resend.calls_a_second`` on the command line. A secret may also be given as the path of a file that holds it, under its
name with ``_file`` after it, as containers are given theirs (https://docs.docker.com/compose/how-tos/use-secrets/); on
the command line it may be given in no other way, for other users of the machine see that.
"""

from __future__ import annotations

import os
import sqlite3
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from digest import chosen, providers
from digest.errors import SettingsError, nearest
from digest.provider_options import (
    OUTBOX_FOLDER,
    WrongOptionError,
    default_of,
    fields_of,
    is_secret,
    provider_named,
    reason_of,
    shown,
    unknown,
)
from digest.settings import SETTINGS, Settings

ENV_PREFIX = "DIGEST_"
DEFAULT_FILE = Path("digest.toml")
FILE_SUFFIX = "_file"
DESK = "desk"
"""Where a setting comes from that was chosen in the desk, as `digest settings` shows it."""


@dataclass(frozen=True)
class Setting:
    """One setting as `digest settings` shows it; a provider's option is called ``resend.key``.

    `source` is "default" where nobody set it, and "missing" where the provider cannot do without it.
    """

    name: str
    value: str
    source: str
    meaning: str


@dataclass(frozen=True)
class Loaded:
    """The settings in force, and where each came from; `own` are those without what was chosen in the desk."""

    settings: Settings
    sources: Mapping[str, str]
    own: Settings
    warnings: tuple[str, ...] = ()

    def explain(self) -> list[Setting]:
        """Give every setting in the order of its file, then the options of providers, secrets masked.

        Of the providers in use all options are given, of the others those that were set.
        """
        found = [
            Setting(name, shown(getattr(self.settings, name)), self.sources.get(name, "default"), of.description or "")
            for name, of in SETTINGS.items()
        ]
        chosen = (self.settings.provider, self.settings.failover, self.settings.letters_provider)
        used = [name for name in chosen if name]
        for name in dict.fromkeys((*used, *self.settings.providers)):
            found += (
                one
                for one in self.options(name)
                if (name in used or one.source not in ("default", "missing")) and one.name != OUTBOX_FOLDER
            )
        return found

    def options(self, provider: str) -> list[Setting]:
        """Give every option of a provider, secrets masked."""
        given, found = self.settings.providers.get(provider, {}), []
        for name, of in fields_of(provider).items():
            key = f"{provider}.{name}"
            if key == OUTBOX_FOLDER:
                value, source = shown(self.settings.outbox), self.sources.get("outbox", "default")
            elif name in given:
                value, source = shown(given[name]), self.sources.get(key, "default")
            else:
                value, source = default_of(of), "missing" if of.is_required() else "default"
            found.append(Setting(key, value, source, of.description or ""))
        return found


def load(
    command_line: Mapping[str, Any] | None = None,
    *,
    file: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Loaded:
    """Read the settings from every source.

    Args:
        command_line: values given there, by the setting's name; the strongest source.
        file: a settings file that must exist; `digest.toml` is read where there is one and none is named.
        environment: where ``DIGEST_*`` is looked up.

    Raises:
        SettingsError: an unknown name or a wrong value, with its source and the nearest right one.
    """
    layers = []
    if file is not None:
        layers.append(_Layer.from_file(file))
    elif DEFAULT_FILE.exists():
        layers.append(_Layer.from_file(DEFAULT_FILE))
    layers.append(_Layer.from_environment(environment))
    layers.append(_Layer("command line", "command line", dict(command_line or {})))

    found = _Found()
    for layer in layers:
        found.take(layer)
    return found.loaded()


@dataclass(frozen=True)
class _Given:
    """One value of one source: the setting's name or ``resend.key``, and how it is written there."""

    name: str
    value: Any
    spelling: str


@dataclass(frozen=True)
class _Layer:
    """The values of one source."""

    kind: Literal["file", "environment", "command line"]
    source: str
    values: Mapping[str, Any]

    @classmethod
    def from_file(cls, path: Path) -> Self:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"{path}: {error}") from None
        except UnicodeDecodeError:
            raise SettingsError(f"{path}: is not UTF-8; save it as UTF-8") from None
        except OSError as error:
            raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
        return cls("file", str(path), values)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        named = {key: value for key, value in environment.items() if key.upper().startswith(ENV_PREFIX)}
        return cls(
            "environment", "environment", {key[len(ENV_PREFIX) :].lower(): value for key, value in named.items()}
        )

    def __iter__(self) -> Iterator[_Given]:
        for name, value in self.values.items():
            if self.kind == "environment":
                yield _Given(_from_variable(name), value, f"{ENV_PREFIX}{name.upper()}")
            elif self.kind == "command line":
                yield _Given(name, value, f"--set {name}")
            elif isinstance(value, dict) and name in providers.names():
                for option, one in value.items():
                    yield _Given(f"{name}.{option}", one, f"{self.source}: [{name}] {option}")
            else:
                yield _Given(name, value, f"{self.source}: {name}")


@dataclass
class _Found:
    """What the sources gave, the later over the earlier."""

    settings: dict[str, Any] = field(default_factory=dict)
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    spellings: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def take(self, layer: _Layer) -> None:
        """Take a layer's values over those there are."""
        spellings: dict[str, str] = {}
        for given in layer:
            name = _known(given.name)
            if name is None:
                self._unknown(layer, given)
                continue
            if name in spellings:
                raise SettingsError(f"{given.spelling}: {spellings[name]} says the same; keep one of them")
            spellings[name] = given.spelling
            value = _read(given) if given.name == name + FILE_SUFFIX else given.value
            provider, _, option = name.rpartition(".")
            (self.options.setdefault(provider, {}) if provider else self.settings)[option] = value
            self.sources[name] = layer.source
        self.spellings |= spellings

    def loaded(self) -> Loaded:
        """Make the settings of it all."""
        try:
            own = Settings(**self.settings, providers=self.options)
        except ValidationError as error:
            raise SettingsError(self._told(error)) from None
        try:
            laid = chosen.overlay(own, chosen.read_file(own.db))
        except sqlite3.OperationalError as error:
            self.warnings.append(f"what was chosen in the desk cannot be read from {own.db} and is left out: {error}")
            laid = chosen.Laid(own)
        of = self.sources | dict.fromkeys(laid.applied, DESK)
        return Loaded(laid.settings, of, own, (*self.warnings, *laid.warnings))

    def _told(self, error: ValidationError) -> str:
        first = error.errors()[0]
        if not first["loc"]:
            return reason_of(first, None)
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, WrongOptionError):
            return f"{self.spellings.get(cause.option, cause.option)}: {cause.reason}"
        name = str(first["loc"][0])
        return f"{self.spellings.get(name, name)}: {reason_of(first, SETTINGS.get(name))}"

    def _unknown(self, layer: _Layer, given: _Given) -> None:
        """Refuse a name that there is not, or pass over a stranger's variable."""
        problem = _no_such(layer, given)
        if layer.kind == "environment" and "did you mean" not in problem:
            # A stranger's variable (Kubernetes sets DIGEST_SERVICE_HOST for a service called "digest").
            self.warnings.append(f"{given.spelling} is ignored: {problem.partition(';')[0]}")
            return
        raise SettingsError(f"{given.spelling}: {problem}")


def holds_secret(name: str) -> bool:
    """Tell whether a setting, or a provider's option such as ``resend.key``, is a secret."""
    of = _field(name)
    return of is not None and is_secret(of)


def variable_of(name: str) -> str:
    """Give the environment variable that sets a setting, or a provider's option such as ``resend.key``."""
    return ENV_PREFIX + name.replace(".", "_").upper()


def _from_variable(name: str) -> str:
    """Give the name of what an environment variable sets, in small letters: of ``resend_key`` it is ``resend.key``."""
    if _known(name) is None:
        for provider in providers.names():
            if name.startswith(f"{provider}_"):
                return f"{provider}.{name.removeprefix(f'{provider}_')}"
    return name


def _known(name: str) -> str | None:
    """Give the name of the setting or option that is set by a name; None where there is none."""
    if name == OUTBOX_FOLDER:
        return "outbox"
    if _field(name):
        return name
    bare = name.removesuffix(FILE_SUFFIX)
    of = _field(bare) if bare != name else None
    return bare if of and is_secret(of) else None


def _field(name: str) -> FieldInfo | None:
    provider, dot, option = name.partition(".")
    if not dot:
        return SETTINGS.get(name)
    return fields_of(provider).get(option) if provider in providers.names() else None


def _read(given: _Given) -> str:
    """Read a secret from the file that is named."""
    try:
        return Path(str(given.value)).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise SettingsError(f"{given.spelling}: {given.value} cannot be read: {error.strerror}") from None
    except ValueError:
        # UnicodeDecodeError, or a path with a zero in it.
        raise SettingsError(f"{given.spelling}: {given.value!r} names no text file in UTF-8") from None


def _no_such(layer: _Layer, given: _Given) -> str:
    """Say that nothing is called so, and what was probably meant."""
    provider, dot, option = given.name.partition(".")
    if dot:
        try:
            provider_named(provider)
        except ValueError as error:
            return str(error)
        if layer.kind == "file" and option in SETTINGS:
            return f"{option} is a setting; write it above the first [table] of the file"
        return unknown(provider, option)
    if given.name in providers.names():
        return f"{given.name} is a provider; set its options, such as {given.name}.{next(iter(fields_of(given.name)))}"
    candidates = list(SETTINGS)
    if layer.kind == "environment":
        candidates += _meant_options(given.name)
    elif isinstance(given.value, dict):
        candidates += providers.names()
    meant = nearest(given.name, candidates) or "; `digest settings` lists them all"
    return f"no setting is called {given.name!r}{meant}"


def _meant_options(name: str) -> Iterator[str]:
    """Guess whose options a variable may mean where only the provider is misspelt: ``resnd_key``."""
    misspelt, _, option = name.partition("_")
    for provider in providers.names():
        if nearest(misspelt, [provider]) and _known(f"{provider}.{option}"):
            yield f"{provider}_{option}"
