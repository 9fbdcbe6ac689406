"""Whether those who take our mail know us: asked by a call that mails nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial

from digest.doctor.model import Case, Finding
from digest.errors import SettingsError
from digest.providers import connect
from digest.providers.interface import AccountError, Probed, ProviderError, QuotaError, TryAgainError
from digest.providers.options import Options

WORDS = "whether the providers take our key"
PLACE = 90
NETWORK = True
SECONDS: float | None = 45

_say = partial(Finding, "provider")


def look(case: Case) -> Iterator[Finding]:
    """Ask each provider in use, once for each way by which mail goes: issues and letters may go by different ones."""
    for name, options, what in _ways(case):
        if isinstance(options, SettingsError):
            yield _say(name, "bad", str(options), what, "set what is missing", f"digest providers {name}")
        else:
            yield from asyncio.run(_asked(name, options, what))


def _ways(case: Case) -> Iterator[tuple[str, Options | SettingsError, str]]:
    settings = case.settings
    seen: list[tuple[str, Options]] = []
    letters = settings.letters_provider or settings.provider
    uses = ((settings.provider, "issues"), (settings.failover, "failover"), (letters, "letters"))
    for name, what in uses:
        if not name:
            continue
        try:
            options = settings.options_for(name)
        except SettingsError as error:
            if what != "letters" or name not in (settings.provider, settings.failover):
                yield name, error, what
            continue
        options = options.for_letters() if what == "letters" else options
        if (name, options) not in seen:
            seen.append((name, options))
            yield name, options, what


async def _asked(name: str, options: Options, what: str) -> list[Finding]:
    try:
        provider = connect(name, options)
    except ValueError as error:
        return [_say(name, "bad", f"{name} cannot be used: {error}", what, "set it right", f"digest providers {name}")]
    try:
        if not isinstance(provider, Probed):
            return [_say(name, "not looked at", f"{name} has no question that mails nobody", what)]
        said = await provider.probe()
    except AccountError as error:
        todo = f"mend it at {name}, or set its options right"
        return [
            _say(name, "bad", f"{name} ({what}) would take no mail: {error}", what, todo, f"digest providers {name}")
        ]
    except QuotaError as error:
        return [
            _say(name, "warn", f"{name} ({what}) takes no more mail for now: {error}", what, "raise the quota, or wait")
        ]
    except TryAgainError as error:
        todo = "see whether this machine may call it, and whether it is up"
        return [_say(name, "bad", f"{name} ({what}) cannot be reached: {error}", what, todo)]
    except ProviderError as error:
        return [_say(name, "not looked at", f"{name} ({what}) could not say: {error}", what)]
    finally:
        await provider.close()
    return [
        _say(name, "pass", f"{name} ({what}): {said.words}"),
        *(_say(name, "warn", f"{name} ({what}): {doubt}", what, f"mend it at {name}") for doubt in said.doubts),
    ]
