"""Api: the harness of in-process sessions."""

from leadhand.conversation import conversation
from leadhand.domain.ids import ActorId
from leadhand.errors import HarnessError
from leadhand.harness import Means, Offer
from leadhand.session import Session


class ApiHarness:
    """Runs sessions in this process, each call through the gateway, each tool by the one road."""

    def __init__(self, means: Means) -> None:
        self.means = means

    async def run(self, actor: ActorId) -> None:
        """See `harness.Harness.run`."""
        owner = self.means.owner
        one = owner.run.actors.get(actor)
        # Before its log is read: that takes time, in which there may be mail.
        offer = await self.means.foreign.offered(one.role, one.agent) if one else Offer()
        talk = conversation(await owner.history(actor))
        if talk.spawned is None:
            raise HarnessError(f"{actor} was never spawned")
        await Session(self.means, actor, talk, one.stint if one else 0, offer).run()
