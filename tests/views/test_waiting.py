"""Waiting: for any actor that waits: what for, since when, what next."""

from typing import Any

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.questions import Question
from leadhand.refusals import MaxWorkersExceeded
from leadhand.views import why, why_run
from tests.rules.world import World, intent
from tests.views.kit import asks, scene, world

TIMED: dict[str, Any] = {"timeout_secs": 600}


def of(run: World, actor: str, held: str = "ann on desk, process 7") -> why.Why:
    return why.actor(run.run, ActorId(actor), scene(run, held))


def said(found: why.Why) -> str:
    return " ".join(found.sentences)


def of_run(run: World, held: str = "ann on desk, process 7") -> str:
    return said(why_run.whole_run(run.run, scene(run, held)))


def test_one_that_asks_its_model_says_since_when_and_what_it_may_cost() -> None:
    run = world()
    worker = run.spawn(label="reads", **TIMED)
    bound = run.admit(worker).bound
    found = of(run.later(secs=12), worker)
    assert (found.about, found.state, found.waiting_ms) == ("root/W1", "running", 12_000)
    assert found.waits_for == "claude-haiku-4-5 to answer"
    assert found.left_ms == 588_000
    assert "root/W1 (reads) is running." in found.sentences
    assert "It waits for claude-haiku-4-5 to answer, for 12 s now." in found.sentences
    assert "Its own time is up in 9 min 48 s (of 10 min); it then settles as TimedOut." in said(
        found
    )
    assert f"${bound / 1e9:.2f} more is reserved for the call in flight." in said(found)


def test_one_that_waits_for_an_entry_says_which_and_until_when() -> None:
    run = world()
    worker = run.spawn(**TIMED)
    asks(run, worker, "wait", tool="kv_wait")
    call = next(iter(run.actor(worker).tools))
    run.do(c.AwaitEntry(worker, call, "/shared/go", 2, 60))
    found = of(run.later(secs=5), worker)
    assert found.waits_for == "/shared/go to be written (version 2)"
    assert (found.waiting_ms, found.left_ms) == (5_000, 55_000)
    assert found.next == "it gets what has come; without that, it is told so and goes on"


def test_one_that_waits_for_a_lease_says_who_holds_it_and_who_is_before_it() -> None:
    run = world()
    first, second, third = run.spawn(), run.spawn(), run.spawn()
    run.do(c.AcquireLease(first, CallId("a"), "main.py", 60))
    for worker in (second, third):
        asks(run, worker, "wait", tool="lease_acquire")
        call = next(iter(run.actor(worker).tools))
        run.do(c.AcquireLease(worker, call, "main.py", 60, wait_secs=30))
    run.later(secs=10)
    assert of(run, third).waits_for == (
        "the lease main.py (held by root/W1 for 50 s at most, 1 other before it)"
    )
    assert of(run, second).waits_for == "the lease main.py (held by root/W1 for 50 s at most)"
    assert of(run, second).left_ms == 20_000
    assert (
        "It holds the lease main.py for 50 s more (2 others waiting)." in of(run, first).sentences
    )
    run.do(c.ReleaseLease(first, CallId("b"), "main.py"))
    assert "free, and about to be granted" in of(run, second).waits_for


def test_one_that_is_paused_says_by_whom_and_how_it_goes_on() -> None:
    run = world()
    worker = run.spawn(**TIMED)
    run.admit(worker)
    run.later(secs=60).do(c.PauseActor(worker, "freeze", "look at\nits files", by=ROOT))
    found = of(run.later(secs=5), worker)
    assert (found.state, found.waiting_ms, found.left_ms) == ("frozen", 5_000, None)
    assert found.waits_for == "someone to continue it: root froze it (look at its files)"
    assert "`leadhand continue run root/W1`, or when its lead says so" in found.next
    assert "Its own time stands still, with 9 min left (of 10 min)." in said(found)
    run.do(c.PauseActor(worker, "cancel"))
    assert of(run, worker).state == "paused"
    assert of(run, worker, held="").state == "interrupted"


def asked_about(run: World, actor: str) -> CallId:
    """A call of effects that waits for the operator."""
    run.turn(actor, intents=(intent("push", "effects", "Bash"),))
    question = Question("tool_use", "Bash")
    run.do(c.AskApproval(ActorId(actor), CallId("push"), question, "git push", ttl_secs=60))
    return CallId("push")


def test_one_that_is_paused_says_what_it_has_asked_and_that_it_can_be_answered() -> None:
    run = world()
    worker = run.spawn(**TIMED)
    asked_about(run, worker)
    run.later(secs=20).do(c.PauseActor(worker))
    found = said(of(run.later(secs=100), worker))
    assert "It has asked the operator (A1: git push), who may answer now" in found
    assert "stands still, with 40 s left" in found


def test_a_call_that_was_only_asked_about_is_not_said_to_be_interrupted() -> None:
    run = world()
    worker = run.spawn(**TIMED)
    call = asked_about(run, worker)
    assert "outcome" not in said(of(run, worker, held=""))
    run.do(c.AnswerApproval("A1", True))
    run.do(c.UseApproval(worker, call))
    assert "outcome of the open tool call is unknown" in said(of(run, worker, held=""))


def test_one_that_is_interrupted_says_so() -> None:
    run = world()
    worker = run.spawn()
    run.admit(worker)
    run.do(c.RepromptActor(worker, "otherwise"))
    assert of(run, worker).waits_for == "its session to stop"
    assert "1 message to it goes with its next call." in said(of(run, worker))


def test_one_that_was_spawned_and_not_started_says_so() -> None:
    run = world()
    worker = run.spawn()
    found = of(run.later(secs=2), worker)
    assert (found.state, found.waits_for) == ("queued", "its first call to be admitted")
    assert (found.waiting_ms, found.cost_usd) == (2_000, 0.0)
    assert "It has cost $0.00 in 0 turns." in found.sentences


def test_one_without_its_worktree_yet_waits_for_that_and_says_where_it_stays() -> None:
    run = world()
    worker = run.spawn(directory="/repo", use_worktree=True)
    assert of(run, worker).waits_for == "its worktree to be made"
    run.do(c.RecordWorkspace(worker, "x", "abc", "/repo/.git"))
    assert of(run, worker).waits_for == "its worktree to be made"
    run.do(c.RecordWorkspaceMade(worker))
    assert of(run, worker).waits_for == "its first call to be admitted"
    run.exit(worker, "failed", error="it broke")
    run.perform()
    assert 'Its worktree stays: worktree_cleanup is "on_success", and it settled as Failed.' in (
        of(run, worker).sentences
    )


def test_one_that_could_not_be_placed_says_why() -> None:
    run = world()
    worker = run.spawn(directory="/repo", use_worktree=True)
    run.exit(worker, "unplaced", "", "/repo has no commit yet")
    found = of(run, worker)
    assert found.state == "SpawnFailed"
    assert "settled as SpawnFailed after 0 s: /repo has no commit yet." in said(found)
    assert "It never had a turn" not in said(found)


def test_a_lead_that_waits_for_workers_says_what_they_do() -> None:
    run = world()
    workers = [run.spawn(), run.spawn()]
    run.admit(workers[0])
    asks(run, "root", "wait_for_worker", tool="wait_for_worker")
    run.do(c.OpenWait(ROOT, next(iter(run.actor().tools)), tuple(workers), timeout_secs=60))
    found = of(run.later(secs=5), "root")
    assert found.waits_for == "root/W1 (asks claude-haiku-4-5) and root/W2 (queued) to settle"
    assert (found.waiting_ms, found.left_ms) == (5_000, 55_000)
    assert "in 55 s at the latest" in said(found)
    assert "its workers then have 30 s to wrap up, and it has one last turn." in said(found)


def test_a_lead_that_waits_for_the_first_says_so() -> None:
    run = world()
    workers = [run.spawn(), run.spawn()]
    asks(run, "root", "wait_for_any", tool="wait_for_any")
    run.do(c.OpenWait(ROOT, next(iter(run.actor().tools)), tuple(workers), True))
    assert of(run, "root").waits_for.startswith("the first of root/W1")


def test_one_whose_tools_run_names_them() -> None:
    run = world()
    asks(run, "root", "Bash make test", "Read a.py")
    found = of(run.later(secs=90), "root")
    assert found.waits_for == "Bash make test and Read a.py to return"
    assert "for 1 min 30 s now" in said(found)


def test_one_whose_next_call_waits_for_money_says_how_much_and_what_then() -> None:
    run = world(budget_nanousd=60_000_000)
    run.admit(run.spawn(max_turns=1))
    run.do(run.admitting("root", 4_000))
    found = of(run.later(secs=3), "root")
    assert found.waits_for.startswith("money: its next call needs $0.0")
    assert "of $0.06 $0.00 is spent" in found.waits_for
    assert "asked for again as calls settle, then made smaller, then refused, in" in said(found)
    deferral = run.actor().deferral
    assert deferral is not None
    assert found.left_ms == deferral.until - 3_000
    assert found.waiting_ms == 3_000


def test_one_whose_session_crashed_says_when_it_starts_again_and_when_it_fails() -> None:
    run = world()
    worker = run.spawn()
    run.admit(worker)
    run.do(c.RecordCrash(worker, "the harness died"))
    found = of(run.later(ms=400), worker)
    assert found.waits_for == "its session, which crashed 1 time, to be started again"
    assert (found.waiting_ms, found.left_ms) == (400, 600)
    assert '"the harness died"; 3 in a row fail it.' in said(found)


def test_one_that_is_being_ended_says_by_whom_and_what_holds_it_up() -> None:
    run = world()
    worker = run.spawn()
    run.do(c.CancelActor(ROOT, "wrong repository"))
    assert of(run, "root").waits_for == "W1 to settle"
    found = of(run.later(secs=1), worker)
    assert (found.state, found.waits_for) == ("cancelling", "its session to stop")
    assert found.next == "it settles as Cancelled (wrong repository, by operator)"
    assert found.waiting_ms == 1_000


def test_one_whose_time_is_up_says_when_it_ends() -> None:
    run = world(lead_timeout_secs=60, grace_secs=10)
    run.admit()
    run.later(secs=60).do(c.ExpireActor(ROOT))
    found = said(of(run.later(secs=4), "root"))
    assert "It ends in 16 s at the latest: its time is up." in found
    assert "It was told to wind down (time)." in found
    assert "1 message to it goes with its next call." in found


def test_a_lead_whose_spawns_are_refused_says_why() -> None:
    run = world(max_workers=1)
    run.spawn()
    for _ in range(3):
        run.refused(run.spawning(), MaxWorkersExceeded)
    text = said(of(run, "root"))
    assert "Turns in a row whose spawns were refused: 1 (3 max_workers_exceeded)." in text
    assert "Spawns refused: 3 (3 max_workers_exceeded)." in of_run(run)


def test_without_an_owner_nothing_moves_and_that_is_said() -> None:
    run = world()
    worker = run.spawn()
    run.admit(worker)
    asks(run, "root", "Bash make", tool="Bash")
    found = of(run, worker, held="")
    assert found.state == "interrupted"
    assert "its clock stands still until `leadhand resume run`." in said(found)
    assert "counts as spent ($0.04) and is asked again." in said(found)


def test_an_interrupted_tool_with_effects_is_not_repeated_and_that_is_said() -> None:
    run = world()
    run.turn(intents=(e.Intent(CallId("a"), "Bash", "effects", "Bash make"),))
    assert "the outcome of the open tool call is unknown" in said(of(run, "root", held=""))
