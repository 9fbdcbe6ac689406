"""Editing a draft: its words, its lead, and what is left out of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from digest import times
from digest.editors import audit
from digest.editors.audit import COMMAND_LINE, By
from digest.errors import InputError, nearest
from digest.issue.arrangement import arrange, arrangement_of
from digest.issue.compose import form_at
from digest.issue.edits import as_edited, record_all
from digest.issue.issues import expect, find_issue, load_draft, own_words, thaw
from digest.issue.model import Issue
from digest.settings import Settings
from digest.store import Database, writing


def edit(
    db: Database,
    number: int,
    *,
    now: datetime,
    subject: str | None = None,
    preheader: str | None = None,
    intro: str | None = None,
    lead: str | None = None,
    out: Sequence[str] = (),
    settings: Settings,
    by: By = COMMAND_LINE,
) -> Issue:
    """Change a draft's words, its lead, or what is left out of it. An approved issue goes back to draft.

    Words that nobody wrote follow the comparisons: with another lead they are composed anew.

    Args:
        db: the store.
        number: the issue.
        now: the moment of the change.
        subject: the new subject line.
        preheader: the new preheader.
        intro: the new opening text; a line break begins a paragraph.
        lead: the slug of the comparison to put first; one that was left out comes back in.
        out: slugs of comparisons to leave out for good.
        settings: how many comparisons are full and brief.
        by: who changes it.

    Raises:
        InputError: an empty subject, or a slug that is not in the issue; nothing is changed.
        StateError: the issue is past editing.
    """
    with writing(db) as connection:
        issue = find_issue(db, number)
        expect(issue, "edited", "draft", "approved")
        words = {"subject": _one_line(subject), "preheader": _one_line(preheader), "intro": intro}
        if words["subject"] == "":
            raise InputError("is empty; an issue needs a subject", field="subject")
        before = as_edited(connection, number)
        if lead is not None or out:
            _rearrange(db, number, lead, out, settings)
        own = {*own_words(db, number), *(name for name, word in words.items() if word is not None)}
        thaw(connection, number)
        connection.execute(
            "UPDATE issues SET subject = coalesce(?, subject), preheader = coalesce(?, preheader),"
            " intro = coalesce(?, intro), own_words = ?, updated_at = ? WHERE number = ?",
            (*words.values(), json.dumps(sorted(own)), times.to_text(now), number),
        )
        composed = load_draft(db, number)
        connection.execute(
            "UPDATE issues SET subject = ?, preheader = ?, intro = ? WHERE number = ?",
            (composed.subject, composed.preheader, composed.intro, number),
        )
        changed = [name for name, word in {**words, "lead": lead}.items() if word is not None]
        audit.note(
            connection,
            by,
            "edited",
            f"issue {number}",
            now=now,
            changed=changed + (["out"] if out else []),
            was=issue.state,
        )
        record_all(connection, number, before, by=by, now=now)
        return find_issue(db, number)


def _rearrange(db: Database, number: int, lead: str | None, out: Sequence[str], settings: Settings) -> None:
    """Put another lead first, and leave some out; a form that nobody chose follows the place."""
    items = arrangement_of(db.conn, number)
    slugs = dict(
        db.conn.execute(
            "SELECT c.slug, c.id FROM issue_comparisons i JOIN comparisons c ON c.id = i.comparison"
            " WHERE i.issue = ? ORDER BY i.position",
            (number,),
        ).fetchall()
    )
    for slug in (*out, *([lead] if lead else [])):
        if slug not in slugs:
            raise InputError(f"the issue has no comparison {slug!r}{nearest(slug, slugs)}", field="slug")
    if lead in out:
        raise InputError(f"{lead!r} cannot both lead and be left out", field="lead")
    first, gone = slugs.get(lead or ""), {slugs[slug] for slug in out}
    shown = [item for item in items if item.comparison == first or (item.form != "out" and item.comparison not in gone)]
    shown.sort(key=lambda item: first is not None and item.comparison != first)
    if not shown:
        raise InputError("nothing would be left in the issue; `digest cancel` drops it whole", field="out")
    again = [
        item
        if item.chosen
        else replace(item, form=form_at(position, full=settings.full_comparisons, brief=settings.brief_comparisons))
        for position, item in enumerate(shown)
    ]
    kept = {item.comparison for item in again}
    left = [replace(item, form="out", chosen=False) for item in items if item.comparison not in kept]
    arrange(db, number, [*again, *left])


def _one_line(text: str | None) -> str | None:
    return None if text is None else " ".join(text.split())
