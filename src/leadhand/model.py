"""Model: the port of everything that answers a conversation, and the words both sides use."""

from collections.abc import Callable
from typing import Any, Literal, Protocol

from msgspec import Struct

from leadhand.domain.money import Price, Usage


class Prose(Struct, frozen=True, tag="text"):
    """Words."""

    text: str


class ToolUse(Struct, frozen=True, tag="tool_use"):
    """The model calls a tool."""

    id: str
    name: str
    args: dict[str, Any]


class ToolResult(Struct, frozen=True, tag="tool_result"):
    """What a tool call gave."""

    id: str
    content: str
    is_error: bool = False


class Raw(Struct, frozen=True, tag="raw"):
    """A block that only its provider understands (thinking), kept for the round trip."""

    data: Any


Block = Prose | ToolUse | ToolResult | Raw


class Message(Struct, frozen=True):
    """One message of a conversation."""

    role: Literal["user", "assistant"]
    blocks: list[Block]


class ToolSchema(Struct, frozen=True):
    """A tool as the model sees it; schema is JSON Schema of an object."""

    name: str
    description: str
    schema: dict[str, Any]


class Request(Struct, frozen=True):
    """One call: everything the model reads, and the most it may answer (tokens)."""

    model: str
    system: str
    messages: list[Message]
    tools: list[ToolSchema]
    max_output_tokens: int
    actor_id: str
    call_id: str


class Answer(Struct, frozen=True):
    """One answer."""

    blocks: list[Block]
    stop_reason: Literal["end_turn", "tool_use", "max_tokens", "refusal"]
    usage: Usage


class Model(Protocol):
    """What answers. A model serves many actors at once."""

    def price(self, name: str) -> Price | None:
        """What the named model costs where its server prices it; None leaves it to the table."""
        ...

    async def answer(self, request: Request, on_text: Callable[[str], None]) -> Answer:
        """Answer one request, passing words to on_text as they come. Raises ModelError.

        Cancelling the call abandons it.
        """
        ...


def text_of(blocks: list[Block]) -> str:
    """The words of a message, without its tool calls."""
    return "\n".join(block.text for block in blocks if isinstance(block, Prose)).strip()
