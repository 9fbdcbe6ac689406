"""The providers that an issue is sent through, as the settings have them."""

from __future__ import annotations

from digest.errors import SettingsError
from digest.providers import connect
from digest.providers.interface import Provider
from digest.settings import Settings


def names_of(settings: Settings) -> list[str]:
    """Give the name of the main provider, and that of the one that takes over where there is one."""
    return [name for name in (settings.provider, settings.failover) if name]


def connected(name: str, settings: Settings) -> Provider:
    """Make the provider of a name.

    Raises:
        SettingsError: its options are not whole.
    """
    try:
        return connect(name, settings.options_for(name))
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from None


def providers_of(settings: Settings) -> list[Provider]:
    """Make the main provider, and the one that takes over where there is one.

    Raises:
        SettingsError: the options of one are not whole.
    """
    return [connected(name, settings) for name in names_of(settings)]
