"""Those who take our mail: one file each, found by its name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

from digest.providers.interface import Provider


def connect(name: str, options: Mapping[str, Any]) -> Provider:
    """Make the provider of a name; it takes from the options what it needs."""
    return cast("Provider", import_module(f"digest.providers.{name}").connect(options))
