"""Workspace: the worktree and branch of an actor's own, and what becomes of them.

Whether anything would be lost with one, `workspaces/` finds out. Here is only whose is looked at,
and when: as soon as its actor has settled, and once more when everyone has, since a lead may have
merged it meanwhile.
"""

from collections.abc import Iterator

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import events as e
from leadhand.domain.clock import At, Now
from leadhand.domain.ids import ActorId, as_file_name
from leadhand.domain.manifest import Settings
from leadhand.domain.state import Run, Workspace
from leadhand.domain.text import one_line

NOTES_MAX = 20
WHY_MAX = 500


def branch_of(run_id: str, actor: ActorId, settings: Settings) -> str:
    """The branch of an actor: the one that its settings name, or one named after it."""
    return settings.branch or usual_branch(run_id, actor)


def usual_branch(run_id: str, actor: ActorId) -> str:
    """The name of a branch that nobody has named."""
    return f"leadhand/{run_id}/{as_file_name(actor)}"


def choose(run: Run, command: c.RecordWorkspace, now: Now) -> list[e.Event]:
    """Note where a live actor's worktree is made next."""
    workspace = run.workspaces.get(command.actor)
    if command.actor not in run.actors or workspace is None or workspace.state != "wanted":
        return []
    return [
        e.WorkspaceChosen(
            command.actor,
            branch=command.branch,
            base=command.base,
            repository=command.repository,
            inner=command.inner,
            notes=tuple(one_line(note, WHY_MAX) for note in command.notes[:NOTES_MAX]),
        )
    ]


def made(run: Run, command: c.RecordWorkspaceMade, now: Now) -> list[e.Event]:
    """Note that the worktree is there."""
    workspace = run.workspaces.get(command.actor)
    if workspace is None or workspace.state != "chosen":
        return []
    return [e.WorkspaceMade(command.actor)]


def keep(run: Run, command: c.KeepWorkspace, now: Now) -> list[e.Event]:
    """Leave a worktree that the house rules keep, whatever it holds."""
    why = kept_by_house(run, command.actor)
    if not why or not open_still(run, command.actor):
        return []
    return [e.WorkspaceKept(command.actor, why=why, last=True)]


def tidied(run: Run, command: c.RecordTidied, now: Now) -> list[e.Event]:
    """Note what became of a settled actor's worktree; one that goes on meanwhile gets another."""
    workspace = run.workspaces.get(command.actor)
    going_on = run.actors.get(command.actor)
    if going_on and going_on.stint > 1 and workspace and workspace.state == "made":
        return [] if command.kept else [e.WorkspaceRemoved(command.actor)]
    if not open_still(run, command.actor):
        return []
    if not command.kept:
        return [e.WorkspaceRemoved(command.actor)]
    why = one_line(command.kept, WHY_MAX)
    return [e.WorkspaceKept(command.actor, why=why, last=not run.actors)]


def open_still(run: Run, actor: ActorId) -> bool:
    """Whether a settled actor's worktree is still to be looked at, now or later."""
    workspace = run.workspaces.get(actor)
    if workspace is None or actor not in run.records:
        return False
    return workspace.state in ("chosen", "made") or (
        workspace.state == "kept" and not workspace.last
    )


def kept_by_house(run: Run, actor: ActorId) -> str:
    """Why the house rules keep a settled actor's worktree; empty where it may be removed."""
    record, workspace = run.records.get(actor), run.workspaces.get(actor)
    if record is None or workspace is None or workspace.state == "chosen":
        # Where no session ever worked there is nothing to keep.
        return ""
    if run.house.worktree_cleanup == "never":
        return 'worktree_cleanup is "never"'
    if run.house.worktree_cleanup == "on_success" and record.status != "Success":
        return f'worktree_cleanup is "on_success", and it settled as {record.status}'
    return ""


def due(run: Run, actor: ActorId) -> Iterator[fx.Effect]:
    """Look at a settled actor's worktree, once while others live."""
    workspace = run.workspaces.get(actor)
    if workspace is None or actor not in run.records or not run.actors:
        return
    if workspace.state in ("chosen", "made"):
        yield looking(run, actor)


def last_due(run: Run) -> Iterator[fx.Effect]:
    """When everyone has settled: look at all that is left, once more, deepest first, so that of
    two that hold the same it is the lead's that stays."""
    actors = sorted(run.workspaces, key=lambda actor: -actor.count("/"))
    yield from (looking(run, actor) for actor in actors if open_still(run, actor))


def looking(run: Run, actor: ActorId) -> fx.Effect:
    """The effect that decides what becomes of a worktree."""
    return fx.Submit(c.KeepWorkspace(actor)) if kept_by_house(run, actor) else fx.Tidy(actor)


def evolve_spawned(run: Run, event: e.ActorSpawned, at: At) -> None:
    """An actor that shall have a worktree wants one."""
    want(run, event.actor, event.settings)


def evolve_continued(run: Run, event: e.ActorContinued, at: At) -> None:
    """An actor that goes on works where it worked; where that is gone it wants another."""
    workspace = run.workspaces.get(event.actor)
    if workspace is None or workspace.state == "removed":
        want(run, event.actor, event.settings)
    else:
        workspace.state, workspace.why = "made", ""


def want(run: Run, actor: ActorId, settings: Settings) -> None:
    """Remember whose worktree is to be made, and of which directory."""
    if settings.use_worktree:
        branch = branch_of(run.id, actor, settings)
        run.workspaces[actor] = Workspace(source=settings.directory or "", branch=branch)


def evolve_chosen(run: Run, event: e.WorkspaceChosen, at: At) -> None:
    """Keep what it is made of and how it began."""
    workspace = run.workspaces[event.actor]
    workspace.state = "chosen"
    workspace.branch, workspace.base = event.branch, event.base
    workspace.repository, workspace.inner = event.repository, event.inner
    workspace.notes = event.notes


def evolve_made(run: Run, event: e.WorkspaceMade, at: At) -> None:
    """A session may work there."""
    run.workspaces[event.actor].state = "made"


def evolve_settled(run: Run, event: e.ActorSettled, at: At) -> None:
    """Forget what was wanted and never chosen."""
    workspace = run.workspaces.get(event.actor)
    if workspace is not None and workspace.state == "wanted":
        del run.workspaces[event.actor]


def evolve_removed(run: Run, event: e.WorkspaceRemoved, at: At) -> None:
    """There is nothing left to look at, or to work in."""
    run.workspaces[event.actor].state = "removed"
    actor = run.actors.get(event.actor)
    if actor is not None:
        want(run, actor.id, actor.settings)


def evolve_kept(run: Run, event: e.WorkspaceKept, at: At) -> None:
    """Remember why it stays."""
    workspace = run.workspaces[event.actor]
    workspace.state, workspace.why, workspace.last = "kept", event.why, event.last


def evolve_reopened(run: Run, event: e.RunReopened, at: At) -> None:
    """What was kept may be merged now: it is looked at again at the end."""
    for workspace in run.workspaces.values():
        workspace.last = False
