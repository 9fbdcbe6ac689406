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
from digest.issue.compose import form_at
from digest.issue.issues import expect, find_issue, load_draft, own_words, place, thaw
from digest.issue.model import Issue, Placed
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
        if lead is not None or out:
            place(connection, number, _rearranged(load_draft(db, number).placed, lead, out, settings))
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
        return find_issue(db, number)


def _rearranged(placed: Sequence[Placed], lead: str | None, out: Sequence[str], settings: Settings) -> list[Placed]:
    slugs = [item.comparison.slug for item in placed]
    for slug in (*out, *([lead] if lead else [])):
        if slug not in slugs:
            raise InputError(f"the issue has no comparison {slug!r}{nearest(slug, slugs)}", field="slug")
    if lead in out:
        raise InputError(f"{lead!r} cannot both lead and be left out", field="lead")
    shown = [
        item
        for item in placed
        if item.comparison.slug == lead or (item.form != "out" and item.comparison.slug not in out)
    ]
    if lead is not None:
        shown.sort(key=lambda item: item.comparison.slug != lead)
    if not shown:
        raise InputError("nothing would be left in the issue; `digest cancel` drops it whole", field="out")
    again = [
        replace(item, form=form_at(position, full=settings.full_comparisons, brief=settings.brief_comparisons))
        for position, item in enumerate(shown)
    ]
    kept = {item.comparison.id for item in again}
    return again + [replace(item, form="out") for item in placed if item.comparison.id not in kept]


def _one_line(text: str | None) -> str | None:
    return None if text is None else " ".join(text.split())
