"""Anthropic: the Messages dialect of the model server."""

from collections.abc import Iterator
from typing import Any

from leadhand.model import Block, Prose, Raw, Request, ToolResult, ToolSchema, ToolUse
from leadhand.testing.dialects.saying import (
    Counter,
    Dialect,
    Json,
    Said,
    check_answered,
    digest,
    event,
    parsed,
    plain,
    refuse,
    sided,
    words,
)
from leadhand.testing.step import pieces

CACHED_MAX = 4
# What the counter reads; the last four are for those who ask with a beta header.
COUNTED = frozenset(
    """cache_control messages model output_config system thinking tool_choice tools
    context_management mcp_servers output_format speed""".split()
)
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
REASONS = {"context_exceeded": "model_context_window_exceeded"}


def hear(body: Json) -> Request:
    """The request of a body."""
    if not isinstance(body.get("max_tokens"), int):
        raise refuse("max_tokens: Field required")
    marks = count_marks(body)
    if marks > CACHED_MAX:
        raise refuse(
            f"A maximum of {CACHED_MAX} blocks with cache_control may be provided. Found {marks}."
        )
    turns: list[tuple[str, list[Block]]] = []
    for number, message in enumerate(body.get("messages") or ()):
        content = message.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or ()
        turns.append((message.get("role"), [_block(part, number) for part in parts]))
    messages = sided(turns)
    if not messages or messages[0].role != "user":
        raise refuse("messages: at least one message of the user is required")
    check_answered(messages, "`tool_use` ids were found without `tool_result` blocks, or the other")
    config = body.get("output_config") or {}
    return Request(
        model=str(body.get("model")),
        system=plain(body.get("system")),
        messages=messages,
        tools=[
            ToolSchema(tool["name"], tool.get("description") or "", tool.get("input_schema") or {})
            for tool in body.get("tools") or ()
            if "name" in tool
        ],
        max_output_tokens=body["max_tokens"],
        actor_id="",
        call_id="",
        effort=config.get("effort"),
        tool_choice="none" if (body.get("tool_choice") or {}).get("type") == "none" else "auto",
        schema=(config.get("format") or {}).get("schema"),
    )


def hear_count(body: Json) -> Request:
    """The request of a body whose tokens are to be counted."""
    for key in body:
        if key not in COUNTED:
            raise refuse(f"{key}: Extra inputs are not permitted")
    if not body.get("model"):
        raise refuse("model: Field required")
    return hear({"max_tokens": 0, **body})


def count_marks(value: Any) -> int:
    """How many cache breakpoints a body has."""
    if isinstance(value, list):
        return sum(map(count_marks, value))
    if isinstance(value, dict):
        return ("cache_control" in value) + sum(map(count_marks, value.values()))
    return 0


def _block(part: Json, number: int) -> Block:
    match part.get("type"):
        case "text":
            if not part.get("text", "").strip():
                raise refuse(f"messages.{number}: text content blocks must be non-empty")
            return Prose(part["text"])
        case "tool_use":
            if not isinstance(part.get("input"), dict):
                raise refuse(f"messages.{number}: tool_use.input: Input should be an object")
            return ToolUse(part["id"], part["name"], parsed(part["input"]))
        case "tool_result":
            content = plain(part.get("content"))
            return ToolResult(part["tool_use_id"], content, bool(part.get("is_error")))
        case "thinking":
            if part.get("signature") != signature(part.get("thinking", "")):
                raise refuse(f"messages.{number}: Invalid `signature` in `thinking` block")
            return Raw(part, "anthropic")
        case _:
            kept = {key: part[key] for key in part if key != "cache_control"}
            return (words([kept]) or [Raw(kept, "anthropic")])[0]


def signature(thinking: str) -> str:
    """What proves that a thought was this server's."""
    return digest(("thought", thinking))


def stream(said: Said) -> Iterator[bytes]:
    """The events of an answer."""
    figures = _figures(said)
    head = _message(said, []) | {"stop_reason": None, "usage": {**figures, "output_tokens": 1}}
    if said.step.no_usage:
        del head["usage"]
    yield _event("message_start", message=head)
    yield _event("ping")
    for number, block in enumerate(_content(said)):
        empty, deltas = _parted(block)
        yield _event("content_block_start", index=number, content_block=empty)
        for delta in deltas:
            yield _event("content_block_delta", index=number, delta=delta)
        yield _event("content_block_stop", index=number)
    delta = {"stop_reason": _reason(said), "stop_sequence": None}
    end = {"delta": delta} if said.step.no_usage else {"delta": delta, "usage": figures}
    yield _event("message_delta", **end)
    yield _event("message_stop")


def whole(said: Said) -> Json:
    """The answer in one piece."""
    blocks = _content(said)
    for block in blocks:
        if block["type"] == "tool_use":
            block["input"] = parsed(block["input"])
    found = _message(said, blocks) | {"stop_reason": _reason(said)}
    return found if said.step.no_usage else found | {"usage": _figures(said)}


def error(status: int, code: str, message: str) -> Json:
    """The body of an error."""
    kind = code or TYPES.get(status) or ("invalid_request_error" if status < 500 else "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_0"}


def _event(kind: str, **fields: Any) -> bytes:
    return event({"type": kind, **fields}, kind)


def _reason(said: Said) -> str:
    return REASONS.get(said.step.reason, said.step.reason)


def _figures(said: Said) -> Json:
    usage = said.usage
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_creation,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output,
        **said.step.figures,
    }


def _message(said: Said, content: list[Json]) -> Json:
    return {
        "id": said.id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": said.request.model,
        "content": content,
        "stop_sequence": None,
    }


def _content(said: Said) -> list[Json]:
    """The blocks; the arguments of calls still as they are written."""
    step = said.step
    found: list[Json] = []
    if step.thinking:
        sign = signature(step.thinking)
        found.append({"type": "thinking", "thinking": step.thinking, "signature": sign})
    if step.text:
        found.append({"type": "text", "text": step.text})
    for number, name, arguments in said.calls():
        call_id = said.id("toolu_", number)
        found.append({"type": "tool_use", "id": call_id, "name": name, "input": arguments})
    return found


def _parted(block: Json) -> tuple[Json, list[Json]]:
    """A block as it begins, and what is added to it."""
    match block["type"]:
        case "thinking":
            deltas: list[Json] = [
                {"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])
            ]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
            return block | {"thinking": "", "signature": ""}, deltas
        case "text":
            return block | {"text": ""}, [
                {"type": "text_delta", "text": piece} for piece in pieces(block["text"])
            ]
        case _:
            return block | {"input": {}}, [
                {"type": "input_json_delta", "partial_json": piece}
                for piece in ["", *pieces(block["input"])]
            ]


COUNTER = Counter("/v1/messages/count_tokens", hear_count, {})
DIALECT = Dialect("/v1/messages", hear, stream, whole, error, COUNTER)
