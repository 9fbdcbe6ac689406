"""Records: what every file format is read into, each knowing where it stood."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, Literal, cast

from json_source_map import handle
from json_source_map.types import Location
from jsonschema import Draft202012Validator, ValidationError, validators
from jsonschema.exceptions import best_match

from digest.errors import InputError, nearest

Kind = Literal["reviewer", "tool", "review", "comparison", "vote"]
KINDS: tuple[Kind, ...] = ("reviewer", "tool", "review", "comparison", "vote")
SCHEMA_FILE = files("digest.catalogue") / "catalogue.schema.json"

# Control characters (a terminal obeys some), half surrogate pairs, and the two that turn what follows around.
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202d\u202e\ud800-\udfff]")


@dataclass
class Source:
    """A text that records were read from, and the way from a place in it to a line."""

    file: str
    text: str = field(repr=False)
    has_lines: bool = True
    """Whether lines are any use: not in the body of a call, of which nobody has a file."""

    @cached_property
    def _entries(self) -> list[tuple[str, Any]]:
        # Slow (about 1 MB/s), so only for a file that has an error to show. Not `calculate`, which drops repeated
        # keys and cannot read a number of more digits than Python takes.
        return cast("list[tuple[str, Any]]", handle.value(source=self.text, current_location=Location(0, 0, 0)))

    @cached_property
    def _map(self) -> Mapping[str, Any]:
        return dict(self._entries)

    def line_of(self, pointer: str) -> int | None:
        """Give the line, from 1, of a JSON pointer, or of the nearest thing around it."""
        if not self.has_lines:
            return None
        while pointer and pointer not in self._map:
            pointer = pointer.rpartition("/")[0]
        entry = self._map.get(pointer)
        if entry is None:
            return None
        start = entry.value_start if entry.key_start is None else entry.key_start
        return int(start.line) + 1

    def line_of_repeat(self, key: str) -> int | None:
        """Give the line, from 1, where a key stands for the second time in one JSON object."""
        seen = set()
        for pointer, entry in self._entries:
            if pointer in seen and pointer.endswith(f"/{key}"):
                return int(entry.key_start.line) + 1
            seen.add(pointer)
        return None


@dataclass(frozen=True)
class Record:
    """One thing of the catalogue as a file states it; a field that is not in `data` is not stated.

    `at` is its line, or its JSON pointer in `source`. `lines` gives the line of single fields where the
    format knows them.
    """

    kind: Kind
    data: Mapping[str, Any]
    source: Source
    at: int | str
    lines: Mapping[str, int] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Where it stands, for a person: a line, or where there are none the pointer."""
        line = self.error("").line if isinstance(self.at, int) or self.source.has_lines else None
        return f"line {line}" if line else str(self.at)

    def error(self, message: str, field: str | None = None, kind: type[InputError] = InputError) -> InputError:
        """Make an error that names this record's file and line."""
        if isinstance(self.at, int):
            return kind(message, file=self.source.file, line=self.lines.get(field or "", self.at), field=field)
        pointer = f"{self.at}/{field.replace('.', '/')}" if field else self.at
        error = kind(message, file=self.source.file, line=self.source.line_of(pointer) or 1, field=field)
        error.pointer = pointer
        return error


@cache
def schema() -> dict[str, Any]:
    """Give the published JSON Schema of a catalogue."""
    return cast("dict[str, Any]", json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))


def whole_number(digits: str) -> int | float:
    """Read digits. Python reads no number of thousands of them: what is too long for any field comes as a float."""
    return int(digits) if len(digits) <= 18 else float(digits)


def _min_length(_: Any, least: int, value: Any, __: Any) -> Iterator[ValidationError]:
    # A text of nothing but spaces is as empty as one of nothing.
    if isinstance(value, str) and len(value.strip()) < least:
        yield ValidationError(f"{value!r} is too short")


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    # In Python alone, `$` also stands before a line end at the end.
    if isinstance(value, str) and not re.fullmatch(pattern, value):
        yield ValidationError(f"{value!r} does not match")


_Validator = validators.extend(Draft202012Validator, {"minLength": _min_length, "pattern": _pattern})  # type: ignore[no-untyped-call]


@cache
def _validator(kind: Kind) -> Any:
    return _Validator({"$ref": f"#/$defs/{kind}", "$defs": schema()["$defs"]})


def problem_of(record: Record) -> InputError | None:
    """Hold a record against the JSON Schema; give the first thing that is wrong, with file, line and field."""
    error = best_match(_validator(record.kind).iter_errors(record.data))
    if error is not None:
        field, message = _in_words(error)
        return record.error(message, field)
    for name, text in _texts(record.data):
        if found := _NO_TEXT.search(text):
            return record.error(f"has the character U+{ord(found[0]):04X}, which belongs in no text", name)
    return None


def _texts(value: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """Give every text in a record with the dotted name of its field."""
    if isinstance(value, str):
        yield field, value
    elif isinstance(value, Mapping | list):
        for name, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _texts(item, f"{field}.{name}" if field else str(name))


def _in_words(error: ValidationError) -> tuple[str | None, str]:
    """Say what a schema error means, and in which field."""
    field = ".".join(str(part) for part in error.absolute_path)
    value: Any = error.instance
    limit: Any = error.validator_value
    match error.validator:
        case "additionalProperties":
            allowed = error.schema["properties"] if isinstance(error.schema, dict) else {}
            wrong = next(key for key in value if key not in allowed)
            prefix = f"{field}." if field else ""
            # Half a surrogate pair, which JSON can write, could not be printed.
            shown = wrong.encode("utf-8", "backslashreplace").decode()
            return prefix + shown, "there is no such field" + (
                nearest(wrong, allowed) or f"; the fields are {', '.join(allowed)}"
            )
        case "required":
            missing = next(key for key in limit if key not in value)
            return (f"{field}." if field else "") + missing, "is missing"
        case "enum":
            choices = [choice for choice in limit if choice is not None]
            return field, f"{value!r} is not one of {', '.join(choices)}{nearest(str(value), choices)}"
        case "type":
            wanted: list[str] = limit if isinstance(limit, list) else [limit]
            names = {"string": "text", "integer": "a whole number", "array": "a list", "object": "an object"}
            return field or None, f"{value!r} is not {' or '.join(names.get(w, w) for w in wanted if w != 'null')}"
        case "minLength":
            return field, "is empty"
        case "maxLength":
            return field, f"has {len(value)} characters; {limit} is the most"
        case "minimum" | "maximum":
            return (
                field,
                f"{value} is out of range; it goes from {_bound(error, 'minimum')} to {_bound(error, 'maximum')}",
            )
        case "pattern":
            examples: list[str] = error.schema.get("examples", []) if isinstance(error.schema, dict) else []
            return field, f"{value!r} does not fit; write it like {' or '.join(examples)}"
        case _:
            return field or None, error.message


def _bound(error: ValidationError, name: str) -> Any:
    return error.schema.get(name, "…") if isinstance(error.schema, dict) else "…"
