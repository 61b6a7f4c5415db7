"""Agents steered: frozen, interrupted, out of time, and asking providers that break."""

import asyncio
from pathlib import Path

import pytest

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.manifest import HarnessName
from leadhand.model import Request
from leadhand.testing.model_server import model_server
from leadhand.testing.step import Step, from_prompt, with_script
from tests.harnesses.contract_kit import W1, Speech, Stage, asked, staged
from tests.harnesses.test_agents import ending, holding, of_kind, play


async def until_still(path: Path) -> str:
    """Wait until a file grows no more; what it holds."""
    for _ in range(100):
        before = path.read_text()
        await asyncio.sleep(0.3)
        if path.read_text() == before:
            return before
    raise AssertionError("it grows on")


def test_a_frozen_worker_stands_still_with_its_command_and_goes_on(
    harness: HarnessName, tmp_path: Path, work: Path
) -> None:
    say = Speech(harness)
    ticks = f"while [ ! -e {work}/go ]; do date +%s%N >> {work}/ticks; sleep 0.05; done"
    steps = [Step(calls=(say.shell(ticks),)), Step(text="went on")]

    async def acts(stage: Stage, work: Path) -> None:
        await stage.until_there(work / "ticks")
        await stage.submit(c.PauseActor(W1, mode="freeze"))
        before = await until_still(work / "ticks")
        await asyncio.sleep(0.5)
        assert (work / "ticks").read_text() == before
        (work / "go").touch()
        await stage.submit(c.ContinueActor(W1))
        assert await stage.over()
        assert (stage.record().status, stage.record().preview) == ("Success", "went on")
        assert not of_kind(await stage.events(W1), e.SessionCrashed)

    play(tmp_path, asked(harness, work, with_script("Do it.", steps)), acts)


def test_its_words_can_be_watched_while_they_come(
    harness: HarnessName, tmp_path: Path, work: Path
) -> None:
    steps = [Step(text="word " * 100, chunk_delay_secs=0.2)]

    async def acts(stage: Stage, work: Path) -> None:
        path = stage.live.folder.words(W1)
        await stage.until(lambda run: path.exists() and "word word" in path.read_text())
        assert stage.run.actors[W1].call is not None
        assert await stage.over()

    play(tmp_path, asked(harness, work, with_script("Do it.", steps)), acts)


def test_a_reprompt_interrupts_and_is_what_it_goes_on_with(
    harness: HarnessName, tmp_path: Path, work: Path
) -> None:
    say = Speech(harness)
    steps = [Step(calls=(say.shell(holding(work)),)), Step(text="never")]
    other = with_script("Do this instead.", [*ending("something else")])

    async def acts(stage: Stage, work: Path) -> None:
        await stage.until_there(work / "busy")
        await stage.submit(c.RepromptActor(W1, other))
        assert await stage.over()
        assert (stage.record().status, stage.record().preview) == ("Success", "something else")
        assert not stage.pids()

    play(tmp_path, asked(harness, work, with_script("Do it.", steps)), acts)


def test_a_worker_out_of_time_is_told_and_then_ended(
    harness: HarnessName, tmp_path: Path, work: Path
) -> None:
    say = Speech(harness)
    steps = [Step(calls=(say.shell("sleep 600"),)), Step(text="never")]

    async def acts(stage: Stage, work: Path) -> None:
        assert await stage.over()
        assert stage.record().status == "TimedOut"
        assert not stage.pids()

    manifest = asked(harness, work, with_script("Do it.", steps), timeout_secs=3)
    play(tmp_path, manifest, acts)


@pytest.mark.parametrize(
    "broken",
    [Step(text="half of an answer" * 50, drop_after=4), Step(status=400, text="no such thing")],
    ids=["cut", "refused"],
)
def test_a_broken_answer_is_settled_and_what_can_be_is_asked_again(
    broken: Step, harness: HarnessName, tmp_path: Path, work: Path
) -> None:
    seen: list[Request] = []

    def script(request: Request) -> Step:
        if request.actor_id == W1:
            seen.append(request)
            if len(seen) == 1 or broken.status == 400:
                return broken
        return from_prompt(request)

    async def played() -> None:
        manifest = asked(harness, work, with_script("Do it.", [Step(text="got there")]))
        async with model_server(script) as server, staged(tmp_path, manifest, server) as stage:
            assert await stage.over()
            record = stage.record()
            cut = of_kind(await stage.events(W1), e.CallCut)
            if broken.status == 400:
                assert record.status == "Failed"
                assert "no such thing" in record.error
                assert record.spent == 0
            else:
                assert (record.status, record.preview) == ("Success", "got there")
                assert record.spent > sum(each.charged for each in cut) > 0
            assert cut

    asyncio.run(played())
