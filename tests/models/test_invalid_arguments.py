"""Invalid arguments: a call whose arguments are no JSON object is answered, not run."""

from pathlib import Path

from leadhand.model import ToolResult, ToolUse
from leadhand.tool import Caller
from leadhand.tools.call import Toolbox
from leadhand.tools.work.table import WORK_TOOLS
from tests.tools.kit import using


def test_a_call_with_arguments_that_were_cut_is_told_so_and_does_nothing(tmp_path: Path) -> None:
    root = tmp_path / "work"
    root.mkdir()
    written = '{"file_path": "new.txt", "content": "' + "x" * 500

    async def deed(caller: Caller) -> ToolResult:
        use = ToolUse("call", "Write", {}, written)
        return await Toolbox(WORK_TOOLS).call(caller, list(WORK_TOOLS), use)

    result: ToolResult = using(root, deed)
    assert result.is_error
    assert '"code":"invalid_arguments"' in result.content
    assert "not a JSON object" in result.content
    assert "file_path, content" in result.content
    assert len(result.content) < 700
    assert list(root.iterdir()) == []


def test_a_call_that_cannot_run_leaves_no_effect_in_doubt() -> None:
    toolbox = Toolbox(WORK_TOOLS)
    assert toolbox.intent(ToolUse("call", "Bash", {"command": "ls"})).effect == "effects"
    assert toolbox.intent(ToolUse("call", "Bash", {}, "{")).effect == "reads"
