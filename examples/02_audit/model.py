"""Model: plays the lead and the workers of the audit, as a function of the conversation."""

import re

from leadhand.model import Request
from leadhand.testing import Done, Reply, done, prompt

PAUSE = 0.1
WHY = {
    "Content-Security-Policy": "It limits where scripts may come from, which blunts injected ones.",
    "X-Frame-Options": "It keeps other sites from framing this one to steal clicks.",
    "Strict-Transport-Security": "It keeps browsers from falling back to plain HTTP.",
    "X-Content-Type-Options": "It keeps browsers from taking a file for a script.",
    "Referrer-Policy": "It keeps the paths of this site from leaking to others.",
}


def reply(request: Request) -> Reply:
    """The next reply of the lead or of a worker."""
    return (worker if prompt(request).startswith("You are worker") else lead)(request)


# --- a worker


def worker(request: Request) -> Reply:
    """Fetch the URL, compare its headers with those that are asked for, report."""
    words = prompt(request)
    url = re.search(r"auditing (\S+)\.\n", words)[1]
    asked = re.search(r"these headers: (.*?)\.\n", words, re.DOTALL)[1]
    fetched = done(request, "WebFetch")
    if not fetched:
        call = ("WebFetch", {"url": url, "max_chars": 0})
        return Reply(text=f"Fetching {url}.", calls=(call,), delay_secs=PAUSE)
    if fetched[0].is_error:
        return Reply(text=f"ERROR: {fetched[0].json['error']['message']}", delay_secs=PAUSE)
    sent = headers(fetched[0].text)
    names = re.split(r",\s+", asked)
    found = [f"{name}: {sent[name.lower()]}" for name in names if name.lower() in sent]
    missing = [name for name in names if name.lower() not in sent]
    parts = {
        "FOUND": found,
        "MISSING": missing,
        "RECOMMENDATION": [f"Set {name}. {WHY[name]}" for name in missing],
    }
    text = "\n".join(f"{part}:\n" + "\n".join(lines or ["none"]) for part, lines in parts.items())
    return Reply(text=text, delay_secs=PAUSE)


def headers(page: str) -> dict[str, str]:
    """The headers that WebFetch shows, by their names in lower case."""
    lines = page.partition("\n\nBody")[0].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("Headers"))
    pairs = (line.partition(": ") for line in lines[start + 1 :])
    return {name.lower(): value for name, _, value in pairs}


# --- the lead


def lead(request: Request) -> Reply:
    """Read the URLs, spawn a worker for each while the money lasts, wait for all, report."""
    words = prompt(request)
    if not done(request, "Read"):
        path = re.search(r"Read (\S+)\. It contains", words)[1]
        return calling(("Read", {"file_path": path}), ("house_rules", {}))
    urls = [line.partition("\t")[2] for line in done(request, "Read")[0].text.splitlines()]
    spawned = {
        each.args["label"]: each.json["worker_id"]
        for each in done(request, "spawn_worker")
        if not each.is_error
    }
    settled = {
        each.json["worker_id"]: each.json
        for each in done(request, "wait_actor")
        if each.json.get("settled")
    }
    left = [url for url in urls if url not in spawned]
    waiting = [worker_id for worker_id in spawned.values() if worker_id not in settled]
    if left and may_spawn(request):
        return calling(("spawn_worker", task(words, urls.index(left[0]) + 1, left[0])))
    if waiting:
        return calling(*(("wait_actor", {"worker_id": each}) for each in waiting))
    results = {url: settled[worker_id] for url, worker_id in spawned.items()}
    return Reply(text=report(results, left), delay_secs=PAUSE)


def calling(*calls: tuple[str, dict[str, object]]) -> Reply:
    """A turn that calls tools."""
    return Reply(calls=calls, delay_secs=PAUSE)


def may_spawn(request: Request) -> bool:
    """Whether the last answer refused no spawn, and what remains pays for another worker."""
    answers: list[Done] = done(request)
    if answers[-1].tool == "spawn_worker" and answers[-1].is_error:
        return False
    remaining = next(each.json["remaining"] for each in answers[::-1] if "remaining" in each.json)
    return remaining["budget_usd"] >= float(parameter(prompt(request), "budget_usd"))


def parameter(words: str, name: str) -> str:
    """A parameter of workers, as the prompt spells it out."""
    return re.search(rf"(?m)^{name} = (.*)$", words)[1]


def task(words: str, number: int, url: str) -> dict[str, object]:
    """The arguments of the worker for one URL: the template and the parameters of the prompt."""
    template = words.split("---\n")[1]
    return {
        "prompt": template.replace("[N]", str(number)).replace("[URL]", url),
        "label": url,
        "model": parameter(words, "model").strip('"'),
        "budget_usd": float(parameter(words, "budget_usd")),
        "tools": re.findall(r'"(\w+)"', parameter(words, "tools")),
    }


def report(results: dict[str, dict], left: list[str]) -> str:
    """The four sections; a worker that gave no sections of its own has failed."""
    good, bad, costs = [], [f"{url} — deferred for want of budget" for url in left], []
    for url, each in results.items():
        result = each.get("result", "")
        costs.append(f"{each['worker_id']}: ${each['cost_usd']:.4f}")
        if result.startswith("FOUND:"):
            found, missing = re.findall(r"(?ms)^[A-Z]+:\n(.*?)(?=^[A-Z]+:\n|\Z)", result)[:2]
            every = count(found) + count(missing)
            good.append(f"{url} — It sets {count(found)} of the {every} headers.")
        else:
            reason = each.get("error") or result.removeprefix("ERROR: ").removeprefix(f"{url}: ")
            bad.append(f"{url} — {reason}")
    status = "failed" if not good else "partial" if bad else "success"
    sections = {"2. COMPLETED": good, "3. DEFERRED OR FAILED": bad, "4. COST SUMMARY": costs}
    lines = [f"1. STATUS: {status}"]
    for heading, items in sections.items():
        lines += [heading, *(f"- {item}" for item in items or ["none"])]
    return "\n".join(lines)


def count(part: str) -> int:
    """How many headers a section of a worker's report lists."""
    return len([line for line in part.splitlines() if line != "none"])
