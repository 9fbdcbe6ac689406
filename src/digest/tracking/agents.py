"""What asked for a picture or a link: a class that is kept in place of its address and its words.

What a program calls itself proves nothing: scanners that want to see what a person would see call themselves Chrome.
So a name can show a machine, and never a person; for the rest see `judging.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from crawleruseragents import is_crawler


class Agent(IntEnum):
    """What asked. The store keeps the numbers: none is ever used for anything else."""

    BROWSER = 0
    """A browser or a mail program, or what calls itself one."""
    APPLE_PROXY = 1
    """Apple's Mail Privacy Protection, which fetches all pictures, whether anybody reads or not."""
    GMAIL_PROXY = 2
    """Google's picture proxy, which fetches a picture when it is shown for the first time."""
    OTHER_PROXY = 3
    """Another mailbox provider's picture proxy that fetches when a mail is opened: Yahoo's, Fastmail's."""
    SCANNER = 4
    """A mail gateway that says who it is."""
    PROGRAM = 5
    """A crawler, a library or a browser without a screen."""
    NETWORK = 6
    """Anything from a network that the operator said is a machine's."""
    HEAD = 7
    """A HEAD request: nothing that shows a mail or a page to a person makes one."""
    NONE = 8
    """What says nothing of itself, or nothing that anybody knows."""
    PREFETCH = 9
    """Gmail, fetching pictures before it shows a mail in its list."""


APPLE = "Mozilla/5.0"
"""All that Apple's proxy says (https://github.com/ua-parser/uap-core/issues/509)."""

GMAIL_PREFETCH = "Edge/12.246 Mozilla/5.0"
"""How the words end with which Gmail fetches pictures of a mail that came in while its app was open: found false in
some ten thousand million opens, 1 to 6 % of Gmail's (https://www.sparkpost.com/blog/gmail-prefetching-images/)."""

_LONGEST = 500
"""So many characters of the words are looked at. Those of browsers have some 130, and nobody shall fill our memory."""

# Words by which gateways name themselves when they do; most of the time they do not. Only names that no browser of a
# person carries: those of antivirus makers, say, stand in the words of the browsers they give away.
_SCANNER = re.compile(
    r"barracuda|mimecast|proofpoint|urldefense|safe-?links|ironport|cisco.?secure.?email|trend.?micro|\btmes\b"
    r"|messagelabs|symantec|fireeye|trellix|fortimail|forcepoint|sophos|hornetsecurity|spamexperts|urlanalyzer",
    re.IGNORECASE,
)
# Yahoo: https://help.yahoo.com/kb/SLN28749.html. The list of crawlers has them all; it is asked after these.
_PROXY = re.compile(r"YahooMailProxy|FastmailUA")
# What the list of crawlers leaves out: it is of those that visit sites, not of what a script calls itself.
_PROGRAM = re.compile(
    r"^(java|node|ruby|perl|php|lua|dart|deno|bun|powershell|python|restsharp|postmanruntime|insomnia|lwp|winhttp)\b"
    r"|headless|phantomjs|selenium|puppeteer|playwright|\b(bot|crawler|spider|scanner)\b|(bot|crawler|spider)(/|$)"
    r"|microsoft office (existence|protocol) discovery",
    re.IGNORECASE,
)
# How browsers and mail programs begin. Outlook, Android's own picture loader and Apple's are mail programs without
# the word Mozilla.
_READER = re.compile(
    r"Mozilla/\d|Opera/\d|Dalvik/|Outlook-(iOS|Android)|Microsoft Office/\d|Microsoft Outlook|Thunderbird/"
    r"|.*\bCFNetwork/"
)


def agent_of(
    user_agent: str, *, head: bool, address: str | None, networks: Sequence[IPv4Network | IPv6Network]
) -> Agent:
    """Tell what asked.

    Args:
        user_agent: the words it calls itself by (RFC 9110, section 10.1.5); empty where it gave none.
        head: whether it asked with HEAD.
        address: where it asked from; what is no IP address is in no network.
        networks: those of machines, by the setting `machine_networks`. What the operator says goes before all else.
    """
    if networks and address is not None and _within(address, networks):
        return Agent.NETWORK
    return Agent.HEAD if head else _named(user_agent.strip()[:_LONGEST])


# A mailing of a million meets some thousands of different words; to go through the list takes a fifth of a millisecond.
@lru_cache(maxsize=10_000)
def _named(words: str) -> Agent:
    if words == APPLE:
        return Agent.APPLE_PROXY
    if "GoogleImageProxy" in words:
        return Agent.GMAIL_PROXY
    if words.endswith(GMAIL_PREFETCH):
        return Agent.PREFETCH
    if _PROXY.search(words):
        return Agent.OTHER_PROXY
    if _SCANNER.search(words):
        return Agent.SCANNER
    if _PROGRAM.search(words) or is_crawler(words):
        return Agent.PROGRAM
    return Agent.BROWSER if _READER.match(words) else Agent.NONE


def _within(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in network for network in networks)
