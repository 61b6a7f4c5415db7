"""Kit: the three HTTP dialects, each as a model that asks a server on loopback."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeVar

import pytest
from pydantic_ai.models import infer_model
from pydantic_ai.providers.openai import OpenAIProvider

from leadhand.errors import ModelError
from leadhand.model import (
    Answer,
    Block,
    Message,
    Model,
    Prose,
    Request,
    ToolResult,
    ToolSchema,
    ToolUse,
)
from leadhand.models import anthropic, openai, openai_responses
from leadhand.models.http import Http, Limits
from leadhand.models.names import split
from leadhand.models.providers import ProviderModel
from leadhand.models.scripted import Script
from leadhand.testing.model_server import ModelServer, model_server
from leadhand.testing.step import Step

T = TypeVar("T")

KEY = "sk-this-is-a-secret-key-0123456789"
QUICK = Limits(connect_secs=5, first_byte_secs=5, silence_secs=5, total_secs=30)
TOOLS = [
    ToolSchema("Read", "Reads a file.", {"type": "object", "properties": {"path": {}}}),
    ToolSchema("Bash", "Runs a command.", {"type": "object", "properties": {"command": {}}}),
]


class Dialect(NamedTuple):
    """One dialect: what its models are called, and how one is made."""

    name: str
    make: Callable[[Http, str], Model]


def _anthropic(http: Http, url: str) -> Model:
    return anthropic.AnthropicModel(http, anthropic.server(url, KEY, ""))


def _chat(http: Http, url: str) -> Model:
    return openai.OpenAiChatModel(http, openai.server(f"{url}/v1", KEY))


def _responses(http: Http, url: str) -> Model:
    return openai_responses.OpenAiModel(http, openai.server(f"{url}/v1", KEY))


def _layered(name: str, layer: str) -> Dialect:
    """A model of pydantic-ai's layer that asks the server."""

    def make(http: Http, url: str) -> Model:
        provider = OpenAIProvider(base_url=f"{url}/v1", api_key=KEY)
        model = infer_model(layer, lambda _: provider)
        return ProviderModel(split(name)[0], model, without_key, http.limits)

    return Dialect(name, make)


def without_key(text: str) -> str:
    """The text without the key of these tests."""
    return text.replace(KEY, "[key]")


ANTHROPIC = Dialect("anthropic:claude-haiku-4-5", _anthropic)
CHAT = Dialect("openai-chat:local", _chat)
RESPONSES = Dialect("openai:gpt-5", _responses)
DIALECTS = {"anthropic": ANTHROPIC, "chat": CHAT, "responses": RESPONSES}
LAYERED_CHAT = _layered("vllm:local", "openai-chat:local")
LAYERED_RESPONSES = _layered("meta:gpt-5", "openai-responses:gpt-5")
LAYERED = {"layered chat": LAYERED_CHAT, "layered responses": LAYERED_RESPONSES}

over_http = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS.keys())
over_all = pytest.mark.parametrize(
    "dialect",
    [
        *(pytest.param(dialect, id=name) for name, dialect in DIALECTS.items()),
        *(pytest.param(one, id=name, marks=pytest.mark.slow) for name, one in LAYERED.items()),
    ],
)


def asked(dialect: Dialect, *messages: Message, **fields: Any) -> Request:
    """A request; without messages, a first one."""
    given: dict[str, Any] = {
        "model": dialect.name,
        "system": "You work.",
        "messages": list(messages) or [user("Do it.")],
        "tools": TOOLS,
        "max_output_tokens": 1_000,
        "actor_id": "root/W1",
        "call_id": "root/W1:1.1@7",
    }
    return Request(**{**given, **fields})


def user(*blocks: Block | str) -> Message:
    """A message of the user."""
    return Message("user", [Prose(each) if isinstance(each, str) else each for each in blocks])


def said(answer: Answer) -> Message:
    """An answer as it stands in the conversation."""
    return Message("assistant", answer.blocks)


def uses(answer: Answer) -> list[ToolUse]:
    """The tool calls of an answer."""
    return [block for block in answer.blocks if isinstance(block, ToolUse)]


def results(answer: Answer, text: str = "fine") -> Message:
    """A result for each call of an answer."""
    return user(*(ToolResult(use.id, text) for use in uses(answer)))


class World(NamedTuple):
    """A model and the server that it asks."""

    model: Model
    server: ModelServer
    http: Http

    async def ask(self, request: Request) -> Answer:
        return await self.model.answer(request, lambda text: None)

    async def fault(self, request: Request) -> ModelError:
        with pytest.raises(ModelError) as caught:
            await self.ask(request)
        return caught.value


@asynccontextmanager
async def world(dialect: Dialect, script: Script, limits: Limits = QUICK) -> AsyncIterator[World]:
    """A model that asks a server which plays this script."""
    async with model_server(script) as server:
        server.keep_bodies()
        http = Http(limits)
        model = dialect.make(http, server.url)
        yield World(model, server, http)
        await http.close()
        if isinstance(model, ProviderModel):
            await model.close()


def playing(
    dialect: Dialect,
    script: Script | Step | str,
    deed: Callable[[World], Awaitable[T]],
    limits: Limits = QUICK,
) -> T:
    """Do something in a world, in an event loop of its own."""
    play: Script = (lambda request: script) if isinstance(script, Step | str) else script

    async def main() -> T:
        async with world(dialect, play, limits) as one:
            return await deed(one)

    return asyncio.run(main())


def answer(dialect: Dialect, script: Script | Step | str, **fields: Any) -> Answer:
    """The answer to a first request."""
    return playing(dialect, script, lambda world: world.ask(asked(dialect, **fields)))


def fault(
    dialect: Dialect, script: Script | Step | str, limits: Limits = QUICK, **fields: Any
) -> ModelError:
    """The error of a first request."""
    return playing(dialect, script, lambda world: world.fault(asked(dialect, **fields)), limits)
