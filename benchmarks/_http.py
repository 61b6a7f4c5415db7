"""Http: what benchmarks over HTTP share: a run on a played server, and bare aiohttp beside it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
from _run import a_run_with

from leadhand.domain.ids import ROOT
from leadhand.model import Answer, Model, Request
from leadhand.model_wiring import make_models
from leadhand.models import anthropic
from leadhand.models.wire import encode
from leadhand.wiring import LiveRun

# Its window holds what a thousand workers bring.
MODEL = "anthropic:claude-sonnet-4-6"
KEY = "k" * 40
WORKER = f"{ROOT}/W1"


class Heard:
    """The model of a run, which keeps the bodies of what the lead and the first worker ask."""

    def __init__(self, url: str) -> None:
        self.environ = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": KEY}
        self._asked = make_models(self.environ)(MODEL)
        self.bodies: dict[str, list[bytes]] = {ROOT: [], WORKER: []}
        self.price, self.lane, self.count = self._asked.price, self._asked.lane, self._asked.count

    def model(self, name: str) -> Model:
        """The model of a name: this one."""
        return self

    async def answer(self, request: Request, on_text: Callable[[str], None]) -> Answer:
        """See `model.Model.answer`."""
        if request.actor_id in self.bodies:
            self.bodies[request.actor_id].append(encode(anthropic.written(request)))
        return await self._asked.answer(request, on_text)


@asynccontextmanager
async def a_run_over(heard: Heard) -> AsyncIterator[LiveRun]:
    """A run that this process owns, of a model over HTTP, with a key that must not be stored."""
    async with a_run_with(heard.model, MODEL, heard.environ) as live:
        yield live


class Bare:
    """Bare aiohttp: sends what a session would send and only reads what comes."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url, self._session = f"{url}/v1/messages", session

    async def ask(self, actor: str, bodies: list[bytes]) -> None:
        """Send an actor's requests, each once the one before is answered."""
        headers = {"X-Leadhand-Actor": actor, "X-Leadhand-Call": f"{actor}:1.1@9"}
        for body in bodies:
            async with self._session.post(self._url, data=body, headers=headers) as response:
                async for _ in response.content.iter_any():
                    pass


@asynccontextmanager
async def bare(url: str) -> AsyncIterator[Bare]:
    """Bare aiohttp with the headers of the client."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "leadhand",
        "Accept-Encoding": "identity",
        "anthropic-version": anthropic.VERSION,
        "x-api-key": KEY,
    }
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        yield Bare(url, session)
