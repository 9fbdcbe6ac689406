"""`digest settings`."""

from __future__ import annotations

from dataclasses import asdict

import click
from rich.table import Table

from digest.cli.app import App, Command, with_app
from digest.errors import SettingsError


@click.command(cls=Command)
@with_app
def settings(app: App) -> None:
    """Print every setting: its value, where it came from and what it means. Secrets are masked.

    A setting is taken from digest.toml, from the environment (DIGEST_BASE_URL for base_url) and from the
    command line (--set base_url=...), the later winning. What was chosen in the desk counts where none of them
    sets it, and is shown as from "desk". A provider's option is called resend.key, a table
    [resend] in digest.toml and DIGEST_RESEND_KEY in the environment.
    """
    found = app.loaded.explain()
    chosen = (app.settings.provider, app.settings.failover, app.settings.letters_provider)
    for name in filter(None, dict.fromkeys(chosen)):
        try:
            app.settings.options_for(name)
        except SettingsError as error:
            app.note(str(error))
    if app.json:
        app.give([asdict(setting) for setting in found])
        return
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    table.add_column("setting", no_wrap=True)
    for column in ("value", "from"):
        table.add_column(column, overflow="fold")
    table.add_column("meaning", overflow="fold", ratio=1)
    for setting in found:
        table.add_row(setting.name, setting.value, setting.source, setting.meaning)
    app.out.print(table, soft_wrap=False)
