"""Resume: goes on with a run where its log ends; of a finished one, tells what it came to."""

from pathlib import Path

import click

from leadhand import api
from leadhand.cli.drive import drive, quiet_option
from leadhand.cli.options import json_option, run_argument, run_dir_option


@click.command("resume")
@run_argument
@run_dir_option
@json_option
@quiet_option
def command(run: str, run_dir: Path, as_json: bool, quiet: bool) -> int:
    """Continue a run that was interrupted or drained.

    Every actor goes on in mid-conversation. A finished run prints its result again.
    """

    async def begin(leadhand: api.Leadhand) -> api.RunHandle:
        return await leadhand.resume(run)

    return drive(run_dir, begin, as_json=as_json, quiet=quiet)
