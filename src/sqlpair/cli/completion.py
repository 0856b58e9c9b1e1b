"""sqlpair completion: print what lets a shell complete sqlpair's words."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from sqlpair.cli import options, output


@click.command("completion", cls=options.Command)
@options.argument(
    "shell",
    "Which one.",
    type=click.Choice(["bash", "zsh", "fish"]),
)
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print a script that lets a shell complete commands, databases and templates.

    For bash, add to ~/.bashrc: eval "$(sqlpair completion bash)". For zsh, add to
    ~/.zshrc: eval "$(sqlpair completion zsh)". For fish: sqlpair completion fish >
    ~/.config/fish/completions/sqlpair.fish.
    """
    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(context.find_root().command, {}, "sqlpair", "_SQLPAIR_COMPLETE")
    output.raw(script.source_template % script.source_vars())
