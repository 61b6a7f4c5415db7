"""Plans: what was approved binds the lead and its workers, in real runs in a real repository."""

from pathlib import Path
from typing import Any

import pytest

import leadhand
from leadhand.testing import Reply, done, prompt, turn
from tests.contracts.liars_kit import LEAD_REPORT, repository

pytestmark = pytest.mark.slow

PLAN = {"summary": "Mend the docs.", "resources": ["docs/**", "the npm registry"]}


class Crew:
    """A lead that plans, and a worker that keeps to it and does not."""

    def __init__(self) -> None:
        self.told: dict[str, list[str]] = {}

    async def __call__(self, request: leadhand.Request) -> Reply | str:
        own = ("Write", "Bash")
        self.told[request.actor_id] = [each.text for name in own for each in done(request, name)]
        steps: list[Any] = self.worker() if prompt(request) == "Work." else self.lead()
        step = steps[turn(request)]
        return step if isinstance(step, str) else Reply(calls=(step,))

    def lead(self) -> list[Any]:
        return [
            ("spawn_worker", {"prompt": "Work."}),
            ("propose_plan", {"plan": PLAN}),
            ("Write", {"file_path": "src/a.py", "content": ""}),
            ("Write", {"file_path": "docs/a.md", "content": ""}),
            ("spawn_worker", {"prompt": "Work."}),
            ("wait_actor", {"actor_id": "W1"}),
            LEAD_REPORT,
        ]

    def worker(self) -> list[Any]:
        return [
            ("Write", {"file_path": "README.md", "content": ""}),
            ("Write", {"file_path": "docs/b.md", "content": ""}),
            ("Bash", {"command": "echo more >> README.md"}),
            ("Bash", {"command": "git checkout -q README.md"}),
            ("report", {"status": "completed", "summary": "done"}),
        ]


def test_an_approved_plan_binds_its_lead_and_its_workers(tmp_path: Path) -> None:
    repo = repository(tmp_path, {"docs/x.md": "x"})
    crew = Crew()
    manifest = {
        "run": {"max_workers": 1, "budget_usd": 1.0, "require_plan_approval": True},
        "defaults": {"model": "script:crew"},
        "lead": {"id": "lead", "prompt": "Have it done.", "directory": str(repo)},
        "approval_policy": [{"category": "plan", "action": "auto_approve"}],
    }
    result = leadhand.run(manifest, run_dir=tmp_path / "runs", models={"crew": crew})
    assert result.ok, result
    refused, allowed = crew.told["root"]
    assert "outside_plan" in refused
    assert "src/a.py is not in the plan that was approved: docs/**" in refused
    assert "outside_plan" not in allowed
    refused, allowed, drifted, undone = crew.told["root/W1"]
    assert "outside_plan" in refused
    assert "outside_plan" not in allowed
    assert "You have changed what you may not: README.md" in drifted
    assert "You have changed" not in undone
