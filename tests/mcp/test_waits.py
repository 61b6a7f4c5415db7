"""Waits: what holds a call over MCP, and what becomes of it when somebody goes away."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, CallId
from leadhand.mcp.http import HttpDoors
from leadhand.tools.call import Toolbox
from tests.mcp.kit import REPORT, Led, connected, given, led, until
from tests.mcp.test_http import ERAS, play

pytestmark = pytest.mark.slow
META: Any = {"claudecode/toolUseId": "toolu_1"}


def waits(run: Led) -> int:
    """How many waits of the lead are open."""
    return len(run.live.engine.run.live(ROOT).waits)


@pytest.mark.parametrize("mode", ERAS)
def test_progress_keeps_a_client_waiting_beyond_its_read_timeout(tmp_path: Path, mode: str) -> None:
    async def story() -> None:
        async with led(tmp_path) as run:
            quick = HttpDoors(run.live.desk(), run.live.secrets, run.live.presence.seen, 0.2)
            door = await quick.open(ROOT)
            heard: list[float] = []

            async def told_of(progress: float, total: float | None, message: str | None) -> None:
                heard.append(progress)
                assert message is not None
                assert message.startswith("wait_actor goes on")

            # The read timeout is that of the connection, as a client of HTTP has it.
            async with connected(door, mode=mode, read=1.0) as client:
                given(await client.call_tool("spawn_worker", {"prompt": "sleep 3"}))
                args = {"worker_id": "root/W1"}
                told = await client.call_tool("wait_actor", args, progress_callback=told_of)
                assert given(told)["result"] == "did sleep 3"
            assert heard == sorted(heard)
            assert len(heard) >= 5
            await quick.stop()

    play(story())


def test_a_wait_ends_within_the_patience_of_the_client_and_says_how_to_go_on(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with led(tmp_path, patience=1) as run, connected(run.door) as client:
            given(await client.call_tool("spawn_worker", {"prompt": "sleep 60"}))
            for more in ({}, {"timeout_secs": 3_000}):
                args = {"worker_id": "root/W1", **more}
                told = given(await client.call_tool("wait_actor", args))
                assert not told["settled"]
                assert "ran out" in told["why"]
                assert "Call again" in told["next"]
            # The time of a worker is not that of a wait.
            made = {"prompt": "sleep 60", "timeout_secs": 600}
            given(await client.call_tool("spawn_worker", made))
            assert run.live.engine.run.actors[ROOT].live_children == ["root/W1", "root/W2"]
            worker = run.live.engine.run.actors[run.live.engine.run.actors[ROOT].live_children[1]]
            assert worker.timeout_ms == 600_000

    play(story())


@pytest.mark.parametrize("mode", ERAS)
def test_a_cancelled_request_ends_its_wait_and_may_come_again(tmp_path: Path, mode: str) -> None:
    async def story() -> None:
        async with led(tmp_path) as run, connected(run.door, mode=mode) as client:
            given(await client.call_tool("spawn_worker", {"prompt": "sleep 2"}))
            wait = client.call_tool("wait_actor", {"worker_id": "root/W1"}, meta=META)
            calling = asyncio.create_task(wait)
            await until(lambda: waits(run) == 1)
            calling.cancel()
            await until(lambda: waits(run) == 0)
            again = await client.call_tool("wait_actor", {"worker_id": "root/W1"}, meta=META)
            assert given(again)["settled"]

    play(story())


def test_a_cancelled_command_is_not_repeated(tmp_path: Path) -> None:
    async def story() -> None:
        async with led(tmp_path) as run:
            async with connected(run.door) as client:
                given(await client.call_tool("spawn_worker", {"prompt": "sleep 60"}))
            worker = await run.door_of("root/W1")
            mark = tmp_path / "work" / "mark"
            async with connected(worker) as client:
                args = {"command": f"echo x >> {mark}; sleep 60"}
                calling = asyncio.create_task(client.call_tool("Bash", args, meta=META))
                await until(lambda: mark.exists() and mark.read_text())
                calling.cancel()
                lives = run.live.engine.run.actors
                await until(lambda: not lives[worker_id(run)].tools)
                again = await client.call_tool("Bash", args, meta=META)
                assert again.is_error
                assert "outcome unknown" in str(again.structured_content)
            assert mark.read_text() == "x\n"

    play(story())


def worker_id(run: Led) -> Any:
    """The first worker."""
    return run.live.engine.run.actors[ROOT].live_children[0]


def test_two_that_ask_for_the_same_call_get_one_answer(tmp_path: Path) -> None:
    async def story() -> None:
        async with led(tmp_path) as run, connected(run.door) as client:
            given(await client.call_tool("spawn_worker", {"prompt": "sleep 1"}))
            args = {"worker_id": "root/W1"}
            both = [client.call_tool("wait_actor", args, meta=META) for _ in range(2)]
            first, second = await asyncio.gather(*both)
            assert given(first) == given(second)
            assert sum(each.call == "toolu_1" for each in await run.of(e.ToolBegun)) == 1

    play(story())


def test_a_server_that_starts_again_goes_on_with_the_same_tokens(tmp_path: Path) -> None:
    async def story() -> None:
        async with led(tmp_path) as run:
            async with connected(run.door) as client:
                given(await client.call_tool("spawn_worker", {"prompt": "sleep 3"}))
                args = {"worker_id": "root/W1"}
                waiting = asyncio.create_task(client.call_tool("wait_actor", args, meta=META))
                await until(lambda: waits(run) == 1)
                await run.doors.stop()
                await asyncio.wait([waiting], timeout=5)
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
            await run.doors.start()
            async with connected(run.door) as client:
                told = await client.call_tool("wait_actor", args, meta=META)
                assert given(told)["result"] == "did sleep 3"

    play(story())


def test_a_run_whose_owner_ended_in_a_wait_is_led_on(tmp_path: Path) -> None:
    async def story() -> None:
        async with led(tmp_path) as run, connected(run.door) as client:
            given(await client.call_tool("spawn_worker", {"prompt": "sleep 2"}, meta=META))
            wait: Any = {"claudecode/toolUseId": "toolu_2"}
            args = {"worker_id": "root/W1"}
            waiting = asyncio.create_task(client.call_tool("wait_actor", args, meta=wait))
            await until(lambda: waits(run) == 1)
            run.run.suspend()
            assert (await run.run.ended()).status == "interrupted"
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            name = run.run.id
        async with led(tmp_path, resume=name) as run, connected(run.door) as client:
            spawned = given(await client.call_tool("spawn_worker", {"prompt": "x"}, meta=META))
            assert spawned["worker_id"] == "root/W1"
            assert len(await run.of(e.ActorSpawned)) == 2
            told = given(await client.call_tool("wait_actor", args, meta=wait))
            assert told["result"] == "did sleep 2"
            given(await client.call_tool("finish", {"report": REPORT}))
            assert (await run.run.result()).status == "succeeded"

    play(story())


def test_a_client_that_stays_away_ends_the_run(tmp_path: Path) -> None:
    async def story() -> None:
        async with led(tmp_path) as run:
            run.live.presence.grace_secs = 0.5
            async with connected(run.door) as client:
                given(await client.call_tool("spawn_worker", {"prompt": "sleep 1"}))
                # In the middle of a call it is there, however long that takes.
                given(await client.call_tool("wait_actor", {"worker_id": "root/W1"}))
            result = await run.run.result()
            assert result.status == "failed"
            assert "went away" in run.live.engine.run.records[ROOT].error

    play(story())


def test_a_paused_lead_is_told_so_and_goes_on(tmp_path: Path) -> None:
    async def story() -> None:
        async with led(tmp_path) as run, connected(run.door) as client:
            given(await client.call_tool("spawn_worker", {"prompt": "sleep 60"}))
            args = {"worker_id": "root/W1"}
            waiting = asyncio.create_task(client.call_tool("wait_actor", args))
            await until(lambda: waits(run) == 1)
            await run.run.pause("root")
            cut = await waiting
            assert cut.is_error
            assert "call again" in str(cut.structured_content)
            refused = await client.call_tool("list_workers", {})
            assert refused.is_error
            assert "paused" in str(refused.structured_content)
            await run.run.continue_("root")
            given(await client.call_tool("list_workers", {}))

    play(story())


def test_a_hundred_clients_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with led(tmp_path) as run:
            async with connected(run.door) as client:
                for _ in range(100):
                    given(await client.call_tool("spawn_worker", {"prompt": "sleep 60"}))
            opened = [await run.door_of(f"root/W{number}") for number in range(1, 101)]

            async def one(number: int) -> str:
                async with connected(opened[number]) as client:
                    path = f"/peer/self/n{number}"
                    given(await client.call_tool("kv_set", {"path": path, "value": number}))
                    read = given(await client.call_tool("kv_get", {"path": path}))
                    return str(read["value"])

            found = await asyncio.gather(*map(one, range(100)))
            assert [int(each) for each in found] == [*range(100)]
            put = {(each.actor, each.path) for each in await run.of(e.EntryPut)}
            assert len(put) == 100

    play(story())


def test_why_says_that_a_lead_waits_for_its_client(tmp_path: Path) -> None:
    async def story() -> None:
        async with led(tmp_path) as run:
            (told,) = await run.run.why("root")
            assert "waits for the MCP client that leads the run" in str(told)

    play(story())


def test_a_call_may_be_no_more_than_its_tool(tmp_path: Path) -> None:
    async def story() -> None:
        async with led(tmp_path) as run:
            desk = run.live.desk()
            assert isinstance(desk.means.toolbox, Toolbox)
            result = await desk.call(ROOT, "no_such_tool", {}, "")
            assert result.is_error
            assert CallId(result.id).startswith("mcp:")
            assert await run.of(e.CallerDenied) == []

    play(story())
