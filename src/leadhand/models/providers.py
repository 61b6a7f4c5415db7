"""Providers: models of every other provider, through pydantic-ai's model layer.

Law: whatever a library of a provider raises, the caller sees ModelError, and no key in it.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar, cast
from urllib.parse import quote

import msgspec
from pydantic_ai import direct
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import (
    InstructionPart,
    ModelMessage,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
)
from pydantic_ai.models import Model as Layer
from pydantic_ai.models import ModelRequestParameters, infer_model
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.providers import infer_provider_class
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.usage import RequestUsage

from leadhand.domain import hosts
from leadhand.domain.money import Price, Usage
from leadhand.domain.text import one_line
from leadhand.errors import ModelError
from leadhand.model import Answer, Block, Prose, Request, StopReason, wire_name
from leadhand.models import names, provider_faults, wire
from leadhand.models.http import Limits
from leadhand.models.provider_messages import Writing, blocks_of
from leadhand.refusals import UnknownModel

T = TypeVar("T")
Clean = Callable[[str], str]

FOR_EVER_SECS = 1e9
# OpenAI's Responses would keep the conversation.
NOTHING_STORED = {"openai_store": False}
WHY_MAX = 300

_REASONS: dict[str, StopReason] = {
    "length": "max_tokens",
    "content_filter": "refusal",
    "tool_call": "tool_use",
}
_Counts = tuple[wire.Count, wire.Count, wire.Count, wire.Count]
_BROUGHT_BACK = re.compile("thinking|thought|signature|reasoning|encrypted|persisted")
# They search the web for a fee beyond tokens, whatever tools they are offered.
_FEES = re.compile(r"openrouter:.*:online|groq:(groq/)?compound.*")
_INSTALL = re.compile(r'pip install "([\w.-]+(?:\[[\w,-]+\])?)"')


def provided(name: str, clean: Clean) -> "ProviderModel":
    """The model of a name such as `google:gemini-2.5-pro`, its key from the environment as the
    layer reads it. clean: takes secrets out of a text. Raises UnknownModel."""
    provider, _ = names.split(name)
    if _FEES.fullmatch(name):
        raise UnknownModel(
            f'the model "{name}" runs tools of its provider, which cost fees beyond tokens',
            "Name a model that only answers.",
        )
    why = ""
    try:
        infer_provider_class(provider)
    except ImportError as error:
        why = str(error)
    except ValueError:
        message = f'the model "{name}" is of the provider "{provider}", which nobody knows'
        raise names.unknown(message) from None
    try:
        return ProviderModel(provider, infer_model(name), clean)
    except Exception as error:  # noqa: BLE001 (each library has its own way to miss its set-up)
        why = why or str(error)
    why = clean(one_line(why, WHY_MAX))
    library = _INSTALL.search(why)
    raise UnknownModel(
        f'the model "{name}" cannot be used: {why}',
        f"The operator can install what is missing: pip install '{library[1]}'"
        if library
        else "The operator can set that up; or use a model of another provider.",
    )


class ProviderModel:
    """Answers over one model of the layer.

    Retries are left to who calls, tools that the provider runs itself are not offered.
    """

    def __init__(
        self, provider: str, layer: Layer[Any], clean: Clean, limits: Limits | None = None
    ) -> None:
        """provider: what stands before the colon of the model's name."""
        self._provider, self._layer, self._clean = provider, layer, clean
        self._limits = limits or Limits()
        self._writing = Writing(provider, layer.profile.get("tool_call_id_length"))
        # Asked by name, so that its library is not loaded for others.
        stores = any(kind.__name__ == "OpenAIResponsesModel" for kind in type(layer).__mro__)
        self._own = NOTHING_STORED if stores else {}
        url = layer.provider.base_url if layer.provider is not None else ""
        self._local = hosts.loopback(hosts.url_host(url))
        self._kept: dict[asyncio.AbstractEventLoop, tuple[asyncio.Task[None], asyncio.Event]] = {}

    def price(self, name: str) -> Price | None:
        """Servers of this machine cost nothing unless the operator says so."""
        return Price() if self._local else None

    def lane(self, name: str) -> str:
        """Whom its limits are shared with: every user of this model of this provider."""
        return f"{self._provider}:{wire_name(name)}"

    async def count(self, request: Request) -> int | None:
        """Nobody counts tokens here before a call."""
        return None

    async def answer(self, request: Request, on_text: Callable[[str], None]) -> Answer:
        """See `model.Model.answer`.

        Where the provider refuses what it is brought back of earlier turns beside their words, the
        call is made again without; the refusal cost nothing.
        """
        wire.check_tools(request)
        await self._keep_open()
        try:
            return await self._answer(request, on_text, own=True)
        except ModelError as error:
            if error.kind != "bad_request" or not _BROUGHT_BACK.search(error.message):
                raise
            if not self._writing.brings_back(request):
                raise
        return await self._answer(request, on_text, own=False)

    async def _answer(
        self, request: Request, on_text: Callable[[str], None], *, own: bool
    ) -> Answer:
        call = _Call(self._layer, self._limits, self._error)
        response = await call.made(
            self._writing.messages(request, own=own),
            self._settings(request),
            self._parameters(request),
            on_text,
        )
        return self._read(request, response, on_text)

    async def close(self) -> None:
        """Close the connections of this event loop."""
        kept = self._kept.get(asyncio.get_running_loop())
        if kept is not None:
            kept[0].cancel()
            await asyncio.gather(kept[0], return_exceptions=True)

    def _settings(self, request: Request) -> ModelSettings:
        settings = ModelSettings(
            max_tokens=request.max_output_tokens,
            max_retries=0,
            cache=True,
            framing_announcement="never",
        )
        if request.effort is not None:
            settings["thinking"] = False if request.effort == "none" else request.effort
        if request.tool_choice == "none" or not request.tools:
            settings["tool_choice"] = "none"
        if self._local:
            # A proxy or a test server on this machine may count and route by who asks.
            settings["extra_headers"] = {
                "X-Leadhand-Actor": quote(request.actor_id, safe="/:@.-_"),
                "X-Leadhand-Call": quote(request.call_id, safe="/:@.-_"),
            }
        for name in self._layer.unsupported_settings:
            settings.pop(name, None)
        return cast("ModelSettings", {**settings, **self._own})

    def _parameters(self, request: Request) -> ModelRequestParameters:
        tools = [
            ToolDefinition(
                name=tool.name,
                description=tool.description,
                parameters_json_schema=tool.schema,
                strict=False,
            )
            for tool in request.tools
        ]
        if not tools:
            # A conversation with calls is refused by some unless their tools are there.
            tools = [ToolDefinition(name=each) for each in wire.called_tools(request.messages)]
        system = [InstructionPart(content=request.system)] if request.system.strip() else []
        parameters = ModelRequestParameters(function_tools=tools, instruction_parts=system)
        return parameters if request.schema is None else self._shaped(request, parameters)

    def _shaped(
        self, request: Request, parameters: ModelRequestParameters
    ) -> ModelRequestParameters:
        """Parameters that ask for an answer of a shape: the provider is held to it where it can
        be, else told of it."""
        assert request.schema is not None
        parameters.output_object = OutputObjectDefinition(
            json_schema=wire.kept_schema(request.schema), name="answer"
        )
        parameters.output_mode = "native"
        try:
            self._layer.prepare_request(self._settings(request), parameters)
        except UserError:
            parameters.output_mode = "prompted"
        return parameters

    def _read(
        self, request: Request, response: ModelResponse, on_text: Callable[[str], None]
    ) -> Answer:
        details = response.provider_details or {}
        refusal = details.get("refusal")
        told = "finish_reason" in details or response.finish_reason not in (None, "stop")
        if response.state != "complete" or not (told or refusal):
            raise self._error(ModelError("the answer ended too early", kind="stream_cut"))
        try:
            blocks = blocks_of(response, self._provider)
        except ModelError as error:
            raise self._error(error) from None
        if isinstance(refusal, str) and refusal:
            on_text(refusal)
            blocks.append(Prose(refusal))
        if response.finish_reason == "error" and not blocks:
            raise self._error(ModelError("the answer broke off", kind="protocol", retryable=True))
        reason = _REASONS.get(response.finish_reason or "", "end_turn")
        if details.get("finish_reason") == "model_context_window_exceeded":
            reason = "context_exceeded"
        return wire.finished(request, blocks, reason, metered(request, blocks, response.usage))

    def _error(self, error: ModelError) -> ModelError:
        """The error with the provider's name before it and without keys."""
        error.message = self._clean(f"{self._provider}: {error.message}")
        error.args = (error.message,)
        return error

    async def _keep_open(self) -> None:
        """Keep the connections until this event loop ends its tasks."""
        loop = asyncio.get_running_loop()
        if loop not in self._kept:
            opened = asyncio.Event()
            task = asyncio.create_task(self._open(opened), name="provider connections")
            task.add_done_callback(lambda _: self._kept.pop(loop, None))
            self._kept[loop] = (task, opened)
        await self._kept[loop][1].wait()

    async def _open(self, opened: asyncio.Event) -> None:
        try:
            async with self._layer:
                opened.set()
                # A timer of the loop holds on to this task.
                await asyncio.sleep(FOR_EVER_SECS)
        finally:
            opened.set()


class _Call:
    """One call. Each step has a deadline, and all keep to the total."""

    def __init__(
        self, layer: Layer[Any], limits: Limits, named: Callable[[ModelError], ModelError]
    ) -> None:
        self._layer, self._limits, self._named = layer, limits, named
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + limits.total_secs
        self._open = self._begun = False

    async def made(
        self,
        messages: list[ModelMessage],
        settings: ModelSettings,
        parameters: ModelRequestParameters,
        on_text: Callable[[str], None],
    ) -> ModelResponse:
        """The whole answer; its words are passed on as they come. Raises ModelError."""
        opening = direct.model_request_stream(
            self._layer,
            messages,
            model_settings=settings,
            model_request_parameters=parameters,
            instrument=False,
        )
        limits = self._limits
        stream = await self._step(opening.__aenter__(), limits.first_byte_secs, "its first byte")
        self._open = True
        try:
            events = aiter(stream)
            while event := await self._step(
                anext(events, None), limits.silence_secs, "its next word"
            ):
                self._begun = True
                if text := words_of(event):
                    on_text(text)
            return stream.get()
        finally:
            # However it ends, the connection is given back or closed, and what comes of that is
            # no part of the answer.
            with suppress(Exception):
                await opening.__aexit__(None, None, None)

    async def _step(self, step: Awaitable[T], secs: float, waits_for: str) -> T:
        """What a step of the layer gives, within its time. Raises ModelError."""
        clock = asyncio.timeout_at(min(self._loop.time() + secs, self._end))
        try:
            async with clock:
                return await step
        except Exception as error:  # noqa: BLE001 (what a library of a library raises is not known)
            if clock.expired():
                late = self._loop.time() >= self._end
                total = f"no end after {self._limits.total_secs:g} s"
                why = total if late else f"still waiting for {waits_for}"
                fault = ModelError(why, kind="timeout")
            else:
                now_ms = int(time.time() * 1000)
                fault = provider_faults.fault(error, self._open, self._begun, now_ms)
        # Raised out here, so that no error of the layer, which knows the headers, hangs on to it.
        raise self._named(fault)


def words_of(event: object) -> str:
    """The words that an event of a stream brings."""
    match event:
        case PartStartEvent(part=TextPart(content=text)):
            return text
        case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
            return text
        case _:
            return ""


def metered(request: Request, blocks: list[Block], usage: RequestUsage) -> Usage:
    """The tokens; the most that they can be where the provider does not tell."""
    counts = (
        usage.input_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.output_tokens,
    )
    try:
        read, cached, written, output = msgspec.convert(counts, _Counts)
    except msgspec.ValidationError:
        read = cached = written = output = 0
    if usage.unmeasured_requests or not read or (blocks and not output):
        return wire.ceiling(request, wire.encode(request))
    return wire.parted(read, cached, written, output)
