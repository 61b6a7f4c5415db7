"""Chosen: gives each actor's session to the harness that its settings name."""

from collections.abc import Callable

from leadhand.domain.ids import ActorId
from leadhand.domain.manifest import HarnessName
from leadhand.harness import Harness, Owner


class ChosenHarness:
    """The harnesses of a run. make: makes one when the first session wants it; it may raise."""

    def __init__(self, owner: Owner, make: Callable[[HarnessName], Harness]) -> None:
        self._owner, self._make = owner, make
        self._made: dict[HarnessName, Harness] = {}

    async def run(self, actor: ActorId) -> None:
        """See `harness.Harness.run`."""
        one = self._owner.run.actors.get(actor)
        name = (one.settings.harness if one else None) or "api"
        if name not in self._made:
            self._made[name] = self._make(name)
        await self._made[name].run(actor)
