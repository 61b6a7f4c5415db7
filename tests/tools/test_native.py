"""Native: a coding agent's own tools are held to the places and claims that ours are held to."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from leadhand.refusals import OutsideClaim, OutsideWorkspace, Refused
from leadhand.tool import Caller
from leadhand.tools.native import confined
from tests.tools.kit import using


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the caller works."""
    found = tmp_path / "work"
    found.mkdir()
    return found


def refused(root: Path, name: str, args: dict[str, Any], **changes: Any) -> type[Refused] | None:
    """How a call is refused, if it is."""

    async def deed(caller: Caller) -> type[Refused] | None:
        try:
            confined(replace(caller, **changes), name, args)
        except Refused as refusal:
            return type(refusal)
        return None

    found: type[Refused] | None = using(root, deed)
    return found


@pytest.mark.parametrize("name", ["Write", "Edit", "Read"])
def test_files_outside_of_its_places_are_refused(name: str, root: Path) -> None:
    assert refused(root, name, {"file_path": str(root / "a.txt")}) is None
    assert refused(root, name, {"file_path": "/etc/passwd"}) is OutsideWorkspace
    assert refused(root, name, {"file_path": "../beside"}) is OutsideWorkspace
    (root / "link").symlink_to("/etc")
    assert refused(root, name, {"file_path": str(root / "link" / "passwd")}) is OutsideWorkspace


@pytest.mark.parametrize("name", ["Glob", "Grep"])
def test_searches_begin_where_it_may_read(name: str, root: Path) -> None:
    assert refused(root, name, {"pattern": "*"}) is None
    assert refused(root, name, {"pattern": "*", "path": "/etc"}) is OutsideWorkspace


def test_gits_own_files_and_what_it_does_not_claim_are_not_written(root: Path) -> None:
    claim = ("docs/**",)
    assert refused(root, "Write", {"file_path": ".git/hooks/pre-commit"}) is OutsideWorkspace
    assert refused(root, "Write", {"file_path": "docs/a.md"}, writes=claim) is None
    assert refused(root, "Write", {"file_path": "src/a.py"}, writes=claim) is OutsideClaim
    assert refused(root, "Read", {"file_path": "src/a.py"}, writes=claim) is None


def test_a_command_names_no_place_that_could_be_looked_at(root: Path) -> None:
    assert refused(root, "Bash", {"command": "cat /etc/passwd"}) is None
