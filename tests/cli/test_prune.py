"""Prune: shows which finished runs would go, removes them when told to, and never one that lives
or could go on unless that is what was asked."""

import shutil
import time
from pathlib import Path

import pytest

from leadhand.cli.prune import amount
from tests.cli.conftest import Shelf
from tests.cli.kit import Desk, wait_for

pytestmark = pytest.mark.slow


def made(shelf: Shelf) -> set[str]:
    return {path.name for path in shelf.desk.runs.iterdir()}


def test_without_apply_nothing_is_removed_and_all_is_said(shelf: Shelf) -> None:
    before = made(shelf)
    done = shelf.desk.run("prune")
    assert (done.code, done.err) == (0, "")
    rows = {line.split()[0]: line for line in done.out.splitlines() if line.split()[0] in before}
    assert rows[shelf.good].endswith("would be removed")
    assert rows[shelf.bad].endswith("would be removed")
    assert "KiB" in rows[shelf.good]
    assert f"stays: could go on: leadhand resume {shelf.killed}" in rows[shelf.killed]
    assert "2 runs, " in done.out
    assert done.out.rstrip().endswith("--apply removes them.")
    assert made(shelf) == before


def test_finished_runs_are_removed_whole_and_others_stay(shelf: Shelf) -> None:
    done = shelf.desk.run("prune", "--apply", "--json")
    assert done.code == 0
    told = {each["run_id"]: (each["removed"], each["kept"] == "") for each in done.json}
    gone, stays = (True, True), (False, False)
    assert told == {shelf.good: gone, shelf.bad: gone, shelf.killed: stays}
    assert all(each["size_bytes"] > 10_000 for each in done.json)
    assert made(shelf) == {shelf.killed}
    assert shelf.desk.run("status", shelf.killed).code == 0


def test_a_run_that_finished_lately_stays_where_older_ones_are_asked_for(shelf: Shelf) -> None:
    done = shelf.desk.run("prune", "--apply", "--older-than", "30d", "--json")
    assert [each["removed"] for each in done.json] == [False] * 3
    assert "finished less than 30 d ago" in {each["kept"] for each in done.json}
    time.sleep(1.1)
    done = shelf.desk.run("prune", "--older-than", "1s")
    assert "2 runs, " in done.out


def test_a_run_that_could_go_on_is_removed_only_by_its_name_and_alone(shelf: Shelf) -> None:
    done = shelf.desk.run("prune", "--apply", "--run", shelf.killed[:6])
    assert done.code == 0
    assert done.out.rstrip().splitlines()[-1].startswith("1 run removed, ")
    assert made(shelf) == {shelf.good, shelf.bad}
    assert "no run begins with" in shelf.desk.run("prune", "--run", "none", "--apply").err


def test_a_run_that_is_being_run_stays_even_if_it_is_named(at: Desk) -> None:
    process = at.gate().gated()
    run_id = at.latest()
    done = at.run("prune", "--apply", "--run", run_id, "--json")
    (told,) = done.json
    assert (done.code, told["removed"]) == (0, False)
    assert f"process {process.pid}" in told["kept"]
    at.touch("open")
    wait_for(lambda: process.poll() is not None)
    assert at.run("prune", "--apply", "--run", run_id, "--json").json[0]["removed"]
    assert [*at.runs.iterdir()] == []


def test_a_run_that_holds_worktrees_stays_until_they_are_gone(shelf: Shelf) -> None:
    work = shelf.desk.runs / shelf.good / "worktrees" / "root.W1" / "plums.md"
    work.parent.mkdir(parents=True)
    work.write_text("two\n")
    for named in ((), ("--run", shelf.good)):
        done = shelf.desk.run("prune", "--apply", "--json", *named)
        kept = {each["run_id"]: each["kept"] for each in done.json}[shelf.good]
        assert kept.startswith(f"holds 1 worktree, as {work.parent}: take over the work")
        assert work.read_text() == "two\n"
    shutil.rmtree(work.parent)
    shelf.desk.run("prune", "--apply")
    assert shelf.good not in made(shelf)


def test_a_run_that_cannot_be_read_stays_unless_it_is_named(shelf: Shelf) -> None:
    (shelf.desk.runs / shelf.good / "run.db").write_bytes(b"nonsense" * 1_000)
    told = {each["run_id"]: each for each in shelf.desk.run("prune", "--apply", "--json").json}
    assert told[shelf.good]["kept"].startswith("it cannot be read")
    assert shelf.desk.run("prune", "--apply", "--run", shelf.good, "--json").json[0]["removed"]


def test_what_links_lead_to_is_neither_counted_nor_removed(shelf: Shelf, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "large").write_bytes(b"x" * 5_000_000)
    (shelf.desk.runs / shelf.good / "link").symlink_to(mine)
    told = {each["run_id"]: each for each in shelf.desk.run("prune", "--apply", "--json").json}
    assert told[shelf.good]["size_bytes"] < 5_000_000
    assert told[shelf.good]["removed"]
    assert (mine / "large").exists()


def test_what_an_interrupted_removal_left_goes_with_the_next(shelf: Shelf) -> None:
    shutil.copytree(shelf.desk.runs / shelf.good, shelf.desk.runs / ".gone-half")
    shelf.desk.run("prune", "--apply")
    assert made(shelf) == {shelf.killed}


def test_an_empty_folder_and_a_span_that_is_none_are_said(at: Desk) -> None:
    assert at.run("prune").out == f"There is no run in {at.runs}.\n"
    done = at.run("prune", "--older-than", "soon")
    assert done.code == 2
    assert "expected a number and s, m, h, d or w" in done.err


def test_sizes_are_told_in_units_that_fit() -> None:
    assert [amount(size) for size in (0, 1023, 1024, 1_572_864, 2**31)] == [
        "0 B", "1023 B", "1.0 KiB", "1.5 MiB", "2.0 GiB",
    ]  # fmt: skip
