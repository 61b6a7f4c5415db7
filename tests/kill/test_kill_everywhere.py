"""Kill everywhere: around the commit of every event and around every answer; takes minutes."""

import signal
from pathlib import Path

import pytest

from tests.kill.continued import ends_by_the_command_line
from tests.kill.program import Point
from tests.kill.stage import Stage

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
PARTS = 6


def play(folder: Path, point: Point) -> bool:
    """Kill at a point and go on; False where the run ended before it."""
    stage = Stage(folder)
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
def test_at_every_event(moment: str, part: int, tmp_path: Path) -> None:
    number = part + 1
    while play(tmp_path / str(number), Point(moment, number)):  # type: ignore[arg-type]
        number += PARTS
    assert number > 60


@pytest.mark.parametrize("moment", ["first", "mid", "last"])
def test_at_every_answer(moment: str, tmp_path: Path) -> None:
    number = 1
    while play(tmp_path / str(number), Point(moment, number)):  # type: ignore[arg-type]
        number += 1
    assert number > 15
