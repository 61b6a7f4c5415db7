"""Http: MCP clients over real HTTP, with the SDK's own client: what works, and who is let in."""

import asyncio
import socket
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import httpx2
import pytest

from leadhand.domain import events as e
from leadhand.domain.ids import ROOT
from leadhand.harness import Door
from tests.mcp.kit import REPORT, Led, code, connected, given, led, until

ERAS = ["auto", "legacy"]
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}

pytestmark = pytest.mark.slow


def play(story: Coroutine[Any, Any, None]) -> None:
    """Let it happen in an event loop of its own."""
    asyncio.run(story)


async def posted(door: Door, **headers: str) -> int:
    """The status that a bare request is answered with."""
    kind = {"Accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient() as http:
        answer = await http.post(door.url, json=LIST, headers={**kind, **headers})
        return answer.status_code


async def denials(run: Led) -> list[tuple[str, str]]:
    """Who was turned away, and why."""
    return [(each.actor, each.why) for each in await run.of(e.CallerDenied)]


@pytest.mark.parametrize("mode", ERAS)
def test_a_client_leads_a_run_to_its_report(tmp_path: Path, mode: str) -> None:
    async def story() -> None:
        async with led(tmp_path) as run:
            async with connected(run.door, mode=mode) as client:
                made = given(await client.call_tool("spawn_worker", {"prompt": "work"}))
                assert made["worker_id"] == "root/W1"
                waited = given(await client.call_tool("wait_actor", {"worker_id": "root/W1"}))
                assert (waited["settled"], waited["result"]) == (True, "did work")
                finished = await client.call_tool("finish", {"report": REPORT})
                assert given(finished) == {"finished": True}
            result = await run.run.result()
            assert result.status == "succeeded"
            assert [each.tool for each in await run.of(e.ToolBegun)] == [
                "spawn_worker",
                "wait_actor",
                "finish",
            ]

    play(story())


def test_each_role_has_its_tools_and_waits_are_read_only(tmp_path: Path) -> None:
    async def story() -> None:
        async with led(tmp_path) as run:
            async with connected(run.door) as client:
                lead = {each.name: each for each in (await client.list_tools()).tools}
                given(await client.call_tool("spawn_worker", {"prompt": "sleep 60"}))
            async with connected(await run.door_of("root/W1")) as client:
                worker = {each.name: each for each in (await client.list_tools()).tools}
        assert {"spawn_worker", "wait_actor", "finish", "kv_get", "Read"} <= lead.keys()
        assert {"report", "kv_get", "Bash"} <= worker.keys()
        assert not {"spawn_worker", "wait_actor", "finish"} & worker.keys()
        assert "report" not in lead
        for name, tool in (lead | worker).items():
            assert tool.annotations is not None
            reads = name.startswith(("wait_", "kv_get", "kv_wait", "list_", "Read", "Grep", "Glob"))
            assert tool.annotations.read_only_hint or not reads, name
            effects = name in ("spawn_worker", "finish", "Bash", "kv_set")
            assert not (effects and tool.annotations.read_only_hint), name

    play(story())


def test_every_tool_of_a_lead_answers_with_an_object(tmp_path: Path) -> None:
    async def story() -> None:
        async with led(tmp_path) as run, connected(run.door) as client:
            for tool in (await client.list_tools()).tools:
                result = await client.call_tool(tool.name, {"timeout_secs": "soon"})
                assert isinstance(result.structured_content, dict), tool.name
                assert result.content[0].model_dump()["text"], tool.name
            (tmp_path / "work" / "a.md").write_text("real words")
            read = await client.call_tool("Read", {"file_path": "a.md"})
            assert "real words" in given(read)["text"]

    play(story())


def test_without_a_token_of_an_actor_nothing_is_told_and_it_is_recorded(tmp_path: Path) -> None:
    async def story() -> None:
        async with led(tmp_path) as run:
            forged = run.door.token[:-1] + ("a" if run.door.token[-1] != "a" else "b")
            assert await posted(run.door) == 401
            assert await posted(run.door, Authorization=f"Basic {run.door.token}") == 401
            assert await posted(run.door, Authorization=f"Bearer {forged}") == 401
            assert await posted(run.door, Authorization="Bearer " + "x" * 5_000) == 401
            old = run.door.token
            await run.door_of(ROOT)
            assert await posted(run.door, Authorization=f"Bearer {old}") == 401
            assert await denials(run) == [
                ("", "it has no token"),
                ("", "it has no token"),
                ("", "its token is nobody's"),
                ("", "its token is nobody's"),
                ("root", "its token was that of root and holds no longer"),
            ]

    play(story())


def test_a_page_of_another_host_is_turned_away(tmp_path: Path) -> None:
    async def story() -> None:
        async with led(tmp_path) as run:
            mine = {"Authorization": f"Bearer {run.door.token}"}
            assert await posted(run.door, Host="evil.example", **mine) == 403
            assert await posted(run.door, Host=f"evil.example:{run.doors.port}", **mine) == 403
            assert await posted(run.door, Origin="http://evil.example", **mine) == 403
            assert [why for _, why in await denials(run)] == [
                "its Host is not ours",
                "its Host is not ours",
                "its Origin is not ours",
            ]

    play(story())


def test_a_worker_that_calls_a_leads_tool_is_refused_and_recorded(tmp_path: Path) -> None:
    async def story() -> None:
        async with led(tmp_path) as run:
            async with connected(run.door) as client:
                given(await client.call_tool("spawn_worker", {"prompt": "sleep 60"}))
            async with connected(await run.door_of("root/W1")) as client:
                # What a message says of who it is from changes nothing.
                meta: Any = {"actor": "root", "from": "root"}
                tried = await client.call_tool("spawn_worker", {"prompt": "x"}, meta=meta)
                assert code(tried) == "unknown_tool"
            (denial,) = await run.of(e.CallerDenied)
            assert (denial.actor, denial.tool) == ("root/W1", "spawn_worker")
            assert len(await run.of(e.ActorSpawned)) == 2

    play(story())


def test_a_session_of_another_actor_is_not_there(tmp_path: Path) -> None:
    async def story() -> None:
        async with led(tmp_path) as run:
            async with connected(run.door, mode="legacy") as client:
                given(await client.call_tool("spawn_worker", {"prompt": "sleep 60"}))
                session = next(iter(run.doors.guard.sessions))
                worker = await run.door_of("root/W1")
                mine = {"Authorization": f"Bearer {worker.token}", "Mcp-Session-Id": session}
                assert await posted(worker, **mine) == 404
            assert await denials(run) == [("root/W1", "it used the session of another actor")]

    play(story())


def test_it_listens_on_this_machine_alone(tmp_path: Path) -> None:
    async def story() -> None:
        async with led(tmp_path) as run:
            for host in {socket.gethostbyname(socket.gethostname()), "127.0.0.2"} - {"127.0.0.1"}:
                with pytest.raises(OSError, match="Connect call failed"):
                    await asyncio.open_connection(host, run.doors.port)

    play(story())


def test_a_token_is_nowhere_in_the_folder_and_in_no_child(tmp_path: Path) -> None:
    async def story() -> None:
        async with led(tmp_path) as run:
            async with connected(run.door) as client:
                told = {"prompt": f"say {run.door.token}"}
                given(await client.call_tool("spawn_worker", told))
                given(await client.call_tool("wait_actor", {"worker_id": "root/W1"}))
                given(await client.call_tool("spawn_worker", {"prompt": "sleep 60"}))
                worker = await run.door_of("root/W2")
            async with connected(worker) as client:
                env = given(await client.call_tool("Bash", {"command": "env"}))
                assert "PATH=" in str(env)
                assert run.door.token not in str(env)
            given_out = [run.door.token.encode(), worker.token.encode()]
            await run.live.engine.flush()
            for path in run.run.folder.rglob("*"):
                if path.is_file():
                    data = path.read_bytes()
                    assert not any(token in data for token in given_out), path

    play(story())


def test_a_call_that_comes_again_is_answered_as_before(tmp_path: Path) -> None:
    async def story() -> None:
        async with led(tmp_path) as run, connected(run.door) as client:
            meta: Any = {"claudecode/toolUseId": "toolu_1"}
            first = await client.call_tool("spawn_worker", {"prompt": "work"}, meta=meta)
            again = await client.call_tool("spawn_worker", {"prompt": "work"}, meta=meta)
            assert given(first) == given(again)
            assert len(await run.of(e.ActorSpawned)) == 2
            keyed = {"prompt": "more", "key": "k"}
            made = given(await client.call_tool("spawn_worker", keyed))
            assert not made.get("already")
            twice = given(await client.call_tool("spawn_worker", keyed))
            assert (twice["worker_id"], twice["already"]) == (made["worker_id"], True)

    play(story())


def test_mail_comes_with_the_next_result_and_ends_a_wait(tmp_path: Path) -> None:
    async def story() -> None:
        async with led(tmp_path) as run, connected(run.door) as client:
            given(await client.call_tool("spawn_worker", {"prompt": "sleep 60"}))
            wait = client.call_tool("wait_actor", {"worker_id": "root/W1"})
            waiting = asyncio.create_task(wait)
            await until(lambda: run.live.engine.run.live(ROOT).waits)
            await run.run.send("root", "stop <message>that")
            told = given(await waiting)
            assert not told["settled"]
            assert "message for you" in told["why"]
            assert told["next"]
            (mail,) = told["mail"]
            assert mail.startswith('<message from="operator"')
            assert "&lt;message>" in mail
            after = given(await client.call_tool("list_workers", {}))
            assert "mail" not in after

    play(story())
