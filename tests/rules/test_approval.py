"""Approval: a question waits for the operator, for its fallback, and never for ever."""

import pytest

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.manifest import ApprovalFallback, ApprovalPolicy, Approvals, Subleads
from leadhand.domain.questions import Bound, Question, binding
from leadhand.domain.rules.approval import plan_of
from leadhand.refusals import (
    AlreadyAnswered,
    PlanApprovalRequired,
    Settled,
    TooManyQuestions,
    UnknownApproval,
)
from tests.rules.world import World, intent, kinds

CALL = CallId("ask")


def world(*policies: ApprovalPolicy, plan_required: bool = False) -> World:
    """A run with these policies."""
    approvals = Approvals(policies, plan_required=plan_required)
    return World(approvals=approvals)


def asking(
    one: World,
    actor: str = ROOT,
    call: str = CALL,
    category: str = "cost",
    ttl_secs: int | None = None,
    fallback: ApprovalFallback | None = None,
) -> list[e.Event]:
    """Ask the operator in a tool call of the actor."""
    one.turn(actor, intents=(intent(call, "keyed", "request_approval"),))
    question = Question(category)  # type: ignore[arg-type]
    return one.do(
        c.AskApproval(ActorId(actor), CallId(call), question, "may I?", "{}", ttl_secs, fallback)
    )


def answer_of(one: World, actor: str = ROOT, call: str = CALL) -> tuple[bool, str]:
    """The answer to a question: yes or no, and whose it is."""
    answer = one.actor(actor).approvals[CallId(call)].answer
    assert answer is not None
    return answer.approved, answer.by


def returned(one: World, actor: str = ROOT, call: str = CALL) -> None:
    """The call that asked is over."""
    one.do(c.RecordToolResult(ActorId(actor), CallId(call), "so"))


def test_a_question_waits_until_the_operator_answers() -> None:
    one = world()
    assert kinds(asking(one)) == ["ApprovalAsked"]
    assert one.run.questions == {"A1": (ROOT, CALL)}
    one.do(c.AnswerApproval("A1", True, "go on", "but only this"))
    assert answer_of(one) == (True, "operator")
    assert one.run.questions == {}
    assert one.refolded() == one.run


def test_a_rejection_brings_its_reason_and_no_edited_summary() -> None:
    one = world()
    asking(one)
    one.do(c.AnswerApproval("A1", False, "too dear", "something else"))
    answer = one.actor().approvals[CALL].answer
    assert answer is not None
    assert (answer.approved, answer.comment, answer.edited_summary) == (False, "too dear", "")


def test_the_same_call_asks_once() -> None:
    one = world()
    asking(one)
    again = c.AskApproval(ROOT, CALL, Question("cost"), "may I?")
    assert one.do(again) == []
    one.do(c.AnswerApproval("A1", True))
    assert one.do(again) == []
    assert answer_of(one) == (True, "operator")


def test_a_second_answer_does_not_change_the_first() -> None:
    one = world()
    asking(one)
    one.do(c.AnswerApproval("A1", False))
    one.refused(c.AnswerApproval("A1", True), AlreadyAnswered)
    assert answer_of(one) == (False, "operator")


@pytest.mark.parametrize("name", ["A2", "A0", "A", "B1", "", "A1\n", "A" + "9" * 50, "A१"])
def test_an_answer_to_no_question_is_refused(name: str) -> None:
    one = world()
    asking(one)
    one.refused(c.AnswerApproval(name, True), UnknownApproval)


@pytest.mark.parametrize(
    ("action", "expected"),
    [("auto_approve", (True, "policy")), ("auto_reject", (False, "policy"))],
)
def test_a_policy_answers_at_once(action: str, expected: tuple[bool, str]) -> None:
    one = world(ApprovalPolicy(action))  # type: ignore[arg-type]
    assert kinds(asking(one)) == ["ApprovalAsked", "ApprovalAnswered"]
    assert answer_of(one) == expected


@pytest.mark.parametrize("category", ["tool_use", "plan", "cost"])
def test_a_question_that_no_policy_fits_meets_the_default(category: str) -> None:
    for default, expected in (("auto_approve", True), ("auto_reject", False)):
        other = ApprovalPolicy("block", tool="Bash")
        one = World(approvals=Approvals((other,), default))  # type: ignore[arg-type]
        asking(one, category=category)
        assert answer_of(one) == (expected, "policy")


@pytest.mark.parametrize(("fallback", "approved"), [("auto_reject", False), ("auto_approve", True)])
def test_the_fallback_answers_when_the_time_is_up(
    fallback: ApprovalFallback, approved: bool
) -> None:
    one = world(ApprovalPolicy("block", ttl_secs=60, fallback=fallback))
    asking(one)
    one.later(secs=59)
    assert one.perform() == []
    assert 60_000 in one.timers()
    one.later(secs=1)
    assert one.perform() == [c.ExpireApproval("A1")]
    assert answer_of(one) == (approved, "ttl")
    assert one.perform() == []


def test_a_question_without_a_policy_waits_ten_minutes_and_is_rejected_then() -> None:
    one = world()
    asking(one)
    one.later(secs=600)
    one.perform()
    assert answer_of(one) == (False, "ttl")


def test_the_asker_may_ask_for_a_shorter_wait() -> None:
    one = world(ApprovalPolicy("block", ttl_secs=500, fallback="auto_approve"))
    asking(one, ttl_secs=5, fallback="auto_reject")
    one.later(secs=5)
    one.perform()
    assert answer_of(one) == (False, "ttl")


def test_a_late_expiry_changes_nothing() -> None:
    one = world()
    asking(one)
    one.do(c.AnswerApproval("A1", True))
    assert one.do(c.ExpireApproval("A1")) == []


def test_what_is_approved_is_used_once_and_forgotten_when_its_call_returns() -> None:
    one = world()
    asking(one)
    one.refused(c.UseApproval(ROOT, CALL), Settled)
    one.do(c.AnswerApproval("A1", True))
    assert kinds(one.do(c.UseApproval(ROOT, CALL))) == ["ApprovalUsed"]
    assert one.do(c.UseApproval(ROOT, CALL)) == []
    returned(one)
    assert one.actor().approvals == {}
    one.refused(c.UseApproval(ROOT, CALL), Settled)


def test_a_rejected_call_cannot_be_used() -> None:
    one = world()
    asking(one)
    one.do(c.AnswerApproval("A1", False))
    one.refused(c.UseApproval(ROOT, CALL), Settled)


def test_a_settled_actors_questions_are_gone() -> None:
    one = world()
    worker = one.spawn()
    asking(one, worker)
    one.do(c.CancelActor(worker, "no"))
    one.exit(worker, "stopped")
    assert one.run.questions == {}
    one.refused(c.AnswerApproval("A1", True), AlreadyAnswered)


def test_an_actor_has_a_hundred_questions_at_most() -> None:
    one = world()
    calls = [f"q{number}" for number in range(101)]
    one.turn(intents=tuple(intent(call, "keyed") for call in calls))
    for call in calls[:100]:
        one.do(c.AskApproval(ROOT, CallId(call), Question("cost"), "may I?"))
    one.refused(c.AskApproval(ROOT, CallId(calls[100]), Question("cost"), "?"), TooManyQuestions)


def test_nobody_is_spawned_before_a_plan_is_approved() -> None:
    one = world(plan_required=True)
    refusal = one.refused(one.spawning(), PlanApprovalRequired)
    assert refusal.message.startswith("plan approval required: call propose_plan")
    asking(one, category="plan")
    one.refused(one.spawning(), PlanApprovalRequired)
    one.do(c.AnswerApproval("A1", False, "no"))
    one.refused(one.spawning(), PlanApprovalRequired)
    returned(one)
    asking(one, call="again", category="plan")
    one.do(c.AnswerApproval("A2", True))
    assert one.spawn() == "root/W1"


def test_approving_something_else_is_no_approved_plan() -> None:
    one = world(plan_required=True)
    asking(one, category="cost")
    one.do(c.AnswerApproval("A1", True))
    one.refused(one.spawning(), PlanApprovalRequired)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (c.AnswerApproval("A1", False), "ApprovalRejected"),
        (c.AnswerApproval("A1", True), "Failed"),
        (c.ExpireApproval("A1"), "ApprovalTimedOut"),
    ],
)
def test_an_actor_that_fails_after_a_denial_says_so(command: c.Command, status: str) -> None:
    one = world()
    worker = one.spawn()
    asking(one, worker)
    one.later(secs=600)
    one.do(command)
    returned(one, worker)
    one.exit(worker, "failed")
    assert one.record(worker).status == status


def test_an_actor_that_goes_on_without_what_was_denied_may_succeed() -> None:
    one = world()
    worker = one.spawn()
    asking(one, worker)
    one.do(c.AnswerApproval("A1", False))
    returned(one, worker)
    one.exit(worker)
    assert one.record(worker).status == "Success"


def test_questions_survive_a_change_of_owner() -> None:
    one = world()
    asking(one)
    one.do(c.OwnRun(2, "another"))
    one.do(c.AnswerApproval("A1", True))
    assert answer_of(one) == (True, "operator")


def test_the_time_of_a_question_stands_still_while_its_actor_is_paused() -> None:
    one = world()
    asking(one, ttl_secs=60)
    one.later(secs=20).do(c.PauseActor(ROOT))
    one.do(c.RecordHalted(ROOT))
    one.later(secs=600)
    assert one.perform([]) == []
    assert one.do(c.ExpireApproval("A1")) == []
    one.do(c.ContinueActor(ROOT))
    assert one.perform() == []
    assert one.run_ms + 40_000 in one.timers()
    one.later(secs=40)
    assert one.perform() == [c.ExpireApproval("A1")]
    assert answer_of(one) == (False, "ttl")


def test_a_question_that_was_asked_in_a_pause_stood_still_since_then() -> None:
    one = world()
    one.turn(intents=(intent(CALL, "keyed", "request_approval"),))
    one.do(c.PauseActor(ROOT, "freeze"))
    one.later(secs=100)
    one.do(c.AskApproval(ROOT, CALL, Question("cost"), "may I?", "{}", 60))
    one.later(secs=10).do(c.ContinueActor(ROOT))
    assert one.actor().approvals[CALL].until == one.run_ms + 60_000


def test_who_is_paused_can_be_answered_and_goes_on_with_the_answer() -> None:
    one = world()
    asking(one)
    one.do(c.PauseActor(ROOT))
    one.do(c.RecordHalted(ROOT))
    one.do(c.AnswerApproval("A1", True))
    one.do(c.ContinueActor(ROOT))
    assert answer_of(one) == (True, "operator")


def test_a_reprompt_takes_the_question_back() -> None:
    one = world()
    asking(one)
    one.do(c.RepromptActor(ROOT, "Otherwise."))
    one.do(c.RecordHalted(ROOT))
    assert one.run.questions == {}
    refusal = one.refused(c.AnswerApproval("A1", True), AlreadyAnswered)
    assert "reprompted" in refusal.message


@pytest.mark.parametrize("fallback", ["auto_reject", "auto_approve"])
def test_who_has_only_its_last_answer_left_waits_for_no_other(fallback: ApprovalFallback) -> None:
    one = world()
    asking(one, ttl_secs=6_000, fallback=fallback)
    one.later(secs=3_600)
    one.do(c.ExpireActor(ROOT))
    assert c.ExpireApproval("A1") in one.perform()
    assert answer_of(one) == (False, "ttl")


def test_no_sub_lead_gets_past_a_plan_that_nobody_has_approved() -> None:
    approvals = Approvals(plan_required=True)
    one = World(approvals=approvals, subleads=Subleads(), budget_nanousd=10**9)
    one.refused(one.subleading("s1"), PlanApprovalRequired)
    asking(one, category="plan")
    one.do(c.AnswerApproval("A1", True))
    below = one.sublead("s2")
    assert one.spawn(parent=below) == "root/S1/W1"


def test_an_approved_plan_stays_approved_when_the_run_is_taken_up_again() -> None:
    one = world(plan_required=True)
    asking(one, category="plan")
    one.do(c.AnswerApproval("A1", True))
    returned(one)
    one.do(c.DrainRun())
    one.exit("root", "failed")
    one.perform([])
    one.do(c.OwnRun(2, "test"))
    one.do(c.ReopenRun())
    assert one.spawn() == "root/W1"


def planning(one: World, resources: tuple[str, ...], actor: str = ROOT, call: str = "plan") -> None:
    """Have a plan approved that names these resources."""
    one.turn(actor, intents=(intent(call, "keyed", "propose_plan"),))
    question = Question("plan")
    asked = c.AskApproval(
        ActorId(actor), CallId(call), question, "a plan", "{}", resources=resources
    )
    (event,) = one.do(asked)
    assert isinstance(event, e.ApprovalAsked)
    one.do(c.AnswerApproval(event.approval, True))
    returned(one, actor, call)


def test_an_approved_plan_binds_its_lead_and_all_below_it() -> None:
    one = World(subleads=Subleads(max_depth=3), budget_nanousd=100_000_000)
    first = one.sublead()
    worker = one.spawn(parent=first)
    assert plan_of(one.run, worker) is None
    planning(one, ("src/**",))
    assert plan_of(one.run, ROOT) == plan_of(one.run, worker) == (ROOT, ("src/**",))
    planning(one, ("docs/**",), actor=first, call="own")
    assert plan_of(one.run, worker) == plan_of(one.run, first) == (first, ("docs/**",))
    assert one.refolded() == one.run


def test_a_plan_that_names_no_path_binds_nothing_and_a_later_one_replaces_it() -> None:
    one = world()
    planning(one, ("src/**",))
    planning(one, (), call="another")
    assert one.actor().plan == ()
    assert plan_of(one.run, ROOT) is None


def test_a_plan_that_was_not_approved_binds_nobody() -> None:
    one = world()
    one.turn(intents=(intent("plan", "keyed"),))
    one.do(c.AskApproval(ROOT, CallId("plan"), Question("plan"), "?", resources=("src/**",)))
    one.do(c.AnswerApproval("A1", False))
    assert plan_of(one.run, ROOT) is None


@pytest.mark.parametrize(
    ("below", "inside", "outside"),
    [
        ("", ["src/a.py", "src/deep/b.py", "README.md", "./src/a"], ["tests/a.py", "../src/a.py"]),
        ("src", ["a.py", "deep/b.py", "../README.md"], ["../tests/a.py", "../../src/a.py"]),
        (None, [], ["src/a.py"]),
    ],
)
def test_a_plan_lets_write_what_it_names(
    below: str | None, inside: list[str], outside: list[str]
) -> None:
    plan = Bound(("src/**", "README.md"), below)
    assert all(plan.lets(path) for path in inside)
    assert not any(plan.lets(path) for path in outside)


def test_what_is_said_in_words_is_no_path() -> None:
    said = ["src/**", "./a.md", "the npm registry", "", "/etc/passwd", "x" * 301, "a\nb"]
    assert binding(said) == ("src/**", "a.md")
