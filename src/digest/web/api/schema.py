"""The description of the API, OpenAPI 3.1: what FastAPI tells of its routes, with problems, bodies and headers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field

from digest.catalogue import records
from digest.web.api import problems
from digest.web.api.problems import KINDS

BODIES: dict[str, type[BaseModel]] = {}
"""The models that bodies are read into, by name: `body` puts them here."""

_SIDE = {
    "description": "The slug or name of a tool that is known, or a whole tool, which is put in too.",
    "anyOf": [{"type": "string", "minLength": 1, "maxLength": 200}, {"$ref": "#/$defs/tool"}],
}
_PUT_COMPARISON = {
    "description": "A comparison whose sides may be whole tools.",
    "type": "object",
    "properties": {
        "type": {"const": "comparison"},
        "slug": {"description": "The one of the address, if any.", "$ref": "#/$defs/slug"},
        "left": _SIDE,
        "right": _SIDE,
        "published_at": {"description": "When the page goes public; now where it is left out.", "$ref": "#/$defs/time"},
    },
    "required": ["left", "right"],
    "additionalProperties": False,
}

_ABOUT = """\
Comparisons, subscribers, issues and figures for programs.

Every call carries a token, `Authorization: Bearer dgt_…`, which `digest tokens create` makes and shows once. Bodies are
JSON. Whatever goes wrong is answered with problem details (RFC 9457). Lists come in pages: give a page's `next` as the
`cursor` of the next one, or follow the Link header. A POST with an `Idempotency-Key` can be made again without harm.
"""


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    model_config = ConfigDict(extra="forbid")

    field: str = Field(description="Where it is, such as `tools.0.name`, `limit` or `Idempotency-Key`.")
    message: str


class Problem(BaseModel):
    """Problem details, RFC 9457."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="The address of the kind of problem.", json_schema_extra={"format": "uri"})
    title: str = Field(description="What kind of problem it is; the same words each time.")
    status: int
    detail: str = Field(description="What is wrong this time, and what to do.")
    errors: list[FieldProblem] | None = Field(default=None, min_length=1, max_length=problems.SHOWN)


def responses(
    *statuses: int, page: bool = False, repeated: bool = False, more: Mapping[int, dict[str, Any]] | None = None
) -> dict[int | str, dict[str, Any]]:
    """Give what a route may answer beside its own answer: the problems of all, and those of `statuses`.

    Args:
        statuses: of the problems it has of its own.
        page: it answers with a page, and a Link to the next.
        repeated: it is a POST that takes an Idempotency-Key.
        more: other answers that are no problems.
    """
    found: dict[int | str, dict[str, Any]] = {}
    for status in sorted({*statuses, 401, 403, 413, 414, 422, 429, 503} | ({409} if repeated else set())):
        kinds = [kind for kind in KINDS.values() if kind.status == status]
        found[status] = {
            "description": "; ".join(kind.title for kind in kinds) + ".",
            "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        if status in _HEADERS:
            found[status]["headers"] = _HEADERS[status]
    for status, answer in (more or {}).items():
        found[status] = copy.deepcopy(answer)
    if page:
        found[200] = {"headers": {"Link": _header('The next page, `rel="next"` (RFC 8288), where there is one.')}}
    if repeated:
        for status in {200, *(more or {})} if 204 not in (more or {}) else {*(more or {})}:
            headers = found.setdefault(status, {}).setdefault("headers", {})
            headers["Idempotency-Replayed"] = _header("`true` where the same call was answered so before.")
    if 201 in found:
        found[201].setdefault("headers", {}).setdefault("Location", _header("Where it is found."))
    return found


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


_SECONDS = {"description": "After how many seconds to ask again.", "schema": {"type": "integer", "minimum": 1}}
_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {**_header("RFC 6750."), "required": True}},
    403: {"WWW-Authenticate": {**_header("RFC 6750, with the scopes that are needed."), "required": True}},
    429: {"Retry-After": {**_SECONDS, "required": True}},
    503: {"Retry-After": {**_SECONDS, "required": True}},
}


def body(name: str, example: Mapping[str, Any], model: type[BaseModel] | None = None) -> dict[str, Any]:
    """Give what a route says of its body: a schema by its name, and an example."""
    if model is not None:
        BODIES[name] = model
    content = {"schema": {"$ref": f"#/components/schemas/{name}"}, "example": dict(example)}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def describe(api: FastAPI) -> Callable[[], dict[str, Any]]:
    """Give the function that describes an application, once."""

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            api.openapi_schema = _described(api)
        return api.openapi_schema

    return openapi


def _described(api: FastAPI) -> dict[str, Any]:
    found = get_openapi(
        title=api.title,
        version=api.version,
        openapi_version="3.1.0",
        description=_ABOUT,
        routes=api.routes,
        servers=[{"url": "/api/v1"}],
        tags=[
            {"name": "catalogue", "description": "Tools and their comparisons."},
            {"name": "subscribers", "description": "Who gets the newsletter, and who must not."},
            {"name": "issues", "description": "What was, is being and will be mailed."},
            {"name": "stats", "description": "Figures."},
        ],
    )
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    models: dict[str, type[BaseModel]] = {"Problem": Problem, **BODIES}
    for name, model in models.items():
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}", mode="validation")
        schemas.update(schema.pop("$defs", {}))
        schemas[name] = schema
    for name, schema in _catalogue().items():
        schemas[name] = schema
    # What FastAPI itself would answer; our own problems stand in its place.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    found["components"]["schemas"] = dict(sorted(schemas.items()))
    return found


def _catalogue() -> dict[str, Any]:
    """Give the schema that `digest import` publishes, under the names it has here."""
    published = records.schema()
    whole = {name: published[name] for name in ("description", "type", "properties", "additionalProperties")}
    named = {"Catalogue": whole, "PutComparison": _PUT_COMPARISON}
    named |= {f"Catalogue{name.title()}": schema for name, schema in published["$defs"].items()}
    found = copy.deepcopy(named)
    _point_anew(found)
    return found


def _point_anew(schema: Any) -> None:
    if isinstance(schema, dict):
        # Some parts stand in two places; once is enough.
        if isinstance(target := schema.get("$ref"), str) and target.startswith("#/$defs/"):
            schema["$ref"] = f"#/components/schemas/Catalogue{target.rpartition('/')[2].title()}"
        for part in schema.values():
            _point_anew(part)
    elif isinstance(schema, list):
        for part in schema:
            _point_anew(part)
