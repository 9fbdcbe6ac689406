"""What is said of readers' topics, to people."""

from __future__ import annotations

from digest.numbers import several
from digest.sending.topics import Report


def told(report: Report | None, *, coming: bool = False) -> list[str]:
    """Say what became of readers' topics, or what is to become of them; nothing where nobody chose any."""
    if report is None:
        return []
    get, are, had, chose = ("get", "are", "have", "choose") if coming else ("got", "were", "had", "chose")
    if report.trouble:
        everybody = several(report.everything, "reader")
        return [f"Readers' topics {are} left aside, and {everybody} {get} the whole: {report.trouble}"]
    parts = [f"{report.variants} variant{'s' if report.variants != 1 else ''} for readers' topics"]
    for count, what in (
        (report.composed, f"{get} the issue composed for theirs"),
        (report.lead_alone, f"{had} nothing on their topics and {get} the lead alone"),
        (report.no_mail, f"{had} nothing on their topics and {get} no mail"),
        (report.everything, f"{chose} all that is in it and {get} the whole issue"),
        (report.beyond, f"{get} the whole issue, for want of more variants (`topic_variants`)"),
    ):
        if count:
            parts.append(f"{several(count, 'reader')} {what}")
    return ["; ".join(parts)]
