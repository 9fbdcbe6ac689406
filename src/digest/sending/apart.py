"""Sending in a process of its own, which `digest serve` starts when something is due and which ends when nothing is.

Writing copies takes Python's lock as much as answering does. Measured on two cores, while whole bodies went to a
provider: a page that is made anew took 134 ms (99th percentile) with the engine in a thread of the server, and 33 ms
with it in a process apart; one that is kept 48 and 22.

The settings come on its standard input, so that no secret stands on a command line; its end says that the server stops,
or died. So nobody sends on unseen. What is to be left alone, and until when, it says at its end.
"""

from __future__ import annotations

import asyncio
import gc
import json
import pickle
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from types import FrameType
from typing import Any

from digest import times, watching
from digest.sending import running
from digest.sending.copies import Signers
from digest.sending.running import OTHERS_S, Rest, Runner, due, stand_of
from digest.sending.workers import Worker
from digest.settings import Settings
from digest.store import Database, open_store

LOOK_S = 0.1
"""How often the server looks whether its sender has ended, or is to."""
LEAVE_S = running.FINISH_S + 1.5
"""So long after it was told to stop it may live; then it is killed, and what it had in hand is uncertain."""
CLOCKS_S = 1.0
"""Clocks that differ by less are the same."""


@dataclass(frozen=True)
class Given:
    """What a sender is told: the settings, what is left alone, and how far its clock is ahead of the machine's."""

    settings: Settings
    rests: Mapping[int, Rest]
    ahead_s: float = 0.0


@dataclass
class Sender:
    """Has sent what is due, by one process at a time. `worker` is the server's own, and tells who else is at work."""

    worker: Worker
    clock: Callable[[], datetime] = times.now
    stopping: Callable[[], bool] = lambda: False
    rests: dict[int, Rest] = field(default_factory=dict)

    def work(self, db: Database, settings: Settings) -> bool:
        """Have sent what is due now, and wait until nothing is; tell whether there was anything.

        Raises:
            RuntimeError: the process that sends broke; what it left is taken up by the next.
        """
        now = self.clock()
        numbers = due(db, self.rests, now=now)
        for number in numbers:
            if self.worker.is_taken(number):
                self.rests[number] = Rest(stand_of(db, number), now + times.seconds(OTHERS_S))
        found = [number for number in numbers if number not in self.rests or self._is_over(db, number)]
        if not found:
            return False
        ahead = (now - times.now()).total_seconds()
        told = self._run(Given(settings, self.rests, ahead if abs(ahead) >= CLOCKS_S else 0.0))
        # Of what it says nothing, there is nothing left to do; if there is, that is no reason to hurry.
        nothing = {number: Rest(stand_of(db, number), self.clock() + times.seconds(OTHERS_S)) for number in found}
        self.rests = nothing | told
        return True

    def _is_over(self, db: Database, number: int) -> bool:
        return self.rests[number].is_over(stand_of(db, number), self.clock())

    def _run(self, given: Given) -> dict[int, Rest]:
        # -P: what lies in the folder it runs in is no module of ours.
        command = [sys.executable, "-P", "-c", f"from {__name__} import main; main()"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 (ours)
        assert process.stdin is not None  # noqa: S101 (it was asked for)
        assert process.stdout is not None  # noqa: S101
        try:
            # One that died at once is known by its code.
            with suppress(BrokenPipeError):
                process.stdin.write(pickle.dumps(given))
                process.stdin.flush()
            self._wait(process)
            said = process.stdout.read()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            with suppress(BrokenPipeError):
                process.stdin.close()
        if self.stopping():
            return {}
        if process.returncode or not said:
            raise RuntimeError(f"the process that sends ended with {process.returncode}; another one goes on")
        return {
            int(number): Rest(rest["stand"], times.from_text(rest["until"]), rest["tries"])
            for number, rest in json.loads(said).items()
        }

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until it ends; when all is to stop, tell it, and wait for so long as it may take."""
        left = LEAVE_S
        while True:
            try:
                process.wait(LOOK_S)
            except subprocess.TimeoutExpired:
                if self.stopping():
                    assert process.stdin is not None  # noqa: S101
                    with suppress(BrokenPipeError):
                        process.stdin.close()
                    left -= LOOK_S
                if left <= 0:
                    process.kill()
            else:
                return


# In that process -----------------------------------------------------------------------------------------------------


def main() -> None:
    """Send what is due, as standard input says; print what is to be left alone, as JSON."""
    told_to_stop = _listen()
    given: Given = pickle.load(sys.stdin.buffer)  # noqa: S301 (from the server that started us, by a pipe)
    watching.begin(given.settings, part="sending")
    try:
        told = work(given, lambda: bool(told_to_stop) or _is_at_its_end(sys.stdin.fileno()))
    finally:
        watching.end()
    sys.stdout.write(json.dumps({number: _as_json(rest) for number, rest in told.items()}))
    sys.stdout.flush()


def work(given: Given, stopping: Callable[[], bool]) -> Mapping[int, Rest]:
    """Send until nothing is due; give what is to be left alone."""
    settings, ahead = given.settings, times.seconds(given.ahead_s)
    # What is loaded stays: looking through it for garbage again and again costs a fifth of the time.
    gc.freeze()
    with closing(open_store(settings.db)) as db:
        runner = Runner(
            db,
            settings,
            Signers.of(db, settings, now=times.now()),
            lambda: Worker(settings.db),
            clock=lambda: times.now() + ahead,
            stopping=stopping,
            rests=dict(given.rests),
        )
        asyncio.run(runner.work())
        return runner.rests


def _as_json(rest: Rest) -> dict[str, Any]:
    return asdict(rest) | {"until": times.to_text(rest.until)}


def _listen() -> Collection[int]:
    """Listen for being told to stop; gives the signals that came."""
    heard: list[int] = []

    def hear(signum: int, frame: FrameType | None) -> None:
        heard.append(signum)
        # The second time it ends; what is in hand is uncertain then, which the ledger bears.
        signal.signal(signum, signal.SIG_DFL)

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, hear)
    return heard


def _is_at_its_end(pipe: int) -> bool:
    """Tell whether whoever held the other end of a pipe, by which nothing more comes, has closed it or died."""
    return bool(select.select([pipe], [], [], 0)[0])
