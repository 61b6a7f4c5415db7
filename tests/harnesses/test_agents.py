"""Agents: real coding agents as workers, held to what a session in this process is held to."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.manifest import (
    Agent,
    ApprovalPolicy,
    Approvals,
    HarnessName,
    HouseRules,
    Manifest,
    Settings,
)
from leadhand.model import Request
from leadhand.testing.model_server import model_server
from leadhand.testing.step import Step, from_prompt, with_script
from tests.harnesses.contract_kit import (
    MODELS,
    REPORT,
    UNIT,
    W1,
    Speech,
    Stage,
    asked,
    marked,
    resumed,
    staged,
)

PROGRAMS = ("claude-code", pytest.param("codex", marks=pytest.mark.agents))
Acts = Callable[[Stage, Path], Awaitable[None]]


def play(base: Path, manifest: Manifest, acts: Acts) -> None:
    """Play a run while somebody acts upon it; afterwards no process of it is left."""

    async def played() -> None:
        async with model_server() as server, staged(base, manifest, server) as stage:
            await acts(stage, base / "work")
            run_id = stage.live.run_id
        assert not marked(f"LEADHAND_RUN={run_id}")

    asyncio.run(played())


def of_kind(events: list[e.Event], kind: type[Any]) -> list[Any]:
    """The events of a kind."""
    return [each for each in events if isinstance(each, kind)]


def ending(text: str) -> list[Step]:
    """The last step of a session that was asked to end and goes on: Claude Code then adds an answer
    of its own to its conversation, which the script counts."""
    return [Step(text=text)] * 2


def holding(work: Path) -> str:
    """A command that says that it is there, and goes on until it may end."""
    return f"touch {work}/busy; while [ ! -e {work}/go ]; do sleep 0.05; done"


def test_a_worker_works_shares_and_reports_and_every_token_is_counted(
    harness: HarnessName, tmp_path: Path, work: Path
) -> None:
    say = Speech(harness)
    steps = [
        Step(calls=(say.write(work / "a.txt", "hello"),)),
        Step(calls=(say.ours("kv_set", path="/shared/found", value="42"),)),
        Step(calls=(say.ours("report", status="completed", summary="wrote a.txt"),)),
    ]

    async def acts(stage: Stage, work: Path) -> None:
        assert await stage.over()
        record = stage.record()
        assert (record.status, record.preview, record.turns) == ("Success", "wrote a.txt", 3)
        assert (work / "a.txt").read_text().strip() == "hello"
        seen = [each for each in stage.server.seen if each.actor == W1]
        assert [each.ended for each in seen] == ["answered"] * 3
        events = await stage.events(W1)
        turns = of_kind(events, e.TurnRecorded)
        assert record.spent == sum(each.cost for each in turns) > 0
        assert record.spent == sum(each.usage.context for each in turns)
        tools = [intent.tool for each in turns for intent in each.intents]
        wrote = "apply_patch" if harness == "codex" else "Write"
        assert tools == [wrote, "kv_set", "report"]
        assert len(of_kind(events, e.ToolReturned)) == 3

    play(tmp_path, asked(harness, work, with_script("Do it.", steps)), acts)


def test_what_is_said_while_it_works_is_read_at_the_next_boundary(
    harness: HarnessName, tmp_path: Path, work: Path
) -> None:
    say = Speech(harness)
    steps = [Step(calls=(say.shell(holding(work)),)), Step(text="heard you")]

    async def acts(stage: Stage, work: Path) -> None:
        stage.server.keep_bodies()
        await stage.until_there(work / "busy")
        await stage.submit(c.SendMessage(W1, "Mind the gap."))
        if harness != "api":
            await stage.until(lambda run: not run.actors[W1].mail)
        (work / "go").touch()
        assert await stage.over()
        assert stage.record().preview == "heard you"
        assert any("Mind the gap." in str(each) for each in stage.server.bodies)

    play(tmp_path, asked(harness, work, with_script("Do it.", steps)), acts)


def test_a_settled_worker_is_continued_with_its_conversation(
    harness: HarnessName, tmp_path: Path, work: Path
) -> None:
    worker = with_script("Do it.", [Step(text="first answer")])
    more = with_script("Do more.", [Step(text="second answer")])
    lead = [
        Step(calls=(("spawn_worker", {"prompt": worker, "agent": "one"}),)),
        Step(calls=(("wait_actor", {"worker_id": "root/W1"}),)),
        Step(calls=(("continue_worker", {"worker_id": "root/W1", "prompt": more}),)),
        Step(calls=(("wait_actor", {"worker_id": "root/W1"}),)),
        Step(text=REPORT),
    ]

    async def acts(stage: Stage, work: Path) -> None:
        assert await stage.over()
        record = stage.record()
        assert (record.stint, record.status, record.preview) == (2, "Success", "second answer")
        assert record.turns == 2

    play(tmp_path, asked(harness, work, worker, lead), acts)


def test_a_paused_worker_leaves_nothing_running_and_goes_on(
    harness: HarnessName, tmp_path: Path, work: Path
) -> None:
    say = Speech(harness)
    steps = [Step(calls=(say.shell(f"touch {work}/busy; sleep 600"),)), *ending("went on")]

    async def acts(stage: Stage, work: Path) -> None:
        await stage.until_there(work / "busy")
        await stage.submit(c.PauseActor(W1))
        await stage.until(lambda run: not run.actors[W1].halting and not stage.pids())
        await stage.submit(c.ContinueActor(W1))
        assert await stage.over()
        assert (stage.record().status, stage.record().preview) == ("Success", "went on")

    play(tmp_path, asked(harness, work, with_script("Do it.", steps)), acts)


def test_a_cancelled_worker_ends_in_the_middle_of_a_tool(
    harness: HarnessName, tmp_path: Path, work: Path
) -> None:
    say = Speech(harness)
    steps = [Step(calls=(say.shell(f"touch {work}/busy; sleep 600"),)), Step(text="never")]

    async def acts(stage: Stage, work: Path) -> None:
        await stage.until_there(work / "busy")
        await stage.submit(c.CancelActor(W1, "enough"))
        assert await stage.over()
        assert stage.record().status == "Cancelled"
        assert not stage.pids()

    play(tmp_path, asked(harness, work, with_script("Do it.", steps)), acts)


def test_a_call_that_a_policy_rejects_is_not_carried_out(
    harness: HarnessName, tmp_path: Path, work: Path
) -> None:
    say = Speech(harness)
    steps = [Step(calls=(say.shell(f"touch {work}/forbidden"),)), Step(text="so be it")]
    rule = ApprovalPolicy("auto_reject", tool="Bash", command="*forbidden*", reason="not that")

    async def acts(stage: Stage, work: Path) -> None:
        stage.server.keep_bodies()
        assert await stage.over()
        assert stage.record().preview == "so be it"
        assert not (work / "forbidden").exists()
        (result,) = of_kind(await stage.events(W1), e.ToolReturned)
        assert "reject" in result.content.lower()
        # Codex has no place for a reason in its own refusal: it is told beside.
        assert any("not that" in str(each) for each in stage.server.bodies)

    manifest = asked(harness, work, with_script("Do it.", steps), approvals=Approvals((rule,)))
    play(tmp_path, manifest, acts)


def test_a_call_waits_for_the_operator_and_runs_once_approved(
    harness: HarnessName, tmp_path: Path, work: Path
) -> None:
    say = Speech(harness)
    steps = [Step(calls=(say.shell(f"touch {work}/asked"),)), Step(text="thanks")]

    async def acts(stage: Stage, work: Path) -> None:
        await stage.until(lambda run: W1 in run.actors and run.actors[W1].approvals)
        assert not (work / "asked").exists()
        (question,) = stage.run.actors[W1].approvals.values()
        await stage.submit(c.AnswerApproval(question.id, approved=True))
        assert await stage.over()
        assert (work / "asked").exists()
        assert stage.record().preview == "thanks"

    approvals = Approvals((ApprovalPolicy("block", tool="Bash"),))
    manifest = asked(harness, work, with_script("Do it.", steps), approvals=approvals)
    play(tmp_path, manifest, acts)


def test_a_file_outside_of_its_places_is_not_written(
    harness: HarnessName, tmp_path: Path, work: Path
) -> None:
    say = Speech(harness)
    steps = [Step(calls=(say.write(tmp_path / "beside", "x"),)), Step(text="so be it")]

    async def acts(stage: Stage, work: Path) -> None:
        stage.server.keep_bodies()
        assert await stage.over()
        assert not (tmp_path / "beside").exists()
        assert len(of_kind(await stage.events(W1), e.ToolReturned)) == 1
        assert any("is outside what you may use" in str(each) for each in stage.server.bodies)

    play(tmp_path, asked(harness, work, with_script("Do it.", steps)), acts)


def test_its_turns_are_limited(harness: HarnessName, tmp_path: Path, work: Path) -> None:
    say = Speech(harness)
    steps = [Step(calls=(say.shell("true"),))] * 5

    async def acts(stage: Stage, work: Path) -> None:
        assert await stage.over()
        record = stage.record()
        assert (record.status, record.turns) == ("Failed", 2)
        assert "max_turns reached" in record.error

    play(tmp_path, asked(harness, work, with_script("Do it.", steps), max_turns=2), acts)


def test_a_worker_that_asks_for_ten_times_its_budget_stops_within_it(
    harness: HarnessName, tmp_path: Path, work: Path
) -> None:
    say = Speech(harness)
    steps = [Step(calls=(say.shell("true"),))] * 60
    # In nano-dollars, one a token.
    budget = {"api": 25_000, "claude-code": 120_000, "codex": 80_000}[harness]

    async def acts(stage: Stage, work: Path) -> None:
        assert await stage.over()
        record = stage.record()
        assert 0 < record.spent <= budget
        assert 0 < record.turns < 60
        told = [each.kind for each in of_kind(await stage.events(W1), e.MessageSent)]
        assert "budget_low" in told or "budget_gone" in told

    house = HouseRules(max_output_tokens=2_000)
    worker = with_script("Do it.", steps)
    manifest = asked(
        harness, work, worker, house=house, budget_nanousd=budget, max_tokens=2_000, max_turns=99
    )
    play(tmp_path, manifest, acts)


@pytest.mark.parametrize("status", [429, 529, 500])
def test_a_provider_that_refuses_once_is_asked_again(
    status: int, harness: HarnessName, tmp_path: Path, work: Path
) -> None:
    refused: list[Request] = []

    def script(request: Request) -> Step:
        if request.actor_id == W1 and not refused:
            refused.append(request)
            return Step(status=status, headers={"retry-after": "0"})
        return from_prompt(request)

    async def played() -> None:
        manifest = asked(harness, work, with_script("Do it.", [Step(text="got there")]))
        async with model_server(script) as server, staged(tmp_path, manifest, server) as stage:
            assert await stage.over()
            assert (stage.record().status, stage.record().preview) == ("Success", "got there")
        assert refused

    asyncio.run(played())


@pytest.mark.parametrize("agent", PROGRAMS)
def test_a_session_whose_program_is_killed_goes_on_where_it_was(
    agent: HarnessName, tmp_path: Path, work: Path
) -> None:
    say = Speech(agent)
    steps = [
        Step(calls=(say.shell(f"echo once >> {work}/log"),)),
        Step(calls=(say.shell(holding(work)),)),
        *ending("went on"),
    ]

    async def acts(stage: Stage, work: Path) -> None:
        await stage.until_there(work / "busy")
        programs = [pid for pid in stage.pids() if Path(f"/proc/{pid}/exe").resolve().name in agent]
        assert programs
        for pid in programs:
            os.kill(pid, signal.SIGKILL)
        await stage.until(lambda run: run.actors[W1].crashes)
        (work / "go").touch()
        assert await stage.over()
        assert (stage.record().status, stage.record().preview) == ("Success", "went on")
        assert (work / "log").read_text() == "once\n"

    play(tmp_path, asked(agent, work, with_script("Do it.", steps)), acts)


@pytest.mark.parametrize("agent", PROGRAMS)
def test_a_run_that_is_let_go_of_in_the_middle_is_resumed_with_its_sessions(
    agent: HarnessName, tmp_path: Path, work: Path
) -> None:
    say = Speech(agent)
    steps = [Step(calls=(say.shell(holding(work)),)), *ending("went on")]
    manifest = asked(agent, work, with_script("Do it.", steps))

    async def played() -> None:
        async with model_server() as server:
            async with staged(tmp_path, manifest, server) as stage:
                await stage.until_there(work / "busy")
                run_id = stage.live.run_id
            assert not marked(f"LEADHAND_RUN={run_id}")
            (work / "go").touch()
            async with resumed(tmp_path, run_id, server) as stage:
                assert await stage.over()
                record = stage.record()
                assert (record.status, record.preview, record.turns) == ("Success", "went on", 2)

    asyncio.run(played())


@pytest.mark.parametrize("agent", PROGRAMS)
def test_an_agent_leads_a_worker_of_each_kind(
    agent: HarnessName, tmp_path: Path, work: Path
) -> None:
    say = Speech(agent)
    kinds: list[HarnessName] = ["api", "claude-code"]
    # The others are there without npm.
    kinds += ["codex"] if agent == "codex" else []
    report = {kind: Speech(kind).ours("report", status="completed", summary=kind) for kind in kinds}
    prompts = {kind: with_script("A.", [Step(calls=(report[kind],))]) for kind in kinds}
    spawns = [say.ours("spawn_worker", prompt=text, agent=name) for name, text in prompts.items()]
    workers = [ActorId(f"root/W{number}") for number in range(1, len(kinds) + 1)]
    waits = [say.ours("wait_actor", worker_id=each) for each in workers]
    lead = [Step(calls=tuple(spawns)), Step(calls=tuple(waits)), Step(text=REPORT)]
    manifest = asked(agent, work, "", lead)
    led = replace(manifest.lead.settings, harness=agent, model=MODELS[agent])
    manifest = replace(
        manifest,
        agents={kind: Agent("", Settings(model=MODELS[kind], harness=kind)) for kind in kinds},
        lead=replace(manifest.lead, settings=led),
        prices=dict.fromkeys(MODELS.values(), UNIT),
    )

    async def acts(stage: Stage, work: Path) -> None:
        assert await stage.over()
        settled = {each.id: each.status for each in stage.run.records.values()}
        assert settled == dict.fromkeys((ROOT, *workers), "Success")
        assert [stage.record(each).preview for each in workers] == [*kinds]
        turns = of_kind(await stage.events(), e.TurnRecorded)
        assert stage.run.spent == sum(each.cost for each in turns)
        assert {each.actor for each in turns} == {ROOT, *workers}

    play(tmp_path, manifest, acts)
