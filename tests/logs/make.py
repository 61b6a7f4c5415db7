"""Make: writes golden logs of the present version, for the kinds of event that none has yet.

`python -m tests.logs.make 0.1.0` simulates runs until every kind of event is in one of them.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from leadhand.domain import commands as c
from leadhand.domain.contract import Contract, Delivery, Evidence, Output
from leadhand.domain.events import Intent
from leadhand.domain.evolve import EVOLVE
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.manifest import (
    ApprovalPolicy,
    Approvals,
    Lead,
    Manifest,
    Settings,
    Subleads,
)
from leadhand.domain.money import NANO, Price, Usage
from leadhand.domain.questions import Question
from leadhand.engine.clock import SystemClock
from leadhand.engine.engine import Engine
from leadhand.store import Row
from leadhand.stores.memory import KeptRun, Memory, MemoryStore
from leadhand.testing.scenario import RUN, scenario
from leadhand.testing.simulate import REAL_SECS, play
from leadhand.testing.world import World

HERE = Path(__file__).parent
SEEDS_MAX = 2_000
ROWS_MAX = 150
UNIT, WORKER = "unit", ActorId("root/W1")
LATE = (
    c.RecordExit(ROOT, "completed", "too late"),
    c.RecordTurn(ROOT, CallId("late"), "[]", Usage(1, 1), "end_turn"),
    c.RecordToolResult(ROOT, CallId("late"), "too late"),
)


def simulated(seed: int) -> Memory:
    """The disk after the run of a seed."""
    memory, world = Memory(), World(seed)
    memory.runs[RUN] = KeptRun("")
    play(scenario(seed), memory, world, REAL_SECS)
    return memory


async def with_late_words(memory: Memory) -> None:
    """Add what comes when all is over."""
    store = MemoryStore(memory)
    engine = await Engine.open(store, RUN, SystemClock(), "a latecomer")
    for command in LATE:
        await engine.submit(command)
    await engine.close()


async def with_worktrees() -> Memory:
    """The disk after a run whose lead's worktree was kept and whose worker's was removed."""
    memory = Memory()
    memory.runs[RUN] = KeptRun("")
    engine = await Engine.open(MemoryStore(memory), RUN, SystemClock(), "worktrees")
    own = Settings(model=UNIT, directory="/repo", use_worktree=True)
    lead = Lead("lead", "Go.", replace(own, branch="feature/x"))
    await engine.submit(c.OwnRun(1, "worktrees"))
    await engine.submit(c.StartRun(RUN, Manifest(lead, prices={UNIT: Price()})))
    await engine.submit(c.SpawnActor(ROOT, CallId("a"), "Do it.", settings=own))
    for actor in (ROOT, WORKER):
        branch = engine.run.workspaces[actor].branch
        notes = ("its submodules are empty: lib",)
        place = c.RecordWorkspace(actor, branch, "abc", "/repo/.git", "inner", notes)
        await engine.submit(place)
        await engine.submit(c.RecordWorkspaceMade(actor))
    for actor in (WORKER, ROOT):
        await engine.submit(c.RecordExit(actor, "completed", "Done."))
    await engine.submit(c.RecordExit(ROOT, "completed", "Done."))
    await engine.submit(c.RecordTidied(WORKER))
    await engine.submit(c.RecordTidied(ROOT, "1 commit not merged"))
    await engine.submit(c.FinishRun())
    await engine.close()
    return memory


async def with_store() -> Memory:
    """The disk after a run whose lead and worker share entries and want the same leases."""
    memory = Memory()
    memory.runs[RUN] = KeptRun("")
    engine = await Engine.open(MemoryStore(memory), RUN, SystemClock(), "store")
    settings = Settings(model=UNIT, directory="/")
    asked = Manifest(Lead("lead", "Go.", settings), prices={UNIT: Price()})
    call = CallId("a")
    for command in (
        c.OwnRun(1, "store"),
        c.StartRun(RUN, asked),
        c.SpawnActor(ROOT, call, "Do it."),
        c.PutEntry(ROOT, CallId("p1"), "/ref/spec", '"short"'),
        c.PutEntry(WORKER, CallId("p2"), "/peer/self/x", blob="blob:" + "0" * 64, size=9_000),
        c.PutEntry(WORKER, CallId("p3"), "/shared/n", "[1,2]", expected_version=0),
        c.AwaitEntry(ROOT, CallId("w1"), "/shared/n", 2, 60),
        c.PutEntry(WORKER, CallId("p4"), "/shared/n", "[1,2,3]", expected_version=1),
        c.AcquireLease(ROOT, CallId("l1"), "src/a.py", 60),
        c.AcquireLease(ROOT, CallId("l2"), "src/a.py", 90),
        c.AcquireLease(WORKER, CallId("l3"), "src/a.py", 60, wait_secs=30),
        c.ReleaseLease(ROOT, CallId("l4"), "src/a.py"),
        c.GrantLease("root|src/a.py"),
        c.AcquireLease(ROOT, CallId("l5"), "src/a.py", 60, wait_secs=30),
        c.LeaveLease(ROOT, CallId("l5")),
        c.AcquireLease(ROOT, CallId("l6"), "everything", 0, run_wide=True),
        c.ExpireLease("|everything"),
        c.RecordExit(WORKER, "completed", "Done."),
        c.RecordExit(ROOT, "completed", "Done."),
        c.RecordExit(ROOT, "completed", "Done."),
        c.FinishRun(),
    ):
        await engine.submit(command)
    await engine.close()
    return memory


async def with_contracts() -> Memory:
    """The disk after a run whose one worker was verified and whose other was refuted."""
    memory = Memory()
    memory.runs[RUN] = KeptRun("")
    engine = await Engine.open(MemoryStore(memory), RUN, SystemClock(), "contracts")
    lead = Lead("lead", "Go.", Settings(model=UNIT, directory="/repo"))
    await engine.submit(c.OwnRun(1, "contracts"))
    await engine.submit(c.StartRun(RUN, Manifest(lead, prices={UNIT: Price()})))
    asked = Contract(returns='{"type":"integer"}', changed=("a.md",), forbid=("TODO",))
    for call in ("a", "b"):
        await engine.submit(c.SpawnActor(ROOT, CallId(call), "Do it.", contract=asked))
    for number, worker in enumerate((WORKER, ActorId("root/W2"))):
        await engine.submit(c.RecordBeginning(worker, (("a.md", "abc"),)))
        await engine.submit(c.RecordExit(worker, "completed", "Done."))
        made = Delivery("completed", "Done.", (Output("a.md"),), ("a.md",), ("more",), 0.5, "7")
        await engine.submit(c.RecordOutcome(worker, CallId("r"), made))
        await engine.submit(c.RecordExit(worker, "completed", "Done."))
        found = (Evidence("changed", "a.md", not number, "is as it was" * number),)
        await engine.submit(c.RecordChecks(worker, found, "Done."))
    for _ in range(2):
        await engine.submit(c.RecordExit(ROOT, "completed", "Done."))
    await engine.submit(c.FinishRun())
    await engine.close()
    return memory


async def with_subleads() -> Memory:
    """The disk after a run whose lead has a sub-lead, and that one a worker that outlives it."""
    memory = Memory()
    memory.runs[RUN] = KeptRun("")
    engine = await Engine.open(MemoryStore(memory), RUN, SystemClock(), "subleads")
    settings = Settings(model=UNIT, directory="/")
    first, below = ActorId("root/S1"), ActorId("root/S1/W1")
    own = Settings(env={"PHASE": "one"}, budget_nanousd=NANO, timeout_secs=60)
    within = Subleads(3, 2 * NANO, 4, 2, settings=Settings(tools=("Read",)))
    asked = Manifest(Lead("lead", "Go.", settings), prices={UNIT: Price()}, subleads=within)
    given = (c.Reference("plan", '"go"'),)
    for command in (
        c.OwnRun(1, "subleads"),
        c.StartRun(RUN, asked),
        c.SpawnSublead(ROOT, CallId("a"), "Lead.", "k", "phase", 2, True, own, given),
        c.SpawnActor(first, CallId("b"), "Do it."),
        c.RecordExit(first, "completed", "All of it."),
        c.WrapUpActor(below),
        c.RecordExit(below, "completed", "Done."),
        c.RecordExit(ROOT, "completed", "Done."),
        c.RecordExit(ROOT, "completed", "Done."),
        c.FinishRun(),
    ):
        await engine.submit(command)
    await engine.close()
    return memory


async def with_approvals() -> Memory:
    """The disk after a run whose lead asks, and is answered by its operator, a policy and time."""
    memory = Memory()
    memory.runs[RUN] = KeptRun("")
    engine = await Engine.open(MemoryStore(memory), RUN, SystemClock(), "approvals")
    lead = Lead("lead", "Go.", Settings(model=UNIT, directory="/"))
    late = ApprovalPolicy("block", tool="Bash", command="*push*", ttl_secs=0)
    approvals = Approvals((late, ApprovalPolicy("auto_reject", category="cost", reason="Dear.")))
    asked = Manifest(lead, prices={UNIT: Price()}, approvals=approvals)
    push = Question("tool_use", "Bash", ("/a",), "git push", "example.com", digest="abc")
    every = ApprovalPolicy(
        "block", "root/*", "worker", "tool_use", "Write", "/a/*", "", "", NANO, "Why.", 60
    )
    asking = [CallId(f"q{number}") for number in range(4)]
    intents = tuple(Intent(each, "request_approval", "keyed", "asks") for each in asking)
    for command in (
        c.OwnRun(1, "approvals"),
        c.StartRun(RUN, asked),
        c.AdmitCall(ROOT, CallId("a"), 10, counted=0),
        c.RecordTurn(ROOT, CallId("a"), "[]", Usage(1, 1), "tool_use", intents),
        c.AskApproval(ROOT, asking[0], Question("plan"), "A plan.", '{"plan":1}', 60),
        c.AnswerApproval("A1", True, "Well.", "A part of it."),
        c.UseApproval(ROOT, asking[0]),
        c.AskApproval(ROOT, asking[1], Question("cost", cost_nanousd=NANO), "A dear one."),
        c.AskApproval(ROOT, asking[2], push, "Push it.", fallback="auto_approve"),
        c.ExpireApproval("A3"),
        c.ChangePolicies((every,), "auto_reject", "operator"),
        c.AskApproval(ROOT, asking[3], Question("plan"), "Another plan."),
        c.RecordExit(ROOT, "completed", "Done."),
        c.RecordExit(ROOT, "completed", "Done."),
        c.FinishRun(),
    ):
        await engine.submit(command)
    await engine.close()
    return memory


def written(rows: list[Row]) -> bytes:
    """A log as lines of JSON; data is text."""
    lines = [
        {**{name: getattr(row, name) for name in Row.__struct_fields__}, "data": row.data.decode()}
        for row in rows
    ]
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a golden log."""
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]


def main(version: str) -> None:
    """Write the logs."""
    kept = {row["kind"] for path in HERE.glob("*/*.jsonl") for row in rows_of(path)}
    missing = {kind.__name__ for kind in EVOLVE} - kept
    folder = HERE / version
    folder.mkdir(exist_ok=True)
    if "WorkspaceMade" in missing:
        rows = asyncio.run(with_worktrees()).runs[RUN].rows
        (folder / "worktrees.jsonl").write_bytes(written(rows))
        missing -= {row.kind for row in rows}
    if "EntryPut" in missing:
        rows = asyncio.run(with_store()).runs[RUN].rows
        (folder / "store.jsonl").write_bytes(written(rows))
    if "ChecksRecorded" in missing:
        rows = asyncio.run(with_contracts()).runs[RUN].rows
        (folder / "contracts.jsonl").write_bytes(written(rows))
        missing -= {row.kind for row in rows}
    if not any(HERE.glob("*/subleads.jsonl")):
        rows = asyncio.run(with_subleads()).runs[RUN].rows
        (folder / "subleads.jsonl").write_bytes(written(rows))
    if "ApprovalUsed" in missing:
        rows = asyncio.run(with_approvals()).runs[RUN].rows
        (folder / "approvals.jsonl").write_bytes(written(rows))
        missing -= {row.kind for row in rows}
    for seed in range(SEEDS_MAX if missing else 0):
        memory = simulated(seed)
        if "ExitLate" in missing:
            asyncio.run(with_late_words(memory))
        rows = memory.runs[RUN].rows
        kinds = {row.kind for row in rows}
        if not missing & kinds or len(rows) > ROWS_MAX:
            continue
        name = "late" if "ExitLate" in kinds else f"seed-{seed}"
        (folder / f"{name}.jsonl").write_bytes(written(rows))
        missing -= kinds
        if not missing:
            return
    if missing:
        raise SystemExit(f"no seed gave {sorted(missing)}")


if __name__ == "__main__":
    main(sys.argv[1])
