"""Outcomes: what actors are, how they and runs may end, and what a lead's report says of it."""

from typing import Literal

from msgspec import Struct

# tasks: the root of a run without a lead, which has no session of its own.
Role = Literal["lead", "sublead", "worker", "tasks"]
Status = Literal[
    "Success",
    "Failed",
    "TimedOut",
    "Cancelled",
    "SpawnFailed",
    "BudgetExceeded",
    "ApprovalRejected",
    "ApprovalTimedOut",
]
RunStatus = Literal["running", "succeeded", "partial", "failed", "timed_out", "cancelled"]
# What a run may run out of, and be taken up again with more of.
Limit = Literal["budget", "time"]


class ReportItem(Struct, frozen=True, omit_defaults=True):
    """One bullet of a report; fields that it does not have stay empty."""

    worker_id: str = ""
    input: str = ""
    result: str = ""
    reason: str = ""
    usd: float | None = None


class Report(Struct, frozen=True, omit_defaults=True):
    """A lead's final report."""

    status: Literal["success", "partial", "failed"]
    completed: tuple[ReportItem, ...] = ()
    deferred_or_failed: tuple[ReportItem, ...] = ()
    cost_summary: tuple[ReportItem, ...] = ()
    trailing_text: str = ""
