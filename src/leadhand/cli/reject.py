"""Reject: keeps what an actor asked for from happening."""

import asyncio
from pathlib import Path

import click

from leadhand.api import RunHandle
from leadhand.api.names import resume_command
from leadhand.cli.options import approval_argument, run_argument, run_dir_option, with_run
from leadhand.cli.paper import say


@click.command("reject")
@run_argument
@approval_argument
@click.option("--reason", default="", metavar="TEXT", help="Why; the actor is told.")
@run_dir_option
def command(run: str, approval: str, reason: str, run_dir: Path) -> None:
    """Keep what an actor asked for from happening.

    APPROVAL is the id that `approvals` shows: A1.
    """

    async def rejected(one: RunHandle) -> tuple[str, bool]:
        return one.id, await one.reject(approval, reason)

    run_id, by_owner = asyncio.run(with_run(run_dir, run, rejected))
    say(answered(f"Rejected {approval}.", run_id, run_dir, by_owner=by_owner))


def answered(what: str, run_id: str, run_dir: Path, *, by_owner: bool) -> str:
    """What has come of an answer."""
    if by_owner:
        return what
    return (
        f"{what} Nobody runs the run: it goes on from there at `{resume_command(run_id, run_dir)}`."
    )
