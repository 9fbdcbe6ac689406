"""`digest completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from digest.cli.app import App, Command, with_app


@click.command(cls=Command)
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
    click.echo(kind(click.get_current_context().find_root().command, {}, "digest", "_DIGEST_COMPLETE").source())
