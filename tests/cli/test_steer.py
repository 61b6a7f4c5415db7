"""Steer: a second terminal pauses, tells, interrupts, continues and cancels a run at work."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from leadhand.standstill import PREFIX, own_group
from tests.cli.conftest import Shelf
from tests.cli.kit import Desk, ended, wait_for

pytestmark = pytest.mark.slow

# A worker that counts in files until `open` is there: itself, a child in a session of its own, and
# a grandchild whose parent is gone. Then it says what its tool gave.
COUNTING = '''
from pathlib import Path
from leadhand.testing import Reply, done, prompt

HERE = Path(__file__).parent
COMMAND = """
count() { while [ ! -e open ]; do printf x >> "$1"; sleep 0.01; done; }
export -f count
setsid bash -c 'count session' &
(setsid bash -c 'count orphan &' &)
count own
echo counted
"""
REPORT = """1. STATUS: success
2. COMPLETED
- root/W1 — counting — is done
3. DEFERRED OR FAILED
- none
4. COST SUMMARY
- none"""

def reply(request):
    if prompt(request) == "count":
        tried = done(request, "Bash")
        if not tried:
            return Reply(calls=(("Bash", {"command": COMMAND, "timeout": 2_500}),))
        return f"It gave: {tried[-1].text}"
    if not done(request, "spawn_worker"):
        return Reply(calls=(("spawn_worker", {"prompt": "count", "tools": ["Bash"]}),))
    if not any(each.json.get("settled") for each in done(request, "wait_actor")):
        return Reply(calls=(("wait_actor", {"worker_id": "W1"}),))
    return REPORT
'''


def counting(at: Desk) -> "tuple[subprocess.Popen[str], list[Path]]":
    """Dispatch the counting worker; its process and the files in which it counts."""
    at.gate()
    (at.folder / "model.py").write_text(COUNTING)
    process = at.start("dispatch", "manifest.toml")
    files = [at.folder / name for name in ("own", "session", "orphan")]
    wait_for(lambda: all(each.exists() for each in files))
    return process, files


def sizes(files: list[Path]) -> list[int]:
    """How far the counters are."""
    return [each.stat().st_size for each in files]


def grows(files: list[Path]) -> None:
    """Wait until each has counted on."""
    before = sizes(files)
    wait_for(lambda: all(now > was for now, was in zip(sizes(files), before, strict=True)))


def stands(files: list[Path], secs: float) -> None:
    """See that none counts."""
    before = sizes(files)
    time.sleep(secs)
    assert sizes(files) == before


def state(at: Desk, actor: str) -> str:
    """How an actor stands."""
    found: str = at.run("why", at.latest(), actor, "--json").json[0]["state"]
    return found


def frozen(at: Desk, files: list[Path]) -> None:
    """Freeze the counting worker."""
    done = at.run("pause", at.latest(), "W1", "--freeze", "--reason", "look at its files")
    assert (done.code, done.out) == (0, "Frozen root/W1.\n")
    time.sleep(0.5)


def types(at: Desk) -> list[str]:
    """The kinds of the events of the run."""
    return [each["type"] for each in at.run("events", at.latest(), "--json").lines]


def test_a_worker_is_paused_told_and_continued_while_another_goes_on(at: Desk) -> None:
    dispatch = at.gate().gated()
    run = at.latest()
    assert at.run("pause", run, "job 1", "--reason", "the wrong file").out == "Paused root/W1.\n"
    why = at.run("why", run, "W1").out
    assert "root/W1 (job 1) is paused." in why
    assert "someone to continue it: operator paused it (the wrong file), for" in why
    assert f"`leadhand continue {run} root/W1`" in why
    assert f"1 actor, until leadhand continue {run}" in at.run("status", run).out
    assert "Its own time stands still" in why
    at.touch("open")
    wait_for(lambda: state(at, "W2") == "Success")
    assert at.asked() == 2
    assert at.run("send", run, "W1", "Mind the gap.").out == "Sent to root/W1.\n"
    assert at.run("continue", run, "W1", "--prompt", "Go on.").out == "Continued root/W1.\n"
    assert ended(dispatch).code == 0
    assert at.asked() == 3
    words = [
        each["text"]
        for each in at.run("events", run, "--json").lines
        if each["type"] == "MessageSent"
    ]
    assert words == ["Mind the gap.", "Go on."]


def test_a_worker_is_interrupted_with_a_new_prompt(at: Desk) -> None:
    dispatch = at.gate().gated()
    done = at.run("reprompt", at.latest(), "W1", "Do it the other way.")
    assert (done.code, done.out) == (0, "Reprompted root/W1.\n")
    wait_for(lambda: at.asked() == 3)
    at.touch("open")
    assert ended(dispatch).code == 0
    assert {"ActorReprompted", "CallCut", "SessionHalted"} <= {*types(at)}
    assert "SessionCrashed" not in types(at)


def test_a_settled_worker_is_given_another_stint_and_has_a_record_of_each(at: Desk) -> None:
    dispatch = at.gate().gated()
    run = at.latest()
    at.run("pause", run, "W2")
    at.touch("open")
    wait_for(lambda: state(at, "W1") == "Success")
    done = at.run("continue", run, "W1", "--prompt", "Once more.")
    assert done.out == "Continued root/W1.\n"
    wait_for(lambda: types(at).count("ActorSettled") == 2)
    at.run("continue", run)
    assert ended(dispatch).code == 0
    lines = (at.runs / run / "summary.jsonl").read_text().splitlines()
    assert sum('"task_id":"root/W1"' in line for line in lines) == 2
    assert sum('"stint":2' in line for line in lines) == 1


def test_a_pause_lives_through_kill_9_and_resume(at: Desk) -> None:
    dispatch = at.gate().gated()
    run = at.latest()
    assert at.run("pause", run).out == f"Paused run {run}.\n"
    wait_for(lambda: types(at).count("SessionHalted") == 3)
    dispatch.kill()
    dispatch.wait()
    at.touch("open")
    resume = at.start("resume", run)
    wait_for(lambda: at.run("status", run, "--json").json["status"] == "running")
    time.sleep(0.5)
    assert [state(at, each) for each in ("root", "W1", "W2")] == ["paused"] * 3
    assert at.asked() == 2
    assert at.run("continue", run).out == f"Continued run {run}.\n"
    assert ended(resume).code == 0
    assert at.asked() == 4


def test_a_run_that_nobody_runs_is_paused_and_continued_for_its_resume(shelf: Shelf) -> None:
    at, run = shelf.desk, shelf.killed
    done = at.run("pause", run, "W1")
    assert done.code == 0
    assert f"Nobody runs the run: it shows at `leadhand resume {run}`" in done.out
    assert "But nobody runs the run" in at.run("why", run, "W1").out
    at.run("send", run, "root", "Hello.", "--subtree")
    assert at.run("continue", run).code == 0
    at.touch("open")
    assert at.run("resume", run).code == 0
    told = [each for each in at.run("events", run, "--json").lines if each["type"] == "MessageSent"]
    assert [each["actor"] for each in told] == ["root/W2", "root/W1", "root"]
    (at.folder / "open").unlink()


def test_a_paused_run_is_cancelled(at: Desk) -> None:
    dispatch = at.gate().gated()
    at.run("pause", at.latest(), "--freeze")
    assert at.run("cancel", at.latest()).code == 0
    assert ended(dispatch).code == 1


def test_a_paused_run_is_left_by_one_ctrl_c_at_the_end_of_its_grace(at: Desk) -> None:
    dispatch = at.gate(grace_secs=1).gated()
    at.run("pause", at.latest())
    dispatch.send_signal(signal.SIGINT)
    assert ended(dispatch).code == 130
    assert state(at, "W1") == "interrupted"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pause", "RUN", "W9"], "unknown actor: W9"),
        (["continue", "RUN", "W1"], "root/W1 is not paused"),
        (["continue", "RUN"], "nobody below root is paused"),
        (["continue", "RUN", "root", "--prompt", "x" * 16_001], "16001 characters"),
        (["reprompt", "RUN", "W1"], "Missing argument 'PROMPT'"),
        (["reprompt", "RUN", "W1", " "], "the prompt is empty"),
        (["send", "RUN", "W1", ""], "the message is empty"),
        (["send", "RUN", "nobody", "hello"], "unknown actor: nobody"),
        (["pause", "zzz"], "no run begins with"),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, list) else "",
)
def test_what_does_not_fit_is_one_clear_line_and_code_2(
    shelf: Shelf, words: list[str], said: str
) -> None:
    words = [shelf.killed if word == "RUN" else word for word in words]
    done = shelf.desk.run(*words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


@pytest.mark.parametrize("verb", ["pause", "continue", "reprompt", "send"])
def test_a_finished_run_is_not_steered(shelf: Shelf, verb: str) -> None:
    words = {"reprompt": ["Anew."], "send": ["Hello."]}.get(verb, [])
    done = shelf.desk.run(verb, shelf.good, "W1", *words)
    assert done.code == 2
    assert f"run {shelf.good} is already finished: succeeded" in done.err


def test_a_frozen_command_stands_still_with_all_it_has_started_and_goes_on(at: Desk) -> None:
    dispatch, files = counting(at)
    frozen(at, files)
    assert state(at, "W1") == "frozen"
    # Longer than its own time limit, which stands still with it.
    stands(files, 3.0)
    at.run("continue", at.latest())
    grows(files)
    at.touch("open")
    assert ended(dispatch).code == 0
    assert "It gave: counted" in at.run("why", at.latest(), "W1").out


def test_what_was_frozen_when_its_owner_was_killed_is_gone_and_its_actor_is_paused(
    at: Desk,
) -> None:
    dispatch, files = counting(at)
    run = at.latest()
    frozen(at, files)
    dispatch.kill()
    mark = f"LEADHAND_RUN={run}\0".encode()
    wait_for(lambda: not any(mark in environ for environ in environments()))
    resume = at.start("resume", run)
    wait_for(lambda: at.run("status", run, "--json").json["status"] == "running")
    assert state(at, "W1") == "paused"
    stands(files, 0.5)
    at.run("continue", run, "W1")
    assert ended(resume).code == 0
    assert "It gave: interrupted, outcome unknown" in at.run("why", run, "W1").out
    assert groups(run) == []


def test_what_is_frozen_when_its_owner_is_interrupted_leaves_nothing(at: Desk) -> None:
    dispatch, files = counting(at)
    run = at.latest()
    frozen(at, files)
    for _ in range(2):
        dispatch.send_signal(signal.SIGINT)
        time.sleep(0.3)
    assert ended(dispatch).code == 130
    mark = f"LEADHAND_RUN={run}\0".encode()
    assert not any(mark in environ for environ in environments())
    assert groups(run) == []
    stands(files, 0.2)
    assert "1 actor, until leadhand continue" in at.run("status", run).out


def groups(run: str) -> list[Path]:
    """The cgroups that a run has left."""
    own = own_group()
    return [] if own is None else [*own.glob(f"{PREFIX}{run}.*")]


def environments() -> list[bytes]:
    """The environments of all processes but keepers."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            environ = (entry / "environ").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if b"LEADHAND_KEEPER=" not in environ and entry.name != str(os.getpid()):
            found.append(environ)
    return found
