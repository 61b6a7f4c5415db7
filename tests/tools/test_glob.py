"""Glob: files by name, newest first, in bounded time whatever the pattern or the tree."""

import os
import time
from pathlib import Path

import pytest

from leadhand.refusals import InvalidArguments, OutsideWorkspace, ToolFailed
from leadhand.tools.work import glob
from tests.tools.kit import call

FILES = [
    "README.md",
    ".hidden",
    "src/app.py",
    "src/app.ts",
    "src/view.tsx",
    "src/deep/er/lib.py",
    "docs/a.md",
    "node_modules/x/index.js",
    ".git/config",
    ".venv/lib/y.py",
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    for number, name in enumerate(FILES):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (number, number))
    return folder


def names(root: Path, pattern: str, path: str = ".") -> list[str]:
    return call(root, glob.TOOL, {"pattern": pattern, "path": path}).splitlines()


def test_files_are_found_newest_first(root: Path) -> None:
    assert names(root, "**/*.py") == ["src/deep/er/lib.py", "src/app.py"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("src/*.py", {"src/app.py"}),
        ("src/*.{ts,tsx}", {"src/app.ts", "src/view.tsx"}),
        ("src/app.?[sy]", {"src/app.ts", "src/app.py"}),
        ("**/er/*", {"src/deep/er/lib.py"}),
        ("src/**", {"src/app.py", "src/app.ts", "src/view.tsx", "src/deep/er/lib.py"}),
        ("./src/*.ts", {"src/app.ts"}),
        ("README.md", {"README.md"}),
        (".h*", {".hidden"}),
        ("{docs,src}/*.{md,ts}", {"docs/a.md", "src/app.ts"}),
        ("**/index.js", {"Nothing fits **/index.js."}),
        ("node_modules/**/*.js", {"node_modules/x/index.js"}),
        ("**/.venv/**/*.py", {".venv/lib/y.py"}),
        ("src/../docs/*", {"docs/a.md"}),
    ],
)
def test_a_pattern_finds_what_it_says(root: Path, pattern: str, found: set[str]) -> None:
    assert set(names(root, pattern)) == found


def test_without_stars_a_directory_is_listed_with_its_directories(root: Path) -> None:
    assert set(names(root, "*")) == {
        *("README.md", ".hidden", "src/", "docs/", "node_modules/", ".git/", ".venv/")
    }
    assert set(names(root, "*", "src")) == {"src/app.py", "src/app.ts", "src/view.tsx", "src/deep/"}


def test_a_pattern_may_be_absolute_within_the_roots(root: Path) -> None:
    assert names(root, f"{root}/src/*.py") == ["src/app.py"]


def test_an_added_directory_is_listed_with_its_whole_path(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "x.py").touch()
    args = {"pattern": "*.py", "path": str(other)}
    assert call(root, glob.TOOL, args, roots=(other,)) == str(other / "x.py")


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/etc/*", "."),
        ("../*", "."),
        ("src/../../*", "."),
        ("*", ".."),
        ("*", "/"),
        ("~/*", "."),
        ("*", "out"),
        ("out/*", "."),
        ("/**", "."),
    ],
)
def test_nothing_outside_is_listed(root: Path, pattern: str, path: str) -> None:
    (root / "out").symlink_to(root.parent)
    with pytest.raises(OutsideWorkspace):
        names(root, pattern, path)


def test_going_up_after_a_wildcard_is_refused(root: Path) -> None:
    with pytest.raises(InvalidArguments):
        names(root, "*/../../*")


def test_links_are_listed_and_not_followed(root: Path) -> None:
    (root.parent / "secret.txt").touch()
    (root / "out").symlink_to(root.parent)
    (root / "src" / "loop").symlink_to(root)
    found = names(root, "**/*")
    assert "out" in found
    assert not any("secret" in name or name.startswith("src/loop/") for name in found)


def test_a_missing_directory_or_a_file_is_said(root: Path) -> None:
    with pytest.raises(ToolFailed) as refusal:
        names(root, "*", "scr")
    assert "src" in refusal.value.next_step
    with pytest.raises(ToolFailed, match="a file, not a directory"):
        names(root, "*", "README.md")


def test_nothing_found_says_how_to_look_deeper(root: Path) -> None:
    assert names(root, "*.py") == ["Nothing fits *.py.", "For any depth: **/*.py"]


def test_a_name_with_a_newline_cannot_pass_for_two(root: Path) -> None:
    (root / "docs" / "x\nREADME.md").touch()
    (root / "docs" / os.fsdecode(b"bad\xff")).touch()
    found = names(root, "docs/*")
    assert "docs/x\\nREADME.md" in found
    assert "docs/bad\\udcff" in found


@pytest.mark.slow
def test_of_ten_thousand_files_a_hundred_are_shown_and_all_are_counted(root: Path) -> None:
    for number in range(10_000):
        (root / "docs" / f"{number}.txt").touch()
    begun = time.monotonic()
    found = names(root, "**/*.txt")
    assert len(found) == 101
    assert "the newest 100 of 10000" in found[-1]
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    "pattern", ["{a,b}" * 30, "{" + ",".join("a" * 300) + "}", "{{a,b},{c,d}}" * 9]
)
def test_too_many_alternatives_are_refused(root: Path, pattern: str) -> None:
    with pytest.raises(InvalidArguments):
        names(root, pattern)
