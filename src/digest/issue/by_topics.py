"""An issue as readers of some topics get it, to look at."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from digest.issue import issues
from digest.issue.fit import Fitted, moved_between
from digest.issue.snapshot import Snapshot
from digest.issue.tracked import settings_of
from digest.issue.variant_records import content_of, cuts_of, in_envelope
from digest.issue.variants import Cut, compose, cut_for, is_whole, render_cut
from digest.settings import Settings
from digest.store import Database


def laid_out_for(
    db: Database, settings: Settings, number: int, topics: Collection[str]
) -> tuple[Cut | None, Fitted | None]:
    """Give what readers of some topics get of an issue, and that as it is, or would be, mailed.

    Where it was mailed, it is what was; otherwise it is composed now, of a draft as it stands and of an approved issue
    as it was approved. The first is None where they get the issue itself, the second where they get no mail.
    """
    whole = issues.laid_out(db, settings, number)
    wanted = {move.comparison.id: move.before for move in whole.moved}
    forms = tuple(wanted.get(item.comparison.id, item.form) for item in whole.draft.placed)
    snapshot = Snapshot(whole.draft, forms, tuple(issues.own_words(db, number)))
    cut = cut_for(whole.draft, topics, off_topic=settings.off_topic)
    if not topics or is_whole(whole.draft, cut):
        return None, whole
    if not cut.comparisons:
        return cut, None
    fitted = render_cut(snapshot, cut, settings_of(settings, whole.content.tracking))
    if issues.frozen(db, number) is None:
        return cut, fitted
    content = replace(in_envelope(fitted.content, whole.content), mjml=fitted.content.mjml)
    # Of two with the same comparisons, one has the lead for want of anything else, and says so.
    same = (bool(cut.topics), cut.comparisons)
    mailed = next(
        (at for at, known in cuts_of(db, number).items() if (bool(known.topics), known.comparisons) == same), None
    )
    if mailed is not None:
        content = replace(content_of(db, number, mailed), mjml=content.mjml)
    return cut, Fitted(fitted.draft, content, moved_between(compose(snapshot, cut), fitted.draft))
