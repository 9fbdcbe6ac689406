"""`digest subscribers`."""

from __future__ import annotations

import sys

import click
from rich.table import Table

from digest import times
from digest.audience import forgetting
from digest.audience import subscribers as audience
from digest.audience.leaving import leave
from digest.audience.preferences import kept_about
from digest.cli.app import App, Group, with_app
from digest.cli.moving import export, import_, state_option
from digest.cli.read_mail import read_bounces, read_mail
from digest.cli.timeline import timeline


@click.group(cls=Group)
def subscribers() -> None:
    """Import, export, add, remove, forget, show and list subscribers."""


subscribers.add_command(import_)
subscribers.add_command(export)
subscribers.add_command(read_mail)
subscribers.add_command(read_bounces)
subscribers.add_command(timeline)


@subscribers.command()
@click.argument("email")
@click.option("--name", help="A name to greet with.")
@click.option("--timezone", metavar="ZONE", help="Where the reader is, such as Europe/Berlin.")
@click.option("--resubscribe", is_flag=True, help="Take back one who unsubscribed and asked to return.")
@with_app
def add(app: App, email: str, name: str | None, timezone: str | None, resubscribe: bool) -> None:
    """Add one subscriber."""
    with app.store(create=True) as db:
        subscriber, changed = audience.add(
            db, email, now=times.now(), name=name, timezone=timezone, resubscribe=resubscribe
        )
    app.say(f"{subscriber.email} is {'subscribed' if changed else 'subscribed already'}.")
    app.give({"changed": changed, **subscriber.as_dict()})


@subscribers.command()
@click.argument("email")
@with_app
def remove(app: App, email: str) -> None:
    """Unsubscribe one address; no import will bring it back."""
    with app.store() as db:
        changed = leave(db, audience.find_subscriber(db, email).id, way="editor", now=times.now())
        subscriber = audience.find_subscriber(db, email)
    app.say(f"{subscriber.email} is {'unsubscribed' if changed else 'unsubscribed already'}.")
    app.give({"changed": changed, **subscriber.as_dict()})


@subscribers.command()
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_app
def forget(app: App, email: str, yes: bool) -> None:
    """Erase what is kept about a reader. It cannot be undone.

    Numbers stay, and a mark that tells nobody the address but keeps imports from bringing it back. Only its owner can
    sign up again, by the form of the site.
    """
    with app.store() as db:
        subscriber = audience.find_subscriber(db, email)
        if not yes and not app.json and sys.stdin.isatty():
            click.confirm(f"Erase all that is kept about {subscriber.email}, for good?", abort=True, err=True)
        changed = forgetting.forget(db, subscriber.id, now=times.now())
    app.say(f"{email} is forgotten. Backups keep what they have until you throw them away.")
    app.give({"email": email, "changed": changed})


@subscribers.command()
@click.argument("email")
@with_app
def show(app: App, email: str) -> None:
    """Show one subscriber: state, topics, pause, and each consent; with --json all that is kept."""
    with app.store() as db:
        kept = kept_about(db, audience.find_subscriber(db, email).id)
    app.give(kept)
    one = kept["subscription"]
    suppressed = f"{one['suppressed']} (by {one['suppressed_by']})" if one["suppressed_by"] else one["suppressed"]
    topics = one["topics"] if isinstance(one["topics"], str) else ", ".join(one["topics"])
    said = {
        "email": one["email"],
        "name": one["name"],
        "state": one["state"],
        "must not be mailed": suppressed,
        "topics": topics,
        "paused until": one["paused_until"],
        "time zone": one["timezone"],
        "came": f"{one['created_at'][:10]}, {one['source']}",
        "confirmed": one["confirmed_at"],
    }
    for name, value in said.items():
        if value:
            app.say(f"{name + ':':<20}{value}")
    for consent in kept["consents"]:
        app.say(f"{'consent:':<20}{consent['given_at'][:16]} {consent['kind']}, {consent['source']}")


@subscribers.command("list")
@state_option
@click.option("--search", default="", help="Only those with this in the address or the name.")
@click.option(
    "--limit", type=click.IntRange(min=1, max=2**31 - 1), default=50, show_default=True, help="How many at the most."
)
@with_app
def list_(app: App, state: audience.State | None, search: str, limit: int) -> None:
    """List subscribers, in the order they came."""
    with app.store() as db:
        found = list(audience.find_subscribers(db, state=state, search=search, limit=limit))
    if app.json:
        app.give([subscriber.as_dict() for subscriber in found])
        return
    if not found:
        app.say("Nobody; `digest subscribers add` or `import` brings them in.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("email", overflow="fold")
    for column in ("name", "state", "since"):
        table.add_column(column)
    for subscriber in found:
        state_shown = f"suppressed ({subscriber.suppressed})" if subscriber.suppressed else subscriber.state
        table.add_row(subscriber.email, subscriber.name or "", state_shown, subscriber.created_at[:10])
    app.out.print(table)
    if len(found) == limit:
        app.note(f"these are the first {limit}; --limit shows more")
