"""Saying: what every dialect of the model server shares: what was asked, what is answered."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Struct, field

from leadhand.domain.money import Usage
from leadhand.errors import ModelError
from leadhand.model import Block, Message, Prose, Request, ToolResult, ToolUse
from leadhand.models.wire import ERROR
from leadhand.testing.step import Step

Json = dict[str, Any]

_encode = msgspec.json.Encoder(order="sorted").encode


class Said(Struct, frozen=True):
    """An answer that is to be put into words. seed: its ids are the same for the same request.
    body: what was asked, as it came."""

    request: Request
    step: Step
    usage: Usage
    seed: str
    wants_usage: bool = True
    body: Json = field(default_factory=dict)

    def id(self, prefix: str, number: int = 0) -> str:
        """An id as the provider would make one."""
        return prefix + digest((self.seed, number))[:24]

    def calls(self) -> Iterator[tuple[int, str, str]]:
        """The tool calls: number, name, arguments as they are written."""
        for number, (name, args) in enumerate(self.step.calls):
            yield number, name, args if isinstance(args, str) else _plain(args)


class Counter(Struct, frozen=True):
    """What counts the tokens of a request. path: where it is asked. hear: the request of a body;
    refuses what the provider would refuse. answer: what it says beside the figure."""

    path: str
    hear: Callable[[Json], Request]
    answer: Json


class Dialect(Struct, frozen=True):
    """One provider's words. path: where it is asked. hear: the request of a body; refuses what the
    provider would refuse. stream: the events of an answer, each as it goes over the wire. whole:
    the answer in one piece. error: the body of (status, code, message)."""

    path: str
    hear: Callable[[Json], Request]
    stream: Callable[[Said], Iterator[bytes]]
    whole: Callable[[Said], Json]
    error: Callable[[int, str, str], Json]
    counter: Counter | None = None


def digest(value: Any) -> str:
    """A short name of any JSON value."""
    return hashlib.sha256(_encode(value)).hexdigest()


def event(data: Json, name: str = "") -> bytes:
    """One server-sent event."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + msgspec.json.encode(data) + b"\n\n"


def refuse(message: str) -> ModelError:
    """The refusal of a request that the provider would not accept."""
    return ModelError(message, kind="bad_request")


def sided(turns: list[tuple[str, list[Block]]]) -> list[Message]:
    """Messages of two sides: all that stands between two answers is one message of the user, the
    results of tools first."""
    found: list[Message] = []
    for side, blocks in turns:
        role = "assistant" if side == "assistant" else "user"
        if found and found[-1].role == role:
            found[-1].blocks.extend(blocks)
        else:
            found.append(Message("assistant" if role == "assistant" else "user", list(blocks)))
    for message in found:
        if message.role == "user":
            message.blocks.sort(key=lambda block: not isinstance(block, ToolResult))
    return found


def words(content: Any) -> list[Block]:
    """The words of a content that is a text or a list of parts with text."""
    if isinstance(content, str):
        return [Prose(content)] if content else []
    parts = content if isinstance(content, list) else []
    return [Prose(part["text"]) for part in parts if isinstance(part, dict) and part.get("text")]


def plain(content: Any) -> str:
    """The text of a content."""
    return "\n".join(block.text for block in words(content) if isinstance(block, Prose))


def result(call_id: str, content: Any) -> ToolResult:
    """The result of a tool in a dialect that does not mark errors."""
    text = plain(content)
    failed = text.removeprefix("error: ")
    return ToolResult(call_id, failed, failed != text or text.startswith(ERROR))


def parsed(arguments: Any) -> Json:
    """The arguments of an earlier call."""
    try:
        found = msgspec.json.decode(arguments) if isinstance(arguments, str) else arguments
    except msgspec.MsgspecError:
        raise refuse("the arguments of an earlier call are not JSON") from None
    return found if isinstance(found, dict) else {}


def check_answered(messages: list[Message], what: str) -> None:
    """Refuse a conversation in which a call has no result, or a result no call."""
    open_calls: set[str] = set()
    for message in messages:
        results = {block.id for block in message.blocks if isinstance(block, ToolResult)}
        if message.role == "user" and results != open_calls:
            wrong = ", ".join(sorted(results ^ open_calls))
            raise refuse(f"{what}: {wrong}")
        open_calls = {block.id for block in message.blocks if isinstance(block, ToolUse)}
    if open_calls:
        raise refuse(f"{what}: {', '.join(sorted(open_calls))}")


def _plain(args: Json) -> str:
    return msgspec.json.encode(args).decode()
