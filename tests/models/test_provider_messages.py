"""Provider messages: a conversation survives the layer's words, there and back."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    NativeToolCallPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import StreamedResponse
from pydantic_ai.models.function import AgentInfo, DeltaThinkingPart, DeltaToolCall, FunctionModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.profiles import ModelProfile

from leadhand.errors import ModelError
from leadhand.model import Answer, Block, Message, Prose, Raw, Request, ToolResult, ToolUse
from leadhand.models.provider_messages import Writing, blocks_of
from leadhand.models.providers import ProviderModel
from tests.models.kit import KEY, QUICK, TOOLS, without_key

PROVIDER = "vertex"


def asked(*messages: Message, **fields: Any) -> Request:
    given: dict[str, Any] = {
        "model": f"{PROVIDER}:m",
        "system": "You work.",
        "messages": list(messages) or [Message("user", [Prose("Do it.")])],
        "tools": TOOLS,
        "max_output_tokens": 1_000,
        "actor_id": "root",
        "call_id": "root:1",
    }
    return Request(**{**given, **fields})


def again(blocks: list[Block]) -> ModelResponse:
    """An answer as it goes back, after it has lain in a log."""
    kept = msgspec.json.decode(msgspec.json.encode(blocks), type=list[Block])
    [found] = Writing(PROVIDER).messages(asked(Message("assistant", kept)))
    assert isinstance(found, ModelResponse)
    return found


def test_what_a_provider_wants_back_comes_back_where_it_stood() -> None:
    signed: Any = {"provider_name": "google", "provider_details": {"thought_signature": "c2lnbmVk"}}
    response = ModelResponse(
        parts=[
            ThinkingPart("First the file.", signature="proof", provider_name="google"),
            TextPart("Both.", id="msg_1", provider_name="google"),
            ToolCallPart("Read", '{"path": "a"}', "call_1", **signed),
            ToolCallPart("Bash", {"command": "ls"}, "call_2"),
            TextPart("", **signed),
            TextPart("Plain."),
        ],
        provider_name="google",
        canonical_system="google",
        provider_url="https://models.example.com",
    )
    blocks = blocks_of(response, PROVIDER)
    assert [block for block in blocks if not isinstance(block, Raw)] == [
        Prose("Both."),
        ToolUse("call_1", "Read", {"path": "a"}),
        ToolUse("call_2", "Bash", {"command": "ls"}),
        Prose("Plain."),
    ]
    back = again(blocks)
    fields = ("content", "id", "signature", "provider_name", "provider_details", "tool_call_id")
    for one, other in zip(response.parts, back.parts, strict=True):
        assert type(one) is type(other)
        assert [getattr(one, name, None) for name in fields] == [
            getattr(other, name, None) for name in fields
        ]
    assert (back.provider_name, back.canonical_system, back.provider_url) == (
        response.provider_name,
        response.canonical_system,
        response.provider_url,
    )


def test_an_answer_without_more_than_words_and_calls_has_no_raw_blocks() -> None:
    response = ModelResponse(parts=[TextPart("Yes."), ToolCallPart("Read", None, "c")])
    assert blocks_of(response, PROVIDER) == [Prose("Yes."), ToolUse("c", "Read", {})]


@pytest.mark.parametrize(
    "broken", [{"part": {"part_kind": "from the future"}}, {"part": 3}, {"next": {"id": 3}}]
)
def test_what_another_version_of_the_layer_kept_is_left_out(broken: Any) -> None:
    back = again([Raw(broken, PROVIDER), Prose("Yes."), ToolUse("c", "Read", {})])
    assert [part.part_kind for part in back.parts] == ["text", "tool-call"]


def test_thinking_alone_does_not_go_back_and_parts_no_message_of_the_user() -> None:
    thought = Raw({"part": {"part_kind": "thinking", "content": "Hm."}}, PROVIDER)
    one, two = Message("user", [Prose("One.")]), Message("user", [Prose("Two."), Prose("  ")])
    [found] = Writing(PROVIDER).messages(asked(one, Message("assistant", [thought]), two))
    assert isinstance(found, ModelRequest)
    assert [part.content for part in found.parts if isinstance(part, UserPromptPart)] == [
        "One.",
        "Two.",
    ]
    assert [part.part_kind for part in again([Prose("Yes."), thought]).parts] == ["text"]


def test_results_come_first_and_bear_the_name_of_their_tool() -> None:
    use = ToolUse("root/W1:1.1@7.0", "make it so!", {}, "not JSON")
    told = Message("user", [Prose("Go on."), ToolResult(use.id, "unknown", is_error=True)])
    call, results = Writing(PROVIDER, 9).messages(asked(Message("assistant", [use]), told))
    [part] = call.parts
    first, second = results.parts
    assert isinstance(part, ToolCallPart)
    assert isinstance(first, ToolReturnPart)
    assert isinstance(second, UserPromptPart)
    assert (first.tool_name, first.content) == ("make_it_so_", "error: unknown")
    assert first.tool_call_id == part.tool_call_id
    assert len(part.tool_call_id) == 9
    assert part.args_as_dict() == {"invalid_json": "not JSON"}


class Ending(WrapperModel):
    """A function's model whose answers end as real ones do, for a reason."""

    reason: Any = "stop"

    @asynccontextmanager
    async def request_stream(self, *given: Any) -> AsyncGenerator[StreamedResponse]:
        async with super().request_stream(*given) as stream:
            stream.finish_reason = self.reason
            stream.provider_details = {"finish_reason": self.reason} if self.reason else {}
            yield stream


Deltas = AsyncIterator[Any]
heard: list[tuple[list[ModelMessage], AgentInfo]] = []


async def pieces(messages: list[ModelMessage], info: AgentInfo) -> Deltas:
    heard.append((messages, info))
    yield {0: DeltaThinkingPart(content="Hm.", signature="proof")}
    yield "Yes."
    yield {1: DeltaToolCall("Read", '{"path": ', tool_call_id="c1")}
    yield {1: DeltaToolCall(json_args='"a"}')}


async def searches(messages: list[ModelMessage], info: AgentInfo) -> Deltas:
    yield "Let me look."
    yield {1: NativeToolCallPart("web_search", {"query": "x"}, provider_name="function")}


async def breaks(messages: list[ModelMessage], info: AgentInfo) -> Deltas:
    yield "Yes."
    raise KeyError(f"what is {KEY}?")


def model(play: Any, reason: Any = "stop", profile: ModelProfile | None = None) -> ProviderModel:
    layer = Ending(FunctionModel(stream_function=play, profile=profile or ModelProfile()))
    layer.reason = reason
    return ProviderModel(PROVIDER, layer, without_key, QUICK)


def told(made: ProviderModel, request: Request) -> Answer:
    async def main() -> Answer:
        try:
            return await made.answer(request, lambda text: None)
        finally:
            await made.close()

    return asyncio.run(main())


def test_an_answer_has_its_blocks_in_their_order() -> None:
    found = told(model(pieces), asked())
    assert [type(block) for block in found.blocks] == [Raw, Raw, Prose, ToolUse]
    assert found.blocks[-2:] == [Prose("Yes."), ToolUse("c1", "Read", {"path": "a"})]
    assert found.stop_reason == "tool_use"
    assert found.usage.input > 0


def test_a_request_says_all_that_it_is_given() -> None:
    heard.clear()
    told(
        model(pieces, profile=ModelProfile(supports_thinking=True)),
        asked(effort="max", tool_choice="none"),
    )
    [(messages, info)] = heard
    assert info.instructions == "You work."
    assert [tool.name for tool in info.function_tools] == ["Read", "Bash"]
    assert info.model_request_parameters.native_tools == []
    assert info.model_request_parameters.thinking == "max"
    settings = info.model_settings or {}
    assert settings["max_tokens"] == 1_000
    assert (settings["max_retries"], settings["tool_choice"]) == (0, "none")
    assert len(messages) == 1


def test_no_effort_is_no_thinking() -> None:
    heard.clear()
    told(model(pieces, profile=ModelProfile(supports_thinking=True)), asked(effort="none"))
    assert heard[0][1].model_request_parameters.thinking is False


@pytest.mark.parametrize(("held", "mode"), [(True, "native"), (False, "prompted")])
def test_a_provider_is_held_to_a_shape_where_it_can_be_and_told_of_it_else(
    held: bool, mode: str
) -> None:
    heard.clear()
    schema = {"type": "object", "properties": {"count": {"type": "integer"}}}
    profile = ModelProfile(supports_json_schema_output=held)
    told(model(pieces, profile=profile), asked(schema=schema))
    parameters = heard[0][1].model_request_parameters
    assert parameters.output_mode == mode
    assert ("count" in str(heard[0][1].instructions)) == (not held)
    assert parameters.output_object is not None
    assert "count" in parameters.output_object.json_schema["properties"]


def test_tools_that_were_called_stand_in_the_request_though_none_is_offered() -> None:
    heard.clear()
    use = ToolUse("c", "Read", {})
    history = [Message("assistant", [use]), Message("user", [ToolResult("c", "fine")])]
    told(model(pieces), asked(*history, tools=[]))
    info = heard[0][1]
    assert [tool.name for tool in info.function_tools] == ["Read"]
    assert (info.model_settings or {})["tool_choice"] == "none"


def test_a_tool_that_the_provider_ran_itself_is_no_answer() -> None:
    with pytest.raises(ModelError, match=r"web_search.*fee") as caught:
        told(model(searches), asked())
    assert (caught.value.kind, caught.value.billed) == ("protocol", True)


def test_whatever_a_library_raises_is_a_model_error_without_a_key() -> None:
    with pytest.raises(ModelError, match=r"vertex: .*\[key\]") as caught:
        told(model(breaks), asked())
    assert (caught.value.kind, caught.value.retryable, caught.value.billed) == (
        "protocol",
        True,
        True,
    )
    error: BaseException | None = caught.value
    while error is not None:
        assert KEY not in f"{error!s} {error!r} {error.args}"
        error = error.__context__ or error.__cause__


def test_an_answer_that_ends_for_no_reason_was_cut() -> None:
    with pytest.raises(ModelError, match="ended too early") as caught:
        told(model(pieces, reason=None), asked())
    assert (caught.value.kind, caught.value.retryable) == ("stream_cut", True)


@pytest.mark.parametrize(
    ("reason", "stop"), [("length", "max_tokens"), ("content_filter", "refusal")]
)
def test_an_answer_that_was_cut_short_says_why(reason: str, stop: str) -> None:
    assert told(model(pieces, reason=reason), asked()).stop_reason == stop


def test_words_that_cannot_be_passed_on_are_not_the_providers_fault() -> None:
    def full(text: str) -> None:
        raise OSError("the disk is full")

    async def main() -> None:
        made = model(pieces)
        with pytest.raises(OSError, match="disk"):
            await made.answer(asked(), full)
        await made.close()

    asyncio.run(main())
