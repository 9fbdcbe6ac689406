"""Keys of calls that came in lately: in memory while a call waits in the spool, in the store once it was worked."""

from __future__ import annotations

from collections import OrderedDict

from starlette.concurrency import run_in_threadpool

from digest.providers.hooks.interface import RefusedError
from digest.tracking.hook_keys import Seen, look
from digest.web.stores import Stores

KEPT = 100_000
"""Keys kept in memory, some 200 bytes each; a call is worked within seconds."""


class HookKeys:
    """Knows which keys came before. It is for the thread of the event loop."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._lately: OrderedDict[tuple[str, str], bytes] = OrderedDict()

    async def is_new(self, provider: str, key: str, digest: bytes) -> bool:
        """Tell whether a key never came before, and keep it; where it is not new, the same call came.

        Raises:
            RefusedError: it came with another body: who has seen a signature signs something else with it.
        """
        known = self._lately.setdefault((provider, key), digest)
        if known is digest:
            while len(self._lately) > KEPT:
                self._lately.popitem(last=False)
            seen = await run_in_threadpool(self._worked, provider, key, digest)
        else:
            seen = "repeated" if known == digest else "forged"
        if seen == "forged":
            raise RefusedError("wrong signature")
        return seen == "new"

    def forget(self, provider: str, key: str) -> None:
        """Let a key come again whose call could not be kept."""
        self._lately.pop((provider, key), None)

    def _worked(self, provider: str, key: str, digest: bytes) -> Seen:
        db = self._stores.take()
        try:
            return look(db.conn, provider, key, digest)
        finally:
            self._stores.give_back(db)
