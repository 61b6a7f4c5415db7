"""Status: how one run stands, whoever runs it, and how it is named."""

import pytest

from tests.cli.conftest import Shelf
from tests.cli.kit import Desk, ended

pytestmark = pytest.mark.slow


def test_a_finished_run_says_how_it_ended(shelf: Shelf) -> None:
    done = shelf.desk.run("status", shelf.good)
    assert done.code == 0
    assert done.out.startswith(f"{shelf.good}  succeeded\n")
    assert "4 settled" in done.out
    assert "of $2.00" in done.out
    assert str(shelf.desk.runs / shelf.good) in done.out


def test_a_failed_run_points_to_the_reasons(shelf: Shelf) -> None:
    done = shelf.desk.run("status", shelf.bad)
    assert "partial" in done.out
    assert "1 of them failed" in done.out
    assert f"leadhand why {shelf.bad}" in done.out


def test_a_run_whose_owner_was_killed_is_interrupted_and_says_how_to_go_on(shelf: Shelf) -> None:
    done = shelf.desk.run("status", shelf.killed)
    assert f"{shelf.killed}  interrupted" in done.out
    assert f"leadhand resume {shelf.killed}" in done.out


def test_programs_get_the_same_as_json(shelf: Shelf) -> None:
    found = shelf.desk.run("status", shelf.killed, "--json").json
    assert (found["run_id"], found["status"]) == (shelf.killed, "interrupted")
    assert (found["live"], found["settled"], found["failed"]) == (3, 0, 0)
    assert (found["resumable"], found["owner"], found["budget_usd"]) == (True, "", 2.0)
    found = shelf.desk.run("status", shelf.good, "--json").json
    assert (found["status"], found["resumable"], found["lead"]) == ("succeeded", False, "digest")
    assert found["finished_at"].endswith("+00:00")


def test_a_run_that_goes_on_says_who_runs_it(at: Desk) -> None:
    dispatch = at.gate().gated()
    done = at.run("status", at.latest())
    assert "  running\n" in done.out
    assert f"process {dispatch.pid}" in done.out
    assert f"leadhand events {at.latest()} --follow" in done.out
    at.touch("open")
    assert ended(dispatch).code == 0
    assert "succeeded" in at.run("status", at.latest()).out


def test_a_run_is_named_by_any_prefix_that_no_other_shares(shelf: Shelf) -> None:
    others = (shelf.bad, shelf.killed)
    size = next(n for n in range(1, 11) if not any(o.startswith(shelf.good[:n]) for o in others))
    assert shelf.good in shelf.desk.run("status", shelf.good[:size]).out


def test_an_ambiguous_or_unknown_name_lists_the_candidates(shelf: Shelf) -> None:
    twin = shelf.desk.runs / f"{shelf.good}-copy"
    (shelf.desk.runs / shelf.good).rename(shelf.desk.runs / f"{shelf.good}-a")
    twin.mkdir()
    (twin / "run.db").write_bytes((shelf.desk.runs / shelf.bad / "run.db").read_bytes())
    done = shelf.desk.run("status", shelf.good[:-1])
    assert done.code == 2
    assert f"{shelf.good}-a" in done.err
    assert f"{shelf.good}-copy" in done.err
    assert done.err.count("\n") == 1
    done = shelf.desk.run("status", "nosuchrun")
    assert (done.code, done.out) == (2, "")
    assert shelf.bad in done.err
    assert done.err.count("\n") == 1


def test_run_dir_may_be_an_option_or_the_environment(shelf: Shelf) -> None:
    elsewhere = {"LEADHAND_RUN_DIR": "/nowhere"}
    assert shelf.desk.run("status", shelf.good, env=elsewhere).code == 2
    named = ("--run-dir", str(shelf.desk.runs))
    done = shelf.desk.run("status", shelf.killed, *named, env=elsewhere)
    assert done.code == 0
    assert f"leadhand resume {shelf.killed} --run-dir {shelf.desk.runs}" in done.out
