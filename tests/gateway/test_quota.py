"""Quota: a provider that gives nothing more parks the run, over HTTP and as real processes."""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId
from leadhand.model import Request
from leadhand.models.scripted import Reply
from leadhand.stores.sqlite import SqliteStore
from leadhand.testing.script import turn
from leadhand.testing.step import Step
from tests.cli.kit import Desk, desk, ended, wait_for
from tests.gateway.kit import MODEL, UNIT, environ, manifest, owned, resumed, served, spawning

pytestmark = pytest.mark.slow

NO_CREDIT = "Your credit balance is too low to access the Anthropic API."
HOUR_SECS = 3_600.0
WORKERS = [{"prompt": "work"}, {"prompt": "work too"}]
MANIFEST = """
[run]
max_workers = 4
budget_usd = 5.00
grace_secs = 30
[defaults]
model = "anthropic:claude-haiku-4-5"
timeout_secs = {timeout_secs}
[[lead]]
id = "lead"
directory = "."
prompt = "Have it done."
"""


class Till:
    """A provider that is out of credit once its workers have taken their first turn.

    back_at: when it has credit again (wall clock, seconds); told: whether it says so.
    """

    def __init__(
        self,
        back_at: float = float("inf"),
        *,
        told: bool = True,
        spawns: list[dict[str, Any]] = WORKERS,
    ) -> None:
        self.back_at, self.told, self.spawns = back_at, told, spawns
        self.met = 0
        self.answered: list[tuple[str, int]] = []

    def answer(self, request: Request) -> Reply:
        number = turn(request)
        if request.actor_id != ROOT and number and time.time() < self.back_at:
            self.met += 1
            return self.refusal()
        self.answered.append((request.actor_id, number))
        if request.actor_id == ROOT:
            return spawning(request, self.spawns)
        if number == 0:
            return Step(calls=(("Glob", {"pattern": "*.none"}),))
        return Step(text="Done.")

    def refusal(self) -> Step:
        """What Anthropic says of a subscription's allowance, or of credit that is used up."""
        if not self.told:
            return Step(status=400, error="invalid_request_error", text=NO_CREDIT)
        headers = {
            "anthropic-ratelimit-unified-status": "rejected",
            "anthropic-ratelimit-unified-reset": f"{self.back_at:.3f}",
        }
        return Step(status=429, text="This allowance is used up.", headers=headers)

    def pays_once(self) -> None:
        """Nothing that was answered was asked again."""
        assert Counter(self.answered) == dict.fromkeys(self.answered, 1)
        assert {actor for actor, number in self.answered if number == 1} == {
            ROOT, "root/W1", "root/W2",
        }  # fmt: skip


class Scene(NamedTuple):
    """A provider, and the desk of somebody who dispatches a run to it."""

    till: Till
    at: Desk

    def dispatch(self, *words: str) -> Any:
        """Begin the run, and wait until it is parked."""
        process = self.at.start("dispatch", "manifest.toml", *words)
        wait_for(lambda: self.till.met or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        wait_for(lambda: self.status()["status"] == "parked" or process.poll() is not None)
        return process

    def status(self) -> Any:
        """What another process says of the run."""
        return self.at.run("status", self.at.latest(), "--json").json

    def goes_on_to_success(self) -> None:
        """With credit again, resume brings it to its end, and nothing is paid twice."""
        self.till.back_at = 0
        done = self.at.run("resume", self.at.latest(), "--json")
        assert (done.code, done.json["status"]) == (0, "succeeded"), done
        assert {each["status"] for each in done.json["tasks"]} == {"Success"}
        self.till.pays_once()


@contextmanager
def scene(base: Path, till: Till, timeout_secs: int = 600) -> Iterator[Scene]:
    """A provider that plays this till, and a desk with a manifest on it."""
    folder = base / "work"
    folder.mkdir()
    (folder / "manifest.toml").write_text(MANIFEST.format(timeout_secs=timeout_secs))
    with served(till.answer) as server, desk(folder, base / "runs") as at:
        at.environment |= environ(server)
        yield Scene(till, at)


def test_a_run_is_parked_until_the_reset_and_goes_on_by_itself(tmp_path: Path) -> None:
    with scene(tmp_path, Till(time.time() + 12), timeout_secs=6) as on:
        began = time.time()
        process = on.dispatch("--json")
        run = on.at.latest()
        first = on.status()
        assert "This allowance is used up." in first["parked"]
        assert abs(on.till.back_at - began - 12) < 1
        assert first["parked_until"] is not None
        assert first["resumable"] is False
        why = on.at.run("why", run).out
        assert "It is parked for" in why
        assert "its time stands still" in why
        assert "This allowance is used up." in why
        assert "it goes on by itself in" in why
        assert "parked" in on.at.run("list").out
        second = on.status()
        assert second["status"] == "parked", "the commands took too long to look"
        assert second["ran_ms"] == first["ran_ms"]
        done = ended(process)
        assert time.time() >= on.till.back_at
        assert on.status()["ran_ms"] < 8_000, "parked time is no run time"
    assert (done.code, done.json["status"]) == (0, "succeeded"), done
    assert {each["status"] for each in done.json["tasks"]} == {"Success"}, "no deadline passed"
    assert on.till.met <= 2
    on.till.pays_once()


def test_a_reset_in_two_seconds_is_waited_for_and_no_longer(tmp_path: Path) -> None:
    till = Till(time.time() + 2)
    with served(till.answer) as server:
        found = owned(tmp_path, manifest(tmp_path), server)
    assert found.run.status == "succeeded"
    assert 0 < time.time() - till.back_at < 20
    assert len(found.all(e.RunUnparked)) == 1
    till.pays_once()


def test_without_a_known_reset_the_run_is_let_go_of_and_resume_goes_on(tmp_path: Path) -> None:
    with scene(tmp_path, Till(told=False)) as on:
        done = on.at.run("dispatch", "manifest.toml", "--json")
        assert (done.code, done.json["status"]) == (1, "parked"), done
        run = on.at.latest()
        assert done.json["resume"] == f"leadhand resume {run}"
        found = on.status()
        assert (found["status"], found["parked_until"], found["resumable"]) == (
            "parked", None, True,
        )  # fmt: skip
        assert NO_CREDIT.rstrip(".") in found["parked"]
        why = on.at.run("why", run).out
        assert f"`leadhand resume {run}` asks again; do it once there is quota" in why
        again = on.at.run("resume", run)
        assert again.code == 1
        assert "A provider's quota is used up (" in again.out
        assert again.out.splitlines()[-1].endswith(f"To go on: leadhand resume {run}")
        assert on.status()["ran_ms"] < 30_000
        on.goes_on_to_success()


def test_an_owner_that_is_killed_while_its_run_is_parked_loses_nothing(tmp_path: Path) -> None:
    with scene(tmp_path, Till(time.time() + HOUR_SECS)) as on:
        process = on.dispatch()
        process.kill()
        process.wait()
        found = on.status()
        assert (found["status"], found["parked_until"], found["resumable"]) == (
            "parked", None, True,
        )  # fmt: skip
        assert "asks again; do it once there is quota" in on.at.run("why", on.at.latest()).out
        on.goes_on_to_success()


def test_ctrl_c_lets_go_of_a_parked_run_at_once(tmp_path: Path) -> None:
    with scene(tmp_path, Till(time.time() + HOUR_SECS)) as on:
        process = on.dispatch()
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        done = ended(process)
        assert time.monotonic() - began < 10
        assert done.code == 130
        assert f"To go on: leadhand resume {on.at.latest()}" in done.out
        assert on.status()["resumable"]
        on.goes_on_to_success()


def test_a_parked_run_is_cancelled_from_another_process(tmp_path: Path) -> None:
    with scene(tmp_path, Till(time.time() + HOUR_SECS)) as on:
        process = on.dispatch("--json")
        began = time.monotonic()
        assert on.at.run("cancel", on.at.latest(), "--reason", "too dear").code == 0
        done = ended(process)
        assert time.monotonic() - began < 10
        assert (done.code, done.json["status"]) == (1, "cancelled")
        assert {each["status"] for each in done.json["tasks"]} == {"Cancelled"}
        found = on.status()
        assert (found["status"], found["parked"]) == ("cancelled", "")


def test_a_parked_run_without_an_owner_can_be_cancelled(tmp_path: Path) -> None:
    with scene(tmp_path, Till(told=False)) as on:
        assert on.at.run("dispatch", "manifest.toml").code == 1
        assert on.at.run("cancel", on.at.latest()).code == 0
        found = on.status()
        assert found["cancelled"], found
        done = on.at.run("resume", on.at.latest(), "--json")
        assert done.json["status"] == "cancelled"
        assert on.status()["parked"] == ""


@pytest.mark.parametrize("model", [MODEL, "anthropic:another"])
def test_where_the_house_rules_say_so_the_actor_fails_and_says_why(
    tmp_path: Path, model: str
) -> None:
    till = Till(told=False, spawns=[{**each, "model": model} for each in WORKERS])
    asked = manifest(tmp_path, on_quota="fail", prices={MODEL: UNIT, model: UNIT})
    with served(till.answer) as server:
        found = owned(tmp_path, asked, server)
    assert found.all(e.RunParked) == []
    records = {each.id: each for each in found.run.records.values()}
    # Who shares the quota does not ask in vain; who does not share it goes on.
    fail = {"root/W1", "root/W2"} | ({"root"} if model == MODEL else set())
    assert {each for each, record in records.items() if record.status == "Failed"} == fail
    for each in fail:
        assert NO_CREDIT.rstrip(".") in records[ActorId(each)].error
    assert found.run.status == ("failed" if model == MODEL else "partial")
    assert {each.charged for each in found.all(e.CallCut)} == {0}


def test_a_run_that_is_resumed_in_the_same_process_asks_again(tmp_path: Path) -> None:
    till = Till(time.time() + 30 * HOUR_SECS)
    with served(till.answer) as server:
        first = owned(tmp_path, manifest(tmp_path), server, store=SqliteStore(tmp_path / "runs"))
        assert not first.finished
        assert first.run.parked is not None
        till.back_at = 0
        again = resumed(tmp_path, first.run.id, server)
    assert again.run.status == "succeeded"
    till.pays_once()
    assert again.run.spent == sum(each.cost for each in again.all(e.TurnRecorded))
