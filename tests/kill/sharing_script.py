"""Sharing script: three workers count in one entry, each under a lease that all of them want."""

from leadhand.model import Request
from leadhand.testing import Reply, done, prompt
from tests.kill.script import call, count

NAMES = ("ada", "bob", "cleo")
ROUNDS = 2
REPORT = """1. STATUS: success
2. COMPLETED
- root/W1 — ada — counted
- root/W2 — bob — counted
- root/W3 — cleo — counted
3. DEFERRED OR FAILED
- none
4. COST SUMMARY
- root/W1: $0.00"""


def reply(request: Request) -> Reply:
    """The next reply of the lead or of a worker."""
    count(f"{request.actor_id} {len(request.messages)} {request.call_id}\n")
    return worker(request) if prompt(request).startswith("count") else lead(request)


def worker(request: Request) -> Reply:
    """Twice: take the lease, read, write one more, let go."""
    swapped = [each for each in done(request, "kv_cas") if each.json["swapped"]]
    freed = [each for each in done(request, "lease_release") if not each.is_error]
    held = [each for each in done(request, "lease_acquire") if each.json["acquired"]]
    if len(freed) == ROUNDS:
        return Reply(text="counted")
    if len(swapped) > len(freed):
        return call("lease_release", name="counter")
    if len(held) == len(freed):
        return call("lease_acquire", name="counter", ttl_secs=100, wait_secs=60)
    last = done(request)[-1]
    if last.tool != "kv_get":
        return call("kv_get", path="/shared/n")
    expected, value = last.json.get("version", 0), last.json.get("value", 0) + 1
    return call("kv_cas", path="/shared/n", expected_version=expected, value=value)


def lead(request: Request) -> Reply:
    """Say the rules at length, spawn the workers, wait for the last count, report."""
    if not done(request, "kv_set"):
        return call("kv_set", path="/ref/rules", value="x" * 5_000)
    spawned = [each.json["worker_id"] for each in done(request, "spawn_worker")]
    if not spawned:
        return Reply(calls=tuple(("spawn_worker", {"prompt": f"count {each}"}) for each in NAMES))
    waited = done(request, "kv_wait")
    if not waited or not waited[-1].json["settled"]:
        return call("kv_wait", path="/shared/n", min_version=len(NAMES) * ROUNDS)
    settled = {each.json["worker_id"] for each in done(request, "wait_actor")}
    if waiting := [each for each in spawned if each not in settled]:
        return Reply(calls=tuple(("wait_actor", {"worker_id": each}) for each in waiting))
    return Reply(text=REPORT)
