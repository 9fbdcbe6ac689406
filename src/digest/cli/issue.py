"""`digest draft`, `edit`, `show`, `render`, `approve` and `cancel`: making an issue."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import click

from digest import times
from digest.audience.topics import read_topics
from digest.cli.app import App, Command, with_app
from digest.cli.topics import as_dict, told
from digest.issue import approval, editing, issues
from digest.issue.by_topics import laid_out_for
from digest.issue.fit import LIMIT, Fitted, weight
from digest.issue.model import Draft, Issue
from digest.issue.preview import READER, preview
from digest.issue.render import render as render_issue
from digest.issue.variant_records import cuts_of
from digest.sending import ledger, steering, topics
from digest.store import Database

number_argument = click.argument("number", type=click.IntRange(min=1, max=2**31 - 1))

topics_option = click.option(
    "--topics",
    "chosen",
    metavar="A,B",
    help="As readers of these topics get it; topics are named like the categories in addresses.",
)


def _reasons(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    reasons = {}
    for value in values:
        name, equals, reason = value.partition("=")
        if not equals:
            raise click.BadParameter(f'{value!r} is not CHECK="WHY", such as size="it is only sent to ourselves"')
        reasons[name.strip()] = reason
    return reasons


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
        fitted = issues.laid_out(db, app.settings, done.issue.number) if done.issue else None
    if done.issue is None or fitted is None:
        app.say(f"Nothing new to compare since {since or 'the last issue'}, so no issue was made.")
    elif done.made or done.refreshed:
        source = fitted.draft
        app.say(f"Issue {source.number} is {'drafted' if done.made else 'drafted anew'}: {source.subject}")
        app.say(f"  {_forms(source)}, up to {times.for_people(source.cutoff, app.settings.zone)}")
        _tell_moved(app, fitted)
        app.say(f"Next: digest show {source.number}, digest check {source.number}, then digest approve {source.number}")
    else:
        app.say(f"Issue {fitted.draft.number} is a draft already: {fitted.draft.subject}")
        if done.waiting:
            came = "1 new comparison came" if done.waiting == 1 else f"{done.waiting} new comparisons came"
            app.say(f"  {came} in since; the next issue has them, or this one with digest draft --refresh")
        if since:
            app.note("--since was not used: it is for a new draft, or for --refresh")
    app.give(
        {
            "issue": _as_dict(done.issue, fitted.draft) if done.issue and fitted else None,
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
        _show(app, issues.find_issue(db, number), issues.laid_out(db, app.settings, number))
    if was == "approved":
        app.say(f"It was approved and is a draft again: digest approve {number}")


@click.command(cls=Command)
@number_argument
@click.option("--text", is_flag=True, help="Print the plain-text mail.")
@topics_option
@with_app
def show(app: App, number: int, text: bool, chosen: str | None) -> None:
    """Print what is in an issue, and how many readers got it composed for their topics."""
    with app.store() as db:
        fitted = _for_topics(app, db, number, chosen)
        if fitted is None:
            return
        if text:
            mail = preview(fitted.draft, fitted.content)["issue.txt"].decode()
            app.say(mail.rstrip("\n"))
            app.give({"number": number, "subject": fitted.content.subject, "text": mail})
            return
        variants = [] if chosen else _variants(db, number)
        report = None if chosen else topics.report_of(db, number)
        more = {"for_topics": chosen.split(",")} if chosen else {"topics": as_dict(report), "variants": variants}
        _show(app, issues.find_issue(db, number), fitted, more)
    for line in told(report):
        app.say(f"  {line}")
    for variant in variants if app.verbose else ():
        on = ", ".join(variant["topics"]) or "nothing on their topics"
        app.say(f"    variant {variant['number']}: {variant['readers']} readers, {on}")


@click.command(cls=Command)
@number_argument
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder; made where there is none.",
)
@click.option("--test-for", metavar="EMAIL", default="", help="Write a test of it, with a banner that says for whom.")
@topics_option
@with_app
def render(app: App, number: int, out: Path, test_for: str, chosen: str | None) -> None:
    """Write an issue as issue.html, issue.txt, issue.mjml and issue.eml, one reader's copy, to look at."""
    with app.store() as db:
        fitted = _for_topics(app, db, number, chosen)
    if fitted is None:
        return
    content = render_issue(fitted.draft, app.settings, test_for=test_for) if test_for else fitted.content
    out.mkdir(parents=True, exist_ok=True)
    files = preview(fitted.draft, content, reader=test_for or READER)
    for name, data in files.items():
        (out / name).write_bytes(data)
        app.say(f"{out / name}  {len(data) / 1024:.0f} KB")
    app.give(
        {"number": number, "files": {name: {"path": str(out / name), "bytes": len(d)} for name, d in files.items()}}
    )


@click.command(cls=Command)
@number_argument
@click.option("--at", metavar="TIME", help="Not to be sent before this; such as '2026-11-26 09:00'.")
@click.option("--local", is_flag=True, help="With --at: when it is that time where the reader is.")
@click.option(
    "--content", metavar="HASH", help="Only if it is what you looked at: the hash that `check` and `show` print."
)
@click.option(
    "--override",
    "overrides",
    metavar='CHECK="WHY"',
    multiple=True,
    callback=_reasons,
    help="Approve although this check blocks, for a reason that is kept; may repeat.",
)
@with_app
def approve(app: App, number: int, at: str | None, local: bool, content: str | None, overrides: dict[str, str]) -> None:
    """Check an issue and freeze it: from now on it is mailed exactly as it is.

    With --local it goes to each reader when it is that time where they are: `send` begins up to 14 hours before, and
    readers whose time zone is not known count as in the newsletter's own.
    """
    if local and not at:
        raise click.UsageError("--local needs --at, such as --at '2026-11-26 09:00' --local")
    with app.store() as db:
        now = times.now()
        start = times.parse(at, app.settings.zone, now) if at else None
        approved = asyncio.run(
            approval.approve(
                db,
                app.settings,
                number,
                now=now,
                at=start,
                local=local,
                expected=content,
                overrides=overrides,
                network=app.settings.mails_people,
            )
        )
        issue, source = approved.issue, issues.load_draft(db, number)
        foreseen = topics.foreseen(db, app.settings, number, now=now)
    for finding in approved.findings:
        if finding.level == "warn":
            app.note(f"{finding.check}: {finding.what}")
    for over in approved.overrides:
        app.note(f"{over.check}: {over.found}; approved all the same: {over.reason}")
    if approved.needless:
        app.note(f"nothing to override: {', '.join(approved.needless)} does not block")
    when = f" for {times.for_people(start, app.settings.zone)}" if start else ""
    if issue.local_time:
        when = f" for {issue.local_time:%a %d %b %Y, %H:%M} where each reader is"
    app.say(f"Issue {number} is approved{when}: {issue.subject}")
    for line in told(foreseen, coming=True):
        app.say(f"  {line}")
    app.say(f"  content {(issue.content_hash or '')[:12]}; next: digest send {number}")
    app.give(
        _as_dict(issue, source)
        | {
            "topics": as_dict(foreseen),
            "findings": [asdict(finding) for finding in approved.findings],
            "overrides": [asdict(over) for over in approved.overrides],
        }
    )


@click.command(cls=Command)
@number_argument
@with_app
def cancel(app: App, number: int) -> None:
    """Cancel an issue for good; one that is being sent is paused first.

    If nobody was mailed it, its comparisons are new again for the next one.
    """
    _move(app, number, steering.cancel, f"Issue {number} is cancelled.")


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


def _for_topics(app: App, db: Database, number: int, chosen: str | None) -> Fitted | None:
    """Give an issue as it is mailed, to readers of some topics where those are given; None where they get no mail."""
    if chosen is None:
        return issues.laid_out(db, app.settings, number)
    cut, fitted = laid_out_for(db, app.settings, number, read_topics(db, chosen.split(",")))
    if fitted is None:
        app.say(f"Nothing in issue {number} is on these topics, and readers of them get no mail (`off_topic`).")
        app.give({"number": number, "for_topics": chosen.split(","), "comparisons": []})
    elif cut is None:
        app.note("these topics are all that is in it: their readers get the issue itself")
    elif not cut.topics:
        app.note("nothing in it is on these topics: their readers get the lead alone (`off_topic`)")
    return fitted


def _variants(db: Database, number: int) -> list[dict[str, Any]]:
    readers = ledger.readers_of_variants(db, number)
    return [
        {"number": variant, "topics": cut.topics, "comparisons": cut.comparisons, "readers": readers.get(variant, 0)}
        for variant, cut in cuts_of(db, number).items()
    ]


def _show(app: App, issue: Issue, fitted: Fitted, more: Mapping[str, Any] | None = None) -> None:
    source = fitted.draft

    def when(moment: datetime) -> str:
        return times.for_people(moment, app.settings.zone)

    app.say(f"Issue {issue.number}, {issue.state}")
    app.say(f"  Subject:    {source.subject}")
    app.say(f"  Preheader:  {source.preheader}")
    app.say(f"  Content:    {issues.content_hash(fitted.content)[:12]}, {weight(fitted.content) / 1024:.0f} KB of HTML")
    app.say(f"  Collected:  up to {when(issue.cutoff)}")
    if issue.approved_at:
        app.say(f"  Approved:   {when(issue.approved_at)}")
    if issue.local_time:
        app.say(f"  To be sent: {issue.local_time:%a %d %b %Y, %H:%M} where each reader is")
    elif issue.scheduled_at:
        app.say(f"  To be sent: {when(issue.scheduled_at)}")
    if issue.trouble:
        app.say(f"  Trouble:    {issue.trouble}")
    elif issue.doubted_at and not issue.sending_at:
        back = when(issue.doubted_at)
        app.say(f"  In doubt:   it was in a backup that was brought back {back}, and may have gone out since")
    if issue.sent_at:
        app.say(f"  Sent:       {when(issue.sent_at)}")
    app.say(f"  {_forms(source)}:")
    for item in source.placed:
        if item.form != "out" or app.verbose:
            again = ", updated" if item.updated else ""
            app.say(f"    {item.form:<5} {item.comparison.title} ({item.comparison.slug}{again})")
    _tell_moved(app, fitted)
    app.give(_as_dict(issue, source) | {"content_hash": issues.content_hash(fitted.content)} | dict(more or {}))


def _tell_moved(app: App, fitted: Fitted) -> None:
    """Say what was made smaller so that the mail fits."""
    if fitted.moved:
        steps = Counter((move.before, move.after) for move in fitted.moved)
        said = ", ".join(f"{count} from {before} to {after}" for (before, after), count in steps.items())
        app.say(f"  Made smaller so that the mail has at most {LIMIT // 1024} KB: {said}")


def _forms(source: Draft) -> str:
    count = Counter(item.form for item in source.placed)
    parts = [f"{count['full']} in full", f"{count['brief']} in brief", f"{count['link']} as links"]
    if count["more"]:
        parts.append(f"{count['more']} only counted")
    left = f"; {count['out']} left out" if count["out"] else ""
    shown = sum(count.values()) - count["out"]
    return f"{shown} comparison{'s' if shown != 1 else ''}: {', '.join(parts)}{left}"


def _as_dict(issue: Issue, source: Draft) -> dict[str, Any]:
    return {
        "number": issue.number,
        "state": issue.state,
        "subject": source.subject,
        "preheader": source.preheader,
        "intro": source.intro,
        "cutoff": times.to_text(issue.cutoff),
        "content_hash": issue.content_hash,
        "scheduled_at": issue.scheduled_at and times.to_text(issue.scheduled_at),
        "local_time": issue.local_time and issue.local_time.isoformat(),
        "trouble": issue.trouble,
        "doubted_at": times.to_text(issue.doubted_at) if issue.doubted_at else None,
        "comparisons": [
            {"slug": item.comparison.slug, "title": item.comparison.title, "form": item.form, "updated": item.updated}
            for item in source.placed
        ],
    }
