"""What bringing back a backup came to, in words: what is known to be lost, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from digest import times
from digest.cli.app import counted
from digest.safekeeping.restoring import Restored
from digest.settings import Settings


def words_of(restored: Restored, settings: Settings, *, is_done: bool) -> Iterator[str]:
    """Give the lines; of a dry run, what would be."""
    until = times.for_people(restored.knows_until, settings.zone)
    yield f"{'Brought back' if is_done else 'This would bring back'} {restored.source}, which knows until {until}."
    if restored.aside:
        yield f"  The store that was there: {restored.aside}"
    if restored.migrated:
        yield f"  Brought up to date: {', '.join(restored.migrated)}"
    yield from _present(restored)
    for trouble in restored.troubles:
        yield f"NOT CARRIED OVER: {trouble}"
    if restored.to_a_person:
        why = "" if restored.present == "carried over" else ", since it may have gone out"
        yield f"  {_issues(restored.to_a_person)} waited to be sent: a draft again now{why}; approve it anew."
    if restored.letters_dropped:
        yield (
            f"  {counted({'letters': restored.letters_dropped})} waited in it, and went out since as far as we know:"
            f" dropped. {'Bring it back again with' if is_done else 'Give'} --keep-letters to have them mailed."
        )
    if restored.sessions:
        yield "  Everybody is signed out of the desk."
    yield from _next(restored, is_done)


def _present(restored: Restored) -> Iterator[str]:
    if restored.present != "carried over":
        why = {
            "none": "there was no store before",
            "cannot be read": "the store that was there cannot be read",
            "of another newsletter": "the store that was there is another newsletter's",
        }[restored.present]
        yield f"NOTHING WAS CARRIED OVER: {why}."
        yield "  Who left, or was forgotten, after that moment is a reader again, and will be mailed."
        yield "  Editors who were removed after it are in again, and so are API tokens that were revoked."
        yield "  Issues drafted after it are not known: what they compared will be collected again."
        return
    readers = restored.readers
    counts = {
        "left": readers.left,
        "forgotten": readers.forgotten,
        "must not be mailed": readers.suppressed,
        "moved": readers.moved,
        "paused": readers.paused,
    }
    said = ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "nobody left since"
    yield f"  Readers, as the present store has them: {said}."
    if restored.issues.carried:
        yield f"  {_issues(restored.issues.carried)}, begun or sent: as the present store has it, nothing in doubt."
    if restored.issues.not_carried:
        yield f"NOT CARRIED OVER: {_issues(restored.issues.not_carried)}: the two stores went different ways before."
    if restored.shut_out:
        yield f"  {restored.shut_out} editors, passkeys or tokens stay shut out."
    if readers.came:
        yield f"LOST: {counted({'readers': readers.came})} who signed up after that moment."


def _next(restored: Restored, is_done: bool) -> Iterator[str]:
    yield "LOST: whatever else happened after that moment: edits, votes, opens and clicks, settings."
    if restored.in_doubt:
        yield f"IN DOUBT: {_issues(restored.in_doubt)}: nobody here knows which copies went out after that moment."
    if not is_done:
        return
    yield "Next:"
    for number in restored.in_doubt:
        yield f"  `digest send {number}`, or `digest serve`, asks the provider who got it, and mails nobody; then"
        yield f"  `digest resume {number}` lets the others have it; `digest uncertain {number}` lists who is in doubt."
    if restored.readers.came and restored.aside:
        yield f"  `digest --db {restored.aside} subscribers export --out FILE` has the readers who came since."
    yield "  `digest doctor` looks at all of it; then start `digest serve` again."


def _issues(numbers: Sequence[int]) -> str:
    return f"Issue {numbers[0]}" if len(numbers) == 1 else f"Issues {', '.join(map(str, numbers))}"
