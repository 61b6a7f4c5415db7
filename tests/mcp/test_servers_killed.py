"""Servers killed: runs of the command line with MCP servers of others, cut off and resumed."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from leadhand.domain import events as e
from leadhand.engine.log import events
from leadhand.stores.sqlite import SqliteStore, find_runs
from tests.mcp.servers_kit import alive, manifest, program

pytestmark = pytest.mark.slow

SCRIPT = """
from leadhand.models.scripted import Reply

CALLS = [("mcp__some__note", {"text": "once"}), ("mcp__some__hang", {})]
REPORT = '''STATUS: success
COMPLETED
- none
DEFERRED OR FAILED
- none
COST SUMMARY
- none'''


def model(request):
    number = sum(message.role == "assistant" for message in request.messages)
    return Reply(calls=(CALLS[number],)) if number < len(CALLS) else Reply(text=REPORT)
"""
# What stands for a machine that lacks the library of the protocol.
LACKING = """
import importlib.util
import sys

find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "mcp" else find(name, *more)
from leadhand.cli import main
sys.argv = ["leadhand", *sys.argv[1:]]
main()
"""


def written(folder: Path) -> None:
    """A manifest, and the script of its model."""
    (folder / "script.py").write_text(SCRIPT)
    text = manifest(program(NOTES=str(folder / "notes")) + "\ntimeout_secs = 60")
    (folder / "m.toml").write_text(text.replace("script:model", "script:script.py:model"))


def begun(folder: Path, *words: str) -> "subprocess.Popen[str]":
    """A verb that was begun."""
    return subprocess.Popen(
        [sys.executable, "-m", "leadhand", *words],
        cwd=folder,
        env=os.environ | {"LEADHAND_RUN_DIR": str(folder / "runs")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


async def turns(folder: Path, run_id: str) -> list[e.Event]:
    """What has happened in a run."""
    store = SqliteStore(folder / "runs")
    return [stamped.event async for stamped in events(store, run_id)]


def until_hung(folder: Path) -> str:
    """Wait until the run's second call has begun; the run's id."""
    for _ in range(600):
        for run_id in find_runs(folder / "runs") if (folder / "runs").is_dir() else ():
            found = asyncio.run(turns(folder, run_id))
            if sum(isinstance(each, e.TurnRecorded) for each in found) == 2:
                return run_id
        time.sleep(0.05)
    raise AssertionError("it never came to its second call")


def test_a_killed_run_leaves_no_server_and_repeats_no_call(tmp_path: Path) -> None:
    written(tmp_path)
    dispatch = begun(tmp_path, "dispatch", "m.toml")
    run_id = until_hung(tmp_path)
    assert any("foreign_server.py" in each for each in alive(run_id))
    dispatch.send_signal(signal.SIGKILL)
    dispatch.communicate(timeout=30)
    for _ in range(200):
        if not alive(run_id):
            break
        time.sleep(0.05)
    assert alive(run_id) == []
    resume = begun(tmp_path, "resume", run_id)
    said, _ = resume.communicate(timeout=60)
    assert resume.returncode == 0, said
    found = asyncio.run(turns(tmp_path, run_id))
    results = [each for each in found if isinstance(each, e.ToolReturned)]
    assert [each.is_error for each in results] == [False, True]
    assert "outcome unknown" in results[1].content
    assert len((tmp_path / "notes").read_text().splitlines()) == 1
    assert alive(run_id) == []


def test_without_the_library_both_verbs_say_what_to_install(tmp_path: Path) -> None:
    written(tmp_path)
    for verb in ("validate", "dispatch"):
        ended = subprocess.run(
            [sys.executable, "-c", LACKING, verb, "m.toml"],
            cwd=tmp_path,
            env=os.environ | {"LEADHAND_RUN_DIR": str(tmp_path / "runs")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 2
        assert "pip install 'leadhand[mcp]'" in ended.stdout + ended.stderr
    assert not (tmp_path / "runs").exists()
