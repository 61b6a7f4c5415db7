"""Memory: what a worker costs while it waits in a model call, and a lead's wait for a worker.

Measured twice, each in a process of its own: the growth of its resident memory, and what Python
itself allocated (tracemalloc, whose books would weigh on the first). The model is a function in
the process: a provider's open request adds its socket, 17 KiB without TLS.
"""

import asyncio
import gc
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from _run import a_run, is_lead, said, spawn
from _table import against, show

from leadhand.model import Request
from leadhand.models.scripted import Reply

COUNT = 1_000
AIM_KIB = 40.0
STATM = Path("/proc/self/statm")


class Waiting:
    """The script: workers wait for an answer that never comes; so does the lead, until it is
    let go, and waits for all workers then."""

    def __init__(self, count: int) -> None:
        self.count, self.waiting = count, 0
        self.lead_may_go = asyncio.Event()

    async def reply(self, request: Request) -> Reply:
        """Wait."""
        if is_lead(request.actor_id):
            await self.lead_may_go.wait()
            ids = [f"root/W{number + 1}" for number in range(self.count)]
            return said("Waiting.", *(("wait_actor", {"worker_id": each}) for each in ids))
        self.waiting += 1
        await asyncio.Event().wait()
        return said("Never.")


def resident() -> float:
    """Bytes of memory that the system has given to this process."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def traced() -> float:
    """Bytes that Python has allocated and not freed."""
    return tracemalloc.get_traced_memory()[0]


async def until(true: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 (a benchmark may look, and what it waits for has no event)
            await asyncio.sleep(0.02)


async def measure(count: int, used: Callable[[], float]) -> tuple[float, float]:
    """KiB of a worker in a model call, and of a lead's open wait."""
    script = Waiting(count)

    def settled_down() -> float:
        gc.collect()
        return used()

    async with a_run(script.reply) as live:
        running = asyncio.create_task(live.go())
        root = live.engine.run.actors
        await until(lambda: any(each.call for each in root.values()))
        before = settled_down()
        await spawn(live, count)
        await until(lambda: script.waiting == count)
        await asyncio.sleep(0.2)
        working = settled_down()
        script.lead_may_go.set()
        await until(lambda: any(len(each.waits) == count for each in root.values()))
        await asyncio.sleep(0.2)
        waiting = settled_down()
        live.conductor().suspend()
        await running
    return (working - before) / count / 1024, (waiting - working) / count / 1024


def main() -> None:
    if len(sys.argv) > 1:
        if sys.argv[1] == "traced":
            tracemalloc.start()
        used = traced if sys.argv[1] == "traced" else resident
        print(json.dumps(asyncio.run(measure(COUNT, used))))
        return
    rows = []
    kinds = {"resident memory (RSS)": "resident", "allocated by Python": "traced"}
    for name, kind in kinds.items():
        if kind == "resident" and not STATM.is_file():
            print("RSS skipped: this system has no /proc/self/statm")
            continue
        command = [sys.executable, __file__, kind]
        found = subprocess.run(command, check=True, capture_output=True, text=True)
        worker, wait = json.loads(found.stdout)
        rows.append((name, f"{worker:.1f}", against(worker, AIM_KIB), f"{wait:.1f}"))
    header = ("KiB each", "worker in a model call", f"aim {AIM_KIB:.0f} KiB", "lead's open wait")
    show(f"{COUNT:,} workers of one run, all waiting", header, rows)


if __name__ == "__main__":
    main()
