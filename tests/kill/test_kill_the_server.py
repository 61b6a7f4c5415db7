"""Kill the server: the model server dies in mid-run, and comes back or does not."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from leadhand.domain import events as e
from tests.kill.continued import ended_well, unpaid
from tests.kill.roads import PATIENCE_SECS, OverHttp, over_http
from tests.kill.stage import Asking, Stage, until

pytestmark = pytest.mark.slow
# Longer than it takes to kill a server that has just been asked.
PAUSE_SECS = 0.3
# With these, nobody is left who might just be asking.
EVERYBODY = {("root", 2), ("root/W1", 0), ("root/W2", 0), ("root/W3", 0)}


@pytest.fixture
def road(tmp_path: Path) -> Iterator[OverHttp]:
    """A slow server."""
    with over_http(tmp_path, pause_secs=PAUSE_SECS) as found:
        yield found


@contextmanager
def dispatched(stage: Stage) -> Iterator["subprocess.Popen[bytes]"]:
    """The command line at work, and ended with this."""
    command = stage.dispatched(PAUSE_SECS)
    try:
        yield command
    finally:
        command.kill()
        command.wait()


def cuts(stage: Stage) -> list[e.CallCut]:
    """The calls that got no answer."""
    return [each for each in stage.events() if isinstance(each, e.CallCut)]


def refused(stage: Stage) -> list[e.CallCut]:
    """The calls that nobody was there to take."""
    return [each for each in cuts(stage) if "Connect call failed" in each.why]


def bounds(stage: Stage) -> dict[str, int]:
    """What each admitted call may cost at most."""
    return {each.call: each.bound for each in stage.events() if isinstance(each, e.CallAdmitted)}


def test_a_run_goes_on_by_itself_when_its_server_dies_and_comes_back(
    road: OverHttp, tmp_path: Path
) -> None:
    stage = Stage(tmp_path, road)
    with dispatched(stage) as command:
        until(lambda: {(each.actor, each.turn) for each in stage.asked()} >= EVERYBODY)
        road.kill()
        taken = {each.call for each in stage.asked()}
        until(lambda: bool(refused(stage)))
        road.start()
        assert command.wait(PATIENCE_SECS) == 0
    ended_well(stage)
    charged = {each.call: each.charged for each in cuts(stage)}
    nobody = {each.call for each in refused(stage)}
    in_flight = taken - {each.call for each in stage.events() if isinstance(each, e.TurnRecorded)}
    assert in_flight, "it died while it was asked"
    assert set(charged) == in_flight | nobody
    for call, amount in charged.items():
        # What the server had taken may have been billed, what it never took was not.
        assert amount == (bounds(stage)[call] if call in in_flight else 0)
    again = repeated(stage.asked())
    assert again == {(each.actor, each.turn) for each in stage.asked() if each.call in in_flight}


def repeated(asked: list[Asking]) -> set[tuple[str, int]]:
    """The turns that were asked for more than once."""
    turns = [(each.actor, each.turn) for each in asked]
    return {turn for turn in turns if turns.count(turn) > 1}


def test_a_run_whose_server_never_comes_back_fails_and_says_why(
    road: OverHttp, tmp_path: Path
) -> None:
    stage = Stage(tmp_path, road)
    with dispatched(stage) as command:
        until(lambda: len(stage.asked()) == 1)
        road.kill()
        assert command.wait(PATIENCE_SECS) == 1
    assert str(stage.state().status) == "failed"
    assert unpaid(stage) == []
    [asked] = stage.asked()
    assert stage.state().spent == bounds(stage)[asked.call]
    assert len(refused(stage)) == 3, "it was tried again"
    told = stage.cli("why", stage.run_id, "root")
    assert f"model error: {road.url}: Cannot connect to host" in " ".join(told.stdout.split())
