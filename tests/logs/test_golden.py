"""Golden logs: what a released version wrote is read and folded for ever."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from leadhand.domain.clock import At, Now
from leadhand.domain.evolve import EVOLVE, evolve
from leadhand.domain.invariants import broken
from leadhand.domain.state import Run
from leadhand.errors import StoreError
from leadhand.stores import codec
from tests.logs.make import HERE
from tests.logs.make import rows_of as rows

LOGS = sorted(HERE.glob("*/*.jsonl"))


def holds(new: Any, old: Any) -> bool:
    """Whether a new value says all that an old one did; it may say more."""
    if isinstance(old, dict) and isinstance(new, dict):
        return all(key in new and holds(new[key], value) for key, value in old.items())
    if isinstance(old, list) and isinstance(new, list):
        return len(new) == len(old) and all(map(holds, new, old))
    return bool(new == old)


@pytest.mark.parametrize("path", LOGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_golden_log_is_folded_and_every_invariant_holds(path: Path) -> None:
    run = Run()
    for row in rows(path):
        event = codec.decode(row["data"].encode())
        evolve(run, event, At(row["seq"], Now(row["wall_ms"], row["run_ms"])))
        assert broken(run) == [], row
    assert run.status not in (None, "running")
    assert not run.actors


@pytest.mark.parametrize("path", LOGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_golden_event_is_written_again_as_it_was(path: Path) -> None:
    for row in rows(path):
        again = codec.encode(codec.decode(row["data"].encode()))
        assert holds(msgspec.json.decode(again), msgspec.json.decode(row["data"]))


def test_every_kind_of_event_is_in_a_golden_log() -> None:
    found = {row["kind"] for path in LOGS for row in rows(path)}
    assert found == {kind.__name__ for kind in EVOLVE}


def test_an_event_that_is_not_known_is_never_skipped() -> None:
    with pytest.raises(StoreError, match="this version cannot read"):
        codec.decode(b'{"type":"ActorTeleported","actor":"root"}')
