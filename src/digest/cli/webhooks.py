"""`digest webhooks`: other programs that are told what happens."""

from __future__ import annotations

from types import ModuleType

import click

from digest import times
from digest.cli.app import FAILED, App, Group, counted, with_app
from digest.programs import webhooks as known
from digest.programs.webhooks import KINDS

_STATES = {"queued": "waiting", "sent": "taken", "dead": "given up"}


@click.group(cls=Group)
def webhooks() -> None:
    """Tell other programs who subscribed, who left, what was sent and what bounced: signed calls to their addresses."""


@webhooks.command()
@click.argument("url")
@click.option("--kind", "kinds", type=click.Choice(KINDS), multiple=True, help="What it is told; all where not given.")
@with_app
def add(app: App, url: str, kinds: tuple[str, ...]) -> None:
    """Tell the program at URL from now on, and print the secret its calls are signed with: this once."""
    with app.store(create=True) as db:
        made, secret = known.add(db, url, kinds, now=times.now())
    app.say(secret)
    app.note(f"webhook {made.id} is told of {', '.join(made.kinds)}; this secret checks its calls, keep it now")
    app.give({"secret": secret, **made.as_dict()})


@webhooks.command("list")
@with_app
def list_(app: App) -> None:
    """List who is told what, and how that goes."""
    with app.store() as db:
        found = known.all_of(db)
    app.give([one.as_dict() for one in found])
    if not found:
        app.say("Nobody is told anything; `digest webhooks add URL` begins.")
    elif not app.json:
        for one in found:
            app.say(f"webhook {one.id}: {one.url}")
            app.say(f"  told of: {', '.join(one.kinds) if len(one.kinds) < len(KINDS) else 'everything'}")
            app.say(f"  {one.queued:,} waiting, {one.sent:,} taken, {one.dead:,} given up")
            since = f"off since {_moment(app, one.disabled_at)}: " if one.disabled_at else ""
            if one.trouble or since:
                app.say(f"  {since}{one.trouble or ''}")


@webhooks.command()
@click.argument("webhook", type=int)
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many at most.")
@with_app
def messages(app: App, webhook: int, limit: int) -> None:
    """List the latest calls to a WEBHOOK, the newest first."""
    with app.store() as db:
        known.find(db, webhook)
        found = known.messages_of(db, webhook, limit=limit)
    app.give([one.as_dict() for one in found])
    if not found:
        app.say("There was nothing to tell yet; `digest webhooks test` tells something.")
    elif not app.json:
        for one in found:
            then = f", next {_moment(app, one.not_before)}" if one.state == "queued" else ""
            tries = counted({"tries": one.tries}) if one.tries != 1 else "1 try"
            app.say(f"{_moment(app, one.created_at)}  {one.kind}: {_STATES[one.state]}, {tries}{then}")
            app.say(f"  webhook-id {one.name}")
            if one.trouble:
                app.say(f"  {one.trouble}")


@webhooks.command()
@click.argument("webhook", type=int)
@with_app
def test(app: App, webhook: int) -> int:
    """Call a WEBHOOK now with a message that says nothing, and print what came of it."""
    with app.store() as db:
        name = known.test(db, webhook, now=times.now())
        _telling().tell(db)
        found = next(one for one in known.messages_of(db, webhook) if one.name == name)
    if found.state == "sent":
        app.say("It was taken.")
    else:
        after = "it is tried again" if found.state == "queued" else f"`digest webhooks retry {webhook}` begins again"
        app.say(f"It was not taken: {found.trouble}; {after}.")
    app.give(found.as_dict())
    return 0 if found.state == "sent" else FAILED


@webhooks.command()
@with_app
def send(app: App) -> None:
    """Tell what is due. `digest serve` does this by itself, every few seconds."""
    with app.store() as db:
        done = _telling().tell(db)
    app.say(f"{done['sent']} taken, {done['later']} put off, {done['dead']} given up.")
    app.give(done)


@webhooks.command()
@click.argument("webhook", type=int)
@with_app
def retry(app: App, webhook: int) -> None:
    """Tell a WEBHOOK again that was given up, beginning with what it missed."""
    with app.store() as db:
        one, again = known.enable(db, webhook, now=times.now())
    app.say(f"{one.url} is told again; queued of what it missed: {counted({'messages': again})}.")
    app.give({"queued_again": again, **one.as_dict()})


@webhooks.command()
@click.argument("webhook", type=int)
@with_app
def remove(app: App, webhook: int) -> None:
    """Tell a WEBHOOK nothing any more, and throw away what waits for it."""
    with app.store() as db:
        gone = known.remove(db, webhook)
    app.say(f"{gone.url} is told nothing any more; thrown away: {counted({'waiting messages': gone.queued})}.")
    app.give(gone.as_dict())


def _telling() -> ModuleType:
    # Here, because no other command should wait until HTTP is loaded.
    from digest.programs import telling

    return telling


def _moment(app: App, stamp: str) -> str:
    return f"{times.from_text(stamp).astimezone(app.settings.zone):%d %b %Y %H:%M}"
