"""Anthropic: what the Messages dialect needs beyond what every model keeps."""

from typing import Any

import pytest

from leadhand.model import Message, Prose, Raw, Request, ToolResult, ToolUse
from leadhand.models.anthropic import NO_WORDS, version, written
from leadhand.models.anthropic_events import ANSWER_TOOL
from leadhand.models.scripted import Reply
from leadhand.testing.dialects.anthropic import count_marks
from leadhand.testing.script import turn
from leadhand.testing.step import Step
from tests.models.kit import (
    ANTHROPIC,
    TOOLS,
    Dialect,
    World,
    answer,
    asked,
    playing,
    said,
    user,
    uses,
)

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
THOUGHT = Raw({"type": "thinking", "thinking": "", "signature": "s"}, "anthropic")


def body(model: str = "claude-haiku-4-5", *messages: Message, **fields: Any) -> dict[str, Any]:
    """The body of a request."""
    return written(asked(ANTHROPIC, *messages, model=f"anthropic:{model}", **fields))


def turns(count: int) -> list[Message]:
    """A conversation of so many answered turns, and one more message."""
    found = [user("Begin.")]
    for number in range(count):
        call = ToolUse(f"t{number}", "Read", {"path": str(number)})
        found.append(Message("assistant", [Prose("Reading."), call]))
        found.append(user(ToolResult(call.id, "text")))
    return found


# Prompt cache


@pytest.mark.parametrize("count", [0, 1, 5])
def test_there_are_never_more_breakpoints_than_four(count: int) -> None:
    assert count_marks(body("claude-haiku-4-5", *turns(count))) == min(2, count + 1) + 1


def test_the_cache_holds_tools_and_system_and_the_last_two_messages_of_the_user() -> None:
    found = body("claude-haiku-4-5", *turns(3))
    assert count_marks(found["system"][-1]) == 1
    marked = [count_marks(message) for message in found["messages"]]
    assert marked == [0, 0, 0, 0, 1, 0, 1]


def test_without_a_system_prompt_the_cache_ends_at_the_tools() -> None:
    found = body(system="")
    assert "system" not in found
    assert [count_marks(tool) for tool in found["tools"]] == [0, 1]


def test_the_prefix_stays_the_same_from_turn_to_turn() -> None:
    def bare(value: Any) -> Any:
        if isinstance(value, list):
            return [bare(each) for each in value]
        if isinstance(value, dict):
            return {key: bare(each) for key, each in value.items() if key != "cache_control"}
        return value

    for count in range(4):
        now, later = bare(body("m", *turns(count))), bare(body("m", *turns(count + 1)))
        assert later["messages"][: len(now["messages"])] == now["messages"]
        assert (later["system"], later["tools"]) == (now["system"], now["tools"])
    final = bare(body("m", *turns(3), tool_choice="none"))
    assert final["tools"] == bare(body("m", *turns(3)))["tools"]


# Messages


def test_results_stand_first_in_a_message() -> None:
    call = ToolUse("t1", "Read", {})
    found = body(
        "m", user("Go."), Message("assistant", [call]), user("Also.", ToolResult("t1", ""))
    )
    assert [part["type"] for part in found["messages"][-1]["content"]] == ["tool_result", "text"]


def test_a_result_that_is_an_error_is_never_empty() -> None:
    call = ToolUse("t1", "Read", {})
    for is_error, expected in ((True, "failed"), (False, None)):
        result = ToolResult("t1", "", is_error)
        found = body("m", user("Go."), Message("assistant", [call]), user(result))
        assert found["messages"][-1]["content"][0].get("content") == expected


def test_what_has_nothing_to_say_is_not_sent() -> None:
    found = body("m", user("Go.", " \n "), Message("assistant", [Prose(" ")]), user("On."))
    assert [len(message["content"]) for message in found["messages"]] == [1, 1]


def test_an_answer_that_was_all_thought_gets_words_to_end_on() -> None:
    found = body("m", user("Go."), Message("assistant", [THOUGHT]), user("On."))
    assert found["messages"][1]["content"] == [THOUGHT.data, {"type": "text", "text": NO_WORDS}]


def test_an_empty_thought_with_a_signature_goes_back_whole() -> None:
    """The newest models do not show their thinking, and want its signature back."""
    found = body("m", user("Go."), Message("assistant", [THOUGHT, Prose("Hm.")]), user("On."))
    assert found["messages"][1]["content"][0] == THOUGHT.data


def test_ids_of_other_providers_are_put_into_letters_that_it_accepts() -> None:
    call = ToolUse("root/W1:1.2@33.0", "Read", {})
    found = body("m", user("Go."), Message("assistant", [call]), user(ToolResult(call.id, "x")))
    there, back = found["messages"][1]["content"][0], found["messages"][2]["content"][0]
    assert there["id"] == back["tool_use_id"]
    assert there["id"].replace("_", "").isalnum()


def test_calls_in_a_conversation_without_tools_still_have_their_tools() -> None:
    found = body("m", *turns(1), tools=[])
    assert [tool["name"] for tool in found["tools"]] == ["Read"]
    assert found["tool_choice"] == {"type": "none"}


# Thinking


def thinking(model: str, effort: str | None, **fields: Any) -> dict[str, Any]:
    """What a body says about thinking."""
    found = body(model, effort=effort, **fields)
    return {key: found[key] for key in ("thinking", "output_config") if key in found}


ADAPTIVE = {"type": "adaptive"}


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("claude-opus-5-5", None, {}),
        ("claude-opus-5-5", "max", {"thinking": ADAPTIVE, "output_config": {"effort": "max"}}),
        ("claude-opus-5-5", "none", {"output_config": {"effort": "low"}}),
        ("claude-opus-4-7", "xhigh", {"thinking": ADAPTIVE, "output_config": {"effort": "xhigh"}}),
        ("claude-sonnet-4-6", "xhigh", {"thinking": ADAPTIVE, "output_config": {"effort": "high"}}),
        ("claude-opus-4-5-20251101", "max", {"output_config": {"effort": "high"}}),
        (
            "claude-haiku-4-5",
            "medium",
            {"thinking": {"type": "enabled", "budget_tokens": 8_192}},
        ),
        ("claude-haiku-4-5", "none", {}),
        ("claude-3-5-haiku-20241022", "high", {}),
        ("somebodys-model", "high", {"thinking": ADAPTIVE, "output_config": {"effort": "high"}}),
    ],
)
def test_each_generation_is_told_in_its_own_words_how_hard_to_think(
    model: str, effort: str | None, expected: dict[str, Any]
) -> None:
    assert thinking(model, effort, max_output_tokens=32_000) == expected


def test_a_thinking_budget_is_part_of_the_output_limit() -> None:
    found = thinking("claude-haiku-4-5", "high", max_output_tokens=5_000)
    assert found == {"thinking": {"type": "enabled", "budget_tokens": 5_000 - 1_024}}
    assert thinking("claude-haiku-4-5", "high", max_output_tokens=2_000) == {}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("claude-opus-4-5-20251101", (4, 5)),
        ("claude-sonnet-4-20250514", (4, 0)),
        ("claude-opus-5", (5, 0)),
        ("claude-fable-5-1", (5, 1)),
        ("claude-3-7-sonnet-20250219", (3, 7)),
        ("claude-3-opus-20240229", (3, 0)),
        ("us.anthropic.claude-haiku-4-5-v1", (4, 5)),
        ("my-own", (99, 0)),
    ],
)
def test_the_version_of_a_model_is_in_its_name(name: str, expected: tuple[int, int]) -> None:
    assert version(name) == expected


def test_thinking_that_is_refused_is_left_out_and_the_call_made_again() -> None:
    """The provider binds thinking to all that stood before it; what was changed costs it."""

    def script(request: Request) -> Reply:
        return Reply(text="Went on.")

    changed = Raw({"type": "thinking", "thinking": "x", "signature": "of something else"})
    changed = Raw(changed.data, "anthropic")

    async def deed(world: World) -> None:
        history = [user("Go."), Message("assistant", [changed, Prose("Hm.")]), user("On.")]
        found = await world.ask(asked(ANTHROPIC, *history))
        assert Prose("Went on.") in found.blocks
        assert [seen.ended for seen in world.server.seen] == ["refused", "answered"]

    playing(ANTHROPIC, script, deed)


def test_another_bad_request_is_not_made_again() -> None:
    async def deed(world: World) -> None:
        error = await world.fault(asked(ANTHROPIC))
        assert error.kind == "bad_request"
        assert len(world.server.seen) == 1

    playing(ANTHROPIC, Step(status=400, text="thinking is not for you"), deed)


def test_a_thought_that_was_cut_before_its_signature_is_dropped() -> None:
    from leadhand.models.anthropic_events import Reading

    reading = Reading(lambda text: None)
    for event in (
        b'{"type": "message_start", "message": {"usage": {"input_tokens": 5}}}',
        (
            b'{"type": "content_block_start", "index": 0,'
            b' "content_block": {"type": "thinking", "thinking": "", "signature": ""}}'
        ),
        (
            b'{"type": "content_block_delta", "index": 0,'
            b' "delta": {"type": "thinking_delta", "thinking": "I was"}}'
        ),
        (
            b'{"type": "message_delta", "delta": {"stop_reason": "max_tokens"},'
            b' "usage": {"output_tokens": 9}}'
        ),
    ):
        assert not reading.take(event)
    assert reading.take(b'{"type": "message_stop"}')
    found = reading.answer(asked(ANTHROPIC), b"", by_tool=False)
    assert (found.blocks, found.stop_reason) == ([], "max_tokens")
    assert (found.usage.input, found.usage.output) == (5, 9)


def test_figures_only_rise_during_an_answer() -> None:
    found = answer(ANTHROPIC, Step(text="x", figures={"input_tokens": 900, "output_tokens": 0}))
    assert found.usage.output == 1


# Structured answers


@pytest.mark.parametrize("tools", [[], TOOLS])
def test_an_old_model_answers_in_shape_by_calling_a_tool(tools: list[Any]) -> None:
    """The newest models refuse to be forced to call a tool, and hold a schema themselves."""
    old = Dialect("anthropic:claude-opus-4-1", ANTHROPIC.make)

    def script(request: Request) -> Reply:
        assert request.tools[-1].name == ANSWER_TOOL
        return Reply(text="Here it is.", calls=((ANSWER_TOOL, {"n": 3}),))

    async def deed(world: World) -> Any:
        found = await world.ask(asked(old, tools=list(tools), schema=SCHEMA))
        assert found.blocks == [Prose('{"n":3}')]
        assert found.stop_reason == "end_turn"
        return world.server.bodies[-1]["tool_choice"]["type"]

    assert playing(old, script, deed) == ("any" if tools else "tool")


def test_an_old_model_may_call_other_tools_before_it_answers_in_shape() -> None:
    old = Dialect("anthropic:claude-opus-4-1", ANTHROPIC.make)

    def script(request: Request) -> Reply:
        if turn(request) == 0:
            return Reply(calls=(("Read", {"path": "a"}), (ANSWER_TOOL, {"n": 0})))
        return Reply(calls=((ANSWER_TOOL, {"n": 1}),))

    async def deed(world: World) -> None:
        first = await world.ask(asked(old, schema=SCHEMA))
        assert [use.name for use in uses(first)] == ["Read"]
        told = [user("Do it."), said(first), user(ToolResult(uses(first)[0].id, "x"))]
        second = await world.ask(asked(old, *told, schema=SCHEMA))
        assert second.blocks == [Prose('{"n":1}')]

    playing(old, script, deed)


def test_a_tool_of_the_provider_in_an_answer_is_an_error() -> None:
    from tests.models.kit import fault

    garbage = (
        'data: {"type": "content_block_start", "index": 0, "content_block": '
        '{"type": "server_tool_use", "id": "x", "name": "web_search"}}\n\n'
    )
    error = fault(ANTHROPIC, Step(text="x", garbage=garbage))
    assert (error.kind, error.billed) == ("protocol", True)
    assert "fee" in error.message
    error = fault(ANTHROPIC, Step(figures={"server_tool_use": {"web_search_requests": 2}}))
    assert "web_search_requests" in error.message
