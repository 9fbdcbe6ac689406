"""`digest draft`, `edit`, `show`, `render`, `approve` and `cancel`: making an issue."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import click

from digest import times
from digest.cli.app import App, Command, with_app
from digest.issue import editing, issues
from digest.issue.model import Draft, Issue
from digest.sending import copies
from digest.store import Database

GMAIL_CLIPS_KB = 102
number_argument = click.argument("number", type=click.IntRange(min=1, max=2**31 - 1))


@click.command(cls=Command)
@click.option(
    "--since",
    metavar="TIME",
    help="Leave what was published before this out of this and every later issue (-7d: a week ago).",
)
@click.option("--refresh", is_flag=True, help="Collect and compose an open draft anew, your edits undone.")
@with_app
def draft(app: App, since: str | None, refresh: bool) -> None:
    """Make the next issue of all comparisons that are new since the last one.

    While a draft is open it is left as it is; what comes in meanwhile waits for the next issue, or for
    --refresh. With nothing new there is no issue.
    """
    with app.store() as db:
        now = times.now()
        start = times.parse(since, app.settings.zone, now) if since else None
        done = issues.draft(db, app.settings, now=now, since=start, refresh=refresh)
        source = issues.load_draft(db, done.issue.number) if done.issue else None
    if done.issue is None or source is None:
        app.say(f"Nothing new to compare since {since or 'the last issue'}, so no issue was made.")
    elif done.made or done.refreshed:
        app.say(f"Issue {source.number} is {'drafted' if done.made else 'drafted anew'}: {source.subject}")
        app.say(f"  {_forms(source)}, up to {times.for_people(source.cutoff, app.settings.zone)}")
        app.say(f"Next: digest show {source.number}, then digest approve {source.number}")
    else:
        app.say(f"Issue {source.number} is a draft already: {source.subject}")
        if done.waiting:
            came = "1 new comparison came" if done.waiting == 1 else f"{done.waiting} new comparisons came"
            app.say(f"  {came} in since; the next issue has them, or this one with digest draft --refresh")
        if since:
            app.note("--since was not used: it is for a new draft, or for --refresh")
    app.give(
        {
            "issue": _as_dict(done.issue, source) if done.issue and source else None,
            "made": done.made,
            "refreshed": done.refreshed,
            "waiting": done.waiting,
        }
    )


@click.command(cls=Command)
@number_argument
@click.option("--subject", help="The subject line.")
@click.option("--preheader", help="What the inbox shows after the subject.")
@click.option("--intro", help="The opening text; a line break begins a paragraph.")
@click.option("--lead", metavar="SLUG", help="The comparison to put first; one that was left out comes back.")
@click.option("--out", "out", metavar="SLUG", multiple=True, help="A comparison to leave out for good; may repeat.")
@with_app
def edit(
    app: App,
    number: int,
    subject: str | None,
    preheader: str | None,
    intro: str | None,
    lead: str | None,
    out: tuple[str, ...],
) -> None:
    """Change a draft. An approved issue goes back to draft."""
    if not (out or any(value is not None for value in (subject, preheader, intro, lead))):
        raise click.UsageError("Say what to change: --subject, --preheader, --intro, --lead or --out.")
    with app.store() as db:
        was = issues.find_issue(db, number).state
        editing.edit(
            db,
            number,
            now=times.now(),
            subject=subject,
            preheader=preheader,
            intro=intro,
            lead=lead,
            out=out,
            settings=app.settings,
        )
        _show(app, issues.find_issue(db, number), issues.load_draft(db, number))
    if was == "approved":
        app.say(f"It was approved and is a draft again: digest approve {number}")


@click.command(cls=Command)
@number_argument
@click.option("--text", is_flag=True, help="Print the plain-text mail.")
@with_app
def show(app: App, number: int, text: bool) -> None:
    """Print what is in an issue."""
    with app.store() as db:
        if text:
            source, content = issues.load_draft(db, number), issues.rendered(db, app.settings, number)
            mail = copies.preview(source, content)["issue.txt"].decode()
            app.say(mail.rstrip("\n"))
            app.give({"number": number, "subject": content.subject, "text": mail})
        else:
            _show(app, issues.find_issue(db, number), issues.load_draft(db, number))


@click.command(cls=Command)
@number_argument
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder; made where there is none.",
)
@with_app
def render(app: App, number: int, out: Path) -> None:
    """Write an issue as issue.html, issue.txt, issue.mjml and issue.eml, one reader's copy, to look at."""
    with app.store() as db:
        source, content = issues.load_draft(db, number), issues.rendered(db, app.settings, number)
    out.mkdir(parents=True, exist_ok=True)
    files = copies.preview(source, content)
    for name, data in files.items():
        (out / name).write_bytes(data)
        app.say(f"{out / name}  {len(data) / 1024:.0f} KB")
    app.give(
        {"number": number, "files": {name: {"path": str(out / name), "bytes": len(d)} for name, d in files.items()}}
    )


@click.command(cls=Command)
@number_argument
@click.option("--at", metavar="TIME", help="Not to be sent before this; such as '2026-11-26 09:00'.")
@with_app
def approve(app: App, number: int, at: str | None) -> None:
    """Freeze an issue: from now on it is mailed exactly as it is."""
    with app.store() as db:
        now = times.now()
        start = times.parse(at, app.settings.zone, now) if at else None
        issue = issues.approve(db, app.settings, number, now=now, at=start)
        source = issues.load_draft(db, number)
    if not app.settings.base_url.startswith("https://"):
        app.note(f"base_url is {app.settings.base_url}: one-click unsubscribing needs an https:// address")
    if app.settings.sender_address.endswith(("@example.com", "@example.org", "@example.net")):
        app.note(f"sender_address is {app.settings.sender_address}: set it to an address of your own domain")
    if (kilobytes := len((issue.html or "").encode()) // 1024) > GMAIL_CLIPS_KB:
        app.note(f"the HTML has {kilobytes} KB: Gmail cuts a mail off after {GMAIL_CLIPS_KB} KB")
    if not app.settings.postal_address:
        app.note("postal_address is not set: bulk mail must carry one by law in the US, Canada and the EU")
    when = f" for {times.for_people(start, app.settings.zone)}" if start else ""
    app.say(f"Issue {number} is approved{when}: {issue.subject}")
    app.say(f"  content {(issue.content_hash or '')[:12]}…; next: digest send {number}")
    app.give(_as_dict(issue, source))


@click.command(cls=Command)
@number_argument
@with_app
def cancel(app: App, number: int) -> None:
    """Cancel an issue for good; one that is being sent is paused first.

    If nobody was mailed it, its comparisons are new again for the next one.
    """
    _move(app, number, issues.cancel, f"Issue {number} is cancelled.")


@click.command(cls=Command)
@number_argument
@with_app
def pause(app: App, number: int) -> None:
    """Stop an issue that is being sent, in whatever process: no further batch is begun."""
    said = f"Issue {number} is paused: `digest resume {number}` lets it go on, `digest cancel {number}` ends it."
    _move(app, number, issues.pause, said)


@click.command(cls=Command)
@number_argument
@with_app
def resume(app: App, number: int) -> None:
    """Let a paused issue be sent again."""
    _move(app, number, issues.resume, f"Issue {number} can be sent again: digest send {number}")


class _Step(Protocol):
    def __call__(self, db: Database, number: int, *, now: datetime) -> Issue: ...


def _move(app: App, number: int, step: _Step, said: str) -> None:
    """Take an issue into another state, and say so."""
    with app.store() as db:
        issue = step(db, number, now=times.now())
        source = issues.load_draft(db, number)
    app.say(said)
    app.give(_as_dict(issue, source))


def _show(app: App, issue: Issue, source: Draft) -> None:
    def when(moment: datetime) -> str:
        return times.for_people(moment, app.settings.zone)

    app.say(f"Issue {issue.number}, {issue.state}")
    app.say(f"  Subject:    {issue.subject}")
    app.say(f"  Preheader:  {issue.preheader}")
    app.say(f"  Collected:  up to {when(issue.cutoff)}")
    if issue.approved_at:
        app.say(f"  Approved:   {when(issue.approved_at)}, content {(issue.content_hash or '')[:12]}…")
    if issue.scheduled_at:
        app.say(f"  To be sent: {when(issue.scheduled_at)}")
    if issue.sent_at:
        app.say(f"  Sent:       {when(issue.sent_at)}")
    app.say(f"  {_forms(source)}:")
    for item in source.placed:
        if item.form != "out" or app.verbose:
            again = ", updated" if item.updated else ""
            app.say(f"    {item.form:<5} {item.comparison.title} ({item.comparison.slug}{again})")
    app.give(_as_dict(issue, source))


def _forms(source: Draft) -> str:
    count = Counter(item.form for item in source.placed)
    parts = (f"{count['full']} in full", f"{count['brief']} in brief", f"{count['link']} as links")
    left = f"; {count['out']} left out" if count["out"] else ""
    shown = sum(count.values()) - count["out"]
    return f"{shown} comparison{'s' if shown != 1 else ''}: {', '.join(parts)}{left}"


def _as_dict(issue: Issue, source: Draft) -> dict[str, Any]:
    return {
        "number": issue.number,
        "state": issue.state,
        "subject": issue.subject,
        "preheader": issue.preheader,
        "intro": issue.intro,
        "cutoff": times.to_text(issue.cutoff),
        "content_hash": issue.content_hash,
        "scheduled_at": issue.scheduled_at and times.to_text(issue.scheduled_at),
        "comparisons": [
            {"slug": item.comparison.slug, "title": item.comparison.title, "form": item.form, "updated": item.updated}
            for item in source.placed
        ],
    }
