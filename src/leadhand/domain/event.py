"""Event: what all that happened has in common."""

from msgspec import Struct

from leadhand.domain.ids import ActorId


class Event(Struct, frozen=True, tag=True, omit_defaults=True):
    """Something that happened. actor: whom it concerns; empty for the run as a whole."""

    actor: ActorId = ActorId("")
