"""Outcome: what a run has come to: the lead's report, what the log holds against it, its cost."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from leadhand.api.names import command_on, resume_command
from leadhand.api.result import Ending
from leadhand.cli.ending import FAILED, INTERRUPTED, SUCCEEDED
from leadhand.cli.paper import faint, heading, state, table
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.money import show
from leadhand.domain.rules.house import lacking
from leadhand.domain.rules.run import over
from leadhand.domain.state import Run
from leadhand.folder import Folder
from leadhand.views import record
from leadhand.views.cost import Cost, cost
from leadhand.views.why_run import OPTIONS
from leadhand.views.words import clock, counted, line, listed, plain
from leadhand.workspace import UNCOMMITTED

COST_ROWS = 20
WORKTREES_MAX = 20


class Outcome(Struct, frozen=True):
    """A run at its end or interruption, for people and for their shells."""

    ending: Ending
    run_dir: Path
    interrupted: bool = False

    @property
    def run(self) -> Run:
        """What is true of it."""
        return self.ending.run

    @property
    def exit_code(self) -> int:
        """The exit code that tells it."""
        if self.interrupted or not (over(self.run) or self.run.parked):
            return INTERRUPTED
        return SUCCEEDED if self.run.status == "succeeded" else FAILED

    @property
    def resume(self) -> str:
        """The command that goes on with the run, where there is something left."""
        return resume_command(self.run.id, self.run_dir) if self.ending.resumable else ""


def summary(found: Outcome) -> dict[str, Any]:
    """The outcome for programs: summary.json, and how to go on from it."""
    folder = Folder(found.run_dir / found.run.id)
    tasks = found.ending.tasks(folder)
    told = structs.asdict(record.summary(found.run, found.ending.checked, tasks))
    return {
        **told,
        "status": found.ending.status,
        "final_message": found.ending.words,
        "run_folder": str(folder.path),
        "resume": found.resume or None,
        "ran_out_of": lacking(found.run),
        "exit_code": found.exit_code,
    }


def page(found: Outcome) -> Iterator[str]:
    """The outcome for people."""
    run = found.run
    yield from report(found)
    mismatches = found.ending.checked.mismatches if found.ending.checked else ()
    if mismatches:
        yield ""
        yield heading(f"The log disagrees in {counted(len(mismatches), 'point')}")
        yield from (f"  {line(each, 500)}" for each in mismatches)
    yield ""
    yield heading("Cost")
    yield from cost_table(cost(run, COST_ROWS))
    yield ""
    yield heading("Files")
    yield from files(found)
    yield ""
    yield from worktrees(found)
    if run.parked:
        yield f"A provider's quota is used up ({line(run.parked.why, 300)})."
    stands = f"{state(found.ending.status)} after {clock(run.run_ms)}"
    yield f"{heading(f'Run {run.id}')}  {stands}{advice(found)}"


def advice(found: Outcome) -> str:
    """What can be done about it now."""
    if found.resume:
        return f". To go on: {found.resume}"
    if short := lacking(found.run):
        more = f"{resume_command(found.run.id, found.run_dir)} {OPTIONS[short[0]]}"
        return f". It ran out of {short[0]}; to go on with more: {more}"
    if found.ending.status != "succeeded":
        return f". For the reasons: {command_on('why', found.run.id, found.run_dir)}"
    return ""


def report(found: Outcome) -> Iterator[str]:
    """The lead's final message; where it gave no report, the one that was written from the log."""
    lead = found.run.records.get(ROOT)
    written = found.ending.checked is not None and found.ending.checked.by == "runtime"
    if lead is None and not found.ending.words:
        return
    yield ""
    if found.run.led and found.ending.words:
        yield heading("Report" if lead and not written else "The lead's last words")
        yield from (f"  {each}".rstrip() for each in plain(found.ending.words).strip().split("\n"))
    if found.run.led and lead is not None and lead.error:
        yield f"  The lead settled as {lead.status}: {line(lead.error, 500)}"
    if written and found.ending.checked is not None:
        yield ""
        title = "Report, written from the log because the lead gave none"
        yield heading(title if found.run.led else "Report")
        yield from (f"  {each}" for each in written_out(found.ending.checked.report))


def written_out(given: e.Report) -> Iterator[str]:
    """A report in its four sections."""
    yield f"1. STATUS: {given.status}"
    for title, items in (
        ("2. COMPLETED", given.completed),
        ("3. DEFERRED OR FAILED", given.deferred_or_failed),
    ):
        yield title
        for item in items:
            parts = [item.worker_id, item.input, item.result or item.reason]
            yield "- " + " — ".join(line(part) for part in parts if part)
        if not items:
            yield "- none"
    yield "4. COST SUMMARY"
    for item in given.cost_summary:
        yield f"- {line(item.worker_id or item.input)}: ${item.usd or 0:.4f}"


def cost_table(found: Cost) -> Iterator[str]:
    """What each actor has cost, and all together."""
    rows = [tuple(map(faint, ("actor", "", "state", "turns", "in", "out", "cost")))]
    for each in found.shares:
        usage = each.usage
        read = usage.input + usage.cache_read + usage.cache_creation
        rows.append(
            (
                each.id,
                line(each.label, 30),
                state(each.state),
                str(each.turns),
                f"{read:,}",
                f"{usage.output:,}",
                show(each.spent),
            )
        )
    if found.others:
        name = f"{found.others} more"
        rows.append((name, "", "", "", "", "", show(found.others_spent)))
    usage = found.usage
    read = usage.input + usage.cache_read + usage.cache_creation
    total = f"{show(found.spent)} of {show(found.budget)}"
    rows.append(("all", "", "", str(found.turns), f"{read:,}", f"{usage.output:,}", total))
    yield from table(rows, (3, 4, 5, 6), indent="  ")
    if len(found.models) > 1:
        shares = [f"{each.model} {show(each.spent)}" for each in found.models]
        yield f"  By model: {listed(shares)}."
    if found.saved > 0:
        yield f"  The providers' caches saved {show(found.saved)}."
    if found.unanswered:
        yield f"  {show(found.unanswered)} of it went to calls that gave no answer."


def files(found: Outcome) -> Iterator[str]:
    """Where everything is."""
    folder = Folder(found.run_dir / found.run.id)
    rows = [("folder", str(folder.path))]
    if over(found.run):
        rows.append(("summary", str(folder.summary)))
    rows.append(("transcripts", str(folder.transcripts)))
    yield from table(rows, indent="  ")


def worktrees(found: Outcome) -> Iterator[str]:
    """The worktrees that were kept, why, and how to take over what they hold."""
    run, folder = found.run, Folder(found.run_dir / found.run.id)
    kept = [(actor, each) for actor, each in run.workspaces.items() if each.state == "kept"]
    if not kept:
        return
    yield heading("Worktrees that were kept")
    for actor, each in kept[:WORKTREES_MAX]:
        yield f"  {actor}  {line(str(folder.worktree(actor)), 500)}"
        yield f"    {line(each.why, 500)}"
        for command in merge_commands(run, folder, actor):
            yield f"    {faint(line(command, 1_000))}"
    if len(kept) > WORKTREES_MAX:
        yield f"  {len(kept) - WORKTREES_MAX} more: see worktree_path in the summary"
    yield ""


def merge_commands(run: Run, folder: Folder, actor: ActorId) -> Iterator[str]:
    """The commands that merge what a worktree holds where its work was to go."""
    workspace = run.workspaces[actor]
    if UNCOMMITTED in workspace.why:
        place = f"git -C {shlex.quote(str(folder.worktree(actor)))}"
        yield f"{place} add --all && {place} commit -m {shlex.quote(f'Work of {actor}')}"
    target = workspace.source
    for owner, each in reversed(run.workspaces.items()):
        # A lead's own worktree, from which its workers' were made, may be gone.
        if each.state == "removed" and Path(target).is_relative_to(folder.worktree(owner)):
            target = each.source
    yield f"git -C {shlex.quote(target)} merge {shlex.quote(workspace.branch)}"
