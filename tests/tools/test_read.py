"""Read: pages of numbered lines, of anything that is text, in bounded time and space."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from leadhand.refusals import OutsideWorkspace, Refused, ToolFailed
from leadhand.tool import Caller
from leadhand.tools.work import read
from tests.tools.kit import ask, call, using


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def show(root: Path, path: str, **args: Any) -> str:
    return call(root, read.TOOL, {"file_path": path, **args})


def test_lines_are_numbered_as_cat_does(root: Path) -> None:
    (root / "a").write_text("one\n\nthree")
    assert show(root, "a") == "     1\tone\n     2\t\n     3\tthree"


def test_a_page_says_how_to_go_on_and_the_pages_give_the_whole(root: Path) -> None:
    lines = [f"line {n}" for n in range(1, 26)]
    (root / "a").write_text("\n".join(lines) + "\n")
    assert show(root, "a", limit=10).endswith("(lines 1 to 10 of 25; go on with offset 11)")
    assert show(root, "a", offset=11, limit=10).endswith("go on with offset 21)")
    last = show(root, "a", offset=21, limit=10)
    assert last.splitlines()[0] == "    21\tline 21"
    assert last.splitlines()[-1] == "    25\tline 25"


def test_an_offset_of_nought_is_the_first_line(root: Path) -> None:
    (root / "a").write_text("one\n")
    assert show(root, "a", offset=0) == "     1\tone"


def test_an_offset_beyond_the_end_says_how_many_lines_there_are(root: Path) -> None:
    (root / "a").write_text("one\ntwo\n")
    with pytest.raises(ToolFailed, match="only 2 lines"):
        show(root, "a", offset=3)


def test_an_empty_file_is_said_to_be_empty(root: Path) -> None:
    (root / "a").touch()
    assert show(root, "a") == "(a is empty)"


def test_at_most_two_thousand_lines_are_shown_unless_more_are_asked_for(root: Path) -> None:
    (root / "a").write_text("x\n" * 5_000)
    text = show(root, "a")
    assert text.endswith("(lines 1 to 2000 of 5000; go on with offset 2001)")
    assert "  5000\tx" in show(root, "a", limit=5_000)


def test_a_page_is_capped_in_characters_and_nothing_is_skipped(root: Path) -> None:
    (root / "a").write_text("".join(f"{n:04} {'y' * 995}\n" for n in range(200)))
    offset, seen = 1, ""
    while True:
        text = show(root, "a", offset=offset)
        assert len(text) < read.SHOWN_MAX + 200
        seen += text
        if "go on with offset" not in text:
            break
        offset = int(text.rpartition("offset ")[2].removesuffix(")"))
    assert all(f"\t{n:04} y" in seen for n in range(200))


@pytest.mark.slow
def test_a_huge_line_is_cut_and_costs_neither_memory_nor_much_time(root: Path) -> None:
    with (root / "a").open("wb") as file:
        file.write(b"first\n")
        for _ in range(100):
            file.write(b"z" * 1_000_000)
        file.write(b"\nlast\n")
    begun = time.monotonic()
    lines = show(root, "a").splitlines()
    assert time.monotonic() - begun < 5
    assert lines[0] == "     1\tfirst"
    assert lines[1].endswith("[... cut: this line has 100000001 bytes]")
    assert len(lines[1]) < 2_100
    assert lines[2] == "     3\tlast"


def test_bytes_that_are_not_utf8_are_replaced_and_said_so(root: Path) -> None:
    (root / "a").write_bytes(b"caf\xe9\nok\n")
    text = show(root, "a")
    assert "caf\ufffd" in text
    assert "not UTF-8" in text


def test_windows_line_ends_are_said_and_not_shown(root: Path) -> None:
    (root / "a").write_bytes(b"one\r\ntwo\r\n")
    text = show(root, "a")
    assert "\r" not in text
    assert text.endswith("(lines end in CR LF)")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "a PNG image"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\x7fELF\0\0", "an ELF program"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"\x1f\x8b\x08", "gzip data"),
        ("text".encode("utf-16"), "UTF-16 text"),
        (b"text and then\0", "binary data"),
    ],
)
def test_a_binary_file_is_refused_with_what_it_is(root: Path, data: bytes, what: str) -> None:
    (root / "a").write_bytes(data)
    with pytest.raises(ToolFailed, match=what):
        show(root, "a")


def test_a_directory_is_refused_with_how_to_list_it(root: Path) -> None:
    (root / "sub").mkdir()
    with pytest.raises(ToolFailed) as refusal:
        show(root, "sub")
    assert "Glob" in refusal.value.next_step


def test_a_fifo_is_refused_at_once(root: Path) -> None:
    os.mkfifo(root / "fifo")
    with pytest.raises(ToolFailed, match="a FIFO"):
        show(root, "fifo")


@pytest.mark.parametrize("path", ["/dev/zero", "/etc/passwd", "../x", "~/x"])
def test_what_is_outside_is_refused(root: Path, path: str) -> None:
    with pytest.raises(OutsideWorkspace):
        show(root, path)


def test_a_name_with_a_newline_is_read_and_shown_on_one_line(root: Path) -> None:
    (root / "a\nb").write_text("one\n")
    assert show(root, "a\nb") == "     1\tone"
    with pytest.raises(ToolFailed) as refusal:
        show(root, "a\nc")
    assert "\n" not in refusal.value.message


@pytest.mark.slow
def test_a_page_of_a_file_of_a_terabyte_is_soon_there(root: Path) -> None:
    with (root / "a").open("wb") as file:
        file.write(b"text\n" * 5_000)
        file.truncate(1 << 40)
    begun = time.monotonic()
    text = show(root, "a", limit=1)
    assert text.endswith("(lines 1 to 1 of more; go on with offset 2)")
    assert time.monotonic() - begun < 5


def test_the_event_loop_goes_on_while_a_big_file_is_read(root: Path) -> None:
    (root / "a").write_text("some text\n" * 2_000_000)

    async def deed(caller: Caller) -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.001)
                ticks += 1

        ticker = asyncio.create_task(tick())
        await ask(caller, read.TOOL, {"file_path": "a", "offset": 150_000})
        ticker.cancel()
        return ticks

    assert using(root, deed) >= 3


def test_a_blob_is_read_in_pages_even_where_it_is_one_line(root: Path) -> None:
    whole = "".join(chr(ord("a") + n % 26) for n in range(150_000))

    async def deed(caller: Caller) -> str:
        pointer = await caller.blobs.put(whole.encode())
        seen, offset = "", 1
        while True:
            text = await ask(caller, read.TOOL, {"file_path": pointer, "offset": offset})
            rows = [row.partition("\t")[2] for row in text.splitlines() if "\t" in row]
            seen += "".join(rows)
            if "go on with offset" not in text:
                return seen
            offset += len(rows)

    assert using(root, deed) == whole


@pytest.mark.parametrize("pointer", ["blob:" + "0" * 64, "blob:", "blob:../../etc/passwd"])
def test_a_blob_that_is_not_there_is_refused(root: Path, pointer: str) -> None:
    with pytest.raises(ToolFailed):
        show(root, pointer)


@pytest.mark.parametrize(
    "args",
    [{}, {"file_path": 1}, {"file_path": "a", "limit": 0}, {"file_path": "a", "lines": 3}],
)
def test_arguments_that_do_not_fit_the_schema_are_not_taken(
    root: Path, args: dict[str, Any]
) -> None:
    with pytest.raises((msgspec.ValidationError, Refused)):
        call(root, read.TOOL, args)
