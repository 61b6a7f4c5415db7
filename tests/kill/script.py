"""Script: a lead and three workers on a real repository; each request is counted on the disk.

Told "interrupted, outcome unknown", they check before they repeat, as a good model would. So the
files, the last words and the workers of a run do not depend on where its owner was killed.
"""

import os
from typing import Any

from msgspec import structs

from leadhand.model import Request
from leadhand.testing import Done, Reply, done, prompt, turn
from leadhand.testing.step import Step, as_step

NAMES = ("ada", "bob", "cleo")
PAUSE = float(os.environ.get("SCRIPT_PAUSE", "0.02"))
# Between two events of an answer, where it is streamed.
CHUNK_SECS = 0.005
# How long a command goes on after its deed: what the file beside the repository says, if any.
HOLD = "$(cat ../hold 2>/dev/null || echo 0.05)"
# More than an event may hold, and than a tool call may give.
LONG = "x" * 70_000
REPORT = """1. STATUS: success
2. COMPLETED
- root/W1 — ada — written
- root/W2 — bob — written
- root/W3 — cleo — written
3. DEFERRED OR FAILED
- none
4. COST SUMMARY
- root/W1: $0.00"""


def reply(request: Request) -> Reply:
    """The next reply of the lead or of a worker."""
    count(f"{request.actor_id} {turn(request)} {request.call_id}\n")
    words = prompt(request)
    if words.startswith("work as "):
        return worker(request, words.removeprefix("work as ").split()[0])
    return lead(request)


def streamed(request: Request) -> Step:
    """The same reply, as a model server sends it: event by event, but for what is long."""
    said = as_step(reply(request))
    return structs.replace(said, chunk_delay_secs=0.0 if LONG in said.text else CHUNK_SECS)


def count(line: str) -> None:
    """Leave a line that outlives this process."""
    path = os.environ.get("COUNTED_REQUESTS")
    if path:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, line.encode())
        os.fsync(file)
        os.close(file)


def interrupted(one: Done) -> bool:
    """Whether nobody knows what a call has done."""
    return one.is_error and "interrupted" in one.text


def worker(request: Request, name: str) -> Reply:
    """Look around, append a line with Bash, write a file, end; one of them at length."""
    reads, appends = done(request, "Read"), done(request, "Bash")
    if not turn(request):
        return look_around()
    looks = [each for each in reads if each.args["file_path"] == f"{name}.log"]
    lost = [each for each in appends if interrupted(each)]
    if len(looks) < len(lost):
        return call("Read", file_path=f"{name}.log")
    seen = looks and not looks[-1].is_error and name in looks[-1].text
    there = seen or any(not each.is_error for each in appends)
    if not there:
        return call("Bash", command=append(name))
    if not [each for each in done(request, "Write") if not each.is_error]:
        return call("Write", file_path=f"{name}.md", content=f"# {name}\n")
    return Reply(text=last_words(name), delay_secs=PAUSE)


def look_around() -> Reply:
    """Three calls that only read, in one turn."""
    calls: tuple[tuple[str, dict[str, Any]], ...] = (
        ("Read", {"file_path": "README.md"}),
        ("Glob", {"pattern": "*.txt"}),
        ("Git", {"args": ["log", "--format=%s", "-1"]}),
    )
    return Reply(text="I look around.", calls=calls, delay_secs=PAUSE)


def last_words(name: str) -> str:
    """What a worker ends with."""
    return f"{name} is written. {LONG}" if name == "cleo" else f"{name} is written."


def append(name: str) -> str:
    """The command that must not run twice; it leaves a child of its own session behind."""
    detached = "(setsid sh -c 'setsid sleep 300 & sleep 300' &)" if name == "cleo" else ":"
    return f"{detached}; echo {name} >> {name}.log; sleep {HOLD}"


def lead(request: Request) -> Reply:
    """List commits, spawn the workers at once, wait for all, combine, report."""
    if not done(request, "Git"):
        return call("Git", args=["log", "--format=%s", "-5"])
    spawned = [each.json["worker_id"] for each in done(request, "spawn_worker")]
    if not spawned:
        return Reply(
            text="Three of you.", calls=tuple(("spawn_worker", task(name)) for name in NAMES)
        )
    settled = {
        each.json["worker_id"] for each in done(request, "wait_actor") if each.json.get("settled")
    }
    waiting = [each for each in spawned if each not in settled]
    if waiting:
        return Reply(calls=tuple(("wait_actor", {"actor_id": each}) for each in waiting))
    if not done(request, "Read"):
        return Reply(calls=tuple(("Read", {"file_path": f"{name}.md"}) for name in NAMES))
    if not [each for each in done(request, "Write") if not each.is_error]:
        return call("Write", file_path="SUMMARY.md", content="".join(f"- {n}\n" for n in NAMES))
    return Reply(text=REPORT, delay_secs=PAUSE)


def task(name: str) -> dict[str, Any]:
    """What a worker is spawned with; one of them has money of its own."""
    given: dict[str, Any] = {"prompt": f"work as {name} here", "label": name}
    return given | {"budget_usd": 2.00} if name == "bob" else given


def call(tool: str, **args: object) -> Reply:
    """One tool call."""
    return Reply(text=f"Now {tool}.", calls=((tool, args),), delay_secs=PAUSE)
