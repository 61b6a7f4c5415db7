"""Needs: what a run waits for its operator to do, and the command that does it."""

from collections.abc import Iterator
from pathlib import Path

from leadhand.api.names import command_on
from leadhand.views.words import counted


def needs(run_id: str, run_dir: Path, *, questions: int, paused: int) -> Iterator[str]:
    """A sentence for each kind of thing that goes on only when the operator says so."""
    if questions:
        verb = "waits" if questions == 1 else "wait"
        listing = command_on("approvals", run_id, run_dir)
        yield f"{counted(questions, 'question')} {verb} for your answer: `{listing}`"
    if paused:
        verb = "is" if paused == 1 else "are"
        go_on = command_on("continue", run_id, run_dir)
        yield f"{counted(paused, 'actor')} {verb} paused until `{go_on}`"
