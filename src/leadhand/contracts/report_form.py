"""Report form: what a worker says at its end, to the tool `report` or in a status file.

One form for both, strictly decoded: a field that is not known, too long or of the wrong type is a
fault, never a guess.
"""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from leadhand.domain.contract import ENTRIES_MAX, PATH_MAX, Delivery, Output, Said

SUMMARY_MAX = 20_000
DESCRIPTION_MAX = 1_000
RETURNS_MAX_BYTES = 262_144

PathText = Annotated[str, Meta(min_length=1, max_length=PATH_MAX)]
Line = Annotated[str, Meta(min_length=1, max_length=DESCRIPTION_MAX)]


class OutputForm(Struct, frozen=True, forbid_unknown_fields=True):
    """A file that was made."""

    path: PathText
    description: Annotated[str, Meta(max_length=DESCRIPTION_MAX)] = ""


class ReportForm(Struct, frozen=True, forbid_unknown_fields=True):
    """How a worker's task ended."""

    status: Annotated[
        Said,
        Meta(
            description="completed: all of the task is done. partial: some of it. failed: it "
            "cannot be done. blocked: something is missing that you cannot get."
        ),
    ]
    summary: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=SUMMARY_MAX,
            description="Your result, whole: it goes to the agent that started you.",
        ),
    ]
    outputs: Annotated[
        list[OutputForm],
        Meta(max_length=ENTRIES_MAX, description="The files you made, relative to your directory."),
    ] = []
    files_changed: Annotated[
        list[PathText],
        Meta(max_length=10 * ENTRIES_MAX, description="Every file you made, changed or removed."),
    ] = []
    follow_ups: Annotated[
        list[Line], Meta(max_length=ENTRIES_MAX, description="What is still to be done.")
    ] = []
    confidence: Annotated[float, Meta(ge=0, le=1, description="From 0 to 1.")] | None = None
    returns: Annotated[
        Any, Meta(description="The value that your task asks for, where it asks for one.")
    ] = UNSET


def delivered(form: ReportForm) -> Delivery:
    """A report as the log keeps it. Raises ValueError where its value is too long or no JSON."""
    returns = ""
    if not isinstance(form.returns, UnsetType):
        returns = msgspec.json.encode(form.returns).decode()
        if len(returns.encode()) > RETURNS_MAX_BYTES:
            raise ValueError(
                f"returns has {len(returns.encode())} bytes as JSON, at most {RETURNS_MAX_BYTES} "
                "are allowed; write it to a file and return its path"
            )
    return Delivery(
        status=form.status,
        summary=form.summary,
        outputs=tuple(Output(each.path, each.description) for each in form.outputs),
        files_changed=tuple(form.files_changed),
        follow_ups=tuple(form.follow_ups),
        confidence=form.confidence,
        returns=returns,
    )
