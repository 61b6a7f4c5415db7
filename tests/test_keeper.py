"""Keeper: nothing of a run outlives its owner, however the owner ends."""

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from leadhand.errors import HarnessError
from leadhand.keeper import kill_marked, sweep
from leadhand.processes import Processes

OWNER = """
import asyncio, os, sys
from pathlib import Path
from leadhand.processes import Processes

run_id, folder, *commands = sys.argv[1:]

async def main():
    processes = Processes(run_id, Path(folder))
    async def one(number, command):
        await processes.run(["bash", "-c", command], actor_id=f"root/W{number}", cwd=Path("/"),
                            env={"PATH": os.environ["PATH"]}, timeout_secs=600, keep_bytes=1000)
    tasks = [asyncio.create_task(one(n, c)) for n, c in enumerate(commands)]
    await asyncio.sleep(0.4)
    print("ready", flush=True)
    await asyncio.gather(*tasks)

asyncio.run(main())
"""
CHILDREN = [
    "sleep {secs}",
    "sleep {secs} & wait",
    "setsid sleep {secs} & sleep {secs}",
    "(setsid sleep {secs} &) ; sleep {secs}",
    "(setsid bash -c 'setsid sleep {secs} & exit' &) ; sleep {secs}",
    "trap '' TERM INT HUP; while :; do sleep {secs}; done",
    "nohup sleep {secs} >/dev/null 2>&1 & disown; sleep {secs}",
    "env -i sleep {secs} & sleep {secs}",
    "python3 -c 'import os,time; os.fork(); os.fork() or os.setsid(); time.sleep({secs})'",
    "exec 0<&- 1>&- 2>&-; (setsid sleep {secs} &) ; sleep {secs}",
]


def living(text: str) -> set[int]:
    """The living processes that have a text in their arguments or environment."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            stat = (entry / "stat").read_bytes() if entry.name.isdigit() else b") Z"
            data = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if text.encode() in data and stat.rpartition(b") ")[2][:1] != b"Z":
            found.add(int(entry.name))
    return found


def wait_until_gone(text: str, secs: float) -> None:
    """Wait until nothing is left, so long at most."""
    begun = time.monotonic()
    while living(text):
        assert time.monotonic() - begun < secs, living(text)
        time.sleep(0.002)


@pytest.fixture
def run_id(tmp_path: Path) -> Iterator[str]:
    name = f"keeper-{os.getpid()}-{tmp_path.name}"
    yield name
    left = living(name)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left


def start_owner(
    run_id: str, folder: Path, commands: list[str], env: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, run_id, str(folder), *commands],
        env={"PYTHONPATH": "src", "PATH": os.environ["PATH"]} | (env or {}),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "ready\n"
    return owner


def end(owner: subprocess.Popen[str], number: signal.Signals) -> None:
    owner.send_signal(number)
    owner.wait()
    assert owner.stdout is not None
    owner.stdout.close()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGABRT])
def test_no_child_outlives_its_owner(run_id: str, tmp_path: Path, number: signal.Signals) -> None:
    secs = f"600.{os.getpid()}{int(number)}"
    owner = start_owner(run_id, tmp_path, [line.format(secs=secs) for line in CHILDREN])
    assert len(living(secs)) >= 2 * len(CHILDREN)
    end(owner, number)
    wait_until_gone(secs, 15)
    wait_until_gone(run_id, 15)


@pytest.mark.slow
def test_the_lock_is_held_until_the_last_child_is_gone(run_id: str, tmp_path: Path) -> None:
    secs = f"601.{os.getpid()}"
    commands = [line.format(secs=secs) for line in CHILDREN] * 3
    owner = start_owner(run_id, tmp_path, commands)
    with (tmp_path / "keeper.lock").open("r+") as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        end(owner, signal.SIGKILL)
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert living(secs) == set()


@pytest.mark.slow
def test_a_new_owner_waits_for_the_keeper_and_then_sweeps_itself(
    run_id: str, tmp_path: Path
) -> None:
    secs = f"602.{os.getpid()}"
    owner = start_owner(run_id, tmp_path, [CHILDREN[3].format(secs=secs)])
    (keeper,) = living(f"LEADHAND_KEEPER={run_id}")
    os.kill(keeper, signal.SIGKILL)
    end(owner, signal.SIGKILL)
    assert living(secs)

    async def adopt() -> int:
        processes = Processes(run_id, tmp_path)
        killed = await processes.adopt()
        await processes.close()
        return killed

    assert asyncio.run(adopt()) >= 2
    assert living(secs) == set()


@pytest.mark.slow
def test_a_new_owner_does_not_wait_for_ever_for_a_keeper_that_is_stopped(
    run_id: str, tmp_path: Path
) -> None:
    owner = start_owner(run_id, tmp_path, ["sleep 600"])
    (keeper,) = living(f"LEADHAND_KEEPER={run_id}")
    os.kill(keeper, signal.SIGSTOP)
    end(owner, signal.SIGKILL)

    async def adopt() -> None:
        with pytest.raises(HarnessError):
            await Processes(run_id, tmp_path).adopt(0.1)

    asyncio.run(adopt())
    os.kill(keeper, signal.SIGCONT)
    wait_until_gone(run_id, 15)


@pytest.mark.slow
def test_the_keeper_does_not_heed_the_signals_of_a_terminal(run_id: str, tmp_path: Path) -> None:
    owner = start_owner(run_id, tmp_path, ["sleep 600"])
    (keeper,) = living(f"LEADHAND_KEEPER={run_id}")
    assert os.getsid(keeper) == keeper
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        os.kill(keeper, number)
    time.sleep(0.05)
    assert living(f"LEADHAND_KEEPER={run_id}") == {keeper}
    end(owner, signal.SIGKILL)
    wait_until_gone(run_id, 15)


@pytest.mark.slow
def test_a_keeper_that_was_killed_is_replaced_before_the_next_child(
    run_id: str, tmp_path: Path
) -> None:
    async def main() -> None:
        processes = Processes(run_id, tmp_path)

        async def true() -> None:
            await processes.run(
                ["true"], actor_id="root", cwd=tmp_path, env={}, timeout_secs=5, keep_bytes=9
            )

        await true()
        (first,) = living(f"LEADHAND_KEEPER={run_id}")
        os.kill(first, signal.SIGKILL)
        await asyncio.to_thread(wait_until_gone, f"LEADHAND_KEEPER={run_id}", 15)
        await true()
        (second,) = living(f"LEADHAND_KEEPER={run_id}")
        assert second != first
        await processes.close()

    asyncio.run(main())
    assert living(run_id) == set()


@pytest.mark.slow
def test_a_run_inside_a_run_is_swept_by_its_own_keeper(run_id: str, tmp_path: Path) -> None:
    secs = f"603.{os.getpid()}"
    inner = f"{run_id}-inner"
    command = (
        f"PYTHONPATH=src {sys.executable} -c '{OWNER}' {inner} {tmp_path} "
        f"'(setsid sleep {secs} &) ; sleep {secs}'"
    )
    (tmp_path / "outer").mkdir()
    command = f"cd {Path.cwd()}; {command}"
    outer = start_owner(run_id, tmp_path / "outer", [command])
    while len(living(f"sleep\0{secs}")) < 2:
        time.sleep(0.01)
    end(outer, signal.SIGKILL)
    wait_until_gone(secs, 15)
    wait_until_gone(run_id, 15)


def test_a_sweep_spares_its_own_process_and_those_above_it(run_id: str, tmp_path: Path) -> None:
    program = (
        "import subprocess, sys; from leadhand.keeper import sweep; "
        "child = subprocess.Popen(['sleep', '600']); "
        "print(sweep(sys.argv[1]), child.wait())"
    )
    finished = subprocess.run(
        ["bash", "-c", f'{sys.executable} -c "{program}" {run_id}; echo alive'],
        env={"PYTHONPATH": "src", "PATH": os.environ["PATH"], "LEADHAND_RUN": run_id},
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout == "1 -9\nalive\n"


def test_a_mark_that_only_begins_alike_is_another_runs(run_id: str) -> None:
    child = subprocess.Popen(["sleep", "600"], env={"LEADHAND_RUN": f"{run_id}-other"})
    try:
        assert sweep(run_id) == 0
        assert child.poll() is None
        assert kill_marked({f"LEADHAND_RUN={run_id}-other"}) == 1
        assert child.wait() == -signal.SIGKILL
    finally:
        child.kill()
        child.wait()


def test_a_sweep_of_nothing_kills_nothing(run_id: str) -> None:
    assert sweep(run_id) == 0


@pytest.mark.slow
def test_a_process_that_forks_and_ends_all_the_time_is_caught(run_id: str, tmp_path: Path) -> None:
    """Each generation lives for a moment, in a session of its own, below a parent that is gone."""
    beat = tmp_path / "beat"
    beat.touch()
    program = (
        "import os, sys, time\n"
        "end = time.monotonic() + 20\n"
        "while time.monotonic() < end:\n"
        "    if os.fork(): os._exit(0)\n"
        "    os.setsid()\n"
        "    os.utime(sys.argv[1])\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", program, str(beat)], env={"LEADHAND_RUN": run_id}
    )
    child.wait()
    assert sweep(run_id) >= 1
    last = beat.stat().st_mtime_ns
    time.sleep(0.3)
    assert beat.stat().st_mtime_ns == last
