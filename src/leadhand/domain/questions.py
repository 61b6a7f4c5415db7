"""Questions: what an actor wants to do, in the terms by which policies judge it."""

from collections.abc import Iterable
from posixpath import normpath

from msgspec import Struct

from leadhand.domain.globs import claimed
from leadhand.domain.manifest import ApprovalCategory

GLOB_MAX = 300
_NO_PATH = frozenset(" \t\n\0")


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


class Bound(Struct, frozen=True):
    """What an approved plan lets an actor write: its resources, as globs below the directory of
    who planned. below: where the actor works, seen from there; None where it works elsewhere."""

    resources: tuple[str, ...]
    below: str | None = ""

    def lets(self, path: str) -> bool:
        """Whether a path below the actor's own directory is among the resources."""
        if self.below is None:
            return False
        whole = normpath(f"{self.below}/{path}" if self.below else path)
        return not whole.startswith("..") and claimed(self.resources, whole)


def binding(resources: Iterable[str]) -> tuple[str, ...]:
    """Those of a plan's resources that are paths or globs; what is said in words binds nothing."""
    found = (each.strip().removeprefix("./") for each in resources)
    return tuple(
        each
        for each in found
        if each and len(each) <= GLOB_MAX and not set(each) & _NO_PATH and not each.startswith("/")
    )
