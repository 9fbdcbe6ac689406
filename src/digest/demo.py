"""The demo: the main job on sample data, in a folder of its own, with nothing configured."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from digest import times
from digest.audience import importing
from digest.audience.addresses import read_address
from digest.audience.subscribers import Reason, suppress
from digest.catalogue.importing import gather, import_files
from digest.errors import StateError
from digest.issue import compose, issues
from digest.issue.approval import approve
from digest.issue.fit import weight
from digest.issue.preview import preview
from digest.providers import connect
from digest.resources import resource
from digest.sending import copies
from digest.sending.engine import Engine
from digest.sending.workers import Worker
from digest.settings import Settings
from digest.status import status
from digest.store import Database, open_store

FOLDER = Path("digest-demo")
SUBSCRIBERS = 1_000
MARKER = ".digest-demo"
"""The file by which a folder is known as a demo's: a real newsletter's has the same names in it."""
_OURS = {"digest.db", "digest.db-wal", "digest.db-shm", "digest.db-workers", "outbox", "issue"}
_WEEK = timedelta(days=7)


class Demo:
    """One run of the demo in a folder; `command` is how the person calls digest."""

    def __init__(self, folder: Path, settings: Settings, command: str = "digest") -> None:
        self.folder, self.command = folder, command
        self.settings = settings.model_copy(
            update={
                "db": folder / "digest.db",
                "outbox": Path("outbox"),
                "provider": "outbox",
                "failover": "",
                "postal_address": settings.postal_address or "The Verdict Desk, 1 Sample Street, 10115 Berlin",
            }
        )

    def exists(self) -> bool:
        """Tell whether an earlier demo left something in the folder."""
        return self.folder.exists() and any(self.folder.iterdir())

    def run(
        self, *, now: datetime, say: Callable[[str], None], sent: Callable[[int], None] = lambda copies: None
    ) -> dict[str, Any]:
        """Make everything anew: import, subscribe, draft, render, approve, send; give the status and the paths."""
        self._clear()
        db = open_store(self.settings.db, create=True)
        try:
            say(f"digest demo, in {self.folder}/")
            self._catalogue(db, now, say)
            self._audience(db, now, say)
            number = self._issue(db, now, say)
            self._send(db, number, say, sent)
            found = status(db)
        finally:
            db.close()
        self._explain(number, say)
        return {"folder": str(self.folder), "outbox": str(self.folder / "outbox"), "issue": number, "status": found}

    def _clear(self) -> None:
        """Remove what an earlier demo left, and nothing else."""
        if self.exists():
            if not (self.folder / MARKER).is_file():
                raise StateError(
                    f"{self.folder} has something in it and was not made by a demo; give another folder with --dir"
                )
            for path in self.folder.iterdir():
                if path.name in _OURS:
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / MARKER).touch()

    def _catalogue(self, db: Database, now: datetime, say: Callable[[str], None]) -> None:
        sample = gather([str(resource("db", "sample"))], bytes)
        for report in import_files(db, sample, now=now, zone=self.settings.zone):
            if report.error:
                raise report.error
        counts = status(db)["catalogue"]
        say(
            f"  imported   {counts['tools']} tools, {counts['reviewers']} reviewers, {counts['reviews']} reviews and "
            f"{counts['comparisons']} comparisons of the last five weeks"
        )

    def _audience(self, db: Database, now: datetime, say: Callable[[str], None]) -> None:
        rows = ["email,name,state", *(",".join(person) for person in people(SUBSCRIBERS))]
        importing.import_subscribers(db, "made-up.csv", (row + "\n" for row in rows), now=now)
        reasons: tuple[Reason, ...] = ("hard bounce", "complaint", "hard bounce")
        for index in range(12):
            email = rows[1 + 70 * index].partition(",")[0]
            suppress(db, read_address(email).key, reasons[index % 3], now=now)
        counts = status(db)["audience"]
        say(
            f"  subscribed {counts['active']} made-up readers ({counts['pending']} more have not confirmed, "
            f"{counts['unsubscribed']} left, {counts['suppressed']} must not be mailed)"
        )

    def _issue(self, db: Database, now: datetime, say: Callable[[str], None]) -> int:
        drafted = issues.draft(db, self.settings, now=now, since=now - _WEEK).issue
        assert drafted is not None  # noqa: S101 (the sample has comparisons of this week)
        number = drafted.number
        fitted = issues.laid_out(db, self.settings, number)
        shown = len(compose.shown(fitted.draft.placed))
        say(f"  drafted    issue {number} of this week's {shown} comparisons: {drafted.subject}")
        (self.folder / "issue").mkdir()
        for name, data in preview(fitted.draft, fitted.content).items():
            (self.folder / "issue" / name).write_bytes(data)
        kilobytes = weight(fitted.content) / 1024
        say(f"  rendered   {self.folder}/issue/: HTML ({kilobytes:.0f} KB), text, MJML, a whole mail")
        approved = asyncio.run(approve(db, self.settings, number, now=now, network=False))
        warned = ", ".join(dict.fromkeys(found.check for found in approved.findings if found.level == "warn"))
        say(f"  checked    nothing blocks it; before real people get it, see to: {warned or 'nothing'}")
        say("  approved   it is frozen now and mailed exactly so")
        return number

    def _send(self, db: Database, number: int, say: Callable[[str], None], sent: Callable[[int], None]) -> None:
        provider = connect("outbox", self.settings.options_for("outbox"))
        with Worker(self.settings.db) as worker:
            signers = copies.Signers.of(db, self.settings, now=times.now())
            engine = Engine(
                db, self.settings, [provider], signers, worker, progress=lambda: sent(self.settings.batch_size)
            )
            tally = asyncio.run(engine.send(number))
        say(f"  sent       {tally['accepted']} copies, each with its own unsubscribe link, into {self.folder}/outbox/")

    def _explain(self, number: int, say: Callable[[str], None]) -> None:
        say("")
        say(f"Look at it:  open {self.folder}/issue/issue.html in a browser")
        say(f"The mailbox: {self.folder}/outbox/ is a Maildir; `mutt -f {self.folder}/outbox` reads it")
        say(f"The site:    {self.command} --db {self.settings.db} serve, then http://localhost:8000 in a browser")
        say(f"Where it stands:  {self.command} --db {self.settings.db} status")
        say(f"What is in it:    {self.command} --db {self.settings.db} show {number} --text")
        say(f"Start your own:   {self.command} import YOUR-FILES; `{self.command} --help` says how it goes on")


_FIRST = [
    "Ada",
    "Grace",
    "Alan",
    "Noor",
    "Kofi",
    "Mei",
    "Søren",
    "Zoë",
    "Chloë",
    "Łukasz",
    "Ngozi",
    "Aarav",
    "Yuki",
    "Ines",
    "Tomás",
    "Fatima",
    "Oluwaseun",
    "Björk",
    "Anaïs",
    "Dmitri",
    "Siobhán",
    "Mehmet",
    "Leilani",
    "Nguyễn",
    "Priya",
    "João",
    "Ольга",
    "花子",
    "소연",
    "ليلى",
    "Νίκος",
]
_LAST = [
    "Hopper",
    "Okafor",
    "O'Brien",
    "Müller",
    "García-López",
    "Nakamura",
    "Świątek",
    "Haddad",
    "van-der-Berg",
    "Ó-Súilleabháin",
    "Kowalski",
    "Nguyen",
    "Silva",
    "Petrov",
    "Andersson",
    "Yılmaz",
    "D'Angelo",
    "Mbeki",
    "Papadopoulos",
    "Singh",
]
_ODD = (
    "o'brien+verdicts@example.com",
    "UPPER.Case@Example.COM",
    "a@example.org",
    "first.last+tag-1_2@sub-domain.example.net",
    "reader@bücher.example.org",
    "post@例え.example.com",
    "x" * 64 + "@example.com",
    "!#$%&'*+-/=?^_`{|}~@example.org",
    "12345@example.net",
    "dash-ed@long-" + "label" * 10 + ".example.com",
)


def people(count: int) -> Iterator[tuple[str, str, str]]:
    """Make up readers: (email, name, state), the same every time, with some odd but valid addresses."""
    chance = random.Random(20261121)  # noqa: S311 (nothing secret)
    for index in range(count):
        first, last = chance.choice(_FIRST), chance.choice(_LAST)
        host = chance.choice(("example.com", "example.org", "example.net", "mail.example.com"))
        plain = "".join(c for c in f"{first}.{last}".lower() if c.isascii() and (c.isalnum() or c in ".-'")).strip(
            ".-'"
        )
        email = f"{plain or 'reader'}{index}@{host}"
        state = "pending" if index % 67 == 5 else "unsubscribed" if index % 77 == 9 else "active"
        if index % 97 == 3 and index // 97 < len(_ODD):
            email, state = _ODD[index // 97], "active"
        yield email, (f"{first} {last}" if index % 4 else ""), state
