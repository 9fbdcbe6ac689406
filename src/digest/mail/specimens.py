"""Every letter with made-up values, to look at: `digest letters`, and the pictures of the tests."""

from __future__ import annotations

from collections.abc import Mapping

from digest.mail import editor_letters, letters
from digest.mail.letters import Letter
from digest.settings import Settings
from digest.tokens import TOKEN_LENGTH


def specimens(settings: Settings) -> Mapping[str, Letter]:
    """Give every letter with made-up values, by name."""
    token = ("Preview" * 4)[:TOKEN_LENGTH]
    return {
        "confirm": letters.confirmation(settings, token=token, days=7),
        "welcome": letters.welcome(settings, token=token, name="Ada"),
        "goodbye": letters.goodbye(settings, token=token),
        "address": letters.new_address(settings, token=token, days=7),
        "notice": letters.address_notice(settings, token=token),
        "sign-in": editor_letters.sign_in(settings, token=token, minutes=15),
        "invitation": editor_letters.invitation(settings, token=token, days=3, by="Ann Example"),
        "approval": editor_letters.approval_asked(
            settings, issue=12, who="Ann Example", subject="Two editors, one winner"
        ),
        "drafted": editor_letters.drafted(
            settings,
            issue=12,
            subject="Two editors, one winner",
            before=(
                "“Two editors, one winner” is made of what is new. The lead is Cursor vs Claude Code.",
                "It usually goes out Fri 27 Nov 2026, 09:00 UTC, once a publisher has approved it.",
            ),
            figures=(("Comparisons", "8"), ("New", "7"), ("Updated", "1")),
            after=("Nothing that was looked at keeps it from going out.", "Could be better: Subject."),
        ),
        "reminder": editor_letters.reminder(
            settings,
            issue=12,
            subject="Issue 12 is still a draft",
            heading="It is still a draft",
            before=(
                "Issue 12, “Two editors, one winner”, usually goes out Fri 27 Nov 2026, 09:00 UTC, in 3 h. Nobody"
                " has approved it.",
                "It goes out only once a publisher has approved it.",
                "It cannot go out as it is. Postal address: no postal address is set.",
            ),
        ),
        "nothing-new": editor_letters.nothing_new(
            settings,
            before=(
                "It was time to draft the next issue, and no comparison is new since issue 12, “Two editors, one"
                " winner”.",
            ),
        ),
        "missed": editor_letters.missed(
            settings,
            subject="Missed: back up the store",
            heading="Something was not done",
            before=(
                "digest was to back up the store on Fri 27 Nov 2026, 03:30 UTC, and was not running. By now it is too"
                " late for that to happen by itself: nothing of it is caught up.",
                "If it is still wanted, an owner can press Run now on the page of the schedule.",
            ),
        ),
        "trouble": editor_letters.sending_trouble(
            settings,
            issue=12,
            subject="Sending issue 12 has stopped",
            heading="Sending has stopped",
            before=(
                "Issue 12, “Two editors, one winner”, is paused. Resend takes nothing: the domain example.com is not"
                " verified.",
                "Put that right, then press Resume on its page. It goes on where it stopped: nobody gets two copies,"
                " and nobody is left out.",
            ),
            figures=(("Accepted", "4,200"), ("To go", "5,800")),
        ),
        "sent": editor_letters.sending_done(
            settings,
            issue=12,
            accepted=9812,
            audience=10000,
            before=(
                "Issue 12, “Two editors, one winner”, went out to 10,000 readers until Thu 26 Nov 2026, 09:21 UTC;"
                " 9,812 copies were accepted.",
            ),
            figures=(("Accepted", "9,812"), ("Rejected", "14"), ("Skipped", "174"), ("Took", "21 min")),
            after=("4 variants for readers' topics; 1,204 readers got the issue composed for theirs.",),
        ),
        "summary": editor_letters.summary(
            settings,
            token=token,
            days=14,
            subject=f"{settings.newsletter_name}: 212 joined, 35 left; issue 12 reached 9,812",
            preheader="9,812 of 10,000 copies accepted, 1,090 people clicked.",
            heading=f"The week of {settings.newsletter_name}",
            before=(
                "Issue 12, “Two editors, one winner”: 9,812 of 10,000 copies accepted, 9,790 delivered, 1,090 people"
                " clicked (11%; 9.8% on average before).",
            ),
            figures=(("Joined", "212"), ("Left", "35"), ("Bounced for good", "4"), ("Subscribed now", "10,177")),
            after=("2 copies of which nobody knows whether they were accepted: digest uncertain.",),
        ),
    }
