"""Policy: which rule of the operator answers a question, before anybody is asked."""

from fnmatch import fnmatchcase

from msgspec.structs import replace

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.clock import At, Now
from leadhand.domain.manifest import ApprovalPolicy
from leadhand.domain.questions import Question
from leadhand.domain.state import Actor, Run
from leadhand.refusals import Settled


def judged(run: Run, actor: Actor, question: Question) -> ApprovalPolicy | None:
    """The first policy that fits a question; None where none does."""
    assert run.manifest is not None
    fitting = (each for each in run.manifest.approvals.policies if fits(each, actor, question))
    return next(fitting, None)


def fits(policy: ApprovalPolicy, actor: Actor, question: Question) -> bool:
    """Whether all that a policy names is so."""
    cost = policy.cost_over_nanousd
    return (
        matches(actor.id, policy.actor)
        and policy.role in (None, actor.role)
        and policy.category in (None, question.category)
        and matches(question.tool, policy.tool)
        and (not policy.path or any(matches(each, policy.path) for each in question.paths))
        and matches(question.command, policy.command)
        and matches(question.host, policy.host)
        and (cost is None or question.cost_nanousd > cost)
    )


def matches(text: str, glob: str) -> bool:
    """Whether a glob fits a text; an empty one fits every text."""
    return not glob or fnmatchcase(text, glob)


def change(run: Run, command: c.ChangePolicies, now: Now) -> list[e.Event]:
    """Let other policies hold from now on. Raises Settled."""
    if run.manifest is None or run.status != "running":
        raise Settled("the run is not going on: no policy of it can be changed")
    approvals = run.manifest.approvals
    if (approvals.policies, approvals.default) == (command.policies, command.default):
        return []
    return [
        e.PoliciesChanged(policies=command.policies, default=command.default, by=command.by),
    ]


def evolve_changed(run: Run, event: e.PoliciesChanged, at: At) -> None:
    """The manifest holds what holds now."""
    assert run.manifest is not None
    approvals = replace(run.manifest.approvals, policies=event.policies, default=event.default)
    run.manifest = replace(run.manifest, approvals=approvals)
