"""An issue to look at: as it is now, as one reader would get it, without anything of that reader that opens a door."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from html import escape
from threading import Lock

from digest.errors import StateError
from digest.issue import issues
from digest.issue.by_topics import laid_out_for
from digest.issue.fit import Fitted
from digest.issue.model import Rendered
from digest.issue.preview import TOKEN
from digest.mail import personalise
from digest.mail.personalise import PlaceError
from digest.mail.templates import TemplateError
from digest.settings import Settings
from digest.store import Database

KEPT = 24
"""Issues kept as they were laid out, some 250 KB each: one issue for a handful of readers, and last week's."""


@dataclass(frozen=True)
class Reader:
    """Whose copy is looked at: a name to greet, and topics; without topics everything."""

    name: str | None = None
    topics: tuple[str, ...] = ()


ANYBODY = Reader()


@dataclass(frozen=True)
class Copy:
    """A reader's copy to look at. Its links lead where they will, with a token that opens nothing."""

    html: str
    text: str
    mjml: str


class Looks:
    """Lays issues out, and keeps what was laid out last: of one version it is looked at in many ways."""

    def __init__(self, kept: int = KEPT) -> None:
        self._most = kept
        self._kept: OrderedDict[tuple[int, tuple[str, ...]], tuple[object, Settings, Fitted | None]] = OrderedDict()
        self._lock = Lock()

    def laid_out(self, db: Database, settings: Settings, number: int, topics: Collection[str] = ()) -> Fitted | None:
        """Give an issue as readers of some topics get it; None where they are mailed nothing.

        Raises:
            NotFoundError: there is no such issue.
            StateError: the newsletter's own templates are wrong.
        """
        # Read before the issue is: what changes meanwhile makes it laid out once more.
        version = version_of(db, settings, number)
        key = number, tuple(sorted(topics))
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and kept[0] == version and kept[1] is settings:
                self._kept.move_to_end(key)
                return kept[2]
        try:
            found = laid_out_for(db, settings, number, key[1])[1] if topics else issues.laid_out(db, settings, number)
        except TemplateError as error:
            raise StateError(f"the mail cannot be shown: {error}") from None
        with self._lock:
            self._kept[key] = version, settings, found
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return found


def version_of(db: Database, settings: Settings, number: int) -> tuple[int, int, float]:
    """Give what changes whenever an issue may look otherwise: its own version, the catalogue's, the own templates'."""
    row = db.conn.execute(
        "SELECT coalesce((SELECT version FROM issues WHERE number = ?), 0), (SELECT version FROM catalogue_version)",
        (number,),
    ).fetchone()
    own = settings.own_templates
    return *row, max((file.stat().st_mtime for file in own.iterdir()), default=0.0) if own else 0.0


def copy_for(content: Rendered, reader: Reader = ANYBODY) -> Copy:
    """Give a reader's copy of an issue.

    Raises:
        StateError: it has a place that no copy has a value for.
    """
    values = {"token": TOKEN, "message": TOKEN, "greeting": personalise.greeting(reader.name)}

    def filled(text: str, write: Callable[[str], str]) -> str:
        return personalise.split(text).fill(values, write)

    try:
        return Copy(filled(content.html, escape), filled(content.text, str), filled(content.mjml, escape))
    except PlaceError as error:
        raise StateError(f"the mail cannot be shown: {error}") from None
