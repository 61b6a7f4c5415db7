"""Kit: the command line as its users have it: real processes, real folders, real signals."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

SOURCE = Path(__file__).resolve().parents[2] / "src"
ROOT = SOURCE.parent
EXAMPLE = ROOT / "examples" / "01_digest"
AUTHORS = ("Ada", "Bob", "Cleo")
PATIENCE_SECS = 60.0

# Two workers that answer once the file `open` is there. Each request of theirs is a line in
# `asked`. With the file `obey`, the lead reports as soon as the run is draining.
GATED = '''
import asyncio, pathlib
from leadhand.errors import ModelError
from leadhand.testing import Reply, done, prompt

HERE = pathlib.Path(__file__).parent
REPORT = """1. STATUS: {status}
2. COMPLETED
{completed}
3. DEFERRED OR FAILED
{left}
4. COST SUMMARY
- none"""

async def reply(request):
    return await (worker if prompt(request).startswith("work") else lead)(request)

async def worker(request):
    task = prompt(request).splitlines()[0]
    with (HERE / "asked").open("a") as asked:
        asked.write(task + "\\n")
    while not (HERE / "open").exists():
        await asyncio.sleep(0.01)
    if (HERE / "fail").exists() and task == "work 2":
        raise ModelError("the second worker is broken")
    return f"Done with {task}."

async def lead(request):
    started = [each.json["worker_id"] for each in done(request, "spawn_worker")]
    if not started:
        calls = [("spawn_worker", {"prompt": f"work {n}", "label": f"job {n}"}) for n in (1, 2)]
        return Reply(calls=tuple(calls))
    told = {each.json.get("worker_id"): each.json for each in done(request, "wait_actor")}
    settled = {each: one for each, one in told.items() if one.get("settled")}
    if (HERE / "obey").exists() and "is draining" in str(request.messages[-1].blocks):
        left = "".join(f"- {each}: drained\\n" for each in started).strip()
        return REPORT.format(status="partial", completed="- none", left=left)
    waiting = [each for each in started if each not in settled]
    if waiting:
        return Reply(calls=tuple(("wait_actor", {"actor_id": each}) for each in waiting))
    good = [each for each, one in settled.items() if one["status"] == "Success"]
    bad = [each for each in settled if each not in good]
    return REPORT.format(
        status="partial" if bad else "success",
        completed="\\n".join(f"- {each} — a job — is done" for each in good) or "- none",
        left="\\n".join(f"- {each}: it failed" for each in bad) or "- none",
    )
'''
MANIFEST = """
[run]
max_workers = 4
budget_usd = 2.00
grace_secs = {grace_secs}
[defaults]
model = "script:model.py:reply"
use_worktree = false
[[lead]]
id = "gated"
directory = "."
prompt = "Have the work done."
"""

# Runs a command that permissions hold for, also where the tests run as root.
POWERLESS = (
    sys.executable,
    "-c",
    """
import ctypes, os, sys
DROP, OVERRIDE, READ_SEARCH = 24, 1, 2
for power in (OVERRIDE, READ_SEARCH):
    ctypes.CDLL(None).prctl(DROP, power, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
""",
)


class Done(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """What it printed, as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class Desk:
    """Where somebody sits: a folder of runs, and a folder to work in."""

    def __init__(self, folder: Path, runs: Path) -> None:
        self.folder, self.runs = folder, runs
        self.started: list[subprocess.Popen[str]] = []
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(SOURCE),
            "PYTHONWARNINGS": "error",
            "LEADHAND_RUN_DIR": str(runs),
            "LANG": "C.UTF-8",
        }

    def start(self, *words: str, **given: Any) -> "subprocess.Popen[str]":
        """Start a command; given: what Popen takes."""
        environment = self.environment | given.pop("env", {})
        process = subprocess.Popen(
            [*given.pop("wrapper", ()), sys.executable, "-m", "leadhand", *words],
            **{
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "text": True,
                "cwd": self.folder,
                "env": environment,
                **given,
            },
        )
        self.started.append(process)
        return process

    def run(self, *words: str, **given: Any) -> Done:
        """Carry out a command to its end."""
        return ended(self.start(*words, **given))

    def latest(self) -> str:
        """The id of the run that was made last."""
        made = [path for path in self.runs.iterdir() if (path / "run.db").exists()]
        return max(made, key=lambda path: (path / "manifest.toml").stat().st_mtime_ns).name

    # --- the gated manifest

    def gate(self, grace_secs: int = 30) -> "Desk":
        """Put the gated manifest on the desk."""
        (self.folder / "model.py").write_text(GATED)
        (self.folder / "manifest.toml").write_text(MANIFEST.format(grace_secs=grace_secs))
        return self

    def touch(self, name: str) -> None:
        """Make a file that the gated workers look at."""
        (self.folder / name).touch()

    def asked(self) -> int:
        """How often the gated workers' model was asked."""
        path = self.folder / "asked"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def gated(self, *words: str, **given: Any) -> "subprocess.Popen[str]":
        """Dispatch the gated manifest and wait until its two workers are under way."""
        before = self.asked()
        process = self.start("dispatch", "manifest.toml", *words, **given)
        wait_for(lambda: self.asked() == before + 2 or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        return process


def ended(process: "subprocess.Popen[str]") -> Done:
    """What a process has still printed and its exit code; never a traceback."""
    # Not communicate(), which forgets what a readline() has read ahead.
    out, err = (stream.read() if stream else "" for stream in (process.stdout, process.stderr))
    done = Done(process.wait(PATIENCE_SECS), out, err)
    assert "Traceback" not in done.out + done.err, done.err
    return done


def wait_for(what: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE_SECS
    while not what():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


@contextmanager
def desk(folder: Path, runs: Path) -> Iterator[Desk]:
    """A desk; what it has started is ended with it."""
    found = Desk(folder, runs)
    try:
        yield found
    finally:
        for process in found.started:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


def repository(folder: Path, authors: tuple[str, ...] = AUTHORS) -> None:
    """A git repository with a commit of each author, and the example in it."""
    commits = "".join(
        f"commit refs/heads/main\ncommitter {name} <{name}@example.com> {1_700_000_000 + at} "
        f"+0000\ndata <<.\nwork of {name}\n.\n"
        for at, name in enumerate(authors)
    )
    git = ["git", "-C", str(folder)]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    subprocess.run([*git, "fast-import", "--quiet"], input=commits, text=True, check=True)
    place = folder / "examples" / EXAMPLE.name
    place.mkdir(parents=True)
    for name in ("manifest.toml", "model.py"):
        (place / name).write_bytes((EXAMPLE / name).read_bytes())
