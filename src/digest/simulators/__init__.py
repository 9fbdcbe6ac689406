"""Providers to try things on: each a real server on this machine that enforces what the real one documents.

One file each, named like the provider it stands for. They keep a record of what they accepted: the judge of
"lost" and "twice".
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import Any, cast

from digest.simulators.simulator import Simulator

_OURS = frozenset(
    {"fates", "faults", "given", "hooks", "record", "server", "ses_rules", "simulator", "smtp_faults", "telling"}
)


def names() -> tuple[str, ...]:
    """Give the names of those that can be simulated."""
    spec = find_spec(__name__)
    assert spec is not None  # noqa: S101 (it is this file)
    return tuple(sorted({module.name for module in iter_modules(spec.submodule_search_locations)} - _OURS))


def simulate(name: str, **options: Any) -> Simulator:
    """Make the simulator of a provider; its file says which options it takes, all of them with defaults."""
    return cast("Simulator", import_module(f"digest.simulators.{name}").simulator(**options))
