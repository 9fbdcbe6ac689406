"""`digest demo`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from digest import times
from digest.cli.app import App, Command, with_app
from digest.demo import FOLDER, Demo


@click.command(cls=Command)
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=FOLDER,
    show_default=True,
    help="The folder it happens in.",
)
@click.option("--force", is_flag=True, help="Start afresh without asking.")
@with_app
def demo(app: App, folder: Path, force: bool) -> None:
    """Try the whole week in a minute: sample catalogue, 1,000 made-up subscribers, an issue sent to a mailbox.

    Nothing leaves this machine: the mails land in a Maildir in the demo's own folder.
    """
    # In `make demo` the command is not on the PATH.
    show = Demo(folder, app.settings, "digest" if shutil.which("digest") else sys.argv[0])
    if show.exists() and not force and sys.stdin.isatty():
        click.confirm(f"{folder} is there from an earlier demo. Start afresh?", abort=True, default=True, err=True)
    with app.progress("Sending to the outbox", None) as advance:
        result = show.run(now=times.now(), say=app.say, sent=advance)
    app.give(result)
