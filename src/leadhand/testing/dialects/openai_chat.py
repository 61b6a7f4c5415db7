"""Openai chat: the Chat Completions dialect of the model server."""

from collections.abc import Iterator
from typing import Any

from leadhand.model import Block, Raw, Request, ToolSchema, ToolUse
from leadhand.testing.dialects.saying import (
    Dialect,
    Json,
    Said,
    check_answered,
    event,
    parsed,
    plain,
    refuse,
    result,
    sided,
    words,
)
from leadhand.testing.step import pieces

REASONS = {
    "context_exceeded": "length",
    "end_turn": "stop",
    "max_tokens": "length",
    "refusal": "content_filter",
    "tool_use": "tool_calls",
}
CODES = {401: "invalid_api_key", 402: "insufficient_quota", 429: "rate_limit_exceeded"}


def hear(body: Json) -> Request:
    """The request of a body."""
    turns: list[tuple[str, list[Block]]] = []
    system = []
    for message in body.get("messages") or ():
        role, content = message.get("role"), message.get("content")
        if role in ("system", "developer") and not turns:
            system.append(plain(content))
        elif role == "tool":
            turns.append(("user", [result(message["tool_call_id"], content)]))
        elif role == "assistant":
            turns.append((role, _answer(message)))
        else:
            turns.append(("user", words(content)))
    messages = sided(turns)
    if not messages:
        raise refuse("messages must not be empty")
    check_answered(messages, "tool_call_ids did not have response messages, or the other way")
    return Request(
        model=str(body.get("model")),
        system="\n".join(system),
        messages=messages,
        tools=[
            ToolSchema(tool["name"], tool.get("description") or "", tool.get("parameters") or {})
            for tool in (each["function"] for each in body.get("tools") or ())
        ],
        max_output_tokens=_limit(body),
        actor_id="",
        call_id="",
        effort=body.get("reasoning_effort"),
        tool_choice="none" if body.get("tool_choice") == "none" else "auto",
        schema=((body.get("response_format") or {}).get("json_schema") or {}).get("schema"),
    )


def _limit(body: Json) -> int:
    """The output limit; the newest models refuse its old name."""
    old, new = body.get("max_tokens"), body.get("max_completion_tokens")
    if old is not None and "new-limit" in str(body.get("model")):
        raise refuse(
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead."
        )
    return int(new or old or 0)


def _answer(message: Json) -> list[Block]:
    found: list[Block] = []
    if message.get("reasoning_content"):
        found.append(Raw({"reasoning_content": message["reasoning_content"]}, "openai-chat"))
    found += words(message.get("content"))
    for call in message.get("tool_calls") or ():
        function = call["function"]
        found.append(ToolUse(call["id"], function["name"], parsed(function["arguments"])))
    return found


def stream(said: Said) -> Iterator[bytes]:
    """The chunks of an answer."""
    yield _chunk(said, {"role": "assistant", "content": ""})
    for piece in pieces(said.step.thinking):
        yield _chunk(said, {"reasoning_content": piece})
    for piece in pieces(said.step.text):
        yield _chunk(said, {"content": piece})
    for call in _calls(said):
        head, tail = call["function"], pieces(call["function"]["arguments"])
        begin = call | {"function": {"name": head["name"], "arguments": ""}}
        yield _chunk(said, {"tool_calls": [begin]})
        for piece in tail:
            more = {"index": call["index"], "function": {"arguments": piece}}
            yield _chunk(said, {"tool_calls": [more]})
    yield _chunk(said, {}, REASONS[said.step.reason])
    if said.wants_usage and not said.step.no_usage:
        yield event(_head(said, "chat.completion.chunk") | {"choices": [], "usage": _usage(said)})
    yield b"data: [DONE]\n\n"


def whole(said: Said) -> Json:
    """The answer in one piece."""
    message: Json = {"role": "assistant", "content": said.step.text or None}
    if said.step.thinking:
        message["reasoning_content"] = said.step.thinking
    calls = [{key: call[key] for key in call if key != "index"} for call in _calls(said)]
    if calls:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "finish_reason": REASONS[said.step.reason]}
    return _head(said, "chat.completion") | {"choices": [choice], "usage": _usage(said)}


def error(status: int, code: str, message: str) -> Json:
    """The body of an error."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    code = code or CODES.get(status, "")
    return {"error": {"message": message, "type": kind, "param": None, "code": code or None}}


def _head(said: Said, kind: str) -> Json:
    return {"id": said.id("chatcmpl-"), "object": kind, "created": 0, "model": said.request.model}


def _chunk(said: Said, delta: Json, reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return event(_head(said, "chat.completion.chunk") | {"choices": [choice], "usage": None})


def _calls(said: Said) -> list[Json]:
    return [
        {
            "index": number,
            "id": said.id("call_", number),
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        for number, name, arguments in said.calls()
    ]


def _usage(said: Said) -> Json:
    usage = said.usage
    read = usage.input + usage.cache_read + usage.cache_creation
    details: dict[str, Any] = {"cached_tokens": usage.cache_read}
    if usage.cache_creation:
        details["cache_write_tokens"] = usage.cache_creation
    return {
        "prompt_tokens": read,
        "completion_tokens": usage.output,
        "total_tokens": read + usage.output,
        "prompt_tokens_details": details,
        **said.step.figures,
    }


DIALECT = Dialect("/v1/chat/completions", hear, stream, whole, error)
