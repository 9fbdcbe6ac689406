"""The daily backup."""

from __future__ import annotations

from digest.safekeeping import backups
from digest.schedule.context import Context


def back_up_now(context: Context) -> str:
    """Take a backup, and let the oldest go; give what came of it, for a person.

    Raises:
        StoppedError: the server stops; nothing is left of it, and it is done again.
        DigestError: it could not be taken, and nothing was removed.
    """
    if context.settings.backup_folder is None:
        return "no folder is set for backups (backup_to)"
    taken = backups.take(context.db, context.settings, now=context.now, stopping=context.stopping)
    return str(taken)
