"""Placed: gives each session its workspace before it begins, and tidies that up afterwards."""

from pathlib import Path

from leadhand.domain import commands as c
from leadhand.domain.ids import ActorId
from leadhand.errors import WorkspaceError
from leadhand.harness import Harness, Owner
from leadhand.workspace import Workspaces


class PlacedHarness:
    """A harness of any kind whose actors have the workspaces that they are to have."""

    def __init__(self, owner: Owner, workspaces: Workspaces, harness: Harness) -> None:
        self._owner, self._workspaces, self._harness = owner, workspaces, harness

    async def run(self, actor: ActorId) -> None:
        """See `harness.Harness.run`. One that cannot be placed settles without a session."""
        if await self._placed(actor):
            await self._harness.run(actor)

    async def _placed(self, actor: ActorId) -> bool:
        workspace = self._owner.run.workspaces.get(actor)
        if workspace is None:
            return True
        made_before = workspace.state == "made"
        try:
            if workspace.state == "wanted":
                source = Path(workspace.source)
                chosen = await self._workspaces.choose(actor, source, workspace.branch)
                # Durable before anything is made: what is there then, is known to be the actor's.
                if not await self._owner.submit(chosen):
                    return False
            await self._workspaces.make(actor, workspace)
        except WorkspaceError as error:
            outcome: c.Outcome = "failed" if made_before else "unplaced"
            await self._owner.submit(c.RecordExit(actor, outcome, error=error.message))
            return False
        if not made_before:
            await self._owner.submit(c.RecordWorkspaceMade(actor))
        return True

    async def tidy(self, actor: ActorId) -> str:
        """See `workspace.Workspaces.tidy`."""
        workspace = self._owner.run.workspaces[actor]
        return await self._workspaces.tidy(actor, workspace)
