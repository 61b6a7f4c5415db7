"""Why run: what a run as a whole waits for, or why it ended as it did, and what it has cost."""

from collections.abc import Iterator

from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.money import as_usd, show
from leadhand.domain.rules.house import lacking
from leadhand.domain.rules.run import over, reopenable
from leadhand.domain.state import Parked, Run
from leadhand.views.waiting import Scene
from leadhand.views.why import Why, called, codes
from leadhand.views.words import counted, line, listed, model_name, span

SKIPPED_MAX = 20
# The option of `resume` that gives more of what a run ran out of.
OPTIONS: dict[str, str] = {"budget": "--budget-usd AMOUNT", "time": "--lead-timeout-secs SECS"}


def whole_run(run: Run, scene: Scene) -> Why:
    """Why a run stands as it does."""
    if run.status is None:
        state, sentences = "empty", never_began(scene)
    elif over(run):
        state, sentences = run.status, finished(run, scene)
    elif scene.held:
        state, sentences = "running", going_on(run, scene)
    else:
        state, sentences = "interrupted", interrupted(run, scene)
    said = list(sentences)
    refusals = sum(isinstance(each, e.SpawnRefused) for _, each in scene.happened)
    if refusals:
        said.append(f"Spawns refused: {refusals}{codes(scene)}.")
    said += untold(run)
    said += [
        f"The MCP server {name} was not there when it was asked last: {line(why, 300)}."
        for name, why in run.servers.items()
        if why
    ]
    said.append(f"It has cost {show(run.spent)} of {show(run.house.budget_nanousd)}.")
    return Why("", state, cost_usd=as_usd(run.spent), sentences=tuple(said))


def untold(run: Run) -> Iterator[str]:
    """What the operator's sinks were not told of, and why."""
    for number, sink in enumerate(run.manifest.notifications if run.manifest else ()):
        waits = [each for each in run.outbox.pending.values() if each.sink == number]
        whys = [each.why for each in waits if each.why]
        if whys:
            told = counted(len(waits), "notice")
            yield f"Sink {number} ({sink.kind}) is still to be told of {told}: {line(whys[0])}."
    if run.outbox.dropped:
        dropped = counted(run.outbox.dropped, "notice")
        yield f"Nobody will be told of {dropped}: {line(run.outbox.why)}."
    if run.outbox.lost:
        yield f"{counted(run.outbox.lost, 'notice')} found no room among those that wait."


def never_began(scene: Scene) -> Iterator[str]:
    """Of a run without an event."""
    if scene.held:
        yield f"The run is just being started by {scene.held}."
    else:
        yield "The run never began: the process that made it ended before. Dispatch it again."


def going_on(run: Run, scene: Scene) -> Iterator[str]:
    """Of a run that somebody runs."""
    now_ms = scene.now.run_ms
    live = counted(run.workers_live, "live worker")
    live += f" and {counted(run.subleads_live, 'sub-lead')}" if run.subleads_live else ""
    yield f"The run is run by {scene.held}; it has run for {span(now_ms)} and has {live}."
    if run.cancelled is not None:
        yield f"It was cancelled ({line(run.cancelled)}); its actors are being ended."
    if run.parked is not None:
        yield from parked(run.parked, scene)
    if run.drain_until is not None:
        yield (
            "It is draining: nothing new starts, and everybody was told to wrap up. What is not "
            f"done in {span(run.drain_until - now_ms)} waits for `{scene.resume}`."
        )


def parked(stands: Parked, scene: Scene) -> Iterator[str]:
    """Of a run that waits for a provider's quota."""
    since = span(scene.now.wall_ms - stands.since)
    yield (
        f"It is parked for {since} now, and its time stands still: {model_name(stands.model)} "
        f'gives nothing more ("{line(stands.why, 300)}").'
    )
    if not scene.held or not stands.until:
        yield f"Next: `{scene.resume}` asks again; do it once there is quota."
    else:
        yield f"Next: it goes on by itself in {span(stands.until - scene.now.wall_ms)}."


def interrupted(run: Run, scene: Scene) -> Iterator[str]:
    """Of a run that is not over and that nobody runs."""
    was = f" Its last owner was {line(run.owner)}." if run.owner else ""
    yield f"The run was interrupted after {span(run.run_ms)}: nobody runs it.{was}"
    if run.parked is not None:
        yield from parked(run.parked, scene)
    live = counted(len(run.actors), "actor")
    if run.cancelled is not None:
        yield (
            f"It was cancelled ({line(run.cancelled)}): `{scene.resume}` settles its {live} as "
            "Cancelled and starts nothing."
        )
    else:
        yield f"`{scene.resume}` goes on with its {live} where they were."


def finished(run: Run, scene: Scene) -> Iterator[str]:
    """Of a run that is over: its status, and all that led to it."""
    lead = run.records[ROOT]
    workers = [each for each in run.records.values() if each.id != ROOT]
    failed = [each for each in workers if each.status != "Success"]
    noun = "actor" if any(each.role == "sublead" for each in workers) else "worker"
    yield f"The run is over after {span(run.run_ms)}: {run.status}."
    for _, event in scene.happened:
        if isinstance(event, e.RunCancelled):
            yield f"It was cancelled by {event.by}: {line(event.reason)}."
    if run.led and lead.status != "Success":
        yield f"Its lead settled as {lead.status}: {line(lead.error)}."
    if run.led:
        yield from reported(scene)
    for name, why in list(run.tasks.skipped.items())[:SKIPPED_MAX]:
        yield f"Task {name} was skipped: {line(why)}."
    if failed:
        each = [f"{called(one)} {one.status}: {line(one.error, 120)}" for one in failed]
        yield f"{len(failed)} of {counted(len(workers), noun)} did not succeed: {listed(each)}."
    elif workers:
        yield f"{counted(len(workers), noun)}, and none failed."
    else:
        yield "It had no workers."
    if reopenable(run):
        why = "was drained before its work was done"
        if run.relieved:
            why = f"ran out of {' and '.join(run.relieved)}, and has more now"
        yield f"It {why}: `{scene.resume}` takes it up again."
    for limit in lacking(run):
        more = f"`{scene.resume} {OPTIONS[limit]}`"
        yield f"It ran out of {limit}: {more} takes it up again with more."


def reported(scene: Scene) -> Iterator[str]:
    """What the report says, and where the log disagrees."""
    checked = [each for _, each in scene.happened if isinstance(each, e.ReportChecked)]
    if not checked:
        return
    last = checked[-1]
    if last.by == "runtime":
        yield f"Its lead gave no report; the one written from the log says {last.report.status}."
    else:
        yield f"Its lead's report says {last.report.status}."
    for mismatch in last.mismatches:
        yield f"The log disagrees: {line(mismatch)}."


def unwell(run: Run) -> list[ActorId]:
    """The actors that want an explanation: those that live, and workers that failed."""
    failed = [each.id for each in run.records.values() if each.status != "Success"]
    return [*run.actors, *(each for each in failed if each != ROOT)]
