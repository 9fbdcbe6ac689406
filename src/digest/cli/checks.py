"""`digest check`: looking at an issue before anyone is mailed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict

import click

from digest.cli.app import FAILED, App, Command, with_app
from digest.cli.issue import number_argument
from digest.errors import SettingsError
from digest.issue import approval, issues
from digest.issue.checks.model import Finding
from digest.issue.checks.run import run
from digest.issue.issues import Override

SIGNS = {"pass": "✓", "warn": "!", "block": "✗", "not run": "–"}
_STYLES = {"pass": "green", "warn": "yellow", "block": "bold red", "not run": "dim"}


@click.command(cls=Command)
@number_argument
@click.option(
    "--network/--offline",
    default=None,
    help="Ask the DNS and a spam filter, or do not; asked by default where the provider mails real people.",
)
@click.option("--links", is_flag=True, help="Open every link of the issue too.")
@with_app
def check(app: App, number: int, network: bool | None, links: bool) -> int:
    """Look an issue over: what would go wrong in an inbox, and what to do about it.

    Exits with 1 while something blocks the approval.
    """
    asked = app.settings.mails_people if network is None else network
    for name in filter(None, (app.settings.provider, app.settings.failover)):
        try:
            app.settings.options_for(name)
        except SettingsError as error:
            app.note(f"{error}; `digest send` needs it")
    with app.store() as db:
        mail = approval.mail_of(db, app.settings, number)
        content = issues.content_hash(mail.content)
        overridden = {over.check: over for over in issues.overrides_of(db, number)}
    findings = asyncio.run(run(mail, network=asked, fetch_links=links))
    tell(app, findings, overridden)
    blocked = [finding for finding in findings if finding.level == "block" and finding.check not in overridden]
    counts = {level: sum(finding.level == level for finding in findings) for level in SIGNS}
    app.say("")
    app.say(
        f"Issue {number}: {counts['pass']} pass, {counts['warn']} warn, {counts['block']} block; content {content[:12]}"
    )
    if not asked:
        app.say("The DNS and the spam filter were not asked; --network asks them.")
    if blocked and mail.frozen:
        app.say("It was approved before, and is mailed as it is.")
    elif blocked:
        app.say(
            f"It cannot be approved as it is. To approve it all the same: "
            f'digest approve {number} --override {blocked[0].check}="why"'
        )
    app.give(
        {
            "number": number,
            "content_hash": content,
            "counts": counts,
            "blocked": bool(blocked),
            "findings": [asdict(finding) for finding in findings],
            "moved": [
                {"slug": move.comparison.slug, "before": move.before, "after": move.after} for move in mail.moved
            ],
            "overrides": [asdict(over) for over in overridden.values()],
        }
    )
    return FAILED if blocked else 0


def tell(app: App, findings: Sequence[Finding], overridden: dict[str, Override]) -> None:
    """Print findings, the grave ones with their place and what to do."""
    if app.json:
        return
    for finding in findings:
        app.out.print(f"{SIGNS[finding.level]} {finding.check:<15}", style=_STYLES[finding.level], end="")
        app.out.print(f" {finding.what}")
        for label, words in (("where", finding.where), ("to do", finding.todo), ("with", finding.command)):
            if words:
                app.out.print(f"{'':<17} {label}: {words}", style="dim" if label == "where" else None)
        if finding.level == "block" and finding.check in overridden:
            app.out.print(f"{'':<17} overridden: {overridden[finding.check].reason}")
