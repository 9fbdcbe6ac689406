"""After a restore: who got a copy since the backup is asked of those who took them, before anything is handed over.

A provider that lists what it accepted is asked for all since sending began, not only since the backup: simple, and it
shows whether its list is whole, since what the ledger knows it accepted must be in it. Which of our copies one is, is
told by the names it carries (the places ``message`` and ``token``), or else by its address and its subject.

Only when every list was read to its end is what is in none of them queued. Where one cannot be read for good, the rest
is left to a person.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from digest import times
from digest.audience import letterbox
from digest.audience.addresses import plain_key, read_address
from digest.errors import DigestError, InputError, StateError
from digest.issue.model import Issue
from digest.issue.variant_records import content_of, ready
from digest.providers.interface import AccountError, Found, Provider, ProviderError, Recalled
from digest.sending import doubts
from digest.sending.clerk import Clerk
from digest.sending.copies import Signers
from digest.sending.doubts import Window
from digest.store import Database
from digest.tokens import Purpose, Signer, TokenError

_MESSAGE: Purpose = "message"
_COPY: Purpose = "copy"
AT_ONCE = 2_000
"""Copies that are written down in one transaction."""
MISSED = 0.01
"""The share of the copies it is known to have that a list may lack: readers change their addresses."""


class RecallError(DigestError):
    """It cannot be found out now; it is tried again, and nobody is mailed meanwhile."""


def wait_s(issue: Issue, providers: Sequence[Provider], *, now: datetime) -> float:
    """Give the seconds until what was handed over before the restore shows in the lists."""
    settling = max((one.proof.settling_s for one in providers if one.proof.recall_s), default=0.0)
    since = (now - issue.doubted_at).total_seconds() if issue.doubted_at else settling
    # A clock that was put back must not have it wait for ever.
    return min(settling, max(0.0, settling - since))


@dataclass
class Recall:
    """Finds out about one doubted issue.

    `providers` are those that are set up, made ready. `turn` waits for a provider's next slot, and tells whether to go
    on.
    """

    db: Database
    clerk: Clerk
    issue: Issue
    providers: Sequence[Provider]
    signers: Signers
    clock: Callable[[], datetime]
    turn: Callable[[Provider], Awaitable[bool]]

    def __post_init__(self) -> None:
        number = self.issue.number
        self._window: Window = doubts.window_of(self.db, self.issue)
        names = self.signers.messages.salted(self.issue.nonce) if self.issue.nonce else self.signers.messages
        self._names = _Names(names, self.signers.links)
        self._subjects = _subjects(self.db, number)
        # Tests of an issue have its subject.
        self._letters = letterbox.message_ids(self.db, since=self._window.since - timedelta(days=1))

    @property
    def strict(self) -> bool:
        """Whether nothing may go out before it is found out, or a person decides: see `doubts.Window`."""
        return self._window.strict

    async def find_out(self) -> bool:
        """Ask all of them and end the doubt; tell whether it is over. Where it was told to stop, it is not.

        Raises:
            RecallError: one could not be asked to the end, or is not set up here.
        """
        number = self.issue.number
        why: list[str] = []
        try:
            self._expect_all_set_up()
            for provider in self.providers:
                whole = await self._ask(provider)
                if whole is None:
                    return False
                why += whole
            now = self.clock()
            if not why:
                await self.clerk.do(doubts.believe, number, now=now)
            elif not self.strict:
                await self.clerk.do(doubts.forgo, number, now=now)
            else:
                while await self.clerk.do(doubts.hold, number, "; ".join(why), now=now):
                    pass
        except StateError:
            # Another process was quicker, or a person decided.
            if doubts.is_doubted(self.db.conn, number):
                raise
        return True

    def _expect_all_set_up(self) -> None:
        number = self.issue.number
        names = {provider.name for provider in self.providers}
        for name, account in doubts.places_of(self.db, number):
            if name not in names:
                raise RecallError(
                    f"copies of issue {number} also went to {name} ({account}), which is not set up here: set it up as"
                    f" it was, be it as the failover, and it is asked; or decide yourself: `digest hold {number}`"
                )

    async def _ask(self, provider: Provider) -> list[str] | None:
        """Write down what a provider has; give why that may not be all, nothing where it is, None where it was stopped.

        Raises:
            RecallError: it could not say now.
        """
        name, number, since = provider.name, self.issue.number, self._window.since
        if not provider.proof.recall_s or not isinstance(provider, Recalled):
            return [f"{name} cannot list what it accepted"]
        accounts = {account for one, account in doubts.places_of(self.db, number) if one == name} | {provider.account}
        known = {account: doubts.known(self.db, number, name, account) for account in accounts}
        shown: set[int] = set()
        pages = provider.recall(since)
        try:
            while True:
                if not await self.turn(provider):
                    return None
                try:
                    page = await anext(pages)
                except StopAsyncIteration:
                    break
                shown |= await self._write_down(provider, page)
        except (DigestError, StateError):
            raise
        except Exception as error:
            if isinstance(error, AccountError) and not self.strict:
                return [str(error)]
            words = str(error) if isinstance(error, ProviderError) else f"{type(error).__name__}: {error}"
            raise RecallError(
                f"{name} cannot say what it accepted of issue {number}: {words}; it is asked again, or decide yourself:"
                f" `digest hold {number}`"
            ) from error
        finally:
            await pages.aclose()
        return self._doubts_about(provider, known, shown)

    def _doubts_about(self, provider: Provider, known: dict[str, set[int]], shown: set[int]) -> list[str]:
        """Tell why a list that was read to its end may not be all that the provider has of the issue.

        Raises:
            RecallError: it lacks what it is known to have.
        """
        name, number = provider.name, self.issue.number
        reaches = (self.clock() - self._window.since).total_seconds() < provider.proof.recall_s
        everything = set().union(*known.values())
        missing = len(everything - shown)
        if missing > MISSED * len(everything):
            words = f"the list of {name} lacks {missing:,} of {len(everything):,} copies that it is known to have"
            if not reaches or not self.strict:
                return [f"{words}: it does not go back so far"]
            raise RecallError(
                f"{words}, so it proves nothing; is it the same account? It is asked again, or decide yourself:"
                f" `digest hold {number}`"
            )
        strangers = [account for account, mine in known.items() if account != provider.account and not mine & shown]
        if strangers and self.strict:
            raise RecallError(
                f"copies of issue {number} went to {name} ({strangers[0]}), and that is not known to be the same as"
                f" {provider.account}: set it up as it was, or decide yourself: `digest hold {number}`"
            )
        if not reaches and not everything:
            return [f"{name} lists what it accepted for {times.span(times.seconds(provider.proof.recall_s))} only"]
        return [] if provider.proof.lists_all else [f"what {name} does not list it may have accepted all the same"]

    async def _write_down(self, provider: Provider, page: Sequence[Found]) -> set[int]:
        """Write a page of a list down; give whose copies of the issue are in it."""
        mine: dict[int, Found] = {}
        keys: dict[str, Found] = {}
        for one in page:
            named = self._names.read(one)
            if named is not None:
                issue, reader = named
                if issue == self.issue.number:
                    mine[reader] = one
            elif self._is_of_issue(one) and (key := _key(one.address)):
                keys[key] = one
        if keys:
            found = doubts.by_address(self.db, self.issue.number, keys)
            mine |= {reader: keys[key] for key, reader in found.items()}
        readers = sorted(mine)
        for start in range(0, len(readers), AT_ONCE):
            part = readers[start : start + AT_ONCE]
            # Before it was begun nothing was handed over: such a moment is of another clock.
            first = max(self._window.since, min(self.clock(), *(mine[one].at for one in part)))
            await self.clerk.do(
                doubts.accept,
                self.issue.number,
                provider.name,
                provider.account,
                {one: mine[one].message_id for one in part},
                at=first,
                now=self.clock(),
            )
        return set(readers)

    def _is_of_issue(self, one: Found) -> bool:
        """Tell whether a mail that carries no name of ours is a copy of the issue, as far as can be seen."""
        is_letter = one.message_id is not None and one.message_id in self._letters
        return not is_letter and one.at >= self._window.since and _plain(one.subject) in self._subjects


@dataclass(frozen=True)
class _Names:
    """Reads the names that copies of the issue carry, and those of other mail of ours."""

    messages: Signer
    links: Signer

    def read(self, one: Found) -> tuple[int, int] | None:
        """Give of which issue and whose a copy is, where a name of it says so; a letter is of issue 0."""
        for name in one.names:
            for signer, purpose in ((self.messages, _MESSAGE), (self.links, _COPY)):
                with suppress(TokenError):
                    return signer.read(purpose, name)
        return None


def _subjects(db: Database, number: int) -> Collection[str]:
    """Give every subject under which copies of an issue may have gone."""
    found = {_plain(content_of(db, number, variant).subject) for variant in ready(db, number)}
    rows = db.conn.execute("SELECT subject FROM subjects WHERE issue = ?", (number,))
    return found | {_plain(subject) for (subject,) in rows}


def _plain(subject: str) -> str:
    return " ".join(subject.replace("\N{WORD JOINER}", "").split())


def _key(address: str) -> str | None:
    try:
        return plain_key(address) or read_address(address).key
    except InputError:
        return None
