"""The issues in the store: drafting, editing, approving, cancelling, finding."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from digest import times
from digest.catalogue.queries import load_comparisons
from digest.editors import audit
from digest.editors.audit import COMMAND_LINE, ITSELF, By
from digest.errors import NotFoundError, StateError
from digest.issue import four_eyes, tracked
from digest.issue.collect import came_in_since, collect
from digest.issue.compose import compose, words_for
from digest.issue.edits import as_edited, record_all
from digest.issue.fit import Fitted, fit, moved_between
from digest.issue.model import Draft, Envelope, Form, Issue, Placed, Rendered, State
from digest.issue.render import render
from digest.issue.snapshot import Snapshot
from digest.issue.snapshot import read as read_snapshot
from digest.issue.snapshot import write as write_snapshot
from digest.issue.standing import renew
from digest.issue.subject_records import expect_to_try, subject_test_of
from digest.issue.tracked import Tracking
from digest.mail import personalise
from digest.mail.templates import TemplateError
from digest.settings import Settings
from digest.store import Database, writing

_COLUMNS = (
    "number, state, subject, preheader, intro, cutoff, content_hash, html, text, envelope,"
    " scheduled_at, approved_at, sending_at, sent_at, trouble, local_time, nonce, doubted_at"
)
WORDS = ("subject", "preheader", "intro")
_MOMENTS = ("cutoff", "scheduled_at", "approved_at", "sending_at", "sent_at", "doubted_at")


@dataclass(frozen=True)
class Drafted:
    """What `draft` did: `issue` is None where there was nothing new to make one of.

    `waiting` counts the new comparisons that an already open draft does not have.
    """

    issue: Issue | None
    made: bool
    refreshed: bool = False
    waiting: int = 0


@dataclass(frozen=True)
class Override:
    """A check that blocked, what it found, and why the issue was approved all the same."""

    check: str
    found: str
    reason: str


def draft(
    db: Database,
    settings: Settings,
    *,
    now: datetime,
    since: datetime | None = None,
    refresh: bool = False,
) -> Drafted:
    """Make the next issue of what is new, or find the draft that is open already.

    An open draft is left as it is, unless `refresh` asks to collect and compose it anew. Comparisons published
    before `since` are left out for good. Runs in one write transaction, so two at once make one draft.
    """
    with writing(db) as connection:
        row = connection.execute("SELECT max(number) FROM issues WHERE state = 'draft'").fetchone()
        number: int | None = row[0]
        if number is not None and not refresh:
            return Drafted(find_issue(db, number), made=False, waiting=came_in_since(db, now=now))
        before = as_edited(connection, number) if number is not None else {}
        if number is not None:
            connection.execute("DELETE FROM issue_comparisons WHERE issue = ?", (number,))
        renew(db)
        collected = collect(db, now=now, since=since)
        if not collected.new:
            if number is not None:
                raise StateError(f"nothing is left for issue {number}; `digest cancel {number}` drops the draft")
            return Drafted(None, made=False)
        placed = compose(collected, full=settings.full_comparisons, brief=settings.brief_comparisons)
        words = tuple(words_for(placed).values())
        stamp = times.to_text(now)
        if number is None:
            number = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM issues").fetchone()[0]
            connection.execute(
                "INSERT INTO issues"
                " (number, state, subject, preheader, intro, own_words, cutoff, created_at, updated_at)"
                " VALUES (?, 'draft', ?, ?, ?, '[]', ?, ?, ?)",
                (number, *words, stamp, stamp, stamp),
            )
            made = True
        else:
            connection.execute(
                "UPDATE issues SET subject = ?, preheader = ?, intro = ?, own_words = '[]', cutoff = ?, updated_at = ?"
                " WHERE number = ?",
                (*words, stamp, stamp, number),
            )
            made = False
        place(connection, number, placed)
        if before:
            record_all(connection, number, before, by=COMMAND_LINE, now=now)
        return Drafted(find_issue(db, number), made=made, refreshed=not made)


def place(connection: sqlite3.Connection, number: int, placed: Sequence[Placed]) -> None:
    """Write down which comparisons an issue has, in which order and form."""
    connection.executemany(
        # What an editor chose is no part of it, and stays.
        "INSERT INTO issue_comparisons (issue, comparison, position, form, updated, substance)"
        " VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (issue, comparison) DO UPDATE SET position = excluded.position, form = excluded.form,"
        " updated = excluded.updated, substance = excluded.substance, frozen_form = NULL",
        [
            (number, item.comparison.id, position, item.form, item.updated, item.comparison.substance)
            for position, item in enumerate(placed)
        ],
    )


def find_issue(db: Database, number: int) -> Issue:
    """Give an issue by its number.

    Raises:
        NotFoundError: with the numbers there are.
    """
    row = db.conn.execute(f"SELECT {_COLUMNS} FROM issues WHERE number = ?", (number,)).fetchone()  # noqa: S608
    if row is None:
        last = db.conn.execute("SELECT max(number) FROM issues").fetchone()[0]
        there = f"the last one is {last}" if last else "there is none yet, `digest draft` makes one"
        raise NotFoundError(f"there is no issue {number}; {there}")
    values: dict[str, Any] = dict(zip(_COLUMNS.split(", "), row, strict=True))
    for name in _MOMENTS:
        values[name] = times.from_text(values[name]) if values[name] else None
    values["local_time"] = datetime.fromisoformat(values["local_time"]) if values["local_time"] else None
    values["envelope"] = Envelope(**json.loads(values["envelope"])) if values["envelope"] else None
    return Issue(**values)


def load_draft(db: Database, number: int) -> Draft:
    """Load what an issue is rendered from, with its comparisons as the catalogue has them now.

    Words of a draft that nobody wrote are composed anew, so that they say what its comparisons say.
    """
    issue = find_issue(db, number)
    rows = db.conn.execute(
        "SELECT comparison, form, updated FROM issue_comparisons WHERE issue = ? ORDER BY position", (number,)
    ).fetchall()
    comparisons = load_comparisons(db, [row[0] for row in rows])
    placed = tuple(
        Placed(comparison, form, bool(updated))
        for comparison, (_, form, updated) in zip(comparisons, rows, strict=True)
    )
    words = {name: getattr(issue, name) for name in WORDS}
    if issue.state == "draft":
        own = own_words(db, number)
        words |= {name: word for name, word in words_for(placed).items() if name not in own}
    tried = subject_test_of(db, number)
    return Draft(number, issue.cutoff, words["subject"], words["preheader"], words["intro"], placed, tried)


def own_words(db: Database, number: int) -> list[str]:
    """Give the names of an issue's words that a person wrote."""
    found = db.conn.execute("SELECT own_words FROM issues WHERE number = ?", (number,)).fetchone()[0]
    return list(json.loads(found))


def laid_out(db: Database, settings: Settings, number: int) -> Fitted:
    """Give an issue as it is, or would be, mailed: frozen once it is approved, rendered to fit while a draft.

    The MJML of a frozen issue is rendered again, for looking at; it is empty where today's templates are wrong.
    """
    kept = frozen(db, number)
    if kept is None:
        return fit(load_draft(db, number), settings)
    source, fitted = _as_approved(db, number)
    try:
        mjml = render(fitted, settings).mjml
    except TemplateError:
        mjml = ""
    return Fitted(fitted, replace(kept, mjml=mjml), moved_between(source, fitted))


def _as_approved(db: Database, number: int) -> tuple[Draft, Draft]:
    """Give an approved issue as it was wanted and as it fitted: its comparisons are those of then, where it was kept.

    Of one that an older digest approved they are as the catalogue has them now.
    """
    snapshot = find_snapshot(db, number)
    if snapshot is not None:
        pairs = zip(snapshot.draft.placed, snapshot.wanted, strict=True)
        wanted = tuple(replace(item, form=form) for item, form in pairs)
        return replace(snapshot.draft, placed=wanted), snapshot.draft
    source = load_draft(db, number)
    found = db.conn.execute(
        "SELECT comparison, frozen_form FROM issue_comparisons WHERE issue = ? AND frozen_form IS NOT NULL", (number,)
    )
    forms: dict[int, Form] = dict(found.fetchall())
    placed = tuple(replace(item, form=forms.get(item.comparison.id, item.form)) for item in source.placed)
    return source, replace(source, placed=placed)


def find_snapshot(db: Database, number: int) -> Snapshot | None:
    """Give what approval kept of an issue; None where it is not approved, or was by an older digest."""
    row = db.conn.execute("SELECT snapshot FROM issues WHERE number = ?", (number,)).fetchone()
    return read_snapshot(row[0]) if row and row[0] else None


def snapshot_of(db: Database, number: int) -> Draft | None:
    """Give an approved issue as it was rendered, its comparisons as they were then; None where that was not kept."""
    snapshot = find_snapshot(db, number)
    return snapshot.draft if snapshot else None


def frozen(db: Database, number: int) -> Rendered | None:
    """Give what approval froze of an issue, all but its MJML; None where it is not approved."""
    issue = find_issue(db, number)
    if issue.html is None or issue.text is None or issue.envelope is None:
        return None
    links = db.conn.execute("SELECT links FROM issues WHERE number = ?", (number,)).fetchone()[0]
    return Rendered(
        envelope=issue.envelope,
        subject=issue.subject,
        preheader=issue.preheader,
        mjml="",
        html=issue.html,
        text=issue.text,
        links=tuple(json.loads(links)),
        tracking=tracking_of(db, number),
        subject_test=subject_test_of(db, number),
    )


def tracking_of(db: Database, number: int) -> Tracking | None:
    """Give how approval froze that opens and clicks are counted; None where an issue's links stay as they are."""
    row = db.conn.execute("SELECT tracking, utm FROM issues WHERE number = ?", (number,)).fetchone()
    return tracked.read(*row) if row else None


def freeze(
    db: Database,
    settings: Settings,
    number: int,
    *,
    now: datetime,
    at: datetime | None = None,
    local: bool = False,
    expected: str | None = None,
    overrides: Sequence[Override] = (),
    by: By = COMMAND_LINE,
) -> Issue:
    """Freeze a draft: content, subject, HTML, text, links and how they are counted, a hash of them all, and its source.

    It is `approval.approve` that checks it first.

    Args:
        db: the store.
        settings: what it is rendered with.
        number: the issue.
        now: the moment of approval.
        at: when it may be sent; at once where it is None.
        local: to each reader when clocks where they are show the time that `at` is in the newsletter's zone.
        expected: the hash of the content that was looked at, where one was.
        overrides: what was found and is approved all the same.
        by: who approves it.

    Raises:
        StateError: it is not a draft, `at` has passed, or its content is not the expected.
    """
    with writing(db) as connection:
        issue = find_issue(db, number)
        _expect_to_come(at, now, settings)
        expect_approvable(db, settings, issue, by)
        wanted = load_draft(db, number)
        fitted = fit(wanted, settings)
        source, content = fitted.draft, fitted.content
        expect_to_try(number, content.subject_test, content.tracking, local=local)
        if expected is not None and content_hash(content) != expected:
            raise changed(number, content_hash(content), expected)
        for part in (content.html, content.text, *content.envelope.headers.values()):
            try:
                personalise.split(part)
            except personalise.PlaceError as error:
                raise StateError(f"issue {number} cannot be approved: {error}") from None
        forms = tuple(item.form for item in wanted.placed)
        snapshot = Snapshot(source, forms, tuple(own_words(db, number)))
        place(connection, number, wanted.placed)
        connection.executemany(
            "UPDATE issue_comparisons SET frozen_form = ? WHERE issue = ? AND comparison = ?",
            [(move.after, number, move.comparison.id) for move in fitted.moved],
        )
        connection.execute(
            "UPDATE issues SET state = 'approved', subject = ?, preheader = ?, intro = ?, html = ?, text = ?,"
            " links = ?, tracking = ?, utm = ?, envelope = ?, content_hash = ?, snapshot = ?, approved_at = ?,"
            " scheduled_at = ?, local_time = ?, approved_by = ?, asked_by = NULL, asked_at = NULL, updated_at = ?"
            " WHERE number = ?",
            (
                source.subject,
                source.preheader,
                source.intro,
                content.html,
                content.text,
                json.dumps(content.links),
                *tracked.write(content.tracking),
                json.dumps(asdict(content.envelope)),
                content_hash(content),
                write_snapshot(snapshot),
                times.to_text(now),
                *_times(at, local, settings),
                by.editor,
                times.to_text(now),
                number,
            ),
        )
        connection.execute("DELETE FROM overrides WHERE issue = ?", (number,))
        connection.executemany(
            "INSERT INTO overrides (issue, check_id, found, reason, made_at) VALUES (?, ?, ?, ?, ?)",
            [(number, over.check, over.found, over.reason, times.to_text(now)) for over in overrides],
        )
        audit.note(
            connection,
            by,
            "approved",
            f"issue {number}",
            now=now,
            content=content_hash(content)[:12],
            overridden={over.check: over.reason for over in overrides},
            **_when(at, local),
        )
        return find_issue(db, number)


def thaw(connection: sqlite3.Connection, number: int) -> None:
    """Make an issue a draft again: nothing stays of what approval froze. Inside `writing`."""
    connection.execute(
        "UPDATE issues SET state = 'draft', content_hash = NULL, html = NULL, text = NULL, links = NULL,"
        " tracking = NULL, utm = NULL, envelope = NULL, snapshot = NULL, approved_at = NULL, approved_by = NULL,"
        " scheduled_at = NULL, local_time = NULL WHERE number = ?",
        (number,),
    )
    connection.execute("UPDATE issue_comparisons SET frozen_form = NULL WHERE issue = ?", (number,))
    connection.execute("DELETE FROM overrides WHERE issue = ?", (number,))


def changed(number: int, found: str, expected: str) -> StateError:
    """Say that an issue is not what somebody looked at."""
    return StateError(
        f"issue {number} has changed since you looked at it: its content is {found[:12]}, not {expected[:12]};"
        f" look again with `digest check {number}`"
    )


def reschedule(
    db: Database,
    settings: Settings,
    number: int,
    *,
    now: datetime,
    at: datetime,
    local: bool = False,
    expected: str | None = None,
    by: By = COMMAND_LINE,
) -> Issue:
    """Give an approved issue another time, as `freeze` takes it.

    Where `expected` is given, only if it is the hash of its content.

    Raises:
        StateError: it is not approved, `at` has passed, or its content is not the expected.
    """
    with writing(db) as connection:
        issue = find_issue(db, number)
        _expect_to_come(at, now, settings)
        expect(issue, "given another time", "approved")
        expect_to_try(number, subject_test_of(db, number), tracking_of(db, number), local=local)
        if expected is not None and issue.content_hash != expected:
            raise changed(number, issue.content_hash or "", expected)
        connection.execute(
            "UPDATE issues SET scheduled_at = ?, local_time = ? WHERE number = ?",
            (*_times(at, local, settings), number),
        )
        audit.note(connection, by, "gave another time", f"issue {number}", now=now, **_when(at, local))
        return find_issue(db, number)


def _expect_to_come(at: datetime | None, now: datetime, settings: Settings) -> None:
    if at is not None and at < now:
        raise StateError(f"{times.for_people(at, settings.zone)} has passed; give a time to come, or none for now")


def _times(at: datetime | None, local: bool, settings: Settings) -> tuple[str | None, str | None]:
    """Give an issue's `scheduled_at`, before which nothing is sent, and its `local_time`."""
    if at is None:
        return None, None
    if not local:
        return times.to_text(at), None
    wall = at.astimezone(settings.zone).replace(tzinfo=None)
    return times.to_text(times.first_on_earth(wall)), wall.isoformat()


def _when(at: datetime | None, local: bool) -> dict[str, object]:
    """Give when an issue is to be sent, as it is written down."""
    return {"at": times.to_text(at) if at else None} | ({"local": True} if local else {})


def overrides_of(db: Database, number: int) -> list[Override]:
    """Give what was found of an approved issue and approved all the same."""
    rows = db.conn.execute("SELECT check_id, found, reason FROM overrides WHERE issue = ? ORDER BY check_id", (number,))
    return [Override(*row) for row in rows]


def content_hash(content: Rendered) -> str:
    """Give the SHA-256, in hex, of all that a subscriber gets."""
    parts = [asdict(content.envelope), content.subject, content.preheader, content.html, content.text, content.links]
    # What was approved before there was any keeps its hash.
    parts += [asdict(part) for part in (content.tracking, content.subject_test) if part is not None]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def check_issues(db: Database) -> list[str]:
    """Look for frozen issues whose content is not what was approved; a line each."""
    approved = db.conn.execute("SELECT number, content_hash FROM issues WHERE html IS NOT NULL").fetchall()
    return [
        f"issue {number} is not what was approved: its content does not match its hash"
        for number, known in approved
        if (content := frozen(db, number)) is None or content_hash(content) != known
    ]


def cancel(db: Database, number: int, *, now: datetime, by: By = COMMAND_LINE) -> Issue:
    """Cancel an issue for good; one that is being sent is paused first.

    One that nobody was mailed gives its comparisons back.
    """
    with writing(db) as connection:
        issue = find_issue(db, number)
        expect(issue, "cancelled", "draft", "approved", "paused")
        connection.execute(
            "UPDATE issues SET state = 'cancelled', cancelled_at = ?, updated_at = ? WHERE number = ?",
            (times.to_text(now), times.to_text(now), number),
        )
        audit.note(connection, by, "cancelled", f"issue {number}", now=now, was=issue.state)
        return find_issue(db, number)


def pause(db: Database, number: int, *, now: datetime, trouble: str | None = None, by: By = COMMAND_LINE) -> Issue:
    """Stop an issue that is being sent: no further batch of it is claimed, by any process.

    `trouble` is why, where no person did it.
    """
    return _move(db, number, "paused", "sending", "paused", now=now, trouble=trouble, by=by)


def resume(db: Database, number: int, *, now: datetime, by: By = COMMAND_LINE) -> Issue:
    """Let a paused issue be sent again."""
    return _move(db, number, "resumed", "paused", "sending", now=now, by=by)


def _move(
    db: Database,
    number: int,
    wanted: str,
    before: State,
    after: State,
    *,
    now: datetime,
    by: By,
    trouble: str | None = None,
) -> Issue:
    with writing(db) as connection:
        expect(find_issue(db, number), wanted, before)
        connection.execute(
            "UPDATE issues SET state = ?, updated_at = ?, trouble = ?, trouble_at = ? WHERE number = ?",
            (after, times.to_text(now), trouble, times.to_text(now) if trouble else None, number),
        )
        audit.note(connection, by, wanted, f"issue {number}", now=now, **({"trouble": trouble} if trouble else {}))
        return find_issue(db, number)


def approved_by(db: Database, number: int) -> str:
    """Give the name of whoever approved an issue."""
    row = db.conn.execute(
        "SELECT e.name FROM issues i JOIN editors e ON e.id = i.approved_by WHERE i.number = ?", (number,)
    ).fetchone()
    if row is None:
        # Whoever is no editor: digest itself, or the command line.
        row = db.conn.execute(
            "SELECT who FROM audit WHERE what = ? AND did = 'approved' ORDER BY id DESC LIMIT 1", (f"issue {number}",)
        ).fetchone()
    return row[0] if row else COMMAND_LINE.who


def expect_approvable(db: Database, settings: Settings, issue: Issue, by: By) -> None:
    """Refuse to approve what is no draft, what somebody else must approve, and by itself what only a person may.

    Raises:
        StateError: saying who approved it already, or who may.
    """
    if issue.state == "approved" and issue.approved_at is not None:
        at = times.for_people(issue.approved_at, settings.zone)
        raise StateError(f"issue {issue.number} is approved already, by {approved_by(db, issue.number)} at {at}")
    expect(issue, "approved", "draft")
    if by == ITSELF and (settings.four_eyes or is_by_hand(db, issue.number)):
        raise StateError(f"only a person approves issue {issue.number}")
    if settings.four_eyes and by.editor is not None:
        why = four_eyes.barred(db, issue.number, by.editor)
        if why is not None:
            raise StateError(why)


def is_by_hand(db: Database, number: int) -> bool:
    """Tell whether somebody said that only a person approves an issue."""
    row = db.conn.execute("SELECT by_hand FROM issues WHERE number = ?", (number,)).fetchone()
    return bool(row and row[0])


def expect(issue: Issue, wanted: str, *states: State) -> None:
    """Refuse what an issue's state does not allow.

    Raises:
        StateError: it is in none of `states`, so it cannot be `wanted` ("approved", "paused", …).
    """
    if issue.state not in states:
        hint = f"; `digest pause {issue.number}` stops it" if wanted == "cancelled" and issue.state == "sending" else ""
        raise StateError(
            f"issue {issue.number} is {issue.state}; only one that is {' or '.join(states)} can be {wanted}{hint}"
        )
