"""Which commands there are: each is loaded when it is called, so that none waits for what another needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from keyword import iskeyword
from typing import Any

import click

from digest.cli.app import Group

COMMANDS = {
    "import": ("catalogue", "Bring tools, reviewers, reviews, comparisons and votes into the catalogue."),
    "draft": ("issue", "Make the next issue of all comparisons that are new since the last one."),
    "edit": ("issue", "Change a draft."),
    "subjects": (
        "subjects",
        "Try other subjects for an issue on some of its readers; the rest gets the one that wins.",
    ),
    "show": ("issue", "Print what is in an issue, and how many readers got it composed for their topics."),
    "render": (
        "issue",
        "Write an issue as issue.html, issue.txt, issue.mjml and issue.eml, one reader's copy, to look at.",
    ),
    "check": ("checks", "Look an issue over: what would go wrong in an inbox, and what to do about it."),
    "approve": ("issue", "Check an issue and freeze it: from now on it is mailed exactly as it is."),
    "send": ("sending", "Mail an approved issue to everyone, or go on where an interrupted sending stopped."),
    "pause": ("issue", "Stop an issue that is being sent, in whatever process: no further batch is begun."),
    "resume": ("issue", "Let a paused issue be sent again."),
    "cancel": ("issue", "Cancel an issue for good; one that is being sent is paused first."),
    "uncertain": (
        "sending",
        "List the batches of which it is not known whether the provider accepted them, with every address.",
    ),
    "resolve": (
        "sending",
        "Decide about an uncertain batch what nobody else can: that it was accepted, or that it is sent again.",
    ),
    "hold": (
        "sending",
        "Stop asking who got an issue since a backup that was brought back, and decide about the rest by hand.",
    ),
    "retry-rejected": (
        "sending",
        "Queue the copies again that the provider rejected; who was suppressed since is skipped.",
    ),
    "status": (
        "sending",
        "Show where everything stands: the catalogue, the audience, letters that wait and every issue.",
    ),
    "report": ("report", "Report what became of an issue; without a NUMBER, of the issues and the audience over time."),
    "subscribers": ("subscribers", "Import, export, add, remove, forget, show and list subscribers."),
    "suppressions": ("suppressions", "List, add, remove, import and export addresses that must not be mailed."),
    "letters": (
        "letters",
        "Write the letters beside the issue (confirm, welcome, goodbye, address, notice, sign-in, "
        "invitation, approval, trouble, sent, summary) as HTML, text and MJML, to look at; or mail those "
        "that are due, or list those that wait.",
    ),
    "serve": (
        "serve",
        "Serve the readers' site, the desk and the API; and do what is due: the schedule, sending, letters.",
    ),
    "schedule": ("schedule", "What is done by itself: when it is next, when it ran last and what came of it."),
    "run-due": ("schedule", "Do once what is due: the schedule, sending, letters, events, webhooks."),
    "editors": ("editors", "Add, list and remove those who may use the desk, and print a way in for one."),
    "events": (
        "events",
        "What providers told us in the last week: calls by what became of them, kinds we do not know, what waits.",
    ),
    "tokens": ("tokens", "Create, list and revoke the tokens of programs that call the API."),
    "webhooks": (
        "webhooks",
        "Tell other programs who subscribed, who left, what was sent and what bounced: signed calls to "
        "their addresses.",
    ),
    "settings": ("settings", "Print every setting: its value, where it came from and what it means."),
    "providers": (
        "providers",
        "Print who can take our mail: how much a call, how fast, and what proves that a copy was accepted.",
    ),
    "simulate": (
        "simulate",
        "Run a provider on this machine that mails nobody: to try things out, and to see what goes wrong.",
    ),
    "db": ("db", "Make, check and back up the store, and bring a backup back."),
    "doctor": ("doctor", "Look whether all is well, and say what to do where it is not."),
    "demo": (
        "demo",
        "Try the whole week in a minute: sample catalogue, 1,000 made-up subscribers, an issue sent to a mailbox.",
    ),
    "completion": ("completion", "Print the completion script of a shell."),
}
"""The commands: the file each is in, and what `digest --help` says of it, which is the beginning of its own help."""


class Commands(Mapping[str, click.Command]):
    """The commands by their names, as click wants them: to know the names loads nothing."""

    def __init__(self) -> None:
        self._loaded: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._loaded:
            file, _ = COMMANDS[name]
            # A word of Python's has an underscore after it.
            attribute = name.replace("-", "_") + "_" * iskeyword(name)
            self._loaded[name] = getattr(import_module(f"digest.cli.{file}"), attribute)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class Every(Group):
    """The group of all of them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, commands=Commands(), **kwargs)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what there is, in the words of the table."""
        shown = {name: click.Command(name, help=words) for name, (_, words) in COMMANDS.items()}
        click.Group(commands=shown).format_commands(ctx, formatter)
