"""Sub-leads as sessions: what each is told, what reaches its commands, what it can read, where it
works; with real files, git and processes."""

from pathlib import Path
from typing import Any

import pytest

from leadhand.model import Request
from leadhand.testing import Reply, turn
from tests.seeds.kit import LEAD, REPORT, RULES, Part, calls, cast, error, got, play, spawn, wait
from tests.tools.git_kit import plain

ALLOWED = RULES + LEAD + "allow_subleads = true\nmax_depth = 3\n"
PHASE: dict[str, Any] = {"prompt": "Lead.", "budget_usd": 0.5, "max_workers": 2}

pytestmark = pytest.mark.slow


def sublead(**given: Any) -> tuple[str, dict[str, Any]]:
    """A call of spawn_sublead."""
    return "spawn_sublead", PHASE | given


def bash(command: str) -> Reply:
    """A reply that runs a command."""
    return calls(("Bash", {"command": command}))


def test_each_is_told_who_it_is_and_what_it_may(tmp_path: Path) -> None:
    heard: dict[str, Request] = {}

    def lead(request: Request) -> Part:
        heard["root"] = request
        yield calls(sublead())
        yield calls(wait("root/S1"))
        return REPORT

    def below(request: Request) -> Reply | str:
        heard.setdefault(request.actor_id, request)
        if turn(request):
            return "Done."
        inner = sublead(budget_usd=0.2, max_workers=1)
        return calls(inner) if request.actor_id == "root/S1" else calls(("list_workers", {}))

    play(ALLOWED, cast(lead, below), tmp_path)
    names = {actor: [tool.name for tool in each.tools] for actor, each in heard.items()}
    assert "spawn_sublead" in names["root"]
    assert "spawn_sublead" in names["root/S1"]
    assert "spawn_sublead" not in names["root/S1/S1"], "its workers would be too deep"
    assert "spawn_worker" in names["root/S1/S1"]
    assert "You are the lead of a run" in heard["root"].system
    assert "You are a sub-lead in a run" in heard["root/S1"].system
    assert "at most $0.20 for everything" in heard["root/S1/S1"].system


def test_its_variables_reach_its_commands_and_its_workers_but_not_others(tmp_path: Path) -> None:
    said: dict[str, str] = {}

    def lead(request: Request) -> Part:
        yield calls(sublead(env={"PHASE": "one"}, tools=["Bash"]), spawn("look", tools=["Bash"]))
        yield calls(wait("root/S1"), wait("root/W1"))
        return REPORT

    def below(request: Request) -> Reply | str:
        if not turn(request):
            return bash('echo "phase ${PHASE:-none}"')
        said.setdefault(request.actor_id, got(request)[0].text.split("\n")[0])
        if request.actor_id == "root/S1" and turn(request) == 1:
            return calls(spawn("look", tools=["Bash"]))
        if request.actor_id == "root/S1" and turn(request) == 2:
            return calls(wait("root/S1/W1"))
        return "Done."

    play(ALLOWED, cast(lead, below), tmp_path)
    assert said == {"root/S1": "phase one", "root/S1/W1": "phase one", "root/W1": "phase none"}


def test_a_sub_lead_reads_the_transcripts_of_its_own_and_no_others(tmp_path: Path) -> None:
    reads: dict[str, bool] = {}

    def lead(request: Request) -> Part:
        request = yield calls(sublead(), spawn("other"))
        own = [each.json["output_file"] for each in got(request)]
        yield calls(wait("root/S1"), wait("root/W1"))
        while not all(Path(path).exists() for path in own):  # Written a moment later.
            yield calls(wait("root/S1"))
        paths = [*own, str(Path(own[0]).with_name("root.S1.W1.jsonl"))]
        request = yield calls(*(("Read", {"file_path": path}) for path in paths))
        reads.update(
            {
                f"root {Path(path).stem}": not each.is_error
                for path, each in zip(paths, got(request), strict=True)
            }
        )
        return REPORT

    def below(request: Request) -> Reply | str:
        if request.actor_id != "root/S1":
            return "Done."
        if not turn(request):
            return calls(spawn("mine"))
        folder = next(tmp_path.glob("runs/*/transcripts"))
        paths = [folder / f"{name}.jsonl" for name in ("root.S1.W1", "root.W1", "root")]
        if turn(request) == 1 or not all(path.exists() for path in paths):
            return calls(wait("root/S1/W1"))
        if len(got(request)) == 1:
            return calls(*(("Read", {"file_path": str(path)}) for path in paths))
        for path, each in zip(paths, got(request), strict=True):
            reads[f"S1 {path.stem}"] = not each.is_error
            if each.is_error:
                assert error(each)["code"] == "outside_workspace"
        return "Done."

    (tmp_path / "work").mkdir()
    text = ALLOWED.replace('prompt = "Go."', 'prompt = "Go."\ndirectory = "work"')
    play(text, cast(lead, below), tmp_path)
    assert reads == {
        "S1 root.S1.W1": True,
        "S1 root.W1": False,
        "S1 root": False,
        "root root.S1": True,
        "root root.W1": True,
        "root root.S1.W1": False,
    }


def test_the_workers_of_a_sub_lead_begin_with_what_it_has_committed(tmp_path: Path) -> None:
    seen: dict[str, str] = {}
    repository = tmp_path / "repository"
    repository.mkdir()
    plain(repository, "init", "-q", "-b", "main")
    (repository / "a").write_text("a\n")
    plain(repository, "add", ".")
    plain(repository, "commit", "-qm", "First")

    def lead(request: Request) -> Part:
        request = yield calls(sublead(tools=["Bash"]))
        given = got(request)[0].json
        assert given["branch"].endswith("/root.S1")
        assert given["workspace"].endswith("worktrees/root.S1")
        yield calls(wait("root/S1"))
        return REPORT

    who = "-c user.name=A -c user.email=a@b.c"

    def below(request: Request) -> Reply | str:
        if request.actor_id == "root/S1":
            steps = [
                bash(f"echo phase > b && git add b && git {who} commit -qm phase && echo ok"),
                calls(spawn("look", tools=["Bash"])),
                calls(wait("root/S1/W1")),
            ]
            return steps[turn(request)] if turn(request) < len(steps) else "Done."
        if not turn(request):
            return bash("cat b; git rev-parse --abbrev-ref HEAD")
        seen[request.actor_id] = got(request)[0].text
        return "Done."

    text = ALLOWED.replace('prompt = "Go."', f'prompt = "Go."\ndirectory = "{repository}"')
    run = play(text, cast(lead, below), tmp_path)
    first, branch, *_ = seen["root/S1/W1"].split("\n")
    assert first == "phase"
    assert branch.endswith("/root.S1.W1")
    assert set(run.statuses.values()) == {"Success"}
    assert plain(repository, "status", "--porcelain") == ""
