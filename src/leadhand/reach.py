"""Reach: which tools a session is told of, and what it may read of those below it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from leadhand.domain.ids import ActorId, as_file_name
from leadhand.domain.rules import sublead
from leadhand.domain.rules.actor import sees
from leadhand.domain.state import Run
from leadhand.tool import LEADS, Tool


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
