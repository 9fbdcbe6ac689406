"""What approval keeps of an issue so that it can be composed once more, whatever the catalogue says by then."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pydantic import TypeAdapter, ValidationError

from digest.issue.model import Draft, Form


@dataclass(frozen=True)
class Snapshot:
    """An issue as it was approved.

    `draft` is what it was rendered from, in the forms that fitted; `wanted` are the forms before that, in the same
    order; `own_words` are the names of those of its words that a person wrote.
    """

    draft: Draft
    wanted: tuple[Form, ...]
    own_words: tuple[str, ...]


def write(snapshot: Snapshot) -> str:
    """Give a snapshot as JSON: ``{"draft": …, "wanted": [form, …], "own_words": [name, …]}``."""
    return _json().dump_json(snapshot).decode()


def read(text: str) -> Snapshot | None:
    """Read a snapshot; None where a digest wrote it that put other things into an issue than this one does."""
    try:
        return _json().validate_json(text)
    except ValidationError:
        return None


@cache
def _json() -> TypeAdapter[Snapshot]:
    return TypeAdapter(Snapshot)
