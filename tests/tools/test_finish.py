"""Finish: how a lead whose session is outside ends it."""

from pathlib import Path

from leadhand.domain.ids import ROOT
from leadhand.tools.finish import finish_tool
from tests.mcp.kit import REPORT
from tests.tools.lead_kit import Calling, leading


def test_a_report_ends_the_lead(tmp_path: Path) -> None:
    async def deed(lead: Calling) -> None:
        lead.toolbox = type(lead.toolbox)([finish_tool(lead.engine)])
        assert await lead.call("finish", {"report": REPORT}) == {"finished": True}
        assert lead.engine.run.records[ROOT].status == "Success"
        assert lead.engine.run.report_status == "success"

    (tmp_path / "work").mkdir()
    leading(tmp_path / "work", deed)


def test_what_is_no_report_is_asked_for_once_more(tmp_path: Path) -> None:
    async def deed(lead: Calling) -> None:
        lead.toolbox = type(lead.toolbox)([finish_tool(lead.engine)])
        first = await lead.call("finish", {"report": "All is well."})
        assert not first["finished"]
        assert "STATUS" in first["next"]
        assert ROOT in lead.engine.run.actors
        assert (await lead.call("finish", {"report": "All is well."}))["finished"]

    (tmp_path / "work").mkdir()
    leading(tmp_path / "work", deed)


def test_workers_have_no_such_tool(tmp_path: Path) -> None:
    async def deed(lead: Calling) -> None:
        lead.toolbox = type(lead.toolbox)([finish_tool(lead.engine)])
        result = await lead.result("finish", {"report": REPORT}, actor="root/W1", role="worker")
        assert result.is_error
        assert ROOT in lead.engine.run.actors

    (tmp_path / "work").mkdir()
    leading(tmp_path / "work", deed)
