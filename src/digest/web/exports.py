"""Tables to take along: rows as CSV and as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, is_dataclass
from types import UnionType
from typing import Any, Literal, get_args, get_type_hints

from fastapi.responses import JSONResponse, Response

from digest.audience.reading import FORMULA
from digest.web.readers import OWN

Form = Literal["csv", "json"]


def answer(name: str, form: Form, rows: Iterable[Any], kind: type) -> Response:
    """Answer with a table as a file of this name; its rows are of a dataclass, which gives the columns."""
    found = [asdict(row) for row in rows]
    headers = {**OWN, "Content-Disposition": f'attachment; filename="{name}.{form}"'}
    if form == "json":
        return JSONResponse(found, headers=headers)
    return Response(as_csv(columns_of(kind), found), 200, headers, "text/csv; charset=utf-8; header=present")


def whole(name: str, found: Mapping[str, Any]) -> Response:
    """Answer with a whole report as JSON."""
    return JSONResponse(found, headers={**OWN, "Content-Disposition": f'attachment; filename="{name}.json"'})


def as_csv(columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Write rows; what is a figure within a figure has both names: ``rates_clicked_value``."""
    columns = list(columns)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="", extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _unarmed(value) for name, value in flat(row).items()})
    return text.getvalue()


def columns_of(kind: type) -> list[str]:
    """Give the columns of a dataclass, those of what is in it too, so that an empty table has its head."""
    hints, found = get_type_hints(kind), []
    for field in fields(kind):
        hint = hints[field.name]
        parts = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        inner = next((part for part in parts if is_dataclass(part)), None)
        if isinstance(inner, type):
            found += [f"{field.name}_{name}" for name in columns_of(inner)]
        else:
            found.append(field.name)
    return found


def flat(row: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Give a row without rows in it; of a list, what its members are called."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{before}{name}_")
        elif isinstance(value, list | tuple):
            found[before + name] = "; ".join(
                str(one.get("name", one)) if isinstance(one, dict) else str(one) for one in value
            )
        else:
            found[before + name] = value
    return found


def _unarmed(value: object) -> object:
    """Keep a spreadsheet from running a text as a formula (OWASP, “CSV Injection”)."""
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value
