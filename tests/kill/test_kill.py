"""Kill: after SIGKILL at any of these points, `resume` brings the run to the end it always has."""

import signal
from pathlib import Path

import pytest

from tests.kill.continued import ended_well, ends_by_the_command_line
from tests.kill.program import Point
from tests.kill.stage import Stage

pytestmark = pytest.mark.slow

# Each kind of event of the run: which one of them.
KINDS = {
    "RunOwned": 1,
    "RunStarted": 1,
    "ActorSpawned": 3,
    "BoundExceeded": 1,
    "CallAdmitted": 6,
    "TurnRecorded": 7,
    "ToolReturned": 8,
    "WaitOpened": 2,
    "ActorSettled": 2,
    "ReportChecked": 1,
    "RunFinished": 1,
}
POINTS = [
    *(Point("before", number, kind) for kind, number in KINDS.items()),
    *(Point("after", number, kind) for kind, number in KINDS.items()),
    Point("first", 6),
    Point("mid", 18),
    Point("last", 12),
    Point("file", kind="bob.log"),
]


def name(point: Point) -> str:
    """A point as the name of a test."""
    return f"{point.moment}-{point.kind}-{point.number}"


def test_what_a_run_leaves_that_nobody_disturbs(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    assert stage.start() == 0
    ended_well(stage)
    kinds = {type(event).__name__ for event in stage.events()}
    assert kinds == set(KINDS), "a kind of event has no point at which its owner is killed"


@pytest.mark.parametrize("point", POINTS, ids=name)
def test_a_killed_run_comes_to_the_same_end(point: Point, tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    if point.moment == "file":
        point = Point("file", kind=str(stage.repository / point.kind))
    assert stage.start(point) == -signal.SIGKILL
    ends_by_the_command_line(stage)
