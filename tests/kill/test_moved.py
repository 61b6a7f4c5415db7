"""Moved: a run whose owner was killed goes on from a copy, beside its repository, elsewhere."""

import json
import shutil
from pathlib import Path

import pytest

from leadhand.domain import events as e
from leadhand.domain.invariants import broken
from tests.kill.continued import dangling, doubled, goes_on, undisturbed, unpaid
from tests.kill.program import Point
from tests.kill.stage import Stage

pytestmark = pytest.mark.slow


def moved(stage: Stage, folder: Path) -> str:
    """Move the repository and the run's folder, and forget the old ones; the words of `--map`."""
    old, runs = stage.repository, stage.run_dir
    folder.mkdir()
    stage.repository, stage.run_dir = folder / "other name", folder / "copied"
    shutil.move(old, stage.repository)
    shutil.copytree(runs, stage.run_dir)
    shutil.rmtree(runs)
    return f"{old}={stage.repository}"


@pytest.mark.parametrize(
    "point",
    [
        Point("after", 1, "TurnRecorded"),
        Point("after", 3, "ActorSpawned"),
        Point("mid", 6),
        Point("before", 6, "ToolReturned"),
        Point("after", 2, "ActorSettled"),
    ],
    ids=lambda point: f"{point.moment} {point.kind} {point.number}",
)
def test_a_run_that_was_moved_ends_as_if_nobody_had_disturbed_it(
    tmp_path: Path, point: Point
) -> None:
    stage = Stage(tmp_path / "here")
    assert stage.start(point) != 0
    where = moved(stage, tmp_path / "there")
    told = stage.cli("resume", stage.run_id)
    assert (told.returncode, "--map OLD=NEW" in told.stderr) == (2, True)

    def resumed() -> int:
        done = stage.cli("resume", stage.run_id, "--map", where, "--json")
        assert json.loads(done.stdout)["status"] == "succeeded", done.stdout + done.stderr
        return done.returncode

    assert goes_on(stage, resumed) == 0
    assert stage.left() == undisturbed()
    assert set(stage.lines().values()) == {1}, "a line was appended twice"
    assert (broken(stage.state()), unpaid(stage), dangling(stage)) == ([], [], [])
    for path in (stage.run_dir / stage.run_id / "transcripts").iterdir():
        assert doubled(path) == []
    assert not (tmp_path / "here" / "repository").exists()


def test_fresh_workers_are_the_leads_to_spawn(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "here")
    assert stage.start(Point("after", 3, "ActorSpawned")) != 0
    before = stage.state().spent

    def resumed() -> int:
        done = stage.cli("resume", stage.run_id, "--fresh-workers", "--json")
        assert json.loads(done.stdout)["status"] != "running", done.stdout + done.stderr
        return done.returncode

    goes_on(stage, resumed)
    events, state = stage.events(), stage.state()
    first = events.index(next(each for each in events if isinstance(each, e.ActorEnding)))
    lost = {each.actor for each in events if isinstance(each, e.ActorEnding)}
    assert len(lost) == 3
    late = [each for each in events[first:] if isinstance(each, e.CallAdmitted | e.TurnRecorded)]
    assert {each.actor for each in late} == {"root"}
    assert [state.records[each].status for each in sorted(lost)] == ["Cancelled"] * 3
    assert state.spent > before
    assert (broken(state), unpaid(stage)) == ([], [])
