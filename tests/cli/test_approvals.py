"""Approvals: asked in one process and answered from another, with an owner, without one, in time
or never."""

import json
import signal
from pathlib import Path

import pytest

from tests.cli.kit import Desk, ended, wait_for

pytestmark = pytest.mark.slow

MODEL = '''
from leadhand.testing import Reply, done, prompt, turn

REPORT = """1. STATUS: {}
2. COMPLETED
- {}
3. DEFERRED OR FAILED
- none
4. COST SUMMARY
- none"""

def reply(request):
    if turn(request) == 0:
        return Reply(calls=(("Bash", {"command": "echo done > made.txt"}),))
    said = str(request.messages[-1].blocks)
    if "approval_" in said:
        return REPORT.format("failed", said.replace("\\\\n", " ")[:300])
    return REPORT.format("success", "made it")
'''
MANIFEST = """
[run]
max_workers = 1
budget_usd = 1.00
{run}
[[lead]]
id = "asker"
model = "script:model.py:reply"
use_worktree = false
tools = ["Bash"]
prompt = "Make it."
{policy}
"""
BLOCK = '[[approval_policy]]\ntool = "Bash"\naction = "block"\nttl_secs = {}\n'


def put(at: Desk, policy: str, run: str = "") -> Path:
    """Put a manifest on the desk; the file that its lead makes."""
    (at.folder / "model.py").write_text(MODEL)
    (at.folder / "manifest.toml").write_text(MANIFEST.format(run=run, policy=policy))
    return at.folder / "made.txt"


def asking(at: Desk) -> str:
    """The run, once it waits for an answer."""
    wait_for(lambda: at.runs.exists() and any(at.runs.glob("*/run.db")))
    wait_for(lambda: (done := at.run("status", at.latest(), "--json")).code == 0
             and done.json["questions"])  # fmt: skip
    return at.latest()


def test_another_process_sees_the_question_and_approves(at: Desk) -> None:
    made = put(at, BLOCK.format(600))
    dispatch = at.start("dispatch", "manifest.toml")
    run = asking(at)
    (question,) = at.run("approvals", run, "--json").json
    assert (question["approval"], question["actor"], question["tool"]) == ("A1", "root", "Bash")
    assert json.loads(question["details"])["command"] == "echo done > made.txt"
    shown = at.run("approvals", run).out
    assert "A1  root (asker)  tool_use Bash" in shown
    assert f"leadhand approve {run} A1" in shown
    assert "the operator to answer A1" in at.run("why", run, "root").out
    assert f"1 question: leadhand approvals {run}" in at.run("status", run).out
    assert not made.exists()
    done = at.run("approve", run, "A1", "--comment", "fine")
    assert (done.code, done.out) == (0, "Approved A1.\n")
    assert ended(dispatch).code == 0
    assert made.read_text() == "done\n"
    assert at.run("approvals", run).out == "Nothing waits for an answer.\n"


def test_another_process_rejects_with_a_reason_that_the_model_is_told(at: Desk) -> None:
    made = put(at, BLOCK.format(600))
    dispatch = at.start("dispatch", "manifest.toml")
    run = asking(at)
    assert at.run("reject", run, "A1", "--reason", "not on a Friday").out == "Rejected A1.\n"
    assert ended(dispatch).code == 1
    assert not made.exists()
    assert "not on a Friday" in (at.runs / run / "summary.json").read_text()
    again = at.run("approve", run, "A1")
    assert again.code == 2
    assert "A1 is not waiting" in again.err


def test_a_question_that_nobody_sees_is_rejected_in_time(at: Desk) -> None:
    made = put(at, BLOCK.format(1))
    done = at.run("dispatch", "manifest.toml")
    assert done.code == 1
    assert not made.exists()


def test_an_answer_given_while_nobody_ran_the_run_is_found_when_it_is_resumed(at: Desk) -> None:
    made = put(at, BLOCK.format(600))
    dispatch = at.start("dispatch", "manifest.toml")
    run = asking(at)
    dispatch.send_signal(signal.SIGKILL)
    dispatch.wait()
    done = at.run("approve", run, "A1")
    assert done.code == 0
    assert f"`leadhand resume {run}`" in done.out
    assert not made.exists()
    assert at.run("resume", run).code == 0
    assert made.read_text() == "done\n"


def test_a_question_outlives_its_owner_and_waits_on(at: Desk) -> None:
    made = put(at, BLOCK.format(600))
    dispatch = at.start("dispatch", "manifest.toml")
    run = asking(at)
    dispatch.send_signal(signal.SIGKILL)
    dispatch.wait()
    resumed = at.start("resume", run)
    wait_for(lambda: at.run("status", run, "--json").json["owner"])
    assert len(at.run("approvals", run, "--json").json) == 1
    assert at.run("approve", run, "A1").code == 0
    assert ended(resumed).code == 0
    assert made.exists()


def test_policies_are_shown_and_changed_on_a_live_run(at: Desk) -> None:
    made = put(at, BLOCK.format(600) + 'path = "/etc/*"\n')
    gated = put(at, BLOCK.format(600))
    dispatch = at.start("dispatch", "manifest.toml")
    run = asking(at)
    assert "1. block: tool Bash; waits for 10 min, then auto_reject" in at.run("policy", run).out
    (at.folder / "policies.toml").write_text(
        '[[approval_policy]]\ntool = "Bash"\naction = "auto_reject"\nreason = "no more"\n'
    )
    done = at.run("policy", run, "--set", "policies.toml", "--default", "auto_approve")
    assert done.out.startswith("1. auto_reject: tool Bash (no more)\nElse a question: auto_approve")
    assert len(at.run("approvals", run, "--json").json) == 1
    at.run("approve", run, "A1")
    assert ended(dispatch).code == 0
    assert made == gated
    assert at.run("policy", run, "--default", "block").code == 2


def test_wrong_words_are_one_line_each(at: Desk) -> None:
    put(at, BLOCK.format(600))
    dispatch = at.start("dispatch", "manifest.toml")
    run = asking(at)
    (at.folder / "bad.toml").write_text('[[approval_policy]]\naction = "ask"\n')
    for words, said in (
        (("approve", run, "A9"), "there is no question A9 in this run"),
        (("approve", run, "\x1b[2J"), "there is no question"),
        (("reject", run), "Missing argument"),
        (("policy", run, "--set", "none.toml"), "none.toml: there is no such file"),
        (("policy", run, "--set", "bad.toml"), "bad.toml:2: approval_policy[0].action: must be"),
        (("approvals", "nosuchrun"), "no run begins with"),
    ):
        done = at.run(*words)
        assert (done.code, done.out) == (2, ""), words
        assert said in done.err
        assert "\x1b" not in done.err
    dispatch.kill()
