"""Finish: the tool by which a lead whose session is outside ends it with its report."""

from typing import Annotated

from msgspec import Meta, Struct

from leadhand.briefing import REPORT
from leadhand.domain import commands as c
from leadhand.harness import Owner
from leadhand.tool import Caller, Role, Tool

ROLES: frozenset[Role] = frozenset({"lead"})


class Finish(Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of finish."""

    report: Annotated[str, Meta(min_length=1, description="Your final report.")]


class Finished(Struct, frozen=True, omit_defaults=True):
    """Whether the run ends now, and what to do where it does not."""

    finished: bool
    why: str = ""
    next: str = ""


def finish_tool(owner: Owner) -> Tool:
    """The tool, for one run."""

    async def finish(caller: Caller, args: Finish) -> Finished:
        actor = caller.actor_id
        await owner.submit(c.RecordExit(actor, "completed", args.report))
        if actor not in owner.run.actors:
            return Finished(finished=True)
        return Finished(
            finished=False,
            why="that is no report, or there is mail for you to read first",
            next=f"Read the mail with this result, if there is any. {REPORT}",
        )

    return Tool(
        name="finish",
        description=f"End the run with your report, as your last act. Live workers are told to "
        f"wrap up, so wait for them before. {REPORT}",
        args=Finish,
        roles=ROLES,
        effect="keyed",
        category="orchestration",
        handler=finish,
    )
