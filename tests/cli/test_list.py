"""List: every run in a line, the latest first; one that cannot be read stops nothing."""

import pytest

from tests.cli.conftest import Shelf
from tests.cli.kit import Desk, ended

pytestmark = pytest.mark.slow


def test_runs_are_listed_the_latest_first(shelf: Shelf) -> None:
    done = shelf.desk.run("list")
    assert done.code == 0
    header, *rows = done.out.splitlines()
    assert header.split() == ["RUN", "STATUS", "LEAD", "STARTED", "TIME", "COST", "ACTORS"]
    assert [row.split()[:3] for row in rows] == [
        [shelf.bad, "partial", "gated"],
        [shelf.killed, "interrupted", "gated"],
        [shelf.good, "succeeded", "digest"],
    ]
    assert rows[0].endswith("3, 1 failed")


def test_programs_get_an_array(shelf: Shelf) -> None:
    found = shelf.desk.run("list", "--json").json
    assert [each["status"] for each in found] == ["partial", "interrupted", "succeeded"]
    assert [each["resumable"] for each in found] == [False, True, False]


def test_a_folder_without_runs_is_no_error_and_is_not_made(at: Desk) -> None:
    done = at.run("list")
    assert (done.code, done.out) == (0, f"There is no run in {at.runs}.\n")
    assert at.run("list", "--json").json == []
    assert not at.runs.exists()


def test_a_damaged_run_is_one_line_and_the_rest_is_listed(shelf: Shelf) -> None:
    (shelf.desk.runs / shelf.good / "run.db").write_bytes(b"Dear diary,\n" * 1000)
    (shelf.desk.runs / "stray-file").write_text("hello")
    done = shelf.desk.run("list")
    assert done.code == 0
    assert [line.split()[1] for line in done.out.splitlines()[1:]] == [
        "partial", "interrupted", "unreadable",
    ]  # fmt: skip
    assert "or its beginning is damaged" in done.out
    found = shelf.desk.run("list", "--json").json
    assert {each["run_id"]: each["status"] for each in found}[shelf.good] == "unreadable"


def test_a_run_that_is_under_way_is_running(at: Desk) -> None:
    dispatch = at.gate().gated()
    assert " running " in at.run("list").out
    at.touch("open")
    ended(dispatch)
    assert " succeeded " in at.run("list").out


def test_a_file_in_place_of_the_folder_is_said(at: Desk) -> None:
    at.runs.write_text("hello")
    done = at.run("list")
    assert (done.code, done.out) == (2, "")
    assert "a file where a folder should be" in done.err
