"""Bodies of calls: JSON and nothing else, read strictly, held against a model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import Request
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)
from starlette.concurrency import run_in_threadpool

from digest import times
from digest.catalogue.records import whole_number
from digest.web.api.problems import ProblemError

M = TypeVar("M", bound=BaseModel)

_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})$"
_TEXT = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"


class Body(BaseModel):
    """What every body has in common: a field nobody knows is refused, and a text is no number."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _moment(value: object) -> datetime:
    if not isinstance(value, str) or not re.fullmatch(_TIME, value):
        raise ValueError("write it like 2026-11-26T09:00:00Z, with its offset")
    try:
        moment = datetime.fromisoformat(value)
        if not times.FIRST < moment < times.LAST:
            raise ValueError
    except (ValueError, OverflowError):
        raise ValueError(f"{value!r} is not a moment that there is") from None
    return moment


def _no_controls(value: str) -> str:
    if not re.fullmatch(_TEXT, value):
        raise ValueError("it has control characters in it")
    return value


Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": _TIME, "examples": ["2026-11-26T09:00:00Z"]}),
]
"""A moment with its offset (RFC 3339)."""

Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_TEXT), AfterValidator(_no_controls)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=2_000, pattern=_TEXT), AfterValidator(_no_controls)]


async def read_json(request: Request) -> dict[str, Any]:
    """Read the body of a call: one JSON object.

    Raises:
        ProblemError: it is of another type, or no such object.
    """
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = re.fullmatch(r'\s*charset\s*=\s*"?([\w-]+)"?\s*', parameters)
    if kind.strip().lower() != "application/json" or (charset and charset[1].lower() not in ("utf-8", "utf8")):
        raise ProblemError("wrong-media-type", "the body must be application/json in UTF-8")
    # Some megabytes take a moment, in which others are answered.
    return await run_in_threadpool(_parsed, await request.body())


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_without_repeats,
            parse_int=whole_number,
            parse_constant=_no_constant,
        )
    except UnicodeDecodeError as error:
        raise ProblemError("not-json", f"the byte 0x{content[error.start]:02x} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ProblemError("not-json", f"{error.msg} (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise ProblemError("not-json", "it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ProblemError("invalid", "the body must be a JSON object", errors=[("body", "it is not an object")])
    return found


def body_of(model: type[M]) -> Callable[[Request], Coroutine[Any, Any, M]]:
    """Give a dependency that reads the body of a call as a model."""

    async def read(request: Request) -> M:
        try:
            return model.model_validate(await read_json(request))
        except ValidationError as error:
            found = [
                (".".join(str(part) for part in each["loc"]) or "body", each["msg"].removeprefix("Value error, "))
                for each in error.errors(include_url=False, include_context=False, include_input=False)
            ]
            detail = "; ".join(f"{field}: {message}" for field, message in found)
            raise ProblemError("invalid", detail, errors=found) from None

    return read


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ProblemError("not-json", f"the key {repeated!r} stands twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise ProblemError("not-json", f"{name} is no JSON")
