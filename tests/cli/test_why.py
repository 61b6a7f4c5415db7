"""Why: one command explains any actor and any run, without owning it."""

import asyncio

import pytest

from leadhand.stores.sqlite import SqliteStore
from tests.cli.conftest import Shelf
from tests.cli.kit import Desk, ended

pytestmark = pytest.mark.slow


def test_a_run_that_went_well_says_so_in_sentences(shelf: Shelf) -> None:
    done = shelf.desk.run("why", shelf.good)
    assert done.code == 0
    assert "Its lead's report says success." in done.out
    assert "3 workers, and none failed." in done.out


def test_a_failed_worker_says_what_broke_it(shelf: Shelf) -> None:
    done = shelf.desk.run("why", shelf.bad)
    assert "1 of 2 workers did not succeed: root/W2 (job 2) Failed: model error:" in done.out
    assert "the second worker is broken" in done.out
    alone = shelf.desk.run("why", shelf.bad, "W2")
    assert alone.out in done.out
    assert alone.out.splitlines()[0] == "root/W2"


def test_an_interrupted_run_says_what_each_actor_waited_for_and_how_to_go_on(shelf: Shelf) -> None:
    done = shelf.desk.run("why", shelf.killed)
    assert f"`leadhand resume {shelf.killed}` goes on with its 3 actors" in done.out
    assert "It waits for root/W1 (asks script:model.py:reply)" in done.out
    assert "its clock stands still" in done.out
    before = sorted((shelf.desk.runs / shelf.killed).rglob("*"))
    shelf.desk.run("why", shelf.killed, "root")
    assert sorted((shelf.desk.runs / shelf.killed).rglob("*")) == before


@pytest.mark.parametrize("name", ["root/W1", "W1", "job 1"])
def test_an_actor_is_named_by_path_or_end_or_label(shelf: Shelf, name: str) -> None:
    assert "root/W1 (job 1) is running." in shelf.desk.run("why", shelf.killed, name).out


def test_programs_get_what_it_waits_for_and_what_is_next(shelf: Shelf) -> None:
    [found] = shelf.desk.run("why", shelf.killed, "W1", "--json").json
    assert (found["about"], found["state"]) == ("root/W1", "interrupted")
    assert found["waits_for"] == "script:model.py:reply to answer"
    assert found["left_ms"] > 0
    assert found["sentences"]


def test_the_time_of_a_run_that_goes_on_moves(at: Desk) -> None:
    dispatch = at.gate().gated()
    first, second = (at.run("why", at.latest(), "W1", "--json").json[0] for _ in range(2))
    assert second["waiting_ms"] > first["waiting_ms"]
    assert second["left_ms"] < first["left_ms"]
    assert f"process {dispatch.pid}; it has run for" in at.run("why", at.latest()).out
    at.touch("open")
    ended(dispatch)


def test_an_unknown_actor_is_said_with_those_that_there_are(shelf: Shelf) -> None:
    done = shelf.desk.run("why", shelf.bad, "W7")
    assert (done.code, done.out) == (2, "")
    assert "unknown actor: W7" in done.err
    assert "root/W1" in done.err


def test_a_run_that_never_began_says_so(shelf: Shelf) -> None:
    empty(shelf)
    done = shelf.desk.run("why", "unborn")
    assert done.code == 0
    assert "never began" in done.out
    assert "empty" in shelf.desk.run("status", "unborn").out
    done = shelf.desk.run("resume", "unborn")
    assert done.code == 2
    assert "never began" in done.err
    assert shelf.desk.run("cancel", "unborn").code == 2
    assert shelf.desk.run("events", "unborn").out == ""


def empty(shelf: Shelf) -> None:
    """Make a run without an event, as a crash between two steps of a dispatch leaves it."""

    async def made() -> None:
        store = SqliteStore(shelf.desk.runs)
        await store.create("unborn", "# a manifest\n")
        await store.close()

    asyncio.run(made())
