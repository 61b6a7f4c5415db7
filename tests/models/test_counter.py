"""Counter: a provider's own count of what a request would read, or None, and never an error."""

import asyncio
import json
import time

import pytest
from msgspec.structs import replace

from leadhand.domain.money import Usage
from leadhand.errors import ModelError
from leadhand.model import Request
from leadhand.models import openai
from leadhand.models.http import Http, Limits, Post
from leadhand.models.scripted import Script, ScriptedModel, counted
from leadhand.testing.step import Step
from tests.models.kit import (
    ANTHROPIC,
    CHAT,
    KEY,
    RESPONSES,
    Dialect,
    World,
    asked,
    playing,
    results,
    said,
    user,
)

counting = pytest.mark.parametrize(
    "dialect", [ANTHROPIC, RESPONSES], ids=["anthropic", "responses"]
)


def count(dialect: Dialect, counter: Script | Step, limits: Limits | None = None) -> int | None:
    """What is made of a counter that does this."""
    play: Script = (lambda request: counter) if isinstance(counter, Step) else counter

    async def deed(world: World) -> int | None:
        world.server.counter = play
        found = await world.model.count(asked(dialect))
        assert len(world.server.counts) == 1
        return found

    return playing(dialect, "Yes.", deed, limits or Limits(2, 2, 2, 20))


@counting
def test_all_that_an_answer_would_read_is_counted(dialect: Dialect) -> None:
    heard: list[Request] = []

    def script(request: Request) -> Step:
        heard.append(request)
        if len(request.messages) > 1:
            return Step(text="Done.")
        return Step(thinking="Hm.", text="I look.", calls=(("Read", {"path": "\u00fc"}),))

    def listen(request: Request) -> Step:
        heard.append(request)
        return Step()

    async def deed(world: World) -> None:
        first = await world.ask(asked(dialect))
        shape = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
        fields = {"effort": "high", "tool_choice": "none", "schema": shape}
        talk = [user("Do it."), said(first), results(first, "a result")]
        request = asked(dialect, *talk, **fields)
        world.server.counter = listen
        assert await world.model.count(request) == counted(heard[-1], []).input
        await world.ask(request)

    playing(dialect, script, deed)
    _, counted_one, answered = heard
    assert len(counted_one.messages) == 3
    assert counted_one == replace(answered, max_output_tokens=0)


@counting
def test_the_figure_is_the_providers_own(dialect: Dialect) -> None:
    assert count(dialect, Step(usage=Usage(input=12_345))) == 12_345
    assert count(dialect, Step(figures={"unheard_of": 1}, usage=Usage(input=7))) == 7


def test_who_has_no_counter_is_not_asked() -> None:
    async def deed(world: World) -> None:
        assert await world.model.count(asked(CHAT)) is None
        assert not world.server.seen
        assert not world.server.counts

    playing(CHAT, "Yes.", deed)
    scripted = ScriptedModel(lambda request: "Yes.")
    assert asyncio.run(scripted.count(asked(CHAT))) is None


NO_FIGURE = {
    **{f"status {status}": Step(status=status) for status in (400, 401, 404, 429, 500, 503, 529)},
    "a page": Step(body="<html>Sign in</html>"),
    "nothing": Step(body=""),
    "no figure": Step(body='{"tokens": 5}'),
    "a list": Step(body="[5]"),
    "half a figure": Step(body='{"input_tokens": 5'),
    "zero": Step(figures={"input_tokens": 0}),
    "less than zero": Step(figures={"input_tokens": -5}),
    "too many": Step(figures={"input_tokens": 10**15}),
    "a text": Step(figures={"input_tokens": "5"}),
    "a broken figure": Step(figures={"input_tokens": 5.5}),
    "null": Step(figures={"input_tokens": None}),
}


@counting
@pytest.mark.parametrize("step", NO_FIGURE.values(), ids=NO_FIGURE.keys())
def test_what_is_no_figure_is_none(dialect: Dialect, step: Step) -> None:
    assert count(dialect, step) is None


@counting
def test_a_counter_that_hangs_up_gives_no_figure(dialect: Dialect) -> None:
    def counter(request: Request) -> Step:
        raise ModelError("gone", kind="network")

    assert count(dialect, counter) is None


@counting
def test_a_counter_that_is_not_there_gives_no_figure(dialect: Dialect) -> None:
    async def deed(world: World) -> int | None:
        await world.server.stop()
        return await world.model.count(asked(dialect))

    assert playing(dialect, "Yes.", deed) is None


@pytest.mark.slow
@counting
def test_a_counter_is_waited_for_no_longer_than_its_deadline(
    dialect: Dialect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadhand.models.counter.COUNT_SECS", 0.2)
    began = time.monotonic()
    assert count(dialect, Step(delay_secs=60), Limits()) is None
    assert 0.2 <= time.monotonic() - began < 5


@counting
def test_cancelling_a_count_passes_and_closes_the_connection(dialect: Dialect) -> None:
    async def deed(world: World) -> None:
        asking = asyncio.create_task(world.model.count(asked(dialect)))
        began = asyncio.Event()

        def counter(request: Request) -> Step:
            began.set()
            return Step(delay_secs=60)

        world.server.counter = counter
        await asyncio.wait_for(began.wait(), 5)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.wait_for(world.server.until_idle(), 5)
        assert [seen.ended for seen in world.server.counts] == ["left"]

    playing(dialect, "Yes.", deed)


@counting
def test_counting_uses_the_connections_of_answers(dialect: Dialect) -> None:
    async def deed(world: World) -> set[str]:
        await world.ask(asked(dialect))
        assert await world.model.count(asked(dialect))
        await world.ask(asked(dialect))
        return {seen.peer for seen in (*world.server.seen, *world.server.counts)}

    assert len(playing(dialect, "Yes.", deed)) == 1


def test_a_piece_of_json_is_fetched_under_the_same_law() -> None:
    async def deed(world: World) -> None:
        server = openai.server(f"{world.server.url}/v1", KEY)
        body = b'{"model": "gpt-5", "input": "Do it."}'
        post = Post(server, "/responses/input_tokens", body, "root", "root:1", 0)
        assert json.loads(await world.http.fetch(post, 5))["input_tokens"] > 0
        world.server.counter = lambda request: Step(status=401, text=f"no such key: {KEY}")
        with pytest.raises(ModelError) as caught:
            await world.http.fetch(post, 5)
        assert (caught.value.kind, caught.value.billed) == ("auth", False)
        assert KEY not in repr(caught.value)
        assert "no such key: [key]" in caught.value.message
        world.server.counter = lambda request: Step(delay_secs=60)
        with pytest.raises(ModelError, match=r"after 0\.1 s") as caught:
            await world.http.fetch(post, 0.1)
        assert caught.value.kind == "timeout"

    playing(RESPONSES, "Yes.", deed)


def test_a_request_that_cannot_be_written_is_not_counted() -> None:
    async def deed(world: World) -> int | None:
        return await world.model.count(asked(ANTHROPIC, system="half a letter: \ud800"))

    assert playing(ANTHROPIC, "Yes.", deed) is None


def test_an_address_that_cannot_be_spelled_gives_no_figure() -> None:
    async def main() -> int | None:
        return await ANTHROPIC.make(Http(), "http://a..b.test").count(asked(ANTHROPIC))

    assert asyncio.run(main()) is None
