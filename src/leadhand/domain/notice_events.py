"""Notice events: what the operator was told, or could not be.

A part of `events`, by which they are known. key: of a notice, `SEQ-SINK`: the event that it tells
of, and the number of the sink in the manifest; `SEQ-SINK-budget` where it tells of a run that is
short of money.
"""

from leadhand.domain.event import Event

# --- notify


class ApprovalReminded(Event, frozen=True):
    """Half of a question's time has passed without an answer."""

    approval: str = ""
    summary: str = ""
    until: int = 0


class NoticeDeferred(Event, frozen=True):
    """A sink could not be told; it is tried again, where it asked for that not before `until`
    (wall clock, milliseconds)."""

    key: str = ""
    why: str = ""
    until: int = 0


class NoticeDelivered(Event, frozen=True):
    """A sink was told."""

    key: str = ""


class NoticeDropped(Event, frozen=True):
    """A sink will not be told."""

    key: str = ""
    why: str = ""
