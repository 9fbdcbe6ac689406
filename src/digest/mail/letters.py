"""The letters beside the issue: what one is, and those to readers; those to editors are in `editor_letters`.

To confirm, to welcome, to say goodbye, to move to a new address.

Nothing a stranger typed stands in a letter to an unconfirmed address: sign-up forms are used to mail other
people's words to other people.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment

from digest.mail import plain, templates
from digest.settings import Settings


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
        after=(
            f"The button works for {days_long(days)}. If it was not you, do nothing: you will hear no more from us.",
        ),
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
        after=(f"The button works for {days_long(days)}. If it was not you, do nothing: nothing changes.",),
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


def _signed_up(settings: Settings) -> str:
    return f"You get this because you signed up for {settings.newsletter_name}."


def _ways_out(settings: Settings, token: str) -> tuple[tuple[str, str], ...]:
    site = settings.base_url
    return (("Your preferences", f"{site}/p/{token}"), ("Unsubscribe", f"{site}/u/{token}"))


def days_long(count: int) -> str:
    """Write for how many days something works."""
    return "a day" if count == 1 else f"{count} days"
