"""An issue's subjects when sending begins: the issue and its variants with each of them, and one that waits.

They are rendered before anything is written, from what approval kept, like the variants. Where that does not give the
approved issue any more, nothing is made up: nothing is tried, and everybody gets the issue with its own subject.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from digest.issue import issues
from digest.issue.compose import shown
from digest.issue.model import Alternative, Draft, Rendered
from digest.issue.render import render
from digest.issue.snapshot import Snapshot
from digest.issue.tracked import addresses_in, settings_of
from digest.issue.variant_records import Retitled, Variant, in_envelope
from digest.issue.variants import Cut, topics_in
from digest.mail import personalise
from digest.mail.templates import TemplateError
from digest.sending.drawing import Drawing, number_of
from digest.sending.topics import Plan, is_still
from digest.settings import Settings
from digest.store import Database

Known = dict[tuple[str | None, Cut, Alternative], Rendered]
"""What was rendered, by the hash of what was approved, the topics and the subject."""


def with_subjects(db: Database, settings: Settings, number: int, plan: Plan, *, rendered: Known) -> Plan:
    """Add what an issue's subjects need to a plan of its variants; give it as it is where there is one alone.

    `rendered` keeps what was rendered from one round to the next.
    """
    whole = issues.frozen(db, number)
    if whole is None or whole.subject_test is None:
        return plan
    snapshot = issues.find_snapshot(db, number)
    if snapshot is None:
        return replace(plan, untried="what approval kept of it cannot be read any more")
    if plan.trouble:
        return replace(plan, untried=plan.trouble)
    settings = settings_of(settings, whole.tracking)
    try:
        # Where there are variants, that was looked at already.
        if not plan.variants and not is_still(snapshot, whole, settings):
            return replace(plan, untried="the templates or the settings changed since it was approved")
        retitled = tuple(_retitled(snapshot, whole, plan, settings, rendered))
    except (TemplateError, personalise.PlaceError) as error:
        return replace(plan, untried=f"an alternative cannot be rendered: {error}")
    others = (each.content for each in retitled if each.content is not None and not each.alike)
    addresses = dict.fromkeys(address for content in others for address in addresses_in(content.html))
    test = whole.subject_test
    drawing = Drawing(1 + len(test.others), test.share, 1 + len(plan.variants), retitled, tuple(addresses))
    return replace(plan, drawing=drawing)


def _retitled(
    snapshot: Snapshot, whole: Rendered, plan: Plan, settings: Settings, rendered: Known
) -> Iterator[Retitled]:
    assert whole.subject_test is not None  # noqa: S101 (asked before)
    of_whole = Cut(
        tuple(sorted(topics_in(snapshot.draft))),
        tuple(item.comparison.slug for item in shown(snapshot.draft.placed)),
    )
    others = whole.subject_test.others
    for of, base in enumerate((Variant(of_whole, whole, snapshot.draft), *plan.variants)):
        for subject, alternative in enumerate(others, start=1):
            key = plan.content_hash, base.cut, alternative
            if key not in rendered:
                rendered[key] = _rendered(base.draft or snapshot.draft, alternative, whole, settings)
            content = rendered[key]
            alike = (content.html, content.text) == (base.content.html, base.content.text)
            at = number_of(of, subject, variants=1 + len(plan.variants))
            yield Retitled(at, of, base.cut, subject, content, alike)
        if whole.subject_test.share < 100:
            yield Retitled(number_of(of, 1 + len(others), variants=1 + len(plan.variants)), of, base.cut)


def retitle(draft: Draft, alternative: Alternative) -> Draft:
    """Give a draft with another subject, in the same forms."""
    preheader = draft.preheader if alternative.preheader is None else alternative.preheader
    return replace(draft, subject=alternative.subject, preheader=preheader)


def _rendered(draft: Draft, alternative: Alternative, whole: Rendered, settings: Settings) -> Rendered:
    content = in_envelope(render(retitle(draft, alternative), settings), whole)
    for part in (content.html, content.text):
        personalise.split(part)
    return content
