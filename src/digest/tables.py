"""Tables as people save them: CSV with the separator of their country, in the encoding of their program."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Protocol


class Table(Protocol):
    """Rows of cells, and how many lines of text they took so far: what `csv.reader` gives."""

    @property
    def line_num(self) -> int: ...  # noqa: D102
    def __iter__(self) -> Iterator[list[str]]: ...
    def __next__(self) -> list[str]: ...


def read_table(lines: Iterable[str], *, longest: int) -> Table:
    """Read a table row by row, with cells of up to `longest` characters.

    Strict: an open quotation mark is an error, where it would else swallow the rest of the file without a word.
    """
    csv.field_size_limit(longest)
    rest = iter(lines)
    header = next(rest, "")
    return csv.reader(chain([header], rest), strict=True, delimiter=delimiter_of(header))


def not_a_table(error: csv.Error) -> str:
    """Say what is wrong with a table in words that help."""
    if "end of data" in str(error):
        return "a quotation mark opens here and never closes, so the rest of the file cannot be read"
    if "field limit" in str(error):
        return "a quotation mark opens here and closes too far on, or a cell is far too long"
    return f"is not CSV: {error}"


def delimiter_of(header: str) -> str:
    """Tell what stands between the cells: a comma, or the semicolon or tab that Excel writes in some countries."""
    return max((",", ";", "\t"), key=header.count)


def encoding_of(start: bytes) -> str:
    """Tell a text's encoding by its first bytes: UTF-16, as Excel's "Unicode text" has it, or else UTF-8."""
    return "utf-16" if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
