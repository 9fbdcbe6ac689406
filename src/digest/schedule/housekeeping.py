"""What keeps the house in order: what is over is ended, mailboxes are read, figures counted, the week summed up."""

from __future__ import annotations

import logging

from digest.numbers import several
from digest.schedule import runs
from digest.schedule.context import Context
from digest.store import empty_log, writing

log = logging.getLogger("digest")

FREQUENT = ("tidy", "settle", "unsubscriptions", "bounces")
"""The jobs that run every hour or oftener: of those it is known for some days what ran."""


def tidy(context: Context) -> str:
    """End what is over: sign-ups nobody confirmed, letters and events of long ago, links and sessions of editors, what
    the store's log has of those erased.
    """
    from digest.audience import letterbox, signing_up
    from digest.editors import tidying
    from digest.programs import telling
    from digest.tracking import hook_keys, retention

    db, now = context.db, context.now
    ended = signing_up.expire(db, context.settings, now=now)
    letterbox.delete_old(db, now=now)
    telling.delete_old(db, now=now)
    tidying.delete_old(db, now=now)
    with writing(db) as connection:
        hook_keys.forget(connection, now=now)
    runs.delete_old(db, frequent=FREQUENT, now=now)
    old = retention.delete_old(db, days=context.settings.events_days, now=now, stopping=context.stopping)
    empty_log(db)
    done = [f"ended {several(ended, 'sign-up')} nobody confirmed"] if ended else []
    done += [f"deleted the events of {several(len(old), 'issue')}"] if old else []
    return ", ".join(done) or "nothing of note was over"


def care(context: Context) -> str:
    """Count the figures of issues anew where they may be others.

    No statistics are made for SQLite's planner (`PRAGMA optimize`): our queries and indexes were measured without.
    """
    from digest.tracking import counting

    issues = counting.to_roll_up(context.db)
    for issue in issues:
        if context.stopping():
            break
        counting.roll_up(context.db, issue, now=context.clock())
    return f"counted the figures of {several(len(issues), 'issue')}" if issues else "all figures were counted already"


def settle(context: Context) -> str:
    """Settle what can be of copies of which nobody knows whether they were accepted; say how many are left.

    Events settle them at once where `digest serve` runs, and what can be asked is asked by whoever sends. What was left
    to a person, of an issue that is not sent any more, is asked about where that is possible by now.
    """
    from digest.sending import evidence, held

    proven = evidence.settle(
        context.db, whole=evidence.whole_by(context.settings), lives=context.worker.lives, now=context.now
    )
    taken_up = held.take_up(context.db, context.settings, lives=context.worker.lives, now=context.now)
    left = held.left(context.db)
    done = [f"{several(proven, 'copy was', 'copies were')} proven accepted"] if proven else []
    done += [f"{several(taken_up, 'batch is', 'batches are')} asked about again"] if taken_up else []
    done += [f"{several(left, 'copy is', 'copies are')} uncertain: digest uncertain NUMBER"] if left else []
    return ", ".join(done) or "nothing is uncertain"


def sum_up(context: Context) -> str:
    """Mail the week's summary, once for each week."""
    from digest.tracking import summary

    posted = summary.post_due(context.db, context.settings, now=context.now)
    return f"{several(posted, 'letter')} put into the letterbox" if posted else "there was none to mail"


def read_unsubscriptions(context: Context) -> str:
    """Take in what came to the mailbox of unsubscriptions."""
    from digest.audience.leaving_by_mail import read_mailbox

    found = read_mailbox(context.db, context.settings, context.signers.links, now=context.now)
    return _told("unsubscriptions by mail", sum(found.counts.values()), len(found.strangers))


def read_bounces(context: Context) -> str:
    """Take in what came to the mailbox of bounces."""
    from digest.tracking.bounce_mails import read_bounces as read

    found = read(context.db, context.settings, context.signers, now=context.now)
    return _told("bounces by mail", sum(found.counts.values()), len(found.strangers))


def _told(what: str, mails: int, strangers: int) -> str:
    if strangers:
        log.warning("%s: %d mails are for a person to read", what, strangers)
    read = f"read {several(mails, 'mail')}" if mails else "no mail"
    return f"{read}; {strangers} are for a person to read" if strangers else read
