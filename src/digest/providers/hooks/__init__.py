"""How providers tell us what became of their copies: one file each, of the provider's name."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import cast

from digest.providers.hooks.interface import Hooks

_OURS = frozenset({"credentials", "fields", "interface", "sns"})
"""What is in this folder and is no provider."""


@cache
def names() -> tuple[str, ...]:
    """Give the names of the providers that call us."""
    spec = find_spec(__name__)
    assert spec is not None  # noqa: S101 (it is this file)
    found = {module.name for module in iter_modules(spec.submodule_search_locations)}
    return tuple(sorted(found - _OURS))


def hooks_of(name: str) -> Hooks:
    """Give how a provider of `names()` tells us."""
    return cast("Hooks", import_module(f"{__name__}.{name}"))
