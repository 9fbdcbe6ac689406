"""The `digest` command: parses, calls, prints. No logic of its own."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from typing import NoReturn

import click

from digest import __version__
from digest.cli.app import FAILED, INTERRUPTED
from digest.cli.commands import Every
from digest.errors import DigestError, InputError


@click.group(cls=Every, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
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
        # Here, because a command that met no store has not loaded it.
        from digest.store import explain

        return str(explain(error, "the store"))
    return f"{error.filename or 'the disk'}: {error.strerror}" if error.strerror else str(error)
