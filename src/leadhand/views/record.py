"""Record: what is kept of an actor that has settled, and of a run that has finished."""

from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from leadhand.domain import events as e
from leadhand.domain.contract import Delivery, Evidence
from leadhand.domain.ids import ROOT
from leadhand.domain.money import Usage, as_usd
from leadhand.domain.state import Record, Run
from leadhand.folder import Folder


class TaskRecord(Struct, frozen=True):
    """One line of summary.jsonl. Times are ISO 8601 in UTC; cost_usd is for reading only.
    outcome: what the checks came to; reported: how the worker said that it ended; evidence: what
    each check found, what fails first."""

    task_id: str
    parent_task_id: str | None
    path: str
    role: str
    label: str
    status: str
    exit_code: int
    started_at: str
    ended_at: str
    duration_ms: int
    model: str
    harness: str
    token_usage: dict[str, int]
    cost_usd: float
    worktree_path: str | None
    branch: str | None
    session_id: str
    final_message_preview: str
    error: str
    turns: int
    log_path: str
    stint: int = 1
    outcome: str = "unverified"
    reported: str = ""
    evidence: tuple[Evidence, ...] = ()
    report: Delivery | None = None


class Proofs(Struct, frozen=True):
    """What an actor reported in its last stint, and what the checks of it found."""

    report: Delivery | None = None
    evidence: tuple[Evidence, ...] = ()

    def after(self, event: e.Event) -> "Proofs":
        """The same, with what one more event of the actor says."""
        match event:
            case e.ActorContinued():
                return Proofs()
            case e.OutcomeReported():
                return replace(self, report=event.delivery)
            case e.ChecksRecorded():
                return replace(self, evidence=event.evidence)
            case _:
                return self


class Summary(Struct, frozen=True):
    """summary.json: how a run ended."""

    run_id: str
    status: str
    started_at: str
    ended_at: str | None
    cost_usd: float
    budget_usd: float
    token_usage: dict[str, int]
    models: dict[str, float]
    cache_saved_usd: float
    report: e.Report | None
    report_by: str
    mismatches: tuple[str, ...]
    tasks: list[TaskRecord]


def tokens(usage: Usage) -> dict[str, int]:
    """A usage as records have it."""
    return {name: getattr(usage, name) for name in Usage.__struct_fields__}


def iso(wall_ms: int) -> str:
    """An instant as ISO 8601 in UTC."""
    return datetime.fromtimestamp(wall_ms / 1000, UTC).isoformat(timespec="milliseconds")


def task_record(
    run: Run, record: Record, folder: Folder, proofs: "Proofs | None" = None
) -> TaskRecord:
    """The record of a settled actor; its worktree is left out once it is removed. proofs: what it
    reported and what its checks found."""
    proofs = proofs or Proofs()
    workspace = run.workspaces.get(record.id)
    there = workspace if workspace is not None and workspace.state != "removed" else None
    return TaskRecord(
        task_id=record.id,
        parent_task_id=record.parent or None,
        path=record.id,
        role=record.role,
        label=record.label,
        status=record.status,
        exit_code=0 if record.status == "Success" else 1,
        started_at=iso(record.started_wall_ms),
        ended_at=iso(record.ended_wall_ms),
        duration_ms=record.duration_ms,
        model=record.model,
        harness=record.settings.harness or "api",
        token_usage=tokens(record.usage),
        cost_usd=as_usd(record.spent),
        worktree_path=str(folder.worktree(record.id)) if there else None,
        branch=there.branch if there else None,
        session_id=f"{run.id}/{record.id}",
        final_message_preview=record.preview,
        error=record.error,
        turns=record.turns,
        log_path=str(folder.transcript(record.id)),
        stint=record.stint,
        outcome=record.outcome,
        reported=record.duty.told.status if record.duty.told else "",
        evidence=proofs.evidence,
        report=proofs.report,
    )


def summary(run: Run, checked: e.ReportChecked | None, tasks: list[TaskRecord]) -> Summary:
    """The summary of a run; checked is the last comparison of its report."""
    ended = run.finished_wall_ms
    return Summary(
        run_id=run.id,
        status=run.status or "",
        started_at=iso(run.started_wall_ms),
        ended_at=None if ended is None else iso(ended),
        cost_usd=as_usd(run.spent),
        budget_usd=as_usd(run.house.budget_nanousd),
        token_usage=tokens(run.usage),
        models={name: as_usd(spend.spent) for name, spend in run.models.items()},
        cache_saved_usd=as_usd(sum(spend.saved for spend in run.models.values())),
        report=checked.report if checked else None,
        report_by=checked.by if checked else "",
        mismatches=checked.mismatches if checked else (),
        tasks=sorted(tasks, key=lambda task: (task.path != ROOT, len(task.path), task.path)),
    )
