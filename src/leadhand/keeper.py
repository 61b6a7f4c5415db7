"""Keeper: the small process that lets no child of a run outlive the run's owner.

It is this very file, run by path with the standard library only, so that it starts in
milliseconds and imports nothing that a workspace could replace. The owner hands it the read end
of a pipe as stdin and a locked file; however the owner ends, the kernel closes the pipe, and the
keeper kills every process that carries the run's mark in its environment, and their descendants.
The lock is free when that is done.

Marks are read from /proc, so this works on Linux; elsewhere nothing is found and nothing killed.
What sheds its environment, its session and its parents escapes.
"""

import os
import signal
import sys
import time
from collections.abc import Collection, Iterator
from typing import NamedTuple

RUN_MARK = "LEADHAND_RUN"
# A process that carries this watches a run of its own and ends by itself: a nested run's keeper
# has to outlive the nested owner that an outer sweep kills.
KEEPER_MARK = "LEADHAND_KEEPER"
SWEEP_SECS = 10.0
_PAUSE_MIN_SECS = 0.001
_PAUSE_MAX_SECS = 0.05
_CHASE_ROUNDS = 200
_CHASE_PIDS = 1_000
_KERNEL_THREAD = 0x00200000
_ENVIRON_MAX = 4_194_304


class Seen(NamedTuple):
    """A process as /proc shows it; with `started` (ticks since boot) a pid is unique."""

    pid: int
    parent: int
    session: int
    started: int
    environ: bytes


class Found(NamedTuple):
    """What one look gave: the processes to kill, and whether some could not be told yet."""

    victims: list[Seen]
    unsure: bool


def sweep(run_id: str) -> int:
    """Kill every process of a run, and their descendants, until none is left (10 s at most).

    Gives how many were killed; 0 where there is no /proc. Spares the caller and its ancestors.
    """
    return kill_marked({f"{RUN_MARK}={run_id}"}, looks=2)


def kill_marked(
    marks: Collection[str], sessions: Collection[int] = (), since: int = 0, looks: int = 1
) -> int:
    """Kill what carries a mark (NAME=value) in its environment or is in a session, and its heirs.

    since: processes that began earlier (ticks since boot) are passed over unread. looks: how
    many looks in a row must find nothing. Gives how many were killed.
    """
    wanted = [b"\0" + os.fsencode(mark) + b"\0" for mark in marks]
    deadline = time.monotonic() + SWEEP_SECS
    killed: set[tuple[int, int]] = set()
    beyond: set[tuple[int, int]] = set()
    clean, pause = 0, _PAUSE_MIN_SECS
    while time.monotonic() < deadline:
        victims, unsure = _freeze(wanted, sessions, since, beyond, deadline)
        clean = 0 if victims else clean + 1
        # A process is without an environment for some microseconds while it becomes a program.
        if clean >= max(looks, 2 if unsure else 1):
            break
        for victim in victims:
            if send_signal(victim, signal.SIGKILL):
                killed.add((victim.pid, victim.started))
            else:
                beyond.add((victim.pid, victim.started))
        time.sleep(pause)
        pause = min(pause * 2, _PAUSE_MAX_SECS)
    return len(killed)


def stop_marked(
    marks: Collection[str], sessions: Collection[int] = (), since: int = 0
) -> list[Seen]:
    """Stop (SIGSTOP) what carries a mark or is in a session, and its heirs, until no new one shows
    (10 s at most); see `kill_marked`. Gives all that is stopped."""
    wanted = [b"\0" + os.fsencode(mark) + b"\0" for mark in marks]
    deadline = time.monotonic() + SWEEP_SECS
    found = _freeze(wanted, sessions, since, set(), deadline)
    if found.unsure:
        # A process is without an environment for some microseconds while it becomes a program.
        time.sleep(_PAUSE_MIN_SECS)
        found = _freeze(wanted, sessions, since, set(), deadline)
    return found.victims


def ticks_now() -> int:
    """The present in clock ticks since boot, as /proc counts the start of processes."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK")) - 1


def _freeze(
    wanted: list[bytes],
    sessions: Collection[int],
    since: int,
    beyond: set[tuple[int, int]],
    deadline: float,
) -> Found:
    """Stop the victims until no new one shows: what is stopped cannot fork or lose its heirs."""
    frozen: dict[tuple[int, int], Seen] = {}
    while True:
        victims, unsure = _find(wanted, sessions, since, frozen.keys() | beyond)
        fresh = [v for v in victims if (v.pid, v.started) not in frozen.keys() | beyond]
        for victim in fresh:
            frozen[(victim.pid, victim.started)] = victim
            send_signal(victim, signal.SIGSTOP)
        if not fresh or time.monotonic() >= deadline:
            return Found(list(frozen.values()), unsure)


def _find(
    wanted: list[bytes],
    sessions: Collection[int],
    since: int,
    known: Collection[tuple[int, int]],
) -> Found:
    """Look once through /proc. What carries a mark and is not known yet is stopped at sight."""
    spared = _ancestors()
    keeper = b"\0" + KEEPER_MARK.encode() + b"="
    able: dict[int, Seen] = {}
    heirs: dict[int, list[int]] = {}
    line: list[int] = []
    for seen in _processes(since):
        if seen.pid in spared or keeper in seen.environ:
            continue
        able[seen.pid] = seen
        heirs.setdefault(seen.parent, []).append(seen.pid)
        if seen.session in sessions or any(mark in seen.environ for mark in wanted):
            line.append(seen.pid)
            if (seen.pid, seen.started) not in known:
                send_signal(seen, signal.SIGSTOP)
    victims: dict[int, Seen] = {}
    while line:
        pid = line.pop()
        if pid not in victims:
            victims[pid] = able[pid]
            line.extend(heirs.get(pid, ()))
    unsure = any(len(seen.environ) <= 2 for pid, seen in able.items() if pid not in victims)
    return Found(list(victims.values()), unsure)


def _processes(since: int) -> Iterator[Seen]:
    """Every living process that began at `since` or later; none where there is no /proc."""
    last = _newest_pid()
    try:
        with os.scandir("/proc") as entries:
            pids = [int(entry.name) for entry in entries if entry.name.isdigit()]
    except OSError:
        return
    for pid in pids:
        seen = _look(pid, since)
        if seen is not None:
            yield seen
    # What forks and ends all the time is never in the list any more; its newest heir is caught.
    for _ in range(_CHASE_ROUNDS):
        newest = _newest_pid()
        if newest == last:
            return
        # Numbers begin anew when they have run out.
        first = last + 1 if last < newest else 1
        for pid in range(max(first, newest - _CHASE_PIDS), newest + 1):
            seen = _look(pid, since)
            if seen is not None and not _is_thread(pid):
                yield seen
        last = newest


def _is_thread(pid: int) -> bool:
    """Whether a number is that of a thread beside its process's first, which no list shows."""
    return b"\nTgid:\t%d\n" % pid not in _read(f"/proc/{pid}/status", 4096)


def _newest_pid() -> int:
    """The number given last, to a process or a thread."""
    fields = _read("/proc/loadavg", 256).split()
    return int(fields[4]) if len(fields) > 4 else 0


def _look(pid: int, since: int) -> Seen | None:
    """One living process that is not the kernel's own; None where there is none."""
    fields = _stat(pid)
    if len(fields) < 20 or fields[0] in (b"Z", b"X"):
        return None
    parent, session, started = int(fields[1]), int(fields[3]), int(fields[19])
    if started < since or int(fields[6]) & _KERNEL_THREAD:
        return None
    environ = _read(f"/proc/{pid}/environ", _ENVIRON_MAX)
    return Seen(pid, parent, session, started, b"\0" + environ + b"\0")


def _stat(pid: int) -> list[bytes]:
    """The fields of /proc/<pid>/stat from the state on; empty when it is gone."""
    stat = _read(f"/proc/{pid}/stat", 4096)
    # The program's name stands before them in parentheses and may itself hold anything.
    return stat[stat.rfind(b")") + 2 :].split()


def _ancestors() -> set[int]:
    """This process and all above it."""
    line = {os.getpid()}
    pid = os.getppid()
    while pid > 0 and pid not in line:
        line.add(pid)
        fields = _stat(pid)
        pid = int(fields[1]) if len(fields) > 1 else 0
    return line


def _read(path: str, limit: int) -> bytes:
    """A file of /proc, whole; empty when it is gone or not ours to read."""
    parts: list[bytes] = []
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        while limit > 0 and (part := os.read(file, min(limit, 65_536))):
            parts.append(part)
            limit -= len(part)
    except OSError:
        return b""
    finally:
        os.close(file)
    return b"".join(parts)


def send_signal(victim: Seen, number: int) -> bool:
    """Signal this very process, never another that has got its pid since. False: not ours."""
    handle = -1
    try:
        # Where there is no pidfd (old kernels, sandboxes), the moment after the check is a risk.
        handle = _pidfd(victim.pid)
        fields = _stat(victim.pid)
        if len(fields) < 20 or int(fields[19]) != victim.started:
            return True
        if handle >= 0:
            signal.pidfd_send_signal(handle, number)
        else:
            os.kill(victim.pid, number)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    finally:
        if handle >= 0:
            os.close(handle)
    return True


def _pidfd(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except OSError:
        return -1


def main(run_id: str, lock: int) -> None:
    """Hold the lock (an open, locked file) until stdin closes; then sweep the run and end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    if os.getsid(0) != os.getpid():
        os.setsid()
    os.chdir("/")
    os.fstat(lock)
    while os.read(0, 4096):
        pass
    sweep(run_id)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
