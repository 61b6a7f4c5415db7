"""Kill over HTTP: the owner dies, the server of its model lives on and counts what it is asked."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from leadhand.domain import events as e
from leadhand.domain.ids import ActorId
from tests.kill.continued import ended_well, ends_by_the_command_line, goes_on
from tests.kill.program import Point
from tests.kill.roads import OverHttp, over_http
from tests.kill.stage import Stage
from tests.kill.test_kill import KINDS, name

pytestmark = pytest.mark.slow
KILLED = -signal.SIGKILL
POINTS = [
    Point("after", 2, "ActorSpawned"),
    Point("after", 6, "CallAdmitted"),
    Point("before", 7, "TurnRecorded"),
    Point("after", 7, "TurnRecorded"),
    Point("after", 8, "ToolReturned"),
    Point("before", 1, "ReportChecked"),
    Point("first", 6),
    Point("mid", 5),
    Point("last", 12),
    Point("file", kind="bob.log"),
]
# In the middle of a text, of the arguments of three spawns, of a turn of a worker's.
STREAMS = [
    Point("events", 1, stream_events=1),
    Point("events", 2, stream_events=8),
    Point("events", 6, stream_events=3),
]


@pytest.fixture
def road(tmp_path: Path) -> Iterator[OverHttp]:
    """A server that speaks Anthropic's Messages API."""
    with over_http(tmp_path) as found:
        yield found


@pytest.fixture
def responses(tmp_path: Path) -> Iterator[OverHttp]:
    """A server that speaks OpenAI's Responses API."""
    with over_http(tmp_path, "openai") as found:
        yield found


def stream(point: Point) -> str:
    """A point as the name of a test."""
    return f"{point.moment}-{point.stream_events}-of-{point.number}"


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_what_a_run_leaves_that_nobody_disturbs(provider: str, tmp_path: Path) -> None:
    with over_http(tmp_path, provider) as road:
        stage = Stage(tmp_path, road)
        assert stage.start() == 0
        road.rest()
        assert {each["ended"] for each in road.served()} == {"answered"}
        ended_well(stage)
        assert {type(event).__name__ for event in stage.events()} == set(KINDS)


@pytest.mark.parametrize("point", POINTS, ids=name)
def test_a_killed_run_comes_to_the_same_end(point: Point, road: OverHttp, tmp_path: Path) -> None:
    stage = Stage(tmp_path, road)
    if point.moment == "file":
        point = Point("file", kind=str(stage.repository / point.kind))
    assert stage.start(point) == KILLED
    ends_by_the_command_line(stage)


@pytest.mark.parametrize("point", STREAMS, ids=stream)
def test_a_run_that_is_killed_while_the_server_speaks_comes_to_the_same_end(
    point: Point, road: OverHttp, tmp_path: Path
) -> None:
    stage = Stage(tmp_path, road)
    assert stage.start(point) == KILLED
    road.rest()
    cut_off = [each["events"] for each in road.served() if each["ended"] == "left"]
    assert any(events >= point.stream_events for events in cut_off), "it was still speaking"
    ends_by_the_command_line(stage)


@pytest.mark.parametrize(
    "point",
    [
        Point("after", 7, "TurnRecorded"),
        Point("mid", 5),
        Point("events", 2, stream_events=8),
    ],
    ids=name,
)
def test_a_killed_run_in_openais_words_comes_to_the_same_end(
    point: Point, responses: OverHttp, tmp_path: Path
) -> None:
    stage = Stage(tmp_path, responses)
    assert stage.start(point) == KILLED
    ends_by_the_command_line(stage)
    assert {each["path"] for each in responses.served()} == {"/v1/responses"}


def test_a_run_that_is_killed_twice_comes_to_the_same_end(road: OverHttp, tmp_path: Path) -> None:
    stage = Stage(tmp_path, road)
    assert stage.start(Point("mid", 7)) == KILLED
    assert goes_on(stage, lambda: stage.resume(Point("events", 2, stream_events=4))) == KILLED
    ends_by_the_command_line(stage)


def test_what_was_cut_off_is_asked_once_more_and_paid_whole(road: OverHttp, tmp_path: Path) -> None:
    stage = Stage(tmp_path, road)
    assert stage.start(Point("mid", 1)) == KILLED
    [cut_off] = [each.call for each in stage.state().actors.values() if each.call]
    ends_by_the_command_line(stage)
    asked = [each.turn for each in stage.asked() if each.actor == "root"]
    assert asked[:2] == [0, 0]
    [cut] = [each for each in stage.events() if isinstance(each, e.CallCut)]
    assert (cut.actor, cut.call) == (ActorId("root"), cut_off.id)
    assert cut.charged == cut_off.bound > 0
