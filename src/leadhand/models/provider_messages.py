"""Provider messages: a conversation in the words of pydantic-ai's model layer, and back."""

import hashlib
from typing import Any

from msgspec import json
from pydantic import ValidationError
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    NativeToolCallPart,
    NativeToolReturnPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from leadhand.model import Block, Message, Prose, Raw, Request, ToolResult, ToolUse
from leadhand.models import wire

Json = dict[str, Any]

# What a part or an answer bears beyond its words and its provider wants back with it: the
# signatures of Gemini's calls, the ids of Responses.
_PART = ("id", "provider_name", "provider_details")
_ANSWER = ("provider_name", "provider_url", "canonical_system")
_SAID = ("text", "tool-call")


class Writing:
    """Puts requests to one provider into the layer's words.

    provider: whose raw blocks go back. id_length: how long the ids of calls have to be, where the
    provider wants that.
    """

    def __init__(self, provider: str, id_length: int | None = None) -> None:
        self._provider, self._id_length = provider, id_length

    def brings_back(self, request: Request) -> bool:
        """Whether anything but words and calls goes back."""
        every = (block for message in request.messages for block in message.blocks)
        return any(isinstance(block, Raw) and wire.own(block, self._provider) for block in every)

    def messages(self, request: Request, *, own: bool = True) -> list[ModelMessage]:
        """The conversation. What stands between two answers is one message, results first.

        own: whether the provider's raw blocks go back.
        """
        called: dict[str, str] = {}
        found: list[ModelMessage] = []
        asked: list[ModelRequestPart] = []
        for message in request.messages:
            if message.role == "user":
                asked += self._user(message, called)
                continue
            uses = (block for block in message.blocks if isinstance(block, ToolUse))
            called |= {use.id: wire.wire_tool(use.name) for use in uses}
            answer = self._answer(message, own)
            if answer is not None:
                found += [ModelRequest(asked), answer] if asked else [answer]
                asked = []
        return [*found, ModelRequest(asked)] if asked else found

    def _user(self, message: Message, called: dict[str, str]) -> list[ModelRequestPart]:
        results: list[ModelRequestPart] = []
        words: list[ModelRequestPart] = []
        for block in message.blocks:
            if isinstance(block, ToolResult):
                name = called.get(block.id, "_")
                shown = wire.shown_result(block)
                results.append(ToolReturnPart(name, shown, self._id(block.id)))
            elif isinstance(block, Prose) and block.text.strip():
                words.append(UserPromptPart(block.text))
        return results + words

    def _answer(self, message: Message, own: bool) -> ModelResponse | None:
        """An earlier answer; nothing where it said nothing, since thinking alone is refused."""
        head: Json = {}
        parts: list[Json] = []
        bare: list[Json] = []
        with_next: Json = {}
        for block in message.blocks:
            if isinstance(block, Raw):
                if own and wire.own(block, self._provider):
                    head |= block.data.get("answer", {})
                    parts += [block.data["part"]] if "part" in block.data else []
                    with_next = block.data.get("next", {})
            elif part := self._part(block):
                parts.append({**with_next, **part})
                bare.append(part)
                with_next = {}
        if not bare:
            return None
        while parts[-1].get("part_kind") not in _SAID:
            parts.pop()
        try:
            return _answer(head, parts)
        except ValidationError:
            # Another version of the layer kept it.
            return _answer({}, bare)

    def _part(self, block: Block) -> Json | None:
        match block:
            case Prose(text=text) if text.strip():
                return {"part_kind": "text", "content": text}
            case ToolUse():
                return {
                    "part_kind": "tool-call",
                    "tool_name": wire.wire_tool(block.name),
                    "args": wire.shown_args(block),
                    "tool_call_id": self._id(block.id),
                }
            case _:
                return None

    def _id(self, call_id: str) -> str:
        found = wire.wire_id(call_id)
        if self._id_length in (None, len(found)):
            return found
        return hashlib.sha256(found.encode()).hexdigest()[: self._id_length]


def _answer(head: Json, parts: list[Json]) -> ModelResponse:
    """An answer of the layer's. Raises ValidationError."""
    data = wire.encode([{"kind": "response", "parts": parts, **head}])
    [found] = ModelMessagesTypeAdapter.validate_json(data)
    assert isinstance(found, ModelResponse)
    return found


def blocks_of(response: ModelResponse, provider: str) -> list[Block]:
    """The blocks of an answer. Raises ModelError where the provider ran a tool of its own."""
    [data] = json.decode(ModelMessagesTypeAdapter.dump_json([response]))
    found: list[Block] = []
    for part, plain in zip(response.parts, data["parts"], strict=True):
        match part:
            case TextPart(content=text) if text:
                found += [*_more(plain, provider), Prose(text)]
            case ToolCallPart():
                found += [*_more(plain, provider), _use(part)]
            case NativeToolCallPart() | NativeToolReturnPart():
                raise wire.fee(part.tool_name)
            case _:
                found.append(Raw({"part": plain}, provider))
    if any(isinstance(block, Raw) for block in found):
        head = {key: data[key] for key in _ANSWER if data.get(key) is not None}
        found.insert(0, Raw({"answer": head}, provider))
    return found


def _more(plain: Json, provider: str) -> list[Block]:
    """What belongs to the part that follows."""
    more = {key: plain[key] for key in _PART if plain.get(key) is not None}
    return [Raw({"next": more}, provider)] if more.keys() - {"provider_name"} else []


def _use(part: ToolCallPart) -> ToolUse:
    if isinstance(part.args, dict):
        return ToolUse(part.tool_call_id, part.tool_name, part.args)
    return wire.use(part.tool_call_id, part.tool_name, part.args or "")
