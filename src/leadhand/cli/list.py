"""List: all runs of a folder, the latest first."""

import asyncio
from pathlib import Path

import click

from leadhand import api
from leadhand.cli.options import json_option, run_dir_option
from leadhand.cli.paper import dollars, faint, heading, local, print_json, say, state, table
from leadhand.views.words import clock, line

COLUMNS = ("RUN", "STATUS", "LEAD", "STARTED", "TIME", "COST", "ACTORS")
NUMBERS = (4, 5, 6)


@click.command("list")
@run_dir_option
@json_option
def command(run_dir: Path, as_json: bool) -> None:
    """All runs, the latest first."""
    found = asyncio.run(read(run_dir))
    if as_json:
        print_json(found)
    elif not found:
        say(f"There is no run in {run_dir}.")
    else:
        shown = [each for each in found if not each.error]
        rows = [tuple(map(heading, COLUMNS)), *map(row, shown)]
        for text in table(rows, NUMBERS) if shown else []:
            say(text)
        for each in found:
            if each.error:
                say(f"{each.run_id}  {state(each.status)}  {faint(line(each.error, 1_000))}")


async def read(run_dir: Path) -> list[api.Standing]:
    """How each run stands."""
    async with api.open(run_dir) as leadhand:
        return await leadhand.list()


def row(run: api.Standing) -> tuple[str, ...]:
    """A run as a row."""
    failed = f", {run.failed} failed" if run.failed else ""
    status = "draining" if run.draining else run.status
    return (
        run.run_id,
        state(status),
        line(run.lead, 30),
        local(run.started_wall_ms, "%Y-%m-%d %H:%M") if run.started_wall_ms else "",
        clock(run.ran_ms),
        dollars(run.cost_usd),
        f"{run.live + run.settled}{failed}",
    )
