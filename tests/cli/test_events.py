"""Events: the log of a run for people and for programs, as far as it goes and as it goes on."""

import json
import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Shelf
from tests.cli.kit import Desk, ended

pytestmark = pytest.mark.slow


def test_people_get_a_line_for_each_event(shelf: Shelf) -> None:
    lines = shelf.desk.run("events", shelf.good).out.splitlines()
    assert len(lines) == len(shelf.desk.run("events", shelf.good, "--json").lines)
    assert lines[1].split(maxsplit=2)[1:] == [
        "run",
        "the run began: lead digest, at most 4 workers at a time, $2.00, 15 min",
    ]
    assert lines[-1].endswith("the run ended: succeeded")
    assert any("root/W3   spawned by root: Ada" in line for line in lines)


def test_programs_get_an_object_for_each_event(shelf: Shelf) -> None:
    found = shelf.desk.run("events", shelf.good, "--json").lines
    assert [each["seq"] for each in found] == list(range(1, len(found) + 1))
    assert all([*each][:5] == ["seq", "at", "run_ms", "actor", "type"] for each in found)
    assert (found[1]["type"], found[1]["run_id"]) == ("RunStarted", shelf.good)
    assert found[-1]["type"] == "RunFinished"
    assert found[-1]["run_ms"] >= found[0]["run_ms"]


@pytest.mark.parametrize("name", ["W1", "root/W1", "job 1"])
def test_the_events_of_one_actor_are_its_own(shelf: Shelf, name: str) -> None:
    found = shelf.desk.run("events", shelf.bad, "--json", "--actor", name).lines
    assert {each["actor"] for each in found} == {"root/W1"}
    assert (found[0]["type"], found[-1]["type"]) == ("ActorSpawned", "ActorSettled")


def test_following_goes_on_until_the_run_is_over(at: Desk) -> None:
    dispatch = at.gate().gated()
    follower = at.start("events", at.latest(), "--follow", "--json")
    assert follower.stdout is not None
    assert json.loads(follower.stdout.readline())["seq"] == 1
    assert follower.poll() is None
    at.touch("open")
    assert ended(dispatch).code == 0
    done = ended(follower)
    assert done.code == 0
    assert done.lines[-1]["type"] == "RunFinished"
    assert [each["seq"] for each in done.lines] == list(range(2, len(done.lines) + 2))


def test_following_one_actor_sleeps_while_it_does_nothing(at: Desk) -> None:
    dispatch = at.gate().gated()
    follower = at.start("events", at.latest(), "-f", "--actor", "W1")
    assert follower.stdout is not None
    assert "spawned by root" in follower.stdout.readline()
    before = worked_secs(follower.pid)
    time.sleep(1)
    assert worked_secs(follower.pid) - before < 0.5
    at.touch("open")
    ended(dispatch)
    assert ended(follower).out.splitlines()[-1].endswith("succeeded: Done with work 1.")


def worked_secs(pid: int) -> float:
    """How much processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def test_following_an_interrupted_run_waits_for_its_resume(shelf: Shelf) -> None:
    follower = shelf.desk.start("events", shelf.killed, "-f")
    assert follower.stdout is not None
    assert "runs it" in follower.stdout.readline()
    shelf.desk.touch("open")
    try:
        assert shelf.desk.run("resume", shelf.killed).code == 0
    finally:
        (shelf.desk.folder / "open").unlink()
    assert ended(follower).out.splitlines()[-1].endswith("the run ended: succeeded")


def test_following_a_finished_run_ends_with_it(shelf: Shelf) -> None:
    done = shelf.desk.run("events", shelf.good, "--follow")
    assert done.code == 0
    assert done.out == shelf.desk.run("events", shelf.good).out


def test_ctrl_c_ends_the_following_in_peace(shelf: Shelf) -> None:
    follower = shelf.desk.start("events", shelf.killed, "-f")
    assert follower.stdout is not None
    follower.stdout.readline()
    follower.send_signal(signal.SIGINT)
    done = ended(follower)
    assert (done.code, done.err) == (130, "Error: interrupted\n")


def test_an_unknown_actor_is_said(shelf: Shelf) -> None:
    done = shelf.desk.run("events", shelf.good, "--actor", "W9")
    assert (done.code, done.out) == (2, "")
    assert "unknown actor: W9" in done.err


def test_a_log_whose_event_cannot_be_read_is_said_after_what_can(shelf: Shelf) -> None:
    database = sqlite3.connect(shelf.desk.runs / shelf.good / "run.db", isolation_level=None)
    database.execute("""UPDATE events SET data = '{"type":"MoonRisen"}' WHERE seq = 3""")
    database.close()
    done = shelf.desk.run("events", shelf.good)
    assert done.code == 2
    assert len(done.out.splitlines()) == 2
    assert "use the newer Leadhand that wrote it" in done.err
