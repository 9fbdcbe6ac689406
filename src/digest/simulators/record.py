"""What a simulator accepted, copy by copy."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Accepted:
    """One copy that was accepted: to whom, in which call, and what the call said of it."""

    address: str
    call: int
    message_id: str
    subject: str = ""
    html: str = ""
    text: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


class Record:
    """All that was accepted, in order. With a file, each is a line of JSON in it too.

    `bodies` says whether the bodies are kept, as a long run would fill the memory with them; `written`, whether they
    are in the file. Where it is neither, a simulator need not make them: its `bodies` says so.
    """

    def __init__(self, path: Path | None = None, *, bodies: bool = True, written: bool = False) -> None:
        self.accepted: list[Accepted] = []
        self.refused: Counter[str] = Counter()
        self.calls = 0
        self._kept, self._written = bodies, written
        self.bodies = bodies or written
        self._file = path.open("a", encoding="utf-8") if path else None

    def begin(self) -> int:
        """Count a call, and give its number."""
        self.calls += 1
        return self.calls

    def add(self, copies: list[Accepted]) -> None:
        """Write down what one call accepted."""
        for copy in copies:
            slim = Accepted(copy.address, copy.call, copy.message_id, copy.subject, tags=copy.tags)
            self.accepted.append(copy if self._kept else slim)
            if self._file:
                self._file.write(json.dumps(asdict(copy if self._written else slim)) + "\n")
        if self._file:
            self._file.flush()

    def close(self) -> None:
        """Close the file, where there is one."""
        if self._file:
            self._file.close()

    def addresses(self) -> Counter[str]:
        """Count the copies of each address."""
        return Counter(copy.address for copy in self.accepted)

    def summary(self) -> dict[str, Any]:
        """Give the figures, as ``GET /_simulator`` answers them."""
        addresses = self.addresses()
        return {
            "calls": self.calls,
            "accepted": len(self.accepted),
            "addresses": len(addresses),
            "twice": sum(1 for count in addresses.values() if count > 1),
            "refused": dict(self.refused),
        }
