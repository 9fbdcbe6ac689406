"""`digest editors`."""

from __future__ import annotations

import click
from rich.table import Table

from digest import times
from digest.cli.app import App, Group, with_app
from digest.editors import people, sign_in
from digest.editors.audit import COMMAND_LINE
from digest.editors.people import ROLES, Editor, Role
from digest.store import Database, writing


@click.group(cls=Group)
def editors() -> None:
    """Add, list and remove those who may use the desk, and print a way in for one."""


@editors.command()
@click.argument("email")
@click.option("--name", default="", help="What colleagues see; the part before the @ where it is left out.")
@click.option(
    "--role",
    type=click.Choice(ROLES),
    help="What they may do: owner for the first one of all, editor for those who come after, unless it is given.",
)
@with_app
def add(app: App, email: str, name: str, role: Role | None) -> None:
    """Let EMAIL into the desk, and print a link that lets them in: once, within an hour, in any browser."""
    now = times.now()
    with app.store(create=True) as db, writing(db):
        editor = people.add(db, email, name=name, role=role, by=COMMAND_LINE, now=now)
        address = _way_in(app, db, editor)
    app.say(address)
    article = "an" if editor.role in ("editor", "owner") else "a"
    app.note(f"{editor.email} is {article} {editor.role}; the link lets them in once, within an hour, in any browser")
    app.give({**_shown(editor), "link": address})


@editors.command("list")
@with_app
def list_(app: App) -> None:
    """List the editors: what each may do, and when they were at the desk last."""
    with app.store() as db:
        found = people.everyone(db)
    app.give([_shown(editor) for editor in found])
    if not found:
        app.say("None; `digest editors add you@example.com` lets you in.")
    elif not app.json:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("name", "address", "role", "last seen"):
            table.add_column(column, overflow="fold")
        for editor in found:
            seen = times.for_people(times.from_text(editor.seen_at), app.settings.zone) if editor.seen_at else "never"
            table.add_row(editor.name, editor.email, editor.role, seen)
        app.out.print(table)


@editors.command()
@click.argument("email")
@click.argument("role", type=click.Choice(ROLES))
@with_app
def role(app: App, email: str, role: Role) -> None:
    """Give the editor EMAIL another ROLE: editor, publisher or owner."""
    with app.store() as db:
        editor = people.find_by_email(db, email)
        changed = people.change(db, editor.id, role=role, by=COMMAND_LINE, now=times.now())
    app.say(f"{changed.email} is {changed.role}{' already' if changed == editor else ''}.")
    app.give({"changed": changed != editor, **_shown(changed)})


@editors.command()
@click.argument("email")
@with_app
def remove(app: App, email: str) -> None:
    """Let the editor EMAIL in no more, and end their sessions; what they did stays in the audit."""
    with app.store() as db:
        removed = people.remove(db, people.find_by_email(db, email).id, by=COMMAND_LINE, now=times.now())
    app.say(f"{removed.email} is no editor any more.")
    app.give(_shown(removed))


@editors.command()
@click.argument("email")
@with_app
def link(app: App, email: str) -> None:
    """Print a link that lets the editor EMAIL in: once, within an hour, in any browser."""
    with app.store() as db:
        editor = people.find_by_email(db, email)
        address = _way_in(app, db, editor)
    app.say(address)
    app.note(f"it lets {editor.email} in once, within an hour; whoever has it can use it")
    app.give({**_shown(editor), "link": address})


def _way_in(app: App, db: Database, editor: Editor) -> str:
    # Here, because loading what signs links takes a moment that the other commands need not wait for.
    from digest.sending.copies import Signers

    now = times.now()
    links = Signers.of(db, app.settings, now=now).links
    return f"{app.settings.base_url}/desk/sign-in/{sign_in.print_link(db, links, editor.id, by=COMMAND_LINE, now=now)}"


def _shown(editor: Editor) -> dict[str, object]:
    return {
        "email": editor.email,
        "name": editor.name,
        "role": editor.role,
        "created_at": editor.created_at,
        "seen_at": editor.seen_at,
        "removed_at": editor.removed_at,
    }
