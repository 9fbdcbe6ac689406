"""What `/metrics` gives, in Prometheus's own text: requests from memory, all else from the store when it is asked for.

What is read from the store is kept for some seconds, so that many who ask cost no more than one; and for fifty times as
long as it took to read, so that it never takes more than a fiftieth of the time.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import accumulate
from threading import Lock
from typing import TYPE_CHECKING

from digest import __version__
from digest.audience import gauges as audience
from digest.gauges import Gauge, single
from digest.programs import gauges as programs
from digest.schedule import gauges as schedule
from digest.sending import gauges as sending
from digest.store import Database
from digest.store import gauges as store
from digest.tracking import gauges as tracking
from digest.tracking.spool import folder_of
from digest.web.observing import BUCKETS, Requests
from digest.web.readiness import unready

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

    from digest.web.state import State

KEPT_S, SHARE = 5.0, 0.02

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""https://prometheus.io/docs/instrumenting/exposition_formats/."""


class Metrics:
    """What is measured of one application, in a registry of its own: several may live in a process."""

    def __init__(self) -> None:
        self.requests = Requests()
        self._lock = Lock()
        self._registry: CollectorRegistry | None = None
        self._settled: sending.Settled | None = None
        self._gauges: list[Gauge] = []
        self._look_at = 0.0

    def begin(self, db: Database) -> None:
        """Begin to count what the store tells only of the past."""
        self._settled = sending.Settled(db)

    def written(self, state: State, db: Database) -> bytes:
        """Give all of it, as Prometheus reads it.

        Raises:
            sqlite3.Error: the store cannot be read.
        """
        # Here, because nobody may ever ask.
        from prometheus_client import generate_latest

        # One at a time: whoever comes meanwhile has the same.
        with self._lock:
            begun = time.monotonic()
            if begun >= self._look_at:
                self._gauges = [*self._of_store(state, db)]
                self._look_at = time.monotonic() + max(KEPT_S, (time.monotonic() - begun) / SHARE)
            self._registry = self._registry or self._made(state)
            return generate_latest(self._registry)

    def _of_store(self, state: State, db: Database) -> Iterator[Gauge]:
        settings, now = state.settings, state.clock()
        self._settled = self._settled or sending.Settled(db)
        yield from sending.gauges(db, settings, now=now)
        yield from self._settled.gauges(db)
        yield from tracking.gauges(db, issue=sending.latest(db), now=now)
        yield from tracking.spool_gauges(db, folder_of(settings.db), now=now)
        yield from audience.gauges(db, now=now)
        yield from programs.gauges(db, now=now)
        yield from schedule.gauges(db, now=now)
        yield from store.gauges(settings.db.resolve(), settings.backup_folder)

    def _made(self, state: State) -> CollectorRegistry:
        from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector

        metrics = self

        class OfDigest:
            """Gives what is measured of digest."""

            def collect(self) -> Iterable[Metric]:
                yield from map(_family, metrics._gauges)
                yield from map(_family, _of_process(state))
                yield from _of_requests(metrics.requests)

            def describe(self) -> Iterable[Metric]:
                return ()

        made = CollectorRegistry(auto_describe=False)
        made.register(OfDigest())
        ProcessCollector(registry=made)
        GCCollector(registry=made)
        return made


def _of_process(state: State) -> Iterator[Gauge]:
    """What is of this process, and of now."""
    yield Gauge("build_info", "1, with the version of digest that runs.", ("version",), {(__version__,): 1.0})
    yield single("ready", "1 where /readyz says that all is well.", 0.0 if unready(state) else 1.0)
    yield Gauge(
        "part_silent_seconds",
        "For how long each part of what is done in the background was not seen at work.",
        ("part",),
        {(part,): age for part, age in state.pulse.ages().items()},
    )


def _family(gauge: Gauge) -> Metric:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    kind = CounterMetricFamily if gauge.counts_up else GaugeMetricFamily
    family = kind(f"digest_{gauge.name}", gauge.words, labels=gauge.labels)
    for values, figure in sorted(gauge.figures.items()):
        family.add_metric(values, figure)
    return family


def _of_requests(requests: Requests) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    counts = CounterMetricFamily(
        "digest_http_requests_total",
        "Requests answered, by route, method and status.",
        labels=("route", "method", "status"),
    )
    for values, count in sorted(requests.counts.copy().items()):
        counts.add_metric(values, count)
    yield counts
    durations = HistogramMetricFamily(
        "digest_http_request_duration_seconds", "How long it took until the answer began, by route.", labels=("route",)
    )
    for route, row in sorted(requests.durations.copy().items()):
        bounds = [*map(str, BUCKETS), "+Inf"]
        durations.add_metric((route,), [*zip(bounds, accumulate(row[:-1]), strict=True)], row[-1])
    yield durations
