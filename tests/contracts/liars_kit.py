"""Liars kit: a run in a real repository whose one worker says and does what a test tells it to.

The lead spawns it with a contract, waits, and reports. Only the model is a script.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

import leadhand
from leadhand.api.result import Result
from leadhand.testing import Reply, done, prompt, turn
from leadhand.views.record import TaskRecord

LEAD_REPORT = """1. STATUS: success
2. COMPLETED
- root/W1 — the task — done
3. DEFERRED OR FAILED
- none
4. COST SUMMARY
- none"""
JOB = "Do the job."

Deed = Reply | str | tuple[str, dict[str, Any]]


def reports(status: str = "completed", summary: str = "All is done.", **more: Any) -> Deed:
    """A turn that reports."""
    return "report", {"status": status, "summary": summary, **more}


def bash(command: str) -> Deed:
    """A turn that runs a command."""
    return "Bash", {"command": command}


def write(path: str, content: str = "Held.\n") -> Deed:
    """A turn that writes a file."""
    return "Write", {"file_path": path, "content": content}


def repository(folder: Path, files: dict[str, str] | None = None) -> Path:
    """A repository with one commit."""
    repo = folder / "repo"
    repo.mkdir(parents=True)
    for name, text in ({"README.md": "A repository.\n"} | (files or {})).items():
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text(text)
    for words in (
        ("init", "-q", "-b", "main"),
        ("add", "-A"),
        ("-c", "user.name=T", "-c", "user.email=t@t", "commit", "-qm", "Begin"),
    ):
        subprocess.run(["git", *words], cwd=repo, check=True)
    return repo


class Told(NamedTuple):
    """What became of a run. waited: what the lead's wait gave. turns: what the worker was asked."""

    result: Result
    record: TaskRecord
    waited: dict[str, Any]
    spawned: str
    turns: int
    seen: list[str]

    @property
    def verdict(self) -> tuple[str, str]:
        """Its status and what the checks came to."""
        return self.record.status, self.record.outcome

    @property
    def failing(self) -> list[str]:
        """The checks that do not hold, as the lead is told."""
        found: list[str] = self.waited.get("failing", [])
        return found


class Play:
    """The model of a run: its lead, and a worker that plays the deeds one a turn."""

    def __init__(self, deeds: Sequence[Deed], spawn: dict[str, Any]) -> None:
        self.deeds, self.spawn = deeds, {"prompt": JOB} | spawn
        self.turns = 0
        self.waited: dict[str, Any] = {}
        self.spawned = ""
        self.seen: list[str] = []

    async def __call__(self, request: leadhand.Request) -> Reply | str:
        if not prompt(request).startswith(JOB):
            return self.lead(request)
        self.turns += 1
        self.seen = [
            each.text for name in ("report", "Write", "Bash") for each in done(request, name)
        ]
        deed = self.deeds[turn(request)]
        return Reply(calls=(deed,)) if isinstance(deed, tuple) else deed

    def lead(self, request: leadhand.Request) -> Reply | str:
        """The lead's next reply."""
        started = done(request, "spawn_worker")
        if not started:
            return Reply(calls=(("spawn_worker", self.spawn),))
        self.spawned = started[0].text
        waits = done(request, "wait_actor")
        if not waits and "worker_id" in started[0].json:
            return Reply(calls=(("wait_actor", {"actor_id": "W1"}),))
        self.waited = waits[0].json if waits else {}
        return LEAD_REPORT


def play(
    folder: Path,
    deeds: Sequence[Deed],
    *,
    given: dict[str, str] | None = None,
    run: dict[str, Any] | None = None,
    defaults: dict[str, Any] | None = None,
    **spawn: Any,
) -> Told:
    """Dispatch a run whose worker does these deeds. given: what the repository
    holds; spawn: more arguments of spawn_worker."""
    repo = folder / "repo"
    if not repo.exists():
        repository(folder, given)
    player = Play(deeds, spawn)
    manifest = {
        "run": {"max_workers": 2, "budget_usd": 2.0, **(run or {})},
        "defaults": {"model": "script:liar", **(defaults or {})},
        "lead": {"id": "lead", "prompt": "Have it done.", "directory": str(repo)},
    }
    result = leadhand.run(manifest, run_dir=folder / "runs", models={"liar": player})
    lines = (result.run_folder / "summary.jsonl").read_bytes().splitlines()
    records = [msgspec.json.decode(line, type=TaskRecord) for line in lines]
    worker = next((each for each in records if each.role == "worker"), records[0])
    return Told(result, worker, player.waited, player.spawned, player.turns, player.seen)
