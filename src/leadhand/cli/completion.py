"""Completion: the lines by which a shell completes verbs, options and the ids of runs."""

import os

import click
from click.shell_completion import get_completion_class, shell_complete

from leadhand.cli.paper import say
from leadhand.errors import Bug

PROGRAM = "leadhand"
VARIABLE = "_LEADHAND_COMPLETE"
SHELLS = ("bash", "zsh", "fish")
PLACES = {
    "bash": 'put  eval "$(leadhand completion bash)"  into ~/.bashrc',
    "zsh": 'put  eval "$(leadhand completion zsh)"  into ~/.zshrc',
    "fish": "leadhand completion fish > ~/.config/fish/completions/leadhand.fish",
}


@click.command("completion", epilog="; ".join(f"{shell}: {PLACES[shell]}" for shell in SHELLS))
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print what makes a shell complete verbs, options and runs."""
    found = get_completion_class(shell)
    if found is None:
        raise Bug(f"click completes nothing for {shell}")
    # The script is click's own; its instance only fills in the names.
    complete = found(click.Group(PROGRAM), {}, PROGRAM, VARIABLE)
    say(complete.source_template % complete.source_vars())


def answer(verbs: click.Group) -> int:
    """Answer a shell that asks what fits, as its variable says; nothing fits what is mistyped."""
    try:
        return shell_complete(verbs, {}, PROGRAM, VARIABLE, os.environ.get(VARIABLE, ""))
    except (click.ClickException, click.exceptions.Exit):
        return 1
