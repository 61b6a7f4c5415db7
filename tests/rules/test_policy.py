"""Policy: the first rule that fits answers, and fits where all that it names fits."""

import random
from fnmatch import fnmatchcase

import pytest
from msgspec.structs import replace

from leadhand.domain import commands as c
from leadhand.domain.manifest import ApprovalPolicy, Approvals
from leadhand.domain.questions import Question
from leadhand.domain.rules.policy import fits, judged
from leadhand.refusals import Settled
from tests.rules.world import World, kinds


def world(*policies: ApprovalPolicy) -> World:
    """A run with these policies."""
    return World(approvals=Approvals(policies))


BASH = Question("tool_use", "Bash", command="git push origin main", paths=("/repo/a.py",))


def test_the_first_policy_that_fits_wins() -> None:
    one = world(
        ApprovalPolicy("auto_reject", tool="Write"),
        ApprovalPolicy("auto_approve", tool="Bash"),
        ApprovalPolicy("block", tool="Bash"),
    )
    found = judged(one.run, one.actor(), BASH)
    assert found is not None
    assert found.action == "auto_approve"


def test_a_question_that_no_policy_fits_is_judged_by_none() -> None:
    one = world(ApprovalPolicy("block", tool="Write"))
    assert judged(one.run, one.actor(), BASH) is None


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (ApprovalPolicy("block"), True),
        (ApprovalPolicy("block", actor="root"), True),
        (ApprovalPolicy("block", actor="root/*"), False),
        (ApprovalPolicy("block", role="lead"), True),
        (ApprovalPolicy("block", role="worker"), False),
        (ApprovalPolicy("block", category="tool_use"), True),
        (ApprovalPolicy("block", category="plan"), False),
        (ApprovalPolicy("block", tool="B*"), True),
        (ApprovalPolicy("block", tool="bash"), False),
        (ApprovalPolicy("block", command="*git push*"), True),
        (ApprovalPolicy("block", command="git push"), False),
        (ApprovalPolicy("block", path="/repo/*"), True),
        (ApprovalPolicy("block", path="/etc/*"), False),
        (ApprovalPolicy("block", host="*"), True),
        (ApprovalPolicy("block", host="example.com"), False),
        (ApprovalPolicy("block", cost_over_nanousd=0), False),
        (ApprovalPolicy("block", tool="Bash", path="/etc/*"), False),
    ],
)
def test_a_policy_fits_where_all_that_it_names_fits(policy: ApprovalPolicy, expected: bool) -> None:
    assert fits(policy, world().actor(), BASH) == expected


def test_cost_over_fits_only_what_costs_more() -> None:
    actor = world().actor()
    over = ApprovalPolicy("block", cost_over_nanousd=100)
    assert [fits(over, actor, Question("cost", cost_nanousd=each)) for each in (99, 100, 101)] == [
        False,
        False,
        True,
    ]


def test_ten_thousand_random_questions_are_judged_as_by_a_naive_oracle() -> None:
    dice = random.Random(20261125)
    one = world()
    one.spawn()
    globs = ["", "*", "a*", "*b", "/x/*", "[ab]*", "ab"]
    words = ["", "a", "ab", "/x/y", "b"]
    for _ in range(10_000):
        policies = tuple(
            ApprovalPolicy(
                dice.choice(("auto_approve", "auto_reject", "block")),
                actor=dice.choice(("", "root", "root/*")),
                role=dice.choice((None, "lead", "worker")),
                category=dice.choice((None, "tool_use", "plan", "cost")),
                tool=dice.choice(globs),
                path=dice.choice(globs),
                command=dice.choice(globs),
                host=dice.choice(globs),
                cost_over_nanousd=dice.choice((None, 0, 5)),
            )
            for _ in range(dice.randint(0, 4))
        )
        assert one.run.manifest is not None
        approvals = Approvals(policies, dice.choice(("block", "auto_approve", "auto_reject")))
        one.run.manifest = replace(one.run.manifest, approvals=approvals)
        actor = one.actor(dice.choice(("root", "root/W1")))
        question = Question(
            dice.choice(("tool_use", "plan", "cost")),
            dice.choice(words),
            tuple(dice.choice(words) for _ in range(dice.randint(0, 2))),
            dice.choice(words),
            dice.choice(words),
            dice.choice((0, 5, 6)),
        )
        found = judged(one.run, actor, question)
        expected = oracle(approvals, actor.id, actor.role, question)
        assert (found.action if found else None) == expected


def oracle(approvals: Approvals, actor: str, role: str, question: Question) -> str | None:
    """What becomes of a question, found without any of the code that is tested."""
    for each in approvals.policies:
        wrong = [
            each.actor and not fnmatchcase(actor, each.actor),
            each.role is not None and each.role != role,
            each.category is not None and each.category != question.category,
            each.tool and not fnmatchcase(question.tool, each.tool),
            each.path and not [path for path in question.paths if fnmatchcase(path, each.path)],
            each.command and not fnmatchcase(question.command, each.command),
            each.host and not fnmatchcase(question.host, each.host),
            each.cost_over_nanousd is not None and question.cost_nanousd <= each.cost_over_nanousd,
        ]
        if not any(wrong):
            return each.action
    return None


def test_policies_are_changed_on_a_live_run_and_no_change_is_no_event() -> None:
    one = world()
    policies = (ApprovalPolicy("auto_reject", tool="Bash"),)
    assert kinds(one.do(c.ChangePolicies(policies, "auto_approve"))) == ["PoliciesChanged"]
    assert one.do(c.ChangePolicies(policies, "auto_approve")) == []
    found = judged(one.run, one.actor(), BASH)
    assert found == policies[0]
    assert one.refolded().manifest == one.run.manifest


def test_policies_of_a_finished_run_are_not_changed() -> None:
    one = world()
    one.exit(outcome="failed")
    one.do(c.FinishRun())
    one.refused(c.ChangePolicies((), "block"), Settled)


def test_a_hostile_glob_over_a_long_command_takes_no_time() -> None:
    policy = ApprovalPolicy("block", command="*a" * 200 + "b")
    question = Question("tool_use", "Bash", command="a" * 10_000)
    assert not fits(policy, world().actor(), question)
