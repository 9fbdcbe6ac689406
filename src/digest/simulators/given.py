"""Shares and numbers as a command line gives them."""

from __future__ import annotations

from dataclasses import Field, fields
from typing import Any, ClassVar, Protocol, TypeVar


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


Made = TypeVar("Made", bound=_Dataclass)


def made_of(kind: type[Made], given: dict[str, str], *, called: str) -> Made:
    """Make a dataclass of numbers of texts; what it is `called` is said where there is none of a name.

    Raises:
        ValueError: an unknown name, or no number.
    """
    known = {field.name: int if field.type == "int" else float for field in fields(kind)}
    if strangers := given.keys() - known.keys():
        raise ValueError(f"no {called} is called {min(strangers)!r}; there are {', '.join(sorted(known))}")
    numbers: dict[str, Any] = {name: known[name](value) for name, value in given.items()}
    return kind(**numbers)
