"""Claude code: what of the program this relies on, and that is not seen in a whole run."""

import asyncio
import os
import uuid
from pathlib import Path
from typing import Any

import pytest

from leadhand.agent import Ended, Hands, Place
from leadhand.domain.ids import ROOT
from leadhand.errors import HarnessError
from leadhand.harness import Door
from leadhand.harnesses.claude_code import ClaudeCode, Result, ended, environment
from leadhand.model import ToolResult
from leadhand.processes import Processes
from leadhand.testing.model_server import model_server


async def nothing(*given: Any) -> str:
    """Allows everything, and has nothing to tell."""
    return ""


async def no_tool(*given: Any) -> ToolResult:
    """Has no tool."""
    raise AssertionError(given)


HANDS = Hands(nothing, nothing, no_tool)


def place(home: Path, door: Door, **given: Any) -> Place:
    """A place of an actor that has no tools of its own."""
    found: dict[str, Any] = {
        "actor": ROOT,
        "session": str(uuid.uuid4()),
        "root": home,
        "add_dirs": (),
        "env": {"PATH": os.environ["PATH"]},
        "home": home,
        "door": door,
        "model": "claude-haiku-4-5",
        "effort": None,
        "system": "",
        "tools": (),
        "schemas": (),
    }
    return Place(**found | given)


def test_an_agent_without_our_tools_does_not_go_on(tmp_path: Path) -> None:
    async def story() -> None:
        async with model_server() as server:
            processes = Processes("a-run", tmp_path)
            dead = Door("http://127.0.0.1:9/mcp", "leadhand-actor-none", server.url)
            agent = ClaudeCode(processes, place(tmp_path, dead), HANDS)
            try:
                assert await agent.begin() is False
                await agent.say("Go.")
                async with asyncio.timeout(30):
                    await agent.turn()
            finally:
                await agent.close()
                await processes.close()

    with pytest.raises(HarnessError, match="none of our tools: the MCP server is failed"):
        asyncio.run(story())


def test_its_environment_holds_its_token_and_no_other_secret(tmp_path: Path) -> None:
    door = Door("http://127.0.0.1:1/mcp", "the-token", "http://127.0.0.1:2")
    found = environment(place(tmp_path, door))
    assert {name for name, text in found.items() if "the-token" in text} == {
        "ANTHROPIC_API_KEY",
        "LEADHAND_TOKEN",
    }
    own = environment(place(tmp_path, door, login={"ANTHROPIC_AUTH_TOKEN": "mine"}))
    assert "ANTHROPIC_API_KEY" not in own
    assert own["ANTHROPIC_CUSTOM_HEADERS"] == "X-Leadhand-Token: the-token"
    assert found["HOME"] == str(tmp_path)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (Result("success", result="Done."), Ended("done", "Done.")),
        (
            Result("success", is_error=True, result="API Error: 402", terminal_reason="api_error"),
            Ended("failed", "API Error: 402", "API Error: 402"),
        ),
        (
            Result("error_during_execution", terminal_reason="aborted_tools"),
            Ended("interrupted", "", "error_during_execution"),
        ),
        (
            Result("success", is_error=True, terminal_reason="prompt_too_long", result="long"),
            Ended("too_long", "long", "long"),
        ),
        (
            Result("success", result="No.", stop_reason="refusal"),
            Ended("refused", "No.", "No."),
        ),
        (Result("error_max_turns", errors=["too many"]), Ended("failed", "", "too many")),
    ],
)
def test_a_success_that_is_an_error_is_told_from_one(result: Result, expected: Ended) -> None:
    assert ended(result) == expected
