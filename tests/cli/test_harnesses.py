"""Harnesses: a manifest may give sessions to Claude Code, and what cannot be is said before."""

import os
import subprocess
import sys
from pathlib import Path

from leadhand.testing.step import Step, from_prompt, with_script
from tests.gateway.kit import environ, served
from tests.harnesses.contract_kit import REPORT

MANIFEST = """
[run]
budget_usd = 1
max_workers = 1

[defaults]
model = "claude-haiku-4-5"
harness = "claude-code"

[lead]
id = "real"
harness = "{lead}"
model = "{model}"
use_worktree = false
prompt = '''
{prompt}
'''
"""


def leadhand(folder: Path, *words: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A verb, as a user types it."""
    return subprocess.run(
        [sys.executable, "-m", "leadhand", *words],
        cwd=folder,
        env=os.environ | env | {"LEADHAND_RUN_DIR": str(folder / "runs")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_model_of_another_dialect_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    text = MANIFEST.format(lead="claude-code", model="openai:gpt-5.4-mini", prompt="Do it.")
    (tmp_path / "m.toml").write_text(text)
    keys = {"ANTHROPIC_API_KEY": "sk-a", "OPENAI_API_KEY": "sk-b"}
    for verb in ("validate", "dispatch"):
        ended = leadhand(tmp_path, verb, "m.toml", env=keys)
        assert ended.returncode == 2
        told = "m.toml:12: lead.harness: harness claude-code speaks anthropic, which the server of "
        assert told + "openai:gpt-5.4-mini does not" in ended.stdout + ended.stderr
    assert not (tmp_path / "runs").exists()


def test_a_whole_run_of_claude_code_from_the_command_line(tmp_path: Path) -> None:
    worker = with_script("Do it.", [Step(text="the worker's result")])
    spawn = ("mcp__leadhand__spawn_worker", {"prompt": worker})
    wait = ("mcp__leadhand__wait_actor", {"worker_id": "root/W1"})
    steps = [Step(calls=(spawn,)), Step(calls=(wait,)), Step(text=REPORT)]
    text = MANIFEST.format(
        lead="claude-code", model="claude-haiku-4-5", prompt=with_script("Lead.", steps)
    )
    (tmp_path / "m.toml").write_text(text)
    with served(from_prompt) as server:
        ended = leadhand(tmp_path, "dispatch", "m.toml", env=environ(server))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert {each.actor for each in server.seen} == {"root", "root/W1"}
    assert "STATUS: success" in ended.stdout
