"""Contract: what is asked of who says done, and how it settles."""

from typing import Any

import pytest

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import events as e
from leadhand.domain.contract import CHECKS_SECS, Contract, Delivery, Evidence, Said
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.manifest import Settings, Task
from leadhand.refusals import InvalidArguments, WoundDown, WriteClaimOverlaps
from tests.rules.world import REPORT, World, kinds, manifest

FILES = Contract(files=("out.md",))
VALUE = Contract(returns='{"type":"integer"}')
HELD = Evidence("files", "out.md", ok=True)
BROKEN = Evidence("files", "out.md", ok=False, detail="is not there")
TAME = ("Read", "Write")


def reported(
    world: World, actor: str, status: Said = "completed", words: str = "It is so.", **more: Any
) -> list[e.Event]:
    """A worker reports."""
    call = world.call_id()
    return world.do(c.RecordOutcome(ActorId(actor), call, Delivery(status, words, **more)))


def claimed(contract: Contract = FILES, **given: Any) -> tuple[World, ActorId]:
    """A worker that has ended and is checked."""
    world = World(**given)
    worker = world.spawn(contract=contract)
    world.turn(worker)
    world.exit(worker)
    assert world.actor(worker).duty.claimed_at is not None
    return world, worker


def checked(world: World, actor: str, *found: Evidence, **more: Any) -> list[e.Event]:
    """The checks of a worker are over."""
    return world.do(c.RecordChecks(ActorId(actor), found, "done", **more))


# --- reports


def test_a_worker_without_a_report_or_a_contract_settles_as_ever() -> None:
    world = World()
    record = world.record(world.settled())
    assert (record.status, record.outcome, record.duty.told) == ("Success", "unverified", None)


def test_a_report_is_kept_whole_in_the_log_and_short_in_the_state() -> None:
    world = World()
    worker = world.spawn()
    world.turn(worker)
    reported(world, worker, words="x" * 10_000, returns="[1]")
    told = world.actor(worker).duty.told
    assert told is not None
    assert (len(told.preview), told.returned, told.turn) == (200, True, 1)
    assert len(world.of(e.OutcomeReported)[0].delivery.summary) == 10_000


def test_the_last_report_counts_and_one_that_is_repeated_is_the_same() -> None:
    world = World()
    worker = world.spawn()
    world.turn(worker)
    command = c.RecordOutcome(worker, CallId("r"), Delivery("failed", "no"))
    assert kinds(world.do(command)) == ["OutcomeReported"]
    assert world.do(command) == []
    reported(world, worker, "completed")
    world.exit(worker)
    assert world.record(worker).status == "Success"


@pytest.mark.parametrize("status", ["partial", "failed", "blocked"])
def test_prose_that_says_done_does_not_help_against_a_report_that_denies_it(status: Said) -> None:
    world = World()
    worker = world.spawn(contract=FILES)
    world.turn(worker)
    reported(world, worker, status, "half of it")
    world.exit(worker, final="All is done, perfectly.")
    record = world.record(worker)
    assert (record.status, record.error) == ("Failed", f"reported {status}: half of it")
    assert record.outcome == "unverified"


def test_prose_that_says_failed_does_not_hurt_a_report_whose_checks_hold() -> None:
    world = World()
    worker = world.spawn(contract=FILES)
    world.turn(worker)
    reported(world, worker)
    world.exit(worker, final="I have failed.")
    checked(world, worker, HELD)
    assert (world.record(worker).status, world.record(worker).outcome) == ("Success", "verified")


def test_a_report_that_comes_late_changes_nothing() -> None:
    world, worker = claimed()
    assert reported(world, worker, "failed") == []
    checked(world, worker, HELD)
    assert reported(world, worker, "failed") == []
    assert world.record(worker).status == "Success"


# --- a value that is owed


def test_who_owes_a_value_is_asked_for_it_once() -> None:
    world = World()
    worker = world.spawn(contract=VALUE)
    world.turn(worker)
    assert kinds(world.exit(worker)) == ["OutcomeAsked", "MessageSent"]
    assert world.mail(worker) == ["report"]
    world.turn(worker)
    assert kinds(world.exit(worker)) == ["OutcomeClaimed"]


def test_who_has_returned_its_value_is_not_asked() -> None:
    world = World()
    worker = world.spawn(contract=VALUE)
    world.turn(worker)
    reported(world, worker, returns="7")
    assert kinds(world.exit(worker)) == ["OutcomeClaimed"]


def test_who_has_no_turn_left_is_not_asked() -> None:
    world = World()
    worker = world.spawn(contract=VALUE, max_turns=1)
    world.turn(worker)
    assert kinds(world.exit(worker)) == ["OutcomeClaimed"]


# --- checks


def test_who_is_checked_holds_its_place_and_its_checks_are_due() -> None:
    world, worker = claimed()
    assert world.run.workers_live == 1
    assert world.due([ROOT]) == [fx.Check(worker)]
    assert world.due([ROOT, worker]) == []


def test_a_check_that_fails_refutes_and_the_run_does_not_succeed() -> None:
    world, worker = claimed()
    events = checked(world, worker, HELD, BROKEN)
    assert kinds(events) == ["ChecksRecorded", "ActorSettled"]
    record = world.record(worker)
    assert (record.status, record.outcome) == ("Failed", "refuted")
    assert record.error == "refuted: files out.md: is not there"
    assert world.of(e.ChecksRecorded)[0].evidence == (BROKEN, HELD)
    world.turn()
    world.exit(final=REPORT)
    world.perform([])
    assert world.run.status == "partial"


def test_a_contract_of_which_nothing_could_be_checked_leaves_its_worker_unverified() -> None:
    world, worker = claimed()
    checked(world, worker)
    assert (world.record(worker).status, world.record(worker).outcome) == ("Success", "unverified")


def test_a_status_file_stands_for_a_report_and_only_where_there_is_none() -> None:
    failed = Delivery("blocked", "no key")
    world, worker = claimed()
    checked(world, worker, HELD, delivery=failed)
    assert world.record(worker).error == "reported blocked: no key"
    assert world.of(e.OutcomeReported)[0].by == "file"

    world = World()
    worker = world.spawn(contract=FILES)
    world.turn(worker)
    reported(world, worker)
    world.exit(worker)
    checked(world, worker, HELD, delivery=failed)
    assert world.record(worker).outcome == "verified"


def test_with_a_folder_of_status_files_every_worker_is_looked_at() -> None:
    world = World(status_dir="/status")
    worker = world.spawn()
    world.turn(worker)
    assert kinds(world.exit(worker)) == ["OutcomeClaimed"]


def test_time_does_not_run_out_while_work_is_checked() -> None:
    world, worker = claimed(defaults=Settings(timeout_secs=10))
    world.later(secs=CHECKS_SECS)
    assert world.due([ROOT, worker]) == []
    assert world.do(c.ExpireActor(worker)) == []
    assert world.do(c.WrapUpActor(worker)) == []
    checked(world, worker, HELD)
    assert world.record(worker).status == "Success"


def test_who_is_checked_can_be_cancelled() -> None:
    world, worker = claimed()
    world.do(c.CancelActor(worker, "enough"))
    assert world.due([ROOT, worker]) == [fx.Stop(worker)]
    assert checked(world, worker, HELD) == []
    world.perform([ROOT])
    assert world.record(worker).status == "Cancelled"


def test_an_exit_that_comes_while_work_is_checked_changes_nothing() -> None:
    world, worker = claimed()
    assert kinds(world.exit(worker, "failed", error="late")) == ["ExitLate"]
    assert kinds(world.exit(worker)) == ["ExitLate"]


def test_checks_that_crash_are_made_again_and_the_third_time_fail_the_actor() -> None:
    world, worker = claimed()
    for _ in range(2):
        world.do(c.RecordCrash(worker, "the disk"))
        world.later(secs=10)
        assert world.due([ROOT]) == [fx.Check(worker)]
    world.do(c.RecordCrash(worker, "the disk"))
    assert world.record(worker).status == "Failed"


def test_a_beginning_is_kept_once() -> None:
    world = World()
    worker = world.spawn(contract=Contract(changed=("a",)))
    assert kinds(world.do(c.RecordBeginning(worker, (("a", "1"),)))) == ["BeginningKept"]
    assert world.do(c.RecordBeginning(worker, (("a", "2"),))) == []
    assert world.do(c.RecordBeginning(ActorId("root/W9"))) == []


def test_a_report_of_a_lead_or_of_nobody_is_no_matter() -> None:
    world, worker = claimed()
    checked(world, worker, HELD)
    assert checked(world, worker, BROKEN) == []
    assert world.record(worker).outcome == "verified"


# --- contracts that cannot be kept


@pytest.mark.parametrize(
    ("contract", "why"),
    [
        (Contract(files=("/etc/passwd",)), r"files\[0\]: must be relative"),
        (Contract(files=("ok", "a/../../b")), r"files\[1\]: must stay inside"),
        (Contract(changed=("~/x",)), r"changed\[0\]: must be relative"),
        (Contract(writes=("../**",)), r"writes\[0\]: must stay inside"),
        (Contract(commands=(" ",)), r"commands\[0\]: must not be blank"),
        (Contract(forbid=("a\0b",)), r"forbid\[0\]: holds a NUL"),
        (Contract(files=("x",) * 101), "files: has 101 entries"),
        (Contract(writes=("x" * 600, "y" * 600)), "has 1200 characters in all"),
        (Contract(commands=("x",) * 21), "commands: has 21 entries"),
        (Contract(commands=("x" * 10_001,)), "has 10001 characters"),
        (Contract(commands=("x",), command_timeout_secs=301), "command_timeout_secs must be"),
        (Contract(returns="[]"), "returns: must be a JSON Schema"),
        (Contract(returns="{"), "returns: is no JSON"),
        (Contract(returns='{"x":"' + "y" * 33_000 + '"}'), "at most 32768"),
        (Contract(returns='{"x":' * 40 + "1" + "}" * 40), "nested deeper than 32"),
        (Contract(returns='{"a":[{"$ref":"https://x.org/s"}]}'), "only references inside"),
        (Contract(returns='{"$dynamicRef":"other.json#a"}'), "only references inside"),
    ],
)
def test_a_contract_that_cannot_be_checked_is_refused(contract: Contract, why: str) -> None:
    world = World()
    with pytest.raises(InvalidArguments, match=why):
        world.do(world.spawning(contract=contract))
    assert not world.actor().keys


def test_a_claim_of_who_runs_commands_needs_a_worktree() -> None:
    world = World()
    claim = Contract(writes=("src/**",))
    refusal = world.refused(world.spawning(contract=claim), InvalidArguments)
    assert "Bash" in refusal.message
    assert "without Bash" in refusal.next_step
    world.spawn(contract=claim, tools=TAME)
    world.spawn(contract=Contract(writes=("doc/**",)), use_worktree=True)
    assert len(world.actor().keys) == 2


# --- claims that meet


def test_a_claim_that_overlaps_that_of_a_live_worker_is_refused_and_names_it() -> None:
    world = World()
    first = world.spawn(contract=Contract(writes=("src/**",)), tools=TAME, directory="/repo")
    second = world.spawning(contract=Contract(writes=("src/a.py",)), tools=TAME, directory="/repo")
    refusal = world.refused(second, WriteClaimOverlaps)
    assert first in refusal.message
    assert refusal.code == "write_claim_overlaps"
    world.turn(first)
    world.exit(first)
    checked(world, first)
    world.do(second)


@pytest.mark.parametrize(
    ("directory", "glob", "meets"),
    [
        ("/repo", "doc/**", False),
        ("/repo", "src/*.md", False),
        ("/repo", "**", True),
        ("/repo/src", "b.py", True),
        ("/repo/src", "b.md", False),
        ("/other", "src/b.py", False),
        ("/", "repo/*/b.py", True),
    ],
)
def test_claims_meet_where_they_mean_the_same_file(directory: str, glob: str, meets: bool) -> None:
    world = World()
    world.spawn(contract=Contract(writes=("src/*.py",)), tools=TAME, directory="/repo")
    second = world.spawning(contract=Contract(writes=(glob,)), tools=TAME, directory=directory)
    if meets:
        world.refused(second, WriteClaimOverlaps)
    else:
        world.do(second)


def test_a_task_whose_files_another_one_writes_waits_for_it() -> None:
    claim = Contract(writes=("src/**",))
    settings = Settings(tools=TAME, directory="/repo", model="unit")
    tasks = tuple(Task(name, "do", settings=settings, contract=claim) for name in ("a", "b"))
    asked = manifest()
    world = World(type(asked)(asked.lead, asked.house, prices=asked.prices, tasks=tasks))
    world.perform([])
    (first,) = world.actor().live_children
    assert "overlaps" in world.run.tasks.held
    world.turn(first)
    world.exit(first)
    checked(world, first)
    world.perform([])
    assert list(world.run.tasks.running.values()) == ["b"]


def test_the_log_gives_the_same_state_again() -> None:
    world, worker = claimed(VALUE, status_dir="/status")
    checked(world, worker, BROKEN, delivery=Delivery("completed", "x"))
    assert world.refolded().records[worker].duty == world.record(worker).duty


def test_the_folder_of_status_files_moves_with_the_run() -> None:
    world = World(status_dir="/a/status", lead=Settings(directory="/a"))
    world.do(c.MapPaths((("/a", "/b"),)))
    assert world.run.house.status_dir == "/b/status"


def test_who_is_checked_takes_no_call() -> None:
    world, worker = claimed()
    world.refused(world.admitting(worker), WoundDown)


def test_what_is_changed_beside_a_claim_is_kept_and_settles_nobody() -> None:
    one = World()
    worker = one.spawn(contract=Contract(writes=("out/**",)), tools=("Read", "Write"))
    paths = tuple(f"file-{number}" for number in range(30))
    (event,) = one.do(c.RecordDrift(worker, CallId("bash"), paths))
    assert event == e.DriftFound(worker, call=CallId("bash"), paths=paths[:20])
    assert one.do(c.RecordDrift(worker, CallId("bash"), ())) == []
    one.exit(worker, "failed")
    assert one.do(c.RecordDrift(worker, CallId("late"), paths)) == []
