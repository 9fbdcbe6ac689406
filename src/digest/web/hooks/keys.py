"""Keys of calls that came in lately: in memory while a call waits in the spool, in the store once it was worked."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from starlette.concurrency import run_in_threadpool

from digest.providers.hooks.interface import RefusedError
from digest.tracking.hook_keys import Seen

KEPT = 100_000
"""Keys kept in memory, some 500 bytes each; a call is worked within seconds."""


class HookKeys:
    """Knows which keys came before. It is for the thread of the event loop."""

    def __init__(self) -> None:
        self._lately: OrderedDict[tuple[str, str], tuple[bytes, asyncio.Future[bool]]] = OrderedDict()

    async def once(
        self,
        provider: str,
        key: str,
        digest: bytes,
        *,
        look: Callable[[], Seen] | None,
        keep: Callable[[], Awaitable[None]],
    ) -> bool:
        """Do `keep` where a key never came before, and tell whether it was so. What comes twice at once waits for it.

        `look` looks into the store, in a thread of its own; None where the store keeps none of these.

        Raises:
            RefusedError: it came with another body: who has seen a signature signs something else with it.
        """
        name = provider, key
        known = self._lately.get(name)
        if known is not None and known[0] != digest:
            raise RefusedError("wrong signature")
        if known is not None:
            await asyncio.shield(known[1])
            return False
        # A task of its own: one who hangs up does not break off what others wait for.
        doing = asyncio.ensure_future(_first(look, keep))
        self._lately[name] = digest, doing
        while len(self._lately) > KEPT:
            self._lately.popitem(last=False)
        doing.add_done_callback(lambda done: self._done(name, done))
        return await asyncio.shield(doing)

    def _done(self, name: tuple[str, str], done: asyncio.Future[bool]) -> None:
        """Let a key come again whose call was not kept."""
        if done.cancelled() or done.exception() is not None:
            self._lately.pop(name, None)


async def _first(look: Callable[[], Seen] | None, keep: Callable[[], Awaitable[None]]) -> bool:
    seen = "new" if look is None else await run_in_threadpool(look)
    if seen == "forged":
        raise RefusedError("wrong signature")
    if seen == "new":
        await keep()
    return seen == "new"
