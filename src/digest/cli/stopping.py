"""Being told to stop, by Ctrl-C or SIGTERM: once finishes what is in hand, twice stops at once."""

from __future__ import annotations

import signal
from types import FrameType


class Stopping:
    """Listens for both signals from when it is made; called, it tells whether one came."""

    def __init__(self) -> None:
        self._told = False
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self._hear)

    def __call__(self) -> bool:
        """Tell whether we were told to stop."""
        return self._told

    def _hear(self, signum: int, frame: FrameType | None) -> None:
        self._told = True
        # The second time the process ends; what is in hand is uncertain then, which the ledger bears.
        signal.signal(signum, signal.SIG_DFL)
