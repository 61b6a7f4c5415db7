"""Git: it looks and does nothing else, however hostile the arguments or the repository are."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadhand.processes import Processes
from leadhand.refusals import InvalidArguments, OutsideWorkspace, Refused
from leadhand.tools.work import git, output
from tests.tools.git_kit import ENV, look, make_repository, plain
from tests.tools.kit import make_caller


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "root")


@pytest.mark.slow
def test_every_command_that_looks_works(root: Path) -> None:
    (root / "a.txt").write_text("one\ntwo\nthree\n")
    assert look(root, "log", "--format=%s").splitlines() == ["Second", "First"]
    assert "+two" in look(root, "show", "HEAD")
    assert look(root, "show", "HEAD:a.txt") == "one\ntwo"
    assert "+three" in look(root, "diff")
    assert "+two" in look(root, "diff", "HEAD~1..HEAD", "--", "a.txt")
    assert look(root, "status", "--porcelain") == " M a.txt"
    assert look(root, "ls-files") == "a.txt"
    assert "Ann" in look(root, "blame", "-L1,1", "a.txt")
    assert look(root, "rev-parse", "--abbrev-ref", "HEAD") == "main"
    assert look(root, "shortlog", "-sn").split() == ["2", "Ann"]
    assert look(root, "shortlog", "-s", "--", "a.txt").split() == ["2", "Ann"]
    assert look(root, "log", "--text", "--author", "Ann", "-n1", "--format=%an") == "Ann"
    assert "a.txt" in look(root, "log", "-1", "--stat", "-p", "-C", "-c")


def test_a_leading_git_is_no_harm(root: Path) -> None:
    assert look(root, "git", "rev-parse", "--is-inside-work-tree") == "true"


def test_a_failure_is_shown_with_its_exit_code(root: Path) -> None:
    assert look(root, "log", "nowhere").endswith("[exit code 128]")


@pytest.mark.parametrize(
    "words",
    [
        ["push"],
        ["commit", "-m", "x"],
        ["config", "--list"],
        ["-c", "core.pager=evil", "log"],
        ["-C", "..", "log"],
        ["--exec-path=.", "log"],
        ["--git-dir=/x", "log"],
        ["--work-tree", "/", "status"],
        ["-p", "log"],
        ["log --oneline"],
        ["grep", "-O", "x"],
        ["evil-alias"],
        ["git"],
        ["log", "x\0y"],
        ["log", "\ud800"],
    ],
)
def test_what_is_not_a_command_that_looks_is_refused(root: Path, words: list[str]) -> None:
    with pytest.raises(InvalidArguments):
        look(root, *words)


@pytest.mark.parametrize(
    "words",
    [
        ["log", "--output=x"],
        ["log", "-p", "--output", "x"],
        ["diff", "--outp=x"],
        ["show", "--ou=x"],
        ["shortlog", "--output=x"],
        ["diff", "--ext-diff"],
        ["log", "-p", "--ext"],
        ["show", "--textconv"],
        ["blame", "--textconv", "a.txt"],
        ["diff", "--textc"],
        ["diff", "--no-no-textconv"],
        ["diff", "--no-index", "a.txt", "a.txt"],
        ["diff", "--no-ind", "a.txt", "a.txt"],
        ["diff", "-O/etc/passwd"],
        ["diff", "-pO/etc/passwd"],
        ["log", "-O", "/etc/passwd"],
        ["log", "--help"],
        ["log", "--remerge-diff"],
        ["log", "--remerge"],
        ["log", "--diff-merges=remerge"],
        ["log", "--diff-merges=r"],
        ["log", "--diff-m", "remerge"],
        ["log", "--alternate-refs"],
        ["log", "--alternate"],
        ["diff", "--submodule=diff"],
        ["diff", "--ignore-submodules=none"],
        ["status", "--ignore-subm=untracked"],
        ["status", "-v"],
        ["status", "-sv"],
        ["status", "--verb"],
        ["blame", "--contents=/etc/passwd", "a.txt"],
        ["blame", "--cont", "/etc/passwd", "a.txt"],
        ["blame", "--ignore-revs-file=/etc/passwd", "a.txt"],
        ["blame", "-S", "/etc/passwd", "a.txt"],
        ["blame", "-sS/etc/passwd", "a.txt"],
        ["ls-files", "-X/etc/passwd"],
        ["ls-files", "-oX", "/etc/passwd"],
        ["ls-files", "--exclude-from=/etc/passwd"],
        ["ls-files", "--recurse-submodules"],
        ["rev-parse", "--git-dir"],
    ],
)
def test_an_option_that_does_more_than_look_is_refused(root: Path, words: list[str]) -> None:
    with pytest.raises(InvalidArguments):
        look(root, *words)
    assert not (root / "x").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["diff", "/etc/passwd", "/etc/group"],
        ["diff", "../outside.txt", "a.txt"],
        ["diff", "--", "a.txt", "../outside.txt"],
        ["diff", "sub/../../outside.txt", "a.txt"],
        ["diff", "out/outside.txt", "a.txt"],
        ["log", "--", "/etc"],
        ["blame", "../outside.txt"],
        ["status", ".."],
        ["ls-files", ":(top)../outside.txt"],
        ["ls-files", ":/../outside.txt"],
        ["diff", "--end-of-options", "/etc/passwd", "/etc/group"],
    ],
)
def test_a_path_outside_is_refused(root: Path, words: list[str]) -> None:
    (root.parent / "outside.txt").write_text("secret")
    (root / "out").symlink_to(root.parent)
    with pytest.raises(OutsideWorkspace):
        look(root, *words)


def test_paths_in_added_directories_are_taken(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.txt").write_text("other\n")
    text = look(root, "diff", str(root / "a.txt"), str(other / "a.txt"), roots=(other,))
    assert "+other" in text


evil_options = st.sampled_from(
    ["output", "ext-diff", "textconv", "no-index", "contents", "help", "remerge-diff"]
)


@given(evil_options, st.integers(0, 12), st.booleans())
def test_no_abbreviation_of_a_refused_option_passes(name: str, cut: int, value: bool) -> None:
    short = name[: max(1, len(name) - cut)]
    here = Path.cwd()
    caller = make_caller(here, Processes("git", here))
    word = f"--{short}" + "=x" * value
    if short in ("text", "no"):
        return
    with pytest.raises(InvalidArguments):
        git.checked(caller, ["log", word])


@given(st.lists(st.text(max_size=12), min_size=1, max_size=4))
def test_any_arguments_are_taken_or_refused_and_never_more(words: list[str]) -> None:
    here = Path.cwd()
    caller = make_caller(here, Processes("git", here))
    try:
        argv = git.checked(caller, words)
    except Refused:
        return
    assert argv[0] in git.TOOL.description
    assert "--ext-diff" not in argv


def test_a_worktree_that_points_elsewhere_is_refused(root: Path) -> None:
    secrets = root.parent / "secrets"
    secrets.mkdir()
    (secrets / "a.txt").write_text("secret\n")
    plain(root, "config", "core.worktree", str(secrets))
    assert "secret" in plain(root, "diff")
    for words in (["diff"], ["status"], ["log"]):
        with pytest.raises(OutsideWorkspace):
            look(root, *words)


def test_a_worktree_of_another_repository_works(root: Path) -> None:
    side = root.parent / "side"
    plain(root, "worktree", "add", "-q", str(side))
    (side / "a.txt").write_text("side\n")
    assert "+side" in look(side, "diff")
    assert look(side, "status", "--porcelain") == " M a.txt"


def test_a_bare_repository_that_was_planted_is_not_used(root: Path) -> None:
    planted = root / "planted"
    plain(root, "init", "-q", "--bare", str(planted))
    (planted / "refs" / "x").touch()
    text = look(planted, "log")
    assert "exit code 128" in text or "Second" in text


def test_looking_writes_nothing(root: Path) -> None:
    index = root / ".git" / "index"
    os.utime(root / "a.txt", (1, 1))
    before = index.read_bytes(), sorted(path.name for path in (root / ".git").iterdir())
    look(root, "status")
    look(root, "diff")
    assert (index.read_bytes(), sorted(p.name for p in (root / ".git").iterdir())) == before


def test_variables_of_git_do_not_reach_it(root: Path) -> None:
    env = ENV | {"GIT_DIR": "/nowhere", "GIT_EXTERNAL_DIFF": "evil", "GIT_TRACE": "/tmp/trace"}
    assert look(root, "rev-parse", "--is-inside-work-tree", env=env) == "true"


def test_a_directory_without_a_repository_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    assert "not a git repository" in look(folder, "log")


def test_a_long_log_is_capped(root: Path) -> None:
    (root / "big.txt").write_text("line of text\n" * 10_000)
    plain(root, "add", ".")
    plain(root, "commit", "-qm", "Big")
    text = look(root, "show", "HEAD")
    assert len(text) < output.SHOWN_MAX + 300
    assert "blob:" in text


def test_names_with_newlines_are_quoted(root: Path) -> None:
    (root / "a\nb.txt").touch()
    assert '"a\\nb.txt"' in look(root, "status", "--porcelain")
