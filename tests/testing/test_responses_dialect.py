"""Responses dialect: the model server hears what Codex sends, and calls its kinds of tools."""

from typing import Any

import pytest

from leadhand.model import Prose, ToolUse
from leadhand.models.scripted import counted
from leadhand.testing.dialects.openai_responses import hear, whole
from leadhand.testing.dialects.saying import Said
from leadhand.testing.step import Step

FUNCTION = {"type": "function", "name": "T", "parameters": {"type": "object"}}
SPACE = {"type": "namespace", "name": "mcp__S", "tools": [FUNCTION]}
CUSTOM = {"type": "custom", "name": "apply_patch"}
ASKED = {"role": "user", "content": "Go."}


def called(name: str, args: dict[str, Any] | str, **body: Any) -> dict[str, Any]:
    """The item that calls a tool."""
    asked = {"input": [ASKED], **body}
    request = hear(asked)
    step = Step(calls=((name, args),))
    [item] = whole(Said(request, step, counted(request, []), "seed", body=asked))["output"]
    found: dict[str, Any] = item
    return found


def test_a_tool_of_a_namespace_is_called_by_both_its_names() -> None:
    item = called("mcp__S__T", {"a": 1}, tools=[SPACE])
    assert (item["type"], item["namespace"], item["name"]) == ("function_call", "mcp__S", "T")
    assert item["arguments"] == '{"a":1}'


def test_a_tool_that_is_no_part_of_a_namespace_keeps_its_name() -> None:
    item = called("mcp__S__T", {}, tools=[FUNCTION])
    assert (item["name"], "namespace" in item) == ("mcp__S__T", False)


@pytest.mark.parametrize("args", [{"input": "words"}, "words"])
def test_a_tool_that_takes_a_text_is_given_one(args: dict[str, Any] | str) -> None:
    item = called("apply_patch", args, tools=[CUSTOM])
    assert (item["type"], item["input"]) == ("custom_tool_call", "words")
    assert "arguments" not in item


@pytest.mark.parametrize("kind", ["additional_tools", "tool_search_output"])
def test_tools_may_come_with_the_conversation(kind: str) -> None:
    more = {"type": kind, "role": "developer", "tools": [SPACE]}
    item = called("mcp__S__T", {}, input=[more, ASKED])
    assert item["namespace"] == "mcp__S"


def test_what_codex_sends_back_is_heard() -> None:
    call = {"type": "function_call", "call_id": "c1", "name": "T", "namespace": "mcp__S"}
    patch = {"type": "custom_tool_call", "call_id": "c2", "name": "apply_patch", "input": "words"}
    found = hear(
        {
            "tools": [SPACE, CUSTOM, {"type": "web_search"}],
            "input": [
                {"type": "message", "role": "developer", "content": "Be good."},
                {"type": "message", "role": "user", "content": "Go."},
                call | {"arguments": "{}"},
                patch,
                {"type": "function_call_output", "call_id": "c1", "output": "one"},
                {"type": "custom_tool_call_output", "call_id": "c2", "output": "two"},
                {"type": "agent_message", "content": [{"type": "input_text", "text": "Hello."}]},
                {"type": "compaction", "encrypted_content": "x"},
            ],
        }
    )
    assert [tool.name for tool in found.tools] == ["mcp__S__T", "apply_patch"]
    assert [message.role for message in found.messages] == ["user", "assistant", "user"]
    assert found.messages[1].blocks == [
        ToolUse("c1", "mcp__S__T", {}),
        ToolUse("c2", "apply_patch", {"input": "words"}),
    ]
    assert Prose("Hello.") in found.messages[2].blocks
