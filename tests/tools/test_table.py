"""Table: the work tools as models and harnesses see them."""

import pytest

from leadhand.tool import Tool
from leadhand.tools.work.table import WORK_TOOLS

ARGUMENTS = {
    "Read": {"file_path", "offset", "limit"},
    "Write": {"file_path", "content"},
    "Edit": {"file_path", "old_string", "new_string", "replace_all"},
    "Bash": {"command", "timeout", "description"},
    "Glob": {"pattern", "path"},
    "Grep": {
        *("pattern", "path", "glob", "output_mode", "-i", "-n", "-A", "-B", "-C"),
        *("head_limit", "multiline"),
    },
    "Git": {"args"},
}


def test_tools_and_arguments_are_named_as_claude_code_names_them() -> None:
    named = {tool.name: set(tool.arguments.names) for tool in WORK_TOOLS}
    assert named == ARGUMENTS


def test_only_tools_that_change_something_have_effects() -> None:
    changing = {tool.name for tool in WORK_TOOLS if tool.effect != "reads"}
    assert changing == {"Write", "Edit", "Bash"}


@pytest.mark.parametrize("tool", WORK_TOOLS, ids=lambda tool: tool.name)
def test_every_argument_is_described_and_unknown_ones_are_refused(tool: Tool) -> None:
    schema = tool.arguments.schema
    assert schema["additionalProperties"] is False
    assert all(field.get("description") for field in schema["properties"].values())
    assert tool.roles == {"lead", "sublead", "worker"}
