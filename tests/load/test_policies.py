"""Policies: what a manifest says of approvals, and what can never fit."""

from pathlib import Path

import pytest

from leadhand.domain.manifest import ApprovalPolicy, Approvals
from leadhand.errors import ManifestError
from leadhand.load import Loaded, parse

RULES = "[run]\nmax_workers = 4\nbudget_usd = 1\n"
LEAD = '[lead]\nmodel = "m"\nprompt = "Do it."\n'


def loaded(table: str, run: str = "") -> Loaded:
    """What a manifest with this table says."""
    return parse(f"{RULES}{run}{LEAD}{table}", "m.toml", Path("/"))


def faults(table: str, run: str = "") -> list[str]:
    """The faults of a manifest with this table."""
    with pytest.raises(ManifestError) as caught:
        loaded(table, run)
    return [str(fault) for fault in caught.value.faults]


def policy(text: str) -> str:
    """A policy of these keys."""
    return f"[[approval_policy]]\n{text}\n"


def test_without_a_word_questions_wait_and_no_plan_is_needed() -> None:
    assert loaded("").manifest.approvals == Approvals()


def test_every_key_of_a_policy_arrives_and_their_order_stays() -> None:
    text = """
actor = "root/*"
role = "worker"
category = "tool_use"
tool = "Bash"
path = "/etc/*"
command = "*push*"
cost_over = 1.5
action = "block"
reason = "ask first"
ttl_secs = 60
fallback = "auto_approve"
"""
    second = 'host = "*.example.com"\naction = "auto_approve"'
    found = loaded(
        policy(text) + policy(second),
        'default_approval_policy = "auto_reject"\nrequire_plan_approval = true\n',
    )
    assert found.warnings == []
    assert found.manifest.approvals == Approvals(
        (
            ApprovalPolicy(
                "block",
                actor="root/*",
                role="worker",
                category="tool_use",
                tool="Bash",
                path="/etc/*",
                command="*push*",
                cost_over_nanousd=1_500_000_000,
                reason="ask first",
                ttl_secs=60,
                fallback="auto_approve",
            ),
            ApprovalPolicy("auto_approve", host="*.example.com"),
        ),
        "auto_reject",
        plan_required=True,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "m.toml:7: approval_policy[0].action: is required. Write one of "),
        ('action = "ask"', "action: must be one of auto_approve, auto_reject, block, found"),
        ('action = "block"\nrole = "boss"', "role: must be one of lead, sublead, worker"),
        ('action = "block"\nttl_secs = 0', "ttl_secs: must be from 1 to 604800, found 0. Every"),
        ('action = "block"\nfallback = "block"', "fallback: must be one of"),
        ('action = "block"\ntool_name = "Bash"', 'unknown key. Did you mean "tool"?'),
        ('action = "block"\npath = "etc/*"', "path: never fits, since it is relative. Paths are"),
        (
            'action = "block"\ntool = "Write"\ncommand = "rm*"',
            "command: never fits: no tool but Bash and Git has a command",
        ),
        (
            'action = "block"\ntool = "Bash"\nhost = "x"',
            "host: never fits: no tool but WebFetch has a",
        ),
        ('action = "block"\ncost_over = -1', "cost_over: must be at least 0"),
        (f'action = "block"\nactor = "{"a" * 501}"', "actor: is longer than 500 characters"),
    ],
)
def test_a_policy_with_a_fault_says_where_and_what(text: str, expected: str) -> None:
    found = faults(policy(text))
    assert len(found) == 1
    assert expected in found[0]


def test_a_policy_that_is_no_array_of_tables_is_a_fault() -> None:
    assert (
        "each under a header [[approval_policy]]" in faults('[approval_policy]\naction="block"')[0]
    )


def test_what_has_no_effect_is_a_warning() -> None:
    found = loaded(policy('action = "auto_reject"\nttl_secs = 5\nfallback = "auto_reject"'))
    assert found.warnings == [
        'm.toml:9: approval_policy[0].ttl_secs: has no effect with action = "auto_reject"',
        'm.toml:10: approval_policy[0].fallback: has no effect with action = "auto_reject"',
    ]


def test_a_default_that_is_none_is_a_fault() -> None:
    assert "must be one of" in faults("", 'default_approval_policy = "ask"\n')[0]


@pytest.mark.parametrize(("said", "meant"), [("Bassh", "Bash"), ("spawn_workr", "spawn_worker")])
def test_a_misspelt_tool_is_warned_of(said: str, meant: str) -> None:
    (warning,) = loaded(policy(f'tool = "{said}"\naction = "block"')).warnings
    assert f'fits none of Leadhand\'s tools; did you mean "{meant}"?' in str(warning)


@pytest.mark.parametrize("name", ["spawn_worker", "B*", "sell"])
def test_a_tool_that_there_is_or_may_be_is_not_warned_of(name: str) -> None:
    assert loaded(policy(f'tool = "{name}"\naction = "block"')).warnings == []


def test_another_name_of_a_tool_would_never_fit() -> None:
    (fault,) = faults(policy('tool = "wait_for_worker"\naction = "block"'))
    assert 'never fits, since it is another name of a tool. Write "wait_actor"' in fault


def test_a_run_of_tasks_has_nobody_to_propose_a_plan() -> None:
    text = f"{RULES}require_plan_approval = true\n"
    task = '[[task]]\nid = "t"\nmodel = "m"\nprompt = "Do it."\nuse_worktree = false\n'
    (warning,) = parse(text + task, "m.toml", Path("/")).warnings
    assert "no lead is there to propose a plan" in str(warning)
