"""Model: the port of everything that answers a conversation, and the words both sides use."""

from collections.abc import Callable
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec
from msgspec import Struct

from leadhand.domain.manifest import Dialect, Effort
from leadhand.domain.money import Price, Usage


class Prose(Struct, frozen=True, tag="text"):
    """Words."""

    text: str


class ToolUse(Struct, frozen=True, tag="tool_use", omit_defaults=True):
    """The model calls a tool.

    invalid: the arguments as they came, where they are not a JSON object; args is empty then, and
    the call is answered with what is wrong instead of being run.
    """

    id: str
    name: str
    args: dict[str, Any]
    invalid: str = ""


class ToolResult(Struct, frozen=True, tag="tool_result"):
    """What a tool call gave."""

    id: str
    content: str
    is_error: bool = False


class Raw(Struct, frozen=True, tag="raw", omit_defaults=True):
    """A block that only its provider understands (thinking), kept for the round trip.

    It goes back unchanged to the provider that made it, and to no other.
    """

    data: Any
    provider: str = ""


Block = Prose | ToolUse | ToolResult | Raw
_blocks = msgspec.json.Decoder(list[Block])


class Message(Struct, frozen=True):
    """One message of a conversation."""

    role: Literal["user", "assistant"]
    blocks: list[Block]


class ToolSchema(Struct, frozen=True):
    """A tool as the model sees it; schema is JSON Schema of an object."""

    name: str
    description: str
    schema: dict[str, Any]


ToolChoice = Literal["auto", "none"]
StopReason = Literal["end_turn", "tool_use", "max_tokens", "refusal", "context_exceeded"]


class Request(Struct, frozen=True):
    """One call: everything the model reads, and the most it may answer (tokens, thinking included).

    effort: how hard to think; None leaves it to the provider. tool_choice: a turn that
    may call no tool says "none" rather than leave the tools out, since a prefix that stays the
    same is cached, and thinking is bound to it. schema: JSON Schema of an object; the words of the
    answer are to be JSON of it.
    """

    model: str
    system: str
    messages: list[Message]
    tools: list[ToolSchema]
    max_output_tokens: int
    actor_id: str
    call_id: str
    effort: Effort | None = None
    tool_choice: ToolChoice = "auto"
    schema: dict[str, Any] | None = None


class Answer(Struct, frozen=True):
    """One answer. It may be empty (no blocks), whatever its stop_reason.

    stop_reason: `tool_use` exactly where a tool is called and nothing else cut the answer short.
    """

    blocks: list[Block]
    stop_reason: StopReason
    usage: Usage


class Model(Protocol):
    """What answers. A model serves many actors at once."""

    def price(self, name: str) -> Price | None:
        """What the named model costs where its server prices it; None leaves it to the table."""
        ...

    def lane(self, name: str) -> str:
        """Whom the named model shares its limits with: the same text for the same provider,
        account and model. It holds no key."""
        ...

    async def count(self, request: Request) -> int | None:
        """How many tokens the provider says that it would read for this request; None where it
        has no counter or gave no figure. Never raises ModelError; cancelling it passes."""
        ...

    async def answer(self, request: Request, on_text: Callable[[str], None]) -> Answer:
        """Answer one request, passing words to on_text as they come. Raises ModelError.

        Cancelling the call abandons it.
        """
        ...


def wire_name(name: str) -> str:
    """What the provider calls the model of a manifest."""
    return name.partition(":")[2] or name


class Relay(Struct, frozen=True):
    """A request that a client outside has written, as it is passed on to the provider of `model`.

    body: JSON. headers: the client's own that go along, its login among them where it has one.
    """

    model: str
    body: bytes
    headers: dict[str, str]
    stream: bool
    max_output_tokens: int
    actor_id: str
    call_id: str


class Outlet(Protocol):
    """What a relayed answer is given to as it comes. headers: those that a client may see."""

    def begin(self, headers: dict[str, str]) -> None:
        """The provider has begun to answer with 200."""
        ...

    def take(self, data: bytes, *, acts: bool) -> None:
        """More bytes of the answer. acts: whether a client could act on what it has read then: a
        tool call is whole, or the answer is."""
        ...

    def words(self, text: str) -> None:
        """More words of the answer, for people who watch it."""
        ...

    def declined(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """What the provider said instead of an answer, before the error is raised."""
        ...


@runtime_checkable
class Relayed(Protocol):
    """A model whose provider can be asked in a client's own words, which are of its dialect."""

    dialect: Dialect

    async def relay(self, relay: Relay, outlet: Outlet) -> Answer:
        """Pass a request on, and its answer, byte for byte; gives what was answered. Raises
        ModelError, after which the outlet has been given what there was of the answer.

        Cancelling the call abandons it.
        """
        ...

    async def relay_count(self, relay: Relay) -> bytes | None:
        """What the provider's counter of tokens says of a request; None where it has none or
        fails. Cancelling it passes."""
        ...

    async def relayed_tokens(self, relay: Relay) -> int | None:
        """How many tokens the provider says that it would read for a request, as `Model.count`."""
        ...


def blocks_of(answer: str) -> list[Block]:
    """The blocks of an answer, as an event keeps them."""
    return _blocks.decode(answer)


def text_of(blocks: list[Block]) -> str:
    """The words of a message, without its tool calls."""
    return "\n".join(block.text for block in blocks if isinstance(block, Prose)).strip()
