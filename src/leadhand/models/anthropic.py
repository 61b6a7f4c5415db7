"""Anthropic: the Messages dialect, streaming; also every server that speaks it, by base URL."""

import re
from collections.abc import Callable
from typing import Any

from leadhand.errors import ModelError
from leadhand.model import (
    Answer,
    Block,
    Message,
    Prose,
    Raw,
    Request,
    ToolResult,
    ToolUse,
    wire_name,
)
from leadhand.models import counter, wire
from leadhand.models.anthropic_events import ANSWER_TOOL, PROVIDER, Reading, events_of
from leadhand.models.http import Post, Server
from leadhand.models.relay import Spoken
from leadhand.models.served import Served

VERSION = "2023-06-01"
# What the counter of tokens refuses, since it adds nothing that is read.
UNCOUNTED = ("max_tokens", "stream")
# What of another's request it takes.
COUNTED = frozenset("messages model output_config system thinking tool_choice tools".split())
THINKING_MIN = 1_024
THINKING_TOKENS = {"low": 2_048, "medium": 8_192, "high": 16_384, "xhigh": 32_768, "max": 32_768}
NO_WORDS = "(no words)"
CACHED = {"cache_control": {"type": "ephemeral"}}

_OLD_NAME = re.compile(r"claude-(\d)(?:-(\d{1,2})(?!\d))?-[a-z]")
_NAME = re.compile(r"claude-([a-z]+)-(\d{1,2})(?!\d)(?:-(\d{1,2})(?!\d))?")
_NEWEST = (99, 0)


class AnthropicModel(Served):
    """Answers over the Messages API."""

    spoken = Spoken(
        "anthropic",
        "/v1/messages",
        Reading,
        events_of,
        "/v1/messages/count_tokens",
        COUNTED,
    )

    async def count(self, request: Request) -> int | None:
        """See `model.Model.count`."""
        body = {key: value for key, value in written(request).items() if key not in UNCOUNTED}
        path = "/v1/messages/count_tokens"
        return await counter.count(self._http, self._server, path, body, request)

    async def answer(self, request: Request, on_text: Callable[[str], None]) -> Answer:
        """See `model.Model.answer`.

        Where the provider refuses thinking of earlier turns, since something before it has
        changed, the call is made again without; the refusal cost nothing.
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
        body = wire.encode(written(request, thoughts=thoughts))
        post = Post(
            self._server,
            "/v1/messages",
            body,
            request.actor_id,
            request.call_id,
            request.max_output_tokens,
        )
        reading = Reading(on_text)
        await self._http.exchange(post, reading.take)
        by_tool = _answers_by_tool(request, wire_name(request.model))
        return reading.answer(request, body, by_tool=by_tool)


def server(url: str, key: str, token: str) -> Server:
    """The server of a base URL, opened by an API key, else by a token, else by nothing."""
    headers = {"anthropic-version": VERSION}
    if key:
        headers["x-api-key"] = key
    elif token:
        headers["Authorization"] = f"Bearer {token}"
    return Server(url.rstrip("/").removesuffix("/v1"), headers, (key, token))


def version(name: str) -> tuple[int, int]:
    """The version in a model's name; a name without one is taken to be the newest."""
    found = _OLD_NAME.search(name)
    if found:
        return int(found[1]), int(found[2] or 0)
    found = _NAME.search(name)
    return (int(found[2]), int(found[3] or 0)) if found else _NEWEST


def written(request: Request, *, thoughts: bool = True) -> dict[str, Any]:
    """The body of a request. thoughts: whether thinking of earlier turns goes back.

    At most three cache breakpoints: the end of tools and system, the last message of the user, and
    the one before it, which is where the last request ended. A lookup goes back 20 blocks, and one
    turn may add more.
    """
    name = wire_name(request.model)
    messages = [_message(message, thoughts) for message in request.messages]
    messages = [message for message in messages if message["content"]]
    for message in [each for each in messages if each["role"] == "user"][-2:]:
        message["content"][-1] |= CACHED
    tools, choice = _tools(request, name)
    body: dict[str, Any] = {
        "model": name,
        "max_tokens": request.max_output_tokens,
        "stream": True,
        "messages": messages,
        **_effort(request, name, thoughts),
    }
    if request.system.strip():
        body["system"] = [{"type": "text", "text": request.system, **CACHED}]
    elif tools:
        tools[-1] |= CACHED
    if tools:
        body["tools"] = tools
    if choice:
        body["tool_choice"] = choice
    return body


def _tools(request: Request, name: str) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """The tools, and how they are to be chosen."""
    choice: dict[str, Any] | None = None
    tools: list[dict[str, Any]] = [
        {"name": tool.name, "description": tool.description, "input_schema": tool.schema}
        for tool in request.tools
    ]
    if not tools:
        # A conversation with calls is refused unless their tools are there.
        called = wire.called_tools(request.messages)
        tools = [{"name": each, "input_schema": {"type": "object"}} for each in called]
    if tools and (request.tool_choice == "none" or not request.tools):
        choice = {"type": "none"}
    if _answers_by_tool(request, name):
        free = choice is None and bool(tools)
        choice = {"type": "any"} if free else {"type": "tool", "name": ANSWER_TOOL}
        tools.append(
            {
                "name": ANSWER_TOOL,
                "description": "Gives the final answer. Call it alone, once, at the end.",
                "input_schema": request.schema,
            }
        )
    return tools, choice


def _answers_by_tool(request: Request, name: str) -> bool:
    """Whether a structured answer is asked of a model that cannot be held to a schema itself."""
    return request.schema is not None and version(name) < (4, 5)


def _effort(request: Request, name: str, thoughts: bool) -> dict[str, Any]:
    """How the model is to think and to answer, in the words of its generation."""
    found: dict[str, Any] = {}
    config: dict[str, Any] = {}
    release, effort = version(name), request.effort
    if request.schema is not None and not _answers_by_tool(request, name):
        config["format"] = {"type": "json_schema", "schema": wire.kept_schema(request.schema)}
    if effort is None:
        pass
    elif release < (4, 5) or (release == (4, 5) and "opus" not in name):
        # Thinking that must go back cannot be left out while thinking is on, nor may a tool be
        # forced then.
        tokens = min(THINKING_TOKENS.get(effort, 0), request.max_output_tokens - THINKING_MIN)
        if release >= (3, 7) and tokens >= THINKING_MIN and thoughts and request.schema is None:
            found["thinking"] = {"type": "enabled", "budget_tokens": tokens}
    else:
        config["effort"] = _level(effort, release)
        if release > (4, 5) and effort not in ("none", "minimal"):
            found["thinking"] = {"type": "adaptive"}
    if config:
        found["output_config"] = config
    return found


def _level(effort: str, release: tuple[int, int]) -> str:
    """The nearest level that a release knows."""
    if effort in ("none", "minimal"):
        return "low"
    if effort == "xhigh" and release <= (4, 6):
        return "high"
    return "high" if effort == "max" and release == (4, 5) else effort


def _message(message: Message, thoughts: bool) -> dict[str, Any]:
    """A message; the results of tools come first in it, as they must."""
    content = [found for block in message.blocks if (found := _block(block, thoughts))]
    if message.role == "user":
        content.sort(key=lambda block: block["type"] != "tool_result")
    elif content and content[-1]["type"] in ("thinking", "redacted_thinking"):
        content.append({"type": "text", "text": NO_WORDS})
    return {"role": message.role, "content": content}


def _block(block: Block, thoughts: bool) -> dict[str, Any] | None:
    """A block; None where it has nothing to say, or nothing that this provider understands."""
    match block:
        case Prose(text=text):
            return {"type": "text", "text": text} if text.strip() else None
        case ToolUse():
            return {
                "type": "tool_use",
                "id": wire.wire_id(block.id),
                "name": wire.wire_tool(block.name),
                "input": wire.shown_args(block),
            }
        case ToolResult():
            found: dict[str, Any] = {"type": "tool_result", "tool_use_id": wire.wire_id(block.id)}
            # An error must not be empty.
            content = block.content or ("failed" if block.is_error else "")
            if content:
                found["content"] = content
            if block.is_error:
                found["is_error"] = True
            return found
        case Raw():
            return dict(block.data) if thoughts and wire.own(block, PROVIDER) else None


def _about_thinking(error: ModelError, request: Request) -> bool:
    """Whether a request was refused for the thinking of earlier turns that it brought back."""
    if error.kind != "bad_request" or not re.search("thinking|signature", error.message):
        return False
    every = (block for message in request.messages for block in message.blocks)
    return any(isinstance(block, Raw) and wire.own(block, PROVIDER) for block in every)
