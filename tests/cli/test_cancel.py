"""Cancel: through the owner while there is one, in its place where there is none."""

import signal

import pytest

from tests.cli.conftest import Shelf
from tests.cli.kit import Desk, ended, wait_for

pytestmark = pytest.mark.slow


def settled(at: Desk, run: str) -> dict[str, str]:
    """How each actor of a run has settled."""
    found = at.run("events", run, "--json").lines
    return {
        each["actor"]: each.get("status", "Success")
        for each in found
        if each["type"] == "ActorSettled"
    }


def test_a_run_is_cancelled_through_its_owner(at: Desk) -> None:
    dispatch = at.gate().gated()
    done = at.run("cancel", at.latest(), "--reason", "wrong repository")
    assert (done.code, done.out) == (0, f"Cancelled run {at.latest()}.\n")
    told = ended(dispatch)
    assert told.code == 1
    assert "cancelled" in told.out
    assert settled(at, at.latest()) == dict.fromkeys(("root", "root/W1", "root/W2"), "Cancelled")
    why = at.run("why", at.latest()).out
    assert "It was cancelled by operator: wrong repository." in why
    assert "cancelled" in at.run("status", at.latest()).out


def test_one_actor_is_cancelled_and_the_others_go_on(at: Desk) -> None:
    dispatch = at.gate().gated()
    assert at.run("cancel", at.latest(), "job 2").out == "Cancelled root/W2.\n"
    at.touch("open")
    assert ended(dispatch).code == 1
    assert settled(at, at.latest()) == {
        "root": "Success", "root/W1": "Success", "root/W2": "Cancelled",
    }  # fmt: skip
    again = at.run("cancel", at.latest())
    assert again.code == 2
    assert "already finished: partial" in again.err


def test_a_settled_actor_is_refused_with_how_it_settled(at: Desk) -> None:
    dispatch = at.gate().gated()
    at.run("cancel", at.latest(), "W1")
    wait_for(lambda: "root/W1" in settled(at, at.latest()))
    done = at.run("cancel", at.latest(), "W1")
    assert done.code == 2
    assert "root/W1 has already settled as Cancelled" in done.err
    dispatch.kill()


def test_a_run_without_an_owner_is_cancelled_in_its_place_and_nothing_is_started(
    shelf: Shelf,
) -> None:
    at, asked = shelf.desk, shelf.desk.asked()
    done = at.run("cancel", shelf.killed, "--reason", "enough")
    assert done.code == 0
    assert f"settles at `leadhand resume {shelf.killed}`" in done.out
    assert "interrupted (cancelled)" in at.run("status", shelf.killed).out
    last = at.run("events", shelf.killed, "--json").lines
    assert [each["type"] for each in last if each["type"].startswith("Run")][-2:] == [
        "RunOwned", "RunCancelled",
    ]  # fmt: skip
    assert "settles its 3 actors as Cancelled and starts nothing" in at.run("why", shelf.killed).out
    assert at.run("resume", shelf.killed).code == 1
    assert set(settled(at, shelf.killed).values()) == {"Cancelled"}
    assert at.asked() == asked
    assert at.run("resume", shelf.killed).code == 1


def test_an_actor_of_a_run_without_an_owner_is_cancelled_for_its_resume(shelf: Shelf) -> None:
    at = shelf.desk
    assert at.run("cancel", shelf.killed, "W1").code == 0
    assert "cancelling" in at.run("why", shelf.killed, "W1").out
    at.touch("open")
    try:
        assert at.run("resume", shelf.killed).code == 1
    finally:
        (at.folder / "open").unlink()
    assert settled(at, shelf.killed)["root/W1"] == "Cancelled"
    assert settled(at, shelf.killed)["root/W2"] == "Success"


def test_an_owner_that_hangs_keeps_the_letter_until_another_takes_it(at: Desk) -> None:
    dispatch = at.gate().gated()
    dispatch.send_signal(signal.SIGSTOP)
    cancel = at.start("cancel", at.latest())
    wait_for(lambda: (at.runs / at.latest() / "inbox.db-wal").stat().st_size > 0)
    assert cancel.poll() is None
    dispatch.send_signal(signal.SIGKILL)
    done = ended(cancel)
    assert done.code == 0
    assert at.run("why", at.latest(), "--json").json[0]["state"] == "interrupted"


def test_what_does_not_exist_is_said(shelf: Shelf) -> None:
    for words, said in (
        (("nosuchrun",), "no run begins with"),
        ((shelf.killed, "W9"), "unknown actor: W9"),
        ((shelf.good,), "already finished: succeeded"),
    ):
        done = shelf.desk.run("cancel", *words)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
