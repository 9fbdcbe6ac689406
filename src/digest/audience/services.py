"""The services readers come from: what their exports look like, and what their statuses mean here.

An export is known by its header. What is written below is from:

- Mailchimp: mailchimp.com/help/about-cleaned-contacts (cleaned: bounced for good); a ZIP of one file for each status
  (ginkgo.st, "Notes on MailChimp data exports"); the columns as in the test files of github.com/TryGhost/migrate,
  packages/mg-mailchimp-members. Uncertain: the words of UNSUB_REASON, and that OPTIN_TIME is in UTC.
- Substack: the columns as in TryGhost/migrate, packages/mg-substack-members-csv. `active_subscription` says who pays;
  `email_disabled` who gets no mail.
- beehiiv: beehiiv.com/newsletter-glossary/subscriber-status (active, inactive, pending, needs approval); the columns as
  in TryGhost/migrate, packages/mg-beehiiv-members. Uncertain: `validating`, `invalid` and `paused`, its API's words.
- Ghost: ghost.org/help/import-members, and the header that its own tests expect of an export.
- listmonk: the header that `cmd/subscribers.go` writes; enabled, disabled and blocklisted as in its docs ("Subscriber
  statuses"). Who left one list is in no export of it: github.com/knadh/listmonk/issues/738.
- Buttondown: the types in github.com/buttondown/openapi, enums.json; docs.buttondown.com/subscriber-dashboard names the
  columns and docs.buttondown.com/api-subscribers-introduction their older and newer names (`email`, `email_address`;
  `subscriber_type`, `type`). Uncertain: how its CSV spells each of them, so both spellings are known.
- Kit: help.convertkit.com/article/222-subscribers-type-defined (confirmed, unconfirmed, cancelled, complained,
  bounced), developers.kit.com/api-reference/subscribers (`state`, `email_address`). Uncertain: which of the two
  spellings its CSV has, so both are known; and `blocked`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Literal

from digest.audience.subscribers import Reason, State

Field = Literal[
    "email", "name", "first_name", "last_name", "state", "suppressed", "timezone", "created_at", "topics",
    "paused_until", "left_at", "bounced_at", "why_left",
]  # fmt: skip
"""What a column may tell. `left_at` and `bounced_at` say by having anything in them that somebody did."""


@dataclass(frozen=True)
class Standing:
    """What a status elsewhere is here: a state (without one they stay out), and why the address must not be mailed."""

    state: State | None
    bar: Reason | None = None


ACTIVE, PENDING = Standing("active"), Standing("pending")
LEFT = Standing("unsubscribed", "unsubscribed")
BOUNCED = Standing("active", "hard bounce")
COMPLAINED = Standing("unsubscribed", "complaint")
OUT = Standing(None)


@dataclass(frozen=True)
class Service:
    """A service, by its name here and its name for people.

    `marks` are sets of columns: a header that has all of one of them is this service's. `statuses` are the words of its
    status column, in lower case with spaces, and what they mean.
    """

    key: str
    name: str
    marks: tuple[frozenset[str], ...]
    columns: Mapping[Field, tuple[str, ...]]
    statuses: Mapping[str, Standing]
    note: str = ""
    in_files: bool = field(default=False)
    """Whether the status is in the name of the file, not in a column."""

    def knows(self, file: str, header: Collection[str]) -> bool:
        """Tell whether a file is an export of this service."""
        return any(mark <= set(header) for mark in self.marks) or (
            self.in_files and "email_address" in header and _MAILCHIMP_FILE.match(PurePath(file).name) is not None
        )

    def status_of_file(self, file: str, header: Collection[str]) -> str:
        """Give the status that all of a file has which has no column of it; an empty text where it says none.

        Where name and header do not agree, the one that keeps people from being mailed counts.
        """
        if not self.in_files:
            return ""
        named = _MAILCHIMP_FILE.match(PurePath(file).name)
        status = named[1].lower().replace("_", "").replace("-", "") if named else ""
        if "clean_time" in header or status == "cleaned":
            return "cleaned"
        if status in ("subscribed", "nonsubscribed"):
            return status
        return "unsubscribed" if status or "unsub_time" in header else "subscribed"


_MAILCHIMP_FILE = re.compile(r"(unsubscribed|subscribed|cleaned|non[_-]?subscribed)[_.-]", re.IGNORECASE)

OWN = Service(
    "digest",
    "digest",
    (frozenset({"state", "suppressed"}),),
    {
        "email": ("email", "email_address"),
        "name": ("name",),
        "state": ("state", "status"),
        "suppressed": ("suppressed",),
        "timezone": ("timezone", "time_zone"),
        "created_at": ("created_at",),
        "topics": ("topics",),
        "paused_until": ("paused_until",),
    },
    {"": ACTIVE, "active": ACTIVE, "subscribed": ACTIVE, "pending": PENDING, "unsubscribed": LEFT},
)
"""Our own export, and any CSV that names its columns so."""

_NAMES: Mapping[Field, tuple[str, ...]] = {
    "name": ("name",),
    "first_name": ("first_name", "fname"),
    "last_name": ("last_name", "lname"),
}

MAILCHIMP = Service(
    "mailchimp",
    "Mailchimp",
    tuple(
        frozenset({"email_address", mark})
        for mark in ("member_rating", "optin_time", "leid", "unsub_time", "clean_time")
    ),
    {
        **_NAMES,
        "email": ("email_address",),
        "state": ("email_marketing_status", "email_subscription_status"),
        "created_at": ("optin_time", "confirm_time"),
        "timezone": ("timezone",),
        "left_at": ("unsub_time",),
        "bounced_at": ("clean_time",),
        "why_left": ("unsub_reason",),
    },
    {
        "subscribed": ACTIVE,
        "unsubscribed": LEFT,
        "cleaned": BOUNCED,
        "pending": PENDING,
        "nonsubscribed": OUT,
        "non-subscribed": OUT,
        "transactional": OUT,
        "archived": OUT,
    },
    in_files=True,
)

SUBSTACK = Service(
    "substack",
    "Substack",
    (frozenset({"email", "active_subscription"}), frozenset({"email", "email_disabled"})),
    {"email": ("email",), "name": ("name",), "state": ("email_disabled",), "created_at": ("created_at",)},
    {"false": ACTIVE, "": ACTIVE, "true": LEFT},
)

BEEHIIV = Service(
    "beehiiv",
    "beehiiv",
    tuple(
        frozenset({"email", "status", mark})
        for mark in ("tier", "subscription_tier", "free_tier", "unsubscribed_at", "utm_source", "referral_code")
    ),
    {
        **_NAMES,
        "email": ("email",),
        "state": ("status",),
        "created_at": ("created_at", "created"),
        "timezone": ("timezone",),
        "left_at": ("unsubscribed_at",),
    },
    {
        "active": ACTIVE,
        "inactive": LEFT,
        "unsubscribed": LEFT,
        "pending": PENDING,
        "validating": PENDING,
        "invalid": BOUNCED,
        "needs approval": OUT,
        "needs attention": OUT,
        "paused": OUT,
    },
)

GHOST = Service(
    "ghost",
    "Ghost",
    (frozenset({"email", "subscribed_to_emails"}),),
    {
        "email": ("email",),
        "name": ("name",),
        "state": ("subscribed_to_emails",),
        "created_at": ("created_at",),
        "left_at": ("deleted_at",),
    },
    {"true": ACTIVE, "false": LEFT},
    note="Ghost's export does not say whose mail bounced: import your mail provider's list of bounces too",
)

LISTMONK = Service(
    "listmonk",
    "listmonk",
    (frozenset({"email", "attributes", "status"}), frozenset({"uuid", "email", "status"})),
    {"email": ("email",), "name": ("name",), "state": ("status",), "created_at": ("created_at",)},
    {"enabled": ACTIVE, "disabled": OUT, "blocklisted": COMPLAINED, "blacklisted": COMPLAINED},
    note="listmonk's export does not say who left one list: export only those whose subscription is confirmed",
)

BUTTONDOWN = Service(
    "buttondown",
    "Buttondown",
    (
        frozenset({"subscriber_type"}),
        frozenset({"type", "creation_date"}),
        frozenset({"email", "metadata", "creation_date"}),
        frozenset({"undeliverability_date"}),
    ),
    {
        **_NAMES,
        "email": ("email", "email_address"),
        "state": ("type", "subscriber_type", "status"),
        "created_at": ("creation_date", "subscription_date", "created_at"),
        "left_at": ("unsubscription_date",),
        "bounced_at": ("undeliverability_date",),
    },
    {
        **dict.fromkeys(
            ("regular", "premium", "paid", "trialed", "gifted", "churning", "churned", "paused", "past due", "unpaid"),
            ACTIVE,
        ),
        "unactivated": PENDING,
        "unsubscribed": LEFT,
        "undeliverable": BOUNCED,
        "complained": COMPLAINED,
        "blocked": COMPLAINED,
        "removed": LEFT,
        "spammy": OUT,
        "upcoming": OUT,
    },
)

KIT = Service(
    "kit",
    "Kit",
    tuple(
        frozenset({"first_name", email, status, "created_at"})
        for email in ("email", "email_address")
        for status in ("status", "state")
    ),
    {
        **_NAMES,
        "email": ("email", "email_address"),
        "state": ("status", "state"),
        "created_at": ("created_at",),
        "timezone": ("timezone", "time_zone"),
    },
    {
        **dict.fromkeys(("active", "confirmed", "cold"), ACTIVE),
        **dict.fromkeys(("inactive", "unconfirmed"), PENDING),
        **dict.fromkeys(("cancelled", "canceled", "unsubscribed"), LEFT),
        "bounced": BOUNCED,
        "complained": COMPLAINED,
        "blocked": COMPLAINED,
    },
)

SERVICES: Mapping[str, Service] = {
    one.key: one for one in (MAILCHIMP, SUBSTACK, GHOST, LISTMONK, BUTTONDOWN, BEEHIIV, KIT)
}
"""In the order in which they are tried: those whose columns nobody else has come first."""


def service_of(file: str, header: Collection[str]) -> Service:
    """Tell whose export a file is, by its header; our own shape where it is nobody's."""
    if any(mark <= set(header) for mark in OWN.marks):
        return OWN
    return next((service for service in SERVICES.values() if service.knows(file, header)), OWN)


def complained(why: str) -> bool:
    """Tell whether why somebody left is that they took the mail for spam."""
    return re.search(r"\b(spam|abuse|complain)", why, re.IGNORECASE) is not None
