"""What the tests of every harness start from."""

from pathlib import Path

import pytest

from leadhand.domain.manifest import HarnessName

HARNESSES = ("api", "claude-code", pytest.param("codex", marks=pytest.mark.agents))


@pytest.fixture(params=HARNESSES)
def harness(request: pytest.FixtureRequest) -> HarnessName:
    """Each kind of session that is here."""
    found: HarnessName = request.param
    return found


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Where the actors work."""
    (tmp_path / "work").mkdir()
    return tmp_path / "work"
