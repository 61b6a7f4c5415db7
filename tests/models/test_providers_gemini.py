"""Gemini: a server of a dialect that only the layer speaks; its calls come back signed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web
from pydantic_ai.models import infer_model
from pydantic_ai.providers.google import GoogleProvider

from leadhand.domain.money import Price, Usage
from leadhand.errors import ModelError
from leadhand.model import Answer, Block, Message, Prose, Raw, Request, ToolResult
from leadhand.models.providers import ProviderModel
from tests.models.kit import KEY, QUICK, TOOLS, user, uses, without_key

pytestmark = pytest.mark.slow

NAME = "google:gemini-3-pro-preview"
# Base64, as signatures are.
SIGNATURE = "c2lnbmVkIGJ5IHRoZSBtb2RlbA=="
USAGE = {
    "promptTokenCount": 100,
    "cachedContentTokenCount": 60,
    "candidatesTokenCount": 20,
    "thoughtsTokenCount": 7,
    "totalTokenCount": 127,
}
CALLS = [
    {"text": "First the file.", "thought": True},
    {
        "functionCall": {"name": "Read", "args": {"path": "a"}},
        "thoughtSignature": SIGNATURE,
    },
]
REFUSED = {
    429: {
        "code": 429,
        "status": "RESOURCE_EXHAUSTED",
        "message": "slow down",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "14s"}],
    },
    400: {
        "code": 400,
        "status": "INVALID_ARGUMENT",
        "message": f"API key {KEY} not valid",
        "details": [
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
        ],
    },
}


class Gemini:
    """A server that calls a tool, then answers; it refuses a call that comes back unsigned."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.bodies: list[Any] = []

    async def answer(self, http: web.Request) -> web.StreamResponse:
        body = await http.json()
        self.bodies.append(body)
        if self.status != 200:
            return web.json_response({"error": REFUSED[self.status]}, status=self.status)
        earlier = [part for turn in body["contents"] for part in turn["parts"]]
        calls = [part for part in earlier if "functionCall" in part]
        for part in calls:
            if part.get("thoughtSignature") != SIGNATURE:
                message = f"Function call {part['functionCall']['name']} is missing a signature"
                return web.json_response({"error": {"code": 400, "message": message}}, status=400)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(http)
        parts = [{"text": "It says "}, {"text": "fine."}] if calls else CALLS
        for number, part in enumerate(parts, 1):
            candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": [part]}}
            chunk: dict[str, Any] = {
                "candidates": [candidate],
                "modelVersion": "gemini-3-pro-preview",
            }
            if number == len(parts):
                candidate["finishReason"] = "STOP"
                chunk |= {"usageMetadata": USAGE}
            await response.write(b"data: " + msgspec.json.encode(chunk) + b"\r\n\r\n")
        await response.write_eof()
        return response


@asynccontextmanager
async def asking(gemini: Gemini) -> AsyncIterator[ProviderModel]:
    """A model that asks this server."""
    app = web.Application()
    app.router.add_post("/{tail:.*}", gemini.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    layer = infer_model(NAME, lambda _: GoogleProvider(api_key=KEY, base_url=url))
    model = ProviderModel("google", layer, without_key, QUICK)
    try:
        yield model
    finally:
        await model.close()
        await runner.cleanup()


def request(*messages: Message, **fields: Any) -> Request:
    told = list(messages) or [user("What does it say?")]
    return Request(NAME, "You work.", told, TOOLS, 1_000, "root", f"root:{len(told)}", **fields)


def test_a_signed_call_comes_back_signed() -> None:
    gemini = Gemini()

    async def main() -> tuple[Answer, Answer]:
        async with asking(gemini) as model:
            assert model.price(NAME) == Price()
            first = await model.answer(request(), lambda text: None)
            kept = msgspec.json.decode(msgspec.json.encode(first), type=Answer)
            told = [user("What does it say?"), Message("assistant", kept.blocks)]
            told.append(user(*(ToolResult(use.id, "fine") for use in uses(first))))
            return first, await model.answer(request(*told), lambda text: None)

    first, second = asyncio.run(main())
    assert [(use.name, use.args) for use in uses(first)] == [("Read", {"path": "a"})]
    assert first.stop_reason == "tool_use"
    assert any(isinstance(block, Raw) for block in first.blocks)
    assert [block for block in second.blocks if isinstance(block, Prose)] == [
        Prose("It says fine.")
    ]
    assert (second.stop_reason, len(gemini.bodies)) == ("end_turn", 2)


def test_tokens_of_thinking_and_of_the_cache_are_counted_once() -> None:
    async def main() -> Usage:
        async with asking(Gemini()) as model:
            return (await model.answer(request(), lambda text: None)).usage

    assert asyncio.run(main()) == Usage(input=40, output=27, cache_read=60)


def test_a_call_that_lost_its_signature_is_refused_and_that_is_told() -> None:
    async def main() -> None:
        async with asking(Gemini()) as model:
            first = await model.answer(request(), lambda text: None)
            bare: list[Block] = [block for block in first.blocks if not isinstance(block, Raw)]
            told = [user("What does it say?"), Message("assistant", bare)]
            told.append(user(*(ToolResult(use.id, "fine") for use in uses(first))))
            await model.answer(request(*told), lambda text: None)

    with pytest.raises(ModelError, match="missing a signature") as caught:
        asyncio.run(main())
    assert (caught.value.kind, caught.value.billed) == ("bad_request", False)


@pytest.mark.parametrize(
    ("status", "kind", "wait"), [(429, "rate_limited", 14.0), (400, "auth", None)]
)
def test_what_gemini_refuses_has_its_kind(status: int, kind: str, wait: float | None) -> None:
    gemini = Gemini(status)

    async def main() -> None:
        async with asking(gemini) as model:
            await model.answer(request(), lambda text: None)

    with pytest.raises(ModelError) as caught:
        asyncio.run(main())
    error = caught.value
    assert (error.kind, error.billed, error.retry_after_secs) == (kind, False, wait)
    assert KEY not in str(error)
    assert len(gemini.bodies) == 1


def test_no_tool_of_googles_own_is_offered() -> None:
    gemini = Gemini()

    async def main() -> None:
        async with asking(gemini) as model:
            await model.answer(request(tool_choice="none", effort="low"), lambda text: None)

    asyncio.run(main())
    [body] = gemini.bodies
    assert [sorted(tool) for tool in body["tools"]] == [["functionDeclarations"]]
    assert body["toolConfig"]["functionCallingConfig"]["mode"] == "NONE"
    assert body["generationConfig"]["maxOutputTokens"] == 1_000
    assert "low" in str(body["generationConfig"]["thinkingConfig"]).lower(), body
