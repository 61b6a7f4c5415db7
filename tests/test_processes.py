"""Processes: what is promised of a run's child processes, broken on purpose."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from leadhand.errors import HarnessError
from leadhand.processes import Finished, Processes, clean_environment

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


def using(folder: Path, deed: Callable[[Processes], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        processes = Processes(run_of(folder), folder)
        try:
            return await deed(processes)
        finally:
            await processes.close()

    result = asyncio.run(main())
    assert marked(run_of(folder)) == []
    return result


async def until(true: Callable[[], bool]) -> None:
    """Wait until something is so, ten seconds at most."""
    for _ in range(1_000):
        if true():
            return
        await asyncio.sleep(0.01)
    pytest.fail("waited in vain")


async def shell(processes: Processes, command: str, **options: Any) -> Finished:
    settings: dict[str, Any] = {
        "actor_id": "root/W1",
        "cwd": Path("/"),
        "env": ENV,
        "timeout_secs": 20.0,
        "keep_bytes": 100_000,
    }
    return await processes.run(["bash", "-c", command], **(settings | options))


def run(folder: Path, command: str, **options: Any) -> Finished:
    finished = using(folder, lambda processes: shell(processes, command, **options))
    assert isinstance(finished, Finished)
    return finished


def test_output_and_errors_come_in_the_order_they_were_written(tmp_path: Path) -> None:
    finished = run(tmp_path, "echo one; echo two >&2; echo three")
    assert finished.output == b"one\ntwo\nthree\n"
    assert (finished.exit_code, finished.timed_out, finished.dropped_bytes) == (0, False, 0)
    assert finished.total_bytes == 14


def test_errors_may_be_left_out(tmp_path: Path) -> None:
    finished = run(tmp_path, "echo one; echo two >&2; exit 3", with_errors=False)
    assert (finished.output, finished.exit_code) == (b"one\n", 3)


def test_an_exit_code_is_given_as_it_is(tmp_path: Path) -> None:
    assert run(tmp_path, "exit 7").exit_code == 7


def test_a_death_by_signal_is_a_negative_exit_code(tmp_path: Path) -> None:
    assert run(tmp_path, "kill -9 $$").exit_code == -signal.SIGKILL


def test_a_child_carries_its_marks_and_nothing_of_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-planted")
    monkeypatch.setenv("LEADHAND_RUN", "another")
    output = run(tmp_path, "env").output.decode()
    assert "planted" not in output
    lines = set(output.splitlines())
    assert f"LEADHAND_RUN={run_of(tmp_path)}" in lines
    assert "LEADHAND_ACTOR=root/W1" in lines


def test_only_names_on_the_list_pass_and_the_manifests_own_are_added() -> None:
    base = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "SSL_CERT_FILE": "/cert",
        "OPENAI_API_KEY": "secret",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "GITHUB_TOKEN": "secret",
        "BASH_ENV": "/evil",
        "LD_PRELOAD": "/evil",
        "PYTHONPATH": "/evil",
    }
    expected = {"PATH": "/bin", "LC_ALL": "C", "SSL_CERT_FILE": "/cert", "MY": "own"}
    assert clean_environment(base, {"MY": "own"}) == expected


def test_the_manifests_entries_win_over_the_inherited_ones() -> None:
    assert clean_environment({"PATH": "/bin"}, {"PATH": "/mine"}) == {"PATH": "/mine"}


def test_stdin_is_empty_so_that_nothing_waits_for_input(tmp_path: Path) -> None:
    assert run(tmp_path, "cat; echo end").output == b"end\n"


def test_a_program_that_is_not_there_is_an_oserror(tmp_path: Path) -> None:
    async def deed(processes: Processes) -> None:
        with pytest.raises(FileNotFoundError):
            await processes.run(
                ["no-such-program"],
                actor_id="root",
                cwd=tmp_path,
                env=ENV,
                timeout_secs=1,
                keep_bytes=10,
            )

    using(tmp_path, deed)


@pytest.mark.slow
def test_a_command_that_takes_too_long_is_stopped_and_what_it_printed_is_kept(
    tmp_path: Path,
) -> None:
    finished = run(tmp_path, "echo begun; sleep 60", timeout_secs=0.3)
    assert finished.timed_out
    assert finished.exit_code is None
    assert finished.output == b"begun\n"
    assert finished.duration_ms < 20_000


@pytest.mark.slow
def test_a_command_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    command = "trap '' TERM INT HUP; echo begun; while :; do sleep 1; done"
    finished = run(tmp_path, command, timeout_secs=0.3)
    assert finished.timed_out
    assert finished.duration_ms < 20_000


@pytest.mark.slow
def test_a_command_may_clean_up_when_it_is_asked_to_end(tmp_path: Path) -> None:
    command = "trap 'echo cleaned; exit' TERM; echo begun; sleep 60 & wait"
    finished = run(tmp_path, command, timeout_secs=0.3)
    assert finished.output == b"begun\ncleaned\n"


def test_a_background_child_that_keeps_the_output_open_is_not_waited_for(tmp_path: Path) -> None:
    finished = run(tmp_path, "sleep 60 & echo started")
    assert finished.output == b"started\n"
    assert finished.exit_code == 0
    assert finished.duration_ms < 20_000


ESCAPES = [
    "{sleep} >/dev/null 2>&1 &",
    "setsid {sleep} &",
    "(setsid {sleep} >/dev/null 2>&1 &) ; true",
    "(setsid bash -c '{sleep} & disown; exit' >/dev/null 2>&1 &) ; sleep 0.05",
    "nohup {sleep} >/dev/null 2>&1 & disown",
    "(trap '' HUP TERM; exec setsid {sleep}) & disown",
    "env -i {sleep} &",
]


@pytest.mark.parametrize("command", ESCAPES)
def test_what_a_command_leaves_in_the_background_is_killed_with_its_end(
    tmp_path: Path, command: str
) -> None:
    secs = f"60.{os.getpid()}{ESCAPES.index(command)}"

    async def deed(processes: Processes) -> None:
        finished = await shell(processes, command.format(sleep=f"sleep {secs}"))
        assert finished.exit_code == 0
        assert not sleeping(secs)

    using(tmp_path, deed)


def sleeping(secs: str) -> bool:
    """Whether a process sleeps so long."""
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if line == f"sleep\0{secs}\0".encode():
            return True
    return False


def test_one_calls_end_leaves_the_processes_of_another_alone(tmp_path: Path) -> None:
    async def deed(processes: Processes) -> None:
        long = asyncio.create_task(shell(processes, "sleep 0.2 & wait; echo whole"))
        for _ in range(3):
            await shell(processes, "true")
        assert (await long).output == b"whole\n"

    using(tmp_path, deed)


@pytest.mark.slow
def test_cancelling_a_call_leaves_nothing_of_it_even_when_cancelled_twice(tmp_path: Path) -> None:
    async def deed(processes: Processes) -> None:
        command = "trap '' TERM; (setsid sleep 60 &); echo; while :; do sleep 1; done"
        task = asyncio.create_task(shell(processes, command))
        await asyncio.sleep(0.3)
        assert marked(run_of(tmp_path))
        task.cancel()
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: not marked(run_of(tmp_path)))

    using(tmp_path, deed)


@pytest.mark.slow
def test_output_beyond_the_bound_is_counted_and_dropped_and_nothing_is_killed(
    tmp_path: Path,
) -> None:
    command = "echo first; head -c 50000000 /dev/zero; echo; echo last"
    finished = run(tmp_path, command, keep_bytes=10_000)
    assert finished.exit_code == 0
    assert finished.total_bytes == 50_000_000 + len("first\n\nlast\n")
    assert finished.dropped_bytes == finished.total_bytes - 10_000
    assert len(finished.output) < 10_100
    assert finished.output.startswith(b"first\n")
    assert finished.output.endswith(b"\nlast\n")
    assert b"bytes were dropped here" in finished.output


@pytest.mark.slow
def test_a_hundred_commands_run_at_once(tmp_path: Path) -> None:
    async def deed(processes: Processes) -> list[Finished]:
        return await asyncio.gather(
            *(shell(processes, f"sleep 0.1; echo {n}; sleep 60 &") for n in range(100))
        )

    outputs = [finished.output for finished in using(tmp_path, deed)]
    assert outputs == [f"{n}\n".encode() for n in range(100)]


def test_closing_kills_what_still_runs(tmp_path: Path) -> None:
    async def deed(processes: Processes) -> None:
        task = asyncio.create_task(shell(processes, "sleep 60"))
        await until(lambda: bool(marked(run_of(tmp_path))))
        await processes.close()
        assert (await task).exit_code == -signal.SIGKILL
        with pytest.raises(HarnessError):
            await shell(processes, "true")

    using(tmp_path, deed)


def test_closing_what_never_started_anything_is_nothing(tmp_path: Path) -> None:
    async def deed(processes: Processes) -> None:
        await processes.close()

    using(tmp_path, deed)
    assert list(tmp_path.iterdir()) == []


def test_no_file_stays_open_when_calls_are_over(tmp_path: Path) -> None:
    async def deed(processes: Processes) -> None:
        await shell(processes, "true")
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(5):
            await shell(processes, "sleep 60 & echo")
        assert len(list(Path("/proc/self/fd").iterdir())) == before

    using(tmp_path, deed)


def test_no_warning_is_left_behind(tmp_path: Path) -> None:
    program = """
import asyncio, sys
from pathlib import Path
from leadhand.processes import Processes
async def main():
    processes = Processes("warnings", Path(sys.argv[1]))
    await processes.run(["sh", "-c", "sleep 60 & echo"], actor_id="root", cwd=Path("/"),
                        env={}, timeout_secs=5, keep_bytes=100)
    await processes.close()
asyncio.run(main())
"""
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (0, "")
