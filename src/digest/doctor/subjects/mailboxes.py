"""Whether the mailboxes that mail comes back to can be read."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pydantic import SecretStr

from digest.doctor.model import Case, Finding

WORDS = "the mailboxes of bounces and unsubscriptions"
PLACE = 120
NETWORK = True
SECONDS: float | None = 70

_say = partial(Finding, "mailboxes")

MANY = 1_000
"""More than is read at one time: nobody reads it, or far more comes than should."""


def look(case: Case) -> Iterator[Finding]:
    """Log in to each, and look into its folder; nothing in it changes."""
    # Here, because most have no mailbox.
    from digest.mail import mailbox

    settings = case.settings
    for name, what in (("unsubscribe_imap", "unsubscriptions"), ("bounce_imap", "bounces")):
        address: str = getattr(settings, name)
        if not address:
            yield _say(name, "pass", f"{what} are read from no mailbox: {name} is empty")
            continue
        password: SecretStr | None = getattr(settings, f"{name}_password")
        try:
            count = mailbox.waiting(mailbox.Place(address, password or SecretStr(""), name))
        except mailbox.MailboxError as error:
            words, _, todo = str(error).partition("; ")
            yield _say(name, "bad", words, name, todo or f"set {name} right: {what} by mail are not read until then")
            continue
        if count > MANY:
            words = f"{count:,} mails wait in the mailbox of {what}"
            yield _say(name, "warn", words, name, "see whether `digest serve` reads it", "digest schedule")
        else:
            yield _say(name, "pass", f"the mailbox of {what} can be read; {count:,} mails wait")
    if settings.unsubscribe_mailto and not settings.unsubscribe_imap:
        words = "mails offer to leave by mail, and nobody reads that mailbox but a person: unsubscribe_imap is empty"
        yield _say(
            "unsubscribe_imap", "warn", words, "unsubscribe_mailto", "set unsubscribe_imap, or read it every day"
        )
