"""Refusals: what a caller can put right, often a model; each says what to do next."""

from collections.abc import Sequence
from typing import Any, ClassVar

from leadhand.errors import LeadhandError


class Refused(LeadhandError):
    """The request was refused.

    code: stable, snake_case. next_step: what the caller may do now. record: events that the
    refusal itself leaves in the log.
    """

    code: ClassVar[str] = "refused"
    default_next_step: ClassVar[str] = ""

    def __init__(self, message: str = "", next_step: str = "", record: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.next_step = next_step or self.default_next_step
        self.record = tuple(record)


class InvalidArguments(Refused):
    """The arguments do not fit the tool's schema."""

    code = "invalid_arguments"
    default_next_step = "Correct the arguments and call again."


class UnknownTool(Refused):
    """There is no such tool."""

    code = "unknown_tool"


class ToolNotAllowed(Refused):
    """This actor may not use that tool."""

    code = "tool_not_allowed"


class ToolFailed(Refused):
    """The tool ran and failed."""

    code = "tool_failed"


class OutsideWorkspace(Refused):
    """The path is outside the workspace and its added directories."""

    code = "outside_workspace"
    default_next_step = "Use a path inside the workspace; the operator may permit more in add_dirs."


class OutsideClaim(Refused):
    """The path is outside what this worker may write."""

    code = "outside_claim"
    default_next_step = "Write only what your claim names; say in your report what else is needed."


class OutsidePlan(Refused):
    """The path is outside the plan that was approved."""

    code = "outside_plan"
    default_next_step = "Write only what the plan names; a lead may propose another plan."


class WriteClaimOverlaps(Refused):
    """Another live worker may write the same files."""

    code = "write_claim_overlaps"
    default_next_step = (
        "Wait for that worker to settle, or give this one other files in `writes`: two workers do "
        "not write the same file at the same time."
    )


class HostNotAllowed(Refused):
    """The host is private or local, and this run does not allow it."""

    code = "host_not_allowed"
    default_next_step = (
        "Use a public URL, or report that this one is not reachable from here; the operator may "
        "permit the host in allow_hosts."
    )


class UnknownActor(Refused):
    """unknown actor"""

    code = "unknown_actor"
    default_next_step = "Call list_workers for the ids that exist."


class BudgetExceeded(Refused):
    """budget exceeded"""

    code = "budget_exceeded"
    default_next_step = (
        "Do not spawn more workers. Wait for the live ones and write the final report, listing "
        "what was deferred; or ask for less with budget_usd."
    )


class Uncounted(Refused):
    """the call may not fit: its tokens must be counted first"""

    code = "uncounted"


class MaxWorkersExceeded(Refused):
    """max_workers exceeded"""

    code = "max_workers_exceeded"
    default_next_step = "Wait for a running worker (wait_for_any) before spawning the next one."


class MaxTotalWorkersExceeded(Refused):
    """max_total_workers exceeded"""

    code = "max_total_workers_exceeded"
    default_next_step = (
        "Wait for a running worker of yours; workers of others take places of the same run."
    )


class MaxSubleadsExceeded(Refused):
    """max_subleads exceeded"""

    code = "max_subleads_exceeded"
    default_next_step = "Wait for a sub-lead to settle, or spawn workers instead."


class MaxDepthExceeded(Refused):
    """max_depth exceeded"""

    code = "max_depth_exceeded"
    default_next_step = "Spawn workers instead: you are as deep as leads may be in this run."


class SubleadBudgetExceeded(Refused):
    """sublead budget exceeded"""

    code = "sublead_budget_exceeded"


class MaxSpawnsExceeded(Refused):
    """max_total_spawns exceeded"""

    code = "max_total_spawns_exceeded"
    default_next_step = "Spawn no more workers in this run; report what was deferred."


class Draining(Refused):
    """run is draining: no new workers accepted"""

    code = "draining"
    default_next_step = "Collect what is finished and write the final report."


class OutOfTime(Refused):
    """the lead's time is up: no new workers accepted"""

    code = "out_of_time"
    default_next_step = "Write the final report now."


class WoundDown(Refused):
    """this actor is winding down: only its final answer is left"""

    code = "winding_down"
    default_next_step = "Write the final answer now."


class TurnsExhausted(Refused):
    """max_turns reached"""

    code = "turns_exhausted"


class Settled(Refused):
    """the actor or run has already settled"""

    code = "settled"
    default_next_step = (
        "Its result stands; list_workers (or `leadhand why RUN`) shows how everyone settled."
    )


class NamespaceDenied(Refused):
    """The namespace's law does not allow that."""

    code = "namespace_denied"
    default_next_step = (
        "Share what others shall read under /shared/...; what is yours alone is /peer/self/..."
    )


class StoreFull(Refused):
    """The shared store has no room for that."""

    code = "store_full"
    default_next_step = "Write over what is there, with less, or keep long texts in files."


class VersionDiffers(Refused):
    """The entry has another version."""

    code = "version_differs"
    default_next_step = "Read it with kv_get and compare again."


class LeaseHeld(Refused):
    """Another actor holds the lease."""

    code = "lease_held"
    default_next_step = "Ask with wait_secs to wait for it, or do something else first."


class NotHolder(Refused):
    """You do not hold that lease."""

    code = "not_holder"
    default_next_step = "Ask for it with lease_acquire before you go on."


class Paused(Refused):
    """the actor is paused"""

    code = "paused"
    default_next_step = "It takes no step before it is continued."


class NotPaused(Refused):
    """the actor is not paused"""

    code = "not_paused"
    default_next_step = (
        "It works. Send it a message for its next turn, or reprompt it to interrupt this one."
    )


class TurnTooLong(Refused):
    """the turn has been in flight for longer than its provider keeps a stream"""

    code = "turn_too_long"
    default_next_step = 'Pause it with the mode "cancel": the turn is asked again on continue.'


class MailboxFull(Refused):
    """the actor has too many unread messages"""

    code = "mailbox_full"
    default_next_step = "Wait until it has read them with its next call, or say it in fewer."


class ApprovalRejected(Refused):
    """approval rejected"""

    code = "approval_rejected"
    default_next_step = (
        "Do not do it another way. Go on without it, or end with what is done and what is not."
    )


class ApprovalTimedOut(Refused):
    """approval timed out: nobody answered in time"""

    code = "approval_timed_out"
    default_next_step = (
        "Do not do it another way. Go on without it, or end with what is done and what is not."
    )


class PlanApprovalRequired(Refused):
    """plan approval required: call propose_plan and wait for its approval before spawning"""

    code = "plan_approval_required"
    default_next_step = "Call propose_plan with what is to be done, by whom, and what may go wrong."


class TooManyQuestions(Refused):
    """too many questions wait for the operator already"""

    code = "too_many_questions"
    default_next_step = "Wait for their answers before you ask more."


class UnknownApproval(Refused):
    """there is no such question"""

    code = "unknown_approval"
    default_next_step = "`leadhand approvals RUN` lists what waits."


class AlreadyAnswered(Refused):
    """the question has its answer already"""

    code = "already_answered"
    default_next_step = "The first answer stands; `leadhand approvals RUN` lists what waits."


class UnknownModel(Refused):
    """The model is not known."""

    code = "unknown_model"
