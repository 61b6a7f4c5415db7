"""Heard: what a client's own request asks, in any of the dialects, and how it is sent on."""

import hashlib
import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from leadhand.domain.estimates import text_tokens
from leadhand.domain.manifest import Dialect
from leadhand.gateway import priceless
from leadhand.model import ToolResult

Item = dict[str, Any]

# Where each dialect keeps its messages, and what it calls the most that an answer may be.
MESSAGES: dict[Dialect, str] = {
    "anthropic": "messages",
    "openai": "input",
    "openai-chat": "messages",
}
LIMITS: dict[Dialect, tuple[str, ...]] = {
    "anthropic": ("max_tokens",),
    "openai": ("max_output_tokens",),
    "openai-chat": ("max_completion_tokens", "max_tokens"),
}
# What else is read of a request, beside its messages.
HEAD = ("system", "instructions", "tools")
# Characters that are kept of a result of a client's own tool.
RESULT_MAX = 100_000
# An answer may come back in other words than it was given: escaped, parted, with new ids.
ANSWER_SPARE = 4_096
THINKING_MIN = 1_024
ANSWER_SHARE = 4_096

_CACHED = re.compile(rb',"cache_control":\{[^{}]*\}')
_NEW_LIMIT = re.compile(r"gpt-[5-9](?!\d)|o\d|chatgpt-")
_body = msgspec.json.Decoder(dict[str, Any])
_encoder = msgspec.json.Encoder()


class Known(Struct, frozen=True):
    """The last request of an actor that was answered: digests of its head and of each message,
    and how long the answer was."""

    head: bytes
    digests: tuple[bytes, ...]
    said_bytes: int


class Heard(Struct, frozen=True):
    """A request. asked: the most tokens of the answer; 0 where it does not say. items: messages,
    as they stand. results: of tools, of any turn so far."""

    dialect: Dialect
    body: dict[str, Any]
    model: str
    asked: int
    stream: bool
    items: list[Item]
    head: bytes
    digests: tuple[bytes, ...]
    results: list[ToolResult]

    def new_bytes(self, known: Known | None) -> tuple[int, bool]:
        """The bytes that its model has not read yet, at most, and whether those are of all of it.

        known: the last request that was answered, which this one may continue.
        """
        count = len(known.digests) if known else 0
        if known is None or (known.head, known.digests) != (self.head, self.digests[:count]):
            return text_tokens(_encoder.encode(self.body).decode()), True
        new = said = 0
        for item in self.items[count:]:
            size = text_tokens(_encoder.encode(item).decode())
            if _answers(item):
                said += size
            else:
                new += size
        return new + max(0, said - 2 * known.said_bytes - ANSWER_SPARE), False

    def known(self, answer: bytes) -> Known:
        """What is remembered of it once it has been answered."""
        return Known(self.head, self.digests, len(answer))

    def granted(self, model: str, output_max: int, mail: str | None) -> bytes:
        """The body that is sent on: with this name of the model, an answer of so many tokens at
        most, and where it is the last, no tools and what else there is to read (mail)."""
        body = dict(self.body)
        body["model"] = model
        names = [name for name in LIMITS[self.dialect] if name in body]
        if not names:
            names = [LIMITS[self.dialect][0]]
            if self.dialect == "openai-chat" and not _NEW_LIMIT.match(model):
                names = ["max_tokens"]
        body |= dict.fromkeys(names, output_max)
        if self.dialect == "anthropic":
            _think_less(body, output_max)
        elif self.dialect == "openai-chat" and self.stream:
            options = body.get("stream_options")
            shown = options if isinstance(options, dict) else {}
            body["stream_options"] = shown | {"include_usage": True}
        if mail is not None:
            self._last(body, mail)
        return _encoder.encode(body)

    def _last(self, body: dict[str, Any], mail: str) -> None:
        """Forbid tools, and add what is to be read."""
        if body.get("tools"):
            body["tool_choice"] = {"type": "none"} if self.dialect == "anthropic" else "none"
        else:
            body.pop("tool_choice", None)
        if not mail:
            return
        items = list(self.items)
        key = MESSAGES[self.dialect]
        if self.dialect == "openai":
            text = {"type": "input_text", "text": mail}
            body[key] = [*items, {"type": "message", "role": "user", "content": [text]}]
            return
        last = items[-1] if items else {}
        content = last.get("content")
        if last.get("role") != "user" or not isinstance(content, str | list):
            body[key] = [*items, {"role": "user", "content": mail}]
            return
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        last = last | {"content": [*parts, {"type": "text", "text": mail}]}
        body[key] = [*items[:-1], last]


def hear(dialect: Dialect, data: bytes) -> Heard:
    """What a body asks. Raises ValueError, in words for its client."""
    try:
        body = _body.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ValueError(f"the body is no JSON object: {error}") from None
    given = body.get(MESSAGES[dialect])
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
        raise ValueError(f"{MESSAGES[dialect]} must be a list of objects")
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise ValueError("model is required")
    body = priceless.stripped(dialect, body, items)
    limits = [body[name] for name in LIMITS[dialect] if name in body]
    if not all(isinstance(each, int) and each > 0 for each in limits if each is not None):
        raise ValueError(f"{LIMITS[dialect][0]} must be a whole number above 0")
    return Heard(
        dialect,
        body,
        model,
        max((each for each in limits if each is not None), default=0),
        body.get("stream") is True,
        items,
        _digest({key: body[key] for key in HEAD if key in body}),
        tuple(map(_digest, items)),
        [result for item in items for result in _results(dialect, item)],
    )


def _digest(value: Any) -> bytes:
    """The same for what differs only in what is to be cached."""
    return hashlib.blake2b(_CACHED.sub(b"", _encoder.encode(value)), digest_size=16).digest()


def _answers(item: Item) -> bool:
    """Whether a message is of the model."""
    if "role" in item:
        return bool(item["role"] == "assistant")
    kind = item.get("type")
    return isinstance(kind, str) and (kind == "reasoning" or kind.endswith("_call"))


def _results(dialect: Dialect, item: Item) -> Iterator[ToolResult]:
    """The results of tools in a message."""
    if dialect == "anthropic":
        content = item.get("content")
        for block in content if isinstance(content, list) else ():
            if isinstance(block, dict) and block.get("type") == "tool_result":
                failed = block.get("is_error") is True
                yield from _result(block.get("tool_use_id"), block.get("content"), failed)
    elif dialect == "openai":
        if str(item.get("type")).endswith("_call_output"):
            yield from _result(item.get("call_id"), item.get("output"), failed=False)
    elif item.get("role") == "tool":
        yield from _result(item.get("tool_call_id"), item.get("content"), failed=False)


def _result(call: Any, content: Any, failed: bool) -> Iterator[ToolResult]:
    if isinstance(call, str) and call:
        yield ToolResult(call, _text(content)[:RESULT_MAX], failed)


def _text(content: Any) -> str:
    """The words of a result, and what stands for its pictures."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        return _text(content.get("content"))
    parts = []
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict):
            text = part.get("text")
            parts.append(text if isinstance(text, str) else f"[{part.get('type')}]")
    return "\n".join(parts)


def _think_less(body: dict[str, Any], output_max: int) -> None:
    """Keep thinking below what the whole answer may be; too little of it is refused."""
    thinking = body.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    if not isinstance(thinking, dict) or not isinstance(budget, int):
        return
    room = output_max - min(ANSWER_SHARE, output_max // 4)
    if budget <= room:
        return
    if room >= THINKING_MIN:
        body["thinking"] = thinking | {"budget_tokens": room}
        return
    body["thinking"] = {"type": "disabled"}
    # Edits of thinking are refused where there is none.
    body.pop("context_management", None)
