"""What is done about a batch of which nobody knows whether it was accepted. It is never guessed.

In this order: what events show counts at once; a provider that keeps our keys is handed the same bytes again under
the same key; one that can be asked is asked, once what it has must show; for the rest a person decides, or the
setting `uncertain`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from digest.providers.interface import Proof
from digest.sending.ledger import Claimed
from digest.store import Database

CLOCKS_S = 300.0
"""How far a clock may have been put back before its times prove nothing."""

Policy = Literal["hold", "resend"]
Kind = Literal["replay", "ask", "wait", "hold", "resend", "leave"]


@dataclass(frozen=True)
class Step:
    """What to do next, after `wait_s` seconds; `leave`: nothing now, a later run may."""

    kind: Kind
    wait_s: float = 0.0
    why: str = ""


def next_step(proof: Proof, batch: Claimed, *, now: datetime, policy: Policy, sending: bool) -> Step:
    """Decide what to do about an uncertain batch.

    Args:
        proof: what its provider can do.
        batch: the batch.
        now: the moment.
        policy: the setting `uncertain`.
        sending: whether its issue is being sent; of one that is paused or cancelled nothing is handed over.
    """
    age = (now - batch.claimed_at).total_seconds()
    known_for = (now - (batch.uncertain_at or now)).total_seconds()
    # A clock that was put back must not make us wait for hours, nor cut the time short.
    settling = max(0.0, proof.settling_s - known_for) if known_for >= 0 else proof.settling_s
    if proof.replay_s and batch.unchanged and -CLOCKS_S <= age < proof.replay_s:
        if sending:
            return Step("replay", settling)
        if not proof.ask_s:
            return Step("leave", why="its issue is not being sent, so it is not handed over again")
    if proof.ask_s and age < proof.ask_s:
        return Step("ask", settling)
    if policy == "resend":
        return Step("resend", settling)
    if proof.replay_s and not batch.unchanged:
        return Step("hold", why="an address or a name in it was changed since, so it cannot be repeated")
    if proof.replay_s or proof.ask_s:
        return Step("hold", why="it is too long ago for its provider to say")
    return Step("hold", why="its provider cannot say what it accepted")


def seen(db: Database, batch: Claimed) -> frozenset[int]:
    """Give the subscribers of whose copies in a batch there is any event: those were accepted.

    An unsubscription or a vote may have come from another mail, and proves nothing.
    """
    rows = db.conn.execute(
        "SELECT DISTINCT subscriber FROM events WHERE issue = ? AND subscriber BETWEEN ? AND ?"
        " AND kind NOT IN ('voted', 'unsubscribed')",
        (batch.issue, batch.first, batch.last),
    )
    mine = {id_ for id_, _, _ in batch.copies}
    return frozenset(id_ for (id_,) in rows if id_ in mine)
