"""Report: the tool by which a worker says, as its last act, how its task ended."""

from leadhand.contracts.report_form import ReportForm, delivered
from leadhand.contracts.returns import Judge
from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.harness import Owner
from leadhand.refusals import InvalidArguments
from leadhand.tool import Caller, Role, Tool

REPORTED = "Reported: your session ends with this turn."
ROLES: frozenset[Role] = frozenset({"worker"})


def report_tool(owner: Owner, judge: Judge | None = None) -> Tool:
    """The tool, for one run. judge: holds returned values against their schemas; without one that
    is left to the checks."""

    async def report(caller: Caller, args: ReportForm) -> str:
        try:
            delivery = delivered(args)
        except (ValueError, TypeError, RecursionError) as error:
            raise InvalidArguments(f"report: {error}") from error
        duty = owner.run.live(caller.actor_id).duty
        if duty.returns and delivery.status == "completed":
            if not delivery.returns:
                raise InvalidArguments(
                    "report: your task is to return a value, and `returns` is not there",
                    "Call report again with the value in `returns`.",
                )
            schema = await schema_of(caller)
            wrong = await judge.faults(caller.actor_id, schema, delivery.returns) if judge else []
            if wrong:
                raise InvalidArguments(
                    f"report: the value does not fit its schema: {'; '.join(wrong)}",
                    "Call report again with a value that fits.",
                )
        await owner.submit(c.RecordOutcome(caller.actor_id, caller.call_id, delivery))
        return REPORTED

    async def schema_of(caller: Caller) -> str:
        events = await owner.history(caller.actor_id)
        return next(each.contract.returns for each in events if isinstance(each, e.ActorSpawned))

    return Tool(
        name="report",
        description="Say how your task ended, as your last act: your session ends with it. What "
        "you say is checked. `summary` is your result.",
        args=ReportForm,
        roles=ROLES,
        effect="keyed",
        category="orchestration",
        handler=report,
    )
