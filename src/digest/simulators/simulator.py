"""What every simulator is: it takes a request and answers it, and keeps a record."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import orjson

from digest.simulators.record import Record


@dataclass(frozen=True)
class Request:
    """A request as it came: `headers` with their names in lower case, `query` with the last value of each name."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Read its body.

        Raises:
            ValueError: it is no JSON.
        """
        return orjson.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """An answer."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, status: int, content: Any, **headers: str) -> Reply:
        """Answer with JSON; an underscore in a header's name stands for a hyphen."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, orjson.dumps(content), {"Content-Type": "application/json", **names})


class Simulator(ABC):
    """One provider. `most_bytes` is the largest request it reads; the server answers `too_large` beyond that."""

    name: str
    most_bytes: int = 60_000_000

    def __init__(self, record: Record | None = None) -> None:
        self.record = record or Record()

    @abstractmethod
    def answer(self, request: Request, number: int) -> Reply:
        """Work one request, the `number`-th, and answer it as the provider would."""

    @abstractmethod
    def too_many(self, retry_after_s: float) -> Reply:
        """Refuse a request because there are too many."""

    def too_large(self) -> Reply:
        """Refuse a request because it is too large."""
        return Reply(413, b"Request Entity Too Large", {"Content-Type": "text/plain"})

    @abstractmethod
    def usage(self, url: str) -> dict[str, str]:
        """Give the settings by which digest hands over to this simulator at a URL."""
