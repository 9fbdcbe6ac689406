"""What bulk mail owes its readers by law and by the rules of the big mailbox providers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

from digest.issue.checks.css import Screen
from digest.issue.checks.document import SCREENS, Document, Element, Text, document
from digest.issue.checks.links import scheme_and_host
from digest.issue.checks.model import Finding, Level, Mail

_TOKEN = "[[digest:token]]"  # noqa: S105 (a place, no secret)
_WAY_OUT = f"/u/{_TOKEN}"
_ONE_CLICK = "List-Unsubscribe=One-Click"
_NEVER_REAL = ("example", "example.com", "example.org", "example.net", "invalid", "test", "localhost", "local")
"""Domains that are nobody's: RFC 2606, RFC 6761 and RFC 6762."""

_FREE_MAILBOXES = """
126.com 163.com aim.com aol.com comcast.net fastmail.com free.fr freenet.de gmail.com gmx.at gmx.ch gmx.com gmx.de
gmx.net googlemail.com hotmail.co.uk hotmail.com hotmail.de hotmail.fr icloud.com laposte.net libero.it live.com
mac.com mail.com mail.ru me.com msn.com naver.com orange.fr outlook.com outlook.de outlook.fr pm.me proton.me
protonmail.com qq.com rambler.ru rocketmail.com seznam.cz t-online.de tutanota.com web.de yahoo.co.jp yahoo.co.uk
yahoo.com yahoo.de yahoo.fr yandex.com yandex.ru ymail.com zoho.com zohomail.com
"""


def unsubscribe(mail: Mail) -> list[Finding]:
    """Look for the ways out: the one-click header (RFC 8058), and a link in the mail and in its plain text.

    The header has been a condition of Gmail and Yahoo for bulk mail since 2024
    (https://support.google.com/mail/answer/81126).
    """
    found = [*_header_troubles(mail), *_link_troubles(mail)]
    passes = Finding(
        "unsubscribe", "pass", "one click in the header (RFC 8058), a link in the mail and in its plain text"
    )
    return found or [passes]


def _header_troubles(mail: Mail) -> Iterator[Finding]:
    header = mail.content.envelope.headers.get("List-Unsubscribe", "")
    addresses = re.findall(r"<([^>]*)>", header)
    web = [address for address in addresses if address.startswith(("https://", "http://"))]
    secure = [address for address in web if address.startswith("https://")]
    where, mend = "header List-Unsubscribe", "mend envelope() in digest/issue/envelope.py"
    if not web:
        what = "the header List-Unsubscribe has no web address: Gmail and Yahoo ask bulk mail for one"
        yield Finding(
            "unsubscribe", "block", what if header else what.replace("has no web address", "is missing"), where, mend
        )
    elif not secure:
        what = f"one-click unsubscribing needs an https:// address (RFC 8058); it is {web[0]}"
        yield Finding("unsubscribe", mail.grave, what, where, "set base_url to an https:// address")
    # A mailbox takes the first that it can use.
    first = next(iter(secure or web), "")
    if first and _TOKEN not in first:
        what = f"the address {first} in List-Unsubscribe has no token: nobody could tell who wants to leave"
        yield Finding("unsubscribe", "block", what, where, mend)
    elif secure and not _is_ours(first, mail):
        what = f"the address {first} in List-Unsubscribe is not on our site: who clicks it stays on our list"
        yield Finding("unsubscribe", "block", what, where, mend)
    if (post := mail.content.envelope.headers.get("List-Unsubscribe-Post", "")) != _ONE_CLICK:
        is_now = f"is {post!r}" if post else "is missing"
        what = f"the header List-Unsubscribe-Post {is_now}; RFC 8058 asks for exactly {_ONE_CLICK!r}"
        yield Finding("unsubscribe", "block", what, "header List-Unsubscribe-Post", mend)


def _link_troubles(mail: Mail) -> Iterator[Finding]:
    page = document(mail.content.html)
    links = [link for link in page.elements("a") if _leads_out(link, mail)]
    hidden = [screen for screen in SCREENS if not any(_has_words(page, link, screen) for link in links)]
    if not links:
        what = f"the mail has no link to unsubscribe: none leads to …{_WAY_OUT}"
        yield Finding("unsubscribe", "block", what, "HTML", "put it into the footer, templates/email/footer.mjml")
    elif hidden:
        on = f" in {hidden[0].scheme} mode on a screen {hidden[0].width} px wide" if len(hidden) < len(SCREENS) else ""
        what = f"the link to unsubscribe is hidden or has no words{on}: nobody sees it"
        yield Finding("unsubscribe", "block", what, links[0].place, "show it, in templates/email/footer.mjml")
    if _WAY_OUT not in mail.content.text:
        what = f"the plain text has no address to unsubscribe: none with {_WAY_OUT}"
        yield Finding("unsubscribe", "block", what, "plain text", "put it into templates/email/issue.txt")


def _leads_out(link: Element, mail: Mail) -> bool:
    address = link.attributes.get("href", "")
    return _WAY_OUT in address and _is_ours(address, mail)


def _is_ours(address: str, mail: Mail) -> bool:
    """Tell whether an address is on our site; a frozen issue has the site of its day, as most of its links have."""
    ours = f"{mail.settings.base_url}/"
    addresses = [link.attributes.get("href", "") for link in document(mail.content.html).elements("a")]
    personal = [link for link in addresses if _TOKEN in link]
    if any(link.startswith(ours) for link in personal) or not personal:
        return address.startswith(ours)
    [(host, _)] = Counter(scheme_and_host(link)[1] for link in personal).most_common(1)
    return address.startswith(ours) or scheme_and_host(address)[1] == host


def _has_words(page: Document, link: Element, screen: Screen) -> bool:
    seen = (text for text in page.texts(screen) if link in text.element.around() and _is_seen(text))
    return any(character.isalnum() for text in seen for character in text.text)


def _is_seen(text: Text) -> bool:
    return not text.style.aside and text.style.size > 1 and text.color != text.ground


def postal_address(mail: Mail) -> list[Finding]:
    """Look for the sender's postal address, which commercial mail must carry.

    In the US by 15 U.S.C. 7704(a)(5)(A)(iii) (https://www.law.cornell.edu/uscode/text/15/7704; what counts as one
    is told in 16 CFR 316.2), in Canada by CASL; in the EU an imprint is asked for by Directive 2000/31/EC, article 5.
    """
    address = mail.settings.postal_address
    if not address:
        what = "postal_address is not set: bulk mail must carry one by law in the US, Canada and the EU"
        todo = "set postal_address to a street address or a post office box at which you get mail"
        return [Finding("postal-address", mail.grave, what, "setting postal_address", todo)]
    page, wanted = document(mail.content.html), _bare(address)
    shown = ("".join(text.text for text in page.texts(screen) if _is_seen(text)) for screen in SCREENS)
    parts = (
        ("HTML", all(wanted in _bare(text) for text in shown), "templates/email/footer.mjml"),
        ("plain text", wanted in _bare(mail.content.text), "templates/email/issue.txt"),
    )
    found = [
        Finding(
            "postal-address",
            "block",
            f"the postal address “{address}” is not in the {part}",
            part,
            f"show it, in {file}",
        )
        for part, is_there, file in parts
        if not is_there
    ]
    return found or [Finding("postal-address", "pass", f"“{address}” is in the mail and in its plain text")]


def _bare(text: str) -> str:
    """Take out white space, for an address may be broken over lines and over elements, and what nobody sees."""
    return "".join(character for character in text if character.isprintable() and not character.isspace())


def sender(mail: Mail) -> list[Finding]:
    """Look at who the mail says it is from: a name, and an address at a domain of one's own."""
    envelope = mail.content.envelope
    found = list(_sender_troubles(mail))
    domain, answers = _domain(envelope.sender_address), _domain(envelope.reply_to)
    elsewhere = f"; answers go elsewhere, to {envelope.reply_to}" if answers and answers != domain else ""
    passes = Finding("sender", "pass", f"from {envelope.sender_name} <{envelope.sender_address}>{elsewhere}")
    return found or [passes]


def _sender_troubles(mail: Mail) -> Iterator[Finding]:
    def trouble(level: Level, what: str, setting: str, todo: str) -> Finding:
        return Finding("sender", level, what, f"setting {setting}", todo)

    address, site = mail.content.envelope.sender_address, mail.settings.base_url
    domain = _domain(address)
    own = "set sender_address to an address of your own domain"
    if _is_within(domain, _NEVER_REAL):
        what = (
            f"sender_address is {address}: nobody can own {domain}, so the mail would be refused and answers are lost"
        )
        yield trouble(mail.grave, what, "sender_address", own)
    elif domain in _FREE_MAILBOXES.split():
        what = (
            f"sender_address is {address}: a mailbox provider vouches for its own mail only (SPF, DKIM, DMARC), so ours"
        )
        yield trouble(
            mail.grave, f"{what} in the name of {domain} would be refused or put to spam", "sender_address", own
        )
    # One that is not https is told by `unsubscribe` and `links`.
    if site.startswith("https://") and _is_within(urlsplit(site).hostname or "", ("localhost",)):
        yield trouble(
            mail.grave, f"base_url is {site}: no reader can open it", "base_url", "set it to your site's address"
        )
    if not mail.content.envelope.sender_name.strip():
        what = "the From line has no name: the inbox shows the bare address"
        yield trouble("warn", what, "sender_name", "set sender_name, or newsletter_name")


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()


def is_nobodys(host: str) -> bool:
    """Tell whether nobody can own a domain or a host: what RFC 2606, 6761 and 6762 keep for examples and for here."""
    return _is_within(host.lower(), _NEVER_REAL)


def _is_within(host: str, domains: tuple[str, ...]) -> bool:
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)
