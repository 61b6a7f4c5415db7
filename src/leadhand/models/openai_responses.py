"""Openai responses: the Responses dialect, streaming, with nothing stored at the provider."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from leadhand.domain.money import Usage
from leadhand.errors import ModelError
from leadhand.model import (
    Answer,
    Block,
    Message,
    Prose,
    Raw,
    Request,
    StopReason,
    ToolResult,
    ToolUse,
    wire_name,
)
from leadhand.models import counter, faults, wire
from leadhand.models.http import Post
from leadhand.models.relay import Spoken
from leadhand.models.served import Served
from leadhand.models.sse import END

PROVIDER = "openai"
# What the counter of tokens refuses, since it adds nothing that is read.
UNCOUNTED = ("include", "max_output_tokens", "prompt_cache_key", "store", "stream")
# What of another's request it takes.
COUNTED = frozenset(
    "input instructions model parallel_tool_calls reasoning text tool_choice tools".split()
)
# Models that do not think refuse to be asked for their thinking.
_THOUGHTLESS = re.compile(r"gpt-[34]|chatgpt-4")
# What an item holds that only means something where it was stored.
_STORED = ("id", "status")
_FEES = re.compile(r"(web_search|file_search|code_interpreter|image_generation|computer|mcp)_")


def events_of(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The event that an answer in one piece would have ended with."""
    yield {"type": f"response.{whole.get('status')}", "response": whole}


def reading(words: Callable[[str], None]) -> "Reading":
    """What reads an answer that is passed on."""
    return Reading(words)


class OpenAiModel(Served):
    """Answers over the Responses API."""

    spoken = Spoken(
        "openai",
        "/responses",
        reading,
        events_of,
        "/responses/input_tokens",
        COUNTED,
    )

    async def count(self, request: Request) -> int | None:
        """See `model.Model.count`."""
        body = {key: value for key, value in written(request).items() if key not in UNCOUNTED}
        path = "/responses/input_tokens"
        return await counter.count(self._http, self._server, path, body, request)

    async def answer(self, request: Request, on_text: Callable[[str], None]) -> Answer:
        """See `model.Model.answer`.

        Where the provider refuses the encrypted thinking of earlier turns, the call is made again
        without; the refusal cost nothing.
        """
        wire.check_tools(request)
        try:
            return await self._answer(request, on_text, thoughts=True)
        except ModelError as error:
            if not _about_thinking(error, request):
                raise
        return await self._answer(request, on_text, thoughts=False)

    async def _answer(
        self, request: Request, on_text: Callable[[str], None], *, thoughts: bool
    ) -> Answer:
        plain = wire.at_list_price(self._server.host)
        body = wire.encode(written(request, thoughts=thoughts) | plain)
        post = Post(
            self._server,
            "/responses",
            body,
            request.actor_id,
            request.call_id,
            request.max_output_tokens,
        )
        reading = Reading(on_text)
        await self._http.exchange(post, reading.take)
        return reading.answer(request, body)


# --- writing


def written(request: Request, *, thoughts: bool = True) -> dict[str, Any]:
    """The body of a request. thoughts: whether thinking of earlier turns goes back."""
    name = wire_name(request.model)
    items: list[dict[str, Any]] = []
    for message in request.messages:
        items += _user(message) if message.role == "user" else _assistant(message, thoughts)
    body: dict[str, Any] = {
        "model": name,
        "input": items,
        "stream": True,
        "store": False,
        "max_output_tokens": request.max_output_tokens,
        # Requests of one actor share their beginning, so they had better meet the same cache.
        "prompt_cache_key": wire.wire_id(request.actor_id),
    }
    if request.system.strip():
        body["instructions"] = request.system
    if not _THOUGHTLESS.match(name):
        body["include"] = ["reasoning.encrypted_content"]
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.schema,
                "strict": False,
            }
            for tool in request.tools
        ]
        body["parallel_tool_calls"] = True
        if request.tool_choice == "none":
            body["tool_choice"] = "none"
    if request.effort is not None:
        body["reasoning"] = {"effort": request.effort}
    if request.schema is not None:
        body["text"] = {"format": {"type": "json_schema", **wire.constrained(request.schema)}}
    return body


def _user(message: Message) -> list[dict[str, Any]]:
    """The results of tools, first, then the words."""
    found: list[dict[str, Any]] = [
        {
            "type": "function_call_output",
            "call_id": wire.wire_id(block.id),
            "output": wire.shown_result(block),
        }
        for block in message.blocks
        if isinstance(block, ToolResult)
    ]
    words = [
        {"type": "input_text", "text": block.text}
        for block in message.blocks
        if isinstance(block, Prose) and block.text
    ]
    if words:
        found.append({"type": "message", "role": "user", "content": words})
    return found


def _assistant(message: Message, thoughts: bool) -> list[dict[str, Any]]:
    """What the model thought, said and called, in its order: thinking belongs to what follows."""
    found: list[dict[str, Any]] = []
    phase: dict[str, Any] = {}
    for block in message.blocks:
        match block:
            case Prose(text=text) if text:
                content = [{"type": "output_text", "text": text}]
                found.append({"type": "message", "role": "assistant", "content": content, **phase})
                phase = {}
            case ToolUse():
                found.append(
                    {
                        "type": "function_call",
                        "call_id": wire.wire_id(block.id),
                        "name": wire.wire_tool(block.name),
                        "arguments": wire.encode(wire.shown_args(block)).decode(),
                    }
                )
            case Raw() if wire.own(block, PROVIDER):
                if "phase" in block.data:
                    phase = dict(block.data)
                elif thoughts:
                    found.append(dict(block.data))
            case _:
                pass
    # Thinking that nothing followed (it was cut) is refused when it goes back.
    while found and found[-1]["type"] not in ("message", "function_call"):
        found.pop()
    return found


def _about_thinking(error: ModelError, request: Request) -> bool:
    """Whether a request was refused for the thinking that it brought back."""
    if error.kind != "bad_request" or not re.search("reasoning|encrypted", error.message):
        return False
    every = (block for message in request.messages for block in message.blocks)
    return any(
        isinstance(block, Raw) and wire.own(block, PROVIDER) and "phase" not in block.data
        for block in every
    )


# --- reading


# Items are repeated over and over in a stream; only those that are done are decoded.
_NOTHING = msgspec.Raw(b"null")
_item = msgspec.json.Decoder(dict[str, Any])
_items = msgspec.json.Decoder(list[dict[str, Any]] | None)


class _Details(Struct, gc=False):
    cached_tokens: wire.Count | None = None
    cache_write_tokens: wire.Count | None = None


class _Usage(Struct, gc=False):
    input_tokens: wire.Count | None = None
    output_tokens: wire.Count | None = None
    total_tokens: wire.Count | None = None
    input_tokens_details: _Details | None = None


class _Why(Struct, gc=False):
    reason: str | None = None


class _Response(Struct, gc=False):
    output: msgspec.Raw = _NOTHING
    usage: _Usage | None = None
    incomplete_details: _Why | None = None
    error: Any = None


class _Event(Struct, gc=False):
    type: str
    delta: Any = None
    item: msgspec.Raw = _NOTHING
    output_index: wire.Index | None = None
    response: _Response | None = None
    error: Any = None
    code: str | None = None
    message: str | None = None


_events = msgspec.json.Decoder(_Event)
_WORDS = ("response.output_text.delta", "response.refusal.delta")
_ENDS = ("response.completed", "response.incomplete")
_KNOWN = frozenset((*_WORDS, *_ENDS, "response.output_item.done", "response.failed", "error"))


class Reading:
    """Takes the events of one answer."""

    def __init__(self, on_text: Callable[[str], None]) -> None:
        self._on_text = on_text
        self._items: dict[int, dict[str, Any]] = {}
        # Whether it may cost something, and whether a tool call of it is whole.
        self.begun = self.acts = False
        self._refused = False
        self._reason: StopReason = "end_turn"
        self._usage: _Usage | None = None

    def take(self, data: bytes) -> bool:
        """Take one event; whether the answer is complete. Raises ModelError."""
        if data in (END, b"[DONE]"):
            return False
        try:
            event = _events.decode(data)
            items = self._whole(event)
        except wire.UNREADABLE as error:
            fault = wire.unreadable(error, data, _KNOWN)
            if fault is None:
                return False
            raise fault from None
        match event.type:
            case "response.output_text.delta" | "response.refusal.delta":
                self.begun = True
                if isinstance(event.delta, str):
                    self._on_text(event.delta)
            case "response.output_item.done":
                self.begun = True
                place = len(self._items) if event.output_index is None else event.output_index
                self._items[place] = items[0]
                self.acts = self.acts or str(items[0].get("type")).endswith("_call")
            case "response.completed" | "response.incomplete":
                self._end(event, items)
                return True
            case "response.failed":
                told = event.response.error if event.response else None
                raise faults.broke_off({"error": told}, self.begun, int(time.time() * 1000))
            case "error":
                told = event.error or {"code": event.code, "message": event.message}
                raise faults.broke_off({"error": told}, self.begun, int(time.time() * 1000))
            case _:
                pass
        return False

    def _whole(self, event: _Event) -> list[dict[str, Any]]:
        """The items that an event brings whole and that are not known yet."""
        if event.type == "response.output_item.done":
            return [_item.decode(event.item)]
        if event.type in _ENDS and event.response is not None and not self._items:
            return _items.decode(event.response.output) or []
        return []

    def _end(self, event: _Event, items: list[dict[str, Any]]) -> None:
        response = event.response or _Response()
        self._usage = response.usage
        self._items = self._items or dict(enumerate(items))
        if event.type == "response.incomplete":
            why = response.incomplete_details.reason if response.incomplete_details else None
            self._reason = "refusal" if why == "content_filter" else "max_tokens"

    def answer(self, request: Request, body: bytes) -> Answer:
        """The whole answer."""
        blocks: list[Block] = []
        for _, item in sorted(self._items.items()):
            blocks += self._blocks(item)
        reason = "refusal" if self._refused else self._reason
        return wire.finished(request, blocks, reason, self._metered(request, body))

    def _blocks(self, item: dict[str, Any]) -> list[Block]:
        kind = item.get("type")
        if kind == "message":
            return self._said(item)
        if kind == "custom_tool_call" and isinstance(item.get("input"), str):
            item = item | {"arguments": wire.encode({"input": item["input"]}).decode()}
            kind = "function_call"
        if kind == "function_call":
            parts = [item.get(key) for key in ("call_id", "name", "arguments")]
            if not all(isinstance(part, str) for part in parts) or not parts[1]:
                raise ModelError("a tool call is not whole", kind="protocol", retryable=True)
            return [wire.use(*map(str, parts))]
        if not isinstance(kind, str):
            raise ModelError("an item has no type", kind="protocol", retryable=True)
        if _FEES.match(kind):
            raise wire.fee(kind)
        return [Raw({key: item[key] for key in item if key not in _STORED}, PROVIDER)]

    def _said(self, item: dict[str, Any]) -> list[Block]:
        """The words of a message; whether they are the answer or said on the way goes back too."""
        words = []
        content = item.get("content")
        for part in content if isinstance(content, list) else ():
            if not isinstance(part, dict):
                continue
            text = part.get("refusal") or part.get("text")
            self._refused = self._refused or bool(part.get("refusal"))
            if isinstance(text, str):
                words.append(text)
        found = wire.prose(words)
        if found and isinstance(item.get("phase"), str):
            found.insert(0, Raw({"phase": item["phase"]}, PROVIDER))
        return found

    def _metered(self, request: Request, body: bytes) -> Usage:
        usage = self._usage
        if usage is None or usage.input_tokens is None or usage.output_tokens is None:
            return wire.ceiling(request, body)
        details = usage.input_tokens_details or _Details()
        output = max(usage.output_tokens, (usage.total_tokens or 0) - usage.input_tokens)
        return wire.parted(
            usage.input_tokens, details.cached_tokens, details.cache_write_tokens, output
        )
