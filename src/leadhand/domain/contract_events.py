"""Contract events: what workers report, and what the runtime finds when it checks."""

from typing import Literal

from leadhand.domain.contract import Delivery, Evidence
from leadhand.domain.event import Event
from leadhand.domain.ids import CallId

# --- contract


class BeginningKept(Event, frozen=True):
    """How the files began that an actor must change: each with its SHA-256, empty where there was
    none. A status file that was there already is gone."""

    digests: tuple[tuple[str, str], ...] = ()


class DriftFound(Event, frozen=True):
    """After a tool call, files were changed that the actor does not claim. What is still so at its
    end refutes its work."""

    call: CallId = CallId("")
    paths: tuple[str, ...] = ()


class OutcomeReported(Event, frozen=True):
    """A worker reported how its work ended. by: `tool`, or the `file` that stands for it."""

    call: CallId = CallId("")
    delivery: Delivery = Delivery("completed", "")
    by: Literal["tool", "file"] = "tool"


class OutcomeAsked(Event, frozen=True):
    """A worker that is to return a value ended without a report and was asked for one."""


class OutcomeClaimed(Event, frozen=True):
    """A worker's session is over and its work is checked next. final: its last words, whole."""

    final: str = ""


class ChecksRecorded(Event, frozen=True):
    """What the runtime found."""

    evidence: tuple[Evidence, ...] = ()
