"""What is done about a batch of which nobody knows whether it was accepted. It is never guessed.

In this order: what events show counts at once; a provider that keeps our keys is handed the same bytes again under
the same key; one that can be asked is asked, once what it has must show; for the rest a person decides, or the
setting `uncertain`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from digest import events
from digest.providers.interface import Proof
from digest.sending.ledger import Claimed
from digest.store import Database

A_MOMENT_S = 0.01
"""What is left of a wait and is shorter than this is over: added to a clock's time it may change nothing."""
CLOCKS_S = 300.0
"""How far a clock may have been put back before its times prove nothing."""

Policy = Literal["hold", "resend"]
Kind = Literal["replay", "ask", "wait", "hold", "resend", "leave"]


@dataclass(frozen=True)
class Elapsed:
    """How long ago a batch was claimed, and how long it has been known to be uncertain.

    `sound` is False where this machine's clock was put back behind what the store has seen.
    """

    age_s: float
    known_s: float
    sound: bool = True

    @classmethod
    def by_clock(cls, batch: Claimed, now: datetime) -> Elapsed:
        """Measure by the machine's clock."""
        age = (now - batch.claimed_at).total_seconds()
        return cls(age, (now - (batch.uncertain_at or now)).total_seconds())


@dataclass(frozen=True)
class Step:
    """What to do next, after `wait_s` seconds; `leave`: nothing now, a later run may."""

    kind: Kind
    wait_s: float = 0.0
    why: str = ""


def next_step(
    proof: Proof,
    batch: Claimed,
    *,
    now: datetime,
    policy: Policy,
    sending: bool,
    left: bool = False,
    elapsed: Elapsed | None = None,
) -> Step:
    """Decide what to do about an uncertain batch.

    Args:
        proof: what its provider can do.
        batch: the batch.
        now: the moment.
        policy: the setting `uncertain`.
        sending: whether its issue is being sent; of one that is paused or cancelled nothing is handed over.
        left: whether someone in it left or was suppressed since: they are not mailed, so it is not handed over.
        elapsed: its times as a steady clock measured them; by the machine's clock where they are not given.
    """
    elapsed = elapsed or Elapsed.by_clock(batch, now)
    age, settling = elapsed.age_s, proof.settling_s - max(0.0, elapsed.known_s)
    if settling < A_MOMENT_S:
        settling = 0.0
    repeats = proof.replay_s and batch.unchanged and not left
    if repeats and elapsed.sound and age >= -CLOCKS_S and age + settling < proof.replay_s:
        if sending:
            return Step("replay", settling)
        if not proof.ask_s:
            return Step("leave", why="its issue is not being sent, so it is not handed over again")
    if proof.ask_s and age < proof.ask_s:
        return Step("ask", settling)
    if policy == "resend":
        return Step("resend", settling)
    if proof.replay_s and left:
        return Step("hold", why="someone in it left since and must not be mailed, so it cannot be repeated")
    if not elapsed.sound or age < -CLOCKS_S:
        return Step("hold", why="this machine's clock was put back, so nobody knows how long ago it was")
    if proof.replay_s and not batch.unchanged:
        return Step("hold", why="an address or a name in it was changed since, so it cannot be repeated")
    if proof.replay_s or proof.ask_s:
        return Step("hold", why="it is too long ago for its provider to say")
    return Step("hold", why="its provider cannot say what it accepted")


def seen(db: Database, batch: Claimed) -> frozenset[int]:
    """Give the subscribers of whose copies in a batch there is any event, open or click: those were accepted.

    An unsubscription or a vote may have come from another mail, and proves nothing; nor does what happened before.
    Whose an open or a click is, is known of issues that keep it; a machine's proves as much as a person's.
    """
    since = batch.claimed_at.timestamp()
    rows = db.conn.execute(
        "SELECT DISTINCT subscriber FROM events WHERE issue = :issue AND subscriber BETWEEN :first AND :last"
        " AND kind NOT IN (:voted, :unsubscribed) AND at >= :seconds"
        " UNION SELECT DISTINCT copy FROM readings WHERE issue = :issue AND copy BETWEEN :first AND :last"
        " AND at >= :milliseconds AND (SELECT tracking ->> 'mode' FROM issues WHERE number = :issue) = 'readers'",
        {
            "issue": batch.issue,
            "first": batch.first,
            "last": batch.last,
            "voted": int(events.Kind.VOTED),
            "unsubscribed": int(events.Kind.UNSUBSCRIBED),
            "seconds": int(since),
            "milliseconds": int(since) * 1000,
        },
    )
    mine = {id_ for id_, _, _ in batch.copies}
    return frozenset(id_ for (id_,) in rows if id_ in mine)
