"""Openai responses: nothing is stored at the provider, and what it needs back goes back."""

import json
from typing import Any

import pytest

from leadhand.domain.money import Usage
from leadhand.errors import ModelError
from leadhand.model import Answer, Block, Message, Prose, Raw, ToolResult, ToolUse
from leadhand.models.openai_responses import Reading, written
from tests.models.kit import RESPONSES, World, asked, playing, user, uses

SEALED = Raw({"type": "reasoning", "summary": [], "encrypted_content": "abc"}, "openai")


def body(*messages: Message, **fields: Any) -> dict[str, Any]:
    """The body of a request."""
    return written(asked(RESPONSES, *messages, **fields))


def read(*events: dict[str, Any]) -> Answer:
    """What these events amount to."""
    reading = Reading(lambda text: None)
    *some, last = (json.dumps(event).encode() for event in events)
    for event in some:
        assert not reading.take(event)
    assert reading.take(last)
    return reading.answer(asked(RESPONSES), b"the body")


def completed(*output: dict[str, Any], kind: str = "completed", **more: Any) -> dict[str, Any]:
    """The last event."""
    usage = {"input_tokens": 10, "output_tokens": 2, "total_tokens": 12}
    response = {"output": list(output), "usage": usage, **more}
    return {"type": f"response.{kind}", "response": response}


def test_nothing_is_stored_and_thinking_comes_sealed() -> None:
    found = body()
    assert found["store"] is False
    assert found["include"] == ["reasoning.encrypted_content"]
    assert found["parallel_tool_calls"] is True


def test_a_model_that_does_not_think_is_not_asked_for_its_thinking() -> None:
    assert "include" not in body(model="openai:gpt-4.1")


def test_functions_are_not_made_strict_behind_our_back() -> None:
    assert [tool["strict"] for tool in body()["tools"]] == [False, False]


def test_requests_of_one_actor_meet_the_same_cache() -> None:
    assert body()["prompt_cache_key"] == body(call_id="another")["prompt_cache_key"]
    assert body()["prompt_cache_key"] != body(actor_id="root/W2")["prompt_cache_key"]


def test_a_thought_goes_back_without_its_id() -> None:
    item = {**SEALED.data, "id": "rs_1", "status": "completed"}
    call = {"type": "function_call", "call_id": "c", "name": "Read", "arguments": "{}"}
    found = read(
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.output_item.done", "output_index": 1, "item": call},
        completed(),
    )
    assert found.blocks[0] == SEALED
    again = body(user("Go."), Message("assistant", found.blocks), user(ToolResult("c", "x")))
    assert again["input"][1] == SEALED.data


def test_a_thought_that_nothing_followed_does_not_go_back() -> None:
    found = body(user("Go."), Message("assistant", [SEALED]), user("On."))
    assert [item["type"] for item in found["input"]] == ["message", "message"]


def test_the_order_of_thoughts_words_and_calls_is_kept() -> None:
    call = ToolUse("c", "Read", {})
    blocks: list[Block] = [SEALED, Prose("Reading."), SEALED, call]
    found = body(user("Go."), Message("assistant", blocks), user(ToolResult("c", "x")))
    assert [item["type"] for item in found["input"]] == [
        "message",
        "reasoning",
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
    ]


def test_a_thought_that_is_refused_is_left_out_and_the_call_made_again() -> None:
    async def deed(world: World) -> list[str]:
        history = [user("Go."), Message("assistant", [SEALED, Prose("Hm.")]), user("On.")]
        await world.ask(asked(RESPONSES, *history))
        return [seen.ended for seen in world.server.seen]

    assert playing(RESPONSES, "Went on.", deed) == ["refused", "answered"]


def test_items_may_come_only_at_the_end() -> None:
    message = {"type": "message", "content": [{"type": "output_text", "text": "Yes."}]}
    assert read(completed(message)).blocks == [Prose("Yes.")]


def test_items_come_in_their_order_whenever_they_were_done() -> None:
    def item(place: int, text: str) -> dict[str, Any]:
        message = {"type": "message", "content": [{"type": "output_text", "text": text}]}
        return {"type": "response.output_item.done", "output_index": place, "item": message}

    found = read(item(1, "two"), item(0, "one"), completed())
    assert found.blocks == [Prose("one"), Prose("two")]


@pytest.mark.parametrize(
    ("why", "reason"),
    [
        ({"reason": "max_output_tokens"}, "max_tokens"),
        ({"reason": "content_filter"}, "refusal"),
        (None, "max_tokens"),
    ],
)
def test_an_incomplete_answer_says_why(why: Any, reason: str) -> None:
    found = read(completed(kind="incomplete", incomplete_details=why))
    assert found.stop_reason == reason


def test_a_call_that_was_cut_is_invalid() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "Write", "arguments": '{"content": "a'}
    found = read(completed(call, kind="incomplete"))
    assert [(use.args, use.invalid) for use in uses(found)] == [({}, '{"content": "a')]
    assert found.stop_reason == "max_tokens"


def test_a_refusal_in_words_is_a_refusal() -> None:
    message = {"type": "message", "content": [{"type": "refusal", "refusal": "I will not."}]}
    found = read(completed(message))
    assert (found.blocks, found.stop_reason) == ([Prose("I will not.")], "refusal")


@pytest.mark.parametrize("kind", ["web_search_call", "code_interpreter_call", "mcp_call"])
def test_a_tool_of_the_provider_in_an_answer_is_an_error(kind: str) -> None:
    with pytest.raises(ModelError, match="fee") as caught:
        read(completed({"type": kind, "id": "x"}))
    assert caught.value.billed


def test_what_was_written_to_the_cache_is_counted_apart() -> None:
    usage = {
        "input_tokens": 1_000,
        "output_tokens": 5,
        "input_tokens_details": {"cached_tokens": 600, "cache_write_tokens": 300},
    }
    assert read(completed(usage=usage)).usage == Usage(100, 5, 600, 300)


def test_how_hard_to_think_and_in_what_shape_to_answer_is_asked() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    found = body(effort="low", schema=schema)
    assert found["reasoning"] == {"effort": "low"}
    assert found["text"]["format"] == {
        "type": "json_schema",
        "name": "answer",
        "schema": {**schema, "additionalProperties": False},
        "strict": True,
    }
