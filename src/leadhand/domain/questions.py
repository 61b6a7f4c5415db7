"""Questions: what an actor wants to do, in the terms by which policies judge it."""

from msgspec import Struct

from leadhand.domain.manifest import ApprovalCategory


class Question(Struct, frozen=True, omit_defaults=True):
    """What is asked about. paths: absolute, that the tool's arguments name. cost_nanousd: what it
    may cost, where that is known. digest: of the tool and its arguments."""

    category: ApprovalCategory
    tool: str = ""
    paths: tuple[str, ...] = ()
    command: str = ""
    host: str = ""
    cost_nanousd: int = 0
    digest: str = ""
