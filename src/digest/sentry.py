"""Errors told to Sentry, or to what speaks like it, for those who set `sentry_dsn` and have `digest[sentry]`.

What is told is what the log tells as an error, wherever it went wrong: in a request, in the background, in a job, in
the process that sends. Nothing of Sentry's own gathers anything: no request, no cookie, no local variable, no trail of
what was done before. What is left, the error and the places in the code, goes through the same sieve as the log.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from digest import __version__, logs
from digest.errors import SettingsError
from digest.settings import Settings

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

KEPT = (
    "event_id", "timestamp", "platform", "level", "logger", "release", "server_name", "exception", "message",
    "tags", "transaction",
)  # fmt: skip
"""What of an event is told."""
OF_FRAME = ("filename", "function", "module", "lineno", "pre_context", "context_line", "post_context", "in_app")
"""And what of each place in the code: our own lines, never the values in them."""
FLUSH_S = 2.0

_told: Handler | None = None


class Handler(logging.Handler):
    """Tells each error that is logged."""

    def __init__(self, client: Any) -> None:
        super().__init__(logging.ERROR)
        self._client = client

    def emit(self, record: logging.LogRecord) -> None:  # noqa: D102 (logging's own)
        if record.name.startswith(("sentry_sdk", "urllib3")):
            return
        from sentry_sdk.utils import event_from_exception

        # What is logged in a line may have its error beside it, for those who want to see where it came from.
        error = getattr(record, "error", None) or (record.exc_info[1] if record.exc_info else None)
        with suppress(Exception):  # telling of an error must not be another one
            event: dict[str, Any] = {}
            hint: dict[str, Any] | None = None
            if error is not None:
                event, hint = event_from_exception(  # type: ignore[assignment]
                    error, client_options=self._client.options, mechanism={"type": "digest", "handled": True}
                )
            else:
                event["message"] = record.getMessage()
            tags = {name: str(getattr(record, name)) for name in ("route", "method", "job") if hasattr(record, name)}
            if logs.request_id.get():
                tags["request"] = logs.request_id.get()
            event |= {"level": "error", "logger": record.name, "tags": tags}
            self._client.capture_event(event, hint=hint)

    def end(self) -> None:
        """Hand over what waits."""
        self._client.close(timeout=FLUSH_S)


def set_up(settings: Settings, *, part: str = "digest") -> None:
    """Begin to tell errors, where the settings say whom.

    Raises:
        SettingsError: `digest[sentry]` is not installed, or the DSN is none.
    """
    global _told
    if settings.sentry_dsn is None or _told is not None:
        return
    try:
        from sentry_sdk import Client
        from sentry_sdk.utils import BadDsn
    except ImportError:
        raise SettingsError(
            'sentry_dsn is set, and what it needs is not installed: pip install "digest[sentry]", or leave it empty'
        ) from None
    try:
        client = Client(
            dsn=settings.sentry_dsn.get_secret_value(),
            release=f"digest@{__version__}",
            server_name=f"{settings.host} {part}",
            default_integrations=False,
            auto_enabling_integrations=False,
            auto_session_tracking=False,
            send_client_reports=False,
            # `send_default_pii` is off unless it is set, and newer versions warn of naming it at all.
            include_local_variables=False,
            max_request_body_size="never",
            max_breadcrumbs=0,
            before_send=only_what_is_ours,
            shutdown_timeout=FLUSH_S,
        )
    except BadDsn:
        # Without its words, which show the DSN.
        raise SettingsError("sentry_dsn is no DSN; Sentry shows it as https://KEY@HOST/NUMBER") from None
    _told = Handler(client)
    logging.getLogger().addHandler(_told)


def end() -> None:
    """Hand over what waits, and tell no more."""
    global _told
    if _told is not None:
        logging.getLogger().removeHandler(_told)
        _told.end()
        _told = None


def only_what_is_ours(event: Event, hint: Hint) -> Event | None:
    """Give of an event what may be told: errors and places in the code, with nothing of a reader in them."""
    found: dict[str, Any] = {name: value for name, value in event.items() if name in KEPT}
    for error in (found.get("exception") or {}).get("values") or []:
        places = error.get("stacktrace") or {}
        places["frames"] = [
            {name: value for name, value in frame.items() if name in OF_FRAME} for frame in places.get("frames") or []
        ]
    return _cleaned(found)  # type: ignore[no-any-return]


def _cleaned(value: Any, name: str = "") -> Any:
    match value:
        case str():
            return value if name in ("event_id", "timestamp", "release", "request") else logs.clean(value)
        case dict():
            return {key: _cleaned(each, key) for key, each in value.items()}
        case list() | tuple():
            return [_cleaned(each) for each in value]
        case _:
            return value
