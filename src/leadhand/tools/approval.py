"""Approval: the tools by which an actor asks the operator before it goes on."""

import hashlib
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from leadhand.domain import commands as c
from leadhand.domain.manifest import ApprovalFallback
from leadhand.domain.questions import Question, binding
from leadhand.harness import Owner
from leadhand.refusals import InvalidArguments
from leadhand.tool import EVERYONE, LEADS, Caller, Tool
from leadhand.tools.gate import answered
from leadhand.tools.spawn import amount

TTL_MAX_SECS = 86_400
Text = Annotated[str, Meta(min_length=1, max_length=8_000)]
Lines = Annotated[list[Annotated[str, Meta(max_length=2_000)]], Meta(max_length=200)]


class Plan(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be done. resources: what is written, as paths or globs below your directory, which
    then binds you and your workers; what is said in words binds nothing."""

    summary: Text
    rationale: Annotated[str, Meta(max_length=8_000)] = ""
    resources: Lines = []
    risks: Lines = []
    rollback: Annotated[str, Meta(max_length=8_000)] = ""


class RequestApproval(Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of request_approval."""

    summary: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=4_000,
            description="What you want to do and why, so that it can be judged from this alone.",
        ),
    ]
    plan: Plan | None = None
    tool_name: Annotated[
        str, Meta(max_length=100, description="The tool you would call, if it is one.")
    ] = ""
    cost_estimate: (
        Annotated[float, Meta(ge=0, description="What it may cost, in dollars.")] | None
    ) = None
    ttl_secs: (
        Annotated[int, Meta(ge=1, le=TTL_MAX_SECS, description="How long the question may wait.")]
        | None
    ) = None
    fallback: (
        Annotated[
            Literal["auto_reject", "auto_approve"],
            Meta(description="What answers it then: only auto_reject is yours to choose."),
        ]
        | None
    ) = None


class ProposePlan(Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of propose_plan."""

    plan: Plan


class Answered(Struct, frozen=True, omit_defaults=True):
    """The answer. comment, reason: the operator's words with a yes or a no. edited_summary: what is
    approved instead of what was asked. from_ttl: nobody answered in time."""

    approval_id: str
    approved: bool
    comment: str = ""
    reason: str = ""
    edited_summary: str = ""
    from_ttl: bool = False
    next: str = ""


REJECTED = "Do not do it another way. Go on without it, or end with what is done and what is not."
EDITED = "Only what edited_summary says is approved."


def approval_tools(owner: Owner) -> list[Tool]:
    """The tools, for one run."""

    async def request_approval(caller: Caller, args: RequestApproval) -> Answered:
        if args.fallback == "auto_approve":
            raise InvalidArguments(
                "fallback: a question is not approved by whom it binds",
                "Leave fallback out; the operator's policies may say auto_approve.",
            )
        cost = amount("cost_estimate", args.cost_estimate) or 0
        category: Literal["tool_use", "plan", "cost"] = "tool_use"
        if args.plan is not None:
            category = "plan"
        elif args.cost_estimate is not None:
            category = "cost"
        question = Question(category, tool=args.tool_name, cost_nanousd=cost)
        resources = binding(args.plan.resources) if args.plan else ()
        ttl_secs, fallback = args.ttl_secs, args.fallback
        return await put(owner, caller, question, args.summary, args, ttl_secs, fallback, resources)

    async def propose_plan(caller: Caller, args: ProposePlan) -> Answered:
        resources = binding(args.plan.resources)
        return await put(
            owner, caller, Question("plan"), args.plan.summary, args, resources=resources
        )

    return [
        Tool(
            name="request_approval",
            description="Ask the operator before something that is costly, risky or beyond your "
            "task, and wait for the answer.",
            args=RequestApproval,
            roles=EVERYONE,
            effect="keyed",
            category="orchestration",
            handler=request_approval,
        ),
        Tool(
            name="propose_plan",
            description="Lay your plan before the operator and wait until it is approved.",
            args=ProposePlan,
            roles=LEADS,
            effect="keyed",
            category="orchestration",
            handler=propose_plan,
        ),
    ]


async def put(
    owner: Owner,
    caller: Caller,
    question: Question,
    summary: str,
    args: Struct,
    ttl_secs: int | None = None,
    fallback: ApprovalFallback | None = None,
    resources: tuple[str, ...] = (),
) -> Answered:
    """Ask a question and wait for its answer; the same call asks it once."""
    details = msgspec.json.encode(args, order="deterministic")
    digest = hashlib.sha256(details).hexdigest()
    asked = msgspec.structs.replace(question, digest=digest)
    await owner.submit(
        c.AskApproval(
            caller.actor_id,
            caller.call_id,
            asked,
            summary,
            details.decode(),
            ttl_secs,
            fallback,
            resources,
        )
    )
    answer = await answered(owner, caller)
    found = owner.run.live(caller.actor_id).approvals[caller.call_id]
    if not answer.approved:
        return Answered(
            found.id, False, reason=answer.comment, from_ttl=answer.by == "ttl", next=REJECTED
        )
    return Answered(
        found.id,
        True,
        comment=answer.comment,
        edited_summary=answer.edited_summary,
        from_ttl=answer.by == "ttl",
        next=EDITED if answer.edited_summary else "",
    )
