"""Door limits: a client outside spends what its actor may, is told to finish, and then no more."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, CallId
from leadhand.domain.invariants import broken
from leadhand.domain.money import Usage
from leadhand.model import Request
from leadhand.refusals import BudgetExceeded, TurnsExhausted, WoundDown
from leadhand.testing import Reply
from leadhand.testing.step import Step
from tests.gateway.door_kit import CHAT, GPT, HAIKU, PATHS, Answered, Stage, asking, stage

BUDGET = 60_000
SPENDS = Usage(600, 400)
TOOLS = [{"name": "Bash", "input_schema": {"type": "object"}}]


def spender(request: Request) -> Step:
    return Step(text="more", calls=(("Bash", {"command": "ls"}),), usage=SPENDS)


async def spend(it: Stage, model: str, times: int, **more: Any) -> list[Answered]:
    """Ask so often, whatever the answer; the books are in order all the time."""
    token, answers, run = it.token(), [], it.live.engine.run
    for _ in range(times):
        answers.append(await it.ask(token, asking(model, **more), PATHS[model]))
        assert broken(run) == []
        assert run.spent <= BUDGET
    return answers


@pytest.mark.parametrize("model", [HAIKU, GPT, CHAT])
def test_ten_times_the_budget_is_asked_for_and_less_than_it_is_spent(
    tmp_path: Path, model: str
) -> None:
    async def main() -> None:
        house = {"budget_nanousd": BUDGET}
        async with stage(tmp_path, spender, model, house=house) as it:
            answers = await spend(it, model, 10 * BUDGET // SPENDS.context // 4)
            good = [each for each in answers if each.status == 200]
            assert 0 < len(good) < BUDGET // SPENDS.context
            (refused,) = {(each.status, each.body) for each in answers[len(good) :]}
            assert refused[0] == {HAIKU: 402, GPT: 400, CHAT: 402}[model]
            assert answers[-1].headers["x-should-retry"] == "false"
            assert isinstance(it.door.refusal(ROOT), WoundDown)
            assert len(it.server.seen) == len(good)
            (last,) = [each for each in await it.all(e.CallAdmitted) if each.final]
            assert last.call == (await it.all(e.TurnRecorded))[-1].call

    asyncio.run(main())


@pytest.mark.parametrize("model", [HAIKU, GPT, CHAT])
def test_the_last_call_reads_what_is_waiting_and_may_use_no_tools(
    tmp_path: Path, model: str
) -> None:
    async def main() -> None:
        house = {"budget_nanousd": BUDGET}
        tools = {"tools": [{"type": "function", "name": "Bash", "parameters": {}}]}
        async with stage(tmp_path, spender, model, house=house) as it:
            given = {"tools": TOOLS} if model == HAIKU else tools
            if model == CHAT:
                given = {"tools": [{"type": "function", "function": {"name": "Bash"}}]}
            await spend(it, model, BUDGET // SPENDS.context, **given)
            *_, before, last = it.server.bodies
            none: Any = {"type": "none"} if model == HAIKU else "none"
            assert last["tool_choice"] == none
            assert "tool_choice" not in before
            assert last["tools"] == before["tools"]
            assert "budget_gone" in str(last)
            assert "budget_gone" not in str(before)
            assert it.live.engine.run.actors[ROOT].mail == []

    asyncio.run(main())


def test_a_client_is_told_before_its_budget_is_gone(tmp_path: Path) -> None:
    async def main() -> None:
        async with stage(tmp_path, spender, house={"budget_nanousd": BUDGET}) as it:
            await spend(it, HAIKU, BUDGET // SPENDS.context, max_tokens=4_000)
            notices = [each.kind for each in await it.all(e.MessageSent)]
            assert notices[:2] == ["budget_low", "budget_gone"]

    asyncio.run(main())


def test_a_worker_whose_call_does_not_fit_is_refused_for_its_budget(tmp_path: Path) -> None:
    async def main() -> None:
        async with stage(tmp_path, spender, house={"budget_nanousd": 200_000}) as it:
            worker = await it.worker()
            token, status = it.token(worker), 200
            while status == 200:
                status = (await it.ask(token, asking())).status
            assert isinstance(it.door.refusal(worker), BudgetExceeded)

    asyncio.run(main())


def test_turns_are_counted_for_a_client_too(tmp_path: Path) -> None:
    async def main() -> None:
        async with stage(tmp_path, spender, settings={"max_turns": 3}) as it:
            answers = await spend(it, HAIKU, 5)
            assert [each.status for each in answers] == [200, 200, 200, 402, 402]
            assert isinstance(it.door.refusal(ROOT), TurnsExhausted)

    asyncio.run(main())


def test_a_long_request_that_goes_on_is_reserved_by_what_is_new(tmp_path: Path) -> None:
    async def main() -> None:
        async with stage(tmp_path, lambda r: Reply(text="ok", usage=Usage(900, 10))) as it:
            token, words = it.token(), {"type": "text", "text": "word " * 20_000}
            answer = {"role": "assistant", "content": [{"type": "text", "text": "ok"}]}
            more = {"role": "user", "content": "And?"}
            marked = words | {"cache_control": {"type": "ephemeral"}}
            for turns in (
                [{"role": "user", "content": [words]}],
                [{"role": "user", "content": [marked]}, answer, more],
                [{"role": "user", "content": [words, words]}, answer, more],
            ):
                assert (await it.ask(token, asking(messages=turns))).status == 200
            bounds = [each.input_bound for each in await it.all(e.CallAdmitted)]
            assert bounds[0] > 100_000
            # What is to be cached is no part of what is read.
            assert bounds[1] < 3_000
            # It begins otherwise than what was answered: nothing of it is known to be read.
            assert bounds[2] > 200_000

    asyncio.run(main())


def test_a_request_that_may_not_fit_is_counted_by_its_provider(tmp_path: Path) -> None:
    async def main() -> None:
        long, usage = "word " * 20_000, Usage(19_000, 10)
        script = lambda request: Reply(text="ok", usage=usage)  # noqa: E731
        count = lambda request: Reply(usage=Usage(20_000))  # noqa: E731
        house = {"budget_nanousd": BUDGET}
        async with stage(tmp_path, script, counter=count, house=house) as it:
            assert (await it.ask(it.token(), asking(text=long))).status == 200
            (admitted,) = await it.all(e.CallAdmitted)
            assert 20_000 < admitted.input_bound < 23_000

    asyncio.run(main())


def test_results_of_the_clients_own_tools_are_recorded(tmp_path: Path) -> None:
    async def main() -> None:
        async with stage(tmp_path, spender) as it:
            token, first = it.token(), asking()
            await it.ask(token, first)
            (turn,) = await it.all(e.TurnRecorded)
            call = turn.intents[0].call
            use = {"type": "tool_use", "id": call, "name": "Bash", "input": {"command": "ls"}}
            result = {"type": "tool_result", "tool_use_id": call, "content": "a.py"}
            strange = {"type": "tool_result", "tool_use_id": "other", "content": "b.py"}
            turns = [
                {"role": "assistant", "content": [use]},
                {"role": "user", "content": [result, strange]},
            ]
            await it.ask(token, first | {"messages": [*first["messages"], *turns]})
            returned = await it.all(e.ToolReturned)
            assert [(each.call, each.content) for each in returned] == [(call, "a.py")]

    asyncio.run(main())


def test_a_tool_that_goes_on_over_mcp_stays_open_when_the_next_turn_comes(tmp_path: Path) -> None:
    async def main() -> None:
        async with stage(tmp_path, spender) as it:
            begun = c.BeginTool(ROOT, e.Intent(CallId("toolu_1"), "wait_actor", "reads"))
            await it.live.engine.submit(begun)
            await it.ask(it.token(), asking())
            assert CallId("toolu_1") in it.live.engine.run.actors[ROOT].tools

    asyncio.run(main())


def test_what_costs_a_fee_beside_tokens_is_not_asked_for(tmp_path: Path) -> None:
    async def main() -> None:
        async with stage(tmp_path, spender) as it:
            search = {"type": "web_search_20250305", "name": "web_search"}
            marked = {"type": "ephemeral", "ttl": "1h"}
            system = [{"type": "text", "text": "Be brief.", "cache_control": marked}]
            body = asking(tools=[*TOOLS, search], speed="fast", system=system)
            assert (await it.ask(it.token(), body)).status == 200
            (sent,) = it.server.bodies
            assert sent["tools"] == TOOLS
            assert "speed" not in sent
            assert sent["system"][0]["cache_control"] == {"type": "ephemeral"}

    asyncio.run(main())


def test_what_lies_elsewhere_is_refused_since_nobody_knows_how_long_it_is(tmp_path: Path) -> None:
    async def main() -> None:
        async with stage(tmp_path, spender, GPT) as it:
            got = await it.ask(it.token(), asking(GPT, previous_response_id="r"), PATHS[GPT])
            assert got.status == 400
            image = {"type": "input_image", "image_url": "https://example.com/a.png"}
            body = asking(GPT) | {"input": [{"role": "user", "content": [image]}]}
            assert (await it.ask(it.token(), body, PATHS[GPT])).status == 400
            assert not it.server.seen

    asyncio.run(main())
