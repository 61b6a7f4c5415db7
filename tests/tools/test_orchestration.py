"""Orchestration: who has which tool, and that every tool called as every role gives an answer."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from leadhand.domain import commands as c
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.manifest import Settings, Subleads
from leadhand.tool import Role
from tests.rules.world import manifest
from tests.tools.lead_kit import Calling, leading

LEADS = ("lead", "sublead")
EVERYONE = (*LEADS, "worker")
# Who has which tool, with arguments that its schema takes.
TOOLS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "spawn_worker": (LEADS, {"prompt": "do it"}),
    "spawn_sublead": (LEADS, {"prompt": "lead it", "budget_usd": 0.00001, "max_workers": 1}),
    "wait_actor": (LEADS, {"worker_id": "W1", "timeout_secs": 0}),
    "wait_for_any": (LEADS, {"worker_ids": ["W1"], "timeout_secs": 0}),
    "list_workers": (LEADS, {}),
    "worker_status": (LEADS, {"worker_id": "W1"}),
    "cancel_worker": (LEADS, {"worker_id": "W1"}),
    "house_rules": (LEADS, {}),
    "pause_worker": (LEADS, {"worker_id": "W1"}),
    "continue_worker": (LEADS, {"worker_id": "W1"}),
    "reprompt_worker": (LEADS, {"worker_id": "W1", "prompt": "otherwise"}),
    "send": (LEADS, {"worker_id": "W1", "message": "by the way"}),
    "request_approval": (EVERYONE, {"summary": "may I?", "ttl_secs": 1}),
    "propose_plan": (LEADS, {"plan": {"summary": "a plan"}}),
    "report": (("worker",), {"status": "completed", "summary": "done"}),
    "kv_get": (EVERYONE, {"path": "/shared/a"}),
    "kv_set": (EVERYONE, {"path": "/shared/a", "value": 1}),
    "kv_cas": (EVERYONE, {"path": "/shared/a", "value": 1, "expected_version": 0}),
    "kv_list": (EVERYONE, {}),
    "kv_wait": (EVERYONE, {"path": "/shared/b", "timeout_secs": 0}),
    "lease_acquire": (EVERYONE, {"name": "a", "ttl_secs": 5}),
    "lease_release": (EVERYONE, {"name": "a"}),
    "run_lease_acquire": (EVERYONE, {"name": "a", "ttl_secs": 5}),
    "run_lease_release": (EVERYONE, {"name": "a"}),
}
# What comes back of a call that is made in this run, where it is a refusal.
REFUSALS = {
    "continue_worker": "not_paused",
    "lease_release": "not_holder",
    "run_lease_release": "not_holder",
}
CALLERS: dict[Role, str] = {"lead": "root", "sublead": "root/S1", "worker": "root/W1"}


async def crew(calling: Calling) -> None:
    """A sub-lead and a worker of the lead, and a worker of the sub-lead."""
    await calling.spawn()
    command = c.SpawnSublead(
        ROOT,
        CallId("sub"),
        "lead it",
        max_workers=2,
        settings=Settings(budget_nanousd=300_000, timeout_secs=600),
    )
    await calling.engine.submit(command)
    await calling.engine.submit(c.SpawnActor(ActorId("root/S1"), CallId("below"), "do it"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    found = tmp_path / "work"
    found.mkdir()
    return found


def asked(root: Path) -> Any:
    """A manifest under which everything may be called."""
    lead = manifest(lead=Settings(directory=str(root)), subleads=Subleads(max_depth=3))
    return replace(lead, approvals=replace(lead.approvals, default="auto_approve"))


def test_each_role_has_the_tools_of_this_table_and_no_other(root: Path) -> None:
    async def deed(calling: Calling) -> dict[str, set[str]]:
        return {role: {tool.name for tool in calling.toolbox.offered(role, ())} for role in CALLERS}

    found = leading(root, deed)
    assert found == {
        role: {name for name, (roles, _) in TOOLS.items() if role in roles} for role in CALLERS
    }


@pytest.mark.parametrize("role", CALLERS)
@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_called_as_every_role_works_or_is_refused_by_name(
    root: Path, tool: str, role: Role
) -> None:
    roles, args = TOOLS[tool]

    async def deed(calling: Calling) -> tuple[str, dict[str, Any]]:
        await crew(calling)
        before = calling.engine.run.seq
        result = await calling.result(tool, args, actor=CALLERS[role], role=role)
        body = msgspec.json.decode(result.content) if result.content.startswith("{") else {}
        if role not in roles:
            assert calling.engine.run.seq == before, "a refused call left something"
        return body.get("error", {}).get("code", ""), body

    code, body = leading(root, deed, asked=asked(root))
    if role not in roles:
        assert code == "unknown_tool"
        assert tool in body["error"]["message"]
        assert "Your tools are: " in body["error"]["next"]
    else:
        assert code == REFUSALS.get(tool, ""), body


@pytest.mark.parametrize("tool", [name for name, (_, args) in TOOLS.items() if "worker_id" in args])
@pytest.mark.parametrize(
    ("role", "other"),
    [
        ("lead", "root/S1/W1"),
        ("sublead", "root/W1"),
        ("sublead", "root"),
        ("lead", "root/W9"),
        ("lead", "../W1"),
    ],
)
def test_nobody_is_reached_but_ones_own_children(
    root: Path, tool: str, role: Role, other: str
) -> None:
    async def deed(calling: Calling) -> str:
        await crew(calling)
        before = calling.engine.run.seq
        args = {**TOOLS[tool][1], "worker_id": other}
        refusal = await calling.refused(tool, args, actor=CALLERS[role], role=role)
        assert calling.engine.run.seq == before
        return refusal["code"]

    assert leading(root, deed, asked=asked(root)) == "unknown_actor"
