"""`digest letters`: the mails beside the issue, to look at, to mail, and to see what became of them."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path

import click
from rich.table import Table

from digest import times
from digest.audience import letterbox
from digest.audience.letterbox import Waiting
from digest.cli.app import IN_PART, App, Group, with_app
from digest.cli.stopping import Stopping
from digest.mail.letters import render_letter
from digest.mail.specimens import specimens
from digest.sending.copies import Signers
from digest.sending.postman import Postman
from digest.sending.workers import Worker


@click.group(cls=Group, invoke_without_command=True)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="The folder; made where there is none.")
@click.pass_context
def letters(context: click.Context, out: Path | None) -> None:
    """Write the letters beside the issue (confirm, welcome, goodbye, address, notice, sign-in, invitation, approval,
    trouble, sent, summary) as HTML, text and MJML, to look at; or mail those that are due, or list those that wait.
    """
    if context.invoked_subcommand is not None:
        if out is not None:
            raise click.UsageError("--out is for `digest letters --out DIR` alone.")
        return
    if out is None:
        raise click.MissingParameter(param=next(one for one in context.command.params if one.name == "out"))
    with_app(_write)(out)


def _write(app: App, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    written = {}
    for name, letter in specimens(app.settings).items():
        mail = render_letter(letter, app.settings)
        for kind, text in (("html", mail.html), ("txt", mail.text), ("mjml", mail.mjml)):
            path = out / f"{name}.{kind}"
            path.write_text(text, encoding="utf-8")
            written[path.name] = {"path": str(path), "bytes": len(text.encode())}
        app.say(f"{out / name}.html  {letter.subject}")
    app.give({"files": written})


@letters.command()
@with_app
def send(app: App) -> int:
    """Mail the letters that are due, and find out about those that are uncertain.

    `digest serve` does this by itself, every second. Several at once share the work, and nobody is mailed twice.
    """
    stopping = Stopping()
    settings = app.settings
    with app.store() as db, Worker(settings.db) as worker:
        signers = Signers.of(db, settings, now=times.now())
        postman = Postman.of(db, settings, signers, worker, say=app.note, stopping=stopping)
        asyncio.run(postman.deliver())
        left = letterbox.tally(db)
    done = {name: postman.done[name] for name in ("sent", "failed", "dropped")}
    app.say(f"{done['sent']} letters mailed, {done['failed']} refused for good, {done['dropped']} not needed any more.")
    if left["queued"] or left["uncertain"]:
        app.say(f"{left['queued']} are for later, {left['uncertain']} uncertain; `digest letters waiting` lists them.")
    app.give({**done, "queued": left["queued"], "uncertain": left["uncertain"]})
    return IN_PART if left["queued"] or left["uncertain"] or done["failed"] else 0


@letters.command()
@with_app
def waiting(app: App) -> None:
    """List the letters that were not mailed, or of which nobody knows it, and why."""
    with app.store() as db, Worker(app.settings.db) as worker:
        # What a living process has in hand is being mailed.
        found = [
            one
            for one in letterbox.waiting(db)
            if one.state != "claimed" or one.worker is None or not worker.lives(one.worker)
        ]
    app.give([asdict(one) for one in found])
    if app.json:
        return
    if not found:
        app.say("No letter waits.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("letter", "state", "to", "since", "why"):
        table.add_column(column, overflow="fold")
    for one in found:
        since = times.for_people(times.from_text(one.created_at), app.settings.zone)
        table.add_row(one.kind, _state(one), one.email, since, _why(one))
    app.out.print(table)
    if any(one.state == "uncertain" for one in found):
        app.say("Uncertain ones are never mailed twice; who misses one can ask for it again by the form.")


def _why(one: Waiting) -> str:
    # What keeps a whole provider from taking letters is known to the process that mails, and told by it.
    return one.trouble or ("due: `digest letters send` mails it, or says why not" if one.state == "queued" else "")


def _state(one: Waiting) -> str:
    return "uncertain" if one.state == "claimed" else one.state
