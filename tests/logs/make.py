"""Make: writes golden logs of the present version, for the kinds of event that none has yet.

`python -m tests.logs.make 0.1.0` simulates runs until every kind of event is in one of them.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterable
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
    McpServer,
    Notification,
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


async def lived(who: str, asked: Manifest, commands: Iterable[c.Command]) -> Memory:
    """The disk after a run in which this was asked, one after another."""
    memory = Memory()
    memory.runs[RUN] = KeptRun("")
    engine = await Engine.open(MemoryStore(memory), RUN, SystemClock(), who)
    for command in (c.OwnRun(1, who), c.StartRun(RUN, asked), *commands, c.FinishRun()):
        await engine.submit(command)
    await engine.close()
    return memory


def asked_of(settings: Settings, **given: Any) -> Manifest:
    """A manifest whose lead works so."""
    return Manifest(Lead("lead", "Go.", settings), prices={UNIT: Price()}, **given)


def ended(*actors: ActorId) -> list[c.Command]:
    """Actors that end, and the lead, which is asked for its report first."""
    return [c.RecordExit(each, "completed", "Done.") for each in (*actors, ROOT, ROOT)]


async def with_worktrees() -> Memory:
    """A run whose lead's worktree was kept and whose worker's was removed."""
    own = Settings(model=UNIT, directory="/repo", use_worktree=True)
    notes = ("its submodules are empty: lib",)
    places = {ROOT: "feature/x", WORKER: f"leadhand/{RUN}/root.W1"}
    made = [
        command
        for actor, branch in places.items()
        for command in (
            c.RecordWorkspace(actor, branch, "abc", "/repo/.git", "inner", notes),
            c.RecordWorkspaceMade(actor),
        )
    ]
    commands = [
        c.SpawnActor(ROOT, CallId("a"), "Do it.", settings=own),
        *made,
        *ended(WORKER),
        c.RecordTidied(WORKER),
        c.RecordTidied(ROOT, "1 commit not merged"),
    ]
    return await lived("worktrees", asked_of(replace(own, branch="feature/x")), commands)


async def with_store() -> Memory:
    """A run whose lead and worker share entries and want the same leases."""
    commands = (
        c.SpawnActor(ROOT, CallId("a"), "Do it."),
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
        *ended(WORKER),
    )
    return await lived("store", asked_of(Settings(model=UNIT, directory="/")), commands)


async def with_contracts() -> Memory:
    """A run whose one worker was verified and whose other was refuted."""
    asked = Contract(returns='{"type":"integer"}', changed=("a.md",), forbid=("TODO",))
    commands: list[c.Command] = [
        c.SpawnActor(ROOT, CallId(call), "Do it.", contract=asked) for call in ("a", "b")
    ]
    for number, worker in enumerate((WORKER, ActorId("root/W2"))):
        made = Delivery("completed", "Done.", (Output("a.md"),), ("a.md",), ("more",), 0.5, "7")
        found = (Evidence("changed", "a.md", not number, "is as it was" * number),)
        commands += [
            c.RecordBeginning(worker, (("a.md", "abc"),)),
            *([] if number else [c.RecordDrift(worker, CallId("b"), ("other.md",))]),
            c.RecordExit(worker, "completed", "Done."),
            c.RecordOutcome(worker, CallId("r"), made),
            c.RecordExit(worker, "completed", "Done."),
            c.RecordChecks(worker, found, "Done."),
        ]
    lead = asked_of(Settings(model=UNIT, directory="/repo"))
    return await lived("contracts", lead, [*commands, *ended()])


async def with_subleads() -> Memory:
    """A run whose lead has a sub-lead, and that one a worker that outlives it."""
    first, below = ActorId("root/S1"), ActorId("root/S1/W1")
    own = Settings(env={"PHASE": "one"}, budget_nanousd=NANO, timeout_secs=60)
    within = Subleads(3, 2 * NANO, 4, 2, settings=Settings(tools=("Read",)))
    given = (c.Reference("plan", '"go"'),)
    commands = (
        c.SpawnSublead(ROOT, CallId("a"), "Lead.", "k", "phase", 2, True, own, given),
        c.SpawnActor(first, CallId("b"), "Do it."),
        c.RecordExit(first, "completed", "All of it."),
        c.WrapUpActor(below),
        *ended(below),
    )
    lead = asked_of(Settings(model=UNIT, directory="/"), subleads=within)
    return await lived("subleads", lead, commands)


async def with_approvals() -> Memory:
    """A run whose lead asks: a policy, the operator, and nobody answers."""
    call, plan = CallId("ask"), Question("plan", digest="abc")
    push = Question("tool_use", "Bash", ("/repo/a",), "git push", "", 5, "def")
    block = ApprovalPolicy("block", actor="root*", tool="Bash", reason="mine", ttl_secs=1)
    other = ApprovalPolicy("auto_approve", category="plan", cost_over_nanousd=1)
    commands = (
        c.AskApproval(ROOT, call, push, "May I push?", "{}", 0),
        c.ExpireApproval("A1"),
        c.ChangePolicies((block, other), "auto_reject"),
        c.AskApproval(ROOT, CallId("plan"), plan, "A plan", '{"plan":{}}'),
        c.AskApproval(ROOT, CallId("push"), push, "May I push now?", "{}", 60, "auto_reject"),
        c.AnswerApproval("A3", True, "go", "only main"),
        c.UseApproval(ROOT, CallId("push")),
        *ended(),
    )
    approvals = Approvals((block,), "block", True)
    lead = asked_of(Settings(model=UNIT, directory="/repo"), approvals=approvals)
    return await lived("approvals", lead, commands)


async def with_outside() -> Memory:
    """A run that an MCP client led, and from which others were turned away."""
    call = CallId("toolu_1")
    commands = (
        c.BeginTool(ROOT, Intent(call, "spawn_worker", "keyed", "spawn_worker Do it.")),
        c.SpawnActor(ROOT, call, "Do it."),
        c.SendMessage(ROOT, "Look here."),
        c.RecordToolResult(ROOT, call, "{}"),
        c.DeliverMail(ROOT, (1,)),
        c.RecordDenial(ActorId(""), "", "it has no token"),
        c.RecordDenial(WORKER, "spawn_worker", "it is no tool of a worker"),
        *ended(WORKER),
    )
    return await lived("outside", asked_of(Settings(model=UNIT)), commands)


async def with_servers() -> Memory:
    """A run that was offered MCP servers, one of which was not there."""
    commands = (
        c.RecordServer("tickets", ("mcp__tickets__list",), ("drop: its arguments are no object",)),
        c.RecordServer("docs", trouble="it did not answer within 30 s"),
        *ended(),
    )
    servers = (
        McpServer("tickets", "tickets", agents=("lead",)),
        McpServer("docs", url="https://d"),
    )
    return await lived("servers", asked_of(Settings(model=UNIT), mcp_servers=servers), commands)


async def with_starts() -> Memory:
    """A run whose lead's process waits to start, and does no more."""
    commands = (
        c.RecordStartHeld(ROOT, "memory: 3 MB are free", 900_000),
        c.RecordStartHeld(ROOT),
        *ended(),
    )
    return await lived("starts", asked_of(Settings(model=UNIT)), commands)


async def with_notices() -> Memory:
    """A run whose operator is reminded, told, told later and not told."""
    sinks = (Notification("webhook", "${LEADHAND_HOOK}"), Notification("log", severity_min="error"))
    push = Question("tool_use", "Bash", command="git push", digest="def")
    commands = (
        c.AskApproval(ROOT, CallId("ask"), push, "May I push?", "{}", 0),
        c.RemindApproval("A1"),
        c.RecordUndelivered("2-0", "it answered 503", 1_700_000_000_000),
        c.RecordDelivered("2-0"),
        c.SpawnActor(ROOT, CallId("a"), "Do it."),
        c.RecordExit(WORKER, "failed", "", "no way"),
        c.RecordUndelivered("9-1", "it answered 404", final=True),
        *ended(),
    )
    lead = asked_of(Settings(model=UNIT, directory="/repo"), notifications=sinks)
    return await lived("notices", lead, commands)


# What no simulated run has: a kind of event, and the run that has it.
SCENES: dict[str, Callable[[], Coroutine[Any, Any, Memory]]] = {
    "WorkspaceMade": with_worktrees,
    "EntryPut": with_store,
    "ChecksRecorded": with_contracts,
    "ActorSpawned": with_subleads,
    "ApprovalUsed": with_approvals,
    "ToolBegun": with_outside,
    "NoticeDropped": with_notices,
    "ServerAsked": with_servers,
    "StartHeld": with_starts,
}


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
    for kind, scene in SCENES.items():
        name = scene.__name__.removeprefix("with_")
        if kind in missing or not any(HERE.glob(f"*/{name}.jsonl")):
            rows = asyncio.run(scene()).runs[RUN].rows
            (folder / f"{name}.jsonl").write_bytes(written(rows))
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
