"""The log of a process: for people or as JSON, on standard error, without readers' addresses and without tokens.

Everything that is logged goes through one formatter, also what uvicorn, APScheduler and others say. It blanks what
looks like an address, a token or the query of an address, wherever it stands: in our words, in another's, in a trace.
Whoever writes a line need not think of it, and must not rely on it either.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, TextIO

import orjson

REQUESTS = "digest.requests"
"""The logger of requests: a line each, where that was asked for."""

FIELDS = ("method", "route", "path", "status", "duration_ms", "job", "trace", "span")
"""What a line may carry beside its words, given as `extra`; nothing else is written."""

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The request that is being answered, for what is logged on the way."""

_OURS = "digest"

# Bounded, so that a long text without an end costs no more than its length.
_ADDRESS = re.compile(
    r"(?:\"[^\"\n]{1,128}\"|[^\s<>\"(),;:@\\\[\]]{1,80})(?:@|%40)[^\s<>\"'`(),;:@/\\&?\[\]{}|]{1,255}"
)
"""With all that may stand before an @ unquoted (RFC 5322, 3.2.3), though more than the address may go with it then."""
_USER_OF = re.compile(r"://[^/\s@\"'<>]{1,300}@")
_QUERY = re.compile(r"(?<=\S)\?[\w%.~\[\]-]{1,100}=[^\s\"'<>]*")
_NAMED = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}|\bdgt_[A-Za-z0-9_-]+")
_LONG = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{20,}(?![A-Za-z0-9_-])")
_MOMENT = re.compile(r"\d{8}T\d{6}Z")
_INPUT = re.compile(r"input_value=.{0,500}?, input_type=", re.DOTALL)
"""How pydantic shows what it was given."""
_HEX = re.compile(r"[0-9a-fA-F]{32,}")

TOKEN, ADDRESS = "(token)", "(address)"


def clean(text: str) -> str:
    """Blank what looks like an address, a token, a password in an address or its query.

    A token of ours is 24 characters of URL-safe Base64 (`digest.tokens`), secrets of sessions and keys are longer. What
    has that length, and capitals in between as no name has them or a digit too, is taken for one.
    """
    if "?" in text:
        text = _QUERY.sub("?…", text)
    if "@" in text or "%40" in text:
        text = _ADDRESS.sub(ADDRESS, _USER_OF.sub("://…/", text))
    if "input_value=" in text:
        text = _INPUT.sub("input_value=…, input_type=", text)
    text = _NAMED.sub(TOKEN, text)
    return _LONG.sub(_unless_name, text)


def _unless_name(found: re.Match[str]) -> str:
    text = _MOMENT.sub("", found[0])
    if _HEX.search(text):
        return TOKEN
    if text in (text.lower(), text.upper()):
        return found[0]
    # A word in CamelCase has a capital for five letters or more, chance has one for two.
    capitals = sum(character.isupper() for character in text)
    return TOKEN if any(character.isdigit() for character in text) or capitals * 7 >= len(text) * 2 else found[0]


def visible(text: str) -> str:
    """Write what cannot be seen (line breaks, codes that a terminal obeys, turned writing) as Python would write it."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def is_sane(given: str) -> bool:
    """Tell whether a request's number that somebody gives can stand in a log as it is."""
    return re.fullmatch(r"[A-Za-z0-9._-]{8,64}", given, re.ASCII) is not None


class Text(logging.Formatter):
    """A line for people, as the command prints its own; the trace of an error under it."""

    def __init__(self, part: str = "") -> None:
        super().__init__()
        self._part = f"{part}: " if part else ""

    def format(self, record: logging.LogRecord) -> str:  # noqa: D102 (logging's own)
        own = record.name.partition(".")[0] == _OURS
        whose = "" if own else f"{record.name}: "
        level = "error: " if record.levelno >= logging.ERROR else ""
        trace = f"\n{self.formatException(record.exc_info)}" if record.exc_info and record.exc_info[0] else ""
        number = f" (request {request_id.get()})" if trace and request_id.get() else ""
        whole = clean(f"digest: {self._part}{level}{whose}{record.getMessage()}{number}{trace}")
        return "\n".join(map(visible, whole.replace("\t", "    ").split("\n")))


class Json(logging.Formatter):
    """A JSON object a line: time, level, logger, message, and of what else is known of it."""

    def __init__(self, part: str = "") -> None:
        super().__init__()
        self._part = part

    def format(self, record: logging.LogRecord) -> str:  # noqa: D102 (logging's own)
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        found: dict[str, Any] = {
            "time": when.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": clean(record.getMessage()),
        }
        if self._part:
            found["part"] = self._part
        if request_id.get():
            found["request"] = request_id.get()
        for name in FIELDS:
            if (value := getattr(record, name, None)) is not None:
                found[name] = clean(value) if isinstance(value, str) and name not in ("trace", "span") else value
        if record.exc_info and record.exc_info[0]:
            found["error"] = record.exc_info[0].__name__
            found["stack"] = clean(self.formatException(record.exc_info))
        # A file name that is no UTF-8 must not cost the line.
        return orjson.dumps(_whole(found), default=str).decode()


def _whole(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
        for name, value in found.items()
    }


def set_up(
    written: Literal["text", "json"], *, verbose: bool = False, part: str = "", stream: TextIO | None = None
) -> None:
    """Have everything that this process logs written so, from now on.

    Args:
        written: for people, or a JSON object a line.
        verbose: each request too.
        part: which part of digest this process is, where it is not the server itself.
        stream: where to; standard error where it is not given.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Json(part) if written == "json" else Text(part))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    # What is said at the start belongs into a log that machines read; for people the command says it.
    logging.getLogger(_OURS).setLevel(logging.INFO if verbose or written == "json" else logging.WARNING)
    logging.getLogger(REQUESTS).setLevel(logging.INFO if verbose else logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "apscheduler"):
        other = logging.getLogger(name)
        other.handlers.clear()
        other.propagate = name != "uvicorn.access"
        other.setLevel(logging.INFO if verbose and name.startswith("uvicorn") else logging.WARNING)
    # Its line has the address with the tokens in it, and the reader's: ours has neither.
    logging.getLogger("uvicorn.access").setLevel(logging.CRITICAL)
    logging.captureWarnings(True)
    sys.excepthook = _died
    threading.excepthook = _thread_died


def _died(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger(_OURS).critical("the process broke", exc_info=(kind, error, trace))


def _thread_died(told: threading.ExceptHookArgs) -> None:
    if told.exc_type is SystemExit or told.exc_value is None:
        return
    name = told.thread.name if told.thread else "a thread"
    given = (told.exc_type, told.exc_value, told.exc_traceback)
    logging.getLogger(_OURS).critical("%s broke", name, exc_info=given)
