"""What is known of a provider before anything is sent: how much a call, how fast, what proves that it was accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from digest import providers as known
from digest.errors import SettingsError
from digest.provider_options import fields_of
from digest.providers.interface import Pace, Proof, Provider
from digest.settings import Settings

ALWAYS_S = 10 * 365 * 24 * 3600
"""Nobody waits longer than that to ask."""


@dataclass(frozen=True)
class Facts:
    """What is known of a provider; `trouble` says why it cannot be used as the settings are."""

    name: str
    used: str
    trouble: str
    account: str
    limit: int
    pace: Pace
    proof: Proof


async def facts_of(settings: Settings, names: Sequence[str]) -> list[Facts]:
    """Give what is known of providers, by their names. Nobody is connected to."""
    found = []
    for name in names:
        roles = ("provider", "failover", "letters_provider")
        used = next((role for role in roles if name == getattr(settings, role)), "")
        provider, trouble = _made(settings, name)
        account = "" if trouble else provider.account
        found.append(Facts(name, used, trouble, account, provider.limit, provider.pace, provider.proof))
        await provider.close()
    return found


def _made(settings: Settings, name: str) -> tuple[Provider, str]:
    """Make a provider without connecting to it; where it is not set up, one to be looked at only, and why."""
    try:
        return known.connect(name, settings.options_for(name)), ""
    except SettingsError as error:
        kind = known.options_of(name)
        # Its figures do not hang on what is missing, so anything stands for that.
        wanted: dict[str, Any] = {
            option: SecretStr("not-set.example") if of.annotation is SecretStr else "not-set.example"
            for option, of in fields_of(name).items()
            if of.is_required()
        }
        return known.connect(name, kind.model_construct(**wanted)), str(error)


def paced(pace: Pace) -> str:
    """Say how fast a provider is worked."""
    parts = [
        f"{number:,.12g} {what}"
        for number, what in (
            (pace.calls_a_second, "calls/s"),
            (pace.copies_a_second, "copies/s"),
            (pace.a_day, "copies a day"),
            (pace.first_day, "copies on the first day"),
        )
        if number
    ]
    at_once = "one call at a time" if pace.connections == 1 else f"{pace.connections} calls at a time"
    return ", ".join([*parts, at_once])


def proved(proof: Proof) -> str:
    """Say how it is found out whether an uncertain batch was accepted."""
    ways = []
    if proof.replay_s:
        ways.append(f"the same call again, for {_span(proof.replay_s)}")
    if proof.ask_s:
        ways.append("asked at any time" if proof.ask_s > ALWAYS_S else f"asked, for {_span(proof.ask_s)}")
    return "; ".join(ways) or "nothing proves it"


def _span(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:g} s"
