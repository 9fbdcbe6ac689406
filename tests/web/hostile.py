"""A catalogue whose every text tries to be more than text."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import NOW
from digest.audience import subscribers
from digest.catalogue.importing import import_files
from digest.issue import issues
from digest.sending import ledger
from digest.settings import Settings
from digest.store import open_store

NAME = "</script><script>alert(1)</script><!-- ]]>\"x' {{ 7*7 }} [[digest:token]] &amp;"
HOSTILE = (
    '</script><script>alert(1)</script><!-- ]]> <img src=x onerror=alert(2)> " onload="x\' {{ 7 * 7 }} {% raw %}'
    " &amp; &#60; [[digest:token]] \\u003c \u2028 \ufffe end"
)


def hostile_store(folder: Path) -> Settings:
    """Make a store of one comparison with such texts, and an issue of it that went out."""
    settings = Settings(
        db=folder / "hostile.db",
        base_url="https://verdicts.example.com",
        newsletter_name="Verdicts <b>&</b> ]]>",
        newsletter_tagline="</script><script>alert(3)</script>",
    )
    tools = [
        {
            "name": f"{NAME} {side}",
            "slug": f"tool-{side}",
            "tagline": HOSTILE,
            "category": NAME,
            "description": HOSTILE,
            "url": "https://example.com/?a=1&b=</script>",
            "reviews": [{"reviewer": "critic", "verdict": "ship", "quote": HOSTILE}],
        }
        for side in ("a", "b")
    ]
    catalogue = {
        "reviewers": [{"name": NAME, "slug": "critic", "stance": HOSTILE}],
        "tools": tools,
        "comparisons": [{"left": "tool-a", "right": "tool-b", "slug": "a-vs-b"}],
    }
    db = open_store(settings.db, create=True)
    for report in import_files(db, [("all.json", json.dumps(catalogue).encode())], now=NOW, zone=settings.zone):
        assert report.error is None, report.error
    subscribers.add(db, "ada@example.com", now=NOW, name="Ada")
    issues.draft(db, settings, now=NOW)
    issues.freeze(db, settings, 1, now=NOW)
    ledger.freeze_audience(db, 1, now=NOW)
    db.close()
    return settings
