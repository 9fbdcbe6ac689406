"""How long rendering an issue takes, and how heavy the mail is, for 1, 5, 20 and 200 comparisons.

    python bench/render.py [--repeats 5] [--json]

What is timed is all that makes an issue: Jinja2 to MJML, MJML to HTML, the text twin, the links, and where it would
weigh over 90 KB, rendering it smaller until it fits. The comparisons are those of the sample catalogue (over and over,
where it has too few), in the forms an issue gives them (the lead in full, eight in brief, the rest as links) and, as
the heaviest case, all asked for in full. `check` is all that `digest check --offline` looks at in that issue. The
baseline, in the same run, is rendering the issue of one comparison. Figures are the median of several runs of many
renderings each.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from digest import times
from digest.catalogue.importing import gather, import_files
from digest.issue import compose
from digest.issue.checks.model import Mail
from digest.issue.checks.run import run
from digest.issue.collect import Collected, collect
from digest.issue.fit import fit, weight
from digest.issue.model import Draft
from digest.resources import resource
from digest.settings import Settings
from digest.store import open_store

RENDERINGS = 20


def drafts(settings: Settings) -> dict[str, Draft]:
    """Make the issues to be rendered, from the sample catalogue."""
    now = times.now()
    with tempfile.TemporaryDirectory() as folder:
        db = open_store(Path(folder) / "bench.db", create=True)
        import_files(db, gather([str(resource("db", "sample"))], bytes), now=now, zone=settings.zone)
        comparisons = collect(db, now=now).new
        db.close()
    found = {}
    for count in (1, 5, 20, 200):
        many = tuple(replace(comparisons[at % len(comparisons)], id=at) for at in range(count))
        for forms, full in (("as an issue", settings.full_comparisons), ("all in full", count)):
            placed = compose.compose(Collected(many, ()), full=full, brief=settings.brief_comparisons)
            words = compose.words_for(placed)
            found[f"{count:>3} {forms}"] = Draft(1, now, words["subject"], words["preheader"], words["intro"], placed)
    return found


def median_ms(work: Callable[[], object], repeats: int, times_over: int) -> float:
    """Give the median over `repeats` runs of the mean time of one call, in milliseconds."""
    runs = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(times_over):
            work()
        runs.append((time.perf_counter() - start) / times_over * 1000)
    return statistics.median(runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    settings = Settings(postal_address="1 Sample Street, 10115 Berlin")
    rows = []
    baseline = 0.0
    for name, draft in drafts(settings).items():
        fitted = fit(draft, settings)
        content = fitted.content
        mail = Mail(fitted.draft, content, settings, fitted.moved)
        took = median_ms(lambda draft=draft: fit(draft, settings), options.repeats, RENDERINGS)  # type: ignore[misc]
        checked = median_ms(lambda mail=mail: asyncio.run(run(mail, network=False)), options.repeats, 2)  # type: ignore[misc]
        baseline = baseline or took
        rows.append(
            {
                "comparisons": name.strip(),
                "ms": round(took, 2),
                "times one comparison": round(took / baseline, 1),
                "check_ms": round(checked),
                "moved": len(fitted.moved),
                "html_kb": round(weight(content) / 1024, 1),
                "text_kb": round(len(content.text.encode()) / 1024, 1),
            }
        )
        assert fit(replace(draft), settings).content == content, "the same issue gave other bytes"
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{'comparisons':<18}{'ms':>8}{'x':>7}{'check ms':>10}{'moved':>7}{'HTML KB':>10}{'text KB':>10}")
    for row in rows:
        print(
            f"{row['comparisons']:<18}{row['ms']:>8}{row['times one comparison']:>7}{row['check_ms']:>10}"
            f"{row['moved']:>7}{row['html_kb']:>10}{row['text_kb']:>10}"
        )


if __name__ == "__main__":
    main()
