"""Served: what the models of every server have in common, whatever dialect it speaks."""

from leadhand.domain.money import Price
from leadhand.model import Request, wire_name
from leadhand.models.http import Http, Server


class Served:
    """Models of one server, over one set of connections."""

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
