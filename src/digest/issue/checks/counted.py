"""What of opens and clicks is counted, said before it goes out."""

from __future__ import annotations

from digest.issue.checks.model import Finding, Mail
from digest.issue.tracked import addresses_in

_KEPT = {"counts": "how many open and click is counted, and not who", "readers": "who opens and clicks what is kept"}


def check(mail: Mail) -> list[Finding]:
    """Say what is done to the links when the issue is handed over (id `tracking`); it always passes."""
    tracking, links = mail.content.tracking, len(addresses_in(mail.content.html))
    tags = f"; they get {tracking.utm}" if tracking and tracking.utm else ""
    if tracking is None or not tracking.counts:
        stay = "" if tags else ", and the links stay as they are"
        return [Finding("tracking", "pass", f"no open and no click of {links} links is counted{tags or stay}")]
    hidden = ", and so does one that only machines follow" if tracking.hidden else ""
    what = f"{_KEPT[tracking.mode]}: {links} links and a picture lead by {tracking.site}{hidden}{tags}"
    return [Finding("tracking", "pass", what)]
