"""What a subject of the doctor is given, and what it says."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

import httpx

from digest import times
from digest.issue.checks.model import Finding as CheckFinding
from digest.settings import Settings
from digest.sources import Loaded
from digest.store import Database, open_store

Level = Literal["pass", "warn", "bad", "not looked at"]
LEVELS: tuple[Level, ...] = ("pass", "warn", "bad", "not looked at")
"""`bad` keeps mail from readers, or readers from leaving, or puts what is kept at risk: the command exits with 1."""

CALL_S = 10.0
"""Seconds without an answer after which a call to a server is given up."""


@dataclass(frozen=True)
class Finding:
    """What one look says.

    `subject` is whose look it was, such as ``disk``; `check` its name within it, such as ``free-space``. `what` is one
    sentence without a capital: what is wrong, or what is well. `where` is the place, such as a file or a setting;
    `todo` what to do about it, and `command` how, where the command line has a way. All three may be empty.
    """

    subject: str
    check: str
    level: Level
    what: str
    where: str = ""
    todo: str = ""
    command: str = ""


@dataclass
class Told:
    """What the recount of figures leaves beside its findings, for `--json`."""

    left_out: list[str] = field(default_factory=list)
    rows: int = 0
    figures: int = 0


@dataclass(frozen=True)
class Case:
    """What is looked at, and how.

    `network` says whether servers are asked, `quick` whether what takes long in a large store is left out. `progress`
    is told of rows as they are read. `resolver` and `tls` are the machine's own where they are None; `server` says that
    it is the server itself that asks.
    """

    loaded: Loaded
    network: bool = True
    quick: bool = False
    clock: Callable[[], datetime] = times.now
    progress: Callable[[int], None] = lambda rows: None
    resolver: Any = None
    tls: ssl.SSLContext | None = None
    told: Told = field(default_factory=Told)

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.loaded.settings

    @property
    def grave(self) -> Level:
        """The level of a trouble that harms only mail to real people: the local outbox mails nobody."""
        return "bad" if self.settings.mails_people else "warn"

    @contextmanager
    def store(self) -> Iterator[Database]:
        """Open the store, for the thread that asks.

        Raises:
            StoreError: it cannot be opened.
        """
        db = open_store(self.settings.db)
        try:
            yield db
        finally:
            db.close()

    def client(self) -> httpx.Client:
        """Give what calls servers of ours; it follows no redirect."""
        return httpx.Client(
            timeout=CALL_S,
            verify=self.tls or httpx.create_ssl_context(),
            headers={"User-Agent": "digest doctor"},
            follow_redirects=False,
        )


class Subject(Protocol):
    """What a file of `doctor/subjects/` is (a module); its name is the subject's, `one_click` being ``one-click``."""

    WORDS: str
    """What it looks at, for people."""

    PLACE: int
    """Where it stands among the others."""

    NETWORK: bool
    """Whether it asks servers and nothing else: it is left out with `--offline`."""

    SECONDS: float | None
    """After so long it is left as it is; None where it takes what it takes, such as with the size of the store."""

    def look(self, case: Case) -> Iterator[Finding]:
        """Look, and give each finding when it is there: what is broken off has said what it knew."""


def of_check(subject: str, found: CheckFinding) -> Finding:
    """Give what a check of an issue found as a finding of ours."""
    level: Level = {"pass": "pass", "warn": "warn", "block": "bad", "not run": "not looked at"}[found.level]  # type: ignore[assignment]
    return Finding(subject, found.check, level, found.what, found.where, found.todo, found.command)
