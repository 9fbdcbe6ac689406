"""The `digest` command: parses, calls, prints. No logic of its own."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from typing import NoReturn

import click
from click.shell_completion import get_completion_class

from digest import __version__
from digest.cli.app import FAILED, INTERRUPTED, App, Group, with_app
from digest.cli.catalogue import import_
from digest.cli.checks import check
from digest.cli.db import db
from digest.cli.demo import demo
from digest.cli.doctor import doctor
from digest.cli.editors import editors
from digest.cli.events import events
from digest.cli.issue import approve, cancel, draft, edit, pause, render, resume, show
from digest.cli.letters import letters
from digest.cli.providers import providers
from digest.cli.read_mail import read_bounces, read_mail
from digest.cli.report import report
from digest.cli.schedule import run_due, schedule
from digest.cli.sending import hold, resolve, retry_rejected, send, status, uncertain
from digest.cli.serve import serve
from digest.cli.settings import settings
from digest.cli.simulate import simulate
from digest.cli.subjects import subjects
from digest.cli.subscribers import subscribers
from digest.cli.suppressions import suppressions
from digest.cli.timeline import timeline
from digest.cli.tokens import tokens
from digest.cli.webhooks import webhooks
from digest.errors import DigestError, InputError
from digest.store import explain


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="digest")
def cli() -> None:
    """From a catalogue of tool comparisons to a weekly email, with every copy accounted for.

    \b
    The week:   digest import FILES    bring comparisons in
                digest draft           make the next issue of what is new
                digest show 1          look at it; `render 1 --out DIR` writes it as files
                digest check 1         see what would go wrong, and what to do
                digest approve 1       freeze it
                digest send 1          mail it to everyone
                digest status          see where everything stands

    To see all of it work in a minute: digest demo
    """


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@with_app
def completion(app: App, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash:  eval "$(digest completion bash)"      in ~/.bashrc
    zsh:   eval "$(digest completion zsh)"       in ~/.zshrc
    fish:  digest completion fish | source       in ~/.config/fish/config.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 (the choices are click's own)
    click.echo(kind(cli, {}, "digest", "_DIGEST_COMPLETE").source())


for command in (
    import_, draft, edit, subjects, show, render, check, approve, send, pause, resume, cancel, uncertain, resolve,
    hold, retry_rejected, status, report, subscribers, suppressions, letters,
    serve, schedule, run_due, editors, events, tokens, webhooks, settings, providers, simulate, db, doctor, demo,
):  # fmt: skip
    cli.add_command(command)
subscribers.add_command(read_mail)
subscribers.add_command(read_bounces)
subscribers.add_command(timeline)


def main() -> None:
    """Run the command; print what went wrong in one line, and exit with a code that says so."""
    try:
        result = cli.main(prog_name="digest", standalone_mode=False)
        sys.stdout.flush()
    except click.Abort:
        click.echo("digest: stopped", err=True)
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output has enough (`digest … | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except DigestError as error:
        _fail(str(error), error)
    except (OSError, sqlite3.Error) as error:
        if {"-v", "--verbose"} & set(sys.argv):
            raise
        _fail(_told(error), error)
    sys.exit(result if isinstance(result, int) else 0)


def _fail(message: str, error: Exception) -> NoReturn:
    """Say what went wrong on standard error, and as JSON too where that was asked for, and stop."""
    click.echo(f"digest: {message}", err=True)
    if "--json" in sys.argv:
        place = {"file": error.file, "line": error.line, "field": error.field} if isinstance(error, InputError) else {}
        click.echo(json.dumps({"error": {"message": message, **place}}, ensure_ascii=False, indent=2))
    sys.exit(FAILED)


def _told(error: OSError | sqlite3.Error) -> str:
    if isinstance(error, sqlite3.Error):
        return str(explain(error, "the store"))
    return f"{error.filename or 'the disk'}: {error.strerror}" if error.strerror else str(error)
