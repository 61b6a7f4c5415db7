"""Promises: what every model over HTTP keeps, whatever the dialect; a real server plays it."""

import asyncio
import time
from typing import Any

import pytest

from leadhand.domain.money import Price, Usage
from leadhand.model import Answer, Message, Prose, Raw, Request, ToolResult, ToolSchema, ToolUse
from leadhand.models.scripted import Reply, Script, ScriptedModel
from leadhand.testing.script import done, turn
from leadhand.testing.step import Step
from tests.models.kit import (
    DIALECTS,
    RESPONSES,
    Dialect,
    World,
    answer,
    asked,
    over_all,
    over_http,
    playing,
    results,
    said,
    user,
    uses,
    world,
)

TWO_CALLS = (("Read", {"path": "a"}), ("Bash", {"command": "ls"}))


@over_all
def test_words_arrive_as_they_come_and_whole(dialect: Dialect) -> None:
    text = "All of this was said, piece by piece. " * 30

    async def deed(world: World) -> tuple[Answer, list[str]]:
        heard: list[str] = []
        return await world.model.answer(asked(dialect), heard.append), heard

    found, heard = playing(dialect, text, deed)
    assert [block for block in found.blocks if not isinstance(block, Raw)] == [Prose(text)]
    assert found.stop_reason == "end_turn"
    assert len(heard) > 10
    assert "".join(heard) == text


@over_all
def test_words_are_heard_before_the_answer_is_over(dialect: Dialect) -> None:
    async def deed(world: World) -> None:
        heard = asyncio.Event()
        asking = asyncio.create_task(
            world.model.answer(asked(dialect), lambda text: heard.set() if text else None)
        )
        await asyncio.wait_for(heard.wait(), 5)
        assert not asking.done()
        await asking

    playing(dialect, Step(text="word " * 50, chunk_delay_secs=0.02), deed)


@over_all
def test_several_tools_are_called_in_one_turn(dialect: Dialect) -> None:
    found = answer(dialect, Step(text="Both.", calls=TWO_CALLS))
    assert [(use.name, use.args) for use in uses(found)] == list(TWO_CALLS)
    assert len({use.id for use in uses(found)}) == 2
    assert found.stop_reason == "tool_use"


@over_all
def test_the_results_of_tools_are_heard_by_the_model(dialect: Dialect) -> None:
    def script(request: Request) -> Reply:
        if turn(request) == 0:
            return Reply(text="Both.", calls=TWO_CALLS)
        given = [(each.tool, each.args, each.text, each.is_error) for each in done(request)]
        assert given == [
            ("Read", {"path": "a"}, "the text", False),
            ("Bash", {"command": "ls"}, "no such command", True),
        ]
        return Reply(text="Heard.")

    async def deed(world: World) -> Answer:
        first = await world.ask(asked(dialect))
        one, two = uses(first)
        told = user(
            ToolResult(one.id, "the text"),
            ToolResult(two.id, "no such command", is_error=True),
            "And this is from the operator.",
        )
        return await world.ask(asked(dialect, user("Do it."), said(first), told))

    assert Prose("Heard.") in playing(dialect, script, deed).blocks


@over_http
def test_thinking_goes_back_to_who_thought_it_and_to_no_other(dialect: Dialect) -> None:
    """The server refuses a thought that is not whole, as the providers do."""
    script: Script = lambda request: (  # noqa: E731
        Step(thinking="First the file.", calls=TWO_CALLS) if turn(request) == 0 else "Read."
    )

    async def deed(here: World) -> None:
        first = await here.ask(asked(dialect))
        assert any(isinstance(block, Raw) for block in first.blocks)
        told = [user("Do it."), said(first), results(first)]
        await here.ask(asked(dialect, *told))
        assert "First the file." in str(here.server.bodies[-1])
        for other in DIALECTS.values():
            if other is not dialect:
                async with world(other, script) as there:
                    await there.ask(asked(other, *told))
                    assert "First the file." not in str(there.server.bodies[-1])

    playing(dialect, script, deed)


@over_all
def test_every_token_is_counted_once(dialect: Dialect) -> None:
    usage = Usage(input=100, output=20, cache_read=3_000, cache_creation=400)
    assert answer(dialect, Step(text="Yes.", usage=usage)).usage == usage


@over_all
def test_a_server_that_counts_no_tokens_is_taken_at_the_most_it_can_have_used(
    dialect: Dialect,
) -> None:
    found = answer(dialect, Step(text="Yes.", no_usage=True), max_output_tokens=777)
    assert found.usage.output == 777
    assert found.usage.input > 300


@over_all
@pytest.mark.parametrize("reason", ["max_tokens", "refusal"])
def test_an_answer_that_was_cut_says_why(dialect: Dialect, reason: Any) -> None:
    assert answer(dialect, Step(text="It is", stop_reason=reason)).stop_reason == reason


@over_all
def test_an_answer_may_be_empty(dialect: Dialect) -> None:
    found = answer(dialect, Step(text=""))
    assert not [block for block in found.blocks if isinstance(block, Prose | ToolUse)]
    assert found.stop_reason == "end_turn"


@over_all
def test_an_empty_answer_does_not_spoil_what_follows(dialect: Dialect) -> None:
    async def deed(world: World) -> None:
        first = await world.ask(asked(dialect))
        await world.ask(asked(dialect, user("Do it."), said(first), user("Say something.")))

    playing(dialect, Step(text=""), deed)


@over_all
@pytest.mark.parametrize("written", ['{"path": "a', "[1, 2]", '"a"', "not JSON at all"])
def test_arguments_that_are_no_object_arrive_as_they_were_written(
    dialect: Dialect, written: str
) -> None:
    def script(request: Request) -> Reply:
        if turn(request) == 0:
            return Reply(calls=(("Read", written), ("Bash", {"command": "ls"})))
        return Reply(text="I see.")

    async def deed(world: World) -> Answer:
        first = await world.ask(asked(dialect))
        assert [(use.args, use.invalid) for use in uses(first)] == [
            ({}, written),
            ({"command": "ls"}, ""),
        ]
        return await world.ask(asked(dialect, user("Do it."), said(first), results(first)))

    assert Prose("I see.") in playing(dialect, script, deed).blocks


@over_all
def test_a_call_without_arguments_has_none(dialect: Dialect) -> None:
    [use] = uses(answer(dialect, Step(calls=(("Read", ""),))))
    assert (use.args, use.invalid) == ({}, "")


@over_all
def test_a_tool_that_does_not_exist_may_be_called_and_answered(dialect: Dialect) -> None:
    """A made-up name with letters that no provider allows must not spoil the conversation."""

    async def deed(world: World) -> None:
        first = await world.ask(asked(dialect))
        assert [use.name for use in uses(first)] == ["make it so!"]
        await world.ask(asked(dialect, user("Do it."), said(first), results(first, "unknown tool")))

    script: Script = lambda request: (  # noqa: E731
        Reply(calls=(("make it so!", {}),)) if turn(request) == 0 else "Sorry."
    )
    playing(dialect, script, deed)


@over_all
def test_a_call_never_has_the_id_of_an_earlier_one(dialect: Dialect) -> None:
    """Spawning is idempotent by the id of its call, so a server that repeats ids is mended."""

    async def deed(world: World) -> None:
        first = await world.ask(asked(dialect))
        told = [user("Do it."), said(first), results(first)]
        again = asked(dialect, call_id="second")
        # The same request makes the same ids on this server.
        second = await world.ask(again)
        assert {use.id for use in uses(first)} == {use.id for use in uses(second)}
        history = asked(dialect, *told, call_id="third")
        fixed = Message("assistant", [*second.blocks])
        third = await world.ask(asked(dialect, *told, fixed, results(second), call_id="third"))
        assert not {use.id for use in uses(first)} & {use.id for use in uses(third)}
        assert history.messages == told

    playing(dialect, Step(calls=TWO_CALLS), deed)


@over_all
def test_cancelling_in_the_middle_of_an_answer_closes_the_connection(dialect: Dialect) -> None:
    async def deed(world: World) -> None:
        heard = asyncio.Event()
        asking = asyncio.create_task(
            world.model.answer(asked(dialect), lambda text: heard.set() if text else None)
        )
        await asyncio.wait_for(heard.wait(), 5)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.wait_for(world.server.until_idle(), 5)
        assert [seen.ended for seen in world.server.seen] == ["left"]

    playing(dialect, Step(text="word " * 1_000, chunk_delay_secs=0.02), deed)


@over_all
def test_cancelling_before_the_first_byte_closes_the_connection(dialect: Dialect) -> None:
    async def deed(world: World) -> None:
        asking = asyncio.create_task(world.ask(asked(dialect)))
        await asyncio.wait_for(world.server.until_asked(), 5)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.wait_for(world.server.until_idle(), 5)
        assert [seen.ended for seen in world.server.seen] == ["left"]

    playing(dialect, Step(text="late", delay_secs=60), deed)


@over_all
def test_an_answer_may_be_huge(dialect: Dialect) -> None:
    text = "x" * 5_000_000
    args = {"content": "y" * 2_000_000}
    found = answer(dialect, Step(text=text, calls=(("Write", args),)), max_output_tokens=2_000_000)
    assert Prose(text) in found.blocks
    assert uses(found)[0].args == args


@over_all
def test_a_hundred_calls_run_at_the_same_time(dialect: Dialect) -> None:
    async def script(request: Request) -> Reply:
        return Reply(text=f"I am {request.actor_id}.", delay_secs=0.2)

    async def deed(world: World) -> None:
        began = time.monotonic()
        answers = await asyncio.gather(
            *(world.ask(asked(dialect, actor_id=f"root/W{number}")) for number in range(100))
        )
        assert time.monotonic() - began < 10
        for number, each in enumerate(answers):
            assert Prose(f"I am root/W{number}.") in each.blocks

    playing(dialect, script, deed)


@over_all
def test_connections_are_used_again(dialect: Dialect) -> None:
    async def deed(world: World) -> set[str]:
        for _ in range(5):
            await world.ask(asked(dialect))
        return {seen.peer for seen in world.server.seen}

    assert len(playing(dialect, "Yes.", deed)) == 1


@over_all
def test_the_same_script_gives_the_same_conversation_in_process_and_over_http(
    dialect: Dialect,
) -> None:
    async def deed(world: World) -> None:
        assert await talk(world.model, dialect) == await talk(ScriptedModel(conversant), dialect)

    playing(dialect, conversant, deed)


def conversant(request: Request) -> Reply:
    """A script that looks at all it is given."""
    assert request.actor_id == "root/W1"
    assert [tool.name for tool in request.tools] == ["Read", "Bash"]
    count = turn(request)
    if count == 0:
        return Reply(text="Two things.", calls=TWO_CALLS)
    if count == 1:
        failed = [each.tool for each in done(request) if each.is_error]
        return Reply(calls=(("Read", {"path": f"after {failed}"}), ("Read", "{broken")))
    if count == 2:
        return Reply(text="  spaces at the ends \n", stop_reason="max_tokens")
    words = [block.text for block in request.messages[-1].blocks if isinstance(block, Prose)]
    return Reply(text=f"In the end: {words}")


async def talk(model: Any, dialect: Dialect) -> list[Any]:
    """A conversation of four turns, without what only its provider understands."""
    messages = [user("Begin.", "Two texts.")]
    plain: list[Any] = []
    for number in range(4):
        request = asked(dialect, *messages, call_id=f"c{number}")
        found = await model.answer(request, lambda text: None)
        plain.append((found.stop_reason, [bare(each) for each in found.blocks if bare(each)]))
        messages.append(said(found))
        told = [
            ToolResult(use.id, '{"error": {"code": "x"}}' if place else "ok", bool(place))
            for place, use in enumerate(uses(found))
        ]
        messages.append(user(*told) if told else user("Go on.", "Please."))
    return plain


def bare(block: Any) -> Any:
    """A block without its id; nothing for a raw one."""
    match block:
        case Prose():
            return block.text
        case ToolUse():
            return block.name, block.args, block.invalid
        case _:
            return None


@over_all
def test_servers_of_this_machine_cost_nothing(dialect: Dialect) -> None:
    async def deed(world: World) -> Price | None:
        return world.model.price(dialect.name)

    assert playing(dialect, "Yes.", deed) == Price()


@over_http
def test_a_local_server_hears_who_asks(dialect: Dialect) -> None:
    async def deed(world: World) -> tuple[str, str]:
        await world.ask(asked(dialect))
        seen = world.server.seen[0]
        return seen.actor, seen.headers["X-Leadhand-Call"]

    assert playing(dialect, "Yes.", deed) == ("root/W1", "root/W1:1.1@7")


@over_all
def test_a_turn_without_tools_keeps_them_in_the_prefix(dialect: Dialect) -> None:
    async def deed(world: World) -> Any:
        await world.ask(asked(dialect, tool_choice="none"))
        return world.server.bodies[-1]

    body = playing(dialect, "Yes.", deed)
    assert len(body["tools"]) == 2
    assert "none" in str(body["tool_choice"])


@over_all
def test_a_tool_that_the_provider_would_run_is_refused_before_it_is_asked(
    dialect: Dialect,
) -> None:
    async def deed(world: World) -> None:
        tools = [ToolSchema("web_search", "", {"type": "web_search_20250305"})]
        error = await world.fault(asked(dialect, tools=tools))
        assert (error.kind, error.billed, error.retryable) == ("bad_request", False, False)
        assert "fees" in error.message
        assert not world.server.seen

    playing(dialect, "Yes.", deed)


@over_all
def test_an_answer_has_the_shape_that_was_asked_for(dialect: Dialect) -> None:
    schema = {
        "type": "object",
        "properties": {"count": {"type": "integer", "minimum": 1}},
        "required": ["count"],
    }

    def script(request: Request) -> str:
        assert request.schema == {
            "type": "object",
            "properties": {"count": {"type": "integer"}},
            "required": ["count"],
            "additionalProperties": False,
        }
        return '{"count": 3}'

    assert Prose('{"count": 3}') in answer(dialect, script, schema=schema).blocks


def test_whether_words_were_the_answer_goes_back_too() -> None:
    script: Script = lambda request: (  # noqa: E731
        Reply(text="On the way.", calls=TWO_CALLS) if turn(request) == 0 else "There."
    )

    async def deed(world: World) -> Any:
        first = await world.ask(asked(RESPONSES))
        await world.ask(asked(RESPONSES, user("Do it."), said(first), results(first)))
        return [item.get("phase") for item in world.server.bodies[-1]["input"]]

    assert playing(RESPONSES, script, deed)[:2] == [None, "commentary"]
