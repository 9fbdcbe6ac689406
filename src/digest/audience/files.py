"""The files readers are moved in with: CSV in the encoding of its program, alone or in the ZIP a service gives."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from digest.audience import services
from digest.audience.services import OWN, Service
from digest.errors import InputError
from digest.tables import encoding_of, read_table


def lists_in(
    file: str,
    binary: io.BufferedReader[Any],
    service: Service | None,
    *,
    note: Callable[[str], None] = lambda said: None,
    largest: int | None = None,
) -> Iterator[tuple[str, io.TextIOWrapper]]:
    """Give the lists of readers in a file, each with its name: the file itself, or what is in it where it is a ZIP.

    Args:
        file: its name.
        binary: what is in it.
        service: whose export it is, where that is said.
        note: told which tables of a ZIP are passed over.
        largest: bytes that a ZIP may have in it; it is not asked on the command line.

    Raises:
        InputError: it is a ZIP that cannot be read, has no list in it, or too large ones.
    """
    if binary.peek(4).startswith(b"PK\x03\x04"):
        for name, text in _in_zip(file, binary, service, note, largest):
            yield f"{file}/{name}", text
    else:
        with text_of(binary) as text:
            yield file, text


@contextmanager
def text_of(binary: io.BufferedReader[Any]) -> Iterator[io.TextIOWrapper]:
    """Give a file's text; a byte that is not UTF-8 costs its row, not the file."""
    with io.TextIOWrapper(binary, encoding=encoding_of(binary.peek(2)), errors="surrogateescape", newline="") as text:
        yield text


def _in_zip(
    file: str, binary: IO[bytes], service: Service | None, note: Callable[[str], None], largest: int | None
) -> Iterator[tuple[str, io.TextIOWrapper]]:
    """Give the lists of readers in a ZIP, and say which other tables were passed over.

    A service's ZIP has tables of other things, some with addresses in them, such as who opened a mail: only what has
    the shape of a list of readers is one.
    """
    try:
        with zipfile.ZipFile(binary) as archive:
            tables = [one for one in archive.infolist() if one.filename.lower().endswith(".csv")]
            if largest is not None and sum(one.file_size for one in tables) > largest:
                raise InputError("is a ZIP with more in it than can be imported here; unpack it", file=file)
            names = [one.filename for one in tables]
            lists = [name for name in names if service or len(names) == 1 or _is_list(archive, name)]
            for name in names:
                if name not in lists:
                    note(f"{file}/{name} is no list of readers that is known here, and is passed over")
            if not lists:
                raise InputError("has no list of readers in it; unpack it and import the file that is one", file=file)
            for name in lists:
                with archive.open(name) as opened, text_of(io.BufferedReader(opened)) as text:  # type: ignore[type-var,arg-type,unused-ignore]
                    yield name, text
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise InputError(f"is a ZIP that cannot be read: {error}", file=file) from None


def _is_list(archive: zipfile.ZipFile, name: str) -> bool:
    with archive.open(name) as opened, text_of(io.BufferedReader(opened)) as text:  # type: ignore[type-var,arg-type,unused-ignore]
        header = next(read_table([text.readline(100_000)], longest=10_000), [])
    found = services.service_of(name, [cell.strip().casefold().replace(" ", "_") for cell in header])
    return found is not OWN or {"state", "suppressed"} <= set(header)
