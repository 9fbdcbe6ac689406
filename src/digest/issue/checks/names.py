"""The checks as people call them."""

from __future__ import annotations

from collections.abc import Mapping

NAMES: Mapping[str, str] = {
    "mjml": "Templates",
    "places": "Places to fill",
    "size": "Weight",
    "plain-text": "Plain text",
    "links": "Links",
    "tracking": "Counting",
    "unsubscribe": "Ways out",
    "postal-address": "Postal address",
    "sender": "Sender",
    "subject": "Subject",
    "preheader": "Preheader",
    "alternatives": "Subjects to try",
    "language": "Language",
    "headings": "Headings",
    "alt-text": "Pictures in words",
    "contrast": "Contrast",
    "text-size": "Size of text",
    "touch": "Buttons",
    "support": "Mail programs",
    "links-answer": "Pages behind links",
    "spam": "Spam filter",
    "dns-mx": "DNS: mail servers",
    "dns-spf": "DNS: SPF",
    "dns-dkim": "DNS: DKIM",
    "dns-dmarc": "DNS: DMARC",
}
"""What people call the checks."""


def name_of(check: str) -> str:
    """Give the name of a check."""
    return NAMES.get(check, check)
