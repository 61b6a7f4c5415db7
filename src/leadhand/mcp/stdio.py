"""Stdio: the door of one actor on standard input and output: who started us holds both ends."""

import secrets

from mcp.server.stdio import stdio_server

from leadhand.domain.ids import ActorId
from leadhand.mcp.desk import Desk
from leadhand.mcp.identity import Context
from leadhand.mcp.served import server


async def serve(desk: Desk, actor: ActorId) -> None:
    """Serve an actor's tools until the other end closes."""
    session = secrets.token_hex(8)

    def identity(context: Context) -> tuple[ActorId, str]:
        return actor, session

    served = server(desk, identity)
    async with stdio_server() as (reading, writing):
        await served.run(reading, writing, served.create_initialization_options())
