"""Whether this machine's clock is right: by the kernel, by the provider's, and by what the store has seen."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial

import httpx

from digest import times
from digest.audience import letterbox
from digest.doctor.model import Case, Finding
from digest.editors import audit
from digest.errors import SettingsError
from digest.sending import ledger

WORDS = "this machine's clock"
PLACE = 40
NETWORK = False
SECONDS: float | None = 30

_say = partial(Finding, "clock")

FAR, TOO_FAR = timedelta(seconds=30), timedelta(minutes=5)
"""From the second on, providers refuse what we sign (Amazon's signature) and we refuse what they sign."""
_TODO = "let this machine follow a time server: systemd-timesyncd or chrony"
_UNSYNC = 0x40  # STA_UNSYNC of adjtimex(2)


def look(case: Case) -> Iterator[Finding]:
    """Ask whoever knows."""
    kept = kernel_keeps_it()
    if kept is None:
        yield _say("kept", "not looked at", "this system does not say whether a time server keeps its clock")
    elif kept:
        yield _say("kept", "pass", "the kernel says that a time server keeps the clock")
    else:
        yield _say(
            "kept", "warn", "the kernel says that no time server keeps the clock", todo=_TODO, command="timedatectl"
        )
    yield from _store(case)
    if case.network:
        yield _provider(case)


def kernel_keeps_it() -> bool | None:
    """Tell whether the kernel believes its clock is kept, by adjtimex(2); None where it does not say."""
    try:
        call = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    # `modes` is 0, so that nothing is changed; `status` stands behind it and four longs.
    timex = ctypes.create_string_buffer(1024)
    if call(timex) < 0:
        return None
    at = struct.calcsize("iqqqq" if struct.calcsize("l") == 8 else "illll")
    return not struct.unpack_from("i", timex, at)[0] & _UNSYNC


def _store(case: Case) -> Iterator[Finding]:
    now = case.clock()
    with case.store() as db:
        newest = max(
            filter(None, (ledger.newest_claim(db), letterbox.newest_claim(db), audit.newest(db))), default=None
        )
    if newest is None:
        return
    if newest > now + FAR:
        words = (
            f"the store has a moment to come, {times.for_people(newest, case.settings.zone)}: a clock is, or was, wrong"
        )
        yield _say("store", "warn", words, todo=_TODO)
    else:
        yield _say("store", "pass", "the store knows of no moment that is still to come")


def _provider(case: Case) -> Finding:
    """Compare with the Date of an answer of the provider's (RFC 9110, 6.6.1); what was asked for does not matter."""
    settings = case.settings
    try:
        url = str(getattr(settings.options_for(settings.provider), "url", ""))
    except SettingsError:
        url = ""
    if not url:
        return _say("provider", "not looked at", f"nobody else's clock was asked: {settings.provider} tells none")
    host = httpx.URL(url).host
    try:
        with case.client() as client:
            before = case.clock()
            answer = client.head(url)
            after = case.clock()
        told = parsedate_to_datetime(answer.headers["date"])
    except (httpx.HTTPError, KeyError, ValueError) as error:
        return _say("provider", "not looked at", f"{host} did not say what time it is: {type(error).__name__}")
    told = told if told.tzinfo else told.replace(tzinfo=UTC)
    return compared(host, told, before, after)


def compared(host: str, told: datetime, before: datetime, after: datetime) -> Finding:
    """Judge another's clock, which says whole seconds, against ours before and after it was asked."""
    off = max(timedelta(0), told - after, before - told - timedelta(seconds=1))
    if off <= FAR:
        return _say("provider", "pass", f"the clock agrees with that of {host}")
    words = f"the clock is {off.total_seconds():,.0f} seconds {'behind' if told > after else 'before'} that of {host}"
    return _say("provider", "bad" if off >= TOO_FAR else "warn", words, todo=_TODO, command="timedatectl")
