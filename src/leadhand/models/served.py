"""Served: what the models of every server have in common, whatever dialect it speaks."""

from leadhand.domain.manifest import Dialect
from leadhand.domain.money import Price
from leadhand.model import Answer, Outlet, Relay, Request, wire_name
from leadhand.models.counter import tokens
from leadhand.models.http import Http, Server
from leadhand.models.relay import Spoken, counted, relayed


class Served:
    """Models of one server, over one set of connections. spoken: in which dialect."""

    spoken: Spoken

    def __init__(self, http: Http, server: Server) -> None:
        """server: its URL is the one that a dialect's path is appended to."""
        self._http, self._server = http, server

    async def close(self) -> None:
        """Close the connections of this event loop."""
        await self._http.close()

    def price(self, name: str) -> Price | None:
        """Servers of this machine cost nothing unless the operator says so."""
        return Price() if self._server.local else None

    def lane(self, name: str) -> str:
        """See `model.Model.lane`."""
        return self._server.lane(wire_name(name))

    async def count(self, request: Request) -> int | None:
        """Nothing, where the dialect has no counter."""
        return None

    @property
    def dialect(self) -> Dialect:
        """See `model.Relayed`."""
        return self.spoken.dialect

    async def relay(self, relay: Relay, outlet: Outlet) -> Answer:
        """See `model.Relayed.relay`."""
        return await relayed(self._http, self._server, self.spoken, relay, outlet)

    async def relay_count(self, relay: Relay) -> bytes | None:
        """See `model.Relayed.relay_count`."""
        return await counted(self._http, self._server, self.spoken, relay)

    async def relayed_tokens(self, relay: Relay) -> int | None:
        """See `model.Relayed.relayed_tokens`."""
        found = await self.relay_count(relay)
        return None if found is None else tokens(found)
