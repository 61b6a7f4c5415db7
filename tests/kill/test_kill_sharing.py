"""Kill and sharing: wherever the owner dies, each count is there once and each lease is held by
one at a time."""

import signal
from pathlib import Path

import msgspec
import pytest

from leadhand.domain import events as e
from leadhand.domain.invariants import broken
from leadhand.folder import Folder
from leadhand.testing.sharing import of_entries, of_leases
from tests.kill import sharing_script
from tests.kill.program import Point, around
from tests.kill.stage import MANIFEST, Stage
from tests.kill.test_kill import name

pytestmark = pytest.mark.slow

SCRIPT = f"script:{sharing_script.__file__}:reply"
COUNTS = len(sharing_script.NAMES) * sharing_script.ROUNDS
KINDS = {
    "EntryPut": (1, 2, 5, 7),
    "LeaseGranted": (1, 2, 4, 6),
    "LeaseReleased": (1, 3, 6),
    "WaitOpened": (1, 3),
}
POINTS = around(KINDS)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A repository and the manifest of the script."""
    stage = Stage(tmp_path)
    text = MANIFEST.format(model=SCRIPT, repository=stage.repository)
    stage.manifest.write_text(text.replace("[run]", "[run]\ndump_shared_store = true"))
    return stage


def ended_well(stage: Stage) -> None:
    """All is as in a run that nobody disturbed."""
    run, events = stage.state(), stage.events()
    assert broken(run) == []
    assert run.status == "succeeded", {each.id: each.error for each in run.records.values()}
    assert [*of_entries(events), *of_leases(events, run)] == []
    puts = [each for each in events if isinstance(each, e.EntryPut) and each.path == "/shared/n"]
    assert [(each.version, each.value) for each in puts] == [
        (number, str(number)) for number in range(1, COUNTS + 1)
    ]
    granted = [each.fence for each in events if isinstance(each, e.LeaseGranted)]
    assert granted == [*range(1, COUNTS + 1)]
    path = Folder(stage.run_dir / run.id).shared_store
    found = msgspec.json.decode(path.read_bytes())
    assert found["layers"]["root"]["/shared/n"]["value"] == COUNTS
    assert found["layers"]["root"]["/ref/rules"]["value"] == "x" * 5_000
    assert found["leases"] == [{"layer": "root", "name": "counter", "fence": COUNTS}]


def test_what_a_run_leaves_that_nobody_disturbs(stage: Stage) -> None:
    assert stage.start() == 0
    ended_well(stage)


@pytest.mark.parametrize("point", POINTS, ids=name)
def test_a_run_that_is_killed_around_an_event_counts_right(stage: Stage, point: Point) -> None:
    assert stage.start(point) == -signal.SIGKILL, stage.told
    assert stage.cli("resume", stage.run_id, "--json").returncode == 0
    ended_well(stage)


def test_an_owner_that_is_killed_again_and_again_counts_right(stage: Stage) -> None:
    assert stage.start(Point("before", 2, "LeaseGranted")) == -signal.SIGKILL
    for moment, kind in (
        ("after", "LeaseGranted"),
        ("before", "EntryPut"),
        ("after", "EntryPut"),
        ("before", "LeaseReleased"),
        ("after", "LeaseReleased"),
    ):
        assert stage.resume(Point(moment, 1, kind)) == -signal.SIGKILL, (kind, stage.told)  # type: ignore[arg-type]
    assert stage.cli("resume", stage.run_id, "--json").returncode == 0
    ended_well(stage)
