"""One file of records going into the store, inside one transaction.

A tool is known again by its slug, or by its name in any spelling (see `names`); a review by tool and reviewer; a
comparison by its slug; a vote by tool and voter. A field that a record does not state stays as it is.
"""

from __future__ import annotations

import difflib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from digest import times
from digest.catalogue.names import slug_for, spelling_key
from digest.catalogue.page import PANEL
from digest.catalogue.records import KINDS, Kind, Record
from digest.errors import InputError, UnknownReferenceError, nearest

Outcome = Literal["added", "updated", "unchanged"]

ALMOST = 0.8
"""How alike an unknown reviewer's name must be to a known one to be called a typing error (difflib ratio)."""

TOLD_EVERY = 100
"""Things an import looks at between two words about its progress."""


@dataclass(frozen=True)
class Change:
    """What an import did to one thing; `fields` are those that got another value."""

    kind: Kind
    name: str
    outcome: Outcome
    fields: tuple[str, ...] = ()


@dataclass
class FileReport:
    """What became of one file: changes, or the error for which nothing of it went in."""

    file: str
    changes: list[Change] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: InputError | None = None

    def count(self, outcome: Outcome) -> dict[str, int]:
        """Count the things with an outcome, by kind in the plural."""
        found = Counter(change.kind for change in self.changes if change.outcome == outcome)
        return {f"{kind}s": found[kind] for kind in KINDS if found[kind]}


class FileImport:
    """One file going in, inside one transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        report: FileReport,
        now: datetime,
        zone: ZoneInfo,
        progress: Callable[[int], None],
    ) -> None:
        self._connection, self._report, self._now, self._zone = connection, report, now, zone
        self._progress = progress
        self._stated: dict[tuple[Kind, object, str], tuple[object, Record]] = {}
        self._stamp = times.to_text(now)

    def apply(self, records: Iterable[Record]) -> None:
        """Take the records in an order in which what is named comes before what names it."""
        by_kind: dict[Kind, list[Record]] = {kind: [] for kind in KINDS}
        for record in records:
            by_kind[record.kind].append(record)
        for record in by_kind["reviewer"]:
            self._take_reviewer(record)
        within = [review for record in by_kind["tool"] for review in _reviews_within(record, self._take_tool(record))]
        for record in within + by_kind["review"]:
            self._take_review(record)
        for record in by_kind["comparison"]:
            self._take_comparison(record)
        for record in by_kind["vote"]:
            self._take_vote(record)

    def _note(self, change: Change) -> None:
        self._report.changes.append(change)
        if len(self._report.changes) % TOLD_EVERY == 0:
            self._progress(TOLD_EVERY)

    def _agree(self, record: Record, identity: object, fields: Mapping[str, Any]) -> None:
        """Refuse a file that says two things of one: whichever came last would win, again at every import.

        Raises:
            InputError: naming both lines.
        """
        for name, value in fields.items():
            said, before = self._stated.setdefault((record.kind, identity, name), (value, record))
            if said != value:
                raise record.error(f"{before.place} says {said!r} of the same {record.kind}; say one thing of it", name)

    # One of each kind -------------------------------------------------------------------------------------------

    def _take_reviewer(self, record: Record) -> None:
        name = " ".join(record.data["name"].split())
        known, by_name = self._reviewer_row(record.data.get("slug"), name), self._reviewer_row(None, name)
        fields = {**_stated(record, "stance", "position"), "name": name}
        self._agree(record, spelling_key(name), _stated(record, "stance", "position"))
        if known is None:
            self._add_reviewer({**fields, "slug": record.data.get("slug")})
            return
        if by_name and by_name["id"] != known["id"]:
            raise record.error(f"{name!r} is a spelling of another reviewer, {by_name['slug']!r}", "name")
        self._update("reviewer", "reviewers", known, fields, name)

    def _take_tool(self, record: Record) -> str:
        """Take a tool, and give the slug it has in the store."""
        name = " ".join(record.data["name"].split())
        key, slug = spelling_key(name), record.data.get("slug")
        by_slug = self._row("SELECT * FROM tools WHERE slug = ?", slug) if slug else None
        by_name = self._row("SELECT * FROM tools WHERE name_key = ?", key)
        known = by_slug or by_name
        fields = _stated(record, "tagline", "category", "description", "entry", "url", "panel_ship", "community")
        if known is None:
            slug = slug or slug_for(name, _Slugs(self._connection, "tools"))
            self._agree(record, slug, fields)
            self._insert("tools", {"slug": slug, "name": name, "name_key": key, **fields})
            self._note(Change("tool", name, "added"))
            return str(slug)
        self._agree(record, known["slug"], fields)
        if by_slug and by_name and by_slug["id"] != by_name["id"]:
            raise record.error(f"{name!r} is a spelling of another tool, {by_name['slug']!r}", "name")
        if by_slug:
            fields |= {"name": name, "name_key": key}
        elif name != known["name"] or (slug and slug != known["slug"]):
            self._report.notes.append(f"{name!r} is taken to be {known['name']!r} ({known['slug']})")
        self._update("tool", "tools", known, fields, known["name"])
        return str(known["slug"])

    def _take_review(self, record: Record) -> None:
        tool = self._tool(record, "tool")
        reviewer = self._reviewer(record)
        name = f"{reviewer['name']} on {tool['name']}"
        fields = _stated(record, "verdict", "quote")
        self._agree(record, (tool["id"], reviewer["id"]), fields)
        known = self._row("SELECT * FROM reviews WHERE tool = ? AND reviewer = ?", tool["id"], reviewer["id"])
        if known:
            self._update("review", "reviews", known, fields, name, keys=("tool", "reviewer"))
        else:
            self._insert("reviews", {"tool": tool["id"], "reviewer": reviewer["id"], **fields})
            self._note(Change("review", name, "added"))

    def _take_comparison(self, record: Record) -> None:
        left, right = self._tool(record, "left"), self._tool(record, "right")
        if left["id"] == right["id"]:
            raise record.error(f"both sides are {left['name']!r}; a comparison has two tools", "right")
        slug = record.data.get("slug") or self._pair_slug(left, right)
        name = f"{left['name']} vs {right['name']}"
        fields: dict[str, Any] = {"left_tool": left["id"], "right_tool": right["id"]}
        stated = record.data.get("published_at")
        self._agree(record, slug, {**fields, **({"published_at": stated} if stated else {})})
        known = self._row("SELECT * FROM comparisons WHERE slug = ?", slug)
        if known:
            # An age counts from the first import: read again, it would move with every run.
            if stated and not stated.startswith("-"):
                fields["published_at"] = self._moment(record, "published_at")
            self._update("comparison", "comparisons", known, fields, name)
        else:
            fields["published_at"] = self._moment(record, "published_at") if stated else self._stamp
            self._insert("comparisons", {"slug": slug, **fields})
            self._note(Change("comparison", name, "added"))

    def _pair_slug(self, left: Mapping[str, Any], right: Mapping[str, Any]) -> str:
        """Give ``left-vs-right``, unless that is another pair's: ``a`` vs ``b-vs-c`` is not ``a-vs-b`` vs ``c``."""
        slug = f"{left['slug']}-vs-{right['slug']}"
        known = self._row("SELECT left_tool, right_tool FROM comparisons WHERE slug = ?", slug)
        is_ours = known is None or (known["left_tool"], known["right_tool"]) == (left["id"], right["id"])
        return slug if is_ours else f"{slug}-{left['id']}-{right['id']}"

    def _take_vote(self, record: Record) -> None:
        tool = self._tool(record, "tool")
        voter, verdict = record.data["voter"], record.data["verdict"]
        self._agree(record, (tool["id"], voter), {"verdict": verdict})
        known = self._row("SELECT * FROM votes WHERE tool = ? AND voter = ?", tool["id"], voter)
        outcome: Outcome = "unchanged"
        if known is None or known["verdict"] != verdict:
            moment = self._moment(record, "voted_at") if record.data.get("voted_at") else self._stamp
            self._connection.execute(
                "INSERT INTO votes (tool, voter, verdict, voted_at) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (tool, voter) DO UPDATE SET verdict = excluded.verdict, voted_at = excluded.voted_at",
                (tool["id"], voter, verdict, moment),
            )
            outcome = "updated" if known else "added"
        self._note(Change("vote", f"{voter} on {tool['name']}", outcome))

    # Finding what a record names --------------------------------------------------------------------------------

    def _tool(self, record: Record, field: str) -> Mapping[str, Any]:
        named = record.data[field]
        found = self._row("SELECT * FROM tools WHERE slug = ?", named) or self._row(
            "SELECT * FROM tools WHERE name_key = ?", spelling_key(named)
        )
        if found is None:
            hint = nearest(named, _Slugs(self._connection, "tools"))
            raise record.error(f"there is no tool {named!r}{hint}", field, UnknownReferenceError)
        return found

    def _reviewer(self, record: Record) -> Mapping[str, Any]:
        """Find the reviewer a review names. A name that nobody of the panel nearly has joins the panel."""
        named = " ".join(record.data["reviewer"].split())
        found = self._reviewer_row(named, named)
        if found is None:
            panel = [row["name"] for row in self._rows("SELECT name FROM reviewers")]
            alike = [name.casefold() for name in panel]
            if named not in PANEL and difflib.get_close_matches(named.casefold(), alike, n=1, cutoff=ALMOST):
                raise record.error(
                    f"there is no reviewer {named!r}{nearest(named, panel)}", "reviewer", UnknownReferenceError
                )
            self._add_reviewer({"name": named})
            found = self._reviewer_row(named, named)
            assert found is not None  # noqa: S101 (just added)
        return found

    def _reviewer_row(self, slug: str | None, name: str) -> Mapping[str, Any] | None:
        rows = self._rows("SELECT * FROM reviewers")
        by_slug = [row for row in rows if row["slug"] == slug]
        by_name = [row for row in rows if spelling_key(row["name"]) == spelling_key(name)]
        return next(iter(by_slug + by_name), None)

    def _add_reviewer(self, data: Mapping[str, Any]) -> None:
        name = data["name"]
        last = self._connection.execute("SELECT coalesce(max(position), 0) FROM reviewers").fetchone()[0]
        known = [critic.casefold() for critic in PANEL]
        own_place = known.index(name.casefold()) + 1 if name.casefold() in known else max(last, len(PANEL)) + 1
        self._insert(
            "reviewers",
            {
                "slug": data.get("slug") or slug_for(name, _Slugs(self._connection, "reviewers")),
                "name": name,
                "stance": data.get("stance"),
                "position": data.get("position", own_place),
            },
        )
        self._note(Change("reviewer", name, "added"))

    # Rows -------------------------------------------------------------------------------------------------------

    def _rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        cursor = self._connection.execute(sql, values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def _row(self, sql: str, *values: Any) -> dict[str, Any] | None:
        return next(iter(self._rows(sql, *values)), None)

    def _moment(self, record: Record, field: str) -> str:
        try:
            return times.to_text(times.parse(record.data[field], self._zone, self._now))
        except InputError as error:
            raise record.error(error.message, field) from None

    def _insert(self, table: str, fields: Mapping[str, Any]) -> None:
        values = {**fields, "created_at": self._stamp, "updated_at": self._stamp}
        places = ", ".join(f":{name}" for name in values)
        self._connection.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})", values)  # noqa: S608

    def _update(
        self,
        kind: Kind,
        table: str,
        known: Mapping[str, Any],
        fields: Mapping[str, Any],
        name: str,
        *,
        keys: tuple[str, ...] = ("id",),
    ) -> None:
        """Write the fields that differ from the row, and note what happened."""
        changed = {field: value for field, value in fields.items() if known[field] != value}
        if changed:
            places = ", ".join(f"{field} = :{field}" for field in (*changed, "updated_at"))
            where = " AND ".join(f"{key} = :key_{key}" for key in keys)
            values = {**changed, "updated_at": self._stamp, **{f"key_{key}": known[key] for key in keys}}
            self._connection.execute(f"UPDATE {table} SET {places} WHERE {where}", values)  # noqa: S608
        shown = tuple(field for field in changed if field != "name_key")
        self._note(Change(kind, name, "updated" if changed else "unchanged", shown))


def _reviews_within(tool: Record, slug: str) -> Iterator[Record]:
    """Give the reviews that a tool's record holds, as reviews of the tool with that slug."""
    for index, review in enumerate(tool.data.get("reviews", ())):
        at = tool.at if isinstance(tool.at, int) else f"{tool.at}/reviews/{index}"
        yield Record("review", {"tool": slug, **review}, tool.source, at)


class _Slugs:
    """The slugs in a table: asked one by one, so that a large import does not read them all for each new tool."""

    def __init__(self, connection: sqlite3.Connection, table: Literal["tools", "reviewers"]) -> None:
        self._connection, self._table = connection, table

    def __contains__(self, slug: object) -> bool:
        sql = f"SELECT 1 FROM {self._table} WHERE slug = ?"  # noqa: S608
        return self._connection.execute(sql, (slug,)).fetchone() is not None

    def __iter__(self) -> Iterator[str]:
        return (row[0] for row in self._connection.execute(f"SELECT slug FROM {self._table}"))  # noqa: S608


def _stated(record: Record, *names: str) -> dict[str, Any]:
    """Give the fields among `names` that the record states, text without spaces around it."""
    return {
        name: value.strip() or None if isinstance(value, str) else value
        for name, value in record.data.items()
        if name in names
    }
