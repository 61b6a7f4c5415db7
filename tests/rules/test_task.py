"""Task: each starts as soon as what it needs is done; what never can is skipped, and says why."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.manifest import Settings, Task
from tests.rules.world import UNIT, World, manifest

CHAIN = {"a": (), "b": ("a",), "c": ("b",)}
DIAMOND = {"top": (), "left": ("top",), "right": ("top",), "end": ("left", "right")}


PLAIN = Settings()


def plan(needs: dict[str, tuple[str, ...]], settings: Settings = PLAIN, **house: Any) -> World:
    """A run of these tasks, which has done what was due."""
    asked = manifest(**{"budget_nanousd": 1_000_000_000, "defaults": Settings(model=UNIT), **house})
    tasks = tuple(Task(name, f"do {name}", "", each, settings) for name, each in needs.items())
    run = World(begin=False)
    run.do(c.OwnRun(1, "test"))
    run.do(c.StartRun("run", replace(asked, tasks=tasks)))
    return go(run)


def go(run: World) -> World:
    """Do what is due until nothing is, but launches."""
    while True:
        effects = [each for each in run.due() if isinstance(each, fx.Submit)]
        if not effects:
            return run
        for effect in effects:
            run.do(effect.command)


def under_way(run: World) -> list[str]:
    """The tasks that run."""
    return list(run.run.tasks.running.values())


def end(run: World, task: str, outcome: c.Outcome = "completed") -> None:
    """A task's worker settles, and what follows is done."""
    worker = next(actor for actor, each in run.run.tasks.running.items() if each == task)
    run.turn(worker)
    run.exit(worker, outcome, f"{task} is done", "it broke" * (outcome == "failed"))
    go(run)


def test_tasks_start_as_soon_as_their_needs_are_done() -> None:
    run = plan(DIAMOND)
    assert under_way(run) == ["top"]
    end(run, "top")
    assert under_way(run) == ["left", "right"]
    end(run, "right")
    assert under_way(run) == ["left"]
    end(run, "left")
    assert under_way(run) == ["end"]
    end(run, "end")
    assert run.run.status == "succeeded"
    assert run.record().preview == "4 of 4 tasks succeeded"


def test_a_task_is_a_worker_with_its_own_settings_and_name() -> None:
    run = plan({"a": ()}, Settings(max_turns=7, timeout_secs=60))
    (worker,) = run.of(e.ActorSpawned)[1:]
    assert (worker.task, worker.label, worker.prompt, worker.parent) == ("a", "a", "do a", ROOT)
    assert (worker.settings.max_turns, worker.settings.timeout_secs) == (7, 60)


def test_no_more_run_at_a_time_than_the_house_rules_allow() -> None:
    run = plan({str(number): () for number in range(9)}, max_parallel_tasks=2)
    assert under_way(run) == ["0", "1"]
    end(run, "1")
    assert under_way(run) == ["0", "2"]


def test_four_run_at_a_time_where_nobody_says_otherwise() -> None:
    assert len(under_way(plan({str(number): () for number in range(9)}))) == 4


def test_a_task_whose_need_failed_is_skipped_with_that_reason_and_so_on_down() -> None:
    run = plan(CHAIN)
    end(run, "a", "failed")
    skipped = run.run.tasks.skipped
    assert skipped == {"b": "its need a settled as Failed", "c": "its need b was skipped"}
    assert run.run.status == "failed"
    assert run.record().preview == "0 of 3 tasks succeeded, 1 failed, 2 skipped"


def test_what_does_not_need_the_failed_one_goes_on() -> None:
    run = plan({"a": (), "b": (), "c": ("b",)}, max_parallel_tasks=1)
    end(run, "a", "failed")
    end(run, "b")
    end(run, "c")
    assert run.run.status == "partial"
    assert [run.run.tasks.ended[each] for each in "abc"] == ["Failed", "Success", "Success"]


def test_halt_on_failure_lets_nothing_start_after_a_failure() -> None:
    run = plan({"a": (), "b": (), "c": (), "d": ("b",)}, max_parallel_tasks=2, halt_on_failure=True)
    end(run, "a", "failed")
    assert under_way(run) == ["b"]
    end(run, "b")
    assert run.run.tasks.skipped == dict.fromkeys(
        ("c", "d"), "halt_on_failure: a settled as Failed"
    )
    assert run.run.status == "partial"


def test_a_task_that_cannot_be_paid_waits_for_others_and_is_skipped_at_last() -> None:
    dear = Settings(budget_nanousd=600_000)
    run = plan({"a": (), "b": (), "c": ()}, dear, budget_nanousd=1_000_000)
    assert under_way(run) == ["a"]
    assert run.run.tasks.held.startswith("budget exceeded: ")
    worker = run.run.actors[ActorId("root/W1")]
    run.admit(worker.id, new_bytes=100_000)
    run.do(c.RecordCut(worker.id, run.actor(worker.id).call.id, "cut"))  # type: ignore[union-attr]
    run.exit(worker.id)
    go(run)
    assert under_way(run) == ["b"]
    end(run, "b")
    end(run, "c")
    assert set(run.run.tasks.ended) == {"a", "b", "c"}


def test_a_task_that_no_money_can_pay_is_skipped_with_the_figures() -> None:
    run = plan({"a": ()}, Settings(budget_nanousd=900_000), budget_nanousd=500_000)
    assert run.run.tasks.skipped["a"].startswith("budget exceeded: ")
    assert run.run.status == "failed"


def test_a_drain_starts_nothing_and_lets_what_runs_go_on() -> None:
    run = plan(DIAMOND)
    run.do(c.DrainRun())
    assert run.mail("root/W1") == []
    end(run, "top")
    assert under_way(run) == []
    assert fx.Suspend() in run.due()
    run.do(c.OwnRun(2, "another"))
    assert under_way(go(run)) == ["left", "right"]


def test_a_cancelled_run_starts_nothing_more() -> None:
    run = plan(DIAMOND)
    run.do(c.CancelRun("enough"))
    run.exit("root/W1", "stopped")
    go(run)
    run.exit(ROOT, "stopped")
    go(run)
    assert run.run.status == "cancelled"
    assert under_way(run) == []


def test_a_start_that_was_under_way_when_the_run_was_ended_starts_nothing() -> None:
    run = plan({"a": (), "b": ()}, max_parallel_tasks=1)
    run.exit("root/W1")
    run.do(c.CancelActor(ROOT, "enough"))
    assert run.do(c.StartTask("b")) == []


def test_a_start_that_is_asked_twice_makes_one_worker() -> None:
    run = plan(DIAMOND)
    assert run.do(c.StartTask("top")) == []
    assert run.do(c.StartTask("end")) == []
    assert run.do(c.StartTask("nobody knows it")) == []


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_every_task_ends_once_or_is_skipped_with_a_reason(seed: int) -> None:
    dice = Random(seed)
    names = [f"t{number}" for number in range(30)]
    needs = {
        name: tuple(dice.sample(names[:at], min(at, dice.choice((0, 0, 1, 2, 3)))))
        for at, name in enumerate(names)
    }
    run = plan(
        needs,
        max_parallel_tasks=dice.randint(1, 6),
        halt_on_failure=dice.random() < 0.2,
        max_total_spawns=1_000,
    )
    while running := under_way(run):
        for task in running:
            spawned = next(each for each in run.of(e.ActorSpawned) if each.task == task)
            assert all(run.run.tasks.ended[need] == "Success" for need in needs[task]), spawned
        end(run, dice.choice(running), dice.choice(("completed", "completed", "failed")))
    tasks = run.run.tasks
    assert sorted([*tasks.ended, *tasks.skipped]) == sorted(names)
    assert run.run.status in ("succeeded", "partial", "failed")
    assert len(run.of(e.RunFinished)) == 1


@pytest.mark.parametrize(
    "path",
    sorted((Path(__file__).parents[1] / "data/workflows").glob("*.json")),
    ids=lambda path: path.stem,
)
def test_real_workflows_run_as_wide_as_they_go(path: Path) -> None:
    tasks = json.loads(path.read_text())["tasks"]
    needs = {f"t{at}": tuple(f"t{need}" for need in each) for at, (_, each) in enumerate(tasks)}
    run = plan(needs, max_parallel_tasks=10_000, max_total_spawns=10_000)
    rounds = 0
    while running := under_way(run):
        rounds += 1
        for task in running:
            end(run, task)
    assert run.run.status == "succeeded"
    assert rounds == longest(needs)


def longest(needs: dict[str, tuple[str, ...]]) -> int:
    """The length of the critical path."""
    lengths: dict[str, int] = {}
    while len(lengths) < len(needs):
        for name, each in needs.items():
            if name not in lengths and all(need in lengths for need in each):
                lengths[name] = 1 + max((lengths[need] for need in each), default=0)
    return max(lengths.values())
