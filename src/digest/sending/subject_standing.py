"""How the subjects of an issue stand: who has which, what people clicked, and how much of that may be chance.

Clicks are those of people, and a copy counts once. They are kept as figures of the issue by group
(`tracking/counting.py`), so nothing more is kept of anybody.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from math import erf, sqrt
from typing import Any, Literal

from digest import times
from digest.issue import issues
from digest.issue.model import Rule
from digest.issue.subject_records import GROUPS, REST, groups_of, subject_test_of
from digest.sending.topics import OFF_TOPIC
from digest.store import Database

SURE = 0.95
"""Two subjects that are as good would show a smaller difference than theirs so often, where it is not put to chance."""
FEW = 100
"""Readers with a subject: with fewer, what comes of it is mostly chance."""
USUAL_CLICKS = 0.05
"""The share of copies that people click, where no earlier issue tells of it."""
_POWER_Z, _SURE_Z = 0.841621, 1.959964
"""Of a normal distribution 80 % lie below the first, and 95 % within the second either way."""

_NONE = (0, 0, 0)

DecidedBy = Literal["clicks", "too close", "person", "trouble"]


@dataclass(frozen=True)
class Tried:
    """A subject and what became of it: `number` 0 is the issue's own.

    `readers` are those it was dealt to, `accepted` their copies a provider took, `clicked` those of them that a person
    clicked in; None where clicks are not counted.
    """

    number: int
    subject: str
    preheader: str | None
    readers: int = 0
    accepted: int = 0
    clicked: int | None = None

    @property
    def letter(self) -> str:
        """What it is called: A is the issue's own subject."""
        return letter_of(self.number)

    @property
    def share(self) -> float | None:
        """The share of its copies that a person clicked in; None where there is none, or nobody counts."""
        return min(1.0, self.clicked / self.accepted) if self.accepted and self.clicked is not None else None


@dataclass(frozen=True)
class Standing:
    """How the subjects of an issue stand.

    `rest` are readers who get the subject that wins, `waiting` those of their copies that are queued. `tested_at` is
    when the last copy of the share had been handed over, `due_at` when readers' clicks are to decide; both None before.
    `leader` is the number of the subject that has most clicks, `sure` how surely it is better than the next, from 0 to
    1; both None while there is nothing to tell. `trouble` is why nothing was tried.
    """

    number: int
    state: str
    share: int
    wait: int
    rule: Rule
    tried: tuple[Tried, ...]
    rest: int
    waiting: int
    counted: bool
    tested_at: datetime | None
    due_at: datetime | None
    leader: int | None
    sure: float | None
    winner: int | None
    decided_at: datetime | None
    decided_by: DecidedBy | None
    trouble: str | None = None

    @property
    def too_close(self) -> bool:
        """Whether chance alone may have made the difference."""
        return self.sure is None or self.sure < SURE

    def as_dict(self) -> dict[str, Any]:
        """Give it for JSON."""
        found = asdict(self)
        for name in ("tested_at", "due_at", "decided_at"):
            found[name] = times.to_text(found[name]) if found[name] else None
        for one, subject in zip(found["tried"], self.tried, strict=True):
            one |= {"letter": subject.letter, "share": subject.share}
        return found | {"too_close": self.too_close}


def letter_of(number: int) -> str:
    """Give what a subject is called: A is the issue's own."""
    return "ABCDE"[number]


def standing(db: Database, number: int) -> Standing | None:
    """Say how the subjects of an issue stand, from its draft on; None where it has one alone.

    Raises:
        NotFoundError: there is no such issue.
    """
    issue, test = issues.find_issue(db, number), subject_test_of(db, number)
    if test is None:
        return None
    words = issues.load_draft(db, number) if issue.state == "draft" else issue
    tested, decided, winner, by, found = db.conn.execute(
        "SELECT tested_at, decided_at, winner, decided_by, found FROM subject_tests WHERE issue = ?", (number,)
    ).fetchone()
    tracking = issues.tracking_of(db, number)
    counted = tracking is not None and tracking.counts
    copies = _copies(db, number)
    clicks = _clicks(db, number) if counted else {}
    every = [(words.subject, words.preheader), *((one.subject, one.preheader) for one in test.others)]
    tried = tuple(
        Tried(at, subject, preheader, *copies.get(str(at), _NONE)[:2], clicks.get(str(at), 0) if counted else None)
        for at, (subject, preheader) in enumerate(every)
    )
    tested_at = times.from_text(tested) if tested else None
    leader, sure = compare(tried)
    trouble = json.loads(found).get("trouble") if by == "trouble" and found else None
    return Standing(
        number=number,
        state=issue.state,
        share=test.share,
        wait=test.wait,
        rule=test.rule,
        tried=tried,
        rest=copies.get(REST, _NONE)[0],
        waiting=0 if winner is not None else copies.get(REST, _NONE)[2],
        counted=counted,
        tested_at=tested_at,
        due_at=tested_at + timedelta(minutes=test.wait) if tested_at and test.rule == "clicks" else None,
        leader=leader,
        sure=sure,
        winner=winner,
        decided_at=times.from_text(decided) if decided else None,
        decided_by=by,
        trouble=trouble,
    )


def _copies(db: Database, number: int) -> dict[str, tuple[int, int, int]]:
    """Count the copies of each group, those accepted and those queued: for a million in half a second."""
    groups = groups_of(db.conn, number)
    found: dict[str, tuple[int, int, int]] = {}
    if groups:
        rows = db.conn.execute(
            "SELECT variant, count(*), sum(state = 2), sum(state = 0) FROM deliveries"
            " WHERE issue = ? AND reason IS NOT ? GROUP BY variant",
            (number, OFF_TOPIC),
        )
        for variant, *counts in rows:
            group = GROUPS[groups[variant]]
            one, two, three = (before + count for before, count in zip(found.get(group, _NONE), counts, strict=True))
            found[group] = one, two, three
    return found


def _clicks(db: Database, number: int) -> dict[str, int]:
    rows = db.conn.execute(
        "SELECT value, count FROM figures WHERE issue = ? AND measure = 'clicked people' AND part = 'subject'",
        (number,),
    )
    return dict(rows.fetchall())


# Telling better from chance --------------------------------------------------------------------------------------


def compare(tried: Sequence[Tried]) -> tuple[int | None, float | None]:
    """Give the number of the subject with the largest share of clicks, and how surely it is better than the next.

    By the usual test of two proportions, pooled, with Yates' correction for few
    (https://en.wikipedia.org/wiki/Yates%27s_correction_for_continuity); both None where nothing was clicked, or nobody
    counts. Of several with the same share the first one leads.
    """
    known = [(one.share, one) for one in tried if one.share is not None]
    if len(known) < 2 or not any(share for share, _ in known):
        return None, None
    known.sort(key=lambda pair: (-pair[0], pair[1].number))
    (_, best), (_, second) = known[:2]
    return best.number, _sureness(best.clicked or 0, best.accepted, second.clicked or 0, second.accepted)


def _sureness(one: int, of_one: int, other: int, of_other: int) -> float:
    pooled = min(1.0, (one + other) / (of_one + of_other))
    each = 1 / of_one + 1 / of_other
    error = sqrt(pooled * (1 - pooled) * each)
    apart = max(0.0, min(1.0, one / of_one) - min(1.0, other / of_other) - each / 2)
    return erf(apart / error / sqrt(2)) if error else 0.0


def smallest_difference(readers: int, clicks: float = USUAL_CLICKS) -> float:
    """Give by how much two shares of clicks must differ to be told apart four times in five, with so many readers each.

    `clicks` is the share that is usual.
    """
    return min(1.0, (_SURE_Z + _POWER_Z) * sqrt(2 * clicks * (1 - clicks) / readers)) if readers else 1.0


def usual_clicks(db: Database) -> float:
    """Give the share of copies that people clicked in, of the last issues whose clicks were counted."""
    accepted, clicked = db.conn.execute(
        "SELECT coalesce(sum(a.count), 0), coalesce(sum(c.count), 0) FROM (SELECT number FROM issues"
        " WHERE state = 'sent' AND tracking IS NOT NULL ORDER BY number DESC LIMIT 8) i"
        " JOIN figures a ON a.issue = i.number AND a.measure = 'accepted copies' AND a.part = '' AND a.value = ''"
        " LEFT JOIN figures c ON c.issue = i.number AND c.measure = 'clicked people' AND c.part = '' AND c.value = ''"
    ).fetchone()
    return min(0.5, max(0.002, clicked / accepted)) if accepted else USUAL_CLICKS


def dealt(audience: int, share: int, subjects: int) -> tuple[int, int]:
    """Give how many of an audience are drawn, and how many of those get each subject at the least."""
    drawn = min(audience, max(subjects, (audience * share + 50) // 100))
    return drawn, drawn // subjects
