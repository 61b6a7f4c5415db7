"""Tree script: two sub-leads, one of which has a sub-lead of its own; two workers below them append
to one file, each under the same lease of the whole run.

Told "interrupted, outcome unknown", they check before they repeat, as a good model would.
"""

from typing import Any

from leadhand.model import Request
from leadhand.testing import Done, Reply, done, prompt
from tests.kill.script import PAUSE, count, interrupted

REPORT = """1. STATUS: success
2. COMPLETED
- root/S1 — deep — done
- root/S2 — bob — done
3. DEFERRED OR FAILED
- none
4. COST SUMMARY
- none"""


def reply(request: Request) -> Reply:
    """The next reply of a lead, a sub-lead or a worker."""
    count(f"{request.actor_id} {len(request.messages)} {request.call_id}\n")
    deed, _, name = prompt(request).split("\n")[0].partition(" ")
    if deed == "append":
        return worker(request, name.split()[0])
    if deed == "deep":
        return divided(request, [sublead("phase ada", 1.0)], "ada went deep.")
    if deed == "phase":
        work = ("spawn_worker", {"prompt": f"append {name}", "label": name})
        return divided(request, [work], f"{name} is done.")
    return divided(request, [sublead("deep ada", 4.0), sublead("phase bob", 4.0)], REPORT)


def sublead(words: str, budget: float) -> tuple[str, dict[str, Any]]:
    """A call that starts a sub-lead."""
    given = {"prompt": words, "label": words, "budget_usd": budget, "max_workers": 1}
    return "spawn_sublead", given | {"initial_ref": {"words": words}}


def divided(request: Request, below: list[tuple[str, dict[str, Any]]], last: str) -> Reply:
    """Start some, wait for all, end."""
    started = [*done(request, "spawn_sublead"), *done(request, "spawn_worker")]
    if not started:
        return Reply(calls=tuple(below), delay_secs=PAUSE)
    names = [each.json.get("sublead_id") or each.json["worker_id"] for each in started]
    settled = {
        each.json["worker_id"] for each in done(request, "wait_actor") if each.json.get("settled")
    }
    waiting = [each for each in names if each not in settled]
    if waiting:
        return Reply(calls=tuple(("wait_actor", {"actor_id": each}) for each in waiting))
    return Reply(text=last, delay_secs=PAUSE)


def worker(request: Request, name: str) -> Reply:
    """Take the lease, append a line once, give the lease back, end."""
    leases = [each for each in done(request, "run_lease_acquire") if each.json.get("acquired")]
    appends = done(request, "Bash")
    if not leases:
        lease = {"name": "the-log", "ttl_secs": 120, "wait_secs": 60}
        return Reply(calls=(("run_lease_acquire", lease),), delay_secs=PAUSE)
    if not there(appends, name):
        looks = "cat the.log 2>/dev/null; echo looked"
        append = f"sleep 0.05; echo {name} >> the.log; echo appended"
        lost = bool(appends) and interrupted(appends[-1])
        return Reply(calls=(("Bash", {"command": looks if lost else append}),), delay_secs=PAUSE)
    if not done(request, "run_lease_release"):
        return Reply(calls=(("run_lease_release", {"name": "the-log"}),), delay_secs=PAUSE)
    return Reply(text=f"{name} is appended.", delay_secs=PAUSE)


def there(appends: list[Done], name: str) -> bool:
    """Whether the line was seen, or appended by a command that came back."""
    good = [each for each in appends if not each.is_error]
    return any("appended" in each.text or name in each.text.split() for each in good)
