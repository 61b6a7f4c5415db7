"""Openai responses: the Responses dialect of the model server."""

from collections.abc import Iterator
from typing import Any

import msgspec

from leadhand.model import Block, Raw, Request, ToolSchema, ToolUse
from leadhand.testing.dialects.openai_chat import error
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
    result,
    sided,
    words,
)
from leadhand.testing.step import pieces

# What the counter reads.
COUNTED = frozenset(
    """conversation input instructions model parallel_tool_calls personality previous_response_id
    reasoning text tool_choice tools truncation""".split()
)
# Items that tell the model something of its conversation, and are no words of its own.
ABOUT = frozenset(
    """additional_tools compaction compaction_trigger configuration_update context_compaction
    item_reference tool_search_output""".split()
)
MORE_TOOLS = ("additional_tools", "tool_search_output")
# What a thought may lead to.
THOUGHT_OF = frozenset(
    """custom_tool_call function_call image_generation_call local_shell_call message reasoning
    tool_search_call web_search_call""".split()
)


def hear(body: Json) -> Request:
    """The request of a body."""
    given = body.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given or []
    turns: list[tuple[str, list[Block]]] = []
    for number, item in enumerate(items):
        turns.append(_turn(item, items[number + 1 :]))
    messages = sided(turns)
    if not messages:
        raise refuse("input must not be empty")
    check_answered(messages, "No tool output found for function call, or the other way")
    return Request(
        model=str(body.get("model")),
        system=plain(body.get("instructions")),
        messages=messages,
        tools=[
            ToolSchema(name, tool.get("description") or "", tool.get("parameters") or {})
            for name, (_, tool) in _offered(body).items()
        ],
        max_output_tokens=int(body.get("max_output_tokens") or 0),
        actor_id="",
        call_id="",
        effort=(body.get("reasoning") or {}).get("effort"),
        tool_choice="none" if body.get("tool_choice") == "none" else "auto",
        schema=((body.get("text") or {}).get("format") or {}).get("schema"),
    )


def hear_count(body: Json) -> Request:
    """The request of a body whose tokens are to be counted."""
    for key in body:
        if key not in COUNTED:
            raise refuse(f"Unknown parameter: '{key}'.")
    return hear(body)


def _turn(item: Json, rest: list[Json]) -> tuple[str, list[Block]]:
    match item.get("type", "message"):
        case "message":
            said = words(item.get("content"))
            if item.get("phase"):
                said.insert(0, Raw({"phase": item["phase"]}, "openai"))
            return item.get("role", "user"), said
        case "agent_message":
            return "user", words(item.get("content"))
        case "function_call":
            name = _joined(item.get("namespace"), item["name"])
            return "assistant", [ToolUse(item["call_id"], name, parsed(item.get("arguments")))]
        case "custom_tool_call":
            name = _joined(item.get("namespace"), item["name"])
            return "assistant", [ToolUse(item["call_id"], name, {"input": item["input"]})]
        case "function_call_output" | "custom_tool_call_output":
            return "user", [result(item["call_id"], item.get("output"))]
        case "reasoning":
            return "assistant", [_thought(item, rest)]
        case kind if kind in ABOUT:
            return "user", [Raw(item, "openai")]
        case _:
            return "assistant", [Raw(item, "openai")]


def _offered(body: Json) -> dict[str, tuple[str, Json]]:
    """The tools that the model may call here by the names that a script calls them: NAME, or
    NAMESPACE__NAME; with each the namespace and the tool as it was told."""
    told = list(body.get("tools") or ())
    given = body.get("input")
    for item in given if isinstance(given, list) else ():
        told += item.get("tools") or () if item.get("type") in MORE_TOOLS else ()
    found: dict[str, tuple[str, Json]] = {}
    for tool in told:
        match tool.get("type"):
            case "function" | "custom":
                found[tool["name"]] = ("", tool)
            case "namespace":
                space = tool["name"]
                for inner in tool.get("tools") or ():
                    found[_joined(space, inner["name"])] = (space, inner)
    return found


def _joined(space: str | None, name: str) -> str:
    return f"{space}__{name}" if space else name


def _thought(item: Json, rest: list[Json]) -> Raw:
    """A thought that came back; refused unless it is whole and followed by what it led to."""
    if item.get("id") and not item.get("encrypted_content"):
        raise refuse(
            f"Item with id '{item['id']}' not found. Items are not persisted when `store` is set "
            "to false."
        )
    thought, _, proof = str(item.get("encrypted_content")).rpartition(".")
    if proof != digest(("thought", thought)):
        raise refuse("The encrypted content could not be verified: invalid_encrypted_content")
    if not rest or rest[0].get("type") not in THOUGHT_OF:
        raise refuse("Item of type 'reasoning' was provided without its required following item.")
    return Raw(item, "openai")


def stream(said: Said) -> Iterator[bytes]:
    """The events of an answer."""
    number = 0

    def say(kind: str, **fields: Any) -> bytes:
        nonlocal number
        number += 1
        return event({"type": kind, "sequence_number": number - 1, **fields}, kind)

    begun = _response(said, "in_progress", [])
    yield say("response.created", response=begun)
    yield say("response.in_progress", response=begun)
    items = _items(said)
    for place, item in enumerate(items):
        where = {"output_index": place, "item_id": item["id"]}
        added = item | {"status": "in_progress"}
        yield say("response.output_item.added", output_index=place, item=_emptied(added))
        for kind, piece in _deltas(item):
            yield say(kind, **where, delta=piece)
        yield say("response.output_item.done", output_index=place, item=item)
    cut = said.step.reason in ("max_tokens", "context_exceeded", "refusal")
    status = "incomplete" if cut else "completed"
    yield say(f"response.{status}", response=_response(said, status, items))


def whole(said: Said) -> Json:
    """The answer in one piece."""
    return _response(said, "completed", _items(said))


def _response(said: Said, status: str, items: list[Json]) -> Json:
    why = "content_filter" if said.step.reason == "refusal" else "max_output_tokens"
    found: Json = {
        "id": said.id("resp_"),
        "object": "response",
        "created_at": 0,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": why} if status == "incomplete" else None,
        "instructions": said.request.system or None,
        "model": said.request.model,
        "output": items,
        "usage": None,
    }
    if status != "in_progress" and not said.step.no_usage:
        found["usage"] = _usage(said)
    return found


def _items(said: Said) -> list[Json]:
    step = said.step
    found: list[Json] = []
    if step.thinking:
        sealed = f"{step.thinking}.{digest(('thought', step.thinking))}"
        thought = {"type": "reasoning", "summary": [], "encrypted_content": sealed}
        found.append({"id": said.id("rs_"), **thought})
    if step.text:
        content = [{"type": "output_text", "text": step.text, "annotations": []}]
        phase = "commentary" if step.calls else "final_answer"
        message = {"type": "message", "role": "assistant", "content": content, "phase": phase}
        found.append({"id": said.id("msg_"), "status": "completed", **message})
    offered = _offered(said.body)
    for number, name, arguments in said.calls():
        space, tool = offered.get(name, ("", {}))
        custom = tool.get("type") == "custom"
        item = {
            "id": said.id("ctc_" if custom else "fc_", number),
            "type": "custom_tool_call" if custom else "function_call",
            "status": "completed",
            "call_id": said.id("call_", number),
            "name": tool.get("name", name),
        }
        if custom:
            item["input"] = _input(arguments)
        else:
            item["arguments"] = arguments
        found.append(item | {"namespace": space} if space else item)
    return found


def _input(arguments: str) -> str:
    """What a tool is given that takes a text: the argument `input`, or what is no JSON object."""
    try:
        return str(msgspec.json.decode(arguments)["input"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        return arguments


def _emptied(item: Json) -> Json:
    match item["type"]:
        case "message":
            return item | {"content": []}
        case "function_call":
            return item | {"arguments": ""}
        case "custom_tool_call":
            return item | {"input": ""}
        case _:
            return item | {"encrypted_content": ""}


def _deltas(item: Json) -> list[tuple[str, str]]:
    match item["type"]:
        case "message":
            kind, text = "response.output_text.delta", item["content"][0]["text"]
        case "function_call":
            kind, text = "response.function_call_arguments.delta", item["arguments"]
        case "custom_tool_call":
            kind, text = "response.custom_tool_call_input.delta", item["input"]
        case _:
            return []
    return [(kind, piece) for piece in pieces(text)]


def _usage(said: Said) -> Json:
    usage = said.usage
    read = usage.input + usage.cache_read + usage.cache_creation
    details = {"cached_tokens": usage.cache_read}
    if usage.cache_creation:
        details["cache_write_tokens"] = usage.cache_creation
    return {
        "input_tokens": read,
        "input_tokens_details": details,
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": read + usage.output,
        **said.step.figures,
    }


COUNTER = Counter("/v1/responses/input_tokens", hear_count, {"object": "response.input_tokens"})
DIALECT = Dialect("/v1/responses", hear, stream, whole, error, COUNTER)
