"""The letters to editors: to let one in, to say what became of an issue, of the week, of what is done by itself.

Their words are their detail in the letterbox, so that a letter is the same however often it is handed over.
"""

from __future__ import annotations

from collections.abc import Sequence

from digest.mail.letters import Letter, days_long
from digest.settings import Settings


def sign_in(settings: Settings, *, token: str, minutes: int) -> Letter:
    """Let an editor into the desk; the link works once, in the browser that asked."""
    return Letter(
        subject=f"Sign in to the desk of {settings.newsletter_name}",
        preheader=f"The link works once, for {minutes} minutes.",
        heading="Your way in",
        before=("Press the button in the browser in which you asked for this.",),
        button="Sign in to the desk",
        address=f"{settings.base_url}/desk/sign-in/{token}",
        after=(
            f"It works once, for {minutes} minutes. If you did not ask for it, do nothing and tell your colleagues.",
        ),
        why=f"You get this because your address is that of an editor of {settings.newsletter_name}.",
    )


def invitation(settings: Settings, *, token: str, days: int, by: str) -> Letter:
    """Tell somebody that they are an editor, and let them into the desk; the link works once, in any browser."""
    name = settings.newsletter_name
    return Letter(
        subject=f"You are an editor of {name}",
        preheader=f"Your way into its desk works for {days_long(days)}.",
        heading="Welcome to the desk",
        before=(
            f"{by} has made you an editor of {name}. The desk is where its issues are made; press the button to come"
            " in. There is no password.",
        ),
        button="Come in",
        address=f"{settings.base_url}/desk/sign-in/{token}",
        after=(
            f"The button works once, for {days_long(days)}. After that, ask for a new one at {settings.base_url}/desk/"
            " with this address.",
        ),
        why=f"You get this because {by} gave your address as that of an editor of {name}.",
    )


def approval_asked(settings: Settings, *, issue: int, who: str, subject: str) -> Letter:
    """Ask a publisher to look at an issue, and approve it."""
    return Letter(
        subject=f"{who} asks you to approve issue {issue} of {settings.newsletter_name}",
        preheader=f"“{subject}” is ready to be looked at.",
        heading=f"Issue {issue} waits for you",
        before=(f"{who} has made issue {issue} ready, “{subject}”, and asks for somebody to approve it.",),
        button="Look at it",
        address=f"{settings.base_url}/desk/issues/{issue}",
        after=("It goes out only once a publisher has approved it.",),
        why=f"You get this because you approve issues of {settings.newsletter_name}.",
    )


def drafted(
    settings: Settings,
    *,
    issue: int,
    subject: str,
    before: Sequence[str],
    figures: Sequence[Sequence[str]],
    after: Sequence[str],
) -> Letter:
    """Tell an editor that the next issue was drafted by itself: what is in it, when it goes, how the checks stand."""
    return Letter(
        subject=f"Issue {issue} of {settings.newsletter_name} is drafted",
        preheader=f"“{subject}” waits to be looked at.",
        heading=f"Issue {issue} is drafted",
        before=tuple(before),
        figures=tuple((label, value) for label, value in figures),
        button="Look at it",
        address=f"{settings.base_url}/desk/issues/{issue}",
        after=tuple(after),
        why=_chosen(settings, "edit"),
        ways=_account(settings),
    )


def reminder(settings: Settings, *, issue: int, subject: str, heading: str, before: Sequence[str]) -> Letter:
    """Remind a publisher of an issue that is still a draft, shortly before or after the time at which issues go out."""
    return Letter(
        subject=f"{subject}: {settings.newsletter_name}",
        preheader=before[0],
        heading=heading,
        before=tuple(before),
        button="Look at it",
        address=f"{settings.base_url}/desk/issues/{issue}?view=checks",
        why=_chosen(settings, "publish"),
        ways=_account(settings),
    )


def nothing_new(settings: Settings, *, before: Sequence[str]) -> Letter:
    """Tell an editor that there is nothing to make an issue of."""
    name = settings.newsletter_name
    return Letter(
        subject=f"Nothing new for {name}",
        preheader="No issue was drafted.",
        heading="No issue was drafted",
        before=tuple(before),
        button="To the catalogue",
        address=f"{settings.base_url}/desk/catalogue/",
        after=("Readers are mailed nothing. As soon as something is published, an issue can be drafted in the desk.",),
        why=_chosen(settings, "edit"),
        ways=_account(settings),
    )


def missed(settings: Settings, *, subject: str, heading: str, before: Sequence[str]) -> Letter:
    """Tell a publisher that something that is done by itself was not done, or failed."""
    return Letter(
        subject=f"{subject}: {settings.newsletter_name}",
        preheader=before[0],
        heading=heading,
        before=tuple(before),
        button="See to it",
        address=f"{settings.base_url}/desk/schedule/",
        why=_chosen(settings, "publish"),
        ways=_account(settings),
    )


def sending_trouble(
    settings: Settings,
    *,
    issue: int,
    subject: str,
    heading: str,
    before: Sequence[str],
    figures: Sequence[Sequence[str]],
) -> Letter:
    """Tell a publisher that an issue is not sent, or not sent on, and why."""
    return Letter(
        subject=f"{subject}: {settings.newsletter_name}",
        preheader=before[0],
        heading=heading,
        before=tuple(before),
        figures=tuple((label, value) for label, value in figures),
        button="See to it",
        address=f"{settings.base_url}/desk/issues/{issue}/sending",
        why=_chosen(settings, "publish"),
        ways=_account(settings),
    )


def sending_done(
    settings: Settings,
    *,
    issue: int,
    accepted: int,
    audience: int,
    before: Sequence[str],
    figures: Sequence[Sequence[str]],
    after: Sequence[str],
) -> Letter:
    """Tell an editor that an issue is sent."""
    of = f"{accepted:,} of {audience:,}"
    return Letter(
        subject=f"Issue {issue} of {settings.newsletter_name} is sent: {of} accepted",
        preheader="What readers make of it is in its report.",
        heading=f"Issue {issue} is sent",
        before=tuple(before),
        figures=tuple((label, value) for label, value in figures),
        button="Open the report",
        address=f"{settings.base_url}/desk/reports/issues/{issue}",
        after=tuple(after),
        why=_chosen(settings, "edit"),
        ways=_account(settings),
    )


def probe(settings: Settings, *, provider: str, who: str) -> Letter:
    """Show an owner that mail goes out by a provider."""
    return Letter(
        subject=f"A test from {settings.newsletter_name}",
        preheader=f"It went by {provider}, and it has arrived.",
        heading="It works",
        before=(
            f"{who} pressed “Send me a test” in the desk. This letter went by {provider}, the way issues go.",
            "Look where it landed, in the inbox or in the junk; whom it says it is from; and whether SPF, DKIM and"
            " DMARC passed, which its headers say.",
        ),
        button="Back to the settings",
        address=f"{settings.base_url}/desk/settings/provider",
        why=f"You get this because you are an owner of {settings.newsletter_name}.",
    )


def summary(
    settings: Settings,
    *,
    token: str,
    days: int,
    subject: str,
    preheader: str,
    heading: str,
    before: Sequence[str],
    figures: Sequence[Sequence[str]],
    after: Sequence[str],
) -> Letter:
    """Tell an editor what became of the week; the link to the reports ends after some days."""
    return Letter(
        subject=subject,
        preheader=preheader,
        heading=heading,
        before=tuple(before),
        figures=tuple((label, value) for label, value in figures),
        button="Open the reports",
        address=f"{settings.base_url}/reports/{token}/",
        after=(*after, f"The link works for {days_long(days)}, for whoever has it: keep this letter to yourself."),
        why=f"You get this every Monday because the setting summary_to of {settings.newsletter_name} names you.",
    )


def _account(settings: Settings) -> tuple[tuple[str, str], ...]:
    return (("Your account", f"{settings.base_url}/desk/account"),)


def _chosen(settings: Settings, what: str) -> str:
    """Say why one who edits, or publishes, gets a letter that may be done without."""
    return f"You get this because you {what} {settings.newsletter_name}. What you get is chosen in your account."
