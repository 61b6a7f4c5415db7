"""The desk at which a test sits, and the runs that most of them look at, made once."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.kit import Desk, desk, repository, wait_for


class Shelf(NamedTuple):
    """Runs to look at: of one that succeeded, one that did not, and one that was killed."""

    desk: Desk
    good: str
    bad: str
    killed: str


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Desk]:
    """A desk with an empty folder to work in."""
    folder = tmp_path / "work"
    folder.mkdir()
    with desk(folder, tmp_path / "runs") as found:
        yield found


@pytest.fixture(scope="session")
def _shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    folder = tmp_path_factory.mktemp("shelf")
    (folder / "work").mkdir()
    with desk(folder / "work", folder / "runs") as at:
        repository(at.folder)
        good = at.run("dispatch", "examples/01_digest/manifest.toml", "--json")
        assert good.code == 0, good
        killed = at.gate().gated()
        killed_id = at.latest()
        wait_for(lambda: "settle, for" in at.run("why", killed_id, "root").out)
        killed.kill()
        killed.wait()
        at.touch("open")
        at.touch("fail")
        bad = at.run("dispatch", "manifest.toml", "--json")
        assert bad.code == 1, bad
        (at.folder / "open").unlink()
        (at.folder / "fail").unlink()
        yield Shelf(at, good.json["run_id"], bad.json["run_id"], killed_id)


@pytest.fixture
def shelf(_shelf: Shelf, tmp_path: Path) -> Iterator[Shelf]:
    """The runs, in a folder of this test's own, and the desk they were made at."""
    runs = tmp_path / "runs"
    shutil.copytree(_shelf.desk.runs, runs)
    with desk(_shelf.desk.folder, runs) as at:
        yield Shelf(at, _shelf.good, _shelf.bad, _shelf.killed)
