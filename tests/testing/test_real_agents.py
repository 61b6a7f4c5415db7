"""Real agents: Claude Code and Codex play the scripts of their prompts on the model server."""

import asyncio
import json
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from leadhand.testing.model_server import ModelServer, model_server
from leadhand.testing.step import Step, with_script
from tests.testing.agents_kit import (
    ALONE_URL,
    claude,
    claude_environment,
    codex,
    codex_environment,
    ran,
    session,
    why_not_alone,
)

pytestmark = pytest.mark.slow
# A probe that the watched network must count, or its silence would say nothing.
ASK = "import socket\ntry: socket.create_connection(('10.255.0.9', 80), 2)\nexcept OSError: pass"


def bash(command: str) -> tuple[str, dict[str, Any]]:
    """A call of Claude Code's shell."""
    return "Bash", {"command": command, "description": "x"}


def shell(command: str) -> tuple[str, dict[str, Any]]:
    """A call of Codex's shell."""
    return "exec_command", {"cmd": command}


def prompt(*steps: Step) -> str:
    """A prompt that is played."""
    return with_script("Go.", list(steps))


def refused(server: ModelServer) -> list[str]:
    """How the requests ended that were not answered."""
    return [seen.ended for seen in server.seen if seen.ended != "answered"]


# Claude Code


def test_claude_code_thinks_calls_tools_and_hears_of_what_comes_in_between(tmp_path: Path) -> None:
    begin = Step(text="a", thinking="Hm.", calls=(bash("echo x >> done; sleep 0.5"),))

    async def main() -> None:
        async with model_server() as server:
            server.keep_bodies()
            async with session(tmp_path, server.url, "--allowedTools", "Bash") as agent:
                agent.say(prompt(begin, Step(text="Done.")))
                await agent.called()
                agent.say("A word without a script.")
                assert (await agent.result())["result"] == "Done."
                assert "A word without a script" in str(server.bodies[-1]["messages"][-1])
                agent.say(prompt(begin, Step(text="Never.")))
                await agent.called()
                agent.say(prompt(Step(text="Something else.")))
                assert (await agent.result())["result"] == "Something else."
            assert refused(server) == []
            assert server.seen[-1].path == "/v1/messages?beta=true"

    asyncio.run(main())
    assert (tmp_path / "done").read_text() == "x\nx\n"


def test_claude_code_goes_on_after_an_interrupt_a_summary_and_its_death(tmp_path: Path) -> None:
    one = str(uuid.uuid4())
    interrupt = {"type": "control_request", "request_id": "r", "request": {"subtype": "interrupt"}}
    steps = [Step(text=f"step {number}") for number in range(4)]

    async def main() -> None:
        async with model_server() as server:
            flags = ("--allowedTools", "Bash")
            async with session(tmp_path, server.url, "--session-id", one, *flags) as agent:
                agent.say(prompt(Step(calls=(bash("touch busy; sleep 30"),)), *steps))
                await agent.called()
                # Before its command runs, an interrupt may find nothing to interrupt.
                for _ in range(1_000):
                    if (tmp_path / "busy").exists():
                        break
                    await asyncio.sleep(0.02)
                agent.send(interrupt)
                assert (await agent.result())["subtype"] == "error_during_execution"
                agent.say("Go on.")
                assert (await agent.result())["result"] == "step 0"
                agent.say("/compact")
                await agent.result()
                agent.say("Go on.")
                assert (await agent.result())["result"] == "step 1"
            async with session(tmp_path, server.url, "--resume", one, *flags) as agent:
                agent.say("Go on.")
                assert (await agent.result())["result"] == "step 2"
            assert refused(server) == []

    asyncio.run(main())


def test_a_sub_agent_of_claude_code_plays_a_script_of_its_own(tmp_path: Path) -> None:
    inner = with_script("You help.", [Step(calls=(bash("echo x > sub"),)), Step(text="Helped.")])
    task = {"description": "x", "prompt": inner, "subagent_type": "claude"}
    call = ("Agent", task | {"run_in_background": False})

    async def main() -> None:
        async with (
            model_server() as server,
            session(tmp_path, server.url, "--allowedTools", "Agent", "Bash") as agent,
        ):
            agent.say(prompt(Step(calls=(call,)), Step(text="Done.")))
            assert (await agent.result())["result"] == "Done."
            assert refused(server) == []

    asyncio.run(main())
    assert (tmp_path / "sub").read_text() == "x\n"


# What leaves the machine


def packets(lines: list[str]) -> int:
    """How many left the network."""
    name, _, count = lines[-1].partition(": ")
    assert name == "packets out"
    return int(count)


def alone() -> None:
    """Skip where no network of its own can be made."""
    if why := why_not_alone():
        pytest.skip(why)


def test_the_watched_network_counts_what_leaves_it(tmp_path: Path) -> None:
    alone()
    env = claude_environment(tmp_path, ALONE_URL)
    _, lines = asyncio.run(ran(sys.executable, "-c", ASK, env=env, cwd=tmp_path, alone=True))
    assert packets(lines) > 0


def test_claude_code_talks_to_the_model_server_only(tmp_path: Path) -> None:
    alone()
    steps = prompt(Step(calls=(bash("echo x > done"),)), Step(text="Done."))
    flags = ("--output-format", "json", "--allowedTools", "Bash", "--")
    env = claude_environment(tmp_path, ALONE_URL)
    code, lines = asyncio.run(ran(claude(), "-p", *flags, steps, env=env, cwd=tmp_path, alone=True))
    assert (code, json.loads(lines[-2])["result"]) == (0, "Done.")
    assert packets(lines) == 0
    assert (tmp_path / "done").exists()


# Codex


EXEC = ("exec", "--json", "--skip-git-repo-check", "-s", "danger-full-access")


@pytest.mark.agents
def test_codex_thinks_calls_tools_and_patches(tmp_path: Path) -> None:
    patch = "*** Begin Patch\n*** Add File: made\n+words\n*** End Patch"
    steps = prompt(
        Step(text="a", thinking="Hm.", calls=(shell("echo x > done"),)),
        Step(thinking="Hm.", calls=(("apply_patch", {"input": patch}),)),
        Step(text="Done."),
    )

    async def main() -> None:
        async with model_server() as server:
            env = codex_environment(tmp_path, server.url)
            code, lines = await ran(codex(), *EXEC, steps, env=env, cwd=tmp_path)
            assert code == 0
            said = [json.loads(line).get("item", {}).get("text") for line in lines]
            assert "Done." in said
            assert refused(server) == []
            assert server.seen[-1].path == "/v1/responses"

    asyncio.run(main())
    assert (tmp_path / "done").read_text() == "x\n"
    assert (tmp_path / "made").read_text() == "words\n"


@pytest.mark.agents
def test_codex_resumes_where_its_script_was(tmp_path: Path) -> None:
    async def main() -> None:
        async with model_server() as server:
            env = codex_environment(tmp_path, server.url)
            steps = prompt(Step(text="one"), Step(text="two"))
            _, lines = await ran(codex(), *EXEC, steps, env=env, cwd=tmp_path)
            thread = json.loads(lines[0])["thread_id"]
            again = ("exec", "resume", "--json", "--skip-git-repo-check", thread, "Go on.")
            _, lines = await ran(codex(), *again, env=env, cwd=tmp_path)
            assert "two" in [json.loads(line).get("item", {}).get("text") for line in lines]

    asyncio.run(main())


@pytest.mark.agents
def test_codex_talks_to_the_model_server_only(tmp_path: Path) -> None:
    alone()
    steps = prompt(Step(calls=(shell("echo x > done"),)), Step(text="Done."))
    env = codex_environment(tmp_path, ALONE_URL)
    code, lines = asyncio.run(ran(codex(), *EXEC, steps, env=env, cwd=tmp_path, alone=True))
    assert code == 0
    assert packets(lines) == 0
    assert (tmp_path / "done").exists()
