"""Agent room: agents start where there is room for them, and are ended where they take too much."""

import os
import signal
from pathlib import Path

import pytest

from leadhand.domain import events as e
from leadhand.domain.ids import ROOT
from leadhand.domain.manifest import HouseRules
from leadhand.testing.step import Step, with_script
from tests.harnesses.contract_kit import REPORT, W1, Speech, Stage, asked
from tests.harnesses.test_agents import ending, of_kind, play


def test_two_wait_for_one_place_and_say_so(tmp_path: Path, work: Path) -> None:
    prompt = with_script("Do it.", [Step(text="done")])
    spawn = ("spawn_worker", {"prompt": prompt, "agent": "one"})
    waits = [("wait_actor", {"worker_id": f"root/W{number}"}) for number in (1, 2)]
    lead = [Step(calls=(spawn, spawn)), Step(calls=tuple(waits)), Step(text=REPORT)]
    manifest = asked("claude-code", work, "", lead, house=HouseRules(max_agent_processes=1))

    async def acts(stage: Stage, work: Path) -> None:
        assert await stage.over()
        assert [each.status for each in stage.run.records.values()] == ["Success"] * 3
        held = of_kind(await stage.events(), e.StartHeld)
        assert [each.why.partition(":")[0] for each in held] == ["an agent to end", ""]
        turns = of_kind(await stage.events(), e.TurnRecorded)
        first = [each.actor for each in turns if each.actor != ROOT]
        assert len(first) == 2

    play(tmp_path, manifest, acts)


def test_an_agent_without_room_fails_and_says_what_it_lacked(
    tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadhand.domain.rules.start.START_SECS", 1)
    house = HouseRules(min_free_memory_mb=10**9)
    worker = with_script("Do it.", [Step(text="never")])

    async def acts(stage: Stage, work: Path) -> None:
        assert await stage.over()
        assert stage.record().status == "Failed"
        assert "could not start within 1 s: it waited for memory" in stage.record().error
        assert stage.record().spent == 0

    play(tmp_path, asked("claude-code", work, worker, house=house), acts)


def test_an_agent_that_takes_too_much_memory_is_ended(tmp_path: Path, work: Path) -> None:
    say = Speech("claude-code")
    worker = with_script("Do it.", [Step(calls=(say.shell("sleep 600"),)), Step(text="never")])

    async def acts(stage: Stage, work: Path) -> None:
        assert await stage.over()
        assert stage.record().status == "Failed"
        assert "of memory, and max_rss_mb is 20" in stage.record().error
        assert not stage.pids()

    play(tmp_path, asked("claude-code", work, worker, max_rss_mb=20), acts)


def test_an_agent_that_stands_still_is_started_anew_and_goes_on(
    tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadhand.agent_session.IDLE_SECS", 1.5)
    steps = [Step(text="never read", delay_secs=2), *ending("went on")]

    async def acts(stage: Stage, work: Path) -> None:
        # It stands still while it is answered: nobody reads the answer.
        await stage.until(lambda run: W1 in run.actors and run.actors[W1].call)
        stopped = [pid for pid in stage.pids() if program(pid) == "claude"]
        assert stopped
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        await stage.until(lambda run: run.actors[W1].crashes)
        assert await stage.over()
        assert stage.record().status == "Success"
        (crash,) = of_kind(await stage.events(W1), e.SessionCrashed)
        assert "was silent for" in crash.error

    play(tmp_path, asked("claude-code", work, with_script("Do it.", steps)), acts)


def program(pid: int) -> str:
    """The name of a process's program."""
    try:
        return Path(f"/proc/{pid}/exe").resolve().name
    except OSError:
        return ""
