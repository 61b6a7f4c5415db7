"""Edit: one exact piece of a file changes, or nothing does and the caller learns why."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadhand.refusals import InvalidArguments, OutsideWorkspace, Refused, ToolFailed
from leadhand.tool import Caller
from leadhand.tools.work import edit
from tests.tools.kit import ask, call, using


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def change(root: Path, old: str, new: str, **args: Any) -> str:
    return call(root, edit.TOOL, {"file_path": "a", "old_string": old, "new_string": new, **args})


def test_a_piece_is_replaced_and_shown_with_its_surroundings(root: Path) -> None:
    (root / "a").write_text("".join(f"line {n}\n" for n in range(1, 21)))
    text = change(root, "line 10\n", "ten\nand more\n")
    assert (root / "a").read_text().splitlines()[9:11] == ["ten", "and more"]
    assert text.splitlines()[0] == "Edited a in 1 place:"
    assert "    10\tten" in text
    assert "line 1\n" not in text


def test_what_is_there_twice_is_refused_with_the_lines(root: Path) -> None:
    (root / "a").write_text("x = 1\ny = 2\nx = 1\n")
    with pytest.raises(ToolFailed, match=r"2 times in a \(lines 1, 3\)") as refusal:
        change(root, "x = 1", "x = 2")
    assert "replace_all" in refusal.value.next_step
    assert (root / "a").read_text() == "x = 1\ny = 2\nx = 1\n"


def test_what_overlaps_itself_is_not_unique(root: Path) -> None:
    (root / "a").write_text("aaa")
    with pytest.raises(ToolFailed, match="2 times"):
        change(root, "aa", "b")


def test_replace_all_replaces_every_one(root: Path) -> None:
    (root / "a").write_text("x = 1\ny = 2\nx = 1\n")
    assert "in 2 places" in change(root, "x = 1", "x = 2", replace_all=True)
    assert (root / "a").read_text() == "x = 2\ny = 2\nx = 2\n"


def test_a_piece_can_be_deleted(root: Path) -> None:
    (root / "a").write_text("one two")
    change(root, " two", "")
    assert (root / "a").read_text() == "one"


@pytest.mark.parametrize(
    ("old", "advice"),
    [
        ("nothing like it", "Read the file again"),
        ("    1\tdef f():\n    2\t    return 1", "line numbers"),
        ("def f():\n  return 1", "Line 1"),
        ("def f():\n    return 7", "copy the text exactly"),
    ],
)
def test_what_is_not_there_is_refused_with_what_to_do(root: Path, old: str, advice: str) -> None:
    (root / "a").write_text("def f():\n    return 1\n")
    with pytest.raises(ToolFailed, match="is not in a") as refusal:
        change(root, old, "x")
    assert advice in refusal.value.next_step


def test_nothing_to_look_for_and_nothing_to_change_are_refused(root: Path) -> None:
    (root / "a").write_text("text")
    for old, new in (("", "x"), ("text", "text"), ("\ud800", "x")):
        with pytest.raises(InvalidArguments):
            change(root, old, new)


def test_windows_line_ends_are_found_and_kept(root: Path) -> None:
    (root / "a").write_bytes(b"one\r\ntwo\r\nthree\r\n")
    change(root, "one\ntwo", "1\n2")
    assert (root / "a").read_bytes() == b"1\r\n2\r\nthree\r\n"


def test_bytes_that_are_not_utf8_are_left_as_they_are(root: Path) -> None:
    (root / "a").write_bytes(b"caf\xe9 one \xff\xff\xff")
    change(root, "one", "two")
    assert (root / "a").read_bytes() == b"caf\xe9 two \xff\xff\xff"


def test_a_file_keeps_its_mode(root: Path) -> None:
    (root / "a").write_text("one")
    (root / "a").chmod(0o750)
    change(root, "one", "two")
    assert (root / "a").stat().st_mode & 0o777 == 0o750


def test_binary_missing_and_forbidden_files_are_refused(root: Path) -> None:
    (root / "binary").write_bytes(b"one\0")
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("one")
    for path, error in (
        ("binary", ToolFailed),
        ("missing", ToolFailed),
        (".git", OutsideWorkspace),
        (".git/config", OutsideWorkspace),
        ("/etc/hosts", OutsideWorkspace),
    ):
        with pytest.raises(error):
            change(root, "one", "two", file_path=path)


def test_edits_of_one_turn_do_not_undo_each_other(root: Path) -> None:
    count = 40
    (root / "a").write_text("".join(f"<{n}>\n" for n in range(count)))

    async def deed(caller: Caller) -> None:
        await asyncio.gather(
            *(
                ask(
                    caller,
                    edit.TOOL,
                    {"file_path": "a", "old_string": f"<{n}>", "new_string": f"[{n}]"},
                )
                for n in range(count)
            )
        )

    using(root, deed)
    assert (root / "a").read_text() == "".join(f"[{n}]\n" for n in range(count))


@pytest.mark.slow
@given(
    before=st.text("ab\n", max_size=8),
    old=st.text("ab\n", min_size=1, max_size=4),
    new=st.text("abc\n", max_size=4),
    after=st.text("ab\n", max_size=8),
)
def test_an_edit_does_what_replacing_in_a_string_does(
    tmp_path_factory: pytest.TempPathFactory, before: str, old: str, new: str, after: str
) -> None:
    root = tmp_path_factory.mktemp("edit") / "root"
    root.mkdir()
    text = before + old + after
    (root / "a").write_text(text)
    unique = text.find(old, text.find(old) + 1) < 0
    try:
        change(root, old, new)
    except Refused:
        assert old == new or not unique
        assert (root / "a").read_text() == text
    else:
        assert unique
        assert (root / "a").read_text() == text.replace(old, new)
