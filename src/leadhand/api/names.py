"""Names: how a user's words for runs and actors are read, and the commands that go on with them."""

import difflib
import shlex
from pathlib import Path

from leadhand import wiring
from leadhand.domain.ids import ActorId
from leadhand.domain.rules.actor import find_any
from leadhand.domain.state import Run
from leadhand.errors import UsageError
from leadhand.refusals import UnknownActor
from leadhand.views.words import line, listed

SHOWN_MAX = 8


def run_named(runs: list[str], name: str, run_dir: Path) -> str:
    """The run that begins with `name`. Raises UsageError, with the candidates."""
    found = [name] if name in runs else [each for each in runs if name and each.startswith(name)]
    if len(found) == 1:
        return found[0]
    asked = f'"{line(name, 80)}"'
    if found:
        raise UsageError(
            f"{asked} begins the ids of {len(found)} runs: {listed(found[::-1], SHOWN_MAX)}. "
            "Give more of the id"
        )
    if not runs:
        raise UsageError(f"no run begins with {asked}: there is none in {run_dir}")
    raise UsageError(
        f"no run begins with {asked} in {run_dir}. The latest: {listed(runs[::-1], SHOWN_MAX)}"
    )


def actor_named(run: Run, name: str) -> ActorId:
    """The actor that a path, a last step (W3) or a label means. Raises UsageError."""
    try:
        return find_any(run, name)
    except UnknownActor as error:
        actors = [*run.actors, *run.records]
        near = difflib.get_close_matches(name, actors, SHOWN_MAX, 0.5) or actors
        there = f"It has {listed(near, SHOWN_MAX)}" if actors else "It has none yet"
        raise UsageError(f"{error.message} in run {run.id}. {there}") from error


def resume_command(run_id: str, run_dir: Path) -> str:
    """The command that continues a run."""
    return command_on("resume", run_id, run_dir)


def command_on(verb: str, run_id: str, run_dir: Path) -> str:
    """A command on a run, as it can be typed here. verb: with options, if it needs some."""
    words = ["leadhand", *verb.split(), run_id]
    if run_dir != wiring.default_run_dir().absolute():
        words += ["--run-dir", str(run_dir)]
    return shlex.join(words)
