"""How providers tell us what became of their copies: one file each, of the provider's name."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import cast

from digest.providers import files_of
from digest.providers.hooks.interface import Hooks

_OURS = frozenset({"credentials", "fields", "interface", "sns"})
"""What is in this folder and is no provider."""


@cache
def names() -> tuple[str, ...]:
    """Give the names of the providers that call us."""
    return files_of(__name__, but=_OURS)


def hooks_of(name: str) -> Hooks:
    """Give how a provider of `names()` tells us."""
    return cast("Hooks", import_module(f"{__name__}.{name}"))
