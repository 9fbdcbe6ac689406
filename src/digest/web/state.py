"""What a request is answered with: the settings, a connection to the store, the signers of links, the clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event
from typing import Annotated

from fastapi import Depends, Request

from digest import times
from digest.issue.looking import Looks
from digest.sending.copies import Signers
from digest.sending.progress import Counter
from digest.sending.workers import Worker
from digest.settings import Settings
from digest.store import Database
from digest.tracking.hook_counting import HookCounts
from digest.tracking.intake import Destinations
from digest.tracking.spool import Spool
from digest.web.abuse.sign_ins import SignIns
from digest.web.abuse.sign_ups import SignUps
from digest.web.current import Current
from digest.web.examining import Examined
from digest.web.hooks.bodies import Bodies
from digest.web.hooks.keys import HookKeys
from digest.web.imports import Imports
from digest.web.kept import Kept
from digest.web.lookers import Lookers
from digest.web.metrics import Metrics
from digest.web.pages import Pages
from digest.web.pulse import Pulse
from digest.web.stores import Stores


@dataclass(frozen=True)
class State:
    """What all requests share. Settings, pages and documents are asked for each time: an owner may change them."""

    current: Current
    stores: Stores
    signers: Signers
    clock: Callable[[], datetime] = times.now
    sign_ups: SignUps = field(kw_only=True)
    sign_ins: SignIns = field(default_factory=SignIns)
    spool: Spool = field(kw_only=True)
    worker: Worker = field(kw_only=True)
    destinations: Destinations = field(default_factory=Destinations)
    hook_bodies: Bodies = field(default_factory=Bodies)
    hook_keys: HookKeys = field(default_factory=HookKeys)
    hook_counts: HookCounts = field(default_factory=HookCounts)
    looks: Looks = field(default_factory=Looks)
    counter: Counter = field(default_factory=Counter)
    imports: Imports = field(default_factory=Imports)
    lookers: Lookers = field(default_factory=Lookers)
    metrics: Metrics = field(default_factory=Metrics)
    pulse: Pulse = field(default_factory=Pulse)
    examined: Examined = field(default_factory=Examined)
    closing: Event = field(default_factory=Event)
    """Set when the server is to stop: what streams for as long as somebody looks on ends then."""

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.current.held().settings

    @property
    def pages(self) -> Pages:
        """The pages, in the settings in force."""
        return self.current.held().pages

    @property
    def kept(self) -> Kept:
        """The documents kept, in the settings in force."""
        return self.current.held().kept


async def _state(request: Request) -> State:
    state: State = request.app.state.digest
    return state


async def _store(request: Request) -> AsyncIterator[Database]:
    stores = (await _state(request)).stores
    db = stores.take()
    try:
        yield db
    finally:
        stores.give_back(db)


async def _now(request: Request) -> datetime:
    return (await _state(request)).clock()


# These three are what routes ask for: `def compare(state: Our, db: Store, now: Now, slug: str) -> Response`.
Our = Annotated[State, Depends(_state)]
Store = Annotated[Database, Depends(_store)]
Now = Annotated[datetime, Depends(_now)]
