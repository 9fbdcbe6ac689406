"""What `digest send` shows while it works: a bar, and with --watch every provider's pace beside it."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from digest.sending import ledger
from digest.sending.engine import Engine, Lane

EVERY_S = 0.2
LINE_EVERY_S = 5.0
"""Where there is no terminal, --watch writes a line so often."""
COUNTING = 0.02
"""The share of the time that counting in the store may take: it looks at every delivery."""


class Watch:
    """Shows a sending from `__enter__` to `__exit__`; `update` is called whenever something was done."""

    def __init__(self, console: Console, engine: Engine, number: int, *, closely: bool) -> None:
        self._console, self._engine, self._number, self._closely = console, engine, number, closely
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._bar.add_task(f"Sending issue {number}", total=None, rate="")
        self._live = Live(console=console, auto_refresh=False, transient=not closely)
        self._began = self._shown = self._lined = time.monotonic()
        self._recount_at = 0.0
        self._counts: dict[str, int] = {}
        self._of_others = 0
        self._first: int | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._closely and self._counts:
            self._recount_at = self._lined = 0.0
            self._show(time.monotonic())
        self._live.stop()

    def update(self) -> None:
        """Show how things stand, if that was not done just now."""
        now = time.monotonic()
        if now - self._shown >= EVERY_S:
            self._show(now)

    def _show(self, now: float) -> None:
        self._shown = now
        if not self._console.is_terminal and not self._closely:
            return
        self._count(now)
        mine = self._engine.done["accepted"] + self._engine.done["rejected"]
        settled = mine + self._of_others
        self._first = settled if self._first is None else self._first
        rate = (settled - self._first) / max(0.001, now - self._began)
        self._bar.update(
            self._task, total=self._counts["audience"], completed=settled, rate=f"{rate:,.0f}/s" if rate else ""
        )
        if self._console.is_terminal:
            self._live.update(Group(self._bar, self._lanes(now)) if self._closely else self._bar, refresh=True)
        elif now - self._lined >= LINE_EVERY_S:
            self._lined = now
            to_go = self._counts["audience"] - settled
            left = f"{to_go / rate:,.0f} s left" if rate else f"{to_go} left"
            open_ones = ", ".join(f"{self._counts[name]} {name}" for name in ("rejected", "uncertain", "skipped"))
            self._console.print(f"{settled}/{self._counts['audience']}  {rate:,.0f}/s  {left}  {open_ones}")

    def _count(self, now: float) -> None:
        """Count in the store what others have done too, as often as its cost allows."""
        if now < self._recount_at:
            return
        begun = time.monotonic()
        self._counts = ledger.tally(self._engine.db, self._number)
        cost = time.monotonic() - begun
        self._recount_at = now + max(1.0, cost / COUNTING)
        settled = self._counts["accepted"] + self._counts["rejected"] + self._counts["skipped"]
        self._of_others = settled - self._engine.done["accepted"] - self._engine.done["rejected"]

    def _lanes(self, now: float) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("provider", "copies", "a second", "limit", ""):
            table.add_column(column, justify="left" if column in ("provider", "") else "right")
        for lane in self._engine.lanes:
            rate = lane.copies / max(0.001, now - self._began)
            table.add_row(lane.provider.name, f"{lane.copies:,}", f"{rate:,.0f}", _limit(lane), Text(_state(lane)))
        told = ", ".join(f"{self._counts[name]} {name}" for name in ("queued", "uncertain", "rejected", "skipped"))
        table.caption, table.caption_justify = told, "left"
        return table


def _limit(lane: Lane) -> str:
    pace = lane.provider.pace
    limits = [(pace.calls_a_second, "calls/s"), (pace.copies_a_second, "copies/s"), (pace.a_day, "a day")]
    return ", ".join(f"{limit:g} {unit}" for limit, unit in limits if limit) or "none"


def _state(lane: Lane) -> str:
    if lane.closed:
        return lane.closed
    if not lane.opened:
        return "stands by"
    return f"{lane.health.troubles} failures in a row: {lane.last_error}" if lane.health.troubles else ""
