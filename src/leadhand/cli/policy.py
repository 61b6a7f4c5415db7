"""Policy: what answers for the operator in a run, shown or changed while it goes on."""

import asyncio
from pathlib import Path
from typing import get_args

import click
import msgspec

from leadhand.api import RunHandle
from leadhand.cli.options import json_option, run_argument, run_dir_option, with_run
from leadhand.cli.paper import print_json, say
from leadhand.domain.manifest import ApprovalPolicy, Approvals, PolicyAction
from leadhand.domain.money import show
from leadhand.views.words import line, span


@click.command("policy")
@run_argument
@click.option(
    "--set",
    "path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Let the [[approval_policy]] tables of this TOML file hold from now on.",
)
@click.option(
    "--default",
    type=click.Choice(get_args(PolicyAction)),
    help="What becomes from now on of a question that no policy fits.",
)
@run_dir_option
@json_option
def command(
    run: str, path: Path | None, default: PolicyAction | None, run_dir: Path, as_json: bool
) -> None:
    """Show or change what answers for you in a run.

    Questions that wait already go on waiting.
    """

    async def changed(one: RunHandle) -> Approvals:
        if path is None and default is None:
            return await one.policies()
        return await one.change_policies(path, default=default)

    found = asyncio.run(with_run(run_dir, run, changed))
    if as_json:
        print_json(found)
        return
    for number, each in enumerate(found.policies, 1):
        say(f"{number}. {told(each)}")
    say(f"Else a question: {found.default}. A tool call that no policy fits is not asked about.")
    if found.plan_required:
        say("The lead's plan is to be approved before anybody is spawned.")


def told(policy: ApprovalPolicy) -> str:
    """A policy on one line."""
    fields = msgspec.to_builtins(policy)
    action, reason = fields.pop("action"), fields.pop("reason", "")
    cost = fields.pop("cost_over_nanousd", None)
    ttl_secs, fallback = fields.pop("ttl_secs", policy.ttl_secs), fields.pop("fallback", "")
    when = [f"{name} {line(str(value), 200)}" for name, value in fields.items()]
    when += [f"cost over {show(cost)}"] if cost is not None else []
    told = f"{action}: {', '.join(when) or 'everything'}"
    if action == "block":
        told += f"; waits for {span(ttl_secs * 1000)}, then {fallback or policy.fallback}"
    return told + (f" ({line(reason)})" if reason else "")
