"""Orchestration: all tools that come with a role, in one list."""

from leadhand.contracts.returns import Judge
from leadhand.folder import Folder
from leadhand.harness import Owner
from leadhand.tool import Tool
from leadhand.tools.approval import approval_tools
from leadhand.tools.lease import lease_tools
from leadhand.tools.report import report_tool
from leadhand.tools.spawn import spawn_tool
from leadhand.tools.steer import steer_tools
from leadhand.tools.store import store_tools
from leadhand.tools.sublead import sublead_tool
from leadhand.tools.wait import wait_tools
from leadhand.tools.workers import worker_tools
from leadhand.workspace import Workspaces


def orchestration(
    owner: Owner,
    folder: Folder,
    workspaces: Workspaces | None = None,
    judge: Judge | None = None,
) -> list[Tool]:
    """The tools, for one run. workspaces: what gives actors places of their own, if anything;
    judge: what knows schemas."""
    return [
        spawn_tool(owner, folder, workspaces, judge),
        sublead_tool(owner, folder, workspaces),
        *wait_tools(owner),
        *worker_tools(owner),
        *steer_tools(owner),
        *approval_tools(owner),
        report_tool(owner, judge),
        *store_tools(owner),
        *lease_tools(owner),
    ]
