"""Result: what a run has come to."""

from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.money import as_usd
from leadhand.domain.outcomes import Report
from leadhand.domain.rules.run import over, reopenable
from leadhand.domain.state import Run
from leadhand.engine.log import Stamped
from leadhand.folder import Folder
from leadhand.views import record
from leadhand.views.record import TaskRecord


class Ending(Struct, frozen=True):
    """A run at its end, or where it was let go of. checked: the last comparison of its report.
    words: its lead's last, whole. proofs: what its actors reported, and what their checks found."""

    run: Run
    checked: e.ReportChecked | None
    words: str
    proofs: dict[ActorId, record.Proofs] = {}

    def tasks(self, folder: Folder) -> list[TaskRecord]:
        """Each actor that has settled."""
        records = self.run.records.values()
        return [
            record.task_record(self.run, each, folder, self.proofs.get(each.id)) for each in records
        ]

    @property
    def status(self) -> str:
        """How the run stands now."""
        if over(self.run):
            return self.run.status or "empty"
        return "parked" if self.run.parked else "interrupted"

    @property
    def resumable(self) -> bool:
        """Whether something is left to go on with."""
        return not over(self.run) or reopenable(self.run)


def tells(event: e.Event) -> bool:
    """Whether an event tells what a run has come to, or may."""
    return event.actor == ROOT or isinstance(event, e.OutcomeReported | e.ChecksRecorded)


def ending(run: Run, telling: Iterable[Stamped]) -> Ending:
    """What a run has come to. telling: the events of which `tells` says so, in order of time for
    each actor."""
    checked, words = None, ""
    proofs: dict[ActorId, record.Proofs] = {}
    for stamped in telling:
        event = stamped.event
        if event.actor != ROOT:
            proofs[event.actor] = proofs.get(event.actor, record.Proofs()).after(event)
            continue
        match event:
            case e.ReportChecked() as found:
                checked = found
            case e.TurnRecorded(words=said) | e.ActorSettled(final=said) if said:
                words = said
            case e.ActorContinued():
                checked = None
            case _:
                pass
    return Ending(run, checked, words, proofs)


class Result(Struct, frozen=True):
    """What a run has come to.

    status: succeeded, partial, failed, timed_out or cancelled; interrupted or parked (a provider's
    quota is used up) where it is not over. resumable: whether `resume` would go on with it.
    final_message: the lead's last words, whole. report: its report, parsed; report_by: `lead`, or
    `runtime` where the lead gave none and it was written from the log. mismatches: what the log
    does not bear out of it, in sentences. cost_usd: US dollars, of budget_usd. tasks: each actor
    that has settled, the lead first. run_folder: absolute.
    """

    run_id: str
    status: str
    resumable: bool
    final_message: str
    report: Report | None
    report_by: str
    mismatches: tuple[str, ...]
    cost_usd: float
    budget_usd: float
    tasks: tuple[TaskRecord, ...]
    run_folder: Path

    @property
    def ok(self) -> bool:
        """Whether all succeeded: the lead, its report and every worker."""
        return self.status == "succeeded"


def result(found: Ending, folder: Folder) -> Result:
    """An ending for programs."""
    run, checked = found.run, found.checked
    told = record.summary(run, checked, found.tasks(folder))
    return Result(
        run_id=folder.path.name,
        status=found.status,
        resumable=found.resumable and run.status is not None,
        final_message=found.words,
        report=told.report,
        report_by=told.report_by,
        mismatches=told.mismatches,
        cost_usd=as_usd(run.spent),
        budget_usd=as_usd(run.house.budget_nanousd),
        tasks=tuple(told.tasks),
        run_folder=folder.path,
    )
