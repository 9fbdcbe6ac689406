"""The calls to a provider as traces show them: which provider, how many copies, what became of it. No reader's address
is in a trace, and no provider is told of one.
"""

from __future__ import annotations

from collections.abc import Mapping

from digest import tracing
from digest.providers.interface import Answer, Batch, NotAcceptedError, Provider


async def hand_over(provider: Provider, batch: Batch, *, what: str = "issue") -> Answer:
    """Hand a batch over, as `Provider.hand_over` says; `what` the copies are of."""
    with tracing.span(
        f"hand over to {provider.name}",
        kind="client",
        digest__provider=provider.name,
        digest__copies=len(batch.recipients),
        digest__what=what,
    ) as span:
        try:
            answer = await provider.hand_over(batch)
        except NotAcceptedError:
            span.set(digest__outcome="refused")
            raise
        except BaseException:
            span.set(digest__outcome="uncertain")
            raise
        span.set(
            digest__outcome="taken",
            digest__rejected=len(answer.rejected),
            digest__again=len(answer.again),
            digest__uncertain=len(answer.uncertain),
        )
        return answer


async def ask(provider: Provider, batch: Batch) -> Mapping[int, str | None]:
    """Ask what became of a batch, as `Provider.ask` says."""
    with tracing.span(f"ask {provider.name}", kind="client", digest__provider=provider.name) as span:
        found = await provider.ask(batch)
        span.set(digest__copies=len(batch.recipients), digest__found=len(found))
        return found
