"""How the taking in of events goes: calls by provider and outcome, what we do not know, what waits in the spool."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from digest.store import Database
from digest.tracking.hook_counting import hour_of
from digest.tracking.spool import FILES

EXAMPLE = 300
"""Characters of an event of a kind we do not know that are shown."""


OF_CALLS = frozenset({"taken", "repeated", "failed"})
"""What becomes of a call, beside its being refused; all else is of the events in the calls that were taken."""


@dataclass(frozen=True)
class Outcomes:
    """What became of the calls of a provider, and of the events in them, which are others and more.

    Where `provider` is empty they are opens and clicks that we saw ourselves: there are no calls.
    """

    provider: str
    calls: dict[str, int]
    events: dict[str, int]


@dataclass(frozen=True)
class UnknownKind:
    """Events of a kind we do not know: how many are kept, when the last one came in, and how that one begins."""

    provider: str
    kind: str
    count: int
    received_at: str
    example: str


@dataclass(frozen=True)
class Intake:
    """How it goes. `waiting_bytes` lie in `waiting_files` files of the spool and are not worked yet."""

    outcomes: tuple[Outcomes, ...]
    unknown: tuple[UnknownKind, ...]
    waiting_files: int
    waiting_bytes: int

    def as_dict(self) -> dict[str, Any]:
        """Give it for JSON."""
        return asdict(self)


def intake(db: Database, folder: Path, *, hours: int, now: datetime) -> Intake:
    """Give how it went in the last hours, this one included, and what is there now."""
    found: dict[str, Outcomes] = {}
    for provider, outcome, count in db.conn.execute(
        "SELECT provider, outcome, sum(count) FROM hook_counts WHERE hour >= ? GROUP BY provider, outcome"
        " ORDER BY provider, outcome",
        (hour_of(now - timedelta(hours=hours - 1)),),
    ):
        of = found.setdefault(provider, Outcomes(provider, {}, {}))
        (of.calls if _is_of_calls(outcome) else of.events)[outcome] = count
    # Of the bare columns beside max(), SQLite gives those of the row that has it (https://sqlite.org/lang_select.html).
    unknown = db.conn.execute(
        "SELECT provider, kind, count(*), max(received_at), substr(raw, 1, ?) FROM unknown_events"
        " GROUP BY provider, kind ORDER BY provider, kind",
        (EXAMPLE,),
    )
    files, waiting = _waiting(db, folder)
    return Intake(
        tuple(found.values()),
        tuple(UnknownKind(*row) for row in unknown),
        files,
        waiting,
    )


def _is_of_calls(outcome: str) -> bool:
    return outcome in OF_CALLS or outcome.startswith("refused: ")


def _waiting(db: Database, folder: Path) -> tuple[int, int]:
    done = dict(db.conn.execute("SELECT name, done FROM spools").fetchall())
    files = waiting = 0
    for path in folder.glob(FILES):
        with suppress(FileNotFoundError):
            left = path.stat().st_size - done.get(path.name, 0)
            files, waiting = files + (left > 0), waiting + max(0, left)
    return files, waiting
