"""Reprompt: interrupts an actor's turn, which goes on with a new prompt."""

import asyncio
from pathlib import Path

import click

from leadhand.api import RunHandle
from leadhand.cli.options import run_argument, run_dir_option, told, with_run
from leadhand.cli.paper import say


@click.command("reprompt")
@run_argument
@click.argument("actor")
@click.argument("prompt")
@run_dir_option
def command(run: str, actor: str, prompt: str, run_dir: Path) -> None:
    """Interrupt an actor's turn and let it go on with a new prompt.

    ACTOR is a path (root/W3), its end (W3) or a label; the lead is root. A tool that it runs is
    stopped, and its model is told so. What is paused goes on.
    """

    async def reprompted(one: RunHandle) -> str:
        return told("Reprompted", await one.reprompt(actor, prompt), one.id, run_dir)

    say(asyncio.run(with_run(run_dir, run, reprompted)))
