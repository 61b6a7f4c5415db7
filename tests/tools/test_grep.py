"""Grep: matching lines, in bounded time whatever the expression or the files."""

import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from leadhand.refusals import InvalidArguments, OutsideWorkspace, ToolFailed
from leadhand.tool import Caller
from leadhand.tools.work import grep, output, search
from tests.tools.kit import ask, call, using


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "app.py").write_text("import os\n\ndef run():\n    return os.name\n\nrun()\n")
    (folder / "notes.md").write_text("# Run\nrun it\n")
    os.utime(folder / "notes.md", (1, 1))
    return folder


def find(root: Path, pattern: str, **args: Any) -> str:
    renamed = {key.replace("dash_", "-"): value for key, value in args.items()}
    return call(root, grep.TOOL, {"pattern": pattern, **renamed})


def test_files_with_matches_are_the_default_newest_first(root: Path) -> None:
    assert find(root, "run") == "src/app.py\nnotes.md"


def test_lines_come_with_file_and_number(root: Path) -> None:
    assert find(root, r"def \w+\(", output_mode="content") == "src/app.py:3:def run():"


def test_numbers_can_be_left_out(root: Path) -> None:
    assert find(root, "def", output_mode="content", **{"-n": False}) == "src/app.py:def run():"


def test_lines_are_counted_per_file(root: Path) -> None:
    assert find(root, "run", output_mode="count") == "notes.md:1\nsrc/app.py:2"


def test_case_is_ignored_on_request(root: Path) -> None:
    assert find(root, "RUN") == "Nothing matches."
    assert find(root, "RUN", output_mode="count", **{"-i": True}) == "notes.md:2\nsrc/app.py:2"


def test_context_surrounds_and_gaps_are_marked(root: Path) -> None:
    text = find(root, "run", path="src", output_mode="content", **{"-A": 1, "-B": 1})
    assert text.splitlines() == [
        "src/app.py-2-",
        "src/app.py:3:def run():",
        "src/app.py-4-    return os.name",
        "src/app.py-5-",
        "src/app.py:6:run()",
    ]
    text = find(root, "import|run", path="src/app.py", output_mode="content", **{"-C": 0, "-A": 1})
    assert text.splitlines() == [
        "src/app.py:1:import os",
        "src/app.py-2-",
        "src/app.py:3:def run():",
        "src/app.py-4-    return os.name",
        "--",
        "src/app.py:6:run()",
    ]


@pytest.mark.parametrize(
    ("glob", "found"),
    [
        ("*.py", "src/app.py"),
        ("**/*.py", "src/app.py"),
        ("src/*", "src/app.py"),
        ("*.{md,txt}", "notes.md"),
        ("!*.py", "notes.md"),
        ("*.rs", "Nothing matches.\n(no file was searched)"),
    ],
)
def test_a_glob_narrows_the_files(root: Path, glob: str, found: str) -> None:
    assert find(root, "run", glob=glob) == found


def test_a_match_may_span_lines_on_request(root: Path) -> None:
    assert find(root, r"def.*return", output_mode="count") == "Nothing matches."
    text = find(root, r"def.*return", output_mode="content", multiline=True)
    assert text == "src/app.py:3:def run():\nsrc/app.py:4:    return os.name"


def test_a_head_limit_cuts_and_says_so(root: Path) -> None:
    text = find(root, "run", output_mode="content", head_limit=1)
    assert text == "notes.md:2:run it\n(there is more: head_limit is 1)"
    assert find(root, "run", head_limit=1) == "src/app.py\n(there is more: head_limit is 1)"
    assert "there is more" not in find(root, "run", head_limit=0)


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*)*b(.*)*c(.*)*$"])
def test_a_hostile_expression_is_stopped_and_says_so(
    root: Path, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grep, "SEARCH_SECS", 0.5)
    (root / "bomb").write_text("a" * 5_000 + "!\n")
    begun = time.monotonic()
    text = find(root, pattern, output_mode="content")
    assert "stopped after" in text
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("pattern", ["(", "[a", "*", "a{2}{3}(", "(?P<n>a)(?P<n>b)", "\\"])
def test_an_expression_that_is_none_is_refused_with_why(root: Path, pattern: str) -> None:
    with pytest.raises(InvalidArguments, match="pattern"):
        find(root, pattern)


def test_posix_classes_are_understood(root: Path) -> None:
    assert find(root, "^[[:alpha:]]+[[:space:]]it$") == "notes.md"


@pytest.mark.parametrize("path", ["/etc", "..", "~", "out", "out/x", "/proc/self/environ"])
def test_nothing_outside_is_searched(root: Path, path: str) -> None:
    (root / "out").symlink_to(root.parent)
    with pytest.raises(OutsideWorkspace):
        find(root, "x", path=path)


def test_links_are_not_followed(root: Path) -> None:
    (root.parent / "secret.txt").write_text("run secret")
    (root / "out").symlink_to(root.parent)
    (root / "secret").symlink_to(root.parent / "secret.txt")
    (root / "loop").symlink_to(root)
    assert find(root, "run") == "src/app.py\nnotes.md"


def test_fifos_binaries_and_machine_made_directories_are_passed_over(root: Path) -> None:
    os.mkfifo(root / "fifo")
    (root / "binary").write_bytes(b"run\0run")
    (root / "node_modules").mkdir()
    (root / "node_modules" / "x.js").write_text("run")
    assert find(root, "run") == "src/app.py\nnotes.md"
    assert find(root, "run", path="node_modules") == "node_modules/x.js"
    with pytest.raises(ToolFailed, match="a FIFO"):
        find(root, "run", path="fifo")


def test_a_missing_path_is_said(root: Path) -> None:
    with pytest.raises(ToolFailed) as refusal:
        find(root, "x", path="scr")
    assert "src" in refusal.value.next_step


def test_a_huge_line_shows_only_what_is_around_the_match(root: Path) -> None:
    (root / "huge").write_text("x" * 1_000_000 + "needle" + "y" * 1_000_000)
    text = find(root, "needle", output_mode="content")
    assert "needle" in text
    assert len(text) < search.LINE_SHOWN + 50


def test_names_with_newlines_and_bytes_that_are_not_utf8_do_no_harm(root: Path) -> None:
    (root / "a\nb").write_bytes(b"caf\xe9 run\n")
    (root / os.fsdecode(b"bad\xff")).write_text("run")
    lines = find(root, "run", output_mode="content").splitlines()
    assert "a\\nb:1:caf\ufffd run" in lines
    assert "bad\\udcff:1:run" in lines
    assert len(lines) == 5


@pytest.mark.slow
def test_ten_thousand_files_are_searched(root: Path) -> None:
    for number in range(10_000):
        (root / "src" / f"{number}.txt").write_text(f"number {number}\n")
    begun = time.monotonic()
    assert find(root, "number 9999$", output_mode="content") == "src/9999.txt:1:number 9999"
    text = find(root, "number", output_mode="files_with_matches")
    assert len(text.splitlines()) == grep.HEAD_LIMIT + 1
    assert time.monotonic() - begun < 10


def test_a_long_result_is_capped_with_a_pointer(root: Path) -> None:
    (root / "many").write_text("some line that matches\n" * 5_000)
    text = find(root, "matches", output_mode="content", head_limit=0)
    assert len(text) < output.SHOWN_MAX + 300
    assert "blob:" in text


def test_the_rest_of_a_long_result_can_be_searched(root: Path) -> None:
    async def deed(caller: Caller) -> str:
        pointer = await caller.blobs.put(b"one\ntwo needle\n")
        args = {"pattern": "needle", "path": pointer, "output_mode": "content"}
        return (await ask(caller, grep.TOOL, args)).replace(pointer, "POINTER")

    assert using(root, deed) == "POINTER:2:two needle"
    with pytest.raises(ToolFailed):
        find(root, "x", path="blob:" + "0" * 64)


@pytest.mark.parametrize(
    "args", [{"output_mode": "lines"}, {"-A": -1}, {"-A": 101}, {"after": 1}, {"type": 3}]
)
def test_arguments_that_do_not_fit_are_not_taken(root: Path, args: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        call(root, grep.TOOL, {"pattern": "x", **args})
