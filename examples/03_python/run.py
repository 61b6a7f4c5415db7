"""Run: a lead, its workers, a tool and the model they think with, all from one Python script."""

import sys

import leadhand
from leadhand.testing import done, prompt

STOCK = {"apples": 3, "pears": 0, "plums": 12}
MANIFEST = {
    "run": {"max_workers": 3, "budget_usd": 1.00},
    "defaults": {"model": "script:clerk"},
    "lead": {"id": "shop", "prompt": "Have a worker count each of: apples, pears, plums."},
}


@leadhand.tool(effect="reads")
def count(fruit: str) -> int:
    """How many of a fruit are left in the shop.

    Args:
        fruit: Its name, as `apples`.
    """
    return STOCK[fruit]


def clerk(request: leadhand.Request) -> leadhand.Reply | str:
    """The model that plays everybody; in place of it, name a real one: claude-haiku-4-5."""
    return worker(request) if prompt(request).startswith("Count") else lead(request)


def worker(request: leadhand.Request) -> leadhand.Reply | str:
    """Count one fruit with the tool of this script."""
    fruit = prompt(request).split()[1]
    counted = done(request, "count")
    if not counted:
        return leadhand.Reply(calls=(("count", {"fruit": fruit}),))
    return f"{counted[0].text} {fruit} are left."


def lead(request: leadhand.Request) -> leadhand.Reply | str:
    """Start a worker for each fruit, wait for all, and report."""
    started = [each.json["worker_id"] for each in done(request, "spawn_worker")]
    if not started:
        tasks = [{"prompt": f"Count {each} please.", "tools": ["count"]} for each in STOCK]
        return leadhand.Reply(calls=tuple(("spawn_worker", task) for task in tasks))
    settled = [each.json for each in done(request, "wait_actor")]
    if not settled:
        waits = tuple(("wait_actor", {"actor_id": each}) for each in started)
        return leadhand.Reply(calls=waits)
    lines = ["1. STATUS: success", "2. COMPLETED"]
    lines += [f"- {each['worker_id']} — a fruit — {each['result']}" for each in settled]
    return "\n".join([*lines, "3. DEFERRED OR FAILED", "- none", "4. COST SUMMARY", "- none"])


if __name__ == "__main__":
    result = leadhand.run(MANIFEST, models={"clerk": clerk}, tools=[count])
    print(result.final_message)
    print(f"It {result.status}, for ${result.cost_usd:.2f}; see {result.run_folder}.")
    sys.exit(not result.ok)
