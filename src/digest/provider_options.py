"""The options of providers, as a person gives them: what is wrong with them, what is missing, what is secret.

Which options there are says each provider's own file. What of them is wrong is told when the settings are read; what
is missing only when the provider is wanted, so that half a table does not stop every command.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from digest import providers
from digest.errors import SettingsError, nearest
from digest.providers.options import Options

OUTBOX_FOLDER = "outbox.folder"
"""The one option that is a setting too, `outbox`: it was there before providers had options."""
_NO_FILE = "path_not_file"
_MISSING = frozenset({"missing", _NO_FILE})
"""What pydantic calls what may still come, or is only there on the machine that sends."""
_SECRET_LENGTH = 4
"""Shorter ones are not looked for in an error's words: they would be found in many an innocent one."""


class WrongOptionError(ValueError):
    """An option is unknown or has a wrong value; `option` is it with its provider, such as ``resend.key``."""

    def __init__(self, option: str, reason: str) -> None:
        super().__init__(f"{option}: {reason}")
        self.option, self.reason = option, reason


def provider_named(name: str) -> str:
    """Give the name back.

    Raises:
        ValueError: no provider is called so.
    """
    if name not in (names := providers.names()):
        raise ValueError(f"no provider is called {name!r}; there are {', '.join(names)}{nearest(name, names)}")
    return name


def fields_of(provider: str) -> Mapping[str, FieldInfo]:
    """Give what may be set about a provider, by name."""
    return providers.options_of(provider).model_fields


def unknown(provider: str, option: str) -> str:
    """Say that a provider has no such option, and name the nearest."""
    hint = nearest(option, fields_of(provider)) or f"; `digest providers {provider}` lists them all"
    return f"{provider} has no option {option!r}{hint}"


def checked(provider: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Give options as they are, secrets wrapped; some may be missing.

    Raises:
        WrongOptionError: one is unknown, or its value is wrong.
    """
    fields = fields_of(provider)
    for name in given:
        if f"{provider}.{name}" == OUTBOX_FOLDER:
            raise WrongOptionError(OUTBOX_FOLDER, "the setting `outbox` names it")
        if name not in fields:
            raise WrongOptionError(f"{provider}.{name}", unknown(provider, name))
    wrapped = {
        name: SecretStr(value) if is_secret(fields[name]) and isinstance(value, str) else value
        for name, value in given.items()
    }
    try:
        providers.options_of(provider)(**wrapped)
    except ValidationError as error:
        for wrong in error.errors():
            # One without a place is about several options together, of which some may still be missing.
            if wrong["loc"] and wrong["type"] not in _MISSING:
                name = str(wrong["loc"][0])
                raise WrongOptionError(f"{provider}.{name}", _reason(wrong, fields[name], wrapped)) from None
    return wrapped


def complete(provider: str, given: Mapping[str, Any]) -> Options:
    """Make the options of a provider that is wanted now.

    Raises:
        SettingsError: some are missing, or do not go together.
    """
    kind, fields = providers.options_of(provider), fields_of(provider)
    filled = {name: value for name, value in given.items() if not (fields[name].is_required() and _is_empty(value))}
    try:
        return kind(**filled)
    except ValidationError as error:
        wrong = error.errors()
        if missing := [str(one["loc"][0]) for one in wrong if one["type"] == "missing"]:
            raise SettingsError(_missing(provider, missing)) from None
        where = ".".join((provider, *map(str, wrong[0]["loc"][:1])))
        field = fields[str(wrong[0]["loc"][0])] if wrong[0]["loc"] else None
        raise SettingsError(f"{where}: {_reason(wrong[0], field, filled)}") from None


def is_secret(field: FieldInfo) -> bool:
    """Tell whether a setting or an option is never shown."""
    return _holds(field.annotation, SecretStr)


def shown(value: object) -> str:
    """Write a value for a person; a secret is masked."""
    if isinstance(value, SecretStr):
        return "********" if value.get_secret_value() else ""
    if isinstance(value, dict):
        return ", ".join(f"{name}={one}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.12g}"
    return "" if value is None else str(value)


def default_of(field: FieldInfo) -> str:
    """Write the default of an option; empty where there is none."""
    return "" if field.is_required() else shown(field.get_default(call_default_factory=True, validated_data={}))


def reason_of(wrong: ErrorDetails, field: FieldInfo | None) -> str:
    """Say why pydantic refused a value, with the nearest right one where the right ones can be counted."""
    if wrong["type"] == _NO_FILE:
        return f"there is no file {wrong['input']}"
    choices = _choices(field.annotation) if field else ()
    return str(wrong["msg"]).removeprefix("Value error, ") + nearest(str(wrong["input"]), choices)


def _reason(wrong: ErrorDetails, field: FieldInfo | None, given: Mapping[str, Any]) -> str:
    """Say why, in words that hold none of the secrets given."""
    words = reason_of(wrong, field)
    for value in given.values():
        if isinstance(value, SecretStr) and len(secret := value.get_secret_value()) >= _SECRET_LENGTH:
            words = words.replace(secret, "********")
    return words


def _missing(provider: str, names: Sequence[str]) -> str:
    named = _listed([f"{provider}.{name}" for name in names])
    table = ", ".join(f"{name} = …" for name in names)
    variables = _listed([f"DIGEST_{provider}_{name}".upper() for name in names])
    verb = "is" if len(names) == 1 else "are"
    return f"{named} {verb} missing; set [{provider}] {table} in digest.toml, or {variables}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _is_empty(value: object) -> bool:
    """Tell whether a value is an empty text: what a container gets for a variable that nobody set."""
    return (value.get_secret_value() if isinstance(value, SecretStr) else value) == ""


def _choices(annotation: Any) -> tuple[str, ...]:
    if typing.get_origin(annotation) is typing.Literal:
        return tuple(str(choice) for choice in typing.get_args(annotation))
    return ()


def _holds(annotation: Any, kind: type) -> bool:
    return annotation is kind or any(_holds(part, kind) for part in typing.get_args(annotation))
