"""Door broken: whatever goes away in the middle, the call is settled, once, and within bounds."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT
from leadhand.domain.money import Usage
from leadhand.model import Request
from leadhand.testing import Reply
from leadhand.testing.step import Step
from leadhand.wiring import governor
from tests.gateway.door_kit import CHAT, GPT, HAIKU, PATHS, asking, stage, until

USAGE = Usage(300, 70)
LONG = "word " * 2_000
MODELS = [HAIKU, GPT, CHAT]


@pytest.mark.parametrize("model", MODELS)
def test_a_client_that_leaves_in_the_middle_has_its_call_settled_whole(
    tmp_path: Path, model: str
) -> None:
    async def main() -> None:
        slow = Step(text=LONG, chunk_delay_secs=0.05)
        async with stage(tmp_path, lambda request: slow, model) as it:
            url, headers = it.door.url + PATHS[model], {"x-api-key": it.token()}
            async with it.client.post(url, json=asking(model), headers=headers) as response:
                assert await response.content.readany()
                response.close()
            await until(lambda: it.live.engine.run.actors[ROOT].call is None)
            (cut,), (admitted,) = await it.all(e.CallCut), await it.all(e.CallAdmitted)
            assert cut.charged == admitted.bound == it.live.engine.run.spent
            await it.server.until_idle()
            assert it.server.seen[0].ended == "left"
            # The next one is not held up by it.
            it.server.script = lambda request: Reply(text="ok", usage=USAGE)
            assert (await it.ask(it.token(), asking(model), PATHS[model])).status == 200

    asyncio.run(main())


def test_a_client_that_leaves_while_its_call_waits_is_not_billed(tmp_path: Path) -> None:
    async def main() -> None:
        async with stage(tmp_path, lambda request: Reply(text="ok", usage=USAGE)) as it:
            await it.live.engine.submit(c.PauseActor(ROOT, "freeze"))
            asks = asyncio.create_task(it.ask(it.token(), asking()))
            await until(lambda: it.live.engine.run.actors[ROOT].deferral is not None)
            asks.cancel()
            await asyncio.gather(asks, return_exceptions=True)
            await asyncio.sleep(0.05)
            await it.live.engine.submit(c.ContinueActor(ROOT))
            assert (await it.ask(it.token(), asking())).status == 200
            assert await it.all(e.CallCut) == []
            assert len(it.server.seen) == 1

    asyncio.run(main())


@pytest.mark.parametrize("model", MODELS)
def test_a_stream_that_is_cut_is_cut_for_the_client_and_billed(tmp_path: Path, model: str) -> None:
    async def main() -> None:
        drops = Step(text=LONG, drop_after=6)
        async with stage(tmp_path, lambda request: drops, model) as it:
            got = await it.ask(it.token(), asking(model), PATHS[model])
            direct = await it.direct(asking(model), PATHS[model])
            assert (got.whole, got.body) == (False, direct.body)
            (cut,), (admitted,) = await it.all(e.CallCut), await it.all(e.CallAdmitted)
            assert cut.charged == admitted.bound

    asyncio.run(main())


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("bad", ["garbage", "data: {]\n\n", "data: 7\n\n", "\x00\xff\n\n"])
def test_garbage_in_a_stream_reaches_the_client_as_it_is(
    tmp_path: Path, model: str, bad: str
) -> None:
    async def main() -> None:
        async with stage(tmp_path, lambda request: Step(text=LONG, garbage=bad), model) as it:
            got = await it.ask(it.token(), asking(model), PATHS[model])
            direct = await it.direct(asking(model), PATHS[model])
            # Where it can be read no further, the client gets what there was, and a cut.
            assert direct.body.startswith(got.body)
            assert got.whole == (got.body == direct.body)
            run = it.live.engine.run
            assert run.actors[ROOT].call is None

    asyncio.run(main())


def test_an_error_inside_a_stream_reaches_the_client(tmp_path: Path) -> None:
    error = {"type": "error", "error": {"type": "api_error", "message": "it broke"}}
    event = f"event: error\ndata: {json.dumps(error)}\n\n"

    async def main() -> None:
        async with stage(tmp_path, lambda request: Step(text=LONG, garbage=event)) as it:
            got = await it.ask(it.token(), asking())
            assert b"it broke" in got.body
            assert (await it.all(e.CallCut))[0].charged > 0

    asyncio.run(main())


@pytest.mark.slow
@pytest.mark.parametrize("status", [429, 529])
def test_a_limit_is_waited_out_here(tmp_path: Path, status: int) -> None:
    steps = [Step(status=status, headers={"retry-after": "0.2"}), Step(text="ok", usage=USAGE)]

    async def main() -> None:
        async with stage(tmp_path, lambda request: steps.pop(0)) as it:
            assert (await it.ask(it.token(), asking())).status == 200
            assert len(await it.all(e.CallAdmitted)) == 1
            assert await it.all(e.CallCut) == []
            assert len(it.server.seen) == 2

    asyncio.run(main())


def test_a_failure_of_the_provider_is_the_clients_to_try_again(tmp_path: Path) -> None:
    steps = [Step(status=500, text="broken"), Step(text="ok", usage=USAGE)]

    async def main() -> None:
        async with stage(tmp_path, lambda request: steps.pop(0)) as it:
            first = await it.ask(it.token(), asking())
            assert (first.status, "x-should-retry" in first.headers) == (500, False)
            assert (await it.ask(it.token(), asking())).status == 200

    asyncio.run(main())


def test_a_quota_parks_the_run_and_the_client_waits_until_it_goes_on(tmp_path: Path) -> None:
    steps = [Step(status=402, text="no credit"), Step(text="ok", usage=USAGE)]

    async def main() -> None:
        async with stage(tmp_path, lambda request: steps.pop(0)) as it:
            asks = asyncio.create_task(it.ask(it.token(), asking()))
            await until(lambda: it.live.engine.run.parked is not None)
            await asyncio.sleep(0.1)
            assert not asks.done()
            governor().reopen()
            await it.live.engine.submit(c.UnparkRun())
            got = await asks
            assert got.status == 200
            assert [each.charged for each in await it.all(e.CallCut)] == [0]

    asyncio.run(main())


def test_a_quota_that_is_to_fail_reaches_the_client(tmp_path: Path) -> None:
    refuses = Step(status=402, text="no credit")

    async def main() -> None:
        async with stage(tmp_path, lambda request: refuses, house={"on_quota": "fail"}) as it:
            got = await it.ask(it.token(), asking())
            assert (got.status, got.headers["x-should-retry"]) == (402, "false")
            assert it.live.engine.run.parked is None

    asyncio.run(main())


def test_a_slow_client_holds_up_nothing_but_itself(tmp_path: Path) -> None:
    whole = Step(text="word " * 400_000, usage=USAGE)

    async def main() -> None:
        async with stage(tmp_path, lambda request: whole) as it:
            url, headers = it.door.url + PATHS[HAIKU], {"x-api-key": it.token()}
            connector = aiohttp.TCPConnector()
            async with (
                aiohttp.ClientSession(connector=connector, read_bufsize=1_024) as lazy,
                lazy.post(url, json=asking(), headers=headers) as response,
            ):
                # It reads nothing; its answer is read and recorded all the same.
                await until(lambda: it.live.engine.run.actors[ROOT].turns == 1)
                await it.server.until_idle()
                rest = await response.read()
            assert rest == (await it.direct(asking())).body

    asyncio.run(main())


@pytest.mark.slow
def test_nobody_acts_on_an_answer_before_it_is_durable(tmp_path: Path) -> None:
    calls = (("Bash", {"command": "ls"}),)

    def script(request: Request) -> Step:
        return Step(text="I look.", calls=calls, usage=USAGE, chunk_delay_secs=0.02)

    async def main() -> None:
        async with stage(tmp_path, script) as it:
            seen: list[bytes] = []
            written = asyncio.Event()
            submit = it.live.engine.submit

            async def late(command: c.Command) -> object:
                if isinstance(command, c.RecordTurn):
                    await written.wait()
                return await submit(command)

            it.live.engine.submit = late  # type: ignore[method-assign,assignment]
            url, headers = it.door.url + PATHS[HAIKU], {"x-api-key": it.token()}
            async with it.client.post(url, json=asking(), headers=headers) as response:
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        while data := await response.content.readany():
                            seen.append(data)
                early = b"".join(seen)
                assert b"I look." in early
                assert b"message_stop" not in early
                assert (
                    b"tool_use" not in early
                    or b"content_block_stop" not in early.split(b"tool_use", 1)[1]
                )
                written.set()
                rest = await response.content.read()
            assert b"message_stop" in rest

    asyncio.run(main())
