"""The settings as they are now: the operator's own, with what was chosen in the desk, by whichever process.

What is made of settings, pages and documents, is made anew with them, so that none is ever of settings that were.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock

from digest.chosen import Laid, overlay, read
from digest.settings import Settings
from digest.web.kept import Kept
from digest.web.pages import Pages
from digest.web.stores import Stores

EVERY_S = 1.0
"""So often the store is asked what was chosen by other processes: some 40 µs."""

log = logging.getLogger("digest")


@dataclass(frozen=True)
class Held:
    """What there is of one choice of settings."""

    laid: Laid
    pages: Pages
    kept: Kept = field(default_factory=Kept)

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.laid.settings


class Current:
    """Knows the settings in force, for any thread.

    `own` is what the operator set, `sources` where each of those was set; `pages` makes the pages of settings, and
    `told` is called with new ones.
    """

    def __init__(
        self,
        own: Settings,
        stores: Stores,
        pages: Callable[[Settings], Pages],
        *,
        sources: Mapping[str, str] | None = None,
        told: Callable[[Settings], None] = lambda settings: None,
    ) -> None:
        self.own, self.sources = own, dict(sources or {})
        self._stores, self._pages, self._told = stores, pages, told
        self._lock = Lock()
        self._rows: Mapping[str, str] = {}
        self._held = Held(Laid(own), pages(own))
        self._look_at = 0.0
        self.look()

    def held(self) -> Held:
        """Give what there is of the settings in force; the store is asked for them once in a while."""
        if time.monotonic() >= self._look_at and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()
        return self._held

    def look(self) -> None:
        """Ask the store now, such as after a change in this process."""
        with self._lock:
            self._look()

    def _look(self) -> None:
        self._look_at = time.monotonic() + EVERY_S
        try:
            rows = self._read()
        except sqlite3.Error as error:
            # What was in force stays: no request fails for it, and the next look is soon.
            log.warning("the settings chosen in the desk cannot be read: %s", error)
            return
        if rows == self._rows:
            return
        laid = overlay(self.own, rows)
        for warning in laid.warnings:
            if warning not in self._held.laid.warnings:
                log.warning("%s", warning)
        self._rows = rows
        if laid.settings != self._held.settings:
            self._told(laid.settings)
            self._held = Held(laid, self._pages(laid.settings))
        else:
            self._held = Held(laid, self._held.pages, self._held.kept)

    def _read(self) -> dict[str, str]:
        db = self._stores.take()
        try:
            return read(db.conn)
        finally:
            self._stores.give_back(db)
