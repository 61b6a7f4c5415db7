"""Hierarchical dispatch: what the seed hierarchical-dispatch says holds here, fact by fact."""

import asyncio
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from leadhand.cli.screen import drawn
from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain import notices
from leadhand.domain.clock import Now
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.manifest import HouseRules, Settings
from leadhand.domain.money import NANO, Usage, from_usd
from leadhand.errors import ManifestError
from leadhand.load import Loaded, parse
from leadhand.model import Request
from leadhand.refusals import UnknownModel
from leadhand.stores.sqlite import SqliteStore
from leadhand.testing import Reply, done, prompt, turn
from leadhand.views.tree import tree
from leadhand.wiring import LiveRun, start_run
from tests.seeds.kit import (
    LEAD,
    REPORT,
    RULES,
    MovedClock,
    Part,
    calls,
    cast,
    error,
    go_on,
    got,
    play,
    report,
    seed,
    spawn,
    told,
    wait,
)

BUILT = ("spawn_worker", "wait_for_worker", "wait_for_any", "list_workers", "cancel_worker")
WORKERS_SHARE = (
    "kv_get",
    "kv_set",
    "kv_cas",
    "kv_list",
    "kv_wait",
    "lease_acquire",
    "lease_release",
)
FREE = Usage()


def loaded(text: str, base: Path) -> Loaded:
    return parse(text, "m.toml", base)


def faults(text: str, base: Path) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        loaded(text, base)
    return str(caught.value).splitlines()


def without(text: str, key: str) -> str:
    """The manifest without one of its lines."""
    return re.sub(rf"(?m)^{key} = .*\n", "", text)


def mcp(tool: str) -> str:
    """A tool's name as the seed's lead calls it."""
    return f"mcp__pitboss__{tool}"


# A minimal hierarchical manifest


def repository(path: Path, authors: Sequence[str]) -> None:
    """A git repository with a commit of each author in turn."""
    path.mkdir()
    subprocess.run(["git", "init", "-q", "-b", "main", path], check=True)
    stream = "".join(
        f"commit refs/heads/main\n"
        f"author {author} <{author.lower()}@example.org> {1_700_000_000 + number} +0000\n"
        f"committer C <c@example.org> {1_700_000_000 + number} +0000\n"
        f"data <<END\nChange {number}\nEND\n"
        f"M 644 inline file-{number}\ndata 2\nx\n\n"
        for number, author in enumerate(authors)
    )
    subprocess.run(["git", "-C", path, "fast-import", "--quiet"], input=stream.encode(), check=True)


def digest(request: Request) -> Part:
    """Does, as a lead, what the prompt of the seed says, with the names that it uses."""
    policy = prompt(request)
    command = next(line for line in policy.splitlines() if line.startswith("git "))
    folder = policy.partition("in a file at ")[2].partition("/<author-slug>.md")[0]
    request = yield calls(("Git", {"args": shlex.split(command)}))
    lines = got(request)[0].text.splitlines()
    files = {name: f"{folder}/{name.lower()}.md" for name in (line.split()[1] for line in lines)}
    request = yield calls(
        *(
            (mcp("spawn_worker"), {"prompt": f"Summarize the commits of {name} in {file}"})
            for name, file in files.items()
        )
    )
    workers = [each.json["worker_id"] for each in got(request)]
    request = yield calls(*((mcp("wait_for_worker"), {"worker_id": each}) for each in workers))
    settled = [each.json for each in got(request)]
    request = yield calls(*(("Read", {"file_path": file}) for file in files.values()))
    parts = sorted(each.text.partition("\t")[2] + "\n" for each in got(request))
    request = yield calls(
        ("Write", {"file_path": f"{folder}/SUMMARY.md", "content": "".join(parts)})
    )
    assert not got(request)[0].is_error, got(request)[0].text
    request = yield Reply(text="The files are written.")
    assert notices.NO_REPORT in told(request)
    return report(
        "success",
        [f"{each['worker_id']}: {each['result']}" for each in settled],
        costs=[f"{each['worker_id']}: ${each['cost_usd']:.4f}" for each in settled],
    )


def summarizer(request: Request) -> Reply:
    """Does, as a worker, what the lead asked for."""
    name, _, path = prompt(request).removeprefix("Summarize the commits of ").partition(" in ")
    if not done(request, "Git"):
        return calls(("Git", {"args": ["log", f"--author={name}", "--format=%s", "-10"]}))
    if not done(request, "Write"):
        subjects = done(request, "Git")[0].text.splitlines()
        text = f"{name}: {', '.join(reversed(subjects))}\n"
        return calls(("Write", {"file_path": path, "content": text}))
    assert not done(request, "Write")[0].is_error, done(request, "Write")[0].text
    return Reply(text=f"{name} is in {path}.")


def minimal(base: Path, *, with_folder: bool = True) -> str:
    """The manifest of the seed, its two places made the test's own; the folder of its files lies
    outside its directory, so that it takes one line more."""
    places = {"/path/to/your/repo": base / "repo", "/tmp/digest": base / "digest"}
    text = seed("seed_hierarchical.toml", places)
    folder = f'add_dirs = ["{base}/digest"]\n'
    return text.replace("prompt = ", folder + "prompt = ") if with_folder else text


def test_the_minimal_manifest_shows_no_fault_but_its_directory(tmp_path: Path) -> None:
    (fault,) = faults(seed("seed_hierarchical.toml", {}), tmp_path)
    assert 'lead.directory: "/path/to/your/repo" does not exist' in fault


def test_every_key_of_the_minimal_manifest_arrives(tmp_path: Path) -> None:
    found = loaded(seed("seed_hierarchical.toml", {"/path/to/your/repo": tmp_path}), tmp_path)
    lead = found.manifest.lead
    assert found.warnings == []
    assert found.manifest.house == HouseRules(
        max_workers=4, budget_nanousd=from_usd("2.00"), lead_timeout_secs=900
    )
    assert found.manifest.defaults == Settings(model="claude-haiku-4-5", use_worktree=False)
    assert (lead.id, lead.settings) == ("digest", Settings(directory=str(tmp_path)))
    assert "\ngit log --format='%H %an %s' -10\n" in lead.prompt


@pytest.mark.slow
def test_the_minimal_manifest_runs_its_digest_and_writes_its_files(tmp_path: Path) -> None:
    repository(tmp_path / "repo", ["Ada", "Brian", "Ada", "Grace"])
    store = SqliteStore(tmp_path / "runs")
    run = play(minimal(tmp_path), cast(digest, summarizer), tmp_path, store=store)
    files = {path.name: path.read_text() for path in (tmp_path / "digest").iterdir()}
    assert files == {
        "ada.md": "Ada: Change 0, Change 2\n",
        "brian.md": "Brian: Change 1\n",
        "grace.md": "Grace: Change 3\n",
        "SUMMARY.md": "Ada: Change 0, Change 2\nBrian: Change 1\nGrace: Change 3\n",
    }
    assert run.run.status == "succeeded"
    assert run.checked.mismatches == ()
    assert 0 < run.summary["cost_usd"] < 2
    assert (run.folder.path / "manifest.toml").read_text() == minimal(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("authors", [["Ada"], ["Ada", "Brian", "Ada"], ["Ada", "Brian", "C", "D"]])
def test_the_lead_decides_how_many_workers_from_what_it_finds(
    authors: list[str], tmp_path: Path
) -> None:
    repository(tmp_path / "repo", authors)
    run = play(minimal(tmp_path), cast(digest, summarizer), tmp_path)
    assert len(run.spawned()) == len(set(authors))
    assert run.run.status == "succeeded"


def test_a_place_outside_the_directory_is_refused_with_what_permits_it(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    path = f"{tmp_path}/digest/SUMMARY.md"

    def lead(request: Request) -> Part:
        request = yield calls(("Write", {"file_path": path, "content": "x"}))
        refusal = error(got(request)[0])
        assert refusal["code"] == "outside_workspace"
        assert "add_dirs" in refusal["next"]
        return REPORT

    play(minimal(tmp_path, with_folder=False), cast(lead), tmp_path)
    assert not Path(path).exists()


@pytest.mark.slow
@pytest.mark.parametrize(("said", "own"), [("true", True), ("false", False), ("", True)])
def test_a_worktree_may_be_declined_and_is_the_default_in_a_repository(
    said: str, own: bool, tmp_path: Path
) -> None:
    repository(tmp_path / "repo", ["Ada"])
    asked_for = f"[defaults]\nuse_worktree = {said}\n" if said else ""
    text = f'{RULES}{asked_for}{LEAD}directory = "repo"'
    run = play(text, lambda request: REPORT, tmp_path)
    assert run.run.status == "succeeded"
    assert [each.actor for each in run.all(e.WorkspaceMade)] == ([ROOT] if own else [])


def test_a_providers_model_without_its_key_is_refused_before_anything_is_made(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path / "runs")
        found = loaded(RULES + LEAD, tmp_path)
        with pytest.raises(UnknownModel, match="claude-haiku-4-5"):
            await start_run(store, tmp_path / "runs", found.manifest, found.text, environ={})
        assert await store.runs() == []
        await store.close()

    asyncio.run(main())


# Validate and dispatch


def leadhand(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "leadhand", *map(str, arguments)],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )


@pytest.mark.slow
def test_a_manifest_is_dispatched_by_its_verb(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(f"def reply(request):\n    return {REPORT!r}\n")
    text = minimal(tmp_path).replace("claude-haiku-4-5", "script:model.py:reply")
    (tmp_path / "repo").mkdir()
    (tmp_path / "pitboss.toml").write_text(text)
    ended = leadhand("dispatch", tmp_path / "pitboss.toml", "--run-dir", tmp_path / "runs")
    assert ended.returncode == 0
    (warning,) = ended.stderr.splitlines()
    assert "lead.add_dirs[0]" in warning
    assert warning.endswith("does not exist yet")
    (folder,) = (tmp_path / "runs").iterdir()
    assert (folder / "manifest.toml").read_text() == text
    assert '"succeeded"' in (folder / "summary.json").read_text()


@pytest.mark.slow
def test_the_verbs_that_the_seed_types_exist() -> None:
    for verb in ("validate", "dispatch", "resume"):
        assert leadhand(verb, "--help").returncode == 0


@pytest.mark.slow
def test_validate_prints_a_summary_of_the_lead_its_workers_and_the_house_rules(
    tmp_path: Path,
) -> None:
    (tmp_path / "model.py").write_text("def reply(request):\n    return 'done'\n")
    text = minimal(tmp_path).replace("claude-haiku-4-5", "script:model.py:reply")
    (tmp_path / "repo").mkdir()
    (tmp_path / "pitboss.toml").write_text(text)
    ended = leadhand("validate", tmp_path / "pitboss.toml")
    assert ended.returncode == 0
    for words in ("★ digest", "▸ worker", "at most 4 workers at a time", "$2.00", "15 min"):
        assert words in ended.stdout


# House rules


@pytest.mark.parametrize(
    ("key", "warned"), [("max_workers", "4"), ("budget_usd", "5.00 US dollars")]
)
def test_a_required_house_rule_that_is_missing_gets_a_default_and_a_warning(
    key: str, warned: str, tmp_path: Path
) -> None:
    found = loaded(without(RULES, key) + LEAD, tmp_path)
    assert found.warnings == [f"m.toml: run.{key}: is not set, so the default holds: {warned}"]
    assert getattr(found.manifest.house, key.replace("usd", "nanousd")) == (
        4 if key == "max_workers" else 5 * NANO
    )


@pytest.mark.parametrize("workers", [1, 16])
def test_max_workers_from_1_to_16_is_plain(workers: int, tmp_path: Path) -> None:
    found = loaded(RULES.replace("4", str(workers)) + LEAD, tmp_path)
    assert found.warnings == []
    assert found.manifest.house.max_workers == workers


def test_max_workers_below_1_is_a_fault_and_above_16_a_warning(tmp_path: Path) -> None:
    (fault,) = faults(RULES.replace("4", "0") + LEAD, tmp_path)
    assert fault == "m.toml:2: run.max_workers: must be from 1 to 1000, found 0"
    (warning,) = loaded(RULES.replace("4", "17") + LEAD, tmp_path).warnings
    assert "run.max_workers: more than 16 workers at once strain" in warning


def test_max_workers_caps_what_runs_and_what_is_queued(tmp_path: Path) -> None:
    def lead(request: Request) -> Part:
        request = yield calls(*(spawn("Do it.", label=each) for each in "abc"))
        refusals = [error(each) for each in got(request) if each.is_error]
        assert [each["message"] for each in refusals] == ["max_workers exceeded: 2 active (max 2)"]
        return REPORT

    run = play(RULES.replace("4", "2") + LEAD, cast(lead), tmp_path)
    queued = run.events.index(run.all(e.SpawnRefused)[0])
    first_call = next(
        n
        for n, each in enumerate(run.events)
        if isinstance(each, e.CallAdmitted) and each.actor != ROOT
    )
    assert queued < first_call
    assert len(run.spawned()) == 2


def test_a_settled_worker_frees_its_place(tmp_path: Path) -> None:
    def lead(request: Request) -> Part:
        for _ in range(3):
            request = yield calls(spawn("Do it."))
            request = yield calls(wait(got(request)[0].json["worker_id"]))
            assert got(request)[0].json["remaining"]["workers"] == 1
        return REPORT

    run = play(RULES.replace("4", "1") + LEAD, cast(lead), tmp_path)
    assert len(run.spawned()) == 3
    assert not run.all(e.SpawnRefused)


def test_the_budget_is_of_the_whole_run_the_lead_included(tmp_path: Path) -> None:
    def lead(request: Request) -> Part:
        request = yield calls(spawn("Do it."))
        yield calls(wait(got(request)[0].json["worker_id"]))
        return REPORT

    run = play(RULES + LEAD, cast(lead), tmp_path)
    own, worker = run.run.records[ROOT].spent, run.run.records[ActorId("root/W1")].spent
    assert own > 0 < worker
    assert run.run.envelopes[ROOT].limit == 2 * NANO
    assert run.run.envelopes[ROOT].spent == run.run.spent == own + worker


def test_each_spawn_reserves_an_estimate_that_knows_its_model(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def worker(request: Request) -> Reply:
        await gate.wait()
        return Reply(text="Done.", usage=FREE)

    def lead(request: Request) -> Part:
        request = yield Reply(calls=(("house_rules", {}),), usage=FREE)
        left = [got(request)[0].json["remaining"]["budget_usd"]]
        for model in ("claude-haiku-4-5", "claude-sonnet-4-6", "claude-opus-4-5"):
            request = yield Reply(calls=(spawn("Do it.", model=model),), usage=FREE)
            left.append(got(request)[0].json["remaining"]["budget_usd"])
        taken = [before - after for before, after in pairwise(left)]
        # The worst case of a first call may be a little more than the estimate.
        assert taken == pytest.approx([taken[0], 3 * taken[0], 5 * taken[0]], rel=0.05)
        assert taken[0] > 0
        gate.set()
        return REPORT

    run = play(RULES + LEAD, cast(lead, worker), tmp_path)
    assert [each.settings.model for each in run.spawned()] == [
        "claude-haiku-4-5",
        "claude-sonnet-4-6",
        "claude-opus-4-5",
    ]


def test_spawn_worker_gives_budget_exceeded_once_an_estimate_would_pass_the_cap(
    tmp_path: Path,
) -> None:
    gate = asyncio.Event()

    async def worker(request: Request) -> Reply:
        await gate.wait()
        return Reply(text="Done.", usage=FREE)

    def lead(request: Request) -> Part:
        refused = None
        while refused is None:
            request = yield Reply(calls=(spawn("Do it.", model="claude-sonnet-4-6"),), usage=FREE)
            refused = got(request)[0] if got(request)[0].is_error else None
        refusal = error(refused)
        assert refusal["code"] == "budget_exceeded"
        found = re.fullmatch(
            r"budget exceeded: \$([\d.]+) spent \+ \$([\d.]+) reserved \+ "
            r"\$([\d.]+) estimated > \$([\d.]+) budget",
            refusal["message"],
        )
        assert found is not None, refusal["message"]
        spent, reserved, estimated, budget = map(float, found.groups())
        assert budget == 0.5
        assert spent + reserved <= budget < spent + reserved + estimated
        gate.set()
        return REPORT

    run = play(RULES.replace("2.00", "0.50") + LEAD, cast(lead, worker), tmp_path)
    assert [each.code for each in run.all(e.SpawnRefused)] == ["budget_exceeded"]
    assert len(run.spawned()) == 2


def test_lead_timeout_secs_is_an_hour_unless_told(tmp_path: Path) -> None:
    assert loaded(RULES + LEAD, tmp_path).manifest.house.lead_timeout_secs == 3600


def test_lead_timeout_secs_ends_the_lead_after_its_report(tmp_path: Path) -> None:
    clock = MovedClock()

    def lead(request: Request) -> Part:
        clock.jump(900)
        while notices.TIME_UP not in told(request):
            request = yield calls(("house_rules", {}))
        assert request.tool_choice == "none"
        return report("partial", missed=["all of it: no time"])

    run = play(RULES + "lead_timeout_secs = 900\n" + LEAD, cast(lead), tmp_path, clock=clock)
    assert (run.run.status, run.statuses) == ("timed_out", {"root": "TimedOut"})
    assert run.checked.report.deferred_or_failed[0].reason == "no time"


# What the lead can do


def test_the_lead_has_the_orchestration_tools_without_listing_them(tmp_path: Path) -> None:
    def lead(request: Request) -> Part:
        names = {tool.name for tool in request.tools}
        assert names >= {*BUILT, "wait_actor", "worker_status", "house_rules"} - {"wait_for_worker"}
        assert names & {"Read", "Write", "Git", "Glob", "Grep"} == {"Read"}
        yield from ()
        return REPORT

    play(RULES + LEAD + 'tools = ["Read"]\n', cast(lead), tmp_path)


def test_listing_an_orchestration_tool_is_a_fault_that_says_it_is_not_needed(
    tmp_path: Path,
) -> None:
    text = RULES + LEAD + f'tools = ["Read", "{mcp("spawn_worker")}"]\n'
    (fault,) = faults(text, tmp_path)
    assert fault.startswith('m.toml:8: lead.tools[1]: unknown tool "mcp__pitboss__spawn_worker"')
    assert "come with the role and are not listed" in fault


@pytest.mark.parametrize("prefix", ["mcp__pitboss__", "mcp__leadhand__", ""])
@pytest.mark.parametrize("tool", BUILT)
def test_a_tool_is_reached_with_and_without_a_prefix(
    tool: str, prefix: str, tmp_path: Path
) -> None:
    args: dict[str, dict[str, Any]] = {
        "spawn_worker": {"prompt": "Do it."},
        "wait_for_worker": {"worker_id": "root/W1"},
        "wait_for_any": {"worker_ids": ["root/W1"]},
        "list_workers": {},
        "cancel_worker": {"worker_id": "root/W1"},
    }
    gate = asyncio.Event()

    async def worker(request: Request) -> str:
        await gate.wait()
        return "Done."

    def lead(request: Request) -> Part:
        yield calls(spawn("Do it."))
        if tool.startswith("wait"):
            gate.set()
        request = yield calls((prefix + tool, args[tool]))
        assert not got(request)[0].is_error, got(request)[0].text
        gate.set()
        return REPORT

    play(RULES + LEAD, cast(lead, worker), tmp_path)


def test_spawn_worker_takes_a_prompt_and_optionally_directory_model_and_tools(
    tmp_path: Path,
) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "input.txt").write_text("words\n")

    def worker(request: Request) -> Reply:
        assert prompt(request) == "Read input.txt."
        if not done(request):
            return calls(("Read", {"file_path": "input.txt"}))
        return Reply(text=f"{request.model}: {done(request)[0].text}")

    def lead(request: Request) -> Part:
        own = {"directory": "part", "model": "claude-sonnet-4-6", "tools": ["Read"]}
        request = yield calls((mcp("spawn_worker"), {"prompt": "Read input.txt.", **own}))
        answer = got(request)[0].json
        assert answer["workspace"] == str(tmp_path / "part")
        assert answer.keys() >= {"worker_id", "session", "output_file", "remaining"}
        request = yield calls((mcp("wait_for_worker"), {"worker_id": answer["worker_id"]}))
        assert got(request)[0].json["result"].startswith("claude-sonnet-4-6:")
        assert "words" in got(request)[0].json["result"]
        return REPORT

    (worker_record,) = play(RULES + LEAD, cast(lead, worker), tmp_path).spawned()
    assert worker_record.settings.tools == ("Read",)


@pytest.mark.parametrize("name", ["worker_id", "task_id", "actor_id"])
def test_wait_for_worker_blocks_until_that_worker_finishes(name: str, tmp_path: Path) -> None:
    order: list[str] = []
    gate = asyncio.Event()

    async def worker(request: Request) -> str:
        if prompt(request) == "slow":
            await gate.wait()
        else:
            gate.set()
        order.append(prompt(request))
        return prompt(request)

    def lead(request: Request) -> Part:
        request = yield calls(spawn("slow", label="s"), spawn("quick", label="q"))
        slow = next(each.json["worker_id"] for each in got(request) if each.args["label"] == "s")
        request = yield calls((mcp("wait_for_worker"), {name: slow}))
        answer = got(request)[0].json
        assert order == ["quick", "slow"]
        assert answer["settled"] is True
        assert (answer["worker_id"], answer["status"]) == (slow, "Success")
        assert answer["result"] == "slow"
        assert answer.keys() >= {"cost_usd", "duration_ms", "remaining"}
        return REPORT

    play(RULES + LEAD, cast(lead, worker), tmp_path)


def test_wait_for_any_blocks_until_the_first_of_a_list_finishes(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def worker(request: Request) -> str:
        if prompt(request) != "quick":
            await gate.wait()
        return prompt(request)

    def lead(request: Request) -> Part:
        request = yield calls(*(spawn(each) for each in ("slow", "quick", "slow")))
        ids = [each.json["worker_id"] for each in got(request)]
        request = yield calls((mcp("wait_for_any"), {"worker_ids": ids}))
        assert got(request)[0].json["result"] == "quick"
        gate.set()
        return REPORT

    play(RULES + LEAD, cast(lead, worker), tmp_path)


def test_list_workers_shows_all_active_and_completed_workers(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def worker(request: Request) -> str:
        if prompt(request) == "slow":
            await gate.wait()
        return f"{prompt(request)} is done"

    def lead(request: Request) -> Part:
        request = yield calls(spawn("quick", label="first"))
        yield calls(wait(got(request)[0].json["worker_id"]))
        yield calls(spawn("slow", label="second"))
        request = yield calls((mcp("list_workers"), {}))
        workers = got(request)[0].json["workers"]
        assert [(each["worker_id"], each["label"]) for each in workers] == [
            ("root/W1", "first"),
            ("root/W2", "second"),
        ]
        assert workers[0]["state"] == "Success"
        assert workers[0]["result_preview"] == "quick is done"
        assert workers[1]["state"] in ("queued", "running")
        assert all({"last_step", "cost_usd"} <= each.keys() for each in workers)
        gate.set()
        return REPORT

    play(RULES + LEAD, cast(lead, worker), tmp_path)


def test_cancel_worker_ends_a_running_worker_and_keeps_the_reason(tmp_path: Path) -> None:
    async def worker(request: Request) -> str:
        await asyncio.Event().wait()
        return ""

    def lead(request: Request) -> Part:
        request = yield calls(spawn("Wait."))
        name = got(request)[0].json["worker_id"]
        yield calls((mcp("cancel_worker"), {"worker_id": name, "reason": "not needed"}))
        request = yield calls(wait(name))
        answer = got(request)[0].json
        assert (answer["status"], answer["error"]) == ("Cancelled", "not needed")
        assert answer["remaining"]["workers"] == 4
        return report("partial", missed=[f"{name}: cancelled"])

    run = play(RULES + LEAD, cast(lead, worker), tmp_path)
    assert run.statuses == {"root/W1": "Cancelled", "root": "Success"}


@pytest.mark.parametrize("mode", ["cancel", "freeze"])
def test_pause_worker_holds_a_running_worker_and_continue_worker_resumes_it(
    mode: str, tmp_path: Path
) -> None:
    asked: list[Request] = []

    async def worker(request: Request) -> str:
        asked.append(request)
        await asyncio.sleep(0.3 if len(asked) == 1 else 0)
        return "Done."

    def lead(request: Request) -> Part:
        request = yield calls(spawn("Work."))
        name = got(request)[0].json["worker_id"]
        request = yield calls((mcp("pause_worker"), {"worker_id": name, "mode": mode}))
        state = "paused" if mode == "cancel" else "frozen"
        assert got(request)[0].json["worker"]["state"] == state
        request = yield calls((mcp("wait_for_worker"), {"worker_id": name, "timeout_secs": 1}))
        assert got(request)[0].json["settled"] is False
        yield calls((mcp("continue_worker"), {"worker_id": name}))
        request = yield calls(wait(name))
        assert got(request)[0].json["result"] == "Done."
        return report("success", [f"{name} — work — done"])

    run = play(RULES + LEAD, cast(lead, worker), tmp_path)
    assert run.statuses == {"root/W1": "Success", "root": "Success"}
    assert len(asked) == (2 if mode == "cancel" else 1)


def test_reprompt_worker_redirects_a_worker_in_mid_flight(tmp_path: Path) -> None:
    async def worker(request: Request) -> str:
        if "Do B instead." not in str(request.messages[-1]):
            await asyncio.Event().wait()
        return "B is done."

    def lead(request: Request) -> Part:
        request = yield calls(spawn("Do A."))
        name = got(request)[0].json["worker_id"]
        again = {"worker_id": name, "prompt": "Do B instead."}
        yield calls((mcp("reprompt_worker"), again))
        request = yield calls(wait(name))
        assert got(request)[0].json["result"] == "B is done."
        return report("success", [f"{name} — B — done"])

    run = play(RULES + LEAD, cast(lead, worker), tmp_path)
    assert run.statuses == {"root/W1": "Success", "root": "Success"}


ASKED = RULES + LEAD + '[[approval_policy]]\ncategory = "{}"\naction = "{}"\n'


@pytest.mark.parametrize(("action", "approved"), [("auto_approve", True), ("auto_reject", False)])
def test_request_approval_gates_an_action_on_the_operators_answer(
    action: str, approved: bool, tmp_path: Path
) -> None:
    def lead(request: Request) -> Part:
        request = yield calls((mcp("request_approval"), {"summary": "May I spawn?"}))
        assert got(request)[0].json["approved"] == approved
        return REPORT

    run = play(ASKED.format("tool_use", action), cast(lead), tmp_path)
    assert [each.summary for each in run.all(e.ApprovalAsked)] == ["May I spawn?"]


def test_a_question_without_an_answer_gets_one_in_time(tmp_path: Path) -> None:
    def lead(request: Request) -> Part:
        asked = {"summary": "May I spawn?", "ttl_secs": 1}
        request = yield calls((mcp("request_approval"), asked))
        answer = got(request)[0].json
        assert (answer["approved"], answer["from_ttl"]) == (False, True)
        return REPORT

    play(RULES + LEAD, cast(lead), tmp_path)


def test_propose_plan_submits_a_plan_before_anybody_is_spawned(tmp_path: Path) -> None:
    def lead(request: Request) -> Part:
        request = yield calls(spawn("Do it."))
        assert error(got(request)[0])["code"] == "plan_approval_required"
        request = yield calls((mcp("propose_plan"), {"plan": {"summary": "One worker."}}))
        assert got(request)[0].json["approved"]
        request = yield calls(spawn("Do it."))
        assert got(request)[0].json["worker_id"] == "root/W1"
        yield calls(wait("W1"))
        return report("success", ["W1 — it — done"])

    rules = RULES + "require_plan_approval = true\n"
    text = rules + LEAD + '[[approval_policy]]\ncategory = "plan"\naction = "auto_approve"\n'
    run = play(text, cast(lead, lambda request: "Done."), tmp_path)
    assert run.statuses == {"root/W1": "Success", "root": "Success"}


@pytest.mark.parametrize("tools", [None, [], ["Read"]])
def test_workers_have_the_seven_tools_of_the_shared_store_whatever_tools_says(
    tools: list[str] | None, tmp_path: Path
) -> None:
    def worker(request: Request) -> Reply:
        assert set(WORKERS_SHARE) <= {tool.name for tool in request.tools}
        if not done(request):
            return calls(
                (mcp("lease_acquire"), {"name": "plan", "ttl_secs": 60}),
                (mcp("kv_set"), {"path": "/peer/self/status", "value": "begun"}),
                (mcp("kv_get"), {"path": "/ref/spec"}),
                (mcp("kv_cas"), {"path": "/shared/n", "expected_version": 0, "value": 1}),
                (mcp("kv_wait"), {"path": "/shared/go", "timeout_secs": 30}),
            )
        if len(done(request)) == 5:
            held, put, read, swapped, waited = [each.json for each in done(request)]
            assert (held["acquired"], put["version"], swapped["swapped"]) == (True, 1, True)
            assert (read["value"], waited["value"]) == ("the rules", True)
            return calls((mcp("lease_release"), {"name": "plan"}), (mcp("kv_list"), {}))
        entries = done(request)[-1].json["entries"]
        return Reply(text=" ".join(each["path"] for each in entries))

    def lead(request: Request) -> Part:
        yield calls(("kv_set", {"path": "/ref/spec", "value": "the rules"}))
        given = {} if tools is None else {"tools": tools}
        request = yield calls(spawn("Share it.", **given))
        worker = got(request)[0].json["worker_id"]
        yield calls(("kv_set", {"path": "/shared/go", "value": True}))
        request = yield calls(wait(worker))
        assert got(request)[0].json["result"] == ("/peer/W1/status /ref/spec /shared/go /shared/n")
        return REPORT

    play(RULES + LEAD, cast(lead, worker), tmp_path)


# In the TUI


def test_the_tree_shows_a_star_for_the_lead_and_an_arrow_for_each_worker(tmp_path: Path) -> None:
    def lead(request: Request) -> Part:
        request = yield calls(spawn("a"), spawn("b"))
        yield calls(*(wait(each.json["worker_id"]) for each in got(request)))
        return REPORT

    run = play(RULES + LEAD, cast(lead), tmp_path)
    shown = tree(run.run, Now(0, run.run.run_ms))
    assert [(each.glyph, each.name) for each in shown.branches] == [
        ("★", "lead"),
        ("▸", "W1"),
        ("▸", "W2"),
    ]
    assert [each.depth for each in shown.branches] == [0, 1, 1]


def test_the_screen_counts_the_workers_spawned_and_shows_the_glyphs(tmp_path: Path) -> None:
    def lead(request: Request) -> Part:
        request = yield calls(spawn("a"), spawn("b"))
        yield calls(*(wait(each.json["worker_id"]) for each in got(request)))
        return REPORT

    run = play(RULES + LEAD, cast(lead), tmp_path)
    paper = StringIO()
    picture = drawn(tree(run.run, Now(0, run.run.run_ms)), "", 100)
    Console(file=paper, width=100).print(picture)
    lines = paper.getvalue().splitlines()
    assert [line.split()[:2] for line in lines[:3]] == [["★", "lead"], ["▸", "W1"], ["▸", "W2"]]
    assert lines[3].startswith("2 workers spawned · ")


# Sub-leads


SUBLEADS = "allow_subleads = true\nmax_sublead_budget_usd = 1.00\n"


def test_allow_subleads_lets_the_lead_use_spawn_sublead_and_is_false_unless_told(
    tmp_path: Path,
) -> None:
    def lead(request: Request) -> Part:
        assert "spawn_sublead" not in [tool.name for tool in request.tools]
        request = yield calls(("spawn_sublead", {"prompt": "a", "budget_usd": 0.1}))
        assert error(got(request)[0]) == {
            "code": "tool_not_allowed",
            "message": "sub-leads are not allowed in this run",
            "next": "Spawn workers instead; the operator may allow it with allow_subleads = true.",
        }
        return REPORT

    play(RULES + LEAD, cast(lead), tmp_path)
    assert loaded(RULES + LEAD + "allow_subleads = false\n", tmp_path).warnings == []
    assert loaded(RULES + LEAD, tmp_path).manifest.subleads is None
    assert loaded(RULES + LEAD + SUBLEADS, tmp_path).warnings == []

    def allowed(request: Request) -> Part:
        assert "spawn_sublead" in [tool.name for tool in request.tools]
        yield calls()
        return REPORT

    play(RULES + LEAD + SUBLEADS, cast(allowed), tmp_path)


def test_a_sub_lead_has_an_envelope_and_workers_of_its_own_and_gives_back_what_is_left(
    tmp_path: Path,
) -> None:
    def lead(request: Request) -> Part:
        phase = {"prompt": "Lead the phase.", "budget_usd": 0.6, "max_workers": 2, "label": "phase"}
        request = yield calls(("spawn_sublead", phase))
        given = got(request)[0].json
        assert (given["sublead_id"], given["budget_usd"], given["max_workers"]) == (
            "root/S1",
            0.6,
            2,
        )
        request = yield calls(
            ("wait_actor", {"actor_id": given["sublead_id"]}), ("list_workers", {})
        )
        settled, listing = (each.json for each in got(request))
        assert (settled["settled"], settled["status"]) == (True, "Success")
        assert settled["result"] == report("success", ["W1 — a — Done.", "W2 — b — Done."])
        assert [each["worker_id"] for each in listing["workers"]] == ["root/S1"]
        return report("success", ["S1 — phase — done"])

    def below(request: Request) -> Reply | str:
        if request.actor_id != "root/S1":
            return "Done."
        if not turn(request):
            return calls(spawn("a"), spawn("b"), spawn("c"))
        if turn(request) == 1:
            first, second, third = got(request)
            assert error(third)["message"] == "max_workers exceeded: 2 active (max 2)"
            return calls(wait(first.json["worker_id"]), wait(second.json["worker_id"]))
        return report("success", ["W1 — a — Done.", "W2 — b — Done."])

    run = play(RULES + LEAD + SUBLEADS, cast(lead, below), tmp_path)
    assert run.statuses == {
        "root/S1/W1": "Success",
        "root/S1/W2": "Success",
        "root/S1": "Success",
        "root": "Success",
    }
    assert (run.run.status, run.checked.mismatches) == ("succeeded", ())
    assert run.records["root/S1"]["role"] == "sublead"
    root = run.run.envelopes[ROOT]
    assert [*run.run.envelopes] == [ROOT]
    assert (root.granted, root.held, root.spent) == (0, 0, run.run.spent)


def test_a_sub_lead_and_its_workers_are_a_layer_of_their_own(tmp_path: Path) -> None:
    def lead(request: Request) -> Part:
        yield calls(("kv_set", {"path": "/shared/x", "value": "the lead's"}))
        phase = {"prompt": "Lead.", "budget_usd": 0.6, "max_workers": 2}
        yield calls(("spawn_sublead", phase | {"initial_ref": {"plan": "By twos."}}))
        yield calls(wait("root/S1"))
        request = yield calls(("kv_get", {"path": "/shared/x"}))
        assert got(request)[0].json["value"] == "the lead's"
        return report("success", ["S1 — phase — done"])

    def below(request: Request) -> Reply | str:
        if request.actor_id == "root/S1/W1":
            if not turn(request):
                return calls(("kv_set", {"path": "/shared/x", "value": "the phase's"}))
            return "It is shared."
        steps = {
            0: calls(("kv_get", {"path": "/ref/plan"}), spawn("Share it.")),
            1: calls(wait("root/S1/W1")),
            2: calls(("kv_get", {"path": "/shared/x"})),
        }
        if turn(request) == 1:
            assert got(request)[0].json["value"] == "By twos."
        if turn(request) == 3:
            assert got(request)[0].json["value"] == "the phase's"
        return steps.get(turn(request), "Done.")

    run = play(RULES + LEAD + SUBLEADS, cast(lead, below), tmp_path)
    assert set(run.statuses.values()) == {"Success"}


def test_with_the_default_depth_a_sub_lead_has_no_sub_leads(tmp_path: Path) -> None:
    def lead(request: Request) -> Part:
        phase = {"prompt": "Lead.", "budget_usd": 0.6, "max_workers": 2}
        yield calls(("spawn_sublead", phase))
        yield calls(wait("root/S1"))
        return report("success", ["S1 — phase — done"])

    def below(request: Request) -> Reply | str:
        assert "spawn_sublead" not in [tool.name for tool in request.tools]
        if not turn(request):
            return calls(("spawn_sublead", {"prompt": "x", "budget_usd": 0.1, "max_workers": 1}))
        assert error(got(request)[0])["code"] == "max_depth_exceeded"
        return "It does not go deeper."

    run = play(RULES + LEAD + SUBLEADS, cast(lead, below), tmp_path)
    assert [each.actor for each in run.spawned()] == ["root/S1"]


# Resume


def test_a_resumed_run_goes_on_with_its_lead_and_its_workers(tmp_path: Path) -> None:
    asked: list[tuple[str, int]] = []
    lives: list[LiveRun] = []

    async def script(request: Request) -> Reply:
        step = (request.actor_id, turn(request))
        asked.append(step)
        if request.actor_id == ROOT and turn(request) == 0:
            return calls(spawn("first"), spawn("second"))
        if request.actor_id == ROOT and turn(request) == 1:
            return calls(*(wait(each.json["worker_id"]) for each in done(request)))
        if request.actor_id == ROOT:
            results = [each.json["result"] for each in done(request, "wait_actor")]
            return Reply(text=report("success", sorted(results)))
        if turn(request) == 0:
            path = f"{prompt(request)}.txt"
            return calls(("Write", {"file_path": path, "content": prompt(request)}))
        if prompt(request) == "second" and asked.count(step) == 1:
            lives[0].conductor().suspend()
            await asyncio.Event().wait()
        return Reply(text=f"{prompt(request)}: written")

    runs = tmp_path / "runs"
    before = play(RULES + LEAD, script, tmp_path, store=SqliteStore(runs), meet=lives.append)
    assert not before.finished
    assert ROOT not in before.statuses
    after = go_on(before, script, SqliteStore(runs))
    assert after.run.status == "succeeded"
    assert after.statuses == {"root": "Success", "root/W1": "Success", "root/W2": "Success"}
    assert len(after.spawned()) == 2
    repeated = {step for step in asked if asked.count(step) > 1}
    assert [turn for _, turn in repeated] == [1]
    assert [item.input for item in after.checked.report.completed] == ["first", "second"]


def test_with_fresh_workers_only_the_lead_resumes_and_decides_whether_to_spawn(
    tmp_path: Path,
) -> None:
    asked: list[str] = []
    lives: list[LiveRun] = []

    async def script(request: Request) -> Reply:
        asked.append(request.actor_id)
        if request.actor_id != ROOT:
            if prompt(request) == "first" and len(lives) == 1:
                lives.pop().conductor().suspend()
                await asyncio.Event().wait()
            return Reply(text=f"{prompt(request)}: written")
        if turn(request) == 0:
            return calls(spawn("first", label="one"))
        started = [each.json["worker_id"] for each in done(request, "spawn_worker")]
        waited = [each.json.get("worker_id") for each in done(request, "wait_actor")]
        if "resumed this run with fresh workers" not in str(request.messages):
            return calls(wait("root/W1"))
        if len(started) == 1:
            assert "root/W1 (one): $" in str(request.messages[-1])
            return calls(spawn("again"))
        if "root/W2" not in waited:
            return calls(wait("root/W2"))
        return Reply(text=report("partial", ["again: written"]))

    runs = tmp_path / "runs"
    before = play(RULES + LEAD, script, tmp_path, store=SqliteStore(runs), meet=lives.append)
    assert not before.finished
    workers = asked.count("root/W1")
    after = go_on(before, script, SqliteStore(runs), c.CancelWorkers())
    assert asked.count("root/W1") == workers
    assert after.statuses == {"root": "Success", "root/W1": "Cancelled", "root/W2": "Success"}
    assert after.run.records[ActorId("root/W1")].error == "lost: resumed with fresh workers"


@pytest.mark.slow
@pytest.mark.parametrize(("cleanup", "kept"), [("", False), ("always", False), ("never", True)])
def test_worktree_cleanup_is_on_success_unless_told(
    cleanup: str, kept: bool, tmp_path: Path
) -> None:
    repository(tmp_path / "repo", ["Ada"])
    rules = f'{RULES}worktree_cleanup = "{cleanup}"\n' if cleanup else RULES
    found = loaded(rules + LEAD, tmp_path)
    assert found.warnings == []
    assert found.manifest.house.worktree_cleanup == (cleanup or "on_success")
    run = play(f'{rules}{LEAD}directory = "repo"', lambda request: REPORT, tmp_path)
    assert run.folder.worktree(ROOT).exists() == kept
