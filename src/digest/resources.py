"""Where the templates, the migrations and the sample catalogue lie.

In a wheel they are inside the package; in a checkout they are at its top, as the design card asks.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent
_CHECKOUT = _PACKAGE.parent.parent


def resource(*parts: str) -> Path:
    """Give the path of something shipped with digest, such as ``resource("templates", "email")``."""
    inside = _PACKAGE.joinpath(*parts)
    return inside if inside.exists() else _CHECKOUT.joinpath(*parts)
