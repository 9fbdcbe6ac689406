"""How the simulated providers call: one file each, named like the provider.

Each makes a secret of its own when it is made, as nobody could trust one that stands in a source.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import cast

from digest.simulators.hooks.caller import Caller


def names() -> tuple[str, ...]:
    """Give the names of those that tell what became of copies.

    Amazon SES is none: what SNS says counts only with a certificate that lies at Amazon's own address, and nobody here
    can put one there. A mail server tells by mail.
    """
    spec = find_spec(__name__)
    assert spec is not None  # noqa: S101 (it is this file)
    return tuple(sorted({module.name for module in iter_modules(spec.submodule_search_locations)} - {"caller"}))


def caller_of(name: str) -> Caller:
    """Make what calls for a provider of `names()`."""
    return cast("Caller", import_module(f"{__name__}.{name}").caller())
