"""Why: plain sentences about what a run or an actor waits for, or why it ended as it did."""

import asyncio
from pathlib import Path

import click

from leadhand.cli.options import json_option, run_argument, run_dir_option, with_run
from leadhand.cli.paper import faint, heading, print_json, say

ACTORS_MAX = 30


@click.command("why")
@run_argument
@click.argument("actor", required=False)
@run_dir_option
@json_option
def command(run: str, actor: str | None, run_dir: Path, as_json: bool) -> None:
    """Why a run or an actor waits, failed or never started.

    ACTOR is a path (root/W3), its end (W3) or a label. Without it: the run, and every actor of
    it that lives or failed.
    """
    found = asyncio.run(with_run(run_dir, run, lambda one: one.why(actor)))
    if as_json:
        print_json(found)
        return
    for each in found[: ACTORS_MAX + 1]:
        say(heading(each.about or "the run"))
        for sentence in each.sentences:
            say(f"  {sentence}")
    if len(found) > ACTORS_MAX + 1:
        say(faint(f"{len(found) - ACTORS_MAX - 1} more actors: name one, or take --json"))
