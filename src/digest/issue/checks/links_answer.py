"""Whether the pages an issue links to are there."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator

from digest.issue.checks.fetching import Answer, Fetcher
from digest.issue.checks.links import Link, counted, links_of, scheme_and_host
from digest.issue.checks.model import Finding, Level, Mail

BUDGET_SECONDS = 30.0
"""What asking all links may take; an editor waits for it."""

GONE = (404, 410)
MOVED = (301, 308)


async def look(mail: Mail, *, fetch: Fetcher, budget: float = BUDGET_SECONDS) -> list[Finding]:
    """Ask every web address of a mail whether it answers (id `links-answer`).

    Those with a token are not asked, nor is the issue's own web copy: it is published only once the issue is sent.
    A page that is gone harms the readers; a server that is slow, or does not like to be asked by a program, need
    not. `budget` is in seconds: what was not reached in it is not run.
    """
    first: dict[str, Link] = {}
    for link in links_of(mail):
        if link.address.lower().startswith(("http://", "https://")):
            first.setdefault(link.address.partition("#")[0], link)
    web_copy = f"{mail.settings.base_url}/issues/{mail.draft.number}"
    per_copy = [address for address in first if "[[digest:" in address]
    asked = [address for address in first if address != web_copy and "[[digest:" not in address]
    answers = await _ask(asked, fetch, budget)
    troubles = [
        *_gone(answers, first, mail),
        *_silent(answers, first),
        *_moved(answers, first),
        *_unreached([address for address in asked if address not in answers], first, budget),
    ]
    if troubles:
        return troubles
    left = []
    if per_copy:
        left.append(f"{len(per_copy)} that differ{'s' * (len(per_copy) == 1)} per copy")
    if web_copy in first:
        left.append("the web copy, which is published once the issue is sent")
    rest = f"; not asked: {' and '.join(left)}" if left else ""
    return [Finding("links-answer", "pass", f"{counted(len(asked))} asked, all answer{rest}")]


async def _ask(addresses: list[str], fetch: Fetcher, budget: float) -> dict[str, Answer]:
    tasks = {address: asyncio.ensure_future(fetch.ask(address)) for address in addresses}
    try:
        if tasks:
            await asyncio.wait(tasks.values(), timeout=budget)
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
    return {address: task.result() for address, task in tasks.items() if not task.cancelled()}


def _gone(answers: dict[str, Answer], first: dict[str, Link], mail: Mail) -> Iterator[Finding]:
    for address, answer in answers.items():
        if answer.status in GONE:
            yield Finding(
                "links-answer",
                mail.grave,
                f"the page is gone: {address} answers {answer.status}",
                first[address].where,
                "mend the address, or take the link out",
            )


def _silent(answers: dict[str, Answer], first: dict[str, Link]) -> Iterator[Finding]:
    """Tell of what gave no page, once for each host and trouble."""
    alike: dict[tuple[str, str, Level], list[str]] = defaultdict(list)
    for address, answer in answers.items():
        words = answer.trouble
        if not words and answer.status not in GONE and not 200 <= (answer.status or 0) < 300:
            words = f"answers {answer.status}"
        if words:
            alike[scheme_and_host(address)[1], words, "not run" if answer.offline else "warn"].append(address)
    for (host, words, level), addresses in alike.items():
        who = addresses[0] if len(addresses) == 1 else f"each of {len(addresses)} links to {host}"
        todo = "open it in a browser; mend the address where it fails there too"
        if level == "not run":
            todo = "run the check again where there is a network"
        yield Finding("links-answer", level, f"{who} {words}", first[addresses[0]].where, todo)


def _moved(answers: dict[str, Answer], first: dict[str, Link]) -> Iterator[Finding]:
    """Tell of pages that have moved to another host for good."""
    for address, answer in answers.items():
        to = next((hop.address for hop in answer.hops if hop.status in MOVED), address)
        if not answer.trouble and scheme_and_host(to)[1] != scheme_and_host(address)[1]:
            yield Finding(
                "links-answer",
                "warn",
                f"{address} has moved for good to {to}",
                first[address].where,
                f"link to {to}",
            )


def _unreached(addresses: list[str], first: dict[str, Link], budget: float) -> Iterator[Finding]:
    if addresses:
        what = f"{counted(len(addresses))} could not be asked within {budget:g} seconds"
        yield Finding("links-answer", "not run", what, first[addresses[0]].where, "run the check again")
