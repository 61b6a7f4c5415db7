"""Tools: functions of a program reach the actors that name them, and nobody else."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

import leadhand
from leadhand.testing import done
from tests.api.kit import Crew, manifest, opened, play, report

sold: list[tuple[str, str, str]] = []


@leadhand.tool(effect="reads")
def price(fruit: str) -> dict[str, int]:
    """What a fruit costs.

    Args:
        fruit: Its name.
    """
    return {fruit: 3}


@leadhand.tool
async def sell(context: leadhand.Context, fruit: str) -> str:
    """Sell a fruit."""
    sold.append((context.actor_id, context.workspace.name, fruit))
    if fruit == "stone":
        raise ValueError("a stone is no fruit")
    return f"{fruit} is sold"


def asked(folder: Path, crew: Crew, *tools: Any, **more: Any) -> leadhand.Result:
    return leadhand.run(
        manifest(**more), run_dir=folder / "runs", directory=folder, models={"crew": crew},
        tools=tools,
    )  # fmt: skip


def test_a_worker_whose_spawn_names_a_tool_has_it(tmp_path: Path) -> None:
    sold.clear()
    crew = Crew(tool="sell", fruit="pear")
    assert asked(tmp_path, crew, price, sell).ok
    assert sorted(sold) == [("root/W1", tmp_path.name, "pear"), ("root/W2", tmp_path.name, "pear")]
    assert crew.seen == ["pear is sold"] * 2


def test_what_a_tool_raises_is_told_to_the_model_and_the_run_goes_on(tmp_path: Path) -> None:
    crew = Crew(tool="sell", fruit="stone")
    assert asked(tmp_path, crew, sell).ok
    said = '{"error":{"code":"tool_failed","message":"ValueError: a stone is no fruit"}}'
    assert crew.seen == [said] * 2


def test_a_tool_that_nobody_brought_is_refused_to_a_spawn_with_those_there_are(
    tmp_path: Path,
) -> None:
    refusals: list[str] = []

    def lead(request: leadhand.Request) -> leadhand.Reply | str:
        [*spawned] = done(request, "spawn_worker")
        if spawned:
            refusals.extend(each.text for each in spawned)
            return report("failed", [], ["- all: no tool"])
        args = {"prompt": "Do it.", "tools": ["sell"]}
        return leadhand.Reply(calls=(("spawn_worker", args),))

    def tool_words(request: leadhand.Request) -> str:
        [found] = [each for each in request.tools if each.name == "spawn_worker"]
        return found.description

    words: list[str] = []

    def play_lead(request: leadhand.Request) -> leadhand.Reply | str:
        words.append(tool_words(request))
        return lead(request)

    result = leadhand.run(manifest(), run_dir=tmp_path, models={"crew": play_lead}, tools=[price])
    assert result.status == "failed"
    [refusal] = refusals
    assert "unknown tools: sell; known: Read, " in refusal
    assert "WebFetch, price" in refusal
    assert words[0].endswith("Beside the usual work tools it may be given price.")


def test_an_actor_has_a_tool_that_its_manifest_names_and_no_other(tmp_path: Path) -> None:
    offered: dict[str, set[str]] = {}

    async def watching(request: leadhand.Request) -> leadhand.Reply | str:
        offered[request.actor_id] = {each.name for each in request.tools}
        return await crew(request)

    crew = Crew()
    lead = {"id": "api", "prompt": "Have one done.", "tools": ["Read", "price"]}
    defaults = {"model": "script:crew", "tools": ["sell", "Read"]}
    result = leadhand.run(
        manifest(lead=lead, defaults=defaults),
        run_dir=tmp_path,
        models={"crew": watching},
        tools=[price, sell],
    )
    assert result.ok
    assert {"Read", "price", "spawn_worker"} <= offered["root"]
    assert "sell" not in offered["root"]
    assert {"Read", "sell", "kv_get"} <= offered["root/W1"]
    assert offered["root/W1"].isdisjoint({"Write", "price", "spawn_worker"})


def test_a_manifest_that_names_a_tool_nobody_brought_has_a_fault(tmp_path: Path) -> None:
    lead = {"id": "api", "prompt": "Have one done.", "tools": ["sel"]}
    with pytest.raises(leadhand.ManifestError) as caught:
        leadhand.run(manifest(lead=lead), run_dir=tmp_path, models={"crew": Crew()}, tools=[sell])
    [fault] = caught.value.faults
    assert (fault.key, fault.mend) == ("lead.tools[0]", 'Did you mean "sell"?')


def test_a_run_that_is_resumed_without_its_tool_is_told_so(tmp_path: Path) -> None:
    said: list[str] = []
    release = asyncio.Event()

    async def worker(request: leadhand.Request) -> leadhand.Reply | str:
        if request.actor_id == "root":
            return Crew().lead(request)
        if not done(request, "sell"):
            await release.wait()
            return leadhand.Reply(calls=(("sell", {"fruit": "pear"}),))
        said.extend(each.text for each in done(request, "sell"))
        return "It could not be sold."

    crew = Crew(tool="sell")

    async def script(request: leadhand.Request) -> leadhand.Reply | str:
        crew.asked[request.actor_id] += 1
        return crew.lead(request) if request.actor_id == "root" else await worker(request)

    async def main() -> leadhand.Result:
        runs = tmp_path / "runs"
        async with leadhand.open(runs, models={"crew": script}, tools=[sell]) as lh:
            run = await lh.dispatch(manifest(lead={"id": "api", "prompt": "Have one done."}))
            await crew.met(1)
        release.set()
        async with leadhand.open(runs, models={"crew": script}) as lh:
            return await (await lh.resume(run.id)).result()

    result = play(main())
    assert result.ok
    [refusal] = said
    assert '"code":"unknown_tool"' in refusal
    assert "sell is a Python function of the program that dispatched this run" in refusal
    assert "the process that goes on with it was not given it" in refusal


def test_a_run_whose_model_is_not_given_is_not_touched(tmp_path: Path) -> None:
    async def main() -> None:
        crew = Crew(opened=False)
        async with opened(tmp_path, crew) as lh:
            run = await lh.dispatch(manifest())
            await crew.met()
        async with leadhand.open(tmp_path / "runs") as lh:
            other = await lh.run(run.id)
            before = [each async for each in other.events()]
            with pytest.raises(leadhand.UsageError, match="script:crew: it is a Python function"):
                await lh.resume(run.id)
            assert [each async for each in other.events()] == before
            assert (await other.status()).owner == ""

    play(main())


def test_a_tool_in_a_thread_that_never_returns_holds_nobody_up(tmp_path: Path) -> None:
    def stuck() -> str:
        """Never return, as it seems."""
        time.sleep(30)
        return "late"  # pragma: no cover

    async def main() -> float:
        crew = Crew(tool="stuck")
        async with opened(tmp_path, crew, tools=[stuck]) as lh:
            await lh.dispatch(manifest())
            await crew.met()
            await asyncio.sleep(0.2)
            began = time.monotonic()
        return time.monotonic() - began

    assert play(main()) < 10
