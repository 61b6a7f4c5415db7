"""Resume: a run goes on from where its log ends; a finished one tells what it came to."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Shelf
from tests.cli.kit import Desk, ended

pytestmark = pytest.mark.slow


def test_a_run_whose_owner_was_killed_goes_on_to_success(at: Desk) -> None:
    dispatch = at.gate().gated()
    dispatch.kill()
    dispatch.wait()
    run, asked = at.latest(), at.asked()
    at.touch("open")
    done = at.run("resume", run[:6])
    assert done.code == 0
    assert done.out.splitlines()[-1].startswith(f"Run {run}  succeeded")
    # The two calls that were in flight are asked again, and nothing else.
    assert at.asked() == asked + 2
    assert "spawned" not in done.out.partition("Report")[0]


def test_a_finished_run_prints_its_result_again_and_exits_with_its_code(shelf: Shelf) -> None:
    done = shelf.desk.run("resume", shelf.good)
    assert done.code == 0
    assert "1. STATUS: success" in done.out
    done = shelf.desk.run("resume", shelf.bad, "--json")
    assert (done.code, done.json["status"], done.json["exit_code"]) == (1, "partial", 1)
    assert "already" not in done.err


def test_files_that_a_crash_left_out_are_written_by_resume(shelf: Shelf) -> None:
    folder = shelf.desk.runs / shelf.good
    before = kept(folder)
    (folder / "summary.json").unlink()
    (folder / "summary.jsonl").write_text("half a li")
    shutil.rmtree(folder / "transcripts")
    assert shelf.desk.run("resume", shelf.good).code == 0
    assert kept(folder) == before
    assert len((folder / "summary.jsonl").read_text().splitlines()) == 4
    assert (folder / "transcripts" / "root.W3.jsonl").exists()


def kept(folder: Path) -> dict[str, object]:
    """summary.json, but for where the run's folder is."""
    found: dict[str, object] = json.loads((folder / "summary.json").read_text())
    assert isinstance(found["tasks"], list)
    for task in found["tasks"]:
        task["log_path"] = Path(task["log_path"]).name
    return found


def test_a_run_that_another_process_owns_is_not_touched(at: Desk) -> None:
    dispatch = at.gate().gated()
    done = at.run("resume", at.latest())
    assert (done.code, done.out) == (2, "")
    assert f"run {at.latest()} is owned by" in done.err
    assert f"process {dispatch.pid}" in done.err
    at.touch("open")
    assert ended(dispatch).code == 0


def test_a_script_that_is_gone_is_said_and_costs_the_run_nothing(at: Desk) -> None:
    at.gate().gated().kill()
    at.started[-1].wait()
    before = at.run("events", at.latest()).out
    model = at.folder / "model.py"
    model.rename(at.folder / "away.py")
    done = at.run("resume", at.latest())
    assert done.code == 2
    assert f"there is no file {model}" in done.err
    assert at.run("events", at.latest()).out == before
    (at.folder / "away.py").rename(model)
    at.touch("open")
    assert at.run("resume", at.latest()).code == 0


def test_an_unknown_run_is_said(at: Desk) -> None:
    done = at.run("resume", "nosuchrun")
    assert (done.code, done.out) == (2, "")
    assert "there is none in" in done.err
    assert not at.runs.exists()


def test_a_damaged_run_is_said_and_left_as_it_is(shelf: Shelf) -> None:
    path = shelf.desk.runs / shelf.bad / "run.db"
    path.write_bytes(b"Dear diary,\n" * 1000)
    before = path.read_bytes()
    for verb in ("resume", "status", "why", "events", "cancel"):
        done = shelf.desk.run(verb, shelf.bad)
        assert done.code == 2, verb
        assert "put back" in done.err
        assert done.err.count("\n") == 1
    assert path.read_bytes() == before
