"""Forms as browsers post them: read whole, with limits, in clean UTF-8."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from digest.errors import InputError

FIELDS = 200
"""Fields a form may have: the longest is that of the topics."""

FILES = 20
"""Files a form of the desk may have."""


class Form(Mapping[str, str]):
    """The fields of a form. A name that comes twice gives its first value; `all_of` gives all.

    `files` are those that came with it, in their order, where it may have any.
    """

    def __init__(self, pairs: list[tuple[str, str]], files: list[UploadFile] | None = None) -> None:
        self._pairs = pairs
        self._first = dict(reversed(pairs))
        self.files = files or []

    def __getitem__(self, name: str) -> str:
        return self._first[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._first)

    def __len__(self) -> int:
        return len(self._first)

    def text(self, name: str, *, longest: int = 1_000) -> str:
        """Give a field without the spaces around it; an empty text where it is missing.

        Raises:
            InputError: it is too long.
        """
        value = self._first.get(name, "").strip()
        if len(value) > longest:
            raise InputError(f"it has {len(value)} characters, more than the {longest} it may have", field=name)
        return value

    def all_of(self, name: str) -> list[str]:
        """Give all values of a name, in their order."""
        return [value for found, value in self._pairs if found == name]


async def read_form(request: Request) -> Form:
    """Read a posted form, URL-encoded or multipart (RFC 8058 allows both); an empty body is an empty form.

    Raises:
        InputError: another kind of body, not UTF-8, control characters, too many fields, a file.
    """
    return await _read(request, files=0)


async def read_form_with_files(request: Request) -> Form:
    """Read a posted form that may have files, which lie on the disk where they are large.

    Raises:
        InputError: as `read_form`, or more than `FILES` files.
    """
    return await _read(request, files=FILES)


async def _read(request: Request, *, files: int) -> Form:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        pairs, found = await _multipart(request, files)
    elif kind in ("application/x-www-form-urlencoded", ""):
        pairs, found = _urlencoded(await request.body()), []
    else:
        raise InputError(f"a form cannot be sent as {kind[:60]!r}; send application/x-www-form-urlencoded")
    for name, value in pairs:
        if any((character < " " and character not in "\t\r\n") or character == "\x7f" for character in name + value):
            raise InputError("it has control characters in it", field=name[:40] if name.isprintable() else None)
    return Form(pairs, found)


Posted = Annotated[Form, Depends(read_form)]
"""What a route that takes a form asks for."""


def _urlencoded(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode("ascii"), keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=FIELDS
        )
    except UnicodeDecodeError:
        raise InputError("the form is not UTF-8") from None
    except ValueError:
        raise InputError(f"the form has more than {FIELDS} fields, or is none") from None


async def _multipart(request: Request, files: int) -> tuple[list[tuple[str, str]], list[UploadFile]]:
    try:
        form = await MultiPartParser(request.headers, request.stream(), max_files=files, max_fields=FIELDS).parse()
    except (MultiPartException, UnicodeDecodeError, KeyError) as error:
        raise InputError(f"the form cannot be read: {str(error)[:100]}") from None
    pairs = [(name, value) for name, value in form.multi_items() if not isinstance(value, UploadFile)]
    if any("\N{REPLACEMENT CHARACTER}" in name + value for name, value in pairs):
        raise InputError("the form is not UTF-8")
    return pairs, [value for _, value in form.multi_items() if isinstance(value, UploadFile) and value.filename]
