"""`digest subscribers read-mail` and `read-bounces`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from digest import times
from digest.cli.app import App, Command, with_app
from digest.sending.copies import Signers


@click.command("read-mail", cls=Command)
@with_app
def read_mail(app: App) -> None:
    """Take in unsubscriptions by mail: read what is new in the mailbox `unsubscribe_imap`.

    `digest serve` does this by itself, every few minutes.
    """
    # Here and below, because no other command should wait until they are loaded.
    from digest.audience.leaving_by_mail import read_mailbox

    settings, now = app.settings, times.now()
    with app.store() as db:
        found = read_mailbox(db, settings, Signers.of(db, settings, now=now).links, now=now)
    counts = {name: found.counts[name] for name in ("left", "again", "machine", "person")}
    app.say(f"{counts['left']} left; {counts['again']} had left already, {counts['machine']} were written by machines.")
    _tell_strangers(app, found.strangers)
    app.give({**counts, "strangers": found.strangers})


@click.command("read-bounces", cls=Command)
@with_app
def read_bounces(app: App) -> None:
    """Take in bounces and complaints by mail: read what is new in the mailbox `bounce_imap`.

    `digest serve` does this by itself, every few minutes.
    """
    from digest.tracking.bounce_mails import read_bounces as read

    settings, now = app.settings, times.now()
    with app.store() as db:
        found = read(db, settings, Signers.of(db, settings, now=now), now=now)
    counts = {name: found.counts[name] for name in ("told", "nothing", "machine", "person")}
    words = ", ".join(f"{count} {word}" for word, count in sorted(found.told.items()))
    app.say(
        f"{counts['told']} told of copies{f' ({words})' if words else ''}; {counts['nothing']} said nothing of note,"
        f" {counts['machine']} were written by machines."
    )
    _tell_strangers(app, found.strangers)
    app.give({**counts, "words": dict(found.told), "strangers": found.strangers})


def _tell_strangers(app: App, strangers: Sequence[str]) -> None:
    if strangers:
        app.say(f"{len(strangers)} are for a person to read, flagged in the mailbox:")
    for stranger in strangers:
        app.say(f"  {stranger}")
