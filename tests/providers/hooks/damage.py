"""JSON that is not what a provider's pages promise: anything, or a recorded call with some of it replaced."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from(["2026-11-26T09:00:00.000Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
    | st.sampled_from(["2026-13-01", "Permanent", "5.1.1", "9" * 400, "x" * 600, 1e300, -1e300])
)
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
"""Any JSON."""


@st.composite
def damaged(draw: st.DrawFn, samples: Sequence[Any]) -> Any:
    """Give one of the samples with up to three of its parts replaced or left out."""
    found = {"": deepcopy(draw(st.sampled_from(samples)))}
    for _ in range(draw(st.integers(1, 3))):
        holder, name = draw(st.sampled_from(list(_places(found))))
        if isinstance(holder, dict) and holder is not found and draw(st.booleans()):
            del holder[name]
        else:
            holder[name] = draw(ANYTHING)
    return found[""]


def bodies(samples: Sequence[Any]) -> st.SearchStrategy[bytes]:
    """Give bodies of calls: damaged samples, any JSON, and any bytes."""
    return (damaged(samples) | ANYTHING).map(lambda found: json.dumps(found).encode()) | st.binary(max_size=40)


def _places(found: Any) -> Iterator[tuple[Any, Any]]:
    inner = found.items() if isinstance(found, dict) else enumerate(found)
    for name, value in list(inner):
        yield found, name
        if isinstance(value, dict | list):
            yield from _places(value)
