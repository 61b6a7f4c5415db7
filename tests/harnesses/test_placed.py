"""Placed: whole runs whose actors work in worktrees of their own, with real git and real tools."""

import shutil
from pathlib import Path
from typing import Any

import click
import pytest

from leadhand.api.result import ending
from leadhand.cli.outcome import Outcome, page
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId
from leadhand.model import Request
from leadhand.stores.sqlite import SqliteStore
from leadhand.testing import Reply, done, prompt
from leadhand.wiring import LiveRun
from tests.seeds.kit import Ended, Part, calls, cast, error, go_on, got, play, report, spawn, wait
from tests.tools.git_kit import make_repository, plain

pytestmark = pytest.mark.slow
W1, W2 = ActorId("root/W1"), ActorId("root/W2")
MANIFEST = """
[run]
max_workers = 4
budget_usd = 2.00
{run}

[defaults]
model = "claude-haiku-4-5"
env = {{ GIT_AUTHOR_NAME = "A", GIT_AUTHOR_EMAIL = "a@b.c", GIT_COMMITTER_NAME = "A", \
GIT_COMMITTER_EMAIL = "a@b.c" }}
{defaults}

[lead]
directory = "{directory}"
prompt = "Go."
tools = ["Read", "Write", "Bash"]
{lead}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of two commits."""
    return make_repository(tmp_path / "repository")


def manifest(directory: Path, run: str = "", defaults: str = "", lead: str = "") -> str:
    """A manifest whose lead works in a directory."""
    return MANIFEST.format(directory=directory, run=run, defaults=defaults, lead=lead)


def bash(command: str) -> Reply:
    """A reply that runs a command."""
    return calls(("Bash", {"command": command}))


def writer(request: Request) -> Reply | str:
    """A worker that writes its prompt into a file and commits it."""
    if not done(request):
        return bash(f"echo {prompt(request)} > a.txt && git commit -qam '{prompt(request)}'")
    return "Written."


def asked(*prompts: str, **args: Any) -> Any:
    """A lead that spawns workers at once, waits for them and reports."""

    def lead(request: Request) -> Part:
        request = yield calls(*(spawn(each, **args) for each in prompts))
        workers = [each.json["worker_id"] for each in got(request)]
        request = yield calls(*map(wait, workers))
        told = [each.json for each in got(request)]
        bad = [each["worker_id"] for each in told if each["status"] != "Success"]
        good = [f"{each} — a task — done" for each in workers if each not in bad]
        return report("partial" if bad else "success", good, [f"{each} — failed" for each in bad])

    return lead


def branches(repository: Path) -> list[str]:
    """The branches of a repository by their last name."""
    listed = plain(repository, "for-each-ref", "--format=%(refname:short)", "refs/heads")
    return [name.rpartition("/")[2] for name in listed.split()]


def text(run: Ended, branch: str, repository: Path) -> str:
    """The text of a.txt on an actor's branch."""
    return plain(repository, "show", f"leadhand/{run.run.id}/{branch}:a.txt").strip()


# --- each its own


def test_two_workers_change_the_same_file_each_in_a_worktree_of_its_own(
    tmp_path: Path, repository: Path
) -> None:
    answers: list[dict[str, Any]] = []

    def lead(request: Request) -> Part:
        request = yield calls(spawn("one"), spawn("two"))
        answers.extend(sorted((each.json for each in got(request)), key=str))
        yield calls(*(wait(each["worker_id"]) for each in answers))
        request = yield calls(
            *(("Read", {"file_path": f"{each['workspace']}/a.txt"}) for each in answers),
            ("Read", {"file_path": "a.txt"}),
            ("Write", {"file_path": f"{answers[0]['workspace']}/a.txt", "content": "mine"}),
        )
        first, second, own, refused = got(request)
        assert ("one" in first.text, "two" in second.text) == (True, True)
        assert "two" in own.text
        assert "one" in own.text
        assert error(refused)["code"] == "outside_workspace"
        return report("success", ["W1 — one — done", "W2 — two — done"])

    run = play(manifest(repository), cast(lead, writer), tmp_path)
    assert run.run.status == "succeeded"
    assert (repository / "a.txt").read_text() == "one\ntwo\n"
    assert plain(repository, "status", "--porcelain") == ""
    assert branches(repository) == ["root.W1", "root.W2", "main"]
    assert (text(run, "root.W1", repository), text(run, "root.W2", repository)) == ("one", "two")
    names = [f"leadhand/{run.run.id}/{name}" for name in ("root.W1", "root.W2")]
    assert [each["branch"] for each in answers] == names
    places = [str(run.folder.worktree(actor)) for actor in (W1, W2)]
    assert [each["workspace"] for each in answers] == places
    tasks = {each["task_id"]: each for each in run.summary["tasks"]}
    assert [tasks[actor]["worktree_path"] for actor in (ROOT, W1, W2)] == [None, *places]
    assert [tasks[actor]["branch"] for actor in (ROOT, W1, W2)] == [None, *names]
    shown = click.unstyle(
        "\n".join(page(Outcome(ending(run.run, []), tmp_path / "runs", interrupted=False)))
    )
    assert f"  root/W1  {places[0]}\n    1 commit not merged\n" in shown
    assert f"    git -C {repository} merge {names[0]}\n" in shown
    plain(repository, "merge", "-q", names[0])
    assert (repository / "a.txt").read_text() == "one\n"


def test_a_lead_merges_and_only_its_own_branch_is_left(tmp_path: Path, repository: Path) -> None:
    def lead(request: Request) -> Part:
        request = yield calls(spawn("one"))
        [answer] = got(request)
        request = yield calls(wait("root/W1"))
        assert answer.json["branch"].endswith("/root.W1")
        yield bash(f"git merge -q {answer.json['branch']}")
        return report("success", ["W1 — one — done"])

    run = play(manifest(repository), cast(lead, writer), tmp_path)
    assert branches(repository) == ["root", "main"]
    assert text(run, "root", repository) == "one"
    assert [path.name for path in run.folder.worktrees.iterdir()] == ["root"]
    assert run.run.workspaces[ROOT].why == "1 commit not merged"
    assert [each.actor for each in run.all(e.WorkspaceRemoved)] == [W1]


def test_who_only_reads_leaves_nothing(tmp_path: Path, repository: Path) -> None:
    run = play(manifest(repository), cast(asked("look")), tmp_path)
    assert run.run.status == "succeeded"
    assert branches(repository) == ["main"]
    assert [*run.folder.worktrees.iterdir()] == []
    assert not (repository / ".git" / "worktrees").exists()
    assert "worktree" not in "\n".join(
        page(Outcome(ending(run.run, []), tmp_path / "runs", interrupted=False))
    )


def test_an_actor_reads_its_directory_and_does_not_write_there(
    tmp_path: Path, repository: Path
) -> None:
    (repository / "loose").write_text("not committed\n")

    def lead(request: Request) -> Part:
        assert f"what is not committed in {repository} is not in it: loose" in request.system
        request = yield calls(
            ("Read", {"file_path": str(repository / "loose")}),
            ("Read", {"file_path": "loose"}),
            ("Write", {"file_path": str(repository / "loose"), "content": "x"}),
        )
        read, missing, refused = got(request)
        assert "not committed" in read.text
        assert missing.is_error
        assert "may only be read" in error(refused)["message"]
        return report("success")

    run = play(manifest(repository), cast(lead), tmp_path)
    assert run.run.status == "succeeded"
    [chosen] = run.all(e.WorkspaceChosen)
    assert chosen.notes


# --- who has one


@pytest.mark.parametrize(
    ("defaults", "lead", "own"),
    [
        ("", "", [ROOT, W1]),
        ("use_worktree = false", "", []),
        ("use_worktree = false", "use_worktree = true", [ROOT]),
        ("", "use_worktree = false", [W1]),
        ("use_worktree = true", "", [ROOT, W1]),
    ],
)
def test_where_the_directory_is_a_git_work_tree_each_has_one_unless_told(
    tmp_path: Path, repository: Path, defaults: str, lead: str, own: list[str]
) -> None:
    written = manifest(repository, defaults=defaults, lead=lead)
    run = play(written, cast(asked("look")), tmp_path)
    assert run.run.status == "succeeded"
    assert [each.actor for each in run.all(e.WorkspaceMade)] == own


def test_where_the_directory_is_none_nobody_has_one(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    run = play(manifest(tmp_path / "plain"), cast(asked("look")), tmp_path)
    assert run.run.status == "succeeded"
    assert run.run.workspaces == {}


# --- where there can be none


def test_a_worker_without_a_place_settles_as_spawn_failed_and_costs_nothing(
    tmp_path: Path, repository: Path
) -> None:
    young = tmp_path / "young"
    young.mkdir()
    plain(young, "init", "-q")
    written = manifest(repository, defaults="use_worktree = true", lead=f'add_dirs = ["{young}"]')
    run = play(written, cast(asked("look", directory=str(young))), tmp_path)
    assert run.statuses == {"root": "Success", "root/W1": "SpawnFailed"}
    record = run.run.records[W1]
    assert record.error.startswith(f"{young} has no commit yet: commit something, or set use_work")
    assert (record.spent, record.turns) == (0, 0)
    assert W1 not in {each.actor for each in run.all(e.CallAdmitted)}
    assert run.run.status == "partial"
    assert branches(repository) == ["main"]


def test_a_lead_without_a_place_fails_the_run(tmp_path: Path, repository: Path) -> None:
    plain(repository, "branch", "taken")
    written = manifest(repository, lead='branch = "taken"')
    run = play(written, cast(asked("look")), tmp_path)
    assert (run.run.status, run.statuses) == ("failed", {"root": "SpawnFailed"})
    assert 'there is a branch "taken" already' in run.run.records[ROOT].error
    assert run.all(e.CallAdmitted) == []
    assert run.checked.by == "runtime"
    assert branches(repository) == ["main", "taken"]


def test_a_lead_works_on_the_branch_that_the_manifest_names(
    tmp_path: Path, repository: Path
) -> None:
    def lead(request: Request) -> Part:
        yield bash("git commit -q --allow-empty -m x")
        return report("success")

    run = play(manifest(repository, lead='branch = "feature/x"'), cast(lead), tmp_path)
    assert run.run.status == "succeeded"
    assert "feature/x" in plain(repository, "branch")


# --- what is kept


@pytest.mark.parametrize(
    ("cleanup", "left"), [("never", ["root", "root.W1", "main"]), ("always", ["main"])]
)
def test_the_house_rules_say_what_is_left(
    tmp_path: Path, repository: Path, cleanup: str, left: list[str]
) -> None:
    written = manifest(repository, run=f'worktree_cleanup = "{cleanup}"')
    play(written, cast(asked("look")), tmp_path)
    assert branches(repository) == left


@pytest.mark.parametrize("cleanup", ["never", "on_success", "always"])
def test_work_that_is_not_merged_is_never_removed(
    tmp_path: Path, repository: Path, cleanup: str
) -> None:
    def sloppy(request: Request) -> Reply | str:
        return bash("echo mine > loose") if not done(request) else "Not committed."

    written = manifest(repository, run=f'worktree_cleanup = "{cleanup}"')
    run = play(written, cast(asked("look"), sloppy), tmp_path)
    assert Path(run.folder.worktree(W1), "loose").read_text() == "mine\n"


# --- a run that goes on


def interrupted(tmp_path: Path, repository: Path) -> tuple[Ended, Any]:
    """A run that is let go of while its worker is at work, and the script that goes on with it."""
    lives: list[LiveRun] = []

    def worker(request: Request) -> Reply | str:
        if not done(request):
            return bash("echo one > a.txt && git commit -qam one")
        if len(lives) == 1:
            lives.append(lives[0])
            lives[0].conductor().suspend()
            return Reply(text="never", delay_secs=60)
        return "Written."

    script = cast(asked("one"), worker)
    runs = SqliteStore(tmp_path / "runs")
    before = play(manifest(repository), script, tmp_path, store=runs, meet=lives.append)
    assert not before.finished
    assert before.folder.worktree(W1).exists()
    return before, script


def again(before: Ended, script: Any, tmp_path: Path) -> Ended:
    """The same run, resumed."""
    return go_on(before, script, SqliteStore(tmp_path / "runs"))


def test_a_resume_makes_a_missing_worktree_again_from_its_branch(
    tmp_path: Path, repository: Path
) -> None:
    before, script = interrupted(tmp_path, repository)
    shutil.rmtree(before.folder.worktree(W1))
    after = again(before, script, tmp_path)
    assert after.run.status == "succeeded"
    assert Path(before.folder.worktree(W1), "a.txt").read_text() == "one\n"


def test_a_resume_leaves_a_worktree_that_is_there_as_it_is(
    tmp_path: Path, repository: Path
) -> None:
    before, script = interrupted(tmp_path, repository)
    loose = Path(before.folder.worktree(W1), "loose")
    loose.touch()
    assert again(before, script, tmp_path).run.status == "succeeded"
    assert loose.exists()


def test_a_worker_whose_worktree_and_branch_are_gone_fails_with_the_reason(
    tmp_path: Path, repository: Path
) -> None:
    before, script = interrupted(tmp_path, repository)
    shutil.rmtree(before.folder.worktree(W1))
    plain(repository, "worktree", "prune")
    plain(repository, "branch", "-D", f"leadhand/{before.run.id}/root.W1")
    after = again(before, script, tmp_path)
    assert after.statuses["root/W1"] == "Failed"
    assert "are both gone" in after.run.records[W1].error
    assert after.run.status == "partial"


@pytest.mark.parametrize("commits", [True, False])
def test_a_worker_that_is_continued_works_in_its_worktree_or_in_a_new_one(
    commits: bool, tmp_path: Path
) -> None:
    repository = make_repository(tmp_path / "repository")
    command = "echo one > one; git add one; git commit -qm One" if commits else "true"

    def worker(request: Request) -> Reply | str:
        tried = done(request, "Bash")
        if not tried:
            return calls(("Bash", {"command": command}))
        if "Look again." not in str(request.messages[1:]):
            return "first"
        if len(tried) == 1:
            return calls(("Bash", {"command": "ls; git status --short | wc -l"}))
        return tried[-1].text

    def lead(request: Request) -> Part:
        yield calls(spawn("Work.", tools=["Bash"]))
        yield calls(wait("W1"))
        yield calls(("continue_worker", {"worker_id": "W1", "prompt": "Look again."}))
        request = yield calls(wait("W1"))
        text = got(request)[0].json["result"]
        assert ("one" in text.split()) is commits
        assert text.split()[-1] == "0"
        return report("success", ["W1 — work — done"])

    text = MANIFEST.format(
        run="", defaults="use_worktree = true", directory=repository, lead="use_worktree = false"
    )
    ended = play(text, cast(lead, worker), tmp_path)
    assert ended.statuses == {"root/W1": "Success", "root": "Success"}
