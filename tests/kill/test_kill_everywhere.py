"""Kill everywhere: around the commit of every event and around every answer, on every road."""

import signal
from pathlib import Path

import pytest

from tests.kill.continued import ends_by_the_command_line
from tests.kill.program import Moment, Point
from tests.kill.roads import road_of
from tests.kill.stage import Stage

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
PARTS = 6


def play(folder: Path, point: Point, road_name: str) -> bool:
    """Kill at a point and go on; False where the run ended before it."""
    with road_of(road_name, folder) as road:
        stage = Stage(folder, road)
        code = stage.start(point)
        assert code in (0, -signal.SIGKILL)
        if code:
            try:
                ends_by_the_command_line(stage)
            except BaseException as error:
                error.add_note(f"killed at {point}, in {folder}")
                raise
    return code != 0


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("road", ["in process", "anthropic"])
def test_at_every_event(road: str, moment: Moment, part: int, tmp_path: Path) -> None:
    number = part + 1
    while play(tmp_path / str(number), Point(moment, number), road):
        number += PARTS
    assert number > 60


@pytest.mark.parametrize("moment", ["first", "mid", "last"])
@pytest.mark.parametrize("road", ["in process", "anthropic", "openai"])
def test_at_every_answer(road: str, moment: Moment, tmp_path: Path) -> None:
    number = 1
    while play(tmp_path / str(number), Point(moment, number), road):
        number += 1
    assert number > 15


# The lead's spawns, and a turn of a worker's that reads three things.
@pytest.mark.parametrize("number", [2, 4])
@pytest.mark.parametrize("road", ["anthropic", "openai"])
def test_at_every_event_of_a_stream(road: str, number: int, tmp_path: Path) -> None:
    count = 1
    while play(tmp_path / str(count), Point("events", number, stream_events=count), road):
        count += 1
    assert count > 10
