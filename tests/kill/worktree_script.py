"""Worktree script: two workers change the same file, each in its worktree, and a third only looks.

Told "interrupted, outcome unknown", they check before they repeat, as a good model would.
"""

from leadhand.model import Request
from leadhand.testing import Reply, done, prompt
from tests.kill.script import call, count, interrupted

PROMPTS = ("write ada", "write bob", "look cleo")
REPORT = """1. STATUS: success
2. COMPLETED
- root/W1 — ada — written
- root/W2 — bob — written
- root/W3 — cleo — looked
3. DEFERRED OR FAILED
- none
4. COST SUMMARY
- root/W1: $0.00"""


def reply(request: Request) -> Reply:
    """The next reply of the lead or of a worker."""
    count(f"{request.actor_id} {len(request.messages)} {request.call_id}\n")
    deed, _, name = prompt(request).partition(" ")
    if deed == "write":
        return writer(request, name.split()[0])
    return looker(request) if deed == "look" else lead(request)


def writer(request: Request, name: str) -> Reply:
    """Commit a file, once."""
    tries = done(request, "Bash")
    if any("committed" in each.text and not each.is_error for each in tries):
        return Reply(text=f"{name} is written.")
    if tries and interrupted(tries[-1]):
        # A git that was killed between the commit and its index left that as it was.
        mend = "rm -f $(git rev-parse --git-dir)/*.lock; git reset -q"
        return bash(f"git log -1 --format=%s; {mend}")
    if tries and name in tries[-1].text.split("\n")[0]:
        return bash("echo committed")
    return bash(f"echo {name} > README.md && git commit -qam {name} && echo committed")


def looker(request: Request) -> Reply:
    """Look, and change nothing."""
    if not done(request, "Read"):
        return call("Read", file_path="README.md")
    return Reply(text="It was looked at.")


def lead(request: Request) -> Reply:
    """Spawn the workers at once, wait for all, report."""
    spawned = [each.json["worker_id"] for each in done(request, "spawn_worker")]
    if not spawned:
        calls = tuple(("spawn_worker", {"prompt": f"{each} here"}) for each in PROMPTS)
        return Reply(calls=calls)
    waits = done(request, "wait_actor")
    settled = {each.json["worker_id"] for each in waits if each.json.get("settled")}
    waiting = [each for each in spawned if each not in settled]
    if waiting:
        return Reply(calls=tuple(("wait_actor", {"worker_id": each}) for each in waiting))
    return Reply(text=REPORT)


def bash(command: str) -> Reply:
    """A reply that runs a command."""
    return call("Bash", command=command)
