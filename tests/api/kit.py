"""Kit: programs that use the API: a model that is a function, a gate its workers wait at."""

import asyncio
import time
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import leadhand
from leadhand.errors import ModelError
from leadhand.testing import done, prompt

T = TypeVar("T")
PATIENCE_SECS = 60.0


def manifest(**more: Any) -> dict[str, Any]:
    """A manifest whose lead has `jobs` done, a worker each."""
    return {
        "run": {"max_workers": 4, "budget_usd": 2.00, "grace_secs": 1},
        "defaults": {"model": "script:crew"},
        "lead": {"id": "api", "prompt": "Have one, two done."},
        **more,
    }


def report(status: str, completed: list[str], left: list[str]) -> str:
    """A final report."""
    parts = ["1. STATUS: " + status, "2. COMPLETED", *(completed or ["- none"])]
    return "\n".join([*parts, "3. DEFERRED OR FAILED", *(left or ["- none"]), "4. COST SUMMARY"])


class Crew:
    """The model of a run: its lead spawns a worker for each job of its prompt and waits for all.

    gate: what workers wait at. asked: how often each was asked. tool: what workers call first.
    seen: what the tool gave them.
    """

    def __init__(self, *, opened: bool = True, tool: str = "", **args: Any) -> None:
        self.gate = asyncio.Event()
        self.asked = Counter[str]()
        self.seen: list[str] = []
        self.broken = ""
        self._tool, self._args = tool, args
        if opened:
            self.gate.set()

    async def __call__(self, request: leadhand.Request) -> leadhand.Reply | str:
        self.asked[request.actor_id] += 1
        if prompt(request).startswith("Have"):
            return self.lead(request)
        job = prompt(request).split()[1]
        if self._tool and not done(request, self._tool):
            return leadhand.Reply(calls=((self._tool, self._args),))
        self.seen += [each.text for each in done(request, self._tool)] if self._tool else []
        await self.gate.wait()
        if job == self.broken:
            raise ModelError(f"{job} is broken", kind="bad_request")
        return f"{job} is done."

    def lead(self, request: leadhand.Request) -> leadhand.Reply | str:
        """The lead's next reply."""
        jobs = prompt(request).removeprefix("Have ").removesuffix(" done.").split(", ")
        started = [each.json["worker_id"] for each in done(request, "spawn_worker")]
        if not started:
            args: list[dict[str, Any]]
            args = [{"prompt": f"Do {job} now.", "label": job} for job in jobs]
            if self._tool:
                args = [{**each, "tools": [self._tool]} for each in args]
            return leadhand.Reply(calls=tuple(("spawn_worker", each) for each in args))
        told = {each.json.get("worker_id"): each.json for each in done(request, "wait_actor")}
        waiting = [each for each in started if not told.get(each, {}).get("settled")]
        if waiting:
            return leadhand.Reply(calls=tuple(("wait_actor", {"actor_id": it}) for it in waiting))
        good = [f"- {it} — a job — done" for it in told if told[it]["status"] == "Success"]
        bad = [f"- {it}: it failed" for it in told if told[it]["status"] != "Success"]
        return report("partial" if bad else "success", good, bad)

    async def met(self, count: int = 2) -> None:
        """Wait until so many workers wait at the gate."""
        deadline = time.monotonic() + PATIENCE_SECS
        while sum(self.asked[f"root/W{number}"] for number in range(1, 9)) < count:
            assert time.monotonic() < deadline, self.asked
            await asyncio.sleep(0.01)


def play(work: Coroutine[Any, Any, T]) -> T:
    """Do it in an event loop of its own, in which no task may be left at the end."""

    async def watched() -> T:
        try:
            return await work
        finally:
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert left == set(), left

    return asyncio.run(watched())


def opened(folder: Path, crew: Crew, **given: Any) -> leadhand.Leadhand:
    """A folder of runs, and the crew that plays its model."""
    return leadhand.open(folder / "runs", models={"crew": crew}, **given)
