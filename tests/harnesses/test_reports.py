"""Reports: a session ends with its report, once, whatever dies on the way."""

from pathlib import Path

import pytest

from leadhand.domain import events as e
from leadhand.models.scripted import Reply, Script
from tests.harnesses.session_kit import Ended, by_turn, calls, cast, go_on, play, use
from tests.rules.world import REPORT

W1 = "root/W1"
DONE = {"status": "completed", "summary": "I have touched it."}


def script(*turns: Reply | str) -> Script:
    """A lead that has one worker, and that worker's turns."""
    lead = by_turn(
        calls(use("spawn_worker", prompt="work")),
        calls(use("wait_actor", worker_id="W1")),
        REPORT,
    )
    return cast(root=lead, worker=by_turn(*turns))


def reported(base: Path, *turns: Reply | str) -> Ended:
    """A whole run of them."""
    return play(base, script(*turns))


def test_the_turn_that_reports_is_the_last_and_its_results_are_recorded(tmp_path: Path) -> None:
    ended = reported(tmp_path, calls(use("report", **DONE), use("Touch")), "never")
    assert len(ended.requests(W1)) == 1
    assert ended.record(W1).preview == "I have touched it."
    assert len(ended.all(e.ToolReturned, W1)) == 2
    assert ended.talk(W1).open == {}


def test_a_report_that_is_refused_ends_nothing(tmp_path: Path) -> None:
    bad = calls(use("report", status="done"))
    ended = reported(tmp_path, bad, calls(use("report", **DONE)), "never")
    assert len(ended.requests(W1)) == 2
    assert ended.record(W1).status == "Success"


def test_a_report_that_says_failed_fails_the_worker(tmp_path: Path) -> None:
    ended = reported(tmp_path, calls(use("report", status="blocked", summary="There is no key.")))
    assert ended.record(W1).error == "reported blocked: There is no key."
    assert ended.record(W1).status == "Failed"


@pytest.mark.slow
def test_wherever_the_owner_dies_the_reported_worker_is_not_asked_again(tmp_path: Path) -> None:
    turns = (calls(use("report", **DONE), use("Look")), "never")
    whole = reported(tmp_path, *turns)
    own = [type(each).__name__ if each.actor == W1 else "" for each in whole.events]
    answered = own.index("TurnRecorded")
    assert answered < own.index("OutcomeReported")
    for up_to in range(answered + 1, len(own)):
        ended = go_on(whole, tmp_path, script(*turns), up_to)
        assert ended.requests(W1) == []
        assert ended.record(W1).preview == "I have touched it."
        assert len(ended.all(e.OutcomeReported)) == 1
