"""Tasks: contracts of a run without a lead, given by a program, a pydantic model among them."""

from pathlib import Path
from typing import Any

import pydantic
import pytest

import leadhand
from leadhand.cli.checked import check
from leadhand.errors import ManifestError
from leadhand.testing import Reply, prompt

pytestmark = pytest.mark.slow


class Count(pydantic.BaseModel):
    """What a task returns."""

    n: int
    note: str | None = None


def dispatched(folder: Path, *tasks: dict[str, Any], **run: Any) -> leadhand.Result:
    """A run of tasks, each of which reports what its prompt says, as JSON."""

    def says(request: leadhand.Request) -> Reply:
        value = {"n": int(prompt(request))} if prompt(request).isdigit() else {"n": "many"}
        return Reply(calls=(("report", {"status": "completed", "summary": "x", "returns": value}),))

    manifest = {
        "run": run,
        "defaults": {"model": "script:says", "directory": str(folder), "max_turns": 2},
        "task": list(tasks),
    }
    return leadhand.run(manifest, run_dir=folder / "runs", models={"says": says})


def test_a_pydantic_model_is_what_a_task_returns(tmp_path: Path) -> None:
    good = {"id": "good", "prompt": "7", "returns": Count}
    bad = {"id": "bad", "prompt": "many", "returns": Count}
    result = dispatched(tmp_path, good, bad)
    found = {each.label: each for each in result.tasks}
    assert (found["good"].status, found["good"].outcome) == ("Success", "verified")
    report = found["good"].report
    assert report is not None
    assert Count.model_validate_json(report.returns) == Count(n=7)
    # It never gave one that fits, so that it never ended well.
    assert (found["bad"].status, found["bad"].report) == ("Failed", None)
    assert result.status == "partial"


def test_what_needs_a_refuted_task_does_not_start(tmp_path: Path) -> None:
    first = {"id": "first", "prompt": "1", "files": ["never.md"]}
    second = {"id": "second", "prompt": "2", "depends_on": ["first"]}
    result = dispatched(tmp_path, first, second)
    assert [each.label for each in result.tasks] == ["tasks", "first"]
    assert result.status == "failed"


def test_what_is_no_schema_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"task\[0\]\.returns: the schema is no JSON Schema"):
        dispatched(tmp_path, {"id": "a", "prompt": "1", "returns": {"type": "numbr"}})
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_validate_names_the_line_of_a_schema_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "manifest.toml"
    (tmp_path / "model.py").write_text("def reply(request):\n    return 'x'\n")
    path.write_text(
        '[defaults]\nmodel = "script:model.py:reply"\n[[task]]\nid = "a"\nprompt = "x"\n'
        'returns = { type = "numbr" }\n'
    )
    (fault,) = check(path, ()).faults
    assert (fault.line, fault.key) == (6, "task[0].returns")
    assert "the schema is no JSON Schema" in fault.message
    path.write_text(path.read_text().replace("numbr", "number"))
    assert check(path, ()).faults == []
