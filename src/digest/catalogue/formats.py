"""The formats a catalogue comes in: JSON, JSON Lines, CSV and the text of a comparison page."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Any, Literal

from digest.catalogue.page import read_page
from digest.catalogue.records import KINDS, Kind, Record, Source, problem_of, schema, whole_number
from digest.errors import InputError, nearest
from digest.tables import delimiter_of, encoding_of, not_a_table, read_table

Format = Literal["json", "jsonl", "csv", "page"]
FORMATS: tuple[Format, ...] = ("json", "jsonl", "csv", "page")
LONGEST_CELL = 1_000_000
"""Characters in a cell of a table: far more than any field may have, so that the field's own limit is named."""
SUFFIXES: dict[str, Format] = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".txt": "page",
}
_LISTS = {f"{kind}s": kind for kind in KINDS}
_WHOLE_NUMBERS = ("panel_ship", "community", "position")


def read(file: str, content: bytes, format: Format | None = None) -> list[Record]:  # noqa: A002
    """Read a file's content into valid records.

    Args:
        file: its name, for errors and for telling the format by its ending.
        content: its bytes, UTF-8 with or without a byte order mark, or UTF-16 with one.
        format: what it is, where its name does not say so.

    Raises:
        InputError: the first thing that is wrong, with file, line and field; in `more` what else is.
    """
    source = Source(file, _decoded(file, content))
    found = format or SUFFIXES.get(PurePath(file).suffix.lower()) or _sniffed(source.text)
    reader = {"json": _json, "jsonl": _json_lines, "csv": _csv, "page": read_page}[found]
    return valid(lambda: reader(source), file)


def valid(records: Callable[[], Iterator[Record]], file: str) -> list[Record]:
    """Give the records of a file if every one of them is as the schema has it.

    Raises:
        InputError: the first thing that is wrong; in `more` what else is.
    """
    try:
        found = list(records())
        errors = [error for record in found if (error := problem_of(record))]
    except RecursionError:
        raise InputError("is nested too deeply to be a catalogue", file=file) from None
    if errors:
        errors[0].more = tuple(errors[1:])
        raise errors[0]
    return found


def _decoded(file: str, content: bytes) -> str:
    try:
        text = content.decode(encoding_of(content))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"the byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8", file=file, line=line
        ) from None
    if not text.strip():
        raise InputError("is empty", file=file)
    return text


def _sniffed(text: str) -> Format:
    """Tell the format of a nameless text, such as standard input, by how it begins."""
    start = text.lstrip()
    if start.startswith("{"):
        first = start.splitlines()[0]
        try:
            return "jsonl" if "type" in json.loads(first) else "json"
        except (ValueError, RecursionError):
            return "json"
    if start.startswith("["):
        return "json"
    header = {cell.strip(' "').casefold() for cell in start.splitlines()[0].split(delimiter_of(start.splitlines()[0]))}
    return "csv" if header & {"name", "tool", "left"} and len(header) > 1 else "page"


def _json(source: Source) -> Iterator[Record]:
    return records_of(_parsed(source.text, source), source)


def records_of(document: Any, source: Source) -> Iterator[Record]:
    """Give the records of a JSON document that was read already; they are not held against the schema yet.

    Raises:
        InputError: it is not made of lists of objects.
    """
    if not isinstance(document, dict):
        raise InputError("the document must be an object with lists such as tools", file=source.file, line=1)
    for name, items in document.items():
        whole = Record("tool", {}, source, f"/{name}")
        if name not in _LISTS:
            hint = nearest(name, _LISTS) or f"; there are {', '.join(_LISTS)}"
            raise whole.error(f"there is no list {name!r}{hint}")
        if not isinstance(items, list):
            raise whole.error(f"{name} is not a list")
        for index, item in enumerate(items):
            yield _record(_LISTS[name], item, source, f"/{name}/{index}")


def _json_lines(source: Source) -> Iterator[Record]:
    for number, line in enumerate(source.text.split("\n"), 1):
        if not line.strip():
            continue
        item = _parsed(line, source, number)
        kind = item.get("type") if isinstance(item, dict) else None
        if kind not in KINDS:
            hint = nearest(str(kind), KINDS) if kind is not None else ""
            raise InputError(
                f"every line is an object with a type of {', '.join(KINDS)}{hint}",
                file=source.file,
                line=number,
                field="type",
            )
        yield _record(kind, item, source, number)


def _record(kind: Kind, item: Any, source: Source, at: int | str) -> Record:
    record = Record(kind, item if isinstance(item, dict) else {}, source, at)
    if not isinstance(item, dict):
        raise record.error(f"{item!r} is not an object")
    return record


def _parsed(text: str, source: Source, line: int | None = None) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_without_repeats, parse_int=whole_number)
    except json.JSONDecodeError as error:
        raise InputError(
            f"is not JSON: {error.msg} (column {error.colno})", file=source.file, line=line or error.lineno
        ) from None
    except _RepeatedKeyError as error:
        key = str(error)
        raise InputError(
            f"the key {key!r} stands twice in one object", file=source.file, line=line or source.line_of_repeat(key)
        ) from None
    except RecursionError:
        raise InputError("is nested too deeply to be a catalogue", file=source.file, line=line) from None


class _RepeatedKeyError(Exception):
    """Its text is the key."""


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _RepeatedKeyError(next(name for name in names if names.count(name) > 1))
    return found


def _csv(source: Source) -> Iterator[Record]:
    reader = read_table(io.StringIO(source.text, newline=""), longest=LONGEST_CELL)
    start = 1
    try:
        header = [cell.strip().casefold().replace(" ", "_") for cell in next(reader)]
        kind = _kind_of_table(header, source)
        start = reader.line_num + 1
        for row in reader:
            if any(cell.strip() for cell in row):
                yield _row(kind, header, row, source, start)
            start = reader.line_num + 1
    except csv.Error as error:
        # A quote that is not closed runs to the end of the file; what is wrong is the row it opens in.
        line = reader.line_num if "expected after" in str(error) else start
        raise InputError(not_a_table(error), file=source.file, line=line) from None


def _kind_of_table(header: list[str], source: Source) -> Kind:
    """Tell what a table holds by its columns."""
    if "voter" in header:
        kind: Kind = "vote"
    elif "quote" in header or "reviewer" in header:
        kind = "review"
    elif "left" in header or "right" in header:
        kind = "comparison"
    elif "stance" in header:
        kind = "reviewer"
    elif "name" in header:
        kind = "tool"
    else:
        raise InputError(
            "the first line must name the columns; a table of tools has at least name, one of reviews has "
            "tool, reviewer, verdict and quote",
            file=source.file,
            line=1,
        )
    definition = schema()["$defs"][kind]
    allowed = [name for name in definition["properties"] if name not in ("type", "reviews")]
    for name in header:
        if name not in allowed:
            hint = nearest(name, allowed) or f"; a table of {kind}s has {', '.join(allowed)}"
            raise InputError(f"there is no such column{hint}", file=source.file, line=1, field=name)
    if repeated := {name for name in header if header.count(name) > 1}:
        raise InputError("the column stands twice", file=source.file, line=1, field=min(repeated))
    for name in definition["required"]:
        if name not in header:
            raise InputError(f"a table of {kind}s needs this column", file=source.file, line=1, field=name)
    return kind


def _row(kind: Kind, header: list[str], row: list[str], source: Source, line: int) -> Record:
    if len(row) != len(header):
        raise InputError(
            f"has {len(row)} cells where the header has {len(header)}; text with a comma goes in quotes",
            file=source.file,
            line=line,
        )
    cells = zip(header, (cell.strip() for cell in row), strict=True)
    # An empty cell states nothing, as a field that is left out of JSON.
    data: dict[str, Any] = {name: cell for name, cell in cells if cell}
    record = Record(kind, data, source, line)
    for name in _WHOLE_NUMBERS:
        if name in data:
            figure = data[name].removesuffix("%").strip()
            if not figure.isascii() or not figure.isdigit():
                raise record.error(f"{data[name]!r} is not a whole number", name)
            data[name] = whole_number(figure)
    for name in ("verdict", "entry"):
        if name in data:
            data[name] = data[name].casefold()
    return record
