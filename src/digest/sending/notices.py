"""Mails to editors about what happens while an issue is sent: that it stopped, and that it is done.

They are posted by what the store says of an issue, so whichever process sent it; and once for each happening, which is
named by the moment it began (`notices`). A trouble that is over and comes again is another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from digest import times
from digest.audience import letterbox
from digest.audience.addresses import read_address
from digest.editors import people
from digest.editors.people import Editor
from digest.issue import issues
from digest.issue.model import Issue
from digest.numbers import counted, several
from digest.sending import ledger, topics
from digest.sending.topics_words import told as told_of_topics
from digest.sentences import sentence
from digest.settings import Settings
from digest.store import Database, writing

GRACE = timedelta(days=2)
"""So long after it an end is still told, where nothing ran; then editors go without."""

Kind = Literal["trouble", "sent"]


@dataclass(frozen=True)
class Happening:
    """What happened to an issue; `about` names it among all that happen to that issue."""

    issue: int
    kind: Kind
    about: str


def happened(db: Database, *, now: datetime) -> list[Happening]:
    """Give what happened and was told to nobody. It is asked every two seconds, and reads few rows."""
    troubles = db.conn.execute(
        "SELECT number, 'trouble: ' || trouble_at FROM issues WHERE state IN ('approved', 'sending', 'paused')"
        " AND trouble IS NOT NULL ORDER BY number"
    ).fetchall()
    ended = db.conn.execute(
        "SELECT number, 'sent: ' || sent_at FROM issues WHERE updated_at > ?1 AND state = 'sent' AND sent_at > ?1"
        " ORDER BY number",
        (times.to_text(now - GRACE),),
    ).fetchall()
    found = [Happening(number, "trouble", about) for number, about in troubles]
    found += [Happening(number, "sent", about) for number, about in ended]
    return [one for one in found if not _is_told(db, one)]


def post_due(db: Database, settings: Settings, *, now: datetime) -> int:
    """Put a letter to every editor who wants to know into the letterbox, once for each happening; give how many.

    Of several processes that come at the same time, one does it.
    """
    posted = 0
    for one in happened(db, now=now):
        issue = issues.find_issue(db, one.issue)
        detail = _sent(db, issue, settings) if one.kind == "sent" else _trouble(db, issue)
        with writing(db) as connection:
            if _is_told(db, one):
                continue
            connection.execute(
                "INSERT INTO notices (issue, about, at) VALUES (?, ?, ?)", (one.issue, one.about, times.to_text(now))
            )
            for editor in people.everyone(db):
                if wants(editor, one.kind):
                    letterbox.post(db, one.kind, read_address(editor.email), subscriber=None, detail=detail, now=now)
                    posted += 1
    return posted


def wants(editor: Editor, kind: Kind) -> bool:
    """Tell whether an editor is told of what happens: of trouble, who can do something about it."""
    return editor.told_sent if kind == "sent" else editor.told_trouble and editor.may("publisher")


def _is_told(db: Database, one: Happening) -> bool:
    sql = "SELECT 1 FROM notices WHERE issue = ? AND about = ?"
    return db.conn.execute(sql, (one.issue, one.about)).fetchone() is not None


def _trouble(db: Database, issue: Issue) -> Mapping[str, Any]:
    why = sentence(issue.trouble or "nobody knows why")
    name = f"Issue {issue.number}, “{issue.subject}”"
    tally = ledger.tally(db, issue.number)
    match issue.state:
        case "paused":
            subject, heading = f"Sending issue {issue.number} has stopped", "Sending has stopped"
            before = [
                f"{name}, is paused. {why}",
                "Put that right, then press Resume on its page. It goes on where it stopped: nobody gets two copies,"
                " and nobody is left out.",
            ]
        case "approved":
            subject, heading = f"Issue {issue.number} was not sent", "It was not sent"
            before = [f"{name}, is approved, and nobody was mailed it. {why}"]
        case _:
            subject, heading = f"Issue {issue.number} is held up", "Sending is held up"
            before = [f"{name}, is being sent, but cannot go on as it should. {why}"]
    return {
        "issue": issue.number,
        "subject": subject,
        "heading": heading,
        "before": before,
        "figures": _figures(tally) if tally["audience"] else [],
    }


def _sent(db: Database, issue: Issue, settings: Settings) -> Mapping[str, Any]:
    tally = ledger.tally(db, issue.number)
    figures = _figures(tally)
    if issue.sending_at and issue.sent_at:
        figures.append(["Took", times.span(issue.sent_at - issue.sending_at)])
    when = times.for_people(issue.sent_at, settings.zone) if issue.sent_at else "now"
    return {
        "issue": issue.number,
        "accepted": tally["accepted"],
        "audience": tally["audience"],
        "before": [
            f"Issue {issue.number}, “{issue.subject}”, went out to {several(tally['audience'], 'reader')} until {when};"
            f" {several(tally['accepted'], 'copy was', 'copies were')} accepted."
        ],
        "figures": figures,
        "after": [sentence(line) for line in told_of_topics(topics.report_of(db, issue.number))],
    }


def _figures(tally: Mapping[str, int]) -> list[list[str]]:
    to_go = tally["queued"] + tally["claimed"]
    rows = [
        ("Accepted", tally["accepted"]),
        ("To go", to_go),
        ("Rejected", tally["rejected"]),
        ("Uncertain", tally["uncertain"]),
        ("Skipped", tally["skipped"]),
    ]
    return [[label, counted(count)] for label, count in rows if count or label == "Accepted"]
