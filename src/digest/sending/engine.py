"""The engine: works the ledger until an issue is settled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from digest import times
from digest.errors import DigestError, StateError
from digest.issue.issues import find_issue, frozen
from digest.issue.preview import message_of
from digest.providers.interface import Batch, Message, Provider
from digest.sending import ledger
from digest.sending.copies import Signers, recipient_of
from digest.sending.ledger import Claimed, OpenBatch
from digest.sending.workers import Worker
from digest.settings import Settings
from digest.store import Database


class SendingError(DigestError):
    """A hand-over failed in a way that sending cannot go on; what it left uncertain is settled by the next run."""


@dataclass
class Engine:
    """Sends one issue. `progress` is called after every batch; `stopping` is asked before each."""

    db: Database
    settings: Settings
    provider: Provider
    signers: Signers
    worker: Worker
    clock: Callable[[], datetime] = times.now
    progress: Callable[[], None] = lambda: None
    stopping: Callable[[], bool] = lambda: False

    async def send(self, number: int, *, early: bool = False) -> dict[str, int]:
        """Send an approved issue, or go on with one that was begun; give the tally.

        First what dead workers left open is settled, then the queue is worked until it is empty or `stopping`.
        One approved for a later time is sent before it only where `early` says so.

        Raises:
            StateError: the issue is not approved, or its time has not come.
            SendingError: the provider failed.
        """
        issue = find_issue(self.db, number)
        if issue.state == "approved":
            if issue.scheduled_at and issue.scheduled_at > self.clock() and not early:
                when = times.for_people(issue.scheduled_at, self.settings.zone)
                raise StateError(f"issue {number} is approved for {when}; send it then, or with --now")
            self.provider.open()
            ledger.freeze_audience(self.db, number, now=self.clock())
            issue = find_issue(self.db, number)
        if issue.state != "sending":
            before = {"draft": "approve", "paused": "resume"}.get(issue.state)
            hint = f"; `digest {before} {number}` comes first" if before else ""
            raise StateError(f"issue {number} is {issue.state}, so it cannot be sent{hint}")
        content = frozen(self.db, number)
        assert content is not None  # noqa: S101 (the store's own CHECK)
        message = message_of(content)
        self.progress()
        while not self.stopping():
            await self._settle_orphans(number, message)
            worked = await self._work_queue(number, message)
            if not worked:
                break
        ledger.finish(self.db, number, now=self.clock())
        return ledger.tally(self.db, number)

    async def _work_queue(self, number: int, message: Message) -> bool:
        """Work through the queue once, in the order of subscribers; tell whether there was anything."""
        after, worked = 0, False
        while not self.stopping():
            claimed = ledger.claim_batch(
                self.db,
                number,
                provider=self.provider.name,
                account=self.provider.account,
                worker=self.worker.number,
                size=min(self.settings.batch_size, self.provider.limit),
                after=after,
                now=self.clock(),
            )
            if claimed is None:
                break
            after, worked = claimed.last, True
            if claimed.copies:
                await self._hand_over(claimed, message)
            self.progress()
        return worked

    async def _hand_over(self, claimed: Claimed, message: Message) -> None:
        try:
            outcomes = await self.provider.hand_over(self._batch(claimed, message))
            ledger.record_outcomes(self.db, claimed, outcomes, now=self.clock())
        except Exception as error:
            own = OpenBatch(claimed.number, self.worker.number, claimed.provider, claimed.account)
            ledger.adopt(self.db, own, worker=self.worker.number, trouble=f"{type(error).__name__}: {error}")
            raise SendingError(
                f"the {self.provider.name} failed with batch {claimed.number}: {error}; whether its"
                f" {len(claimed.copies)} copies arrived is found out when you run `digest send {claimed.issue}` again"
            ) from error

    async def _settle_orphans(self, number: int, message: Message) -> None:
        """Settle the batches whose workers died, by asking the provider what it has.

        Raises:
            SendingError: one went to another provider, or to another account of this one.
        """
        for batch in ledger.open_batches(self.db, number):
            if batch.worker != self.worker.number and self.worker.lives(batch.worker):
                continue
            if (batch.provider, batch.account) != (self.provider.name, self.provider.account):
                raise SendingError(
                    f"batch {batch.number} was being handed to the {batch.provider} at {batch.account} when its process"
                    f" died, and only that can say what it has; send with those settings first (now it is the"
                    f" {self.provider.name} at {self.provider.account})"
                )
            claimed = ledger.adopt(self.db, batch, worker=self.worker.number, trouble="its process died")
            if claimed is None:
                continue
            try:
                accepted = await self.provider.ask(self._batch(claimed, message))
            except Exception as error:
                raise SendingError(
                    f"the {self.provider.name} at {self.provider.account} cannot say what it has of batch"
                    f" {claimed.number} ({error}); put that right and run `digest send {number}` again"
                ) from error
            if accepted is not None:
                ledger.settle_uncertain(self.db, claimed, accepted, now=self.clock())
                self.progress()

    def _batch(self, claimed: Claimed, message: Message) -> Batch:
        recipients = tuple(
            recipient_of(claimed.issue, subscriber, email, name, self.signers)
            for subscriber, email, name in claimed.copies
        )
        return Batch(claimed.number, claimed.idempotency_key, message, recipients, claimed.claimed_at)
