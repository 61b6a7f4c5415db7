"""Wire: what the dialects of all providers have in common, to read and to write."""

import hashlib
import re
from collections.abc import Collection
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from leadhand.domain.money import Usage
from leadhand.domain.text import one_line
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
)

# No answer has a billion tokens: a figure beyond is not a figure.
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Index = Annotated[int, Meta(ge=0, le=1_000_000)]

# What every provider accepts as the id of a call and as the name of a tool.
_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
# JSON Schema that constrained answers do not know; the runtime checks it afterwards.
_UNKEPT = (
    "default exclusiveMaximum exclusiveMinimum format maximum maxItems maxLength maxProperties "
    "minimum minItems minLength minProperties multipleOf pattern uniqueItems"
).split()

# Characters of invalid arguments that go back.
INVALID_SHOWN = 60

# How the results of refused and failed calls begin.
ERROR = '{"error"'

encode = msgspec.json.Encoder().encode
# What decoding anything may raise.
UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)


class _Typed(Struct):
    type: str = ""


_typed = msgspec.json.Decoder(_Typed)
_args = msgspec.json.Decoder(dict[str, Any])


def unreadable(error: Exception, data: bytes, known: Collection[str] = ()) -> ModelError | None:
    """The error of an event that could not be decoded; None where it is of a type that is not
    known, which may hold anything."""
    try:
        kind = _typed.decode(data).type
    except UNREADABLE:
        kind = ""
    if kind and known and kind not in known:
        return None
    # It had begun to answer as agreed, so the next try may be whole.
    what = one_line(str(error), 200)
    return ModelError(f"an event cannot be read: {what}", kind="protocol", retryable=True)


def use(call_id: str, name: str, arguments: str) -> ToolUse:
    """A tool call whose arguments came as text; empty text is no arguments."""
    if not arguments.strip():
        return ToolUse(call_id, name, {})
    try:
        return ToolUse(call_id, name, _args.decode(arguments))
    except UNREADABLE:
        return ToolUse(call_id, name, {}, arguments)


def shown_args(block: ToolUse) -> dict[str, Any]:
    """The arguments of an earlier call as they go back: always an object, since some servers
    fail on anything else.

    Of what was no object only the beginning goes back: written once more inside of JSON it may
    have far more tokens than its answer was billed, and every later call would pay for them.
    """
    if not block.invalid:
        return block.args
    return {"invalid_json": one_line(block.invalid, INVALID_SHOWN)}


def shown_result(block: ToolResult) -> str:
    """A result where the dialect has no mark for an error: one that does not say so itself is told
    to be one."""
    told = not block.is_error or block.content.startswith(ERROR)
    return block.content if told else f"error: {block.content}"


def wire_id(call_id: str) -> str:
    """The id of a call, in letters that every provider accepts; the same each time."""
    if _ID.fullmatch(call_id):
        return call_id
    return "call_" + hashlib.sha256(call_id.encode(errors="replace")).hexdigest()[:24]


def wire_tool(name: str) -> str:
    """The name of a tool that was called, which the model may have made up."""
    if _NAME.fullmatch(name):
        return name
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64] or "_"


def check_tools(request: Request) -> None:
    """Refuse what is not a tool of our own: a provider's tools cost fees. Raises ModelError."""
    for tool in request.tools:
        if tool.schema.get("type") != "object":
            raise ModelError(
                f"the tool {one_line(tool.name, 80)} has no schema of an object: tools that the "
                "provider runs itself are not offered, since they cost fees beyond tokens",
                kind="bad_request",
                billed=False,
            )


def fee(kind: str) -> ModelError:
    """The error of an answer for which the provider ran a tool of its own."""
    return ModelError(
        f"the provider ran a tool of its own ({one_line(kind, 80)}), which was not asked for and "
        "may cost a fee beyond tokens",
        kind="protocol",
    )


def at_list_price(host: str) -> dict[str, str]:
    """What keeps OpenAI to its list price, where a project's default may be a dearer service."""
    return {"service_tier": "default"} if host == "api.openai.com" else {}


def own(block: Raw, provider: str) -> bool:
    """Whether a raw block goes back to this provider."""
    return block.provider == provider and isinstance(block.data, dict)


def called_tools(messages: list[Message]) -> list[str]:
    """The tools that were called so far, by name."""
    every = (block for message in messages for block in message.blocks)
    names = (wire_tool(block.name) for block in every if isinstance(block, ToolUse))
    return list(dict.fromkeys(names))


def finished(request: Request, blocks: list[Block], reason: StopReason, usage: Usage) -> Answer:
    """The answer: each call with an id that no other call of the conversation has, and a reason
    that fits the blocks."""
    taken = {
        block.id
        for message in request.messages
        for block in message.blocks
        if isinstance(block, ToolUse)
    }
    kept: list[Block] = []
    for number, block in enumerate(blocks):
        found = block
        if isinstance(found, ToolUse):
            if not found.id or found.id in taken:
                found = msgspec.structs.replace(found, id=f"{request.call_id}.{number}")
            taken.add(found.id)
        kept.append(found)
    calls = any(isinstance(block, ToolUse) for block in kept)
    if calls and reason == "end_turn":
        reason = "tool_use"
    elif not calls and reason == "tool_use":
        reason = "end_turn"
    return Answer(kept, reason, usage)


def ceiling(request: Request, body: bytes) -> Usage:
    """What a call can have used at most, where its server does not say: a byte is never less than
    a token."""
    return Usage(input=len(body), output=request.max_output_tokens)


def parted(read: int, cached: int | None, written: int | None, output: int) -> Usage:
    """The tokens of a provider whose input includes what it took from its cache and put there.

    Figures that contradict each other count at their highest.
    """
    cached, written = cached or 0, written or 0
    return Usage(max(0, read - cached - written), output, cached, written)


def prose(words: list[str]) -> list[Block]:
    """The words as a block, if there are any."""
    text = "".join(words)
    return [Prose(text)] if text else []


def kept_schema(schema: Any) -> Any:
    """A schema in the part of JSON Schema that constrained answers know: closed objects, no
    limits of numbers and lengths."""
    if isinstance(schema, list):
        return [kept_schema(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "$defs", "definitions") and isinstance(value, dict):
            found[key] = {name: kept_schema(each) for name, each in value.items()}
        elif key in ("enum", "const", "required"):
            found[key] = value
        elif key not in _UNKEPT:
            found[key] = kept_schema(value)
    if found.get("type") == "object":
        found["additionalProperties"] = False
    return found


def constrained(schema: dict[str, Any]) -> dict[str, Any]:
    """How OpenAI's dialects ask for a structured answer."""
    kept = kept_schema(schema)
    return {"name": "answer", "schema": kept, "strict": strict(kept)}


def strict(schema: Any) -> bool:
    """Whether every property of every object is required, as OpenAI's strict answers need it."""
    if isinstance(schema, list):
        return all(map(strict, schema))
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if isinstance(properties, dict) and set(properties) != set(schema.get("required", ())):
        return False
    return all(strict(value) for key, value in schema.items() if key not in ("enum", "const"))
