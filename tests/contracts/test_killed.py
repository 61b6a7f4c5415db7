"""Killed: an owner dies in the midst of the checks, and nobody is paid twice for its work."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.contracts.liars_kit import repository

pytestmark = pytest.mark.slow

SOURCE = Path(__file__).resolve().parents[2] / "src"
SCRIPT = """
import pathlib
from leadhand.testing import Reply, done, prompt

HERE = pathlib.Path(__file__).parent

def reply(request):
    if prompt(request).startswith("work"):
        with (HERE / "asked").open("a") as asked:
            asked.write(request.actor_id + "\\n")
        return Reply(calls=(("report", {"status": "completed", "summary": "Done."}),))
    if not done(request, "spawn_worker"):
        ran = HERE / "ran"
        command = f"echo x >> {ran}; test $(wc -l < {ran}) -ge 2 || sleep 60; VERDICT"
        args = {"prompt": "work", "files": ["README.md"], "commands": [command]}
        return Reply(calls=(("spawn_worker", args),))
    if not done(request, "wait_actor"):
        return Reply(calls=(("wait_actor", {"actor_id": "W1"}),))
    parts = ["1. STATUS: success", "2. COMPLETED", "- root/W1 - x - x", "3. DEFERRED OR FAILED"]
    return "\\n".join([*parts, "- none", "4. COST SUMMARY"])
"""
MANIFEST = """
[run]
max_workers = 2
budget_usd = 1.0
[lead]
prompt = "Have it done."
model = "script:model.py:reply"
directory = "{repo}"
"""


def leadhand(folder: Path, *words: str) -> "subprocess.Popen[str]":
    """A command line, at work."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(SOURCE),
        "LEADHAND_RUN_DIR": str(folder / "runs"),
        "LANG": "C.UTF-8",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "leadhand", *words],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize(
    ("verdict", "status", "outcome"),
    [("true", "Success", "verified"), ("false", "Failed", "refuted")],
)
def test_checks_that_were_cut_off_are_made_again_and_the_worker_is_not_asked_again(
    tmp_path: Path, verdict: str, status: str, outcome: str
) -> None:
    repo = repository(tmp_path)
    (tmp_path / "model.py").write_text(SCRIPT.replace("VERDICT", verdict))
    (tmp_path / "manifest.toml").write_text(MANIFEST.format(repo=repo))
    first = leadhand(tmp_path, "dispatch", "manifest.toml")
    deadline = time.monotonic() + 60
    while not (tmp_path / "ran").exists():
        assert first.poll() is None, first.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (run,) = (tmp_path / "runs").iterdir()
    why = leadhand(tmp_path, "why", run.name, "root/W1")
    told, _ = why.communicate(timeout=60)
    assert "is checking" in told
    assert "It waits for the checks of its work" in told
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=60)
    second = leadhand(tmp_path, "resume", run.name)
    out, _ = second.communicate(timeout=90)
    assert second.returncode == (0 if verdict == "true" else 1), out
    records = [json.loads(line) for line in (run / "summary.jsonl").read_text().splitlines()]
    (worker,) = [each for each in records if each["role"] == "worker"]
    assert (worker["status"], worker["outcome"]) == (status, outcome)
    assert worker["reported"] == "completed"
    assert (tmp_path / "asked").read_text() == "root/W1\n"
    assert (tmp_path / "ran").read_text() == "x\nx\n"
