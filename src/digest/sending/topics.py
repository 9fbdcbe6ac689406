"""Readers' topics when sending begins: which variants of the issue there are to be, and who gets which.

The variants are rendered before anything is written, from what approval kept. Where that does not give the approved
issue any more, nothing is made up: everybody gets the issue as it was approved, and the report says why.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from digest import times
from digest.audience.topics import topic_sets
from digest.issue import issues
from digest.issue.model import Draft, Rendered
from digest.issue.render import render
from digest.issue.snapshot import Snapshot
from digest.issue.tracked import settings_of
from digest.issue.variant_records import Variant, in_envelope
from digest.issue.variants import BEYOND, NO_MAIL, WHOLE, Allotment, Cut, allot, render_cut
from digest.mail import personalise
from digest.mail.templates import TemplateError
from digest.sending.drawing import Drawing
from digest.settings import Settings
from digest.store import Database

OFF_TOPIC = "nothing on their topics"
"""Why a delivery was skipped, where the setting `off_topic` says that there is no mail then."""
MAILED = (
    "s.state = 'active' AND coalesce(s.paused_until, '') <= :now"
    " AND NOT EXISTS (SELECT 1 FROM suppressions x WHERE x.email_key = s.email_key)"
)
"""Who belongs to the audience of an issue, of subscribers ``s``: who paused does not, however soon the pause ends."""


class UnplannedError(Exception):
    """The store is not what was planned for: somebody chose new topics, or the issue was approved anew."""


@dataclass(frozen=True)
class Report:
    """What became of readers' topics. All but `sets`, how many of topics are in use, and `variants` count readers.

    `composed` got the issue composed for their topics, `everything` chose all that is in it, `lead_alone` and
    `no_mail` had nothing on their topics, and `beyond` got the whole issue because there were too many sets of topics.
    Where there was `trouble`, all got the whole issue.
    """

    sets: int = 0
    variants: int = 0
    composed: int = 0
    everything: int = 0
    lead_alone: int = 0
    no_mail: int = 0
    beyond: int = 0
    trouble: str | None = None


@dataclass(frozen=True)
class Plan:
    """The variants of an issue, rendered, and who gets which; for the content of a hash, or for any where it is None.

    Where it is the `last`, readers whose topics are not in it count as beyond what can be made. `drawing` is what is to
    be drawn where subjects are tried, and `untried` why they are not, where they were to be.
    """

    content_hash: str | None
    allotment: Allotment
    variants: tuple[Variant, ...] = ()
    trouble: str | None = None
    last: bool = False
    drawing: Drawing | None = None
    untried: str | None = None


NO_TOPICS = Plan(None, Allotment((), {}))
"""Everybody gets the issue itself."""


def sets_in_use(db: Database, *, now: datetime) -> dict[int, int]:
    """Count the readers of each set of topics who would be mailed now."""
    return dict(
        db.conn.execute(
            f"SELECT s.topic_set, count(*) FROM subscribers s WHERE s.topic_set IS NOT NULL AND {MAILED}"  # noqa: S608
            " GROUP BY s.topic_set",
            {"now": times.to_text(now)},
        ).fetchall()
    )


def plan(
    db: Database,
    settings: Settings,
    number: int,
    *,
    now: datetime,
    rendered: dict[tuple[str | None, Cut], Variant] | None = None,
) -> Plan:
    """Plan the variants of an approved issue for the topics that are in use.

    `rendered` keeps what was rendered, with the hash of the approved content, from one round to the next.
    """
    rendered = {} if rendered is None else rendered
    content_hash, readers = issues.find_issue(db, number).content_hash, sets_in_use(db, now=now)
    if not readers:
        return replace(NO_TOPICS, content_hash=content_hash)
    everybody = Allotment((), dict.fromkeys(readers, WHOLE))
    snapshot, whole = issues.find_snapshot(db, number), issues.frozen(db, number)
    if snapshot is None or whole is None:
        return Plan(content_hash, everybody, trouble="it was approved by an older digest, which kept no draft of it")
    allotment = _allotment(db, settings, snapshot.draft, readers)
    settings = settings_of(settings, whole.tracking)
    try:
        if allotment.cuts and not is_still(snapshot, whole, settings):
            trouble = "the templates or the settings changed since it was approved"
            return Plan(content_hash, everybody, trouble=trouble)
        for cut in allotment.cuts:
            if (content_hash, cut) not in rendered:
                rendered[content_hash, cut] = _rendered(snapshot, cut, whole, settings)
    except (TemplateError, personalise.PlaceError) as error:
        return Plan(content_hash, everybody, trouble=f"a variant cannot be rendered: {error}")
    return Plan(content_hash, allotment, tuple(rendered[content_hash, cut] for cut in allotment.cuts))


def foreseen(db: Database, settings: Settings, number: int, *, now: datetime) -> Report | None:
    """Give what would become of readers' topics if an approved issue were sent now; None where nobody chose any."""
    snapshot = issues.find_snapshot(db, number)
    return None if snapshot is None else foreseen_of(db, settings, snapshot.draft, now=now)


def foreseen_of(db: Database, settings: Settings, draft: Draft, *, now: datetime) -> Report | None:
    """Give what would become of readers' topics if an issue were sent now as it is; None where nobody chose any."""
    readers = sets_in_use(db, now=now)
    if not readers:
        return None
    allotment = _allotment(db, settings, draft, readers)
    return replace(report_on(Plan(None, allotment), readers), variants=len(allotment.cuts))


def _allotment(db: Database, settings: Settings, draft: Draft, readers: Mapping[int, int]) -> Allotment:
    known = topic_sets(db)
    return allot(
        draft,
        {topic_set: known[topic_set] for topic_set in readers},
        readers,
        off_topic=settings.off_topic,
        most=settings.topic_variants,
    )


def is_still(snapshot: Snapshot, whole: Rendered, settings: Settings) -> bool:
    """Tell whether rendering an issue today gives what was approved."""
    again = render(snapshot.draft, settings)
    return (again.html, again.text) == (whole.html, whole.text)


def _rendered(snapshot: Snapshot, cut: Cut, whole: Rendered, settings: Settings) -> Variant:
    fitted = render_cut(snapshot, cut, settings)
    content = in_envelope(fitted.content, whole)
    for part in (content.html, content.text):
        personalise.split(part)
    return Variant(cut, content, fitted.draft)


def report_on(plan: Plan, readers: Mapping[int, int]) -> Report:
    """Count what becomes of readers' topics, so many of each set.

    Raises:
        UnplannedError: the plan says nothing of a set, and is not the last.
    """
    if not plan.last and not readers.keys() <= plan.allotment.of_set.keys():
        raise UnplannedError
    lead = next((at for at, cut in enumerate(plan.allotment.cuts, start=1) if not cut.topics), None)
    counts = dict.fromkeys(("composed", "everything", "lead_alone", "no_mail", "beyond"), 0)
    sorts = {WHOLE: "everything", NO_MAIL: "no_mail", BEYOND: "beyond", lead: "lead_alone"}
    for topic_set, count in readers.items():
        counts[sorts.get(plan.allotment.of_set.get(topic_set, BEYOND), "composed")] += count
    return Report(len(readers), len(plan.variants), **counts, trouble=plan.trouble)


def as_text(report: Report) -> str | None:
    """Give a report as it is kept with its issue; nothing where nobody chose topics."""
    return json.dumps(asdict(report)) if report.sets else None


def report_of(db: Database, number: int) -> Report | None:
    """Give what became of readers' topics in an issue; None where nobody had chosen any, or before it is sent."""
    row = db.conn.execute("SELECT topics_report FROM issues WHERE number = ?", (number,)).fetchone()
    return Report(**json.loads(row[0])) if row and row[0] else None
