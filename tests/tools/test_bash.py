"""Bash: a command's output and end, bounded in time, size and what it sees."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from leadhand.processes import clean_environment
from leadhand.refusals import InvalidArguments
from leadhand.tool import Caller
from leadhand.tools.work import bash, output, read
from tests.tools.kit import ask, call, using


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def sh(root: Path, command: str, **args: Any) -> str:
    return call(root, bash.TOOL, {"command": command, **args})


def test_a_command_runs_in_the_callers_directory(root: Path) -> None:
    assert sh(root, "pwd; echo to stderr >&2") == f"{root}\nto stderr"


def test_it_is_bash(root: Path) -> None:
    assert sh(root, "[[ ab == a* ]] && echo $BASH_VERSION | cut -c1") in "3456789"


def test_a_failure_ends_with_its_exit_code(root: Path) -> None:
    assert sh(root, "echo no; exit 3") == "no\n[exit code 3]"
    assert sh(root, "false") == "[exit code 1]"


def test_silence_is_said(root: Path) -> None:
    assert sh(root, "true") == "(no output)"


def test_a_signal_is_said(root: Path) -> None:
    assert sh(root, "kill -TERM $$") == "[ended by signal 15]"


@pytest.mark.slow
def test_the_timeout_is_in_milliseconds_and_what_was_printed_is_shown(root: Path) -> None:
    text = sh(root, "echo begun; sleep 60", timeout=300)
    assert text.startswith("begun\n[stopped after 0.")


@pytest.mark.parametrize("timeout", [0, -1, 600_001])
def test_a_timeout_out_of_range_is_not_taken(root: Path, timeout: int) -> None:
    with pytest.raises(msgspec.ValidationError):
        sh(root, "true", timeout=timeout)


def test_input_is_empty(root: Path) -> None:
    assert sh(root, "read line; echo got: $line") == "got:"


def test_the_environment_holds_no_key_of_the_parent(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-planted")
    monkeypatch.setenv("MY_PASSWORD", "planted")
    monkeypatch.setenv("BASH_ENV", "/dev/stdout")
    text = sh(root, "env; cat /proc/self/environ /proc/$$/environ | tr '\\0' '\\n'")
    assert "planted" not in text
    assert "BASH_ENV" not in text
    assert "LEADHAND_ACTOR=root" in text


def test_the_manifests_entries_are_there(root: Path) -> None:
    env = clean_environment({"PATH": "/usr/bin:/bin"}, {"MODE": "test"})
    assert call(root, bash.TOOL, {"command": "echo $MODE"}, env=env) == "test"


def test_a_long_output_shows_head_and_tail_and_where_the_whole_is(root: Path) -> None:
    async def deed(caller: Caller) -> tuple[str, bytes, str]:
        text = await ask(caller, bash.TOOL, {"command": "seq 1 100000"})
        pointer = "blob:" + text.partition('"blob:')[2].partition('"')[0]
        page = await ask(caller, read.TOOL, {"file_path": pointer, "offset": 50_000, "limit": 1})
        return text, await caller.blobs.get(pointer), page

    text, whole, page = using(root, deed)
    assert text.startswith("1\n2\n3\n")
    assert text.endswith("\n99999\n100000")
    assert len(text) < output.SHOWN_MAX + 300
    assert whole == "".join(f"{n}\n" for n in range(1, 100_001)).encode()
    assert page.startswith(" 50000\t50000\n")


def test_one_huge_line_is_capped_too(root: Path) -> None:
    text = sh(root, "head -c 1000000 /dev/zero | tr '\\0' x; exit 2")
    assert len(text) < output.SHOWN_MAX + 300
    assert text.endswith("xxx\n[exit code 2]")


@pytest.mark.slow
def test_an_endless_output_is_bounded(root: Path) -> None:
    text = sh(root, "yes", timeout=500)
    assert len(text) < output.SHOWN_MAX + 300
    assert "[stopped after" in text


def test_output_that_is_not_utf8_is_shown_as_far_as_it_is(root: Path) -> None:
    assert sh(root, "printf 'caf\\351\\n\\000end'") == "caf\ufffd\n\0end"


def test_a_background_child_neither_delays_nor_survives(root: Path) -> None:
    assert sh(root, "(sleep 60; echo late) & echo now") == "now"


@pytest.mark.parametrize("command", ["echo \0", "\ud800", "x" * 200_000])
def test_what_no_shell_could_take_is_refused(root: Path, command: str) -> None:
    with pytest.raises(InvalidArguments):
        sh(root, command)


def test_a_command_of_nearly_the_longest_length_runs(root: Path) -> None:
    assert sh(root, "echo ok #" + "x" * 131_000) == "ok"


def test_a_missing_directory_is_a_refusal(root: Path) -> None:
    root.rmdir()
    with pytest.raises(Exception, match="cannot be started"):
        sh(root, "true")
