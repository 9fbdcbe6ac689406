"""Those who take our mail: one file each, found by its name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import Any, cast

from digest.providers.interface import Provider
from digest.providers.options import Options

_OURS = frozenset(
    {
        "calls",
        "dkim_signing",
        "hooks",
        "interface",
        "merging",
        "mime",
        "options",
        "ses_answers",
        "ses_body",
        "sigv4",
        "smtp_replies",
        "submission",
        "wire",
    }
)
"""What is in this folder and is no provider."""


@cache
def names() -> tuple[str, ...]:
    """Give the names of all providers."""
    return files_of(__name__, but=_OURS)


def files_of(package: str, *, but: Collection[str]) -> tuple[str, ...]:
    """Give the names of a package's files, without those that are no provider's."""
    spec = find_spec(package)
    assert spec is not None  # noqa: S101 (whoever asks is in it)
    found = {module.name for module in iter_modules(spec.submodule_search_locations)}
    return tuple(sorted(found.difference(but)))


def options_of(name: str) -> type[Options]:
    """Give what may be set about the provider of a name."""
    return cast("type[Options]", import_module(f"digest.providers.{name}").Options)


def connect(name: str, options: Mapping[str, Any] | Options) -> Provider:
    """Make the provider of a name.

    Raises:
        ValueError: an option is wrong or missing (pydantic's `ValidationError`).
    """
    kind = options_of(name)
    checked = options if isinstance(options, kind) else kind(**cast("Mapping[str, Any]", options))
    return cast("Provider", import_module(f"digest.providers.{name}").connect(checked))
