"""Whether a store, or a backup, is sound: as SQLite sees it, and by the rules of what is in it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from digest.errors import StoreError
from digest.issue.issues import check_issues
from digest.issue.variant_records import check_variants
from digest.sending.ledger_check import check_ledger
from digest.sending.subject_test import check_subject_tests
from digest.store import Database, check_store, open_store, pending
from digest.store.check import check_schema
from digest.store.restore import copy_to


def problems_of(db: Database) -> list[str]:
    """Read the whole store and hold it against its rules; a line each, an empty list is a sound store.

    Of one that waits for migrations only the file is looked at: the rules are those of the tables of today.
    """
    if problems := check_store(db):
        # What SQLite cannot read, nobody can count.
        return problems
    if pending(db):
        return []
    return [
        problem for check in (check_ledger, check_issues, check_variants, check_subject_tests) for problem in check(db)
    ]


def check_backup(path: Path) -> list[str]:
    """Read a backup as bringing it back would, and give what is wrong with it; it stays as it is.

    It is looked at in a copy among the temporary files, since opening a store writes beside it.
    """
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.db"
        try:
            copy_to(path, copy)
            with closing(open_store(copy, allow_pending=True)) as db:
                return (pending(db) == [] and check_schema(db)) or problems_of(db)
        except StoreError as error:
            return [str(error).replace(str(copy), str(path))]
