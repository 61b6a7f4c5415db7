"""Signals: Ctrl-C drains, again stops, a third time lets go; the run always goes on by resume."""

import functools
import signal
import time

import pytest

from tests.cli.kit import PATIENCE_SECS, Desk, ended, wait_for

pytestmark = pytest.mark.slow


def draining(at: Desk) -> bool:
    return bool(at.run("status", at.latest(), "--json").json["draining"])


def has_asked(at: Desk, times: int) -> bool:
    return at.asked() == times


def goes_on_to_success(at: Desk) -> None:
    """The run, which nobody owns, is resumed to its success."""
    run = at.latest()
    assert at.run("status", run, "--json").json["resumable"]
    at.touch("open")
    done = at.run("resume", run)
    assert done.code == 0, done
    assert done.out.splitlines()[-1].startswith(f"Run {run}  succeeded")


def test_the_first_ctrl_c_drains_and_what_is_not_done_in_time_waits_for_resume(at: Desk) -> None:
    dispatch = at.gate(grace_secs=1).gated()
    dispatch.send_signal(signal.SIGINT)
    done = ended(dispatch)
    assert done.code == 130
    assert "draining: nothing new starts" in done.out
    assert f"`leadhand resume {at.latest()}` continues" in done.out
    assert done.out.splitlines()[-1].endswith(f"To go on: leadhand resume {at.latest()}")
    assert at.asked() == 2
    goes_on_to_success(at)
    assert at.asked() == 4


def test_the_second_ctrl_c_stops_at_once(at: Desk) -> None:
    dispatch = at.gate(grace_secs=600).gated()
    dispatch.send_signal(signal.SIGINT)
    wait_for(lambda: draining(at))
    dispatch.send_signal(signal.SIGINT)
    done = ended(dispatch)
    assert done.code == 130
    assert "stopping now" in done.out
    assert "interrupted" in done.out.splitlines()[-1]
    goes_on_to_success(at)


def test_a_lead_that_reports_in_time_ends_the_run_and_resume_takes_it_up_again(at: Desk) -> None:
    dispatch = at.gate(grace_secs=600).gated()
    at.touch("obey")
    dispatch.send_signal(signal.SIGINT)
    wait_for(lambda: draining(at))
    at.touch("open")
    done = ended(dispatch)
    assert done.code == 130
    assert "1. STATUS: partial" in done.out
    found = at.run("status", at.latest(), "--json").json
    assert (found["status"], found["resumable"]) == ("partial", True)
    assert f"leadhand resume {at.latest()}" in at.run("why", at.latest()).out
    (at.folder / "obey").unlink()
    assert at.run("resume", at.latest()).code == 0


def test_work_that_a_reporting_lead_left_in_a_drain_can_be_taken_up_again(at: Desk) -> None:
    dispatch = at.gate(grace_secs=1).gated()
    at.touch("obey")
    dispatch.send_signal(signal.SIGINT)
    assert ended(dispatch).code == 130
    assert at.run("status", at.latest(), "--json").json["status"] == "interrupted"
    # The lead has settled: its workers end, and then the lead can be asked to go on.
    at.touch("open")
    done = at.run("resume", at.latest())
    assert done.code == 1
    assert f"To go on: leadhand resume {at.latest()}" in done.out
    (at.folder / "obey").unlink()
    at.run("resume", at.latest())
    assert "the run was taken up again" in at.run("events", at.latest()).out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_being_asked_to_end_is_a_drain_too(at: Desk, number: signal.Signals) -> None:
    dispatch = at.gate(grace_secs=0).gated()
    dispatch.send_signal(number)
    assert ended(dispatch).code == 130
    goes_on_to_success(at)


def test_a_third_ctrl_c_ends_a_process_whose_model_does_not_let_go(at: Desk) -> None:
    model = at.gate().folder / "model.py"
    gate = "await asyncio.sleep(0.01)"
    model.write_text(model.read_text().replace(gate, "import time; time.sleep(0.01)"))
    dispatch = at.start("dispatch", "manifest.toml")
    wait_for(at.asked)
    for _ in range(3):
        dispatch.send_signal(signal.SIGINT)
        # Two signals that come at once are one.
        time.sleep(0.1)
    assert dispatch.wait(PATIENCE_SECS) == 130
    model.write_text(model.read_text().replace("import time; time.sleep(0.01)", gate))
    goes_on_to_success(at)


def test_what_the_parent_had_us_ignore_stays_ignored(at: Desk) -> None:
    dispatch = at.gate(grace_secs=0).gated(wrapper=("env", "--ignore-signal=HUP"))
    dispatch.send_signal(signal.SIGHUP)
    assert not draining(at)
    at.touch("open")
    assert ended(dispatch).code == 0


def test_progress_and_result_of_an_interrupted_run_are_kept_apart_for_programs(at: Desk) -> None:
    dispatch = at.gate(grace_secs=0).gated("--json")
    dispatch.send_signal(signal.SIGINT)
    done = ended(dispatch)
    assert done.code == 130
    assert "draining" in done.err
    found = done.json
    assert (found["status"], found["exit_code"]) == ("interrupted", 130)
    assert found["resume"] == f"leadhand resume {at.latest()}"
    assert found["ended_at"] is None


def test_a_resumed_run_is_interrupted_and_resumed_again(at: Desk) -> None:
    at.gate(grace_secs=0).gated().kill()
    at.started[-1].wait()
    for asked in (4, 6):
        resumed = at.start("resume", at.latest())
        wait_for(functools.partial(has_asked, at, asked))
        resumed.send_signal(signal.SIGINT)
        assert ended(resumed).code == 130
    goes_on_to_success(at)
