"""Openai: the Chat Completions dialect, streaming; also every compatible server, by base URL."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Struct, field

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
from leadhand.models import faults, wire
from leadhand.models.http import Http, Post, Server
from leadhand.models.relay import Spoken
from leadhand.models.served import Served
from leadhand.models.sse import END

PROVIDER = "openai-chat"
# Thinking in words, which DeepSeek and others want back with the calls that it led to.
THOUGHTS = ("reasoning_content", "reasoning")
DONE = b"[DONE]"

_NEW_LIMIT = re.compile(r"gpt-[5-9](?!\d)|o\d|chatgpt-")
_UNKNOWN = re.compile("unsupported|not (supported|permitted)|unknown|unrecognized|extra", re.I)
_REASONS: dict[str, StopReason] = {
    "content_filter": "refusal",
    "function_call": "tool_use",
    "length": "max_tokens",
    "tool_calls": "tool_use",
}


def events_of(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The chunk that an answer in one piece would have been."""
    choices = whole.get("choices")
    parts = [
        {**choice, "delta": choice.get("message")}
        for choice in (choices if isinstance(choices, list) else ())
        if isinstance(choice, dict)
    ]
    yield {"choices": parts, "usage": whole.get("usage"), "error": whole.get("error")}


def reading(words: Callable[[str], None]) -> "Reading":
    """What reads an answer that is passed on."""
    return Reading(words)


class OpenAiChatModel(Served):
    """Answers over the Chat Completions API."""

    spoken = Spoken(
        "openai-chat",
        "/chat/completions",
        reading,
        events_of,
    )

    def __init__(self, http: Http, server: Server) -> None:
        """server: its URL is the one that /chat/completions is appended to."""
        super().__init__(http, server)
        self._limit_names: dict[str, str] = {}

    async def answer(self, request: Request, on_text: Callable[[str], None]) -> Answer:
        """See `model.Model.answer`.

        Where the server wants the other name for the output limit, which it says at no cost, the
        call is made again with it.
        """
        wire.check_tools(request)
        name = wire_name(request.model)
        limit = self._limit_names.get(name) or limit_name(self._server.host, name)
        try:
            return await self._answer(request, on_text, limit)
        except ModelError as error:
            if error.kind != "bad_request" or not _renamed(limit, error.message):
                raise
            other = self._limit_names[name] = _other(limit)
        return await self._answer(request, on_text, other)

    async def _answer(self, request: Request, on_text: Callable[[str], None], limit: str) -> Answer:
        body = wire.encode(written(request, limit) | wire.at_list_price(self._server.host))
        post = Post(
            self._server,
            "/chat/completions",
            body,
            request.actor_id,
            request.call_id,
            request.max_output_tokens,
        )
        reading = Reading(on_text)
        await self._http.exchange(post, reading.take)
        return reading.answer(request, body)


def server(url: str, key: str) -> Server:
    """The server of a base URL, opened by a key, if there is one."""
    return Server(url, {"Authorization": f"Bearer {key}"} if key else {}, (key,))


def limit_name(host: str, model: str) -> str:
    """What a server calls the output limit: OpenAI has renamed it, others know the old name."""
    new = host == "api.openai.com" or _NEW_LIMIT.match(model)
    return "max_completion_tokens" if new else "max_tokens"


def _renamed(limit: str, message: str) -> bool:
    """Whether a refusal says that the output limit has another name; not that it is too high."""
    return limit in message and _UNKNOWN.search(message) is not None


def _other(limit: str) -> str:
    return "max_tokens" if limit == "max_completion_tokens" else "max_completion_tokens"


# --- writing


def written(request: Request, limit: str) -> dict[str, Any]:
    """The body of a request. limit: the name of the output limit."""
    messages: list[dict[str, Any]] = []
    if request.system.strip():
        messages.append({"role": "system", "content": request.system})
    for message in request.messages:
        messages += _user(message) if message.role == "user" else _assistant(message)
    body: dict[str, Any] = {
        "model": wire_name(request.model),
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
        limit: request.max_output_tokens,
    }
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.schema,
                },
            }
            for tool in request.tools
        ]
        if request.tool_choice == "none":
            body["tool_choice"] = "none"
    if request.effort is not None:
        body["reasoning_effort"] = request.effort
    if request.schema is not None:
        shape = wire.constrained(request.schema)
        body["response_format"] = {"type": "json_schema", "json_schema": shape}
    return body


def _user(message: Message) -> list[dict[str, Any]]:
    """The results of tools, each a message of its own and first, then the words."""
    found: list[dict[str, Any]] = [
        {
            "role": "tool",
            "tool_call_id": wire.wire_id(block.id),
            "content": wire.shown_result(block),
        }
        for block in message.blocks
        if isinstance(block, ToolResult)
    ]
    words = [
        {"type": "text", "text": block.text}
        for block in message.blocks
        if isinstance(block, Prose) and block.text
    ]
    if words:
        # One text is sent plain, which the smallest of compatible servers understand too.
        content = words[0]["text"] if len(words) == 1 else words
        found.append({"role": "user", "content": content})
    return found


def _assistant(message: Message) -> list[dict[str, Any]]:
    """What the model said and called; nothing where it did neither."""
    calls = [
        {
            "id": wire.wire_id(block.id),
            "type": "function",
            "function": {
                "name": wire.wire_tool(block.name),
                "arguments": wire.encode(wire.shown_args(block)).decode(),
            },
        }
        for block in message.blocks
        if isinstance(block, ToolUse)
    ]
    text = "\n".join(block.text for block in message.blocks if isinstance(block, Prose))
    if not calls and not text:
        return []
    found: dict[str, Any] = {"role": "assistant", "content": text or None}
    if calls:
        found["tool_calls"] = calls
        for block in message.blocks:
            if isinstance(block, Raw) and wire.own(block, PROVIDER):
                found |= block.data
    return [found]


# --- reading


class _Details(Struct, gc=False):
    cached_tokens: wire.Count | None = None
    cache_write_tokens: wire.Count | None = None


class _Usage(Struct, gc=False):
    prompt_tokens: wire.Count | None = None
    completion_tokens: wire.Count | None = None
    total_tokens: wire.Count | None = None
    prompt_tokens_details: _Details | None = None


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _Call(Struct, gc=False):
    index: wire.Index | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(Struct, gc=False):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(Struct, gc=False):
    index: int | None = None
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


class _Use(Struct):
    """A call as it comes."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


_chunks = msgspec.json.Decoder(_Chunk)


class Reading:
    """Takes the chunks of one answer."""

    def __init__(self, on_text: Callable[[str], None]) -> None:
        self._on_text = on_text
        self._words: list[str] = []
        self._thoughts: dict[str, list[str]] = {name: [] for name in THOUGHTS}
        self._uses: dict[int, _Use] = {}
        # Whether it may cost something, and whether a tool call of it may be whole.
        self.begun = self.acts = False
        self._refused = False
        self._reason = ""
        self._usage: _Usage | None = None

    def take(self, data: bytes) -> bool:
        """Take one chunk; whether the answer is complete. Raises ModelError."""
        if data == END:
            # Not every compatible server sends the end mark.
            return bool(self._reason) and self._usage is not None
        if data == DONE:
            if not self._reason:
                raise ModelError("the answer stopped without saying why", kind="stream_cut")
            return True
        try:
            chunk = _chunks.decode(data)
        except wire.UNREADABLE as error:
            raise wire.unreadable(error, data) or error from None
        if chunk.error:
            raise faults.broke_off({"error": chunk.error}, self.begun, int(time.time() * 1000))
        if chunk.usage is not None:
            self._usage = chunk.usage
        for choice in chunk.choices or ():
            if choice.index:
                continue
            self._reason = choice.finish_reason or self._reason
            if choice.delta is not None:
                self._add(choice.delta)
            self.acts = bool(self._reason)
        return False

    def _add(self, delta: _Delta) -> None:
        if delta.refusal:
            self._refused = True
        thoughts = delta.reasoning_content or delta.reasoning
        self.begun = bool(
            self.begun or delta.content or delta.refusal or delta.tool_calls or thoughts
        )
        for text in (delta.content, delta.refusal):
            if text:
                self._words.append(text)
                self._on_text(text)
        for name in THOUGHTS:
            if text := getattr(delta, name):
                self._thoughts[name].append(text)
        for call in delta.tool_calls or ():
            self._call(call)

    def _call(self, call: _Call) -> None:
        """Add to a call; some servers leave out its number, and a new id begins the next."""
        last = max(self._uses, default=-1)
        index = call.index
        if index is None:
            begins = last < 0 or bool(call.id and call.id != self._uses[last].id)
            index = last + 1 if begins else last
        use = self._uses.setdefault(index, _Use())
        use.id = use.id or call.id or ""
        if call.function is None:
            return
        use.name = use.name or call.function.name or ""
        match call.function.arguments:
            case str(text):
                use.arguments.append(text)
            case dict(given):
                use.arguments.append(wire.encode(given).decode())
            case None:
                pass

    def answer(self, request: Request, body: bytes) -> Answer:
        """The whole answer."""
        blocks: list[Block] = []
        thoughts = {name: "".join(words) for name, words in self._thoughts.items() if words}
        if thoughts:
            blocks.append(Raw(thoughts, PROVIDER))
        blocks += wire.prose(self._words)
        for _, each in sorted(self._uses.items()):
            if not each.name:
                raise ModelError("a tool call has no name", kind="protocol", retryable=True)
            blocks.append(wire.use(each.id, each.name, "".join(each.arguments)))
        reason: StopReason = _REASONS.get(self._reason, "end_turn")
        if self._refused:
            reason = "refusal"
        return wire.finished(request, blocks, reason, self._metered(request, body))

    def _metered(self, request: Request, body: bytes) -> Usage:
        """The tokens. Some servers count thinking only in the total, so the higher figure holds."""
        usage = self._usage
        if usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
            return wire.ceiling(request, body)
        details = usage.prompt_tokens_details or _Details()
        output = max(usage.completion_tokens, (usage.total_tokens or 0) - usage.prompt_tokens)
        return wire.parted(
            usage.prompt_tokens, details.cached_tokens, details.cache_write_tokens, output
        )
