"""`digest doctor`: whether all is well, and what to do where it is not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from digest.cli.app import FAILED, App, Command, with_app
from digest.errors import SettingsError

if TYPE_CHECKING:
    from digest.doctor.model import Case, Finding
    from digest.doctor.run import Report

MARKS = {"pass": ("✓", "green"), "warn": ("!", "yellow"), "bad": ("✗", "red"), "not looked at": ("–", "dim")}
PARTS = ("store", "ledger", "figures", "audience")
"""What of the store stands under `problems` in the JSON."""


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from digest.doctor.run import names

    return [CompletionItem(name) for name in names() if name.startswith(incomplete)]


@click.command(cls=Command)
@click.argument("subject", nargs=-1, shell_complete=_complete)
@click.option("--offline", is_flag=True, help="Ask no server: leave out what needs the network.")
@click.option("--quick", is_flag=True, help="Count no figures again, and read no large file through.")
@with_app
def doctor(app: App, subject: tuple[str, ...], offline: bool, quick: bool) -> int:
    """Look whether all is well, and say what to do where it is not. It mends nothing, and mails nobody.

    With a SUBJECT, or several, only at that: settings, versions, disk, clock, store, schedule, backups, dns, provider,
    web, one-click, mailboxes.
    """
    # Here, because no other command should wait until it is loaded.
    from digest.doctor.model import Case
    from digest.doctor.run import run

    try:
        loaded = app.loaded
    except SettingsError as error:
        return _unset(app, str(error))
    with app.progress("Counting rows", None) as advance:
        case = Case(loaded, network=not offline, quick=quick, progress=advance)
        report = run(case, subject, tell=lambda name, findings: _tell(app, name, findings))
    app.say()
    app.say(_summary(app, case, report))
    app.give(_data(app, case, report))
    return 0 if report.sound else FAILED


def _unset(app: App, words: str) -> int:
    """Say that the settings cannot be read: then there is nothing to look at."""
    from digest.doctor.model import Finding

    found = Finding("settings", "loads", "bad", words, todo="mend it; nothing else can be looked at before")
    _tell(app, "settings", [found])
    app.give({"sound": False, "findings": [asdict(found)]})
    return FAILED


def _tell(app: App, name: str, findings: Iterable[Finding]) -> None:
    if app.json:
        return
    app.out.print(name, style="bold")
    for found in findings:
        mark, style = MARKS[found.level]
        app.out.print(f"  {mark} ", style=style, end="")
        app.out.print(found.what)
        if found.todo:
            app.out.print(f"    {found.todo}")
        if found.command:
            app.out.print(f"    $ {found.command}")


def _summary(app: App, case: Case, report: Report) -> str:
    counts = report.counts
    parts = [f"{counts['pass']} well", f"{counts['warn']} to look at", f"{counts['bad']} bad"]
    parts += [f"{counts['not looked at']} not looked at"] if counts["not looked at"] else []
    verdict = "Something is wrong" if not report.sound else "All is well" if not counts["warn"] else "Nothing is bad"
    return f"{verdict}: {', '.join(parts)}."


def _data(app: App, case: Case, report: Report) -> dict[str, Any]:
    problems: dict[str, list[str]] = {part: [] for part in PARTS}
    for found in report.findings:
        if found.subject == "store" and found.check in problems and found.level == "bad":
            problems[found.check].append(found.what)
    return {
        "db": str(app.settings.db),
        "sound": report.sound,
        "counts": report.counts,
        "findings": [asdict(found) for found in report.findings],
        "problems": problems,
        "left_out": case.told.left_out,
        "figures": case.told.figures,
        "rows": case.told.rows,
        "seconds": round(report.seconds, 3),
    }
