"""Child: a process that lives on is written to and read from, and nothing of it stays."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from leadhand.child import Child
from leadhand.errors import HarnessError
from leadhand.processes import Processes

ACTOR = "root/W1"
ENV = {"PATH": os.environ["PATH"]}


def run_of(folder: Path) -> str:
    """A run's id that no test beside this one has."""
    return f"{folder.name}-{os.getpid()}"


def marked(run_id: str) -> list[int]:
    """The living processes that carry a run's mark."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            environ = (entry / "environ").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if f"LEADHAND_RUN={run_id}\0".encode() in environ:
            found.append(int(entry.name))
    return found


def using(folder: Path, deed: Callable[[Processes], Awaitable[Any]]) -> None:
    async def main() -> None:
        processes = Processes(run_of(folder), folder)
        try:
            await deed(processes)
        finally:
            await processes.close()

    asyncio.run(main())
    assert marked(run_of(folder)) == []


async def until_nothing_is_left(folder: Path) -> None:
    for _ in range(1_000):
        if not marked(run_of(folder)):
            return
        await asyncio.sleep(0.01)
    pytest.fail("something is left")


async def shell(processes: Processes, command: str, **options: Any) -> Child:
    argv = ["bash", "-c", command]
    return await processes.open(argv, actor_id=ACTOR, cwd=Path("/"), env=ENV, **options)


async def python(processes: Processes, program: str, **options: Any) -> Child:
    argv = [sys.executable, "-c", program]
    return await processes.open(argv, actor_id=ACTOR, cwd=Path("/"), env=ENV, **options)


async def everything(child: Child) -> list[bytes]:
    return [line async for line in child.lines()]


def test_a_child_answers_line_by_line(tmp_path: Path) -> None:
    async def deed(processes: Processes) -> None:
        async with await shell(processes, "while read -r x; do echo got $x; done") as child:
            for number in range(5):
                await child.write(b"%d\n" % number)
                assert await child.readline() == b"got %d" % number
            child.close_stdin()
            assert await child.readline() is None
            assert await child.wait() == 0

    using(tmp_path, deed)


def test_a_child_carries_the_marks_of_its_run_and_its_actor(tmp_path: Path) -> None:
    async def deed(processes: Processes) -> None:
        async with await shell(processes, "env") as child:
            lines = await everything(child)
        assert f"LEADHAND_RUN={run_of(tmp_path)}".encode() in lines
        assert f"LEADHAND_ACTOR={ACTOR}".encode() in lines

    using(tmp_path, deed)


@pytest.mark.slow
def test_a_line_of_ten_megabytes_goes_both_ways_whole(tmp_path: Path) -> None:
    async def deed(processes: Processes) -> None:
        line = bytes(range(32, 127)) * 110_000
        async with await shell(processes, "cat") as child:
            _, back = await asyncio.gather(child.write(line + b"\n"), child.readline())
        assert back == line

    using(tmp_path, deed)


def test_a_line_that_is_too_long_is_an_error_and_the_next_is_read(tmp_path: Path) -> None:
    async def deed(processes: Processes) -> None:
        command = "echo one; head -c 300000 /dev/zero; echo; echo two"
        async with await shell(processes, command, line_bytes_max=100_000) as child:
            assert await child.readline() == b"one"
            with pytest.raises(HarnessError, match="more than 100000 bytes"):
                await child.readline()
            assert await everything(child) == [b"two"]

    using(tmp_path, deed)


def test_a_child_that_never_reads_does_not_hang_who_writes(tmp_path: Path) -> None:
    async def deed(processes: Processes) -> None:
        async with await shell(processes, "echo up; exec sleep 60") as child:
            assert await child.readline() == b"up"
            with pytest.raises(HarnessError, match="did not read its stdin"):
                await child.write(b"x" * 1_000_000, timeout_secs=0.1)
            with pytest.raises(HarnessError, match="did not read its stdin"):
                await child.write(b"y", timeout_secs=0.1)
        assert child.returncode == -signal.SIGTERM

    using(tmp_path, deed)


def test_a_write_that_nobody_waits_for_any_more_is_not_cut(tmp_path: Path) -> None:
    async def deed(processes: Processes) -> None:
        async with await shell(processes, "read -r go; sleep 0.1; wc -c; echo done") as child:
            await child.write(b"go\n")
            task = asyncio.create_task(child.write(b"x" * 500_000))
            await asyncio.sleep(0.02)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await child.write(b"y" * 7)
            child.close_stdin()
            assert await everything(child) == [b"500007", b"done"]

    using(tmp_path, deed)


def test_to_write_to_a_child_that_has_ended_is_an_error(tmp_path: Path) -> None:
    async def deed(processes: Processes) -> None:
        async with await shell(processes, "exec 0<&-; echo closed; sleep 60") as child:
            assert await child.readline() == b"closed"
            with pytest.raises(HarnessError, match="closed"):
                await child.write(b"x" * 1_000_000, timeout_secs=5)
        async with await shell(processes, "exit 3") as child:
            assert await child.wait() == 3
            with pytest.raises(HarnessError, match="closed"):
                await child.write(b"x")

    using(tmp_path, deed)


def test_a_flood_of_errors_leaves_its_last_words(tmp_path: Path) -> None:
    async def deed(processes: Processes) -> None:
        command = "head -c 20000000 /dev/zero | tr '\\0' e >&2; echo last words >&2; echo out"
        async with await shell(processes, command, errors_bytes=1_000) as child:
            assert await everything(child) == [b"out"]
            assert await child.wait() == 0
        assert len(child.errors) == 1_000
        assert child.errors.endswith("eee" + "last words\n")

    using(tmp_path, deed)


@pytest.mark.slow
def test_a_child_that_nobody_reads_waits_until_somebody_does(tmp_path: Path) -> None:
    async def deed(processes: Processes) -> None:
        program = "import sys\nfor n in range(60_000): print(n, 'x' * 80)"
        async with await python(processes, program) as child:
            await asyncio.sleep(0.5)
            assert child.returncode is None
            for number in range(60_000):
                line = await child.readline()
                assert line is not None
                assert line.startswith(b"%d " % number)

    using(tmp_path, deed)


def test_a_child_may_close_its_stdout_and_live_on(tmp_path: Path) -> None:
    async def deed(processes: Processes) -> None:
        async with await shell(processes, "echo bye; exec 1>&-; exec sleep 60") as child:
            assert await everything(child) == [b"bye"]
            assert child.returncode is None
            assert await child.readline() is None
        assert child.returncode == -signal.SIGTERM

    using(tmp_path, deed)


def test_half_a_line_of_a_child_that_was_killed_is_given(tmp_path: Path) -> None:
    async def deed(processes: Processes) -> None:
        async with await shell(processes, "echo one; printf two; kill -9 $$") as child:
            assert await everything(child) == [b"one", b"two"]
            assert await child.wait() == -signal.SIGKILL

    using(tmp_path, deed)


def test_what_is_no_text_is_given_as_it_came(tmp_path: Path) -> None:
    async def deed(processes: Processes) -> None:
        command = r"printf '\xff\xfe\0\xc3\n\n\xf0\x9f\n'; printf '\xffbad' >&2"
        async with await shell(processes, command) as child:
            assert await everything(child) == [b"\xff\xfe\0\xc3", b"", b"\xf0\x9f"]
            await child.wait()
        assert child.errors == "\ufffdbad"

    using(tmp_path, deed)


def test_what_a_child_left_is_killed_when_it_exits_by_itself(tmp_path: Path) -> None:
    async def deed(processes: Processes) -> None:
        command = "setsid sleep 60 & (setsid sleep 60 &); echo left; exit 4"
        async with await shell(processes, command) as child:
            assert await everything(child) == [b"left"]
            assert await child.wait() == 4
            assert marked(run_of(tmp_path)) == []

    using(tmp_path, deed)


STUBBORN = [
    "trap '' TERM INT HUP; echo up; while :; do sleep 1; done",
    "trap '' TERM; setsid bash -c 'trap \"\" TERM; sleep 60' & echo up; sleep 60; sleep 60",
    "(setsid bash -c 'setsid sleep 60 & exit' &); trap '' TERM; echo up; while :; do sleep 1; done",
]


@pytest.mark.slow
@pytest.mark.parametrize("command", STUBBORN)
def test_a_child_that_will_not_end_is_killed_with_all_its_heirs(
    tmp_path: Path, command: str
) -> None:
    async def deed(processes: Processes) -> None:
        child = await shell(processes, command)
        assert await child.readline() == b"up"
        begun = time.monotonic()
        assert await child.end(grace_secs=0.2) == -signal.SIGKILL
        assert time.monotonic() - begun < 10
        assert marked(run_of(tmp_path)) == []

    using(tmp_path, deed)


def test_a_child_may_say_a_last_word_when_it_is_ended(tmp_path: Path) -> None:
    async def deed(processes: Processes) -> None:
        command = "trap 'echo cleaned; exit 5' TERM; echo up; sleep 60 & wait"
        child = await shell(processes, command)
        assert await child.readline() == b"up"
        assert {*await asyncio.gather(child.end(10), child.end(10), child.wait())} == {5}
        assert await everything(child) == [b"cleaned"]

    using(tmp_path, deed)


@pytest.mark.slow
def test_cancelling_whoever_uses_a_child_leaves_nothing_of_it(tmp_path: Path) -> None:
    async def use(processes: Processes, up: asyncio.Event) -> None:
        command = "trap '' TERM; (setsid sleep 60 &); echo up; while :; do sleep 1; done"
        async with await shell(processes, command) as child:
            await child.readline()
            up.set()
            await child.readline()

    async def deed(processes: Processes) -> None:
        up = asyncio.Event()
        task = asyncio.create_task(use(processes, up))
        await up.wait()
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0.05)
        with pytest.raises(asyncio.CancelledError):
            await task
        await until_nothing_is_left(tmp_path)

    using(tmp_path, deed)


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.0, 0.001, 0.003, 0.01])
def test_cancelling_a_birth_leaves_nothing_of_it(tmp_path: Path, after: float) -> None:
    async def deed(processes: Processes) -> None:
        await (await shell(processes, "true")).wait()
        before = len(list(Path("/proc/self/fd").iterdir()))
        task = asyncio.create_task(shell(processes, "exec sleep 60"))
        await asyncio.sleep(after)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await (await task).end()
        await until_nothing_is_left(tmp_path)
        assert len(list(Path("/proc/self/fd").iterdir())) <= before

    using(tmp_path, deed)


def test_a_program_that_is_not_there_is_an_oserror_and_leaves_no_file_open(tmp_path: Path) -> None:
    async def deed(processes: Processes) -> None:
        await (await shell(processes, "true")).wait()
        before = len(list(Path("/proc/self/fd").iterdir()))
        with pytest.raises(FileNotFoundError):
            await processes.open(["no-such-program"], actor_id=ACTOR, cwd=tmp_path, env=ENV)
        for _ in range(3):
            await (await shell(processes, "echo x; echo y >&2")).wait()
        assert len(list(Path("/proc/self/fd").iterdir())) == before

    using(tmp_path, deed)


def test_closing_the_run_kills_the_children_that_live(tmp_path: Path) -> None:
    async def deed(processes: Processes) -> None:
        children = [await shell(processes, "trap '' TERM; sleep 60 & wait") for _ in range(5)]
        await processes.close()
        assert {child.returncode for child in children} == {-signal.SIGKILL}
        assert [await child.wait() for child in children] == [-signal.SIGKILL] * 5
        with pytest.raises(HarnessError):
            await shell(processes, "true")

    using(tmp_path, deed)


@pytest.mark.slow
def test_a_frozen_child_stands_still_and_so_does_the_time_to_read_what_it_is_written(
    tmp_path: Path,
) -> None:
    async def deed(processes: Processes) -> None:
        command = "setsid bash -c 'while :; do echo tick; sleep 0.02; done' & cat >/dev/null; wait"
        async with await shell(processes, command) as child:
            assert await child.readline() == b"tick"
            await processes.freeze(ACTOR)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await everything(child)
            writing = asyncio.create_task(child.write(b"x" * 500_000, timeout_secs=0.5))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.0):
                    await child.readline()
            assert not writing.done()
            await processes.thaw(ACTOR)
            await writing
            assert await child.readline() == b"tick"

    using(tmp_path, deed)


@pytest.mark.slow
def test_a_child_of_a_frozen_actor_begins_standing_still_and_can_be_ended(tmp_path: Path) -> None:
    async def deed(processes: Processes) -> None:
        await processes.freeze(ACTOR)
        child = await shell(processes, "sleep 0.5; echo late; sleep 60")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await child.readline()
        assert await child.end() == -signal.SIGTERM

    using(tmp_path, deed)


OWNER = """
import asyncio, os, sys
from pathlib import Path
from leadhand.processes import Processes

async def main():
    processes = Processes(sys.argv[1], Path(sys.argv[2]))
    for number, command in enumerate(sys.argv[3:]):
        child = await processes.open(["bash", "-c", command], actor_id=f"root/W{number}",
                                     cwd=Path("/"), env={"PATH": os.environ["PATH"]})
        await child.readline()
    print("ready", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.slow
def test_no_child_outlives_an_owner_that_was_killed(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, run_of(tmp_path), str(tmp_path), "echo; cat", *STUBBORN],
        env=os.environ | {"PYTHONPATH": "src"},
        stdout=subprocess.PIPE,
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"ready\n"
    assert len(marked(run_of(tmp_path))) >= 1 + len(STUBBORN)
    owner.kill()
    owner.wait()
    owner.stdout.close()
    deadline = time.monotonic() + 10
    while marked(run_of(tmp_path)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
