"""Words: what people read is short, plain, and does nothing to their terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadhand.domain import commands as c
from leadhand.domain.ids import ActorId, CallId
from leadhand.views.words import (
    clock,
    counted,
    doing,
    line,
    listed,
    model_name,
    names,
    order,
    plain,
    span,
    state_of,
)
from tests.views.kit import ESCAPES, asks, world


def test_no_text_reaches_a_terminal_with_its_controls() -> None:
    assert "\x1b" not in plain(ESCAPES)
    assert "\r" not in plain(ESCAPES)
    assert "\u202e" not in plain(ESCAPES)
    assert plain("a\n\tb\r\nc é 日本 👍🏽") == "a\n\tb\nc é 日本 👍🏽"
    assert plain("\ud800") == "\ufffd"


@given(st.text())
def test_a_line_is_one_line_that_any_terminal_can_show(text: str) -> None:
    shown = line(text, 50)
    assert len(shown) <= 50
    assert "\n" not in shown
    assert not any(ord(each) < 32 or 127 <= ord(each) < 160 for each in shown)
    shown.encode()


@pytest.mark.parametrize(
    ("ms", "column", "sentence"),
    [
        (-5, "0:00", "0 s"),
        (0, "0:00", "0 s"),
        (420, "0:00", "0.4 s"),
        (9_999, "0:09", "10 s"),
        (12_300, "0:12", "12 s"),
        (60_000, "1:00", "1 min"),
        (125_000, "2:05", "2 min 5 s"),
        (3_600_000, "1:00:00", "1 h"),
        (3_605_000, "1:00:05", "1 h"),
        (12_000_000, "3:20:00", "3 h 20 min"),
        (180_000_000, "50:00:00", "2 d 2 h"),
    ],
)
def test_durations_are_read_at_a_glance(ms: int, column: str, sentence: str) -> None:
    assert clock(ms) == column
    assert span(ms) == sentence


def test_things_are_counted_and_listed() -> None:
    assert counted(1, "worker") == "1 worker"
    assert counted(0, "worker") == "0 workers"
    assert counted(1200, "worker") == "1,200 workers"
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b"]) == "a and b"
    assert listed(["a", "b", "c"], 2) == "a, b and 1 more"
    assert names([ActorId("root/W1"), ActorId("root/S1/W2")]) == "W1 and W2"


def test_a_script_is_named_without_its_folder() -> None:
    assert model_name("script:/home/ann/model.py:reply") == "script:model.py:reply"
    assert model_name("claude-haiku-4-5") == "claude-haiku-4-5"
    assert model_name("anthropic/claude") == "anthropic/claude"


def test_what_an_actor_does_follows_its_turns() -> None:
    run = world()
    worker = run.spawn(label="reads")
    one = run.actor(worker)
    assert (state_of(one), doing(one, run.now)) == ("queued", "")
    run.admit(worker)
    assert (state_of(one), doing(one, run.now)) == ("running", "asks claude-haiku-4-5")
    run.answer(worker)
    asks(run, worker, "Read a.py", "Read b.py", "Read c.py")
    assert doing(one, run.now) == "Read a.py (+2)"
    run.do(c.RecordToolResult(worker, next(iter(one.tools)), "text"))
    assert doing(one, run.now) == "Read b.py (+1)"
    run.admit(worker)
    assert doing(one, run.now) == "asks claude-haiku-4-5 after Read c.py"
    run.do(c.CancelActor(worker, "not needed"))
    assert (state_of(one), doing(one, run.now)) == ("cancelling", "not needed")
    run.exit(worker, "stopped")
    assert state_of(run.record(worker)) == "Cancelled"


def test_a_lead_that_waits_names_for_whom() -> None:
    run = world()
    workers = [run.spawn(), run.spawn()]
    asks(run, "root", "wait", tool="wait_for_any")
    call = next(iter(run.actor().tools))
    run.do(c.OpenWait(ActorId("root"), call, tuple(workers), True))
    assert doing(run.actor(), run.now) == "waits for W1 and W2"


def test_who_waits_for_an_entry_and_a_lease_names_both() -> None:
    run = world()
    run.do(c.AcquireLease(run.spawn(), CallId("a"), "x", 60, run_wide=True))
    asks(run, "root", "one", "other", tool="kv_wait")
    first, second = run.actor().tools
    run.do(c.AwaitEntry(ActorId("root"), first, "/shared/go", 3))
    run.do(c.AcquireLease(ActorId("root"), second, "x", 60, 30, run_wide=True))
    assert doing(run.actor(), run.now) == (
        "waits for /shared/go (version 3) and the lease x (of the whole run)"
    )


def test_a_crashed_session_says_when_it_starts_again() -> None:
    run = world()
    worker = run.spawn()
    run.admit(worker)
    run.do(c.RecordCrash(worker, "boom"))
    assert doing(run.actor(worker), run.now) == "crashed; starts again in 1 s"


def test_actors_are_in_the_order_of_their_numbers() -> None:
    ids = ["root/W10", "root/W2", "root", "root/S1/W3", "root/S1"]
    assert sorted(map(ActorId, ids), key=order) == [
        "root", "root/S1", "root/S1/W3", "root/W2", "root/W10",
    ]  # fmt: skip
