"""Where everything stands: the catalogue, the audience, the letters, the issues."""

from __future__ import annotations

import json
from typing import Any

from digest.audience import letterbox
from digest.audience.subscribers import count_audience
from digest.catalogue.queries import count_catalogue
from digest.issue.issues import load_draft
from digest.sending.ledger import tally
from digest.store import Database


def status(db: Database) -> dict[str, Any]:
    """Give counts as `digest status --json` prints them; issues in the order of their numbers."""
    issues = db.conn.execute(
        "SELECT i.number, i.state, w.subject, i.scheduled_at, i.trouble, i.topics_report,"
        " count(c.comparison) FILTER (WHERE c.form <> 'out')"
        " FROM issues i JOIN shown_words w ON w.issue = i.number"
        " LEFT JOIN issue_comparisons c ON c.issue = i.number GROUP BY i.number ORDER BY i.number"
    ).fetchall()
    return {
        "catalogue": count_catalogue(db),
        "audience": count_audience(db),
        "letters": letterbox.tally(db),
        "issues": [
            {
                "number": number,
                "state": state,
                # A draft's words follow the catalogue.
                "subject": load_draft(db, number).subject if state == "draft" else subject,
                "scheduled_at": scheduled_at,
                "trouble": trouble,
                "comparisons": comparisons,
                **tally(db, number),
                "topics": json.loads(report) if report else None,
            }
            for number, state, subject, scheduled_at, trouble, report, comparisons in issues
        ],
    }
