"""Files an editor brought, kept from the page that says what will happen to the press of the button that does it.

They lie in a folder beside the store, under a name nobody can guess, for a day at most.
"""

from __future__ import annotations

import hmac
import json
import secrets
import shutil
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from starlette.datastructures import UploadFile

from digest.errors import InputError, NotFoundError

SUFFIX = "-uploads"
KEPT_S = 24 * 3600.0
_NAMES = "names.json"


def keep(store: Path, editor: int, files: Sequence[UploadFile]) -> str:
    """Keep uploaded files for an editor; give the name under which they are found again.

    Raises:
        InputError: there is none, or all are empty.
    """
    delete_old(store)
    found = [file for file in files if file.size]
    if not found:
        raise InputError("choose a file that is not empty", field="files")
    name = secrets.token_urlsafe(24)
    folder = _folder(store, editor, name)
    folder.mkdir(parents=True, mode=0o700)
    for place, file in enumerate(found):
        file.file.seek(0)
        with (folder / str(place)).open("wb") as to:
            shutil.copyfileobj(file.file, to)
    (folder / _NAMES).write_text(json.dumps([_shown(file.filename) for file in found]), encoding="utf-8")
    return name


def kept(store: Path, editor: int, name: str) -> list[tuple[str, Path]]:
    """Give the names of kept files, as the editor has them, and where they lie.

    Raises:
        NotFoundError: nothing is kept under this name for this editor; a day may have gone by.
    """
    folder = _folder(store, editor, name)
    try:
        names = json.loads((folder / _NAMES).read_text(encoding="utf-8"))
    except OSError:
        raise NotFoundError("these files are not kept any more; choose them again") from None
    return [(shown, folder / str(place)) for place, shown in enumerate(names)]


def drop(store: Path, editor: int, name: str) -> None:
    """Delete kept files: they were imported, or are not wanted."""
    shutil.rmtree(_folder(store, editor, name), ignore_errors=True)


def delete_old(store: Path) -> None:
    """Delete what nobody came back for."""
    parent = _parent(store)
    for folder in parent.iterdir() if parent.is_dir() else ():
        if time.time() - folder.stat().st_mtime > KEPT_S:
            shutil.rmtree(folder, ignore_errors=True)


def _parent(store: Path) -> Path:
    store = store.resolve()
    return store.with_name(store.name + SUFFIX)


def _folder(store: Path, editor: int, name: str) -> Path:
    """The folder of a name and an editor: a hash, so that no name leads out of the parent or to another's files."""
    return _parent(store) / hmac.digest(name.encode(), f"editor {editor}".encode(), sha256).hex()[:40]


def _shown(name: str | None) -> str:
    """A file's name without its folders, which some browsers tell."""
    return (name or "a file").replace("\\", "/").rpartition("/")[2][:200] or "a file"
