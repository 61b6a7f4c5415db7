"""Door: the gateway over HTTP, on loopback: coding agents ask their models here, by their token.

Law: the token says who asks, and opens nothing else; no key of a provider leaves this process.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from aiohttp import web
from msgspec import json

from leadhand.domain import commands as c
from leadhand.domain.ids import ActorId
from leadhand.domain.manifest import Dialect
from leadhand.errors import HarnessError, LeadhandError, ModelError, StoreError
from leadhand.gateway import allowed, spoken
from leadhand.gateway.gateway import Gateway
from leadhand.gateway.heard import hear
from leadhand.gateway.outlet import Buffered
from leadhand.gateway.passage import Asked, Passages
from leadhand.gateway.visitor import LOGIN, foreign, known, passed
from leadhand.harness import Owner, ToolRoad, Words
from leadhand.model import Model, Relay, wire_name
from leadhand.refusals import Refused, UnknownModel
from leadhand.tokens import Tokens

HOST = "127.0.0.1"
PATHS: Mapping[str, Dialect] = {
    "/v1/messages": "anthropic",
    "/v1/responses": "openai",
    "/v1/chat/completions": "openai-chat",
}
COUNTER, MODELS = "/v1/messages/count_tokens", "/v1/models"
BODY_MAX = 64 * 1024 * 1024
STOP_SECS = 1.0

Models = Callable[[str], Model]


class ModelDoor:
    """The models of one run, for clients that have an actor's token."""

    def __init__(
        self,
        owner: Owner,
        gateway: Gateway,
        models: Models,
        toolbox: ToolRoad,
        tokens: Tokens,
        words: Words,
    ) -> None:
        """models: gives the model of a name; raises UnknownModel. tokens: whose each is. words:
        where an answer can be watched as it comes."""
        self._owner, self._tokens, self._words = owner, tokens, words
        self._passages = Passages(owner, gateway, models, toolbox)
        self._runner: web.AppRunner | None = None
        self._starting = asyncio.Lock()
        self._asking: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens; the paths of all dialects begin with /v1 there."""
        return f"http://{HOST}:{self.port}"

    def refusal(self, actor: ActorId) -> Refused | ModelError | None:
        """Why an actor's last request was not answered; None where it was."""
        return self._passages.refusals.get(actor)

    def forget(self, actor: ActorId) -> None:
        """Begin anew with an actor: what was refused to an earlier session of it says nothing."""
        self._passages.refusals.pop(actor, None)

    async def start(self) -> None:
        """Listen, where it does not yet. Raises HarnessError."""
        async with self._starting:
            if self._runner is not None:
                return
            app = web.Application(client_max_size=BODY_MAX)
            app.router.add_route("*", "/{path:.*}", self._handle)
            runner = web.AppRunner(
                app, handler_cancellation=True, access_log=None, shutdown_timeout=STOP_SECS
            )
            await runner.setup()
            try:
                await web.TCPSite(runner, HOST, self.port).start()
            except OSError as error:
                await runner.cleanup()
                raise HarnessError(f"cannot listen on {HOST}:{self.port}: {error}") from error
            self.port = runner.addresses[0][1]
            self._runner = runner

    async def stop(self) -> None:
        """Listen no longer; what is being asked is settled first."""
        runner, self._runner = self._runner, None
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
        if runner is not None:
            await runner.cleanup()

    async def _handle(self, http: web.Request) -> web.StreamResponse:
        """Let in who has a token, to the paths that there are."""
        dialect = PATHS.get(http.path.removesuffix("/count_tokens")) or _guessed(http)
        why = foreign(http.headers, self.port)
        if why:
            return await self._turn_away(dialect, ActorId(""), why, 403, "permission_error")
        actor, why = known(http.headers, self._tokens)
        if why:
            return await self._turn_away(dialect, actor, why, 401, "authentication_error")
        try:
            if http.method == "POST" and http.path in PATHS:
                return await self._ask(http, dialect, actor)
            if http.method == "POST" and http.path == COUNTER:
                return await self._count(http, actor)
            if http.method == "GET" and http.path == MODELS:
                return self._models(actor)
        except _Unheard as unheard:
            return _response(unheard.said)
        why = f"there is no {http.method} {http.path} here"
        return _response(spoken.error(dialect, 404, "not_found_error", why))

    async def _turn_away(
        self, dialect: Dialect, actor: ActorId, why: str, status: int, kind: str
    ) -> web.Response:
        await self._deny(actor, "", why)
        return _response(spoken.error(dialect, status, kind, why))

    async def _deny(self, actor: ActorId, tool: str, why: str) -> None:
        with suppress(StoreError):
            await self._owner.submit(c.RecordDenial(actor, tool, why))

    async def _asked(self, http: web.Request, dialect: Dialect, actor: ActorId) -> Asked:
        """The request, and the model that it means. Raises _Unheard."""
        try:
            heard = hear(dialect, await http.read())
        except web.HTTPRequestEntityTooLarge:
            why = f"the body is longer than {BODY_MAX} bytes"
            raise _Unheard(spoken.error(dialect, 413, "request_too_large", why)) from None
        except ValueError as error:
            said = spoken.error(dialect, 400, "invalid_request_error", str(error))
            raise _Unheard(said) from None
        run = self._owner.run
        live = run.actors.get(actor)
        if live is None:
            raise _Unheard(spoken.stop(dialect, f"{actor} has settled"))
        model = allowed.meant(run, live, heard.model)
        if model is None:
            names = ", ".join(allowed.models(live))
            why = f'it may not ask for the model "{heard.model[:80]}"; it may ask for: {names}'
            await self._deny(actor, "", why)
            raise _Unheard(spoken.unknown_model(dialect, why))
        login = LOGIN in http.headers and allowed.by_login(run, model)
        return Asked(actor, heard, model, passed(dialect, http.headers, self._tokens, login=login))

    async def _ask(self, http: web.Request, dialect: Dialect, actor: ActorId) -> web.StreamResponse:
        """Have a request answered. A client that leaves takes its request with it."""
        asked = await self._asked(http, dialect, actor)
        outlet = Buffered(self._words.begin(actor))
        task = asyncio.create_task(self._passages.run(asked, outlet), name=f"model {actor}")
        self._asking.add(task)
        task.add_done_callback(self._over)
        try:
            data = await outlet.more()
            if outlet.headers is None:
                return await self._instead(http, task, dialect, outlet)
            if not asked.heard.stream:
                return web.Response(body=data, headers=outlet.headers)
            response = web.StreamResponse(headers=outlet.headers)
            await response.prepare(http)
            while data:
                await response.write(data)
                data = await outlet.more()
            await asyncio.wait([task])
            if task.cancelled() or task.exception() is not None:
                _break(http)
            else:
                await response.write_eof()
            return response
        except ConnectionError:
            return web.Response()
        finally:
            task.cancel()

    def _over(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        if not task.cancelled():
            # It is told where there is still anybody to be told.
            task.exception()

    async def _instead(
        self, http: web.Request, task: asyncio.Task[None], dialect: Dialect, outlet: Buffered
    ) -> web.StreamResponse:
        """What a client is told that gets no answer: what the provider said, or why it was not
        asked."""
        await asyncio.wait([task])
        error = None if task.cancelled() else task.exception()
        if isinstance(error, UnknownModel):
            return _response(spoken.unknown_model(dialect, error.message))
        if isinstance(error, Refused):
            return _response(spoken.stop(dialect, f"{error.message} {error.next_step}".strip()))
        if not isinstance(error, ModelError):
            why = error.message if isinstance(error, LeadhandError) else "the run has no owner now"
            return _response(spoken.error(dialect, 503, "api_error", why))
        again = {} if error.retryable else spoken.NO_RETRY
        said = outlet.instead
        if said is not None and said.status == 200:
            # It had begun as an answer, and was none.
            broken = web.StreamResponse(headers=said.headers)
            await broken.prepare(http)
            await broken.write(said.body)
            _break(http)
            return broken
        if said is not None:
            return web.Response(status=said.status, body=said.body, headers=said.headers | again)
        return _response(spoken.failed(dialect, error.kind, error.message, again=error.retryable))

    async def _count(self, http: web.Request, actor: ActorId) -> web.Response:
        """What the provider's counter says, which costs nothing."""
        asked = await self._asked(http, "anthropic", actor)
        try:
            model = self._passages.relayed(asked)
        except UnknownModel as error:
            return _response(spoken.unknown_model("anthropic", error.message))
        body = asked.heard.granted(wire_name(asked.model), 1, None)
        relay = Relay(asked.model, body, asked.headers, False, 0, actor, "")
        found = await model.relay_count(relay)
        if found is None:
            why = "the provider did not count"
            return _response(spoken.failed("anthropic", "server", why, again=False))
        return web.Response(body=found, content_type="application/json")

    def _models(self, actor: ActorId) -> web.Response:
        live, manifest = self._owner.run.actors.get(actor), self._owner.run.manifest
        known = allowed.models(live) if live else []
        aliases = manifest.aliases if manifest else {}
        names = [name for name, model in aliases.items() if model in known]
        listed = [*map(wire_name, known), *names]
        return web.json_response(body=json.encode(spoken.models(listed)))


class _Unheard(Exception):
    """A request that is answered at once."""

    def __init__(self, said: spoken.Said) -> None:
        super().__init__()
        self.said = said


def _response(said: spoken.Said) -> web.Response:
    body = json.encode(said.body)
    return web.Response(
        status=said.status, body=body, content_type="application/json", headers=said.headers
    )


def _guessed(http: web.Request) -> Dialect:
    return "anthropic" if "anthropic-version" in http.headers else "openai-chat"


def _break(http: web.Request) -> None:
    """Close the connection in the middle, as the provider did."""
    if http.transport is not None:
        http.transport.close()
