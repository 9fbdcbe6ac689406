"""The SQLite file: opening, migrations, transactions, backup. It knows no domain."""

from sqlite_utils import Database

from digest.store.backup import back_up
from digest.store.check import check_store
from digest.store.connection import beside, empty_log, explain, file_of, open_store
from digest.store.keys import store_key
from digest.store.migrations import migrate, pending
from digest.store.transactions import writing, writing_soon

__all__ = [
    "Database",
    "back_up",
    "beside",
    "check_store",
    "empty_log",
    "explain",
    "file_of",
    "migrate",
    "open_store",
    "pending",
    "store_key",
    "writing",
    "writing_soon",
]
