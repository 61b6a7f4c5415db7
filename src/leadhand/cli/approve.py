"""Approve: lets what an actor asked for happen."""

import asyncio
from pathlib import Path

import click

from leadhand.api import RunHandle
from leadhand.cli.options import approval_argument, run_argument, run_dir_option, with_run
from leadhand.cli.paper import say
from leadhand.cli.reject import answered


@click.command("approve")
@run_argument
@approval_argument
@click.option("--comment", default="", metavar="TEXT", help="What the actor is told with it.")
@click.option(
    "--edited-summary",
    default="",
    metavar="TEXT",
    help="What is approved, in place of what was asked for.",
)
@run_dir_option
def command(run: str, approval: str, comment: str, edited_summary: str, run_dir: Path) -> None:
    """Let what an actor asked for happen.

    APPROVAL is the id that `approvals` shows: A1.
    """

    async def approved(one: RunHandle) -> tuple[str, bool]:
        return one.id, await one.approve(approval, comment, edited_summary=edited_summary)

    run_id, by_owner = asyncio.run(with_run(run_dir, run, approved))
    say(answered(f"Approved {approval}.", run_id, run_dir, by_owner=by_owner))
