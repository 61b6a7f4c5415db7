"""Resume: goes on with a run where its log ends; of a finished one, tells what it came to."""

from pathlib import Path

import click

from leadhand import wiring
from leadhand.cli.drive import drive, quiet_option
from leadhand.cli.options import json_option, run_argument, run_dir_option, run_named
from leadhand.store import Store


@click.command("resume")
@run_argument
@run_dir_option
@json_option
@quiet_option
def command(run: str, run_dir: Path, as_json: bool, quiet: bool) -> int:
    """Continue a run that was interrupted or drained.

    Every actor goes on in mid-conversation. A finished run prints its result again.
    """

    async def begin(store: Store) -> wiring.LiveRun:
        run_id = run_named(await store.runs(), run, run_dir)
        return await wiring.resume_run(store, run_dir, run_id)

    return drive(run_dir, begin, as_json=as_json, quiet=quiet)
