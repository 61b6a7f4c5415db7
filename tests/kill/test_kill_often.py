"""Kill often: twice, in a drain, with detached children alive; and a disk that fills up."""

import signal
from pathlib import Path

import pytest

from leadhand.domain import events as e
from leadhand.domain.ids import ActorId
from tests.kill.continued import ended_well, ends_by_the_command_line, goes_on
from tests.kill.program import Point
from tests.kill.stage import Stage, marked

pytestmark = pytest.mark.slow
KILLED = -signal.SIGKILL
ADA = ActorId("root/W1")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Point("after", 2, "ActorSpawned"), Point("before", 3, "ToolReturned")),
        (Point("last", 7), Point("last", 2)),
        (Point("after", 1, "WaitOpened"), Point("after", 1, "RunOwned")),
        (Point("before", 1, "ActorSettled"), Point("before", 1, "RunFinished")),
    ],
    ids=["tools", "answers", "at-once", "ends"],
)
def test_a_run_that_is_killed_twice_comes_to_the_same_end(
    first: Point, second: Point, tmp_path: Path
) -> None:
    stage = Stage(tmp_path)
    assert stage.start(first) == KILLED
    assert goes_on(stage, lambda: stage.resume(second)) == KILLED
    ends_by_the_command_line(stage)


@pytest.mark.parametrize(
    "point",
    [
        Point("before", 1, "RunDraining", drain_at=22),
        Point("after", 1, "RunDraining", drain_at=22),
        Point("after", 3, "MessageSent", drain_at=22),
        Point("before", 2, "ActorSettled", drain_at=30),
    ],
    ids=["before-it", "after-it", "told", "under-way"],
)
def test_a_run_that_is_killed_in_its_drain_comes_to_the_same_end(
    point: Point, tmp_path: Path
) -> None:
    stage = Stage(tmp_path)
    assert stage.start(point) == KILLED
    ends_by_the_command_line(stage)


def test_what_bash_left_in_sessions_of_its_own_dies_with_the_owner(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    seen = stage.repository / "cleo.log"
    assert stage.start(Point("file", kind=str(seen))) == KILLED
    assert stage.alive() == []
    ends_by_the_command_line(stage)


def test_bash_that_was_running_is_told_as_interrupted_and_not_repeated(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    assert stage.start(Point("file", kind=str(stage.repository / "ada.log"))) == KILLED
    assert [tool.tool for tool in stage.state().actors[ADA].tools.values()] == ["Bash"]
    ends_by_the_command_line(stage)
    told = [event for event in stage.events() if isinstance(event, e.ToolReturned)]
    assert any(each.is_error and "interrupted" in each.content for each in told)
    assert stage.lines()["ada"] == 1


@pytest.mark.parametrize("seq", [2, 9, 30, 60])
def test_a_disk_that_fills_up_ends_the_owner_and_loses_nothing(seq: int, tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    assert stage.start(Point("full", seq)) == 2
    assert stage.told == "StoreError: No space left on device.\n"
    assert stage.state().seq < seq
    assert marked(stage.run_id) == []
    ends_by_the_command_line(stage)


def test_a_finished_run_that_is_resumed_is_left_as_it_is(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    assert stage.start() == 0
    events = stage.events()
    assert stage.cli("resume", stage.run_id).returncode == 0
    assert stage.events() == events
    ended_well(stage)
