"""Approvals: what the actors of a run ask of its operator."""

import asyncio
from pathlib import Path

import click

from leadhand.api import RunHandle
from leadhand.api.names import command_on
from leadhand.cli.options import json_option, run_argument, run_dir_option, with_run
from leadhand.cli.paper import dollars, heading, print_json, say
from leadhand.views.inbox import Question
from leadhand.views.words import line, plain, span

DETAILS_MAX = 2_000


@click.command("approvals")
@run_argument
@run_dir_option
@json_option
def command(run: str, run_dir: Path, as_json: bool) -> None:
    """The questions of a run that wait for your answer."""

    async def asked(one: RunHandle) -> tuple[str, list[Question]]:
        return one.id, await one.approvals()

    run_id, found = asyncio.run(with_run(run_dir, run, asked))
    if as_json:
        print_json(found)
        return
    if not found:
        say("Nothing waits for an answer.")
        return
    for each in found:
        tell(each)
    say(f"Answer: {command_on('approve', run_id, run_dir)} {found[0].approval}")
    say(f"    or: {command_on('reject', run_id, run_dir)} {found[0].approval} --reason TEXT")


def tell(each: Question) -> None:
    """Print one question."""
    label = f" ({line(each.label, 80)})" if each.label else ""
    cost = f", {dollars(each.cost_usd)}" if each.cost_usd else ""
    tool = f" {line(each.tool, 80)}" if each.tool else ""
    say(f"{heading(each.approval)}  {each.actor}{label}  {each.category}{tool}{cost}")
    say(f"    {line(each.summary, 1_000)}")
    if each.details not in ("", "{}"):
        say(f"    {line(plain(each.details), DETAILS_MAX)}")
    then = "approved" if each.fallback == "auto_approve" else "rejected"
    say(f"    waits for {span(each.waiting_ms)}; {then} by itself in {span(each.left_ms)}")
