"""Taking backups: what waits in the spool is worked first, the copy is checked, and the oldest are let go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from digest.errors import SettingsError, StoreError
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.store import Database, back_up, file_of, pending, store_key
from digest.store.backup import belong_with
from digest.store.backups import Backup, found_in, name_of, remove_old
from digest.tracking import spool
from digest.tracking.working import Working


@dataclass(frozen=True)
class Taken:
    """A backup that was taken: the file, its size in bytes, and the older ones that were removed for it."""

    path: Path
    size: int
    removed: tuple[Path, ...]

    def __str__(self) -> str:
        gone = f"; {len(self.removed)} old removed" if self.removed else ""
        return f"backed up to {self.path.name} ({self.size / 1e6:.1f} MB), opened and checked{gone}"


def take(
    db: Database,
    settings: Settings,
    *,
    now: datetime,
    progress: Callable[[int, int], None] = lambda done, total: None,
    stopping: Callable[[], bool] = lambda: False,
) -> Taken:
    """Take a backup into the folder of the settings, and then remove what need not be kept.

    Nothing is removed unless the new one is whole and sound.

    Raises:
        SettingsError: no folder is set.
        StoppedError: it was told to stop.
        StoreError: it could not be taken.
    """
    folder = expect_folder(settings)
    _make(folder, settings.db)
    work_spool(db, settings, now=now, stopping=stopping)
    path = folder / name_of(settings.db, now)
    size = back_up(db, path, progress=progress, stopping=stopping)
    removed = remove_old(
        folder,
        settings.db,
        daily=settings.backups_daily,
        weekly=settings.backups_weekly,
        monthly=settings.backups_monthly,
        zone=settings.zone,
        now=now,
        key=store_key(db, "messages", now=now),
    )
    return Taken(path, size, tuple(removed))


def expect_folder(settings: Settings) -> Path:
    """Give the folder that backups go into.

    Raises:
        SettingsError: none is set.
    """
    if settings.backup_folder is None:
        raise SettingsError("backup_to is empty, so there is no folder for backups; set it, or name a file")
    return settings.backup_folder


def _make(folder: Path, store: Path) -> None:
    """Make the folder, and none above it: a disk that is not mounted must not be taken for an empty folder."""
    try:
        folder.mkdir(0o700)
    except FileExistsError:
        if not folder.is_dir():
            raise StoreError(
                f"{folder} is no folder, and backups cannot go into it; see the setting backup_to"
            ) from None
    except OSError as error:
        raise StoreError(
            f"the folder {folder} for backups cannot be made ({error.strerror}); make it, or mount its disk"
        ) from None
    else:
        belong_with(folder, store)


def work_spool(db: Database, settings: Settings, *, now: datetime, stopping: Callable[[], bool] = lambda: False) -> int:
    """Bring what came in from outside, and waits beside the store, into the store; give how many records.

    A backup has the store alone. So that it has what was answered before it began, too: `digest serve` does this every
    second, but one that only answers does not.
    """
    if pending(db):
        return 0
    working = Working(db, settings, Signers.of(db, settings, now=now), clock=lambda: now)
    return spool.drain(spool.folder_of(Path(file_of(db))), db, working.take, stopping=stopping)


def all_backups(settings: Settings) -> list[Backup]:
    """Give the backups in the folder of the settings, the newest first; none where no folder is set."""
    return [] if settings.backup_folder is None else found_in(settings.backup_folder, settings.db)


def newest_backup(settings: Settings) -> Backup | None:
    """Give the newest backup in the folder of the settings; None where there is none."""
    return next(iter(all_backups(settings)), None)
