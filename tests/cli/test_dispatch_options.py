"""Dispatch with options: what the command line sets holds and is frozen in the run; a dry run
starts nothing; a run in the background outlives who started it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.kit import Desk, ended, wait_for

pytestmark = pytest.mark.slow


def alive(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


# What is set


def test_what_is_set_holds_and_is_frozen_for_the_resume(at: Desk) -> None:
    at.gate()
    (at.folder / "elsewhere").mkdir()
    words = ("--set", "run.budget_usd=1.25", "--directory", "elsewhere", "--quiet")
    killed = at.gated(*words)
    killed.kill()
    killed.wait()
    at.touch("open")
    done = at.run("resume", at.latest(), "--json")
    assert done.code == 0
    assert at.run("status", at.latest(), "--json").json["budget_usd"] == 1.25
    kept = (at.runs / at.latest() / "manifest.toml").read_text()
    assert kept == (at.folder / "manifest.toml").read_text() + (
        "\n# Dispatched with --directory elsewhere --set run.budget_usd=1.25\n"
    )


def test_a_model_is_set_for_the_lead_and_its_workers(at: Desk) -> None:
    at.gate().touch("open")
    (at.folder / "other.py").write_text((at.folder / "model.py").read_text())
    (at.folder / "model.py").unlink()
    assert at.run("dispatch", "manifest.toml").code == 2
    done = at.run("dispatch", "manifest.toml", "--model", "script:other.py:reply", "--json")
    assert done.code == 0
    assert {task["model"] for task in done.json["tasks"]} == {f"script:{at.folder}/other.py:reply"}


def test_a_fault_of_an_option_names_it_and_nothing_is_made(at: Desk) -> None:
    at.gate()
    done = at.run("dispatch", "manifest.toml", "--set", "run.budget_usd=free")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("--set run.budget_usd=free: has no value of TOML")
    assert not at.runs.exists()


# A dry run


def test_a_dry_run_shows_what_would_run_and_starts_nothing(at: Desk) -> None:
    at.gate().touch("open")
    done = at.run("dispatch", "manifest.toml", "--dry-run", "--set", "run.max_workers=3")
    assert (done.code, done.err) == (0, "")
    assert "★ gated" in done.out
    assert "at most 3 workers at a time" in done.out
    assert at.run("dispatch", "manifest.toml", "--dry-run", "--json").json["valid"]
    assert at.asked() == 0
    assert not at.runs.exists()


# In the background


def test_a_run_in_the_background_is_one_line_of_json_and_goes_on_by_itself(at: Desk) -> None:
    at.gate()
    done = at.run("dispatch", "manifest.toml", "--background", "--set", "run.max_workers=3")
    assert (done.code, done.err) == (0, "")
    (line,) = done.lines
    folder = at.runs / line["run_id"]
    assert line["manifest_path"] == str(folder / "manifest.toml")
    assert line["started_at"] == at.run("status", line["run_id"], "--json").json["started_at"]
    assert alive(line["pid"])
    assert f"process {line['pid']}" in at.run("status", line["run_id"], "--json").json["owner"]
    wait_for(lambda: at.asked() == 2)
    at.touch("open")
    wait_for(lambda: not alive(line["pid"]))
    output = (folder / "output.log").read_text()
    assert "1. STATUS: success" in output
    assert output.splitlines()[-1].startswith(f"Run {line['run_id']}  succeeded")
    assert at.run("status", line["run_id"], "--json").json["status"] == "succeeded"


def test_a_run_in_the_background_outlives_its_terminal_and_can_be_told_to_drain(at: Desk) -> None:
    at.gate().touch("obey")
    words = ("dispatch", "manifest.toml", "--background")
    process = at.start(*words, start_new_session=True)
    line = json.loads(ended(process).out)
    wait_for(lambda: at.asked() == 2)
    assert os.getsid(line["pid"]) == line["pid"] != process.pid
    os.kill(line["pid"], signal.SIGTERM)
    at.touch("open")
    wait_for(lambda: not alive(line["pid"]))
    assert "draining" in (at.runs / line["run_id"] / "output.log").read_text()
    assert at.run("status", line["run_id"], "--json").json["owner"] == ""


def test_nothing_of_who_started_it_is_held_by_a_run_in_the_background(at: Desk) -> None:
    at.gate()
    # The pipes end although the run goes on: nobody waits for it by accident.
    done = subprocess.run(
        ["sh", "-c", "python -m leadhand dispatch manifest.toml --background | cat"],
        capture_output=True,
        check=True,
        cwd=at.folder,
        env={**at.environment, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        text=True,
        timeout=60,
    )
    pid = json.loads(done.stdout)["pid"]
    assert alive(pid)
    at.touch("open")
    wait_for(lambda: not alive(pid))


def test_what_is_wrong_before_the_run_exists_is_said_as_always(at: Desk) -> None:
    at.gate()
    (at.folder / "model.py").write_text("1/0")
    done = at.run("dispatch", "manifest.toml", "--background")
    assert (done.code, done.out) == (2, "")
    assert "ZeroDivisionError" in done.err
    assert done.err.count("\n") == 1
    assert not at.runs.exists()


def test_warnings_are_said_before_the_line(at: Desk) -> None:
    at.gate().touch("open")
    manifest = at.folder / "manifest.toml"
    manifest.write_text(manifest.read_text().replace("budget_usd = 2.00\n", ""))
    done = at.run("dispatch", "manifest.toml", "--background", "--json")
    assert done.code == 0
    assert done.err.startswith("warning: ")
    folder = at.runs / done.json["run_id"]
    wait_for(lambda: not alive(done.json["pid"]))
    assert json.loads((folder / "output.log").read_text())["status"] == "succeeded"
