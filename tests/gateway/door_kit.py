"""Kit: a run whose actors ask at the model door, as raw HTTP clients; its provider is a server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import msgspec
from msgspec import Struct

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.invariants import broken
from leadhand.domain.manifest import HouseRules, Lead, Manifest, Settings
from leadhand.domain.money import NANO, Price
from leadhand.gateway.door import ModelDoor
from leadhand.model_wiring import make_models
from leadhand.models.scripted import Script
from leadhand.stores.memory import MemoryStore
from leadhand.testing.model_server import ModelServer, model_server
from leadhand.wiring import LiveRun, start_run
from tests.gateway.kit import UNIT, environ

E = TypeVar("E", bound=e.Event)
HAIKU, GPT, CHAT = "anthropic:claude-haiku-4-5", "openai:gpt-5-mini", "openai-chat:gpt-5-mini"
PATHS = {HAIKU: "/v1/messages", GPT: "/v1/responses", CHAT: "/v1/chat/completions"}


class Answered(Struct):
    """What a client got. whole: the answer ended as HTTP has it."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool = True

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return msgspec.json.decode(self.body)


class Stage(Struct):
    """A run at whose door clients ask. urls: of the door and of the provider itself."""

    live: LiveRun
    door: ModelDoor
    server: ModelServer
    client: aiohttp.ClientSession

    def token(self, actor: ActorId = ROOT) -> str:
        """A new token of an actor."""
        return self.live.tokens.issue(actor)

    async def ask(
        self,
        token: str,
        body: Mapping[str, Any] | bytes,
        path: str = "/v1/messages",
        **headers: str,
    ) -> Answered:
        """What the door says."""
        shown = {"x-api-key": token, "anthropic-version": "2023-06-01", **headers}
        return await sent(self.client, self.door.url + path, body, shown)

    async def direct(self, body: Mapping[str, Any], path: str = "/v1/messages") -> Answered:
        """What the provider itself says."""
        return await sent(self.client, self.server.url + path, body, {})

    async def worker(self, number: int = 1) -> ActorId:
        """One more actor."""
        spawn = c.SpawnActor(ROOT, CallId(f"spawn {number}"), "Work.")
        (event,) = [
            each
            for each in await self.live.engine.submit(spawn)
            if isinstance(each, e.ActorSpawned)
        ]
        return event.actor

    async def all(self, kind: type[E]) -> list[E]:
        """The events of a kind so far."""
        stamped = await self.live.engine.stamped()
        return [each.event for each in stamped if isinstance(each.event, kind)]


async def sent(
    client: aiohttp.ClientSession,
    url: str,
    body: Mapping[str, Any] | bytes,
    headers: Mapping[str, str],
) -> Answered:
    """One request and all that came back of it."""
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    given = {"Content-Type": "application/json", **headers}
    async with client.post(url, data=data, headers=given) as response:
        parts, whole = [], True
        try:
            while chunk := await response.content.readany():
                parts.append(chunk)
        except aiohttp.ClientError:
            whole = False
        return Answered(response.status, dict(response.headers), b"".join(parts), whole)


def asking(model: str = HAIKU, text: str = "Go.", **more: Any) -> dict[str, Any]:
    """A body in the dialect of a model."""
    name, user = model.partition(":")[2], {"role": "user", "content": text}
    if model == GPT:
        return {"model": name, "input": [user], "stream": True, "max_output_tokens": 500, **more}
    if model == CHAT:
        wanted = {"stream_options": {"include_usage": True}, "max_completion_tokens": 500}
        return {"model": name, "messages": [user], "stream": True, **wanted, **more}
    return {"model": name, "messages": [user], "stream": True, "max_tokens": 500, **more}


def asked(base: Path, model: str, settings: Mapping[str, Any], **given: Any) -> Manifest:
    """A manifest of which only what a test is about has to be said."""
    house = {"max_workers": 500, "budget_nanousd": NANO, **given.pop("house", {})}
    prices: dict[str, Price] = dict.fromkeys((HAIKU, GPT, CHAT, "claude-sonnet-4-5"), UNIT)
    lead = Settings(**{"model": model, "directory": str(base), **settings})
    return Manifest(
        Lead("lead", "Go.", lead),
        HouseRules(**house),
        Settings(max_turns=1_000),
        prices=prices,
        **given,
    )


@asynccontextmanager
async def stage(
    base: Path,
    script: Script,
    model: str = HAIKU,
    settings: Mapping[str, Any] | None = None,
    **given: Any,
) -> AsyncIterator[Stage]:
    """A run of one lead that nothing drives but its client. Its books must be in order."""
    store = MemoryStore()
    async with model_server(script, counter=given.pop("counter", None)) as server:
        server.keep_bodies()
        models = make_models(environ(server), given.get("providers"))
        manifest = asked(base, model, settings or {}, **given)
        live = await start_run(store, base / "runs", manifest, "", models=models)
        door = live.model_door()
        await door.start()
        try:
            async with aiohttp.ClientSession(auto_decompress=False) as client:
                yield Stage(live, door, server, client)
            assert broken(live.engine.run) == []
        finally:
            await door.stop()
            await live.close()
            await store.close()


async def until(true: Callable[[], bool], secs: float = 10.0) -> None:
    """Wait until something is true. Raises TimeoutError."""
    for _ in range(round(secs * 100)):
        if true():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError
