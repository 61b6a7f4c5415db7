"""Pause: lets a run, an actor of it or all below one take no further step."""

import asyncio
from pathlib import Path

import click

from leadhand.api import RunHandle
from leadhand.cli.options import (
    run_argument,
    run_dir_option,
    subtree_option,
    told,
    with_run,
)
from leadhand.cli.paper import say


@click.command("pause")
@run_argument
@click.argument("actor", required=False)
@click.option(
    "--freeze",
    is_flag=True,
    help="Let sessions and their commands stand still where they are, instead of stopping turns.",
)
@subtree_option
@click.option("--reason", default="", help="Why; `why` and the tree tell it.")
@run_dir_option
def command(
    run: str, actor: str | None, freeze: bool, subtree: bool, reason: str, run_dir: Path
) -> None:
    """Let a run, an actor or all below it take no further step.

    ACTOR is a path (root/W3), its end (W3) or a label; without one, everybody. Its own time stands
    still until `leadhand continue`.
    """

    async def paused(one: RunHandle) -> str:
        found = await one.pause(actor, freeze=freeze, subtree=subtree, reason=reason)
        return told("Frozen" if freeze else "Paused", found, one.id, run_dir)

    say(asyncio.run(with_run(run_dir, run, paused)))
