"""`digest subscribers read-mail`."""

from __future__ import annotations

import click

from digest import times
from digest.audience.leaving_by_mail import read_mailbox
from digest.cli.app import App, Command, with_app
from digest.sending.copies import Signers


@click.command("read-mail", cls=Command)
@with_app
def read_mail(app: App) -> None:
    """Take in unsubscriptions by mail: read what is new in the mailbox `unsubscribe_imap`.

    `digest serve` does this by itself, every few minutes.
    """
    settings, now = app.settings, times.now()
    with app.store() as db:
        found = read_mailbox(db, settings, Signers.of(db, settings, now=now).links, now=now)
    counts = {name: found.counts[name] for name in ("left", "again", "machine", "person")}
    app.say(f"{counts['left']} left; {counts['again']} had left already, {counts['machine']} were written by machines.")
    if found.strangers:
        app.say(f"{counts['person']} are for a person to read, flagged in the mailbox:")
    for stranger in found.strangers:
        app.say(f"  {stranger}")
    app.give({**counts, "strangers": found.strangers})
