"""The figures of issues, as reports read them: a few thousand small rows an issue, however many readers it has."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from digest.issue.tracked import Mode
from digest.sending.ledger import tally
from digest.store import Database
from digest.tracking.rates import People

STATES = {
    "queued": "queued",
    "claimed": "claimed",
    "accepted": "accepted copies",
    "rejected": "rejected",
    "uncertain": "uncertain",
    "skipped": "skipped",
}
"""The measures that count deliveries by state. The measure `accepted` is an event: what a provider said later."""


@dataclass(frozen=True)
class Figures:
    """The figures of one issue by measure and part; what is not there is 0."""

    counts: Mapping[tuple[str, str], Mapping[str, int]]

    def total(self, measure: str) -> int:
        """Give the figure of all together."""
        return self.by("", measure).get("", 0)

    def by(self, part: str, measure: str) -> Mapping[str, int]:
        """Give a measure by host, hour, link or tool."""
        return self.counts.get((measure, part), {})

    def people(self, measure: Literal["opened", "clicked"]) -> People:
        """Give opened or clicked copies by who did it."""
        return People(
            all=self.total(measure),
            people=self.total(f"{measure} people"),
            unsure=self.total(f"{measure} unsure"),
            machines=self.total(f"{measure} machines"),
            hidden=self.total("hidden") if measure == "opened" else 0,
            hidden_people=self.total("hidden people" if measure == "opened" else "hidden clicked"),
        )

    def told(self, measure: str, *, by_mail: bool) -> int | None:
        """Give the figure of what only others tell of, such as bounces; None where nobody told of anything.

        `by_mail` is whether bounces come as mails. Of a copy that came through no mail comes: none is a word then, too.
        """
        is_told = by_mail or any(self.total(each) for each in TELLING)
        return self.total(measure) if is_told else None

    @property
    def delivered(self) -> int | None:
        """How many copies were delivered; None where nobody told of any, which is not the same as none."""
        return self.total("delivered") or None


def figures_of(db: Database, issue: int) -> Figures:
    """Read all figures of an issue."""
    counts: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for measure, part, value, count in db.conn.execute(
        "SELECT measure, part, value, count FROM figures WHERE issue = ?", (issue,)
    ):
        counts[measure, part][value] = count
    return Figures(counts)


def totals_of(db: Database, issues: list[int]) -> dict[int, Figures]:
    """Read the figures of many issues, each measure of all copies together."""
    counts: dict[int, dict[tuple[str, str], dict[str, int]]] = {issue: {} for issue in issues}
    # By both ends of the key: the hours and links between them, thousands of rows an issue, are not read.
    rows = db.conn.execute(
        "SELECT f.issue, f.measure, f.count FROM json_each(?) i CROSS JOIN json_each(?) m CROSS JOIN figures f"
        " ON f.issue = i.value AND f.measure = m.value AND f.part = '' AND f.value = ''",
        (json.dumps(issues), json.dumps(MEASURES)),
    )
    for issue, measure, count in rows:
        counts[issue][measure, ""] = {"": count}
    return {issue: Figures(found) for issue, found in counts.items()}


TELLING = ("accepted", "deferred", "delivered", "bounced hard", "bounced soft", "complained")
"""Events that only a provider, or a mail that comes back, tells of. Votes and departures are seen by us."""

MEASURES = (
    "audience", *STATES.values(), *TELLING, "unsubscribed", "voted", "opened", "opened people", "opened unsure",
    "opened machines", "hidden", "hidden people", "hidden clicked", "clicked", "clicked people", "clicked unsure",
    "clicked machines", "opens", "opens people", "clicks", "clicks people",
)  # fmt: skip
"""Those that have a figure of all copies together."""


def states_of(db: Database, issue: int, figures: Figures, *, stale: bool) -> dict[str, int]:
    """Count an issue's deliveries by state, and all of them as `audience`.

    Where figures are `stale` (see `reports.behind`), because nobody rolls them up, the deliveries are counted now: a
    million take a sixth of a second.
    """
    if stale and (counted := tally(db, issue))["audience"]:
        return counted
    return {"audience": figures.total("audience")} | {name: figures.total(of) for name, of in STATES.items()}


def mode_of(tracking: str | None) -> Mode:
    """Read what approval froze of how an issue's opens and clicks are counted."""
    mode: Mode = json.loads(tracking)["mode"] if tracking else "off"
    return mode
