"""Reach: what a session is told of, may read of those below it, and which plan binds it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from leadhand.domain.ids import ActorId, as_file_name, parent_id
from leadhand.domain.questions import Bound
from leadhand.domain.rules import sublead
from leadhand.domain.rules.actor import sees
from leadhand.domain.rules.approval import plan_of
from leadhand.domain.state import Run
from leadhand.tool import LEADS, Tool
from leadhand.workspace import root_of


def told(run: Run, actor: ActorId, tools: Sequence[Tool]) -> list[Tool]:
    """The tools that an actor is told of. Another of its own can be called all the same: the
    refusal says why it does not help."""
    one = run.actors.get(actor)
    may = one is not None and sublead.may_spawn(run, one)
    return [tool for tool in tools if may or tool.name != "spawn_sublead"]


def readable(run: Run, actor: ActorId, transcripts: Path, worktrees: Path | None) -> list[Path]:
    """The transcripts and worktrees of those whom a lead sees; nothing for others.

    Where nobody is below another lead, that is everything in these folders.
    """
    one = run.actors.get(actor)
    if one is None or one.role not in LEADS:
        return []
    folders = [transcripts] if worktrees is None else [transcripts, worktrees]
    if run.manifest is None or run.manifest.subleads is None:
        return folders
    seen = list(seen_by(run, actor))
    found = [transcripts / f"{as_file_name(each)}.jsonl" for each in seen]
    return found + [folder / as_file_name(each) for folder in folders[1:] for each in seen]


def seen_by(run: Run, actor: ActorId) -> Iterator[ActorId]:
    """Those whom an actor sees, without itself."""
    for each in (*run.actors, *run.records):
        if each != actor and sees(run, actor, each, reads=True):
            yield each


def bound(run: Run, actor: ActorId, worktrees: Path | None) -> Bound | None:
    """The approved plan that an actor may not write beside, as its own paths are to be read; None
    where there is none."""
    found = plan_of(run, actor)
    if found is None:
        return None
    planner, resources = found
    return Bound(resources, below(run, actor, planner, worktrees))


def below(run: Run, actor: ActorId, top: ActorId, worktrees: Path | None) -> str | None:
    """Where an actor works, seen from where one above it does; None where it works elsewhere. The
    worktree of each stands for the directory that it was made from."""
    steps = Path()
    while actor != top:
        parent = parent_id(actor)
        if parent is None:
            return None
        above, own = directory(run, parent), Path(directory(run, actor) or ".")
        places = (root_of(parent, above, run.workspaces.get(parent), worktrees), Path(above or "."))
        place = next((each for each in places if own.is_relative_to(each)), None)
        if place is None:
            return None
        steps = own.relative_to(place) / steps
        actor = parent
    return "" if steps == Path() else str(steps)


def directory(run: Run, actor: ActorId) -> str | None:
    """The directory that an actor was given."""
    one = run.actors.get(actor) or run.records.get(actor)
    return one.settings.directory if one is not None else None
