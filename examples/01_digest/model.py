"""Model: plays the lead and the workers of the digest, as a function of the conversation."""

import re

from leadhand.model import Request
from leadhand.testing import Done, Reply, done, prompt

PAUSE = 0.2
NOTHING = """\
1. STATUS: failed
2. COMPLETED
- none
3. DEFERRED OR FAILED
- the digest — this repository has no commits
4. COST SUMMARY
- none
"""


def reply(request: Request) -> Reply:
    """The next reply of the lead or of a worker."""
    if prompt(request).startswith("You summarize"):
        return worker(request)
    return lead(request)


def worker(request: Request) -> Reply:
    """Read one author's commits, write the file, say so."""
    author = re.search(r"author `(.*?)`", prompt(request)).group(1)
    path = re.search(r"into the file (\S+\.md)", prompt(request)).group(1)
    if not done(request, "Git"):
        args = ["log", "-10", f"--author={re.escape(author)}", "--format=%h %ad %s", "--date=short"]
        return Reply(
            text=f"Reading the commits of {author}.",
            calls=(("Git", {"args": args}),),
            delay_secs=PAUSE,
        )
    if not done(request, "Write"):
        lines = [line for line in done(request, "Git")[0].text.splitlines() if line.strip()]
        body = "\n".join(
            [f"# {author}", "", f"{len(lines)} commits:", "", *(f"- {line}" for line in lines), ""]
        )
        return Reply(calls=(("Write", {"file_path": path, "content": body}),), delay_secs=PAUSE)
    return Reply(text=f"Summarized the commits of {author} in {path}.", delay_secs=PAUSE)


def lead(request: Request) -> Reply:
    """List the commits, start a worker per author, wait, combine, report."""
    if not done(request, "Git"):
        args = ["log", "--format=%H %an <> %s", "-10"]
        return Reply(text="Listing the last commits.", calls=(("Git", {"args": args}),))
    authors = authors_of(done(request, "Git")[0].text)
    if not authors:
        return Reply(text=NOTHING)
    started = {
        each.args["label"]: each for each in done(request, "spawn_worker") if not each.is_error
    }
    settled = {
        each.json.get("worker_id"): each
        for each in done(request, "wait_for_worker")
        if each.json.get("settled")
    }
    waiting = [
        each.json["worker_id"] for each in started.values() if each.json["worker_id"] not in settled
    ]
    missing = [author for author in authors if author not in started]
    places = 4 - len(waiting)
    if missing and places:
        return Reply(calls=tuple(("spawn_worker", spawn(author)) for author in missing[:places]))
    if waiting:
        return Reply(calls=tuple(("wait_for_worker", {"worker_id": each}) for each in waiting))
    if not done(request, "Read"):
        return Reply(calls=tuple(("Read", {"file_path": path_of(author)}) for author in authors))
    if not done(request, "Write"):
        parts = [f"- {author}: [{path_of(author)}]({slug(author)}.md)" for author in authors]
        body = "\n".join(["# Digest of the last commits", "", *parts, ""])
        return Reply(calls=(("Write", {"file_path": "build/digest/SUMMARY.md", "content": body}),))
    return Reply(text=report(authors, started, settled))


def authors_of(log: str) -> list[str]:
    """The unique authors of the log, in order."""
    found = re.findall(r"^[0-9a-f]{40,} (.*?) <> ", log, re.MULTILINE)
    return list(dict.fromkeys(found))


def slug(author: str) -> str:
    """A file's name for an author."""
    return re.sub(r"[^a-z0-9]+", "-", author.lower()).strip("-") or "unknown"


def path_of(author: str) -> str:
    """Where an author's digest is written."""
    return f"build/digest/{slug(author)}.md"


def spawn(author: str) -> dict[str, object]:
    """The arguments of the worker for one author."""
    task = (
        f"You summarize the commits of the author `{author}`. List them with Git, write one "
        f"bullet per commit into the file {path_of(author)} and answer with one sentence."
    )
    return {"prompt": task, "label": author, "tools": ["Git", "Write"]}


def report(authors: list[str], started: dict[str, Done], settled: dict[str, Done]) -> str:
    """The four sections."""
    workers = [(author, settled[started[author].json["worker_id"]].json) for author in authors]
    good = [(author, each) for author, each in workers if each["status"] == "Success"]
    bad = [(author, each) for author, each in workers if each["status"] != "Success"]
    lines = [f"1. STATUS: {'partial' if bad else 'success'}", "2. COMPLETED"]
    lines += [f"- {each['worker_id']} — {author} — {each['result']}" for author, each in good]
    lines += ["3. DEFERRED OR FAILED"]
    lines += [
        f"- {author} — {each['status']}: {each.get('error', '')}" for author, each in bad
    ] or ["- none"]
    lines += ["4. COST SUMMARY"]
    lines += [f"- {each['worker_id']}: ${each['cost_usd']:.4f}" for author, each in workers]
    return "\n".join(lines)
