"""Looks: what is found by looking at the files of a claim; nothing is run and nothing changed."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from leadhand.contracts import drift, files
from leadhand.domain.contract import Contract, Delivery, Evidence, evidence
from leadhand.domain.ids import ActorId
from leadhand.domain.manifest import Settings
from leadhand.domain.state import Workspace

SEARCHED_MAX = 2_000
DRIFT_SHOWN = 20


class Claim(Struct, frozen=True):
    """What is checked. root: where the actor works. digests: how its files began. words: its last.
    workspace: its worktree, whose top is `top`, where it has one."""

    actor: ActorId
    settings: Settings
    contract: Contract
    root: Path
    digests: dict[str, str]
    delivery: Delivery | None
    words: str
    workspace: Workspace | None
    top: Path


def at_files(claim: Claim) -> Iterator[Evidence]:
    """Whether the files are there that must be, and those changed that must be changed."""
    for name in claim.contract.files:
        try:
            empty = files.size(claim.root, name) == 0
        except (files.NoFile, OSError) as error:
            yield evidence("files", name, ok=False, detail=str(error))
        else:
            yield evidence("files", name, ok=not empty, detail="is empty" if empty else "")
    for name in claim.contract.changed:
        now = files.digest(claim.root, name)
        if not now:
            yield evidence("changed", name, ok=False, detail="is not there, or cannot be read")
        elif name not in claim.digests:
            yield evidence("changed", name, ok=False, detail="how it began is not known")
        elif now == claim.digests[name]:
            yield evidence("changed", name, ok=False, detail="is as it was at the beginning")
        else:
            yield evidence("changed", name, ok=True)


def at_drift(claim: Claim, changed: Sequence[str]) -> Iterator[Evidence]:
    """Whether all that was changed is claimed."""
    if not claim.contract.writes or claim.workspace is None:
        return
    found = drift.outside(changed, claim.workspace.inner, claim.contract.writes)
    for path in found[:DRIFT_SHOWN]:
        yield evidence("writes", path, ok=False, detail="was changed, and is not claimed")
    if more := len(found) - DRIFT_SHOWN:
        if more > 0:
            yield evidence("writes", f"{more} more files", ok=False, detail="are not claimed")
    if not found:
        yield evidence("writes", ", ".join(claim.contract.writes), ok=True)


def for_forbidden(claim: Claim, changed: Sequence[str]) -> Iterator[Evidence]:
    """Whether a forbidden text stands in the words, the value or the files of a claim."""
    texts = [each.encode(errors="surrogatepass") for each in claim.contract.forbid]
    where: dict[int, str] = {}
    said = _said(claim)
    for place, text in enumerate(texts):
        if text in said:
            where[place] = "stands in what it says"
    names, left_out = _searched(claim, changed)
    others = [Path(each) for each in claim.settings.add_dirs or ()]
    for name in names:
        inside = [each for each in others if (claim.root / name).is_relative_to(each)]
        try:
            for place in files.found_in((inside or [claim.root])[0], name, texts):
                where.setdefault(place, f"stands in {name}")
        except (files.NoFile, OSError) as error:
            # One that is gone holds nothing; one that is there is to be read whole.
            if os.path.lexists(claim.root / name):
                yield evidence("forbid", name, ok=False, detail=f"cannot be searched: {error}")
    if left_out:
        why = f"{left_out} files more than are searched ({SEARCHED_MAX})"
        yield evidence("forbid", "the files", ok=False, detail=why)
    for place, pattern in enumerate(claim.contract.forbid):
        yield evidence("forbid", pattern, ok=place not in where, detail=where.get(place, ""))


def _said(claim: Claim) -> bytes:
    """All that a worker says at its end."""
    parts = [claim.words]
    if claim.delivery is not None:
        parts += [claim.delivery.summary, *claim.delivery.follow_ups]
        # As JSON a text may look otherwise than it is.
        parts += _texts(msgspec.json.decode(claim.delivery.returns or "null"))
        parts += [each.description for each in claim.delivery.outputs]
    return "\n".join(parts).encode(errors="surrogatepass")


def _texts(value: Any) -> Iterator[str]:
    """All texts in a value, keys included, and whatever else it holds as JSON."""
    left = [value]
    while left:
        match left.pop():
            case dict() as table:
                left += [*table.keys(), *table.values()]
            case list() as entries:
                left += entries
            case str() as text:
                yield text
            case other:
                yield json.dumps(other)


def _searched(claim: Claim, changed: Sequence[str]) -> tuple[list[str], int]:
    """The files that are searched, relative to the root, and how many more there are: those that
    the contract or the report names, and those that git sees changed."""
    named = [*claim.contract.files, *claim.contract.changed]
    if claim.delivery is not None:
        named += [each.path for each in claim.delivery.outputs]
        named += claim.delivery.files_changed
    inner = f"{claim.workspace.inner}/" if claim.workspace and claim.workspace.inner else ""
    up = "../" * inner.count("/")
    named += [path.removeprefix(inner) if path.startswith(inner) else up + path for path in changed]
    found = [
        name
        for name in dict.fromkeys(os.path.normpath(each) for each in named if "\0" not in each)
        if not (claim.root / name).is_dir()
    ]
    return found[:SEARCHED_MAX], max(0, len(found) - SEARCHED_MAX)
