"""`digest subscribers timeline`."""

from __future__ import annotations

import click
from rich.table import Table
from rich.text import Text

from digest import times
from digest.cli.app import App, Command, with_app

_BY = {"": "", "person": " (a person)", "machine": " (a machine)", "unsure": " (unsure who)"}


@click.command(cls=Command)
@click.argument("email")
@with_app
def timeline(app: App, email: str) -> None:
    """Show what happened between us and one subscriber: letters, issues, events, opens and clicks; the newest first."""
    # Here, because no other command should wait until it is loaded.
    from digest.tracking.timeline import timeline as timeline_of

    with app.store() as db:
        found = timeline_of(db, email)
    app.give(found.as_dict())
    if app.json:
        return
    barred = f", must not be mailed ({found.suppressed})" if found.suppressed else ""
    app.say(f"{found.email}: {found.state}{barred}")
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("when", no_wrap=True)
    table.add_column("issue", justify="right", no_wrap=True)
    table.add_column("what", overflow="fold")
    for moment in found.moments:
        local = times.from_text(moment.at).astimezone(app.settings.zone)
        by = _BY[moment.by]
        detail = f": {moment.detail}" if moment.detail else ""
        issue = "" if moment.issue is None else str(moment.issue)
        table.add_row(f"{local:%d %b %Y %H:%M:%S}", issue, f"{moment.what}{by}{detail}")
    app.out.print(table, soft_wrap=False)
    for note in found.notes:
        app.out.print(Text(note, style="dim"), soft_wrap=False)
