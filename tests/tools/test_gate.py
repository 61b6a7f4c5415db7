"""Gate: every tool call meets the operator's policies, by what its arguments really name."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.manifest import ApprovalPolicy, Approvals, Settings
from leadhand.model import ToolResult
from leadhand.tools.gate import about
from leadhand.tools.work import bash, git, web_fetch, write
from tests.rules.world import manifest
from tests.tools.lead_kit import Calling, leading


def with_policies(root: Path, *policies: ApprovalPolicy) -> Any:
    """A manifest with these policies."""
    asked = manifest(lead=Settings(directory=str(root)))
    return replace(asked, approvals=Approvals(policies))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    found = tmp_path / "work"
    found.mkdir()
    return found


async def waits(calling: Calling, task: "asyncio.Task[Any]") -> None:
    """Let a call come as far as its question."""
    while not calling.engine.run.questions:
        assert not task.done(), task.result()
        await asyncio.sleep(0)


def writing(root: Path, *policies: ApprovalPolicy, answer: c.Command | None = None) -> ToolResult:
    """What a Write gives under these policies, answered so where it is asked about."""

    async def deed(calling: Calling) -> ToolResult:
        task = asyncio.create_task(
            calling.result("Write", {"file_path": "a.txt", "content": "text"})
        )
        if answer is not None:
            await waits(calling, task)
            assert not (root / "a.txt").exists()
            await calling.engine.submit(answer)
        result = await task
        kinds = [type(event) for event in await calling.log()]
        assert (e.ApprovalAsked in kinds) == (answer is not None)
        return result

    return leading(root, deed, asked=with_policies(root, *policies))


def test_a_call_that_no_policy_fits_runs_and_asks_nobody(root: Path) -> None:
    assert not writing(root, ApprovalPolicy("block", tool="Bash")).is_error
    assert (root / "a.txt").read_text() == "text"


def test_a_rejected_call_does_not_run_and_says_why(root: Path) -> None:
    result = writing(root, ApprovalPolicy("auto_reject", tool="Write", reason="read only today"))
    assert result.is_error
    assert "approval_rejected" in result.content
    assert "read only today" in result.content
    assert not (root / "a.txt").exists()


def test_a_blocked_call_runs_once_it_is_approved(root: Path) -> None:
    result = writing(
        root, ApprovalPolicy("block", tool="Write"), answer=c.AnswerApproval("A1", True)
    )
    assert not result.is_error
    assert (root / "a.txt").read_text() == "text"


def test_a_blocked_call_does_not_run_where_the_operator_says_no(root: Path) -> None:
    answer = c.AnswerApproval("A1", False, "not this file")
    result = writing(root, ApprovalPolicy("block", tool="Write"), answer=answer)
    assert "not this file" in result.content
    assert not (root / "a.txt").exists()


def test_a_path_is_judged_by_where_it_leads_to(root: Path) -> None:
    secret = root / "secret"
    secret.mkdir()
    (root / "link").symlink_to(secret)
    policy = ApprovalPolicy("auto_reject", path=f"{secret}/*")

    async def deed(calling: Calling) -> list[bool]:
        names = ("secret/a", "link/a", "./x/../secret/a", f"{secret}/a", "open/a")
        return [
            (await calling.result("Write", {"file_path": name, "content": ""})).is_error
            for name in names
        ]

    assert leading(root, deed, asked=with_policies(root, policy)) == [True] * 4 + [False]


def test_what_is_read_twice_is_asked_about_each_time_but_the_same_call_once(root: Path) -> None:
    (root / "a.txt").write_text("text")

    async def deed(calling: Calling) -> list[str]:
        for number in (1, 2):
            for _ in range(2):
                task = asyncio.create_task(
                    calling.result("Read", {"file_path": "a.txt"}, call=f"read{number}")
                )
                if f"A{number}" not in asked(await calling.log()):
                    await waits(calling, task)
                    await calling.engine.submit(c.AnswerApproval(f"A{number}", True))
                assert "text" in (await task).content
        return asked(await calling.log())

    policies = with_policies(root, ApprovalPolicy("block", tool="Read"))
    assert leading(root, deed, asked=policies) == ["A1", "A2"]


def asked(log: list[e.Event]) -> list[str]:
    """The questions of a log."""
    return [event.approval for event in log if isinstance(event, e.ApprovalAsked)]


def test_a_policy_changed_meanwhile_does_not_answer_what_waits_but_what_comes(root: Path) -> None:
    async def deed(calling: Calling) -> tuple[bool, bool]:
        args = {"file_path": "a.txt", "content": ""}
        first = asyncio.create_task(calling.result("Write", args))
        await waits(calling, first)
        await calling.engine.submit(c.ChangePolicies((ApprovalPolicy("auto_reject"),), "block"))
        await calling.engine.submit(c.AnswerApproval("A1", True))
        return (await first).is_error, (await calling.result("Write", args)).is_error

    policies = with_policies(root, ApprovalPolicy("block", tool="Write"))
    assert leading(root, deed, asked=policies) == (False, True)


def test_the_facts_of_calls(root: Path) -> None:
    async def deed(calling: Calling) -> None:
        caller = calling.caller()
        run = about(caller, bash.TOOL, bash.BashArgs("rm -rf /"))
        assert (run.tool, run.command, run.paths) == ("Bash", "rm -rf /", ())
        pushed = about(caller, git.TOOL, git.GitArgs(["log", "-1"]))
        assert pushed.command == "git log -1"
        fetched = web_fetch.WebFetchArgs("https://user@Example.com:8080/x")
        assert about(caller, web_fetch.web_fetch_tool(lambda: None), fetched).host == "example.com"  # type: ignore[arg-type, return-value]
        odd = about(caller, write.TOOL, write.WriteArgs("a\0b", ""))
        assert odd.paths == ()
        same = about(caller, write.TOOL, write.WriteArgs("a", "1"))
        other = about(caller, write.TOOL, write.WriteArgs("a", "2"))
        assert same.digest != other.digest
        assert same == about(caller, write.TOOL, write.WriteArgs("a", "1"))

    leading(root, deed)


@pytest.mark.skipif(sys.platform != "linux", reason="links that go in a circle need Linux's errors")
def test_a_circle_of_links_is_a_path_like_any_other(root: Path) -> None:
    (root / "loop").symlink_to(root / "loop")

    async def deed(calling: Calling) -> tuple[str, ...]:
        return about(calling.caller(), write.TOOL, write.WriteArgs("loop/a", "")).paths

    assert leading(root, deed) == (str(root / "loop/a"),)
