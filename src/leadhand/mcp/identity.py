"""Identity: whose request an MCP message is, by what its door knows, never by what it says."""

from collections.abc import Callable
from typing import Any

from mcp.server.context import ServerRequestContext

from leadhand.domain.ids import ActorId

Context = ServerRequestContext[Any, Any]
# The actor, and the id of its session where it has one.
Identity = Callable[[Context], tuple[ActorId, str]]
