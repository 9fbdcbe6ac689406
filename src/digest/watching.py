"""What a process that works by itself does so that it can be watched: its log, its traces, its errors."""

from __future__ import annotations

from digest import logs, sentry, tracing
from digest.settings import Settings


def begin(settings: Settings, *, part: str = "", verbose: bool = False) -> None:
    """Write the log as the settings say, and tell traces and errors where they say so.

    Raises:
        SettingsError: an extra that this needs is not installed.
    """
    logs.set_up(settings.log_format, verbose=verbose, part=part)
    tracing.set_up(settings, part=f"digest {part}".rstrip())
    sentry.set_up(settings, part=part)


def end() -> None:
    """Hand over what waits."""
    tracing.end()
    sentry.end()
