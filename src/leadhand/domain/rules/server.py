"""Server: which MCP servers of others are there, and what they have for the actors."""

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.clock import At, Now
from leadhand.domain.state import Run
from leadhand.domain.text import one_line

TROUBLE_MAX = 500
NAMES_MAX = 128
LEFT_OUT_MAX = 20


def record(run: Run, command: c.RecordServer, now: Now) -> list[e.Event]:
    """Record what a server was found to have, unless the log has it as it was."""
    trouble = one_line(command.trouble, TROUBLE_MAX)
    if run.servers.get(command.server) == trouble:
        return []
    return [
        e.ServerAsked(
            server=command.server,
            tools=command.tools[:NAMES_MAX],
            left_out=tuple(one_line(why, 200) for why in command.left_out[:LEFT_OUT_MAX]),
            trouble=trouble,
        )
    ]


def evolve_asked(run: Run, event: e.ServerAsked, at: At) -> None:
    """Keep whether the server is there."""
    run.servers[event.server] = event.trouble
