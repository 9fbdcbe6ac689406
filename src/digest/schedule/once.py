"""What `digest serve` does all the time, done once: for those who have cron call digest every few minutes.

Beside a `digest serve` it does no harm: what one of them has in hand, the other leaves alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

from digest.numbers import counted, several
from digest.programs import telling
from digest.schedule.context import Context
from digest.schedule.running import Did, run_due
from digest.sending import ledger, notices, subject_test
from digest.sending.apart import Sender
from digest.sending.postman import Postman
from digest.sending.running import due
from digest.sentences import of_error
from digest.tracking.rounds import Rounds


def go_once(context: Context, *, send: Callable[[Context], object] | None = None) -> list[Did]:
    """Do all that is due; give what was done, what was missed and what failed, for a person.

    Jobs come before sending, which one of them may approve, and letters after both, which put some into the letterbox.
    Nothing that fails stops the rest. `send` sends what is due, in a process apart where it is not given.
    """
    done: list[Did] = []
    parts: dict[str, Callable[[Context], Iterator[Did]]] = {
        "events": _work_events,
        "jobs": lambda mine: iter(run_due(mine)),
        "subjects": _decide_subjects,
        "sending": lambda mine: _send(mine, send or _send_apart),
        "letters": _mail_letters,
        "webhooks": _tell_programs,
    }
    for name, part in parts.items():
        if context.stopping():
            break
        now = context.clock()
        try:
            done += part(replace(context, now=now))
        except Exception as error:  # whatever it is, the rest is to be done all the same
            if context.db.conn.in_transaction:
                context.db.conn.execute("ROLLBACK")
            words = of_error(error)
            done.append(Did(name, now, "failed", words))
    return done


def _work_events(context: Context) -> Iterator[Did]:
    rounds = Rounds(
        context.db,
        context.settings,
        context.signers,
        lives=context.worker.lives,
        clock=context.clock,
        stopping=context.stopping,
    )
    taken, proven = rounds.go()
    if taken:
        yield Did("events", context.now, "done", f"worked {several(taken, 'record')}")
    if proven:
        words = f"{several(proven, 'uncertain copy is', 'uncertain copies are')} proven accepted"
        yield Did("events", context.now, "done", words)


def _decide_subjects(context: Context) -> Iterator[Did]:
    subject_test.decide_all_due(context.db, now=context.now)
    return iter(())


def _send_apart(context: Context) -> None:
    Sender(context.worker, context.clock, context.stopping).work(context.db, context.settings)


def _send(context: Context, send: Callable[[Context], object]) -> Iterator[Did]:
    """Send what is due; tell of each issue what became of it, and of what keeps it where that is new."""
    db = context.db
    before = {number: _stand(context, number) for number in due(db, {}, now=context.now)}
    if before:
        send(context)
    notices.post_due(db, context.settings, now=context.clock())
    for number, (accepted, trouble) in before.items():
        now_accepted, now_trouble = _stand(context, number)
        (state,) = db.conn.execute("SELECT state FROM issues WHERE number = ?", (number,)).fetchone()
        if now_accepted > accepted or state == "sent":
            words = f"issue {number} is {state}: {several(now_accepted, 'copy', 'copies')} accepted"
            words += f", {counted(now_accepted - accepted)} of them now" if accepted else ""
            yield Did("sending", context.now, "done", words)
        if now_trouble and now_trouble != trouble:
            yield Did("sending", context.now, "failed", f"issue {number}: {now_trouble}")


def _stand(context: Context, number: int) -> tuple[int, str]:
    (trouble,) = context.db.conn.execute("SELECT trouble FROM issues WHERE number = ?", (number,)).fetchone()
    return ledger.tally(context.db, number)["accepted"], trouble or ""


def _mail_letters(context: Context) -> Iterator[Did]:
    said: list[str] = []
    postman = Postman.of(
        context.db,
        context.settings,
        context.signers,
        context.worker,
        clock=context.clock,
        say=said.append,
        stopping=context.stopping,
    )
    asyncio.run(postman.deliver())
    done = postman.done
    if done["sent"]:
        yield Did("letters", context.now, "done", f"mailed {several(done['sent'], 'letter')}")
    if done["failed"]:
        words = f"{several(done['failed'], 'letter was', 'letters were')} refused for good: digest letters waiting"
        yield Did("letters", context.now, "failed", words)
    for words in said:
        yield Did("letters", context.now, "failed", words)


def _tell_programs(context: Context) -> Iterator[Did]:
    done = telling.tell(context.db, clock=context.clock, stopping=context.stopping)
    if done["sent"]:
        yield Did("webhooks", context.now, "done", f"told {several(done['sent'], 'message')}")
    if done["dead"]:
        words = f"{several(done['dead'], 'message was', 'messages were')} given up: digest webhooks list"
        yield Did("webhooks", context.now, "failed", words)
