"""Anthropic events: the answer of the Messages dialect, as it streams in."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Struct, field

from leadhand.domain.money import Usage
from leadhand.errors import ModelError
from leadhand.model import Answer, Block, Prose, Raw, Request, StopReason, ToolUse
from leadhand.models import faults, wire
from leadhand.models.sse import END

PROVIDER = "anthropic"
# The tool that a model without constrained answers is made to call with its structured answer.
ANSWER_TOOL = "structured_answer"

_REASONS: dict[str, StopReason] = {
    "max_tokens": "max_tokens",
    "model_context_window_exceeded": "context_exceeded",
    "refusal": "refusal",
    "tool_use": "tool_use",
}
_CUT = ("max_tokens", "context_exceeded")
_KNOWN = frozenset(
    """message_start content_block_start content_block_delta content_block_stop message_delta
    message_stop ping error""".split()
)
_COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)


class _Usage(Struct, gc=False):
    input_tokens: wire.Count | None = None
    output_tokens: wire.Count | None = None
    cache_creation_input_tokens: wire.Count | None = None
    cache_read_input_tokens: wire.Count | None = None
    server_tool_use: dict[str, Any] | None = None


class _Delta(Struct, gc=False):
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class _Start(Struct, gc=False):
    usage: _Usage | None = None


class _Event(Struct, gc=False):
    type: str
    index: wire.Index = 0
    message: _Start | None = None
    content_block: dict[str, Any] | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: Any = None


_events = msgspec.json.Decoder(_Event)


class _Part(Struct):
    """A block as it comes: how it began, and what was added."""

    start: dict[str, Any]
    kind: str
    words: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    signature: str = ""


class Reading:
    """Takes the events of one answer."""

    def __init__(self, on_text: Callable[[str], None]) -> None:
        self._on_text = on_text
        self._parts: dict[int, _Part] = {}
        # Whether it may cost something, and whether a tool call of it is whole.
        self.begun = self.acts = False
        self._told: set[str] = set()
        self._counts = dict.fromkeys(_COUNTS, 0)
        self._reason = ""

    def take(self, data: bytes) -> bool:
        """Take one event; whether the answer is complete. Raises ModelError."""
        if data == END:
            # Not every server that speaks this dialect sends the last event.
            return bool(self._reason) and "output_tokens" in self._told
        try:
            event = _events.decode(data)
        except wire.UNREADABLE as error:
            fault = wire.unreadable(error, data, _KNOWN)
            if fault is None:
                return False
            raise fault from None
        match event.type:
            case "content_block_delta":
                self._add(event.index, event.delta or _Delta())
            case "content_block_start":
                self._start(event.index, event.content_block or {})
            case "content_block_stop":
                part = self._parts.get(event.index)
                self.acts = self.acts or (part is not None and part.kind == "tool_use")
            case "message_start":
                self._begin(event.message)
            case "message_delta":
                self._reason = (event.delta and event.delta.stop_reason) or self._reason
                if event.usage:
                    self._meter(event.usage)
            case "message_stop":
                return True
            case "error":
                now_ms = int(time.time() * 1000)
                raise faults.broke_off({"error": event.error}, self.begun, now_ms)
            case _:
                pass
        return False

    def _begin(self, message: _Start | None) -> None:
        self.begun = True
        if message and message.usage:
            self._meter(message.usage)
        # What is said of the output here is where it begins.
        self._told.discard("output_tokens")

    def _start(self, index: int, block: dict[str, Any]) -> None:
        kind = block.get("type")
        if not isinstance(kind, str):
            raise ModelError("a block has no type", kind="protocol", retryable=True)
        if kind.startswith("server_") or kind.endswith("_tool_result"):
            raise wire.fee(kind)
        part = self._parts[index] = _Part(block, kind)
        for key, words in (("text", part.words), ("thinking", part.words)):
            if isinstance(block.get(key), str) and block[key]:
                words.append(block[key])
        if kind == "text" and part.words:
            self._on_text(part.words[0])

    def _add(self, index: int, delta: _Delta) -> None:
        part = self._parts.get(index)
        if part is None:
            raise ModelError("words for a block that never began", kind="protocol", retryable=True)
        if delta.text:
            part.words.append(delta.text)
            self._on_text(delta.text)
        elif delta.partial_json:
            part.arguments.append(delta.partial_json)
            if part.start.get("name") == ANSWER_TOOL:
                self._on_text(delta.partial_json)
        elif delta.thinking:
            part.words.append(delta.thinking)
        elif delta.signature:
            part.signature += delta.signature

    def _meter(self, usage: _Usage) -> None:
        """Keep the highest figures: each counts from the beginning."""
        for name in _COUNTS:
            count = getattr(usage, name)
            if count is not None:
                self._told.add(name)
                self._counts[name] = max(self._counts[name], count)
        for name, asked in (usage.server_tool_use or {}).items():
            if asked:
                raise wire.fee(name)

    def answer(self, request: Request, body: bytes, *, by_tool: bool = False) -> Answer:
        """The whole answer. by_tool: whether it was to be given by calling ANSWER_TOOL."""
        reason = _REASONS.get(self._reason, "end_turn")
        blocks: list[Block] = []
        for part in self._parts.values():
            blocks += self._blocks(part, cut=reason in _CUT)
        usage = Usage(*(self._counts[name] for name in _COUNTS))
        if not {"input_tokens", "output_tokens"} <= self._told:
            usage = wire.ceiling(request, body)
        return wire.finished(request, _unwrapped(blocks) if by_tool else blocks, reason, usage)

    def _blocks(self, part: _Part, *, cut: bool) -> list[Block]:
        if part.kind == "text":
            return wire.prose(part.words)
        if part.kind == "tool_use":
            return [self._use(part)]
        data = dict(part.start)
        if part.kind == "thinking":
            data |= {"thinking": "".join(part.words)}
            if part.signature:
                data["signature"] = part.signature
            # Thinking that was cut before its signature would be refused when it goes back.
            if cut and not data.get("signature"):
                return []
        return [Raw(data, PROVIDER)]

    def _use(self, part: _Part) -> ToolUse:
        call_id, name, given = (part.start.get(key) for key in ("id", "name", "input"))
        if not isinstance(call_id, str) or not isinstance(name, str):
            raise ModelError("a tool call has no name", kind="protocol", retryable=True)
        if not part.arguments and isinstance(given, dict):
            return ToolUse(call_id, name, given)
        return wire.use(call_id, name, "".join(part.arguments))


def events_of(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events that an answer in one piece would have been."""
    if "error" in whole:
        yield {"type": "error", "error": whole["error"]}
    usage = whole.get("usage")
    yield {"type": "message_start", "message": {"usage": usage}}
    content = whole.get("content")
    for index, block in enumerate(content if isinstance(content, list) else ()):
        yield {"type": "content_block_start", "index": index, "content_block": block}
    reason = {"stop_reason": whole.get("stop_reason")}
    yield {"type": "message_delta", "delta": reason, "usage": usage}
    yield {"type": "message_stop"}


def _unwrapped(blocks: list[Block]) -> list[Block]:
    """The blocks with the structured answer as words, unless other calls are to be made first."""
    calls = [block for block in blocks if isinstance(block, ToolUse)]
    rest = [
        block for block in blocks if not (isinstance(block, ToolUse) and block.name == ANSWER_TOOL)
    ]
    if any(block.name != ANSWER_TOOL for block in calls) or not calls:
        return rest
    words = calls[0].invalid or wire.encode(calls[0].args).decode()
    return [block for block in rest if not isinstance(block, Prose)] + [Prose(words)]
