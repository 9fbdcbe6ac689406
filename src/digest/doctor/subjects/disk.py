"""Whether there is room, whether it can be written to, and whether locks work there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from digest.doctor.model import Case, Finding, Level

WORDS = "free space, and the kind of disk"
PLACE = 30
NETWORK = False
SECONDS: float | None = 20
"""A disk that is mounted over a network and gone answers nothing."""

_say = partial(Finding, "disk")

LEAST_BYTES, NOTHING_BYTES = 500_000_000, 50_000_000
"""Below the first it is told; below the second nothing may work by tomorrow."""
OF_THE_STORE = 2
"""A backup and the log of a large transaction are each as large as the store."""
LEAST_INODES = 0.02

OVER_A_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "fuse.sshfs", "fuse.s3fs", "fuse.rclone"}
)
"""Neither SQLite's locks nor those of our workers hold there (https://sqlite.org/faq.html#q5)."""


def look(case: Case) -> Iterator[Finding]:
    """Look at the folders that are written to."""
    settings = case.settings
    store = settings.db.resolve()
    yield from _writable(store)
    size = sum(_size(store.with_name(store.name + end)) for end in ("", "-wal"))
    yield _kind(store.parent)
    folders = {"the store": store.parent, "the outbox": settings.db.parent / settings.outbox}
    if settings.backup_folder is not None:
        folders["backups"] = settings.backup_folder
    by_disk: dict[int, list[str]] = {}
    place: dict[int, Path] = {}
    for what, folder in folders.items():
        there = next((one for one in (folder, *folder.absolute().parents) if one.is_dir()), None)
        if there is not None:
            disk = there.stat().st_dev
            by_disk.setdefault(disk, []).append(what)
            place.setdefault(disk, there)
    for disk, whats in by_disk.items():
        yield from _room(place[disk], " and ".join(whats), size)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _writable(store: Path) -> Iterator[Finding]:
    todo = "let the user that digest runs as write there, or mount the disk for writing"
    if not os.access(store.parent, os.W_OK | os.X_OK):
        words = f"the folder {store.parent} cannot be written to, and SQLite makes its log there"
        yield _say("writable", "bad", words, str(store.parent), todo)
    elif store.exists() and not os.access(store, os.W_OK):
        yield _say("writable", "bad", f"{store} cannot be written to", str(store), todo)
    else:
        yield _say("writable", "pass", f"the store's folder can be written to: {store.parent}")


def _room(folder: Path, what: str, size: int) -> Iterator[Finding]:
    room = os.statvfs(folder)
    free, whole = room.f_bavail * room.f_frsize, room.f_blocks * room.f_frsize
    wanted = max(LEAST_BYTES, OF_THE_STORE * size)
    words = f"{_bytes(free)} of {_bytes(whole)} are free for {what}"
    todo = "make room, or move to a larger disk: when it is full, sign-ups and sending stop"
    if free < wanted:
        level: Level = "bad" if free < NOTHING_BYTES else "warn"
        yield _say("free-space", level, f"only {words}; {_bytes(wanted)} would be good", str(folder), todo)
    else:
        yield _say("free-space", "pass", words)
    if room.f_files and room.f_favail < room.f_files * LEAST_INODES:
        words = f"only {room.f_favail:,} more files can be made for {what}, however much space is free"
        yield _say("files", "warn", words, str(folder), "remove small files there, such as old mails of the outbox")


def _bytes(number: float) -> str:
    for unit in ("bytes", "KB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"


def _kind(folder: Path) -> Finding:
    kind = kind_of(folder)
    if kind is None:
        return _say("kind", "not looked at", "this system does not say what kind of disk the store lies on")
    if kind in OVER_A_NETWORK:
        words = f"the store lies on a disk of the network ({kind}), where locks do not hold: it can be damaged"
        return _say("kind", "bad", words, str(folder), "move the store to a disk of this machine")
    return _say("kind", "pass", f"the store lies on a disk of this machine ({kind})")


def kind_of(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str | None:
    """Give the kind of file system of a folder, as Linux names it (proc_pid_mountinfo(5)); None where nobody says."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    found: tuple[int, str] | None = None
    for line in lines:
        head, _, tail = line.partition(" - ")
        fields, kinds = head.split(), tail.split()
        if len(fields) < 5 or not kinds:
            continue
        at = Path(fields[4].encode().decode("unicode_escape") if "\\" in fields[4] else fields[4])
        # Of several at one place the last one hides the others.
        if folder.is_relative_to(at) and (found is None or len(at.parts) >= found[0]):
            found = len(at.parts), kinds[0]
    return found[1] if found else None
