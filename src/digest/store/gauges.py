"""What is measured of the store's file, the disk it is on, and its backups."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from digest.gauges import Gauge, single
from digest.store.backups import found_in


def gauges(store: Path, backups: Path | None) -> Iterator[Gauge]:
    """Measure; `backups` is the folder they lie in, if there is one."""
    yield single("store_bytes", "The size of the store's file.", _size(store))
    wal = store.with_name(store.name + "-wal")
    yield single("store_wal_bytes", "The size of its write-ahead log.", _size(wal))
    free = None
    with suppress(OSError):
        free = float(shutil.disk_usage(store.parent).free)
    yield single("disk_free_bytes", "What is free on the disk that the store is on.", free)
    newest = None
    with suppress(OSError):
        newest = next(iter(found_in(backups, store)), None) if backups else None
    yield single(
        "backup_last_success_timestamp_seconds",
        "When the newest backup was taken that lies in the folder.",
        newest.at.timestamp() if newest else None,
    )
    yield single("backup_bytes", "The size of that backup.", newest.size if newest else None)


def _size(path: Path) -> float:
    with suppress(OSError):
        return float(path.stat().st_size)
    return 0.0
