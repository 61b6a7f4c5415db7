"""Kill harder: the keeper too, in the drain of a Ctrl-C, in the middle of a file."""

import signal
from pathlib import Path

import msgspec
import pytest

from leadhand.domain import events as e
from leadhand.domain.ids import ROOT
from leadhand.processes import Processes
from leadhand.tools.work.write import passing
from tests.kill.continued import ended_well, ends_by_the_command_line, repeats_nothing, resumed
from tests.kill.program import Point
from tests.kill.stage import Stage, marked, until
from tests.tools.kit import make_caller

pytestmark = pytest.mark.slow
KILLED = -signal.SIGKILL
# The lead's last Write is the 17th of 18 turns, whatever the order of its workers.
SUMMARY_IS_WRITTEN = Point("after", 17, "TurnRecorded")


def test_the_next_owner_kills_what_a_killed_keeper_could_not(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    seen = str(stage.repository / "cleo.log")
    assert stage.start(Point("file", kind=seen, keeper=True)) == KILLED
    assert marked(stage.run_id), "without its keeper a killed owner leaves its children"
    assert repeats_nothing(stage, lambda: resumed(stage)) == 0
    ended_well(stage)


def test_a_command_that_is_killed_after_ctrl_c_comes_to_the_same_end(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    command = stage.dispatched(pause_secs=0.3)
    try:
        until(lambda: (ROOT, 2) in {(each.actor, each.turn) for each in stage.asked()})
        command.send_signal(signal.SIGINT)
        until(lambda: any(isinstance(each, e.RunDraining) for each in stage.events()))
    finally:
        command.kill()
        code = command.wait()
    assert code == KILLED
    ends_by_the_command_line(stage)


def test_a_file_that_was_half_written_leaves_nothing_beside_it(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    assert stage.start(SUMMARY_IS_WRITTEN) == KILLED
    [(call, tool)] = stage.state().actors[ROOT].tools.items()
    assert tool.tool == "Write"
    caller = make_caller(stage.repository, Processes(stage.run_id, tmp_path))
    caller = msgspec.structs.replace(caller, call_id=call)
    (stage.repository / passing(caller, "SUMMARY.md")).write_text("- a")
    ends_by_the_command_line(stage)
