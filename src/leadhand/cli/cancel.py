"""Cancel: ends a run, or one actor of it, through its owner or, where it has none, in its place."""

import asyncio
from pathlib import Path

import click

from leadhand.api import RunHandle
from leadhand.api.names import resume_command
from leadhand.cli.options import run_argument, run_dir_option, with_run
from leadhand.cli.paper import say


@click.command("cancel")
@run_argument
@click.argument("actor", required=False)
@click.option("--reason", default="", help="Why; the actors and the records tell it.")
@run_dir_option
def command(run: str, actor: str | None, reason: str, run_dir: Path) -> None:
    """End a run, or one actor and all below it.

    ACTOR is a path (root/W3), its end (W3) or a label.
    """

    async def cancelled(one: RunHandle) -> str:
        found = await one.cancel(actor, reason)
        if found.by_owner:
            return f"Cancelled {found.what}."
        then = resume_command(one.id, run_dir)
        return (
            f"Cancelled {found.what}. Nobody runs the run: what was under way settles at `{then}`."
        )

    say(asyncio.run(with_run(run_dir, run, cancelled)))
