"""Status: how one run stands, at the price of reading one row."""

import asyncio
from pathlib import Path

import click

from leadhand.api import RunHandle, Standing
from leadhand.api.names import command_on, resume_command
from leadhand.cli.options import json_option, run_argument, run_dir_option, with_run
from leadhand.cli.paper import dollars, heading, local, print_json, say, state, table
from leadhand.views.words import counted, line, span


@click.command("status")
@run_argument
@run_dir_option
@json_option
def command(run: str, run_dir: Path, as_json: bool) -> None:
    """How one run stands."""
    found = asyncio.run(with_run(run_dir, run, RunHandle.status))
    if as_json:
        print_json(found)
        return
    say(f"{heading(found.run_id)}  {state(found.status)}{remarks(found)}")
    for text in table(facts(found, run_dir), indent="  "):
        say(text)


def remarks(found: Standing) -> str:
    """What the status alone does not say."""
    words = ["draining"] if found.draining else []
    words += ["cancelled"] if found.cancelled and found.status != "cancelled" else []
    return f" ({', '.join(words)})" if words else ""


def facts(found: Standing, run_dir: Path) -> list[tuple[str, str]]:
    """What is known, with its names."""
    rows = [("lead", line(found.lead))] if found.lead else []
    if found.started_wall_ms:
        rows.append(("started", local(found.started_wall_ms)))
        rows.append(("ran for", span(found.ran_ms)))
        rows.append(("cost", f"{dollars(found.cost_usd)} of {dollars(found.budget_usd)}"))
        failed = f", {found.failed} of them failed" if found.failed else ""
        rows.append(("actors", f"{found.live} live, {found.settled} settled{failed}"))
    if found.parked:
        until_ms = found.parked_until_wall_ms
        until = f"until {local(until_ms)}" if until_ms else "until it is resumed"
        rows.append(("parked", f"{until}: {line(found.parked)}"))
    if found.questions:
        waiting = counted(found.questions, "question")
        rows.append(("asks you", f"{waiting}: {command_on('approvals', found.run_id, run_dir)}"))
    if found.paused:
        go_on = command_on("continue", found.run_id, run_dir)
        rows.append(("paused", f"{counted(found.paused, 'actor')}, until {go_on}"))
    if found.notices_why:
        rows.append(("not told", untold(found)))
    if found.owner:
        rows.append(("run by", line(found.owner)))
    if found.preview:
        rows.append(("last words", line(found.preview)))
    rows.append(("folder", str(run_dir / found.run_id)))
    if found.resumable:
        rows.append(("go on", resume_command(found.run_id, run_dir)))
    elif found.owner:
        rows.append(("watch", command_on("events", found.run_id, run_dir) + " --follow"))
    elif found.failed or found.status != "succeeded":
        rows.append(("reasons", command_on("why", found.run_id, run_dir)))
    return rows


def untold(found: Standing) -> str:
    """What the operator's sinks were not told of."""
    dropped = f"{counted(found.notices_dropped, 'notice')} dropped" if found.notices_dropped else ""
    waiting = f"{found.notices_waiting} waiting" if found.notices_waiting else ""
    return f"{', '.join(filter(None, (dropped, waiting)))}: {line(found.notices_why)}"
