"""Stdio: `leadhand mcp` as MCP clients start it, and the bridge from standard input to HTTP."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from mcp import Client, StdioServerParameters

from leadhand.domain import events as e
from leadhand.harness import Door
from tests.mcp.kit import REPORT, code, connected, given, led
from tests.mcp.test_http import ERAS, play

pytestmark = pytest.mark.slow
VERB = str(Path(sys.executable).parent / "leadhand")
WORKER = """\
from leadhand.models.scripted import Reply

def worker(request):
    return Reply(text="did it", delay_secs=0.2)
"""
MANIFEST = """\
[run]
max_workers = 1
budget_usd = 1.0

[lead]
model = "script:worker.py:worker"
prompt = "Lead it."
directory = "."
"""


def written(folder: Path, text: str = MANIFEST) -> Path:
    """A folder with a manifest and its model."""
    (folder / "worker.py").write_text(WORKER)
    (folder / "m.toml").write_text(text)
    return folder


@asynccontextmanager
async def started(folder: Path, *args: str, mode: str = "auto") -> AsyncIterator[Client]:
    """A client that has started `leadhand mcp`."""
    asked = [*(args or ("m.toml",)), "--run-dir", "runs"]
    given_ = StdioServerParameters(command=VERB, args=["mcp", *asked], cwd=folder)
    async with Client(given_, mode=mode) as client:
        yield client


def runs(folder: Path) -> list[dict[str, Any]]:
    """The runs as `leadhand list` has them."""
    told = subprocess.run(
        [VERB, "list", "--json", "--run-dir", "runs"], cwd=folder, capture_output=True, check=True
    )
    found: list[dict[str, Any]] = msgspec.json.decode(told.stdout)
    return found


def said(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """What `leadhand` says to this, with nobody at its standard input."""
    return subprocess.run(
        [VERB, *args, "--run-dir", "runs"],
        cwd=folder,
        capture_output=True,
        check=False,
        text=True,
        input="",
    )


@pytest.mark.parametrize("mode", ERAS)
def test_a_client_leads_a_run_that_it_has_started(tmp_path: Path, mode: str) -> None:
    async def story() -> None:
        async with started(written(tmp_path), mode=mode) as client:
            names = {each.name for each in (await client.list_tools()).tools}
            assert {"spawn_worker", "wait_actor", "finish"} <= names
            given(await client.call_tool("spawn_worker", {"prompt": "work"}))
            # The house rules are the operator's, whoever leads.
            second = await client.call_tool("spawn_worker", {"prompt": "work"})
            assert code(second) == "max_workers_exceeded"
            told = given(await client.call_tool("wait_actor", {"worker_id": "W1"}))
            assert told["result"] == "did it"
            given(await client.call_tool("finish", {"report": REPORT}))

    play(story())
    (run,) = runs(tmp_path)
    assert run["status"] == "succeeded"


def test_a_client_reads_the_run_and_is_told_how_to_lead_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with started(written(tmp_path)) as client:
            given(await client.call_tool("spawn_worker", {"prompt": "work"}))
            given(await client.call_tool("wait_actor", {"worker_id": "W1"}))
            listed = {str(each.uri) for each in (await client.list_resources()).resources}
            assert {"leadhand://tree", "leadhand://records/root/W1"} <= listed
            assert len((await client.list_resource_templates()).resource_templates) == 2
            tree = msgspec.json.decode(await text_of(client, "leadhand://tree"))
            assert [each["id"] for each in tree["branches"]] == ["root", "root/W1"]
            record = msgspec.json.decode(await text_of(client, "leadhand://records/root/W1"))
            assert record["status"] == "Success"
            said = await text_of(client, "leadhand://transcripts/root/W1")
            kinds = [msgspec.json.decode(line)["type"] for line in said.splitlines()]
            assert kinds[0] == "prompt"
            assert kinds[-1] == "settled"
            own = await text_of(client, "leadhand://transcripts/root")
            assert '"tool":"spawn_worker"' in own
            with pytest.raises(Exception, match="no resource"):
                await client.read_resource("leadhand://records/root/W9")
            assert {each.name for each in (await client.list_prompts()).prompts} == {
                "briefing",
                "worker_prompt",
            }
            briefing = (await client.get_prompt("briefing")).messages[0].content.model_dump()
            assert "at most 1 workers at a time" in briefing["text"]
            assert briefing["text"].endswith("Lead it.")
            made = await client.get_prompt("worker_prompt", {"task": "count the files"})
            assert "count the files" in made.messages[0].content.model_dump()["text"]
            with pytest.raises(Exception, match="task"):
                await client.get_prompt("worker_prompt", {})

    play(story())


async def text_of(client: Client, uri: str) -> str:
    """What a resource holds."""
    (held,) = (await client.read_resource(uri)).contents
    return str(held.model_dump()["text"])


def test_a_worker_reads_of_itself_alone(tmp_path: Path) -> None:
    async def story() -> None:
        async with led(tmp_path) as run:
            async with connected(run.door) as client:
                for _ in range(2):
                    given(await client.call_tool("spawn_worker", {"prompt": "sleep 60"}))
            async with connected(await run.door_of("root/W1")) as client:
                tree = msgspec.json.decode(await text_of(client, "leadhand://tree"))
                assert [each["id"] for each in tree["branches"]] == ["root/W1"]
                assert await text_of(client, "leadhand://transcripts/root/W1")
                for other in ("root", "root/W2"):
                    with pytest.raises(Exception, match="no resource"):
                        await client.read_resource(f"leadhand://transcripts/{other}")
                assert [each.name for each in (await client.list_prompts()).prompts] == ["briefing"]

    play(story())


def test_a_client_that_closes_without_a_report_ends_the_run(tmp_path: Path) -> None:
    async def story() -> None:
        async with started(written(tmp_path), "m.toml", "--grace", "0") as client:
            given(await client.call_tool("spawn_worker", {"prompt": "work"}))

    play(story())
    (run,) = runs(tmp_path)
    assert run["status"] == "failed"


def test_a_run_that_was_stopped_is_led_on(tmp_path: Path) -> None:
    async def story(process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        line = await asyncio.to_thread(process.stdout.readline)
        told = msgspec.json.decode(line)
        async with connected(Door(told["url"], told["token"])) as client:
            given(await client.call_tool("spawn_worker", {"prompt": "work"}))
        process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(process.wait)
        async with started(tmp_path, "--resume", told["run_id"]) as client:
            waited = given(await client.call_tool("wait_actor", {"worker_id": "W1"}))
            assert waited["result"] == "did it"
            given(await client.call_tool("finish", {"report": REPORT}))
        (run,) = runs(tmp_path)
        assert run["status"] == "succeeded"

    args = [VERB, "mcp", "m.toml", "--http", "--run-dir", "runs"]
    with subprocess.Popen(args, cwd=written(tmp_path), stdout=subprocess.PIPE) as process:
        play(story(process))


def test_who_stops_the_verb_is_told_how_to_lead_on(tmp_path: Path) -> None:
    args = [VERB, "mcp", "m.toml", "--http", "--run-dir", "runs"]
    pipe = subprocess.PIPE
    with subprocess.Popen(args, cwd=written(tmp_path), stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        run_id = msgspec.json.decode(process.stdout.readline())["run_id"]
        process.send_signal(signal.SIGINT)
        told = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    command = f"leadhand mcp --resume {run_id} --run-dir {tmp_path / 'runs'}"
    assert f"`{command}` continues" in told.decode()


def test_a_client_that_is_closed_in_the_middle_leaves_a_run_to_go_on_with(tmp_path: Path) -> None:
    async def story() -> None:
        async with started(written(tmp_path)) as client:
            given(await client.call_tool("spawn_worker", {"prompt": "work"}))
        # Its client has told the process to end, and did not wait for it long.
        (run,) = runs(tmp_path)
        assert run["status"] == "interrupted"
        wrong = said(tmp_path, "resume", run["run_id"])
        assert wrong.returncode == 2
        assert "leadhand mcp --resume" in wrong.stderr
        async with started(tmp_path, "--resume", run["run_id"]) as client:
            told = given(await client.call_tool("wait_actor", {"worker_id": "W1"}))
            assert told["settled"]
            given(await client.call_tool("finish", {"report": REPORT}))
        (run,) = runs(tmp_path)
        assert run["status"] == "succeeded"

    play(story())


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "give either a manifest or --resume RUN"),
        (["m.toml", "--resume", "x"], "give either a manifest or --resume RUN"),
        (["tasks.toml"], "a run of tasks has no lead"),
        (["--resume", "nobody"], "nobody"),
    ],
)
def test_what_cannot_be_led_is_refused(tmp_path: Path, args: list[str], words: str) -> None:
    task = '[[task]]\nid = "a"\nprompt = "x"\nmodel = "script:worker.py:worker"\n'
    (written(tmp_path) / "tasks.toml").write_text(task)
    (tmp_path / "runs").mkdir()
    told = said(tmp_path, "mcp", *args)
    assert told.returncode == 2, told.stderr
    assert words in told.stderr
    assert told.stdout == ""


def test_the_bridge_brings_an_actors_door_to_standard_input(tmp_path: Path) -> None:
    async def story() -> None:
        async with led(tmp_path) as run:
            async with connected(run.door) as client:
                given(await client.call_tool("spawn_worker", {"prompt": "sleep 60"}))
            worker = await run.door_of("root/W1")
            env = {**os.environ, "LEADHAND_MCP_URL": worker.url, "LEADHAND_MCP_TOKEN": worker.token}
            args = ["-m", "leadhand.mcp.bridge"]
            bridge = StdioServerParameters(command=sys.executable, args=args, env=env)
            async with Client(bridge) as client:
                names = {each.name for each in (await client.list_tools()).tools}
                assert "report" in names
                assert "spawn_worker" not in names
                meta: Any = {"claudecode/toolUseId": "toolu_1"}
                put = {"path": "/peer/self/a", "value": 1}
                given(await client.call_tool("kv_set", put, meta=meta))
                tried = await client.call_tool("spawn_worker", {"prompt": "x"})
                assert code(tried) == "unknown_tool"
                assert await text_of(client, "leadhand://transcripts/root/W1")
            begun = await run.of(e.ToolBegun)
            assert ("root/W1", "toolu_1") in [(each.actor, each.call) for each in begun]

    play(story())


def test_a_bridge_without_a_door_says_what_it_needs() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "leadhand.mcp.bridge"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        check=False,
        text=True,
    )
    assert told.returncode == 1
    assert "LEADHAND_MCP_TOKEN" in told.stderr
