"""Send: leaves a message that an actor reads with its next turn."""

import asyncio
from pathlib import Path

import click

from leadhand.api import RunHandle
from leadhand.cli.options import run_argument, run_dir_option, subtree_option, told, with_run
from leadhand.cli.paper import say


@click.command("send")
@run_argument
@click.argument("actor")
@click.argument("message")
@subtree_option
@run_dir_option
def command(run: str, actor: str, message: str, subtree: bool, run_dir: Path) -> None:
    """Leave a message that an actor reads with its next turn.

    ACTOR is a path (root/W3), its end (W3) or a label; the lead is root, and root with --subtree
    is everybody.
    """

    async def sent(one: RunHandle) -> str:
        found = await one.send(actor, message, subtree=subtree)
        return told("Sent to", found, one.id, run_dir)

    say(asyncio.run(with_run(run_dir, run, sent)))
