"""MCP servers of others: their tools are offered, called and told of as any tool is."""

from pathlib import Path

import pytest

from tests.mcp.servers_kit import calling, manifest, program, ran

pytestmark = pytest.mark.slow


def test_a_lead_calls_a_tool_of_a_program(tmp_path: Path) -> None:
    seen = ran(tmp_path, manifest(program()), calling(("mcp__some__echo", {"text": "hello"})))
    (result,) = seen.results()
    assert result.text == '<mcp_result server="some">\nyou said hello\n</mcp_result>'
