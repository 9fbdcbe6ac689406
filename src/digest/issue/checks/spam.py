"""What a spam filter makes of the issue: SpamAssassin's spamd, or rspamd.

A filter near us is not the reader's own, but it sees what all of them look for: broken MIME, hidden text, words
and links that go with spam. Both give a score that is the sum of the rules that hit.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from digest.issue.checks.model import Finding, Level, Mail

FAIR = 1.0
"""Under this score an issue passes. Filters call spam what reaches 5 (SpamAssassin) or 6 (rspamd) by default, so
that there is room for what a reader's own filter adds, such as for a sender it does not know yet."""

SPAMD, RSPAMD = "spamd://127.0.0.1:783", "http://127.0.0.1:11333"
"""Where the two listen by default, and where `auto` looks."""

PROBE_SECONDS = 0.3
TOTAL_SECONDS = 20.0
MOST_BYTES = 1024 * 1024

_SPAM_ACTIONS = frozenset({"add header", "rewrite subject", "quarantine", "reject", "discard"})
"""What rspamd wants done with spam; greylisting and a soft reject only delay
(https://docs.rspamd.com/configuration/metrics)."""

_VERDICT = re.compile(r"^Spam:\s*(True|False|Yes|No)\s*;\s*(-?[\d.]+)\s*/\s*(-?[\d.]+)\s*$", re.M | re.I)
_RULE = re.compile(r"^ {0,4}(-?\d+(?:\.\d+)?)\s+([A-Z][A-Z0-9_]+)\b", re.M)


@dataclass(frozen=True)
class Score:
    """A filter's verdict: its sum, its threshold (None where it says none), the rules and their scores."""

    filter: str
    total: float
    threshold: float | None
    is_spam: bool
    rules: tuple[tuple[str, float], ...]


async def look(
    mail: Mail, message: bytes, *, spamd: str = SPAMD, rspamd: str = RSPAMD, seconds: float = TOTAL_SECONDS
) -> list[Finding]:
    """Have a message scored by the filter of the settings (id `spam`).

    Args:
        mail: what the message was made of.
        message: a whole MIME message, as one reader would get it.
        spamd: where `auto` looks for spamd.
        rspamd: where `auto` looks for rspamd.
        seconds: what the scoring may take.
    """
    address = mail.settings.spam_filter
    if address == "off":
        return [Finding("spam", "not run", "no spam filter is asked: spam_filter is off", moot=True)]
    if address == "auto":
        address = spamd if await _listens(spamd) else rspamd
        if address == rspamd and not await _listens(rspamd):
            nobody = "no spam filter listens on this machine (spamd at port 783, rspamd at 11333)"
            return [_not_run(nobody, moot=True)]
    try:
        async with asyncio.timeout(seconds):
            score = await (_ask_spamd if address.startswith("spamd:") else _ask_rspamd)(address, message)
    except TimeoutError:
        return [_not_run(f"{address} has not scored the issue within {seconds:g} seconds")]
    except (OSError, httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return [_not_run(f"{address} could not score the issue: {error or type(error).__name__}")]
    return [_finding(mail, score)]


def _not_run(what: str, *, moot: bool = False) -> Finding:
    todo = "start SpamAssassin's spamd or rspamd and set spam_filter to its address, or set it to off"
    return Finding("spam", "not run", what, "spam_filter", todo, moot=moot)


def _finding(mail: Mail, score: Score) -> Finding:
    rules = ", ".join(f"{name} {points:+.1f}" for name, points in _telling(score)) or "no rule counted"
    of = f" of {score.threshold:g}" if score.threshold is not None else ""
    level: Level = "pass"
    if score.is_spam or (score.threshold is not None and score.total >= score.threshold):
        level = mail.grave
    elif score.total >= FAIR:
        level = "warn"
    verdict = f"{score.filter} takes the issue for spam and" if level == mail.grave != "warn" else score.filter
    what = f"{verdict} gives it {score.total:.1f}{of} points: {rules}"
    if level == "pass":
        return Finding("spam", level, what)
    worst = next((name for name, points in _telling(score) if points > 0), "the rules above")
    return Finding(
        "spam", level, what, worst, f"change what the rules with the most points found, first of all {worst}"
    )


def _telling(score: Score) -> list[tuple[str, float]]:
    """The rules that count, the worst first; others only say what they saw."""
    return sorted(((name, points) for name, points in score.rules if abs(points) >= 0.05), key=lambda rule: -rule[1])


async def _listens(address: str) -> bool:
    parts = urlsplit(address)
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except OSError:  # a TimeoutError is one too
        return False
    await _close(writer)
    return True


async def _ask_spamd(address: str, message: bytes) -> Score:
    """Ask for a REPORT, as in https://github.com/apache/spamassassin/blob/trunk/spamd/PROTOCOL.

    Raises:
        OSError: there is no connection, or it breaks.
        ValueError: what came is no report.
    """
    host, port = _host_and_port(address)
    reader, writer = await asyncio.open_connection(host, port or 783)
    try:
        writer.write(b"REPORT SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % len(message) + message)
        writer.write_eof()
        await writer.drain()
        answer = await _read(_pieces(reader))
    finally:
        await _close(writer)
    head, _, report = answer.decode("utf-8", "replace").partition("\r\n\r\n")
    status = head.split("\r\n", 1)[0].split(None, 3)
    if len(status) < 3 or not status[0].startswith("SPAMD/"):
        raise ValueError("it does not speak spamd's protocol")
    if status[1] != "0":
        raise ValueError(f"it answers {' '.join(status[1:])}")
    verdict = _VERDICT.search(head.replace("\r\n", "\n"))
    if verdict is None:
        raise ValueError("its answer has no score")
    found = tuple((name, _number(points)) for points, name in _RULE.findall(report.rpartition("\n----")[2]))
    is_spam, total, threshold = verdict.groups()
    return Score("SpamAssassin", _number(total), _number(threshold), is_spam.lower() in ("true", "yes"), found)


async def _ask_rspamd(address: str, message: bytes) -> Score:
    """Ask `/checkv2`, as in https://docs.rspamd.com/developers/protocol.

    Raises:
        httpx.HTTPError: there is no answer, or it is an error.
        ValueError: what came is no verdict.
    """
    _host_and_port(address)
    path = "" if urlsplit(address).path.strip("/") else "/checkv2"
    url = address.rstrip("/") + path
    async with (
        httpx.AsyncClient(trust_env=False, timeout=TOTAL_SECONDS) as client,
        client.stream("POST", url, content=message) as response,
    ):
        response.raise_for_status()
        body = await _read(response.aiter_bytes())
    try:
        answer = json.loads(body)
        symbols = answer["symbols"].values()
        rules = tuple((str(symbol["name"]), _number(symbol.get("score") or 0)) for symbol in symbols)
        threshold = answer.get("required_score")
        return Score(
            "rspamd",
            _number(answer["score"]),
            _number(threshold) if threshold is not None else None,
            str(answer["action"]) in _SPAM_ACTIONS,
            rules,
        )
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, RecursionError):
        raise ValueError("its answer is not rspamd's JSON") from None


def _host_and_port(address: str) -> tuple[str, int | None]:
    """Read an address; a ValueError says why it can be none."""
    parts = urlsplit(address)
    if not parts.hostname:
        raise ValueError("it has no host")
    return parts.hostname, parts.port


def _number(said: str | float) -> float:
    """Read a score; JSON as Python reads it has NaN and Infinity, too."""
    number = float(said)
    if not math.isfinite(number):
        raise ValueError("a score of its answer is no number")
    return number


async def _read(pieces: AsyncIterator[bytes]) -> bytes:
    """Read to the end; a report is a few kilobytes."""
    read = bytearray()
    async for piece in pieces:
        read += piece
        if len(read) > MOST_BYTES:
            raise ValueError("its answer does not end")
    return bytes(read)


async def _pieces(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while piece := await reader.read(65536):
        yield piece


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:
        return
