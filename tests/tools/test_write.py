"""Write: a file is there whole or not at all, and only where the caller may write."""

import asyncio
import os
import stat
from pathlib import Path

import pytest

from leadhand.refusals import InvalidArguments, OutsideWorkspace, ToolFailed
from leadhand.tool import Caller
from leadhand.tools.work import write
from tests.tools.kit import ask, call, using


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def put(root: Path, path: str, content: str) -> str:
    return call(root, write.TOOL, {"file_path": path, "content": content})


def test_a_file_is_made_with_the_directories_it_needs(root: Path) -> None:
    assert put(root, "a/b/c.txt", "one\ntwo\n") == "Created a/b/c.txt (2 lines, 8 bytes)."
    assert (root / "a/b/c.txt").read_text() == "one\ntwo\n"


def test_a_file_is_replaced_and_keeps_its_mode(root: Path) -> None:
    script = root / "run.sh"
    script.write_text("old")
    script.chmod(0o751)
    assert put(root, "run.sh", "new").startswith("Replaced run.sh")
    assert script.read_text() == "new"
    assert stat.S_IMODE(script.stat().st_mode) == 0o751


def test_a_new_file_has_the_mode_that_the_umask_leaves(root: Path) -> None:
    old = os.umask(0o027)
    try:
        put(root, "a", "x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((root / "a").stat().st_mode) == 0o640


def test_nothing_else_is_left_beside_the_file(root: Path) -> None:
    put(root, "a", "x")
    put(root, "a", "y")
    assert [path.name for path in root.iterdir()] == ["a"]


def test_characters_are_kept_as_they_are(root: Path) -> None:
    text = "é\r\n\t\u2028😀\0end"
    put(root, "a", text)
    assert (root / "a").read_bytes() == text.encode()


def test_half_a_character_is_refused(root: Path) -> None:
    with pytest.raises(InvalidArguments):
        put(root, "a", "\ud800")
    assert list(root.iterdir()) == []


def test_a_link_within_is_written_through_and_stays_a_link(root: Path) -> None:
    (root / "real").write_text("old")
    (root / "link").symlink_to("real")
    put(root, "link", "new")
    assert (root / "link").is_symlink()
    assert (root / "real").read_text() == "new"


@pytest.mark.parametrize("path", ["../x", "/tmp/x", "~/x", "out/x", "out.txt", "a/../../x"])
def test_nothing_is_written_outside(root: Path, path: str) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    (root / "out").symlink_to(outside)
    (root / "out.txt").symlink_to(outside / "kept")
    (root / "dangling").symlink_to(outside / "new")
    for asked in (path, "dangling"):
        with pytest.raises(OutsideWorkspace):
            put(root, asked, "evil")
    assert [p.name for p in outside.iterdir()] == ["kept"]
    assert (outside / "kept").read_text() == "kept"
    assert not (root.parent / "x").exists()


@pytest.mark.parametrize(
    "path", [".git/config", ".git/hooks/pre-commit", "sub/.git/config", ".GIT/config", ".git"]
)
def test_gits_own_files_are_left_to_git(root: Path, path: str) -> None:
    with pytest.raises(OutsideWorkspace):
        put(root, path, "[core]\n\tfsmonitor = evil\n")
    put(root, ".github/workflow.yml", "fine")


def test_a_directory_a_fifo_and_a_file_as_directory_are_refused(root: Path) -> None:
    (root / "sub").mkdir()
    (root / "file").write_text("kept")
    os.mkfifo(root / "fifo")
    for path in ("sub", "fifo", "file/x", "new/", "."):
        with pytest.raises((ToolFailed, OutsideWorkspace)):
            put(root, path, "x")
    assert (root / "file").read_text() == "kept"


def test_a_name_that_is_too_long_is_refused_and_a_long_one_is_not(root: Path) -> None:
    put(root, "é" * 127, "x")
    with pytest.raises(ToolFailed, match="too long"):
        put(root, "a" * 256, "x")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everything")
def test_a_read_only_file_is_refused(root: Path) -> None:
    (root / "a").write_text("kept")
    (root / "a").chmod(0o444)
    with pytest.raises(ToolFailed, match="read-only"):
        put(root, "a", "x")


def test_a_reader_never_sees_half_a_file(root: Path) -> None:
    async def deed(caller: Caller) -> None:
        big = {n: str(n) * 200_000 for n in range(8)}
        await ask(caller, write.TOOL, {"file_path": "a", "content": big[0]})
        writes = [
            asyncio.create_task(ask(caller, write.TOOL, {"file_path": "a", "content": text}))
            for text in big.values()
        ]
        while not all(task.done() for task in writes):
            assert (root / "a").read_text() in big.values()
            await asyncio.sleep(0)
        await asyncio.gather(*writes)

    using(root, deed)
    assert [path.name for path in root.iterdir()] == ["a"]
