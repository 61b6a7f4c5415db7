"""Harnesses: a manifest may give sessions to Claude Code, and what cannot be is said before."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from leadhand.domain.manifest import HarnessName
from leadhand.stores.sqlite import find_runs
from leadhand.testing.step import Step, from_prompt, with_script
from tests.gateway.kit import environ, served
from tests.harnesses.contract_kit import MODELS, REPORT, Speech, marked
from tests.testing.agents_kit import ALONE_URL, NPM, PATH, ran, why_not_alone

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


def test_a_program_that_is_not_there_is_named_with_how_to_install_it(tmp_path: Path) -> None:
    text = MANIFEST.format(lead="codex", model="openai:gpt-5.5", prompt="Do it.")
    (tmp_path / "m.toml").write_text(text)
    keys = {"ANTHROPIC_API_KEY": "sk-a", "OPENAI_API_KEY": "sk-b", "PATH": "/usr/bin:/bin"}
    ended = leadhand(tmp_path, "validate", "m.toml", env=keys)
    assert ended.returncode == 2
    told = "m.toml:12: lead.harness: harness codex takes its program on PATH: npm install -g"
    assert told in ended.stdout + ended.stderr


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


def test_a_killed_run_of_claude_code_is_resumed_and_repeats_no_spawn(tmp_path: Path) -> None:
    busy = f"touch {tmp_path}/busy; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"
    shell = ("Bash", {"command": busy, "description": "Wait."})
    # What was cut off leaves an answer of its own in a conversation, which a script counts.
    worker = with_script("Do it.", [Step(calls=(shell,)), *[Step(text="went on")] * 3])
    spawn = ("mcp__leadhand__spawn_worker", {"prompt": worker})
    wait = Step(calls=(("mcp__leadhand__wait_actor", {"worker_id": "root/W1"}),))
    steps = [Step(calls=(spawn,)), *[wait] * 4, *[Step(text=REPORT)] * 4]
    text = MANIFEST.format(
        lead="claude-code", model="claude-haiku-4-5", prompt=with_script("Lead.", steps)
    )
    (tmp_path / "m.toml").write_text(text)
    with served(from_prompt) as server:
        env = os.environ | environ(server) | {"LEADHAND_RUN_DIR": str(tmp_path / "runs")}
        words = [sys.executable, "-m", "leadhand", "dispatch", "m.toml"]
        dispatch = subprocess.Popen(words, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL)
        until((tmp_path / "busy").exists)
        (run_id,) = find_runs(tmp_path / "runs")
        assert marked(f"LEADHAND_RUN={run_id}")
        dispatch.kill()
        dispatch.wait()
        until(lambda: not marked(f"LEADHAND_RUN={run_id}"))
        (tmp_path / "go").touch()
        ended = leadhand(tmp_path, "resume", run_id, env=environ(server))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    lines = (tmp_path / "runs" / run_id / "summary.jsonl").read_text().splitlines()
    worker_record, lead_record = map(json.loads, lines)
    assert (worker_record["task_id"], lead_record["task_id"]) == ("root/W1", "root")
    assert (worker_record["harness"], worker_record["status"]) == ("claude-code", "Success")
    assert worker_record["final_message_preview"] == "went on"
    assert not marked(f"LEADHAND_RUN={run_id}")


def until(what: Callable[[], object]) -> None:
    """Wait until something is so."""
    for _ in range(1_200):
        if what():
            return
        time.sleep(0.05)
    raise AssertionError("it has never become so")


@pytest.mark.parametrize(
    ("harness", "model"),
    [
        ("claude-code", "claude-haiku-4-5"),
        pytest.param("codex", "openai:gpt-5.5", marks=pytest.mark.agents),
    ],
)
def test_a_whole_run_talks_to_its_provider_and_to_nobody_else(
    harness: str, model: str, tmp_path: Path
) -> None:
    if why := why_not_alone():
        pytest.skip(why)
    text = MANIFEST.format(
        lead=harness, model=model, prompt=with_script("Lead.", [Step(text=REPORT)])
    )
    (tmp_path / "m.toml").write_text(text)
    env = {
        "PATH": os.pathsep.join([PATH, *map(str, NPM.glob("@openai/codex-*/vendor/*/bin"))]),
        "HOME": str(tmp_path),
        "LEADHAND_RUN_DIR": str(tmp_path / "runs"),
        "ANTHROPIC_API_KEY": "sk-none",
        "ANTHROPIC_BASE_URL": ALONE_URL,
        "OPENAI_API_KEY": "sk-none",
        "OPENAI_BASE_URL": f"{ALONE_URL}/v1",
    }
    words = (sys.executable, "-m", "leadhand", "dispatch", "m.toml")
    code, lines = asyncio.run(ran(*words, env=env, cwd=tmp_path, alone=True))
    assert code == 0, lines
    assert lines[-1] == "packets out: 0"


@pytest.mark.agents
def test_a_killed_run_of_every_harness_is_resumed_and_every_nano_dollar_has_its_actor(
    tmp_path: Path,
) -> None:
    kinds: tuple[HarnessName, ...] = ("api", "claude-code", "codex")
    prompts = {}
    for kind in kinds:
        say = Speech(kind)
        busy = f"touch {tmp_path}/{kind}; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"
        last = [Step(text=f"{kind} went on")] * 3
        prompts[kind] = with_script("Do it.", [Step(calls=(say.shell(busy),)), *last])
    lead = Speech("claude-code")
    spawns = [lead.ours("spawn_worker", prompt=text, agent=kind) for kind, text in prompts.items()]
    waits = [lead.ours("wait_actor", worker_id=f"root/W{number}") for number in (1, 2, 3)]
    steps = [Step(calls=tuple(spawns)), *[Step(calls=tuple(waits))] * 4, *[Step(text=REPORT)] * 4]
    text = MANIFEST.format(
        lead="claude-code", model="claude-haiku-4-5", prompt=with_script("Lead.", steps)
    ).replace("max_workers = 1", "max_workers = 3")
    agents = [
        f'[agents.{kind}]\nharness = "{kind}"\nmodel = "{MODELS[kind]}"\nuse_worktree = false'
        for kind in kinds
    ]
    (tmp_path / "m.toml").write_text("\n".join([text, *agents]))
    programs = [str(each.parent) for each in NPM.glob("@openai/codex-*/vendor/*/bin/codex")]
    with served(from_prompt) as server:
        env = environ(server) | {"PATH": os.pathsep.join([os.environ["PATH"], *programs])}
        whole = os.environ | env | {"LEADHAND_RUN_DIR": str(tmp_path / "runs")}
        words = [sys.executable, "-m", "leadhand", "dispatch", "m.toml"]
        dispatch = subprocess.Popen(words, cwd=tmp_path, env=whole, stdout=subprocess.DEVNULL)
        until(lambda: all((tmp_path / kind).exists() for kind in kinds))
        (run_id,) = find_runs(tmp_path / "runs")
        dispatch.kill()
        dispatch.wait()
        until(lambda: not marked(f"LEADHAND_RUN={run_id}"))
        (tmp_path / "go").touch()
        ended = leadhand(tmp_path, "resume", run_id, env=env)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = json.loads((tmp_path / "runs" / run_id / "summary.json").read_text())
    records = {each["task_id"]: each for each in told["tasks"]}
    assert [records[f"root/W{number}"]["harness"] for number in (1, 2, 3)] == [*kinds]
    previews = [records[f"root/W{number}"]["final_message_preview"] for number in (1, 2, 3)]
    assert previews == [f"{kind} went on" for kind in kinds]
    # The lead's record holds its own calls alone.
    assert told["cost_usd"] == pytest.approx(sum(each["cost_usd"] for each in records.values()))
    assert not marked(f"LEADHAND_RUN={run_id}")
