"""Agents given: what an agent has of its run and of its operator: tools, keys, logins, settings."""

import asyncio
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from leadhand.domain import events as e
from leadhand.domain.manifest import HarnessName, McpServer, Provider
from leadhand.testing.model_server import model_server
from leadhand.testing.step import Step, with_script
from tests.harnesses.contract_kit import KEY, UNIT, W1, Speech, Stage, asked, staged
from tests.harnesses.test_agents import of_kind, play
from tests.mcp.servers_kit import SERVER


def test_it_has_each_tool_once_and_those_of_other_peoples_servers(
    harness: HarnessName, tmp_path: Path, work: Path
) -> None:
    say = Speech(harness)
    echo = "some__echo" if harness == "codex" else "mcp__some__echo"
    steps = [Step(calls=(say.ours(echo, text="hi"),)), Step(text="done")]
    server = McpServer("some", command=sys.executable, args=(str(SERVER),))
    manifest = asked(harness, work, with_script("Do it.", steps), tools=("Read", "Bash", "Git"))

    async def acts(stage: Stage, work: Path) -> None:
        stage.server.keep_bodies()
        assert await stage.over()
        (result,) = of_kind(await stage.events(W1), e.ToolReturned)
        assert "you said hi" in result.content
        told = [
            [tool["name"].removeprefix("mcp__leadhand__") for tool in body.get("tools", ())]
            for body in stage.server.bodies
        ]
        names = next(each for each in told if "report" in each)
        assert {"Git", "report", echo} <= set(names)
        assert len(names) == len(set(names))

    play(tmp_path, replace(manifest, mcp_servers=(server,)), acts)


def test_no_key_reaches_its_environment_or_a_file_of_the_run(tmp_path: Path, work: Path) -> None:
    say = Speech("claude-code")
    steps = [Step(calls=(say.shell(f"env > {work}/env"),)), Step(text="done")]

    async def acts(stage: Stage, work: Path) -> None:
        assert await stage.over()
        environment = (work / "env").read_text()
        assert KEY not in environment
        assert "LEADHAND_ACTOR=root/W1" in environment
        files = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
        assert len(files) > 5
        assert [path for path in files if KEY.encode() in path.read_bytes()] == []

    play(tmp_path, asked("claude-code", work, with_script("Do it.", steps)), acts)


def test_a_login_of_its_own_is_passed_on_and_counted_all_the_same(
    tmp_path: Path, work: Path
) -> None:
    login = "login-of-the-operator"

    async def played() -> None:
        async with model_server() as server:
            worker = with_script("Do it.", [Step(text="done")])
            manifest = asked("claude-code", work, worker, model="mine:claude-haiku-4-5")
            mine = Provider("anthropic", server.url, auth="login")
            prices = manifest.prices | {"mine:claude-haiku-4-5": UNIT}
            manifest = replace(manifest, providers={"mine": mine}, prices=prices)
            given = {"ANTHROPIC_AUTH_TOKEN": login}
            async with staged(tmp_path, manifest, server, given) as stage:
                assert await stage.over()
                assert (stage.record().status, stage.record().preview) == ("Success", "done")
                assert stage.record().spent > 0
                runs = [each for each in (tmp_path / "runs").rglob("*") if each.is_file()]
                assert [each for each in runs if login.encode() in each.read_bytes()] == []
            asked_by = {each.actor: each for each in server.seen}
            # The server keeps no key: that there was one is what it tells.
            names = {name.lower() for name in asked_by[W1].headers}
            assert "authorization" in names
            assert not {"x-api-key", "x-leadhand-token"} & names

    asyncio.run(played())


@pytest.mark.parametrize("wanted", [True, False])
def test_its_users_settings_are_read_only_where_they_are_wanted(
    wanted: bool, tmp_path: Path, work: Path
) -> None:
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude" / "CLAUDE.md").write_text("Say bananas.")
    worker = with_script("Do it.", [Step(text="done")])
    manifest = asked("claude-code", work, worker, user_settings=wanted)

    async def played() -> None:
        async with model_server() as server:
            server.keep_bodies()
            async with staged(tmp_path, manifest, server, {"HOME": str(tmp_path)}) as stage:
                assert await stage.over()
                assert stage.record().status == "Success"
            assert any("Say bananas." in str(each) for each in server.bodies) == wanted

    asyncio.run(played())


def test_git_knows_its_user_though_the_agent_has_a_home_of_its_own(
    harness: HarnessName, tmp_path: Path, work: Path
) -> None:
    (tmp_path / ".gitconfig").write_text("[user]\nname = The Operator\n")
    say = Speech(harness)
    steps = [Step(calls=(say.shell(f"git config user.name > {work}/who"),)), Step(text="done")]
    manifest = asked(harness, work, with_script("Do it.", steps))

    async def played() -> None:
        given = {"HOME": str(tmp_path)}
        async with model_server() as server, staged(tmp_path, manifest, server, given) as stage:
            assert await stage.over()
            assert (work / "who").read_text() == "The Operator\n"

    asyncio.run(played())
