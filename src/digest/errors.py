"""What can go wrong, in one small tree.

Each message says what happened, to what, and what the person can do about it; the command line prints it in
one line and the web shows it on the page.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DigestError(Exception):
    """Something the person at the keyboard can understand and mend."""


class SettingsError(DigestError):
    """A setting has a wrong name or a wrong value."""


class StoreError(DigestError):
    """The SQLite file cannot be opened, read or written as it should."""


class NotFoundError(DigestError):
    """What was named is not in the store."""


class StateError(DigestError):
    """What was asked does not fit the state the thing is in."""


class InputError(DigestError):
    """Something given to us cannot be read.

    `str()` of it names the file, the line and the field as far as they are known:
    ``tools.json:12: entry: 'payed' is not one of free, freemium, paid; did you mean 'paid'?``
    `more` are further errors of the same file, where they were looked for; `pointer` is the JSON pointer (RFC 6901)
    of the trouble, where it came in a JSON document.
    """

    def __init__(
        self, message: str, *, file: str | None = None, line: int | None = None, field: str | None = None
    ) -> None:
        self.message, self.file, self.line, self.field = message, file, line, field
        self.more: tuple[InputError, ...] = ()
        self.pointer: str | None = None
        where = f"{file or 'input'}:{line}" if line is not None else file
        super().__init__(": ".join(part for part in (where, field, message) if part))


class UnknownReferenceError(InputError):
    """A record names a tool or a reviewer that neither the store nor this import has (yet)."""


def nearest(wrong: str, right: Iterable[str]) -> str:
    """Give ``; did you mean 'paid'?`` for the likeliest of `right`, or nothing where none comes near."""
    by_key = {candidate.casefold(): candidate for candidate in right}
    found = difflib.get_close_matches(wrong.casefold(), by_key, n=1, cutoff=0.6)
    return f"; did you mean {by_key[found[0]]!r}?" if found else ""
