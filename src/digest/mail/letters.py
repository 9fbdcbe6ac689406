"""The letters beside the issue: to confirm, to welcome, to say goodbye, to move to a new address, to let an editor in.

Nothing a stranger typed stands in a letter to an unconfirmed address: sign-up forms are used to mail other
people's words to other people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment

from digest.mail import plain, templates
from digest.settings import Settings
from digest.tokens import TOKEN_LENGTH


@dataclass(frozen=True)
class Letter:
    """What a letter says: a heading, paragraphs, figures, at most one button, paragraphs below it, and a footer.

    `figures` are labels and what stands beside them.
    `why` is the footer's word on why it came; `ways` are the footer's links, by their words.
    """

    subject: str
    preheader: str
    heading: str
    before: tuple[str, ...]
    figures: tuple[tuple[str, str], ...] = ()
    button: str = ""
    address: str = ""
    after: tuple[str, ...] = ()
    why: str = ""
    ways: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class RenderedLetter:
    """A letter as it is mailed."""

    subject: str
    mjml: str
    html: str
    text: str


def render_letter(letter: Letter, settings: Settings) -> RenderedLetter:
    """Render a letter in the look of the issue. The same letter and settings give the same bytes."""
    environment = _environment(settings.own_templates)
    context = templates.look(settings) | {"letter": letter, "why": letter.why, "ways": letter.ways}
    mjml = templates.fill(environment, "letter.mjml", context)
    text = templates.fill(environment, "letter.txt", context | {"ref": plain.References()})
    return RenderedLetter(letter.subject, mjml, templates.to_html(mjml), plain.tidy(text))


@cache
def _environment(own: Path | None) -> Environment:
    return templates.environment(own)


def confirmation(settings: Settings, *, token: str, days: int) -> Letter:
    """Ask whether a sign-up was meant; the link leads to a page with one button, and ends after some days."""
    name = settings.newsletter_name
    return Letter(
        subject=f"Please confirm: {name}",
        preheader="One press and you are in. If it was not you, do nothing.",
        heading="Is this your address?",
        before=(f"Somebody, we hope you, asked for {name} to be sent here. Press the button and it will be.",),
        button="Confirm my subscription",
        address=f"{settings.base_url}/confirm/{token}",
        after=(f"The button works for {_days(days)}. If it was not you, do nothing: you will hear no more from us.",),
        why=f"You get this one letter because this address was typed into the sign-up form of {name}.",
    )


def welcome(settings: Settings, *, token: str, name: str | None = None) -> Letter:
    """Greet a new subscriber, and say what comes when."""
    return Letter(
        subject=f"Welcome to {settings.newsletter_name}",
        preheader="What comes, when, and how to change it.",
        heading=f"Welcome, {name}" if name else "Welcome",
        before=(
            "You are in. Once a week you get the new comparisons: two tools side by side, what each of the panel"
            " would ship or skip and why, and what readers say.",
            "Your vote counts too: every comparison has Ship and Skip buttons.",
        ),
        button="Read the latest issue",
        address=f"{settings.base_url}/issues/",
        after=("To be sure that it arrives, add our address to your contacts.",),
        why=_signed_up(settings),
        ways=_ways_out(settings, token),
    )


def goodbye(settings: Settings, *, token: str) -> Letter:
    """Say that it is done, and offer the way back."""
    return Letter(
        subject=f"You have left {settings.newsletter_name}",
        preheader="Nothing more will come. If it was a slip, the way back is here.",
        heading="You have left",
        before=("It is done: no further issue will come to this address.",),
        button="Take me back",
        address=f"{settings.base_url}/u/{token}",
        after=("If you meant it, there is nothing to do. Thank you for having read us.",),
        why=f"This is the last letter from {settings.newsletter_name}; it confirms what you asked for.",
    )


def new_address(settings: Settings, *, token: str, days: int) -> Letter:
    """Ask at a new address whether it is a reader's; the link leads to a page with one button."""
    name = settings.newsletter_name
    return Letter(
        subject=f"Please confirm your new address: {name}",
        preheader="One press, and the next issue comes here.",
        heading="Is this your new address?",
        before=(
            f"A reader of {name}, we hope you, asked to get it at this address from now on. Press the button and it"
            " will come here.",
        ),
        button="Yes, send it here",
        address=f"{settings.base_url}/address/{token}",
        after=(f"The button works for {_days(days)}. If it was not you, do nothing: nothing changes.",),
        why=f"You get this one letter because this address was given to us as that of a reader of {name}.",
    )


def address_notice(settings: Settings, *, token: str) -> Letter:
    """Tell the old address that a new one was asked for, so that its owner can object."""
    name = settings.newsletter_name
    return Letter(
        subject=f"A new address was asked for: {name}",
        preheader="If it was you, there is nothing to do here.",
        heading="Are you moving?",
        before=(
            f"You, we hope, asked to get {name} at another address. We have written to that address too: once it is"
            " confirmed there, your issues go there and no longer here.",
        ),
        button="Look at my preferences",
        address=f"{settings.base_url}/p/{token}",
        after=("If it was not you, press the button: there you can keep this address.",),
        why=f"You get this because {name} comes to this address.",
    )


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
        preheader=f"Your way into its desk works for {_days(days)}.",
        heading="Welcome to the desk",
        before=(
            f"{by} has made you an editor of {name}. The desk is where its issues are made; press the button to come"
            " in. There is no password.",
        ),
        button="Come in",
        address=f"{settings.base_url}/desk/sign-in/{token}",
        after=(
            f"The button works once, for {_days(days)}. After that, ask for a new one at {settings.base_url}/desk/ with"
            " this address.",
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
        why=f"You get this because you publish {settings.newsletter_name}. What you get is chosen in your account.",
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
        why=f"You get this because you edit {settings.newsletter_name}. What you get is chosen in your account.",
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
        after=(*after, f"The link works for {_days(days)}, for whoever has it: keep this letter to yourself."),
        why=f"You get this every Monday because the setting summary_to of {settings.newsletter_name} names you.",
    )


def specimens(settings: Settings) -> Mapping[str, Letter]:
    """Give every letter with made-up values, by name, to look at."""
    token = ("Preview" * 4)[:TOKEN_LENGTH]
    return {
        "confirm": confirmation(settings, token=token, days=7),
        "welcome": welcome(settings, token=token, name="Ada"),
        "goodbye": goodbye(settings, token=token),
        "address": new_address(settings, token=token, days=7),
        "notice": address_notice(settings, token=token),
        "sign-in": sign_in(settings, token=token, minutes=15),
        "invitation": invitation(settings, token=token, days=3, by="Ann Example"),
        "approval": approval_asked(settings, issue=12, who="Ann Example", subject="Two editors, one winner"),
        "trouble": sending_trouble(
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
        "sent": sending_done(
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
        "summary": summary(
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


def _signed_up(settings: Settings) -> str:
    return f"You get this because you signed up for {settings.newsletter_name}."


def _account(settings: Settings) -> tuple[tuple[str, str], ...]:
    return (("Your account", f"{settings.base_url}/desk/account"),)


def _ways_out(settings: Settings, token: str) -> tuple[tuple[str, str], ...]:
    site = settings.base_url
    return (("Your preferences", f"{site}/p/{token}"), ("Unsubscribe", f"{site}/u/{token}"))


def _days(count: int) -> str:
    return "a day" if count == 1 else f"{count} days"
