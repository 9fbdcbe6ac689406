"""Running the checks.

Each check has a name, an id, by which it is overridden, and gives a finding for every trouble, or one that passes.
Those of `LOCAL` are pure; the others ask the network, none longer than half a minute, and say so where they could not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

from digest.issue.checks import accessibility, alternatives, counted, duties, links, markup, support, weight, words
from digest.issue.checks.model import Finding, Mail
from digest.issue.preview import preview
from digest.issue.render import marked_mjml
from digest.mail import personalise


def _markup(mail: Mail) -> list[Finding]:
    if mail.frozen:
        return [Finding("mjml", "not run", "the issue is frozen; what the templates are by now does not change it")]
    return markup.examine(marked_mjml(mail.draft, mail.settings, markup.mark_template), folder="")


def _places(mail: Mail) -> list[Finding]:
    """Find what is written like a place and has no value: it would be mailed as it stands."""
    troubles = []
    parts = {"HTML": mail.content.html, "plain text": mail.content.text}
    headers = {f"header {name}": value for name, value in mail.content.envelope.headers.items()}
    for name, part in {**parts, **headers}.items():
        try:
            personalise.split(part)
        except personalise.PlaceError as error:
            todo = f"write one of {', '.join(personalise.PLACES)} there, or take it out of the template"
            troubles.append(Finding("places", "block", str(error), name, todo))
    count = sum(part.count("[[digest:") for part in parts.values())
    return troubles or [Finding("places", "pass", f"{count} places to fill for each copy, each with a value")]


LOCAL: dict[str, Callable[[Mail], list[Finding]]] = {
    "mjml": _markup,
    "places": _places,
    "size": weight.size,
    "plain-text": weight.plain_text,
    "links": links.check,
    "tracking": counted.check,
    "unsubscribe": duties.unsubscribe,
    "postal-address": duties.postal_address,
    "sender": duties.sender,
    "subject": words.subject,
    "preheader": words.preheader,
    "alternatives": alternatives.check,
    "language": accessibility.language,
    "headings": accessibility.headings,
    "alt-text": accessibility.alt_text,
    "contrast": accessibility.contrast,
    "text-size": accessibility.text_size,
    "touch": accessibility.touch,
    "support": support.check,
}
REMOTE = ("links-answer", "spam", "dns-mx", "dns-spf", "dns-dkim", "dns-dmarc")
IDS = (*LOCAL, *REMOTE)
Remote = Literal["links", "spam", "dns"]
"""What the network is asked: whether every link answers, what a spam filter says, and the DNS."""


async def run(mail: Mail, *, network: bool, fetch_links: bool = False) -> list[Finding]:
    """Look at a mail, and give what was found in the order of the checks.

    Args:
        mail: the issue.
        network: whether to ask the DNS and a spam filter.
        fetch_links: whether to open every link too.
    """
    found = [finding for check in LOCAL.values() for finding in check(mail)]
    if not (network or fetch_links) or any(each.check == "places" and each.level == "block" for each in found):
        return found
    of_links: tuple[Remote, ...] = ("links",) if fetch_links else ()
    of_the_rest: tuple[Remote, ...] = ("spam", "dns") if network else ()
    asked = await asyncio.gather(*(ask(mail, what) for what in (*of_links, *of_the_rest)))
    return found + [finding for findings in asked for finding in findings]


async def ask(mail: Mail, what: Remote) -> list[Finding]:
    """Ask the network one of the things that checks ask it."""
    # Imported when needed: clients of the network take longer to import than `digest status` takes.
    if what == "dns":
        from digest.issue.checks import dns

        return await dns.look(mail)
    if what == "spam":
        from digest.issue.checks import spam

        return await spam.look(mail, preview(mail.draft, mail.content)["issue.eml"])
    return await _links_answer(mail)


async def _links_answer(mail: Mail) -> list[Finding]:
    from digest.issue.checks import fetching, links_answer

    async with fetching.Fetcher(allow=fetching.own_allowance(mail.settings.base_url)) as fetcher:
        return await links_answer.look(mail, fetch=fetcher)
