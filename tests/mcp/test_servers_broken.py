"""MCP servers of others that break: a call fails with what is known of it, and the next goes on."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from leadhand.api import RunHandle
from leadhand.model import Request
from leadhand.models.scripted import Reply
from tests.mcp.servers_kit import (
    REPORT,
    Call,
    alive,
    calling,
    free_port,
    listening,
    manifest,
    program,
    ran,
)

pytestmark = pytest.mark.slow


def pids(notes: Path) -> list[str]:
    """The servers that have noted something, in order."""
    return [line.split()[0] for line in notes.read_text().splitlines()]


def test_a_server_that_crashes_in_a_call_is_started_again_for_the_next(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    note = ("mcp__some__note", {"text": "x"})
    script = calling(note, ("mcp__some__crash", {}), note)
    seen = ran(tmp_path, manifest(program(NOTES=str(notes))), script)
    _, crashed, noted = seen.results()
    assert crashed.is_error
    assert '"code":"tool_failed"' in crashed.text
    assert "the MCP server some is not there: it is gone; what the call has done" in crashed.text
    assert 'it said last:\\n<mcp_result server=\\"some\\">' in crashed.text
    assert "I am dying" in crashed.text
    assert not noted.is_error
    first, second = pids(notes)
    assert first != second


def test_a_server_that_crashes_again_and_again_is_tried_ever_less_often(tmp_path: Path) -> None:
    crash: Call = ("mcp__some__crash", {})
    script = calling(crash, crash, crash, crash, crash)
    began = time.monotonic()
    seen = ran(tmp_path, manifest(program()), script)
    assert [each.is_error for each in seen.results()] == [True] * 5
    # It is started anew at once, at once, after one second and after two.
    assert time.monotonic() - began > 3


def test_many_calls_of_a_server_that_is_gone_start_one(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    note = ("mcp__some__note", {"text": "x"})
    script = calling([note] * 5, ("mcp__some__crash", {}), [note] * 5)
    seen = ran(tmp_path, manifest(program(NOTES=str(notes))), script)
    assert sum(each.is_error for each in seen.results()) == 1
    assert len(set(pids(notes))) == 2


def test_a_server_that_hangs_is_given_up_and_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadhand.mcp.connection.PING_SECS", 0.5)
    notes = tmp_path / "notes"
    note = ("mcp__some__note", {"text": "x"})
    text = manifest(program(NOTES=str(notes)) + "\ntimeout_secs = 2")
    seen = ran(tmp_path, text, calling(note, ("mcp__some__hang", {}), note))
    _, hung, noted = seen.results()
    assert "the MCP server some did not answer within 2 s" in hung.text
    assert not noted.is_error
    first, second = pids(notes)
    assert first != second
    assert alive(seen.run.id) == []


def test_a_call_that_takes_too_long_leaves_the_server_to_others(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    note = ("mcp__some__note", {"text": "x"})
    text = manifest(program(NOTES=str(notes)) + "\ntimeout_secs = 2")
    both: list[Call] = [("mcp__some__slow", {"secs": 60}), ("mcp__some__slow", {"secs": 0.1})]
    seen = ran(tmp_path, text, calling(note, both, note))
    _, late, quick, _ = seen.results()
    assert late.is_error
    assert "did not answer within 2 s" in late.text
    assert not quick.is_error
    first, second = pids(notes)
    assert first == second


def test_a_program_that_died_between_calls_is_started_again(tmp_path: Path) -> None:
    notes = tmp_path / "notes"

    def model(request: Request) -> Reply:
        number = sum(message.role == "assistant" for message in request.messages)
        if number == 1:
            os.kill(int(pids(notes)[0]), signal.SIGKILL)
            time.sleep(0.2)
        note = ("mcp__some__note", {"text": "x"})
        return Reply(calls=(note,)) if number < 2 else Reply(text=REPORT)

    seen = ran(tmp_path, manifest(program(NOTES=str(notes))), model)
    assert [each.is_error for each in seen.results()] == [False, False]
    assert len(set(pids(notes))) == 2


@pytest.mark.parametrize("kind", ["stateless", "--session"])
def test_a_server_over_http_that_was_restarted_is_asked_anew(tmp_path: Path, kind: str) -> None:
    port, notes = free_port(), tmp_path / "notes"
    note = ("mcp__some__note", {"text": "x"})
    again: list[object] = []

    def model(request: Request) -> Reply:
        number = sum(message.role == "assistant" for message in request.messages)
        if number == 1:
            first.__exit__(None, None, None)
            second = listening(port, kind, NOTES=str(notes))
            again.append(second)
            second.__enter__()
        return Reply(calls=(note,)) if number < 2 else Reply(text=REPORT)

    first = listening(port, kind, NOTES=str(notes))
    first.__enter__()
    try:
        keys = f'name = "some"\nurl = "http://127.0.0.1:{port}/mcp"'
        seen = ran(tmp_path, manifest(keys), model)
    finally:
        for each in again:
            each.__exit__(None, None, None)  # type: ignore[attr-defined]
    assert [each.text.count("noted") for each in seen.results()] == [1, 1]
    assert len(set(pids(notes))) == 2


def test_a_server_over_http_that_went_away_fails_its_calls(tmp_path: Path) -> None:
    port = free_port()
    served = listening(port)

    def model(request: Request) -> Reply:
        number = sum(message.role == "assistant" for message in request.messages)
        if number == 1:
            served.__exit__(None, None, None)
        echo = ("mcp__some__echo", {"text": "x"})
        return Reply(calls=(echo,)) if number < 3 else Reply(text=REPORT)

    served.__enter__()
    seen = ran(tmp_path, manifest(f'name = "some"\nurl = "http://127.0.0.1:{port}/mcp"'), model)
    there, gone, still = seen.results()
    assert not there.is_error
    assert "the MCP server some is not there" in gone.text
    assert "the MCP server some is not there" in still.text


def test_a_cancelled_run_leaves_no_server(tmp_path: Path) -> None:
    started: list[list[str]] = []

    async def during(run: RunHandle) -> None:
        async with asyncio.timeout(20):
            while not notes.exists():  # noqa: ASYNC110 (a file tells nobody)
                await asyncio.sleep(0.05)
        started.append(alive(run.id))
        await run.cancel()

    calls = [("mcp__some__note", {"text": "x"}), ("mcp__some__hang", {})]
    notes = tmp_path / "notes"
    text = manifest(program(NOTES=str(notes)), head="grace_secs = 0")
    began = time.monotonic()
    seen = ran(tmp_path, text, calling(*calls), during=during)
    assert time.monotonic() - began < 30
    assert any("foreign_server" in each for each in started[0])
    assert alive(seen.run.id) == []
