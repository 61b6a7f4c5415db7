"""Agents: the harness of sessions that coding agents run, each in a process of its own."""

from leadhand.agent_session import AgentSession, Kit
from leadhand.conversation import conversation
from leadhand.domain.ids import ActorId
from leadhand.errors import HarnessError
from leadhand.harness import Offer


class AgentHarness:
    """Runs sessions by one kind of coding agent."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit

    async def run(self, actor: ActorId) -> None:
        """See `harness.Harness.run`."""
        owner = self.kit.means.owner
        one = owner.run.actors.get(actor)
        # Before its log is read: that takes time, in which there may be mail.
        foreign = self.kit.means.foreign
        offer = await foreign.offered(one.role, one.agent) if one else Offer()
        talk = conversation(await owner.history(actor))
        if talk.spawned is None:
            raise HarnessError(f"{actor} was never spawned")
        await AgentSession(self.kit, talk, one.stint if one else 0, offer).run()
