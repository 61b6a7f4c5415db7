"""Tasks: a manifest without a lead, as its users run, stop, kill, cancel and resume it."""

import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.kit import Desk, ended, wait_for

pytestmark = pytest.mark.slow

# A task's model is asked once; it answers as soon as the file of its name is there.
MODEL = """
import asyncio, pathlib
from leadhand.testing import prompt

HERE = pathlib.Path(__file__).parent

async def reply(request):
    name = prompt(request).splitlines()[0]
    with (HERE / "asked").open("a") as asked:
        asked.write(name + "\\n")
    while not ((HERE / name).exists() or (HERE / "open").exists()):
        await asyncio.sleep(0.01)
    return f"{name} is done."
"""
MANIFEST = """
[run]
budget_usd = 2.00
grace_secs = 600
{rules}
[defaults]
model = "script:model.py:reply"
[[task]]
id = "first"
prompt = "first"
[[task]]
id = "left"
prompt = "left"
depends_on = ["first"]
[[task]]
id = "right"
prompt = "right"
depends_on = ["first"]
[[task]]
id = "last"
prompt = "last"
depends_on = ["left", "right"]
"""


def laid_out(at: Desk, rules: str = "") -> Desk:
    """The manifest and its model on the desk."""
    (at.folder / "model.py").write_text(MODEL)
    (at.folder / "manifest.toml").write_text(MANIFEST.format(rules=rules))
    return at


def asked(at: Desk) -> list[str]:
    """The tasks whose model was asked, in order."""
    path = at.folder / "asked"
    return path.read_text().split() if path.exists() else []


def test_tasks_run_in_the_order_of_their_needs_to_a_report(at: Desk) -> None:
    laid_out(at).touch("open")
    done = at.run("dispatch", "manifest.toml", "--json")
    assert done.code == 0, done
    found = done.json
    assert found["status"] == "succeeded"
    assert (asked(at)[0], asked(at)[-1], len(asked(at))) == ("first", "last", 4)
    completed = {each["input"]: each["result"] for each in found["report"]["completed"]}
    assert completed == {name: f"{name} is done." for name in ("first", "left", "right", "last")}
    assert {task["label"] for task in found["tasks"] if task["role"] == "worker"} == set(completed)


def test_the_environment_says_how_many_run_at_a_time_where_the_manifest_does_not(at: Desk) -> None:
    laid_out(at).touch("first")
    dispatch = at.start("dispatch", "manifest.toml", env={"ANTHROPIC_MAX_CONCURRENT": "1"})
    wait_for(lambda: len(asked(at)) == 2)
    at.touch("left")
    wait_for(lambda: len(asked(at)) == 3)
    assert asked(at) == ["first", "left", "right"]
    at.touch("open")
    assert ended(dispatch).code == 0
    first = at.run("events", at.latest(), "--json").lines
    started = next(each for each in first if each["type"] == "RunStarted")
    assert started["manifest"]["house"]["max_parallel_tasks"] == 1


@pytest.mark.parametrize("given", ["none", "0", "1001", "-1", "²"])
def test_a_wrong_number_in_the_environment_is_one_clear_message(at: Desk, given: str) -> None:
    done = laid_out(at).run("dispatch", "manifest.toml", env={"ANTHROPIC_MAX_CONCURRENT": given})
    assert done.code == 2
    assert "ANTHROPIC_MAX_CONCURRENT must be a whole number from 1 to 1000" in done.err
    assert asked(at) == []


def test_ctrl_c_starts_nothing_new_and_resume_goes_on_with_the_rest(at: Desk) -> None:
    dispatch = laid_out(at).start("dispatch", "manifest.toml")
    wait_for(lambda: asked(at) == ["first"])
    dispatch.send_signal(signal.SIGINT)
    wait_for(lambda: at.run("status", at.latest(), "--json").json["draining"])
    at.touch("first")
    done = ended(dispatch)
    assert done.code == 130
    assert asked(at) == ["first"]
    at.touch("open")
    assert at.run("resume", at.latest()).code == 0
    assert sorted(asked(at)) == ["first", "last", "left", "right"]


def test_after_kill_9_what_was_done_is_not_asked_again(at: Desk) -> None:
    laid_out(at).touch("first")
    dispatch = at.start("dispatch", "manifest.toml")
    wait_for(lambda: len(asked(at)) == 3)
    dispatch.kill()
    dispatch.wait()
    at.touch("open")
    assert at.run("resume", at.latest()).code == 0
    assert sorted(asked(at)) == ["first", "last", "left", "left", "right", "right"]


def test_cancelling_a_task_skips_what_needs_it_and_nothing_else(at: Desk) -> None:
    laid_out(at).touch("first")
    dispatch = at.start("dispatch", "manifest.toml")
    wait_for(lambda: len(asked(at)) == 3)
    assert at.run("cancel", at.latest(), "left").code == 0
    at.touch("open")
    done = ended(dispatch)
    assert done.code == 1
    assert "- last — skipped: its need left settled as Cancelled" in done.out
    told = at.run("why", at.latest()).out
    assert "Task last was skipped: its need left settled as Cancelled." in told
    assert "lead" not in told


def test_a_task_works_in_a_worktree_where_it_or_the_defaults_say_so(at: Desk) -> None:
    writes = 'Reply(calls=(("Write", {"file_path": "x.md", "content": "x"}),))'
    (at.folder / "model.py").write_text(
        "from leadhand.testing import Reply, turn\n\n"
        f"def reply(request):\n    return 'done' if turn(request) else {writes}\n"
    )
    (at.folder / "manifest.toml").write_text(
        '[defaults]\nmodel = "script:model.py:reply"\ntools = ["Write"]\nuse_worktree = true\n'
        '[[task]]\nid = "own"\nprompt = "own"\n'
        '[[task]]\nid = "shared"\nprompt = "shared"\nuse_worktree = false\n'
    )
    git = ("git", "-C", str(at.folder))
    who = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    for words in (("init", "-q"), (*who, "commit", "-q", "--allow-empty", "-m", "one")):
        subprocess.run([*git, *words], check=True)
    done = at.run("dispatch", "manifest.toml", "--json")
    assert done.code == 0, done
    tasks = {each["label"]: each for each in done.json["tasks"]}
    place = Path(tasks["own"]["worktree_path"])
    assert (place / "x.md").read_text() == "x"
    assert tasks["shared"]["worktree_path"] is None
    assert (at.folder / "x.md").read_text() == "x"


def test_why_says_how_far_the_tasks_are(at: Desk) -> None:
    laid_out(at).touch("first")
    dispatch = at.start("dispatch", "manifest.toml")
    wait_for(lambda: len(asked(at)) == 3)
    told = at.run("why", at.latest(), "root").out
    assert "tasks: W2 and W3 under way, 0 ready and 1 waiting for others, 1 ended" in told
    at.touch("open")
    assert ended(dispatch).code == 0
