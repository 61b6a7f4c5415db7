"""Contract: the keys of a task that its result is held to, and what is wrong with them."""

import json
from pathlib import Path

import pytest

from leadhand.domain.contract import NOTHING, Contract
from leadhand.errors import ManifestError
from leadhand.load import parse

HEAD = """[defaults]
model = "script:a.py:f"
tools = ["Read", "Write"]
[[task]]
id = "a"
prompt = "x"
"""


def contract(text: str) -> Contract:
    """The contract of the one task."""
    (task,) = parse(HEAD + text, "m.toml", Path("/")).manifest.tasks
    return task.contract


def faults(text: str) -> str:
    """What is wrong, a line each."""
    with pytest.raises(ManifestError) as caught:
        parse(HEAD + text, "m.toml", Path("/"))
    return str(caught.value)


def test_a_task_has_every_key_of_a_contract() -> None:
    found = contract(
        'files = ["a.md"]\nchanged = ["b.md"]\ncommands = ["make"]\ncommand_timeout_secs = 9\n'
        'forbid = ["TODO"]\nwrites = ["src/**"]\nreturns = { type = "number", minimum = 0.5 }\n'
    )
    assert json.loads(found.returns) == {"type": "number", "minimum": 0.5}
    assert found == Contract(
        found.returns, ("a.md",), ("b.md",), ("make",), 9, ("TODO",), ("src/**",)
    )


def test_a_schema_may_be_a_text_of_json() -> None:
    assert contract('returns = \'{"type": ["null", "string"]}\'').returns.startswith('{"type"')


def test_a_task_without_one_has_none() -> None:
    assert contract("") is NOTHING
    assert contract("command_timeout_secs = 9\n") is NOTHING


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('files = ["ok", "/etc/x"]', "m.toml:7: task[0].files[1]: must be relative"),
        ('writes = ["../x"]', "m.toml:7: task[0].writes[0]: must stay inside"),
        ('files = "a.md"', "task[0].files: expected an array of texts"),
        ("command_timeout_secs = 301", "must be from 1 to 300"),
        ("returns = 'x'", "task[0].returns: is no JSON"),
        ("returns = 7", "task[0].returns: expected a table"),
        ('returns = { "$ref" = "http://x" }', "only references inside"),
        (
            'tools = ["Bash"]\nwrites = ["a"]',
            "m.toml:8: task[0].writes: what Bash writes is seen only in a git worktree of its own",
        ),
    ],
)
def test_a_fault_of_a_contract_has_its_line_and_its_mend(text: str, fault: str) -> None:
    assert fault in faults(text)


def test_a_claim_may_be_made_by_who_runs_commands_in_a_worktree() -> None:
    found = contract('use_worktree = true\ntools = ["Bash"]\nwrites = ["a"]')
    assert found.writes == ("a",)


def test_a_folder_of_status_files_is_absolute_and_need_not_be_there(tmp_path: Path) -> None:
    text = f'[run]\nstatus_dir = "here"\n{HEAD}'
    assert parse(text, "m.toml", tmp_path).manifest.house.status_dir == str(tmp_path / "here")
    (tmp_path / "here").touch()
    with pytest.raises(ManifestError, match=r"run\.status_dir: .* is not a directory"):
        parse(text, "m.toml", tmp_path)
