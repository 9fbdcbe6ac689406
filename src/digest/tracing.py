"""Traces by OpenTelemetry, for those who set `otlp_endpoint` and have `digest[traces]`; else nothing, and no import.

A span is a request (its route, never its address), a call to a provider, a job of the schedule, a letter. What stands
in one are routes, names of providers and numbers: nothing of a reader. Nobody else is told of a trace: calls to
providers carry no `traceparent`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from digest import __version__
from digest.errors import SettingsError
from digest.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

Value = str | int | float | bool

TIMEOUT_S = 5.0
"""So long one call to the collector may take, also when the process ends."""


class Span(Protocol):
    """What a block may say of itself."""

    def set(self, **attributes: Value) -> None:
        """Add what is known now."""

    def named(self, name: str) -> None:
        """Give it another name, where it is known only now."""

    def failed(self, error: BaseException) -> None:
        """Say that it failed, and by what kind of error; not in which words, which may be about a reader."""

    @property
    def ids(self) -> dict[str, str]:
        """The numbers of trace and span, for the log."""


class _Nothing:
    """What a span is where nobody wants traces."""

    ids: dict[str, str] = {}  # noqa: RUF012 (nobody writes into it)

    def set(self, **attributes: Value) -> None:
        pass

    def named(self, name: str) -> None:
        pass

    def failed(self, error: BaseException) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


NOTHING = _Nothing()

_begin: Callable[[str, dict[str, Value], str], AbstractContextManager[Span]] | None = None
_provider: TracerProvider | None = None


def span(name: str, *, kind: str = "internal", **attributes: Value) -> AbstractContextManager[Span]:
    """Trace the block of a `with`; two underscores in the name of an attribute stand for a dot.

    An error that leaves the block marks the span as failed. `kind` is server, client or internal.
    """
    return NOTHING if _begin is None else _begin(name, attributes, kind)


def set_up(settings: Settings, *, part: str = "digest") -> None:
    """Begin to trace, where the settings say where to.

    Raises:
        SettingsError: `digest[traces]` is not installed.
    """
    global _begin, _provider
    if not settings.otlp_endpoint or _provider is not None:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise SettingsError(
            'otlp_endpoint is set, and what it needs is not installed: pip install "digest[traces]", or leave it empty'
        ) from None
    # The address of a collector is written without the path (OTLP, "Endpoint URLs for OTLP/HTTP").
    exporter = OTLPSpanExporter(f"{settings.otlp_endpoint.rstrip('/')}/v1/traces", timeout=TIMEOUT_S)
    of = Resource.create({"service.name": part, "service.version": __version__, "server.address": settings.host})
    _provider = TracerProvider(resource=of, shutdown_on_exit=False)
    _provider.add_span_processor(BatchSpanProcessor(exporter))
    _begin = _beginning(_provider.get_tracer("digest", __version__))


def end() -> None:
    """Hand over what was traced, and trace no more."""
    global _begin, _provider
    ended, _begin, _provider = _provider, None, None
    if ended is not None:
        with suppress(Exception):  # the collector is gone: nothing here is worth an error at the end
            ended.shutdown()


def _beginning(tracer: Tracer) -> Callable[[str, dict[str, Value], str], AbstractContextManager[Span]]:
    from opentelemetry.trace import SpanKind, Status, StatusCode, format_span_id, format_trace_id

    kinds = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT, "internal": SpanKind.INTERNAL}

    class Traced:
        """A span of OpenTelemetry, current while its block runs."""

        def __init__(self, name: str, attributes: dict[str, Value], kind: str) -> None:
            self._given = name, attributes, kind

        def __enter__(self) -> Self:
            name, attributes, kind = self._given
            # What went wrong is not written down by OpenTelemetry itself: an error's words may be about a reader.
            self._current: Any = tracer.start_as_current_span(
                name,
                kind=kinds[kind],
                attributes=_dotted(attributes),
                record_exception=False,
                set_status_on_exception=False,
            )
            self._span = self._current.__enter__()
            return self

        def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> None:
            if error is not None:
                self.failed(error)
            self._current.__exit__(None, None, None)

        def set(self, **attributes: Value) -> None:
            self._span.set_attributes(_dotted(attributes))

        def named(self, name: str) -> None:
            self._span.update_name(name)

        def failed(self, error: BaseException) -> None:
            self._span.set_attribute("error.type", type(error).__name__)
            self._span.set_status(Status(StatusCode.ERROR))

        @property
        def ids(self) -> dict[str, str]:
            of = self._span.get_span_context()
            return {"trace": format_trace_id(of.trace_id), "span": format_span_id(of.span_id)}

    return Traced


def _dotted(attributes: dict[str, Value]) -> dict[str, Value]:
    return {name.replace("__", "."): value for name, value in attributes.items()}
