"""Reading readers out of CSV: our own shape, and what other services export.

One pass, a row at a time: what a file weighs does not matter. The common row is read without the validators.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from digest import times
from digest.audience.addresses import plain_key, read_address, read_name, read_timezone
from digest.audience.services import BOUNCED, COMPLAINED, LEFT, OWN, Field, Service, Standing, complained, service_of
from digest.audience.subscribers import REASONS, STATES
from digest.errors import InputError, nearest
from digest.tables import Table, not_a_table, read_table

LONGEST_CELL = 10_000
"""Characters in a cell: a quotation mark that is never closed costs no more than that of the file."""

TOLD = 1_000
"""How many of a kind of trouble are told one by one: what is kept of a file must not grow with it."""

FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""What a spreadsheet would run, or a ' before it that keeps it from that (OWASP, "CSV Injection")."""

_NOT_UTF8 = re.compile(r"[\ud800-\udfff]")
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?)?(?:Z| ?([+-]\d\d):?(\d\d))?(?: [A-Z]{3,5})?"
)
_OLDEST = datetime(1990, 1, 1, tzinfo=UTC)

Item = TypeVar("Item")


class Told(list[Item]):
    """The first of a kind of trouble; `total` is how many there were in all."""

    total = 0

    def tell(self, item: Item) -> None:
        """Count one, and keep it where not too many are kept already."""
        self.total += 1
        if len(self) < TOLD:
            self.append(item)


@dataclass
class Troubles:
    """What was not taken from a file. `kept_out` are rows whose readers its service does not mail either."""

    rejected: Told[InputError] = field(default_factory=Told)
    kept_out: Told[str] = field(default_factory=Told)
    unused_values: Told[str] = field(default_factory=Told)


Row = tuple[int | str | None, ...]
"""Place, key, address where it is spelled otherwise, name, state, and why the address must not be mailed. Of a file
that `has_more`: time zone, when they came, topics with spaces between them, and until when they want no mail."""

_SIGNS: tuple[Field, ...] = ("state", "suppressed", "why_left", "left_at", "bounced_at")


class Export:
    """One file of readers, its header read: whose shape it has, and which columns are used."""

    def __init__(self, file: str, lines: Iterable[str], troubles: Troubles, service: Service | None = None) -> None:
        """Read the header.

        Args:
            file: the file's name, for what is told and for what it says itself.
            lines: its text, line by line; what is not UTF-8 comes as lone surrogates (`errors="surrogateescape"`).
            troubles: where what is not taken is told.
            service: whose shape it has; found out from its header where it is not given.

        Raises:
            InputError: there is no column of addresses.
        """
        self.file, self._troubles = file, troubles
        self._table: Table = read_table(lines, longest=LONGEST_CELL)
        header = self._header()
        self.width = len(header)
        self.service = service or service_of(file, header)
        self.columns, self._at = _columns(self.service, header)
        self.unused_columns = [name for name in header if name and name not in self.columns]
        if "email" not in self._at:
            if any(_NOT_UTF8.search(name) for name in header):
                raise InputError("is not UTF-8; save it as UTF-8", file=file, line=1)
            wanted = self.service.columns["email"][0]
            hint = next((nearest(name, [wanted]) for name in header if nearest(name, [wanted])), "")
            raise InputError(f"the first line must name the columns, one of them {wanted}{hint}", file=file, line=1)
        self._status = self.service.status_of_file(file, header)
        self.has_more = any(name in self._at for name in ("timezone", "created_at", "topics", "paused_until"))
        self._standings: dict[str | tuple[str, ...], Standing] = {}

    def rows(self, now: datetime, *, first_place: int = 0) -> Iterator[Row]:
        """Give the good rows, `first_place` lines further on than they are; tell of the others."""
        reader, width = self._table, self.width
        email_at, name_at, status_at = self._at["email"][0], self._whole_name_at(), self._status_at()
        standings, has_more = self._standings, self.has_more
        line = reader.line_num + 1
        while True:
            try:
                for cells in reader:
                    try:
                        if len(cells) != width:
                            self._fit(cells)
                        email = cells[email_at]
                        key = plain_key(email)
                        if key or any(cell.strip() for cell in cells):
                            if key is None:
                                address = read_address(self._text(email))
                                email, key = address.email, address.key
                            # There are few different statuses in a file, so each is worked out once.
                            status = cells[status_at] if status_at is not None else self._signs(cells)
                            standing = standings.get(status)
                            if standing is None:
                                standing = self._standing(cells)
                                if len(standings) < TOLD:
                                    standings[status] = standing
                            if standing.state is None:
                                self._left_out(email, cells, line)
                            else:
                                written = cells[name_at] if name_at is not None else "'"
                                name = read_name(written) if written and written[0] != "'" else None
                                if written and name is None:
                                    name = self._name(cells, line)
                                spelling = None if email == key else email
                                row = (first_place + line, key, spelling, name, standing.state, standing.bar)
                                yield (*row, *self._more(cells, line, now)) if has_more else row
                    except InputError as error:
                        self._reject(error, line)
                    line = reader.line_num + 1
                return
            except csv.Error as error:
                self._reject(InputError(not_a_table(error)), line)
                line = reader.line_num + 1

    def _header(self) -> list[str]:
        try:
            cells = next(self._table, [])
        except csv.Error as error:
            raise InputError(not_a_table(error), file=self.file, line=1) from None
        return [cell.strip().lstrip("\ufeff").casefold().replace(" ", "_") for cell in cells]

    def _reject(self, error: InputError, line: int) -> None:
        self._troubles.rejected.tell(InputError(error.message, file=self.file, line=line, field=error.field))

    def _fit(self, cells: list[str]) -> None:
        """Give a row as many cells as the header has.

        Raises:
            InputError: it has more, with something in them.
        """
        if any(cells[self.width :]):
            raise InputError(
                f"has {len(cells)} cells where the header has {self.width}; text with a separator in it goes in quotes"
            )
        cells += [""] * (self.width - len(cells))

    def _cell(self, cells: list[str], name: Field) -> str:
        """Give the first of the columns of a name that has something in it."""
        for index in self._at.get(name, ()):
            if value := cells[index].strip():
                return self._text(value)
        return ""

    def _text(self, value: str) -> str:
        """Give what a cell says, without the ' that keeps a spreadsheet from running it.

        Raises:
            InputError: it is not UTF-8.
        """
        if not value.isascii() and _NOT_UTF8.search(value):
            raise InputError("is not UTF-8; save the file as UTF-8")
        value = value.strip()
        return value[1:] if value.startswith("'") and FORMULA.match(value) else value

    def _whole_name_at(self) -> int | None:
        """Give where names stand, where one column has them whole and no other has parts of them."""
        parts = self._at.get("first_name", ()) + self._at.get("last_name", ())
        return self._at["name"][0] if "name" in self._at and not parts else None

    def _name(self, cells: list[str], line: int) -> str | None:
        parts = (self._cell(cells, "first_name"), self._cell(cells, "last_name"))
        written = self._cell(cells, "name") or " ".join(part for part in parts if part)
        name = read_name(written)
        if written and name is None:
            self._unused(line, f"{written!r} is no name to greet with")
        return name

    def _unused(self, line: int, what: str) -> None:
        self._troubles.unused_values.tell(f"{self.file}:{line}: {what}, and is not used")

    def _left_out(self, email: str, cells: list[str], line: int) -> None:
        status = self._cell(cells, "state") or self._status
        self._troubles.kept_out.tell(f"{self.file}:{line}: {email} stays out ({status} at {self.service.name})")

    def _more(
        self, cells: list[str], line: int, now: datetime
    ) -> tuple[str | None, str | None, str | None, str | None]:
        zone, written = None, self._cell(cells, "timezone")
        if written and (zone := read_timezone(written)) is None:
            self._unused(line, f"{written!r} is no time zone")
        came, written = None, self._cell(cells, "created_at")
        if written:
            moment = read_moment(written)
            if moment is None or not _OLDEST <= moment <= now:
                self._unused(line, f"{written!r} is no time at which somebody can have come")
            else:
                came = times.to_text(moment)
        paused, written = None, self._cell(cells, "paused_until")
        if written:
            moment = read_moment(written)
            if moment is None:
                self._unused(line, f"{written!r} is no time")
            elif moment > now:
                paused = times.to_text(moment)
        topics = " ".join(sorted(set(re.split(r"[\s,;]+", self._cell(cells, "topics"))) - {""})) or None
        return zone, came, topics, paused

    def _status_at(self) -> int | None:
        """Give where the status stands, where one column has all of it."""
        at = [index for name in _SIGNS for index in self._at.get(name, ())]
        return at[0] if len(at) == 1 and "state" in self._at else None

    def _signs(self, cells: list[str]) -> tuple[str, ...]:
        """Give what a row says of its reader's standing; of dates only that there is one."""
        words = [self._cell(cells, name) for name in ("state", "suppressed", "why_left")]
        return (*words, *("x" if self._cell(cells, name) else "" for name in ("left_at", "bounced_at")))

    def _standing(self, cells: list[str]) -> Standing:
        """Work out what a row's reader is here; what speaks against mailing them counts.

        Raises:
            InputError: a status that is none of the service's.
        """
        service = self.service
        written = (self._cell(cells, "state") or self._status).casefold()
        found = service.statuses.get(written) or service.statuses.get(written.replace("_", " "))
        if found is None:
            if service is OWN:
                raise _not_one_of(written, STATES, "state")
            known = [status for status in service.statuses if status]
            problem = f"{written!r} is no status of {service.name} that is known here ({', '.join(known)})"
            raise InputError(problem + nearest(written, known), field="state")
        if found.bar is None and self._cell(cells, "bounced_at"):
            found = BOUNCED
        if found.bar is None and found.state is not None and self._cell(cells, "left_at"):
            found = LEFT
        if found == LEFT and complained(self._cell(cells, "why_left")):
            found = COMPLAINED
        if reason := self._cell(cells, "suppressed").casefold():
            bar = next((known for known in REASONS if known == reason), None)
            if bar is None:
                raise _not_one_of(reason, REASONS, "suppressed")
            found = Standing(found.state, bar)
        return found


def _columns(service: Service, header: list[str]) -> tuple[dict[str, Field], dict[Field, tuple[int, ...]]]:
    """Find a service's columns: what each used one tells, and where each thing is told, likeliest first."""
    at: dict[Field, tuple[int, ...]] = {}
    for name, columns in service.columns.items():
        found = tuple(header.index(column) for column in columns if column in header)
        if found:
            at[name] = found if name in ("created_at", "left_at", "bounced_at") else found[:1]
    return {header[index]: name for name, places in at.items() for index in places}, at


def _not_one_of(word: str, choices: tuple[str, ...], name: str) -> InputError:
    return InputError(f"{word!r} is not one of {', '.join(choices)}{nearest(word, choices)}", field=name)


def read_moment(text: str) -> datetime | None:
    """Read a moment as services write it, or None; without an offset it is in UTC.

    ``2018-02-12 10:54:27``, ``2018-08-27T15:06:27.713Z``, ``2023-03-24 10:23:10 UTC`` and Go's
    ``2024-01-02 15:04:05.999999 +0000 UTC``.
    """
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        return None
    day, clock, fraction, hours, minutes = found.groups()
    offset = f"{hours}:{minutes}" if hours else "+00:00"
    try:
        moment = datetime.fromisoformat(f"{day}T{clock or '00:00'}{offset}")
        return moment.replace(microsecond=int((fraction or "0").ljust(6, "0")[:6])).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
