"""Effects: what the world should do, and how often each may happen."""

from msgspec import Struct

from leadhand.domain.commands import Command
from leadhand.domain.ids import ActorId


class Launch(Struct, frozen=True):
    """Run the actor's session. At least once: it goes on from what is durable."""

    actor: ActorId


class Check(Struct, frozen=True):
    """Check what the actor claims. At least once: its commands are run again after a crash, so
    they must be repeatable."""

    actor: ActorId


class Stop(Struct, frozen=True):
    """End the actor's session now. At least once: stopping twice is stopping once."""

    actor: ActorId


class Freeze(Struct, frozen=True):
    """Let the actor's commands stand still. At least once: what stands still, stands still."""

    actor: ActorId


class Thaw(Struct, frozen=True):
    """Let the actor's commands go on. At least once: what goes on, goes on."""

    actor: ActorId


class Tidy(Struct, frozen=True):
    """Remove the settled actor's worktree if nothing of it would be lost. At least once: what is
    gone is not looked for."""

    actor: ActorId


class Submit(Struct, frozen=True):
    """Ask the engine for what is due by time or by state. At least once: each is idempotent."""

    command: Command


class Suspend(Struct, frozen=True):
    """End every session, settle nothing, let go of the run. At least once."""


Effect = Launch | Check | Stop | Freeze | Thaw | Tidy | Submit | Suspend
