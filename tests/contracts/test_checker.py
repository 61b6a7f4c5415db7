"""Checker: a worker without the tool to report, whose status file lies in the run's own folder."""

from pathlib import Path

import pytest

from leadhand.contracts import status_file
from leadhand.contracts.checker import Checker
from leadhand.contracts.files import NoFile, digest, found_in
from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ActorId
from leadhand.errors import WorkspaceError
from leadhand.processes import Processes
from tests.tools.lead_kit import Calling, leading

REPORT = '{"status":"%s","summary":"By file."}'


def by_file(root: Path, text: str | None, **spawn: object) -> tuple[e.ActorSettled, list[str]]:
    """How a worker settles that leaves this status file, and what its checks found."""
    root.mkdir(parents=True)

    async def deed(lead: Calling) -> tuple[e.ActorSettled, list[str]]:
        processes = Processes("a-run", root.parent)
        places = (root.parent / "worktrees", root.parent / "run" / "status")
        checker = Checker(lead.engine, processes, {}, *places)
        worker = ActorId(await lead.spawn(**spawn))
        places[1].mkdir(parents=True)
        path = checker.status_file(worker, has_tool=False)
        assert path == places[1] / "root.W1.json"
        assert checker.status_file(worker) is None
        path.write_text(REPORT % "failed")
        await checker.begin(worker, has_tool=False)
        assert not path.exists(), "what was there before does not count"
        assert path.parent.stat().st_mode & 0o777 == 0o700
        await lead.turn(worker)
        if text is not None:
            path.write_text(text)
        await checker.begin(worker, has_tool=False)
        assert path.exists() == (text is not None), "what it left is not taken away"
        await lead.engine.submit(c.RecordExit(worker, "completed", "By prose."))
        await checker.check(worker, has_tool=False)
        log = await lead.log()
        found = [each for each in log if isinstance(each, e.ChecksRecorded)]
        settled = next(each for each in log if isinstance(each, e.ActorSettled))
        return settled, [each.detail for each in found[0].evidence if not each.ok]

    return leading(root, deed)


def test_a_status_file_is_read_where_there_was_no_report(tmp_path: Path) -> None:
    settled, _ = by_file(tmp_path / "a" / "work", REPORT % "partial", forbid=["TODO"])
    assert (settled.status, settled.error) == ("Failed", "reported partial: By file.")
    settled, _ = by_file(tmp_path / "b" / "work", REPORT % "completed", forbid=["TODO"])
    assert (settled.status, settled.outcome, settled.final) == ("Success", "verified", "By file.")


def test_a_missing_status_file_is_no_fault_and_a_broken_one_is(tmp_path: Path) -> None:
    settled, _ = by_file(tmp_path / "a" / "work", None, forbid=["TODO"])
    assert (settled.status, settled.outcome, settled.final) == ("Success", "verified", "By prose.")
    settled, why = by_file(tmp_path / "b" / "work", "{", forbid=["TODO"])
    assert settled.outcome == "refuted"
    assert why[0].startswith("status file: ")


def test_a_status_file_is_read_strictly_and_never_through_a_link(tmp_path: Path) -> None:
    path = tmp_path / "root.W1.json"
    assert status_file.read(path) is None
    path.write_text(REPORT % "completed")
    found = status_file.read(path)
    assert found is not None
    assert found.summary == "By file."
    link = tmp_path / "link.json"
    link.symlink_to(path)
    with pytest.raises(status_file.StatusFault, match="symbolic link"):
        status_file.read(link)
    path.write_bytes(b"[" * 200_000)
    with pytest.raises(status_file.StatusFault):
        status_file.read(path)
    path.write_bytes(b"x" * (status_file.SIZE_MAX + 1))
    with pytest.raises(status_file.StatusFault, match="at most"):
        status_file.read(path)


def test_a_folder_that_is_none_or_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").touch()
    for name in ("link", "file", "file/below"):
        with pytest.raises(WorkspaceError, match="folder of status files"):
            status_file.make_folder(tmp_path / name)
    (tmp_path / "root.W1.json").mkdir()
    with pytest.raises(WorkspaceError, match="cannot be removed"):
        status_file.forget(tmp_path / "root.W1.json")


@pytest.mark.slow
def test_a_text_is_found_across_two_pieces_and_a_long_file_is_not_taken_for_searched(
    tmp_path: Path,
) -> None:
    (tmp_path / "big").write_bytes(b"x" * 1_048_574 + b"SECRET" + b"y" * 10)
    assert list(found_in(tmp_path, "big", [b"SECRET", b"xS", b"gone"])) == [1, 0]
    assert digest(tmp_path, "nowhere") == ""
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(300_000_000)
    with pytest.raises(NoFile, match="has more than"):
        list(found_in(tmp_path, "hole", [b"SECRET"]))
