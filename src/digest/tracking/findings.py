"""What should be looked at in a report, and what its figures cannot know, in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from digest.issue.tracked import Mode
from digest.numbers import on_scale, percent
from digest.providers import hooks
from digest.sentences import capital
from digest.store import Database
from digest.tracking.rates import Rate, Rates

COMPLAINTS, MANY_COMPLAINTS = 0.001, 0.003
"""Gmail wants fewer than 0.1 % of mails to be reported as spam, and never 0.3 %
(https://support.google.com/a/answer/81126)."""

BOUNCES, MANY_BOUNCES = 0.05, 0.10
"""At 5 % Amazon SES puts an account under review, at 10 % it may stop it
(https://docs.aws.amazon.com/ses/latest/dg/reputationdashboard-dg.html); others are stricter, none is laxer."""

SILENT = 0.10
"""A larger share of copies without a word makes rates of what was delivered doubtful."""


@dataclass(frozen=True)
class Trouble:
    """Something that should be looked at: how bad, what, and what to do."""

    level: Literal["warn", "bad"]
    what: str
    todo: str

    @property
    def words(self) -> str:
        """Both in a sentence."""
        return f"{capital(self.what)}: {self.todo}."


def troubles_of(number: int, states: Mapping[str, int], rates: Rates, paused_by: str | None) -> tuple[Trouble, ...]:
    """Say what should be looked at in an issue, the worst first.

    Args:
        number: the issue's.
        states: how many of its deliveries are in which state.
        rates: its rates.
        paused_by: why sending it was paused, where no person did it.
    """
    found = [
        _too_many(
            rates.complained,
            (COMPLAINTS, MANY_COMPLAINTS),
            "complained",
            "Gmail and Yahoo begin to refuse mail above 0.3%; mail only those who asked for it, make leaving easy, and"
            " look at Google's Postmaster Tools",
        ),
        _too_many(
            rates.bounced,
            (BOUNCES, MANY_BOUNCES),
            "bounced",
            "providers stop accounts at 5 to 10%; find out where these addresses came from",
        ),
    ]
    if paused_by:
        found.append(Trouble("bad", f"sending stopped: {paused_by}", f"mend it, then `digest resume {number}`"))
    if uncertain := states["uncertain"]:
        what = f"of {_copies(uncertain)} nobody knows yet whether they were accepted"
        found.append(Trouble("warn", what, f"`digest uncertain {number}` says what they wait for"))
    if rejected := states["rejected"]:
        what = f"{_copies(rejected)} rejected by the provider"
        found.append(Trouble("warn", what, f"`digest retry-rejected {number}` queues them again"))
    return tuple(sorted((each for each in found if each), key=lambda each: each.level))


def _too_many(share: Rate | None, limits: tuple[float, float], what: str, todo: str) -> Trouble | None:
    warn, bad = limits
    if share is None or share.value is None or share.low is None or share.value < warn:
        return None
    said = f"{percent(share.value)} of what was {share.of_what} {what} ({share.count:,} of {share.of:,})"
    limit = bad if share.value >= bad else warn
    if share.low < limit:
        # Two of three hundred are over the limit, and say nothing.
        return Trouble("warn", f"{said}; with so few it may be chance that this is over {on_scale(limit)}", todo)
    return Trouble("bad" if limit == bad else "warn", said, todo)


def notes_on(
    db: Database,
    issue: int,
    *,
    mode: Mode,
    deleted_at: str | None,
    accepted: int,
    delivered: int | None,
    is_told: bool,
    without_word: int,
    hidden: int,
) -> tuple[str, ...]:
    """Say what the figures of an issue cannot know."""
    notes = []
    if delivered is None and accepted:
        unknown = "" if is_told else " Bounces and complaints are unknown, which is not none."
        notes.append(
            f"{_silent(db, issue)} Rates are therefore of what was accepted, and no delivery is counted.{unknown}"
        )
    elif without_word > SILENT * accepted:
        notes.append(
            f"Of {_copies(without_word)} nobody said whether they were delivered or bounced: rates of what was"
            " delivered may be too high."
        )
    match mode:
        case "off":
            notes.append("Opens and clicks of this issue are not counted.")
        case "counts":
            notes.append(
                "It is counted how many copies were opened and clicked, and not whose: neither by mailbox provider nor"
                " by reader."
            )
    if mode != "off":
        if hidden:
            notes.append(
                f"Of {_copies(hidden)} nobody can see whether they were opened: Apple's Mail Privacy Protection asks"
                " for every picture. Rates of opens by people leave out all that it asked for."
            )
        notes.append(
            "An open shows only where pictures are loaded, and a scanner may pass for a person: clicks tell more than"
            " opens, and a change from issue to issue more than a number."
        )
        uncounted = db.conn.execute("SELECT count(*) FROM uncounted WHERE issue = ?", (issue,)).fetchone()[0]
        if uncounted:
            wants, whose = ("reader wants", "The copy says") if uncounted == 1 else ("readers want", "Their copies say")
            among = "is" if uncounted == 1 else "are"
            notes.append(
                f"{uncounted:,} {wants} no opens and clicks counted. {whose} nothing, and {among} among those that"
                " rates are of."
            )
    if deleted_at:
        notes.append(f"Its single events were deleted on {deleted_at[:10]}, being old; figures stay.")
    return tuple(notes)


def notes_on_trends(
    *, subjects: int, silent: Sequence[int], untold: Sequence[int], modes: Collection[Mode]
) -> tuple[str, ...]:
    """Say what figures over time cannot know.

    Args:
        subjects: how many subjects were compared.
        silent: the issues of which nobody told of a delivery.
        untold: those of which nobody told of anything.
        modes: how the opens and clicks of the issues were counted.
    """
    notes = ["Days, and the weeks and months made of them, are those of UTC; who came and went has no other."]
    if silent:
        whose = "its" if len(silent) == 1 else "their"
        notes.append(f"Of {_which(silent)} nobody told of a delivery; {whose} rates are of what was accepted.")
    if untold:
        notes.append(
            f"Bounces and complaints of {_which(untold)} are unknown, which is not none: they are in no average."
        )
    if "off" in modes:
        notes.append(
            "Some issues count no opens and clicks: they are in no average of these, and have no best subject."
        )
    if subjects > 1:
        notes.append(
            "Subjects are ordered by the share of readers who clicked. Better and worse mean: than all of them, with"
            " 95% certainty, so that chance calls one in twenty so. And a subject is not all that differs: so do"
            " contents, weekday and season."
        )
    return tuple(notes)


def _silent(db: Database, issue: int) -> str:
    """Say why nobody told of a delivery. Of the first and the last copy: a batch is not found by its issue."""
    providers = {
        row[0]
        for order in ("ASC", "DESC")
        for row in db.conn.execute(
            "SELECT b.provider FROM deliveries d JOIN batches b ON b.number = d.batch"  # noqa: S608 (our own word)
            f" WHERE d.issue = ? AND d.state = 2 ORDER BY d.subscriber {order} LIMIT 1",
            (issue,),
        )
    }
    able = sorted(providers & set(hooks.names()))
    if providers and not able:
        return f"{' and '.join(sorted(providers))} tells of no deliveries."
    return f"Nobody has told of a delivery{': are the webhooks of ' + ' and '.join(able) + ' set up?' if able else '.'}"


def _which(issues: Sequence[int]) -> str:
    return f"issue {issues[0]}" if len(issues) == 1 else f"{len(issues)} of the issues"


def _copies(count: int) -> str:
    return f"{count:,} {'copy' if count == 1 else 'copies'}"
