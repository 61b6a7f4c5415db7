"""Standstill: real processes stand still with all that they have started, and go on."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from leadhand import standstill
from leadhand.processes import Finished, Processes

ACTOR = "root/W1"
# Counts in files: itself, a child in a session of its own, and a grandchild whose parent is gone.
COUNTERS = """
count() { while :; do printf x >> "$1"; sleep 0.005; done; }
export -f count
setsid bash -c 'count session' &
(setsid bash -c 'count orphan &' &)
count own
"""
NAMES = ("own", "session", "orphan")


@pytest.fixture(params=["cgroup", "signals"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """By a frozen cgroup, and where there can be none."""
    if request.param == "signals":
        monkeypatch.setattr(standstill, "own_group", lambda: None)
    elif standstill.own_group() is None:
        pytest.skip("this machine lets nobody make a cgroup of version 2")
    return str(request.param)


def groups() -> list[Path]:
    """The cgroups that are left here."""
    own = standstill.own_group()
    return [] if own is None else [*own.glob(f"{standstill.PREFIX}*")]


def using(
    folder: Path, deed: Callable[[Processes, "asyncio.Task[Finished]"], Awaitable[Any]]
) -> None:
    """Do something while the counters run."""

    async def main() -> None:
        processes = Processes(f"{folder.name}-{os.getpid()}", folder)
        command = asyncio.create_task(
            processes.run(
                ["bash", "-c", COUNTERS],
                actor_id=ACTOR,
                cwd=folder,
                env={"PATH": os.environ["PATH"]},
                timeout_secs=1.0,
                keep_bytes=1_000,
            )
        )
        try:
            await grows(folder)
            await deed(processes, command)
        finally:
            command.cancel()
            await asyncio.gather(command, return_exceptions=True)
            await processes.close()

    asyncio.run(main())
    before = sizes(folder)
    time.sleep(0.05)
    assert sizes(folder) == before
    assert groups() == []


def sizes(folder: Path) -> list[int]:
    """How far the counters are."""
    return [(folder / name).stat().st_size if (folder / name).exists() else 0 for name in NAMES]


async def grows(folder: Path) -> None:
    """Wait until every counter has counted on."""
    before = sizes(folder)
    for _ in range(1_000):
        if all(now > was for now, was in zip(sizes(folder), before, strict=True)):
            return
        await asyncio.sleep(0.01)
    pytest.fail("they do not count")


async def stands(folder: Path, secs: float = 0.3) -> None:
    """See that no counter counts."""
    before = sizes(folder)
    await asyncio.sleep(secs)
    assert sizes(folder) == before


@pytest.mark.slow
def test_all_that_a_command_started_stands_still_and_goes_on(tmp_path: Path, way: str) -> None:
    async def deed(processes: Processes, command: "asyncio.Task[Finished]") -> None:
        for _ in range(3):
            await processes.freeze(ACTOR)
            assert len(groups()) == (way == "cgroup")
            await stands(tmp_path)
            await processes.thaw(ACTOR)
            assert groups() == []
            await grows(tmp_path)

    using(tmp_path, deed)


@pytest.mark.slow
def test_the_time_of_a_frozen_command_stands_still(tmp_path: Path, way: str) -> None:
    async def deed(processes: Processes, command: "asyncio.Task[Finished]") -> None:
        await processes.freeze(ACTOR)
        await stands(tmp_path, 1.5)
        assert not command.done()
        await processes.thaw(ACTOR)
        assert (await command).timed_out

    using(tmp_path, deed)


@pytest.mark.slow
def test_only_the_actors_own_commands_stand_still(tmp_path: Path, way: str) -> None:
    async def deed(processes: Processes, command: "asyncio.Task[Finished]") -> None:
        await processes.freeze("root/W10")
        await grows(tmp_path)

    using(tmp_path, deed)


@pytest.mark.slow
def test_a_frozen_command_that_is_cancelled_leaves_nothing(tmp_path: Path, way: str) -> None:
    async def deed(processes: Processes, command: "asyncio.Task[Finished]") -> None:
        await processes.freeze(ACTOR)
        command.cancel()
        begun = time.monotonic()
        await asyncio.gather(command, return_exceptions=True)
        assert time.monotonic() - begun < 5

    using(tmp_path, deed)


@pytest.mark.slow
def test_a_command_that_begins_while_its_actor_is_frozen_stands_still_too(
    tmp_path: Path, way: str
) -> None:
    async def deed(processes: Processes, command: "asyncio.Task[Finished]") -> None:
        await processes.freeze(ACTOR)
        late = asyncio.create_task(
            processes.run(
                ["bash", "-c", "sleep 0.2; echo done > late"],
                actor_id=ACTOR,
                cwd=tmp_path,
                env={"PATH": os.environ["PATH"]},
                timeout_secs=5.0,
                keep_bytes=1_000,
            )
        )
        await asyncio.sleep(0.8)
        assert not (tmp_path / "late").exists()
        await processes.thaw(ACTOR)
        assert (await late).exit_code == 0
        assert (tmp_path / "late").exists()

    using(tmp_path, deed)


@pytest.mark.slow
def test_nobodys_signal_wakes_what_is_in_a_frozen_cgroup(tmp_path: Path) -> None:
    if standstill.own_group() is None:
        pytest.skip("this machine lets nobody make a cgroup of version 2")

    async def deed(processes: Processes, command: "asyncio.Task[Finished]") -> None:
        await processes.freeze(ACTOR)
        (group,) = groups()
        for pid in (group / "cgroup.procs").read_text().split():
            os.kill(int(pid), signal.SIGCONT)
        await stands(tmp_path)

    using(tmp_path, deed)


@pytest.mark.slow
def test_the_group_of_a_dead_owner_is_removed_by_the_next(tmp_path: Path) -> None:
    own = standstill.own_group()
    if own is None:
        pytest.skip("this machine lets nobody make a cgroup of version 2")
    run_id = f"{tmp_path.name}-{os.getpid()}"
    left = own / f"{standstill.PREFIX}{run_id}.1"
    left.mkdir()

    async def adopt() -> None:
        await Processes(run_id, tmp_path).adopt()

    asyncio.run(adopt())
    assert not left.exists()


def test_where_there_are_no_cgroups_none_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert standstill.own_path("/proc/self/no-such-file") == ""
    monkeypatch.setattr(standstill, "mounts", lambda: iter([("/elsewhere", "/nowhere")]))
    assert standstill.own_group() is None
