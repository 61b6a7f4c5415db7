"""Task: a run without a lead works through tasks: each starts as soon as what it needs is done.

Law: a task never waits for a level of the graph, only for its own needs, a place and money.
"""

from collections.abc import Iterator

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import events as e
from leadhand.domain.clock import At, Now
from leadhand.domain.ids import ROOT
from leadhand.domain.manifest import Manifest
from leadhand.domain.state import Actor, Run, Tasks


def ready_to_start(run: Run, task_id: str) -> bool:
    """Whether a task may start now: its needs are done, and there is a place for it."""
    tasks = run.tasks
    closed = run.drain_until is not None or run.cancelled is not None
    waits = closed or tasks.held or len(tasks.running) >= run.places
    return task_id in tasks.ready and not waits


def skip(run: Run, command: c.SkipTasks, now: Now) -> list[e.Event]:
    """Skip the tasks that can never start, with the reason."""
    return [e.TaskSkipped(ROOT, task=task_id, why=why) for task_id, why in run.tasks.doomed.items()]


def without_money(run: Run, task_id: str, why: str) -> list[e.Event]:
    """What becomes of a task that there is no money for, or whose files another one writes: it
    waits while others may settle, else it is skipped."""
    if run.tasks.running:
        return [e.TaskHeld(ROOT, task=task_id, why=why)]
    return [e.TaskSkipped(ROOT, task=task_id, why=why)]


def evolve_started(run: Run, event: e.RunStarted, at: At) -> None:
    """Lay out the tasks of the manifest by what they need."""
    if event.manifest is None or not event.manifest.tasks:
        return
    run.tasks = laid_out(event.manifest)


def laid_out(manifest: Manifest) -> Tasks:
    """The tasks of a manifest before any has started."""
    tasks = Tasks()
    for each in manifest.tasks:
        for need in each.depends_on:
            tasks.dependents.setdefault(need, []).append(each.id)
        if each.depends_on:
            tasks.unmet[each.id] = len(each.depends_on)
        else:
            tasks.ready[each.id] = None
    return tasks


def evolve_spawned(run: Run, event: e.ActorSpawned, at: At) -> None:
    """A task has its worker."""
    if event.task:
        run.tasks.ready.pop(event.task, None)
        run.tasks.running[event.actor] = event.task


def evolve_settled(run: Run, event: e.ActorSettled, at: At) -> None:
    """A task is over: those that need it may start, or never will."""
    tasks = run.tasks
    task_id = tasks.running.pop(event.actor, "")
    if not task_id:
        return
    tasks.held = ""
    tasks.ended[task_id] = event.status
    if event.status == "Success":
        release(tasks, task_id)
        return
    doom(tasks, task_id, f"its need {task_id} settled as {event.status}")
    if run.house.halt_on_failure:
        for other in (*tasks.ready, *tasks.unmet):
            tasks.doomed.setdefault(other, f"halt_on_failure: {task_id} settled as {event.status}")


def evolve_skipped(run: Run, event: e.TaskSkipped, at: At) -> None:
    """The task will not run, nor what needs it."""
    tasks = run.tasks
    tasks.ready.pop(event.task, None)
    tasks.unmet.pop(event.task, None)
    tasks.doomed.pop(event.task, None)
    tasks.skipped[event.task] = event.why
    doom(tasks, event.task, f"its need {event.task} was skipped")


def evolve_held(run: Run, event: e.TaskHeld, at: At) -> None:
    """No task starts until another has settled."""
    run.tasks.held = event.why


def release(tasks: Tasks, task_id: str) -> None:
    """Let the tasks start whose last need is done."""
    for dependent in tasks.dependents.get(task_id, ()):
        left = tasks.unmet.get(dependent)
        if left is None:
            continue
        if left > 1:
            tasks.unmet[dependent] = left - 1
        else:
            del tasks.unmet[dependent]
            tasks.ready[dependent] = None


def doom(tasks: Tasks, task_id: str, why: str) -> None:
    """Note that what needs a task can never start."""
    for dependent in tasks.dependents.get(task_id, ()):
        if dependent in tasks.unmet:
            tasks.doomed.setdefault(dependent, why)


def over(tasks: Tasks) -> bool:
    """Whether every task has ended or was skipped."""
    return not (tasks.ready or tasks.unmet or tasks.running or tasks.doomed)


def due(run: Run, root: Actor, now: Now) -> Iterator[fx.Effect]:
    """Skip what is doomed, start what may start, end when all is over; let go of a drained run
    that has nothing under way."""
    tasks = run.tasks
    if root.ending is not None:
        return
    if tasks.doomed:
        yield fx.Submit(c.SkipTasks())
    elif over(tasks):
        yield fx.Submit(c.RecordExit(ROOT, "completed", final=summed_up(tasks)))
    elif run.drain_until is not None:
        if not tasks.running:
            yield fx.Suspend()
    elif not tasks.held:
        for task_id in list(tasks.ready)[: max(0, run.places - len(tasks.running))]:
            yield fx.Submit(c.StartTask(task_id))


def summed_up(tasks: Tasks) -> str:
    """How the tasks ended, in one line."""
    good = sum(status == "Success" for status in tasks.ended.values())
    parts = [f"{good} of {len(tasks.ended) + len(tasks.skipped)} tasks succeeded"]
    if bad := len(tasks.ended) - good:
        parts.append(f"{bad} failed")
    if tasks.skipped:
        parts.append(f"{len(tasks.skipped)} skipped")
    return ", ".join(parts)
