"""Openai: what Chat Completions and its many compatible servers need."""

import json
from typing import Any

import pytest

from leadhand.domain.money import Usage
from leadhand.errors import ModelError
from leadhand.model import Answer, Message, Prose, Raw, Request, ToolResult, ToolUse
from leadhand.models import wire
from leadhand.models.openai import Reading, limit_name, written
from leadhand.models.sse import END
from leadhand.testing.step import Step
from tests.models.kit import CHAT, Dialect, World, asked, playing, user, uses


def body(*messages: Message, **fields: Any) -> dict[str, Any]:
    """The body of a request."""
    return written(asked(CHAT, *messages, **fields), "max_tokens")


def read(*chunks: dict[str, Any], end: bytes = b"[DONE]") -> Answer:
    """What these chunks amount to."""
    reading = Reading(lambda text: None)
    for chunk in chunks:
        assert not reading.take(json.dumps(chunk).encode())
    assert reading.take(end)
    return reading.answer(asked(CHAT), b"the body")


def delta(reason: str | None = None, **fields: Any) -> dict[str, Any]:
    """A chunk with one choice."""
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": reason}]}


USAGE = {"usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}}


def test_each_result_is_a_message_of_its_own_before_the_words() -> None:
    calls = [ToolUse(f"call_{number}", "Read", {"path": "a"}) for number in (1, 2)]
    results = [ToolResult(each.id, "text") for each in calls]
    found = body(user("Go."), Message("assistant", [*calls]), user("And this.", *results))
    roles = [message["role"] for message in found["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "tool", "user"]
    assert found["messages"][2]["content"] is None


def test_a_failed_result_says_so_where_the_dialect_has_no_mark_for_it() -> None:
    call = ToolUse("c", "Read", {})
    for content, told in (
        ("no such file", "error: no such file"),
        ('{"error":{"code":"x"}}', '{"error":{"code":"x"}}'),
    ):
        result = ToolResult("c", content, is_error=True)
        found = body(user("Go."), Message("assistant", [call]), user(result))
        assert found["messages"][-1]["content"] == told


def test_thinking_in_words_goes_back_with_the_calls_it_led_to_and_not_else() -> None:
    thought = Raw({"reasoning_content": "So."}, "openai-chat")
    call = ToolUse("c", "Read", {})
    with_call = Message("assistant", [thought, call])
    without = Message("assistant", [thought, Prose("Done.")])
    found = body(user("Go."), with_call, user(ToolResult("c", "x")), without, user("On."))
    there = [message.get("reasoning_content") for message in found["messages"]]
    assert there == [None, None, "So.", None, None, None]


@pytest.mark.parametrize(
    ("host", "model", "name"),
    [
        ("api.openai.com", "gpt-4o", "max_completion_tokens"),
        ("127.0.0.1", "gpt-5-mini", "max_completion_tokens"),
        ("127.0.0.1", "o3", "max_completion_tokens"),
        ("127.0.0.1", "llama3:8b", "max_tokens"),
        ("api.mistral.ai", "open-mixtral", "max_tokens"),
    ],
)
def test_the_output_limit_has_the_name_that_its_server_knows(
    host: str, model: str, name: str
) -> None:
    assert limit_name(host, model) == name


def test_a_server_that_wants_the_other_name_is_given_it_from_then_on() -> None:
    new = Dialect("openai-chat:new-limit", CHAT.make)

    async def deed(world: World) -> list[str]:
        for _ in range(2):
            await world.ask(asked(new))
        return [seen.ended for seen in world.server.seen]

    assert playing(new, "Yes.", deed) == ["refused", "answered", "answered"]


def test_a_limit_that_is_too_high_is_not_taken_for_one_that_is_unknown() -> None:
    """Under a name that the server does not know, the limit would be none."""

    async def deed(world: World) -> int:
        await world.fault(asked(CHAT))
        return len(world.server.seen)

    text = "max_tokens is too large: 99999. This model supports at most 16384."
    assert playing(CHAT, Step(status=400, text=text), deed) == 1


def test_calls_may_come_without_numbers_and_with_whole_arguments() -> None:
    found = read(
        delta(tool_calls=[{"id": "a", "function": {"name": "Read", "arguments": '{"path"'}}]),
        delta(tool_calls=[{"function": {"arguments": ': "x"}'}}]),
        delta(tool_calls=[{"id": "b", "function": {"name": "Bash", "arguments": {"c": 1}}}]),
        delta("stop"),
        USAGE,
    )
    assert [(use.id, use.name, use.args) for use in uses(found)] == [
        ("a", "Read", {"path": "x"}),
        ("b", "Bash", {"c": 1}),
    ]
    # Some servers say `stop` although they call.
    assert found.stop_reason == "tool_use"


def test_calls_without_ids_are_given_ids() -> None:
    calls = [{"index": number, "function": {"name": "Read"}} for number in (0, 1)]
    found = read(delta(tool_calls=calls), delta("tool_calls"), USAGE)
    ids = [use.id for use in uses(found)]
    assert len(set(ids)) == 2
    assert all(ids)


def test_a_stream_may_end_without_its_mark_once_it_is_whole() -> None:
    whole = (delta(content="Yes."), delta("stop"), USAGE)
    assert read(*whole, end=END).blocks == [Prose("Yes.")]
    for count in (1, 2):
        reading = Reading(lambda text: None)
        for chunk in whole[:count]:
            reading.take(json.dumps(chunk).encode())
        assert not reading.take(END)


def test_a_mark_without_a_reason_is_no_end() -> None:
    reading = Reading(lambda text: None)
    reading.take(json.dumps(delta(content="Yes.")).encode())
    with pytest.raises(ModelError) as caught:
        reading.take(b"[DONE]")
    assert caught.value.kind == "stream_cut"


def test_thinking_that_is_counted_only_in_the_total_is_counted() -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 400}
    assert read(delta("stop"), {"usage": usage}).usage == Usage(input=100, output=300)


def test_cached_tokens_are_part_of_what_was_read() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
    }
    assert read(delta("stop"), {"usage": usage}).usage == Usage(10, 5, 60, 30)


def test_figures_that_contradict_each_other_count_at_their_highest() -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 600},
    }
    assert read(delta("stop"), {"usage": usage}).usage == Usage(0, 5, 600, 0)


def test_a_refusal_in_words_is_a_refusal() -> None:
    found = read(delta(refusal="I will not."), delta("stop"), USAGE)
    assert (found.blocks, found.stop_reason) == ([Prose("I will not.")], "refusal")


def test_how_hard_to_think_and_in_what_shape_to_answer_is_asked() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 3}}}
    found = body(effort="high", schema=schema)
    assert found["reasoning_effort"] == "high"
    assert found["response_format"]["json_schema"] == {
        "name": "answer",
        "schema": {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "additionalProperties": False,
        },
        # Not every property is required, which a strict answer would need.
        "strict": False,
    }


def test_a_request_without_tools_or_system_has_none() -> None:
    found = body(system="", tools=[])
    assert "tools" not in found
    assert [message["role"] for message in found["messages"]] == ["user"]


def test_scripts_of_the_model_server_hear_the_limit() -> None:
    def script(request: Request) -> str:
        return str(request.max_output_tokens)

    async def deed(world: World) -> Answer:
        return await world.ask(asked(CHAT, max_output_tokens=321))

    assert Prose("321") in playing(CHAT, script, deed).blocks


def test_openai_itself_is_asked_for_the_service_that_the_price_table_knows() -> None:
    assert wire.at_list_price("api.openai.com") == {"service_tier": "default"}
    assert wire.at_list_price("127.0.0.1") == {}
