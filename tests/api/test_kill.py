"""Kill: a program that uses the API dies at any moment, and another goes on with its run."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.api.kit import play
from tests.api.mortal import Program
from tests.cli.kit import ROOT, SOURCE, wait_for

pytestmark = pytest.mark.slow


def started(folder: Path, where: str) -> "subprocess.Popen[str]":
    """The program, at work in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.api.mortal", str(folder), where],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{SOURCE}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("where", "again", "result"),
    [
        ("sell", [], "interrupted, outcome unknown"),
        ("price", ["price"], "pear sold and 3"),
        ("worker", ["worker 2", "worker"], "pear sold and 3"),
    ],
)
def test_a_killed_program_is_resumed_without_repeating_what_is_done(
    tmp_path: Path, where: str, again: list[str], result: str
) -> None:
    died = started(tmp_path, where)
    out, err = died.communicate(timeout=60)
    assert (died.returncode, out, err) == (-signal.SIGKILL, "", "")
    program = Program(tmp_path)
    assert program.happened()[-1] == where
    ended = play(program.resume())
    assert ended.ok
    assert result in ended.final_message
    # No answer is asked for twice but that in flight; only the tool that reads is run again.
    every = ["root 0", "root 1", "worker 0", "sell", "worker 1", "price", "worker 2", "worker"]
    assert sorted(program.happened()) == sorted([*every, *again, "root 2"])


def test_ctrl_c_suspends_a_script_at_once_and_its_run_can_be_resumed(tmp_path: Path) -> None:
    program = Program(tmp_path)
    stopped = started(tmp_path, "wait")
    wait_for(lambda: (tmp_path / "happened").exists() and "worker" in program.happened())
    began = time.monotonic()
    stopped.send_signal(signal.SIGINT)
    out, err = stopped.communicate(timeout=60)
    assert time.monotonic() - began < 10
    assert (stopped.returncode, out, err) == (0, "stopped\n", "")
    assert play(program.resume()).ok


def test_a_program_that_is_let_be_ends_well(tmp_path: Path) -> None:
    done = started(tmp_path, "nowhere")
    assert done.communicate(timeout=60) == ("succeeded\n", "")
