"""Whether the store is sound, the ledger keeps its rules and every figure is true; and what waits for a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from digest import times
from digest.audience import letterbox
from digest.doctor.model import Case, Finding
from digest.errors import StoreError
from digest.issue import troubles
from digest.issue.issues import check_issues
from digest.issue.variant_records import check_variants
from digest.numbers import several
from digest.programs import webhooks
from digest.sending import waiting
from digest.sending.ledger_check import check_ledger
from digest.sending.subject_test import check_subject_tests
from digest.store import Database, check_store, restores
from digest.tracking import recounting
from digest.tracking.intake_figures import intake
from digest.tracking.spool import FILES, folder_of

WORDS = "the store, the sending ledger, the figures, and what waits for a person"
PLACE = 50
NETWORK = False
SECONDS: float | None = None

_say = partial(Finding, "store")

LARGE_BYTES = 200_000_000
"""What is read through in a few seconds; of more, `--quick` reads nothing through."""
LOG_BYTES = 256_000_000
LONG = timedelta(days=1)
LATE = timedelta(minutes=10)
SHOWN = 3
"""Troubles of a kind that are told one by one; of what is wrong with the store, all are."""


def look(case: Case) -> Iterator[Finding]:
    """Look into the store. What SQLite cannot read, nobody can count."""
    try:
        with case.store() as db:
            yield from _into(db, case)
    except StoreError as error:
        what, _, todo = str(error).partition("; ")
        yield _say("store", "bad", what, str(case.settings.db), todo)
        case.told.left_out.append("nothing was counted again: the store cannot be opened")


def _into(db: Database, case: Case) -> Iterator[Finding]:
    size = case.settings.db.stat().st_size
    leaves_out = case.quick and size > LARGE_BYTES
    if leaves_out:
        yield _say("store", "not looked at", "the store is large, and was not read through")
    else:
        broken = check_store(db)
        yield from (_say("store", "bad", words, str(case.settings.db), _BRING_BACK) for words in broken)
        if broken:
            case.told.left_out.append("nothing was counted again: the store itself is damaged")
            return
        yield _say("store", "pass", "SQLite finds nothing wrong with the file")
        yield from _ledger(db)
    yield from _log(case)
    yield from _waits(db, case)
    if case.quick:
        yield _say(
            "figures",
            "not looked at",
            "no figure was counted again",
        )
    else:
        yield from _figures(db, case)


_BRING_BACK = "keep this file, and bring back a backup; `sqlite3` and its .recover may save more of it"


def _ledger(db: Database) -> Iterator[Finding]:
    wrong = [
        words for check in (check_ledger, check_issues, check_variants, check_subject_tests) for words in check(db)
    ]
    todo = "that should never be: keep a copy of the store and tell us, before anything else is sent"
    yield from (_say("ledger", "bad", words, todo=todo, command="digest db check") for words in wrong)
    if not wrong:
        yield _say("ledger", "pass", "the sending ledger keeps its rules")


def _figures(db: Database, case: Case) -> Iterator[Finding]:
    counted = recounting.recount(db, now=case.clock(), progress=case.progress)
    told = case.told
    told.rows, told.figures = counted.rows, counted.figures
    told.left_out += counted.left_out
    todo = "reports show it wrong; nobody is mailed otherwise for it. Tell us of it"
    yield from (_say("figures", "bad", words, todo=todo) for words in counted.wrong)
    yield from (_say("figures", "not looked at", words) for words in counted.left_out)
    if not counted.wrong:
        words = f"all {told.figures:,} figures are true: {told.rows:,} rows were counted again"
        yield _say("figures", "pass", words)
    wrong = recounting.audience(db)
    yield from (_say("audience", "bad", words, todo=todo) for words in wrong)
    if not wrong:
        yield _say("audience", "pass", "who came and who left come to the readers there are")


def _log(case: Case) -> Iterator[Finding]:
    store = case.settings.db.resolve()
    log = store.with_name(store.name + "-wal")
    if log.exists() and log.stat().st_size > LOG_BYTES:
        words = f"SQLite's log has grown to {log.stat().st_size / 1e6:,.0f} MB: some process reads for very long"
        yield _say("log", "warn", words, str(log), "end what reads the store for long, such as a sqlite3 left open")


# What waits --------------------------------------------------------------------------------------------------------


def _waits(db: Database, case: Case) -> Iterator[Finding]:
    found = [
        *_restored(db, case),
        *_batches(db, case),
        *_issues(db, case),
        *_letters(db),
        *_programs(db),
        *_spool(db, case),
    ]
    yield from found or [_say("waiting", "pass", "nothing waits for a person")]


def _restored(db: Database, case: Case) -> Iterator[Finding]:
    for at, source in restores.unseen(db):
        when = times.for_people(times.from_text(at), case.settings.zone)
        words = f"the store was brought back from {source} on {when}, and nobody has read what follows from it"
        yield _say("restored", "warn", words, todo="read it on the desk’s first page")
    if numbers := troubles.doubted(db):
        listed = ", ".join(map(str, numbers))
        words = f"of the open copies of issue {listed} nobody knows whether they went out before the store was restored"
        yield _say("restored", "warn", words, todo="decide about them", command=f"digest resolve {numbers[0]}")


def _batches(db: Database, case: Case) -> Iterator[Finding]:
    for one in waiting.open_of_all(db):
        copies = several(one.copies, "copy", "copies")
        if one.state == "held":
            words = f"issue {one.issue}: of {copies} only a person can say whether the provider took them"
            yield _say(
                "held",
                "warn",
                words,
                f"issue {one.issue}",
                "say whether they are to be sent again",
                f"digest resolve {one.issue}",
            )
        elif case.clock() - times.from_text(one.since) > LONG:
            words = f"issue {one.issue}: {copies} are {one.state} for more than a day"
            todo = "let `digest serve` run, or go on by hand"
            yield _say("uncertain", "warn", words, f"issue {one.issue}", todo, f"digest send {one.issue}")


def _issues(db: Database, case: Case) -> Iterator[Finding]:
    for one in troubles.troubled(db):
        since = times.for_people(times.from_text(one.since), case.settings.zone)
        words = f"issue {one.number} is {one.state} and does not go on, since {since}: {one.why}"
        yield _say("issues", "warn", words, f"issue {one.number}", "see what it says", f"digest show {one.number}")


def _letters(db: Database) -> Iterator[Finding]:
    counts = letterbox.tally(db)
    known = (
        ("failed", "could not be mailed", "see why"),
        ("uncertain", "may have been mailed, or not", "see them, and decide"),
    )
    for state, became, todo in known:
        if counts[state]:
            words = f"{several(counts[state], 'letter')} {became}"
            yield _say("letters", "warn", words, todo=todo, command="digest letters")
    if counts["trouble"]:
        words = f"{several(counts['queued'], 'letter')} wait: {counts['trouble']}"
        yield _say(
            "letters", "warn", words, todo="mend what it says; they go by themselves then", command="digest letters"
        )


def _programs(db: Database) -> Iterator[Finding]:
    for one in webhooks.all_of(db):
        if one.disabled_at or one.dead:
            state = "is switched off" if one.disabled_at else f"was not told of {several(one.dead, 'thing')}"
            words = f"the program of webhook {one.id} {state}{f': {one.trouble}' if one.trouble else ''}"
            todo = "mend the program, then switch it on again: it is told what waited"
            yield _say("programs", "warn", words, f"webhook {one.id}", todo, f"digest webhooks enable {one.id}")


def _spool(db: Database, case: Case) -> Iterator[Finding]:
    folder = folder_of(case.settings.db)
    found = intake(db, folder, hours=1, now=case.clock())
    if not found.waiting_bytes:
        return
    oldest = min((path.stat().st_mtime for path in folder.glob(FILES)), default=case.clock().timestamp())
    if case.clock().timestamp() - oldest > LATE.total_seconds():
        words = f"{found.waiting_bytes:,} bytes of what providers and readers told us wait, and nobody works them"
        yield _say("spool", "warn", words, str(folder), "start `digest serve`, or work them", "digest events work")
