"""Continue: lets what is paused go on, and gives a settled worker another stint."""

import asyncio
from pathlib import Path

import click

from leadhand.api import RunHandle
from leadhand.cli.options import run_argument, run_dir_option, subtree_option, told, with_run
from leadhand.cli.paper import say


@click.command("continue")
@run_argument
@click.argument("actor", required=False)
@click.option("--prompt", default="", metavar="TEXT", help="What the actor is told.")
@subtree_option
@run_dir_option
def command(run: str, actor: str | None, prompt: str, subtree: bool, run_dir: Path) -> None:
    """Let what is paused go on, or give a settled worker another stint.

    ACTOR is a path (root/W3), its end (W3) or a label; without one, all that is paused. A settled
    worker goes on with its whole conversation, and takes money and a place as a new one would.
    """

    async def continued(one: RunHandle) -> str:
        found = await one.continue_(actor, prompt, subtree=subtree)
        return told("Continued", found, one.id, run_dir)

    say(asyncio.run(with_run(run_dir, run, continued)))
