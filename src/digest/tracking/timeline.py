"""What happened between us and one subscriber, in the order of time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Moment:
    """Something that happened. `at` is UTC text; `kind` is a word such as ``delivered``, ``what`` the sentence.

    `issue` is None where it belongs to none. `by` says who, of an open or a click: ``person``, ``machine``, ``unsure``;
    else it is empty. `detail` is what a provider said, or which link.
    """

    at: str
    kind: str
    what: str
    issue: int | None
    by: str
    detail: str


@dataclass(frozen=True)
class Timeline:
    """A subscriber's moments, the oldest first; `notes` say what it cannot know."""

    email: str
    state: str
    suppressed: str | None
    moments: tuple[Moment, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Give it for JSON."""
        return asdict(self)
