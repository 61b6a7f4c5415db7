"""Door: what passes the model door is metered, goes byte for byte, and only as its actor may."""

import asyncio
import gzip
from pathlib import Path
from typing import Any

import pytest
from msgspec import json

from leadhand.domain import events as e
from leadhand.domain.ids import ROOT
from leadhand.domain.money import Usage
from leadhand.gateway import door
from leadhand.model import Request
from leadhand.testing import Reply
from leadhand.testing.step import Step
from tests.gateway.door_kit import CHAT, GPT, HAIKU, PATHS, Answered, asking, stage

USAGE = Usage(300, 70, 20, 10)
TEXT = "All is said and done here. " * 40


def said(request: Request) -> Step:
    """Thinks, speaks and calls a tool."""
    call = ("Bash", {"command": "ls"})
    return Step(text=TEXT, thinking="Hm.", calls=(call,), usage=USAGE)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", [HAIKU, GPT, CHAT])
def test_an_answer_is_the_providers_byte_for_byte(tmp_path: Path, model: str, stream: bool) -> None:
    async def main() -> None:
        async with stage(tmp_path, said, model) as it:
            body = asking(model)
            if not stream:
                body.pop("stream_options", None)
                body["stream"] = False
            got = await it.ask(it.token(), body, PATHS[model])
            direct = await it.direct(body, PATHS[model])
            assert (got.status, got.body) == (200, direct.body)
            assert got.headers["Content-Type"] == direct.headers["Content-Type"]
            (turn,) = await it.all(e.TurnRecorded)
            assert (turn.usage.context, turn.usage.output) == (USAGE.context, USAGE.output)
            assert turn.words == TEXT.strip()
            assert [(each.tool, each.effect) for each in turn.intents] == [("Bash", "effects")]
            assert turn.cost == it.live.engine.run.spent == turn.usage.context
            assert it.live.engine.run.actors[ROOT].tools.keys() == {turn.intents[0].call}

    asyncio.run(main())


@pytest.mark.parametrize("model", [HAIKU, GPT, CHAT])
def test_a_refusal_is_the_providers_byte_for_byte(tmp_path: Path, model: str) -> None:
    def refuses(request: Request) -> Step:
        return Step(status=400, text="there is no such thing")

    async def main() -> None:
        async with stage(tmp_path, refuses, model) as it:
            got = await it.ask(it.token(), asking(model), PATHS[model])
            direct = await it.direct(asking(model), PATHS[model])
            assert (got.status, got.body) == (400, direct.body)
            (cut,) = await it.all(e.CallCut)
            assert cut.charged == it.live.engine.run.spent == 0
            refusal = it.door.refusal(ROOT)
            assert refusal is not None
            assert "no such thing" in refusal.message

    asyncio.run(main())


def test_an_answer_that_is_recorded_ends_the_refusal(tmp_path: Path) -> None:
    replies = [Step(status=400, text="no"), Step(text="yes", usage=USAGE)]

    async def main() -> None:
        async with stage(tmp_path, lambda request: replies.pop(0)) as it:
            token = it.token()
            assert (await it.ask(token, asking())).status == 400
            assert (await it.ask(token, asking())).status == 200
            assert it.door.refusal(ROOT) is None

    asyncio.run(main())


def test_each_token_is_its_own_actors(tmp_path: Path) -> None:
    async def main() -> None:
        async with stage(tmp_path, lambda request: Reply(text="ok", usage=USAGE)) as it:
            worker = await it.worker()
            tokens = {ROOT: it.token(), worker: it.token(worker)}
            answers = await asyncio.gather(*(it.ask(each, asking()) for each in tokens.values()))
            assert {each.status for each in answers} == {200}
            turns = await it.all(e.TurnRecorded)
            assert {each.actor for each in turns} == {ROOT, worker}
            bearer = await it.ask("", asking(), Authorization=f"Bearer {tokens[worker]}")
            assert bearer.status == 200
            assert (await it.all(e.TurnRecorded))[-1].actor == worker

    asyncio.run(main())


def test_who_has_no_token_is_turned_away_and_recorded(tmp_path: Path) -> None:
    async def main() -> None:
        async with stage(tmp_path, lambda request: Reply(text="ok")) as it:
            former, _ = it.token(), it.token()
            for token in ("", "forged", former):
                got = await it.ask(token, asking())
                assert (got.status, got.json["error"]["type"]) == (401, "authentication_error")
            whys = [(each.actor, each.why) for each in await it.all(e.CallerDenied)]
            assert [actor for actor, _ in whys] == ["", "", ROOT]
            assert "holds no longer" in whys[-1][1]
            assert not it.server.seen
            assert not any("forged" in why or former in why for _, why in whys)

    asyncio.run(main())


def test_only_the_paths_that_there_are_lead_anywhere(tmp_path: Path) -> None:
    async def main() -> None:
        async with stage(tmp_path, lambda request: Reply(text="ok")) as it:
            token = it.token()
            for path in ("/v1/files", "/v1/messages/batches", "/", "/v1/messages/../files"):
                got = await it.ask(token, asking(), path)
                assert (got.status, got.json["type"]) == (404, "error")
            assert not it.server.seen
            foreign = await it.ask(token, asking(), Host="example.com")
            assert foreign.status == 403

    asyncio.run(main())


def test_the_query_of_a_client_does_no_harm(tmp_path: Path) -> None:
    async def main() -> None:
        async with stage(tmp_path, lambda request: Reply(text="ok")) as it:
            assert (await it.ask(it.token(), asking(), "/v1/messages?beta=true")).status == 200

    asyncio.run(main())


def test_the_real_key_stays_here_and_the_token_does_not_go_out(tmp_path: Path) -> None:
    async def main() -> None:
        async with stage(tmp_path, lambda request: Reply(text="ok")) as it:
            token = it.token()
            got = await it.ask(token, asking(), **{"anthropic-beta": "x-1", "Cookie": "a=b"})
            (seen,) = it.server.seen
            assert seen.headers["anthropic-beta"] == "x-1"
            assert not [name for name in seen.headers if name.lower() == "cookie"]
            assert token not in str(seen.headers)
            assert "sk-none" not in str(got)

    asyncio.run(main())


def test_a_model_that_is_not_allowed_is_refused_and_one_that_is_named_otherwise_is_found(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        allowed = {"models": ("claude-sonnet-4-5",)}
        aliases = {"fast": HAIKU, "dear": "claude-opus-4-5"}
        async with stage(tmp_path, said, settings=allowed, aliases=aliases) as it:
            token, names = it.token(), ("fast", "claude-haiku-4-5-20251001", "claude-sonnet-4-5")
            for name in names:
                assert (await it.ask(token, asking() | {"model": name})).status == 200
            sent = [body["model"] for body in it.server.bodies]
            assert sent == ["claude-haiku-4-5", "claude-haiku-4-5", "claude-sonnet-4-5"]
            for name in ("claude-opus-4-5", "dear", "gpt-5"):
                got = await it.ask(token, asking() | {"model": name})
                assert (got.status, got.json["error"]["type"]) == (404, "not_found_error")
                assert "claude-sonnet-4-5" in got.json["error"]["message"]
            assert len(await it.all(e.CallerDenied)) == 3
            spent = it.live.engine.run.models
            assert {name: each.calls for name, each in spent.items()} == {
                HAIKU: 2,
                "claude-sonnet-4-5": 1,
            }

    asyncio.run(main())


def test_another_dialect_than_the_models_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with stage(tmp_path, lambda request: Reply(text="ok")) as it:
            body = asking(CHAT) | {"model": HAIKU}
            got = await it.ask(it.token(), body, PATHS[CHAT])
            assert got.status == 404
            assert "does not speak" in got.json["error"]["message"]

    asyncio.run(main())


def test_more_tokens_than_an_answer_may_have_are_not_asked_for(tmp_path: Path) -> None:
    async def main() -> None:
        thinking = {"type": "enabled", "budget_tokens": 31_999}
        async with stage(tmp_path, lambda request: Reply(text="ok", usage=USAGE)) as it:
            await it.ask(it.token(), asking(max_tokens=32_000, thinking=thinking))
            (body,) = it.server.bodies
            assert body["max_tokens"] == 16_384
            assert 1_024 <= body["thinking"]["budget_tokens"] < 16_384
            (admitted,) = await it.all(e.CallAdmitted)
            assert (admitted.output_max, admitted.outside) == (16_384, True)

    asyncio.run(main())


@pytest.mark.parametrize("body", [b"", b"[]", b'{"model":1}', b'{"model":"a","messages":[1]}'])
def test_what_is_no_request_is_refused(tmp_path: Path, body: bytes) -> None:
    async def main() -> Answered:
        async with stage(tmp_path, lambda request: Reply(text="ok")) as it:
            return await it.ask(it.token(), body)

    got = asyncio.run(main())
    assert (got.status, got.json["error"]["type"]) == (400, "invalid_request_error")


def test_a_body_that_is_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "BODY_MAX", 10_000)

    async def main() -> None:
        async with stage(tmp_path, lambda request: Reply(text="ok")) as it:
            token, long = it.token(), asking(text="word " * 10_000)
            got = await it.ask(token, long)
            assert (got.status, got.json["error"]["type"]) == (413, "request_too_large")
            packed = gzip.compress(json.encode(long))
            assert len(packed) < 10_000
            got = await it.ask(token, packed, **{"Content-Encoding": "gzip"})
            assert got.status == 413
            packed = gzip.compress(json.encode(asking()))
            got = await it.ask(token, packed, **{"Content-Encoding": "gzip"})
            assert got.status == 200
            assert (await it.ask(token, asking())).status == 200

    asyncio.run(main())


def test_the_models_of_an_actor_are_listed(tmp_path: Path) -> None:
    async def main() -> Any:
        async with stage(tmp_path, lambda request: Reply(text="ok"), aliases={"fast": HAIKU}) as it:
            headers = {"Authorization": f"Bearer {it.token()}"}
            async with it.client.get(f"{it.door.url}/v1/models", headers=headers) as response:
                return await response.json()

    assert [each["id"] for each in asyncio.run(main())["data"]] == ["claude-haiku-4-5", "fast"]


def test_tokens_are_counted_at_no_cost(tmp_path: Path) -> None:
    async def main() -> None:
        async with stage(tmp_path, lambda request: Reply(text="ok")) as it:
            body = asking() | {"temperature": 1}
            got = await it.ask(it.token(), body, "/v1/messages/count_tokens")
            assert got.status == 200
            assert got.json["input_tokens"] > 0
            assert await it.all(e.CallAdmitted) == []

    asyncio.run(main())
