"""Agents: how long coding agents take to begin, what memory they take, and many at once.

    PYTHONPATH=src python benchmarks/agents.py [--workers 50] [--agents claude-code,codex]

Real programs on a scripted model over loopback. Codex is measured where it is on PATH. The workers
run one command each; admission lets them start as there is memory and a place.
"""

import argparse
import asyncio
import os
import shutil
import tempfile
import time
from pathlib import Path

from _table import against, show
from msgspec import Struct

from leadhand.domain import events as e
from leadhand.domain.ids import ROOT
from leadhand.domain.manifest import Agent, HarnessName, HouseRules, Lead, Manifest, Settings
from leadhand.engine.log import Stamped
from leadhand.room import free_mb, resident_mb
from leadhand.stores.sqlite import SqliteStore
from leadhand.testing.model_server import model_server
from leadhand.testing.step import Step, with_script
from leadhand.wiring import LiveRun, start_run

MODELS: dict[HarnessName, str] = {
    "claude-code": "anthropic:claude-haiku-4-5",
    "codex": "openai:gpt-5.5",
}
SHELL = {"claude-code": "Bash", "codex": "exec_command"}
REPORT = "STATUS: success\nCOMPLETED\n- none\nDEFERRED OR FAILED\n- none\nCOST SUMMARY\n- none"
FLOOR_MB = 512
# The aims: one agent's first request after its spawn, and what one takes of memory.
AIM_FIRST_SECS, AIM_MB = 2.0, 400.0


class Measured(Struct):
    """A run of so many workers. first_secs: from the spawn to the first request, the median;
    most: processes at a time; mb: the largest; low_mb: the least that was free."""

    secs: float
    first_secs: float
    most: int
    mb: int
    low_mb: int
    failed: int
    left: int


def programs(run_id: str) -> list[int]:
    """The first processes of a run's agents: those whose parent is this one."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if not folder.name.isdigit():
                continue
            if f"LEADHAND_RUN={run_id}\0".encode() not in (folder / "environ").read_bytes():
                continue
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            continue
        if parent == os.getpid():
            found.append(int(folder.name))
    return found


async def measured(harness: HarnessName, workers: int) -> Measured:
    """A run of workers of this harness."""
    key = "cmd" if harness == "codex" else "command"
    call = (SHELL[harness], {key: "sleep 1"})
    prompt = with_script("Do it.", [Step(calls=(call,)), Step(text="done")])
    spawns = [("spawn_worker", {"prompt": prompt, "agent": "one"})] * workers
    waits = [("wait_actor", {"worker_id": f"root/W{number + 1}"}) for number in range(workers)]
    steps = [Step(calls=tuple(spawns)), Step(calls=tuple(waits)), Step(text=REPORT)]
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        async with model_server() as server:
            manifest = Manifest(
                lead=Lead(
                    "bench",
                    with_script("Lead.", steps),
                    Settings(model=MODELS["claude-code"], directory=folder, use_worktree=False),
                ),
                house=HouseRules(max_workers=workers, min_free_memory_mb=FLOOR_MB),
                agents={"one": Agent("", Settings(model=MODELS[harness], harness=harness))},
            )
            environ = os.environ | {
                "ANTHROPIC_API_KEY": "sk-none",
                "ANTHROPIC_BASE_URL": server.url,
                "OPENAI_API_KEY": "sk-none",
                "OPENAI_BASE_URL": server.openai_url,
            }
            runs = Path(folder) / "runs"
            live = await start_run(SqliteStore(runs), runs, manifest, "", environ=environ)
            try:
                return await watched(live)
            finally:
                await live.close()


async def watched(live: LiveRun) -> Measured:
    """Let a run go to its end, and look at what it takes."""
    began, most, mb, low = time.monotonic(), 0, 0, free_mb()
    going = asyncio.create_task(live.go())
    while not going.done():
        pids = programs(live.run_id)
        most, low = max(most, len(pids)), min(low, free_mb())
        mb = max([mb, *map(resident_mb, pids)])
        await asyncio.sleep(0.2)
    await going
    secs = time.monotonic() - began
    stamped: list[Stamped] = await live.engine.stamped()
    spawned = {each.event.actor: each.at.now.wall_ms for each in stamped if spawn(each)}
    firsts: dict[str, int] = {}
    for each in stamped:
        if isinstance(each.event, e.CallAdmitted) and each.event.actor != ROOT:
            firsts.setdefault(each.event.actor, each.at.now.wall_ms)
    took = sorted(firsts[actor] - at for actor, at in spawned.items() if actor in firsts)
    failed = sum(each.status != "Success" for each in live.engine.run.records.values())
    left = len(programs(live.run_id))
    return Measured(secs, took[len(took) // 2] / 1000, most, mb, low, failed, left)


def spawn(each: Stamped) -> bool:
    """Whether it is the spawn of a worker."""
    return isinstance(each.event, e.ActorSpawned) and each.event.actor != ROOT


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=50)
    parser.add_argument("--agents", default="claude-code,codex")
    given = parser.parse_args()
    rows = []
    for name in given.agents.split(","):
        if name == "codex" and shutil.which("codex") is None:
            continue
        for workers in (1, given.workers):
            found = asyncio.run(measured(name, workers))
            rows.append(
                (
                    f"{name}, {workers}",
                    f"{found.secs:.1f}",
                    f"{found.first_secs:.2f}",
                    against(found.first_secs, AIM_FIRST_SECS) if workers == 1 else "",
                    f"{found.most}",
                    f"{found.mb}",
                    against(float(found.mb), AIM_MB),
                    f"{found.low_mb}",
                    f"{found.failed}",
                    f"{found.left}",
                )
            )
    show(
        "Coding agents: a run of so many workers of one command each",
        (
            "agent, workers",
            "s",
            "first request s",
            "aim",
            "at a time",
            "MB",
            "aim",
            "free MB",
            "failed",
            "left",
        ),
        rows,
    )


if __name__ == "__main__":
    main()
