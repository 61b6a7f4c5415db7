"""Projections: the files beside the log are complete after any end, and never read back."""

from pathlib import Path

import msgspec

from leadhand.model import Request
from leadhand.stores.sqlite import SqliteStore
from tests.seeds.kit import LEAD, RULES, Ended, Part, calls, cast, go_on, play, report, spawn, wait

MANIFEST = RULES + LEAD.replace("claude-haiku-4-5", "script:x.py:f")


def lead(request: Request) -> Part:
    """A lead with two workers."""
    yield calls(spawn("one", label="first"), spawn("two", label="second"))
    yield calls(wait("W1"), wait("W2"))
    return report("success", ["W1 — first — done", "W2 — second — done"])


def files(ended: Ended) -> dict[str, bytes]:
    """The projections, by name."""
    folder = ended.folder
    found = [folder.summary_lines, folder.summary, *folder.transcripts.iterdir()]
    return {path.name: path.read_bytes() for path in found}


def played(base: Path) -> tuple[Ended, SqliteStore]:
    """A run on a real disk."""
    ended = play(MANIFEST, cast(lead), base, store=SqliteStore(base / "runs"))
    return ended, SqliteStore(base / "runs")


def test_each_actor_has_one_record_and_a_transcript(tmp_path: Path) -> None:
    ended, _ = played(tmp_path)
    assert set(ended.records) == {"root", "root/W1", "root/W2"}
    assert set(files(ended)) == {
        "summary.jsonl", "summary.json", "root.jsonl", "root.W1.jsonl", "root.W2.jsonl",
    }  # fmt: skip
    record = ended.records["root/W1"]
    assert record["label"] == "first"
    assert record["parent_task_id"] == "root"
    assert record["log_path"] == str(ended.folder.path / "transcripts" / "root.W1.jsonl")
    lines = [msgspec.json.decode(line) for line in files(ended)["root.W1.jsonl"].splitlines()]
    assert [line["type"] for line in lines] == ["prompt", "answer", "settled"]
    assert lines[0]["text"] == "one"


def test_the_summary_tells_how_the_run_ended(tmp_path: Path) -> None:
    ended, _ = played(tmp_path)
    found = ended.summary
    assert found["status"] == "succeeded"
    assert found["report"]["status"] == "success"
    assert found["report_by"] == "lead"
    assert [task["path"] for task in found["tasks"]] == ["root", "root/W1", "root/W2"]


def test_what_was_lost_or_spoiled_is_written_anew_by_the_next_owner(tmp_path: Path) -> None:
    ended, store = played(tmp_path)
    before = files(ended)
    ended.folder.summary.unlink()
    ended.folder.summary_lines.write_bytes(b'{"half a li')
    ended.folder.transcript(next(iter(ended.run.records))).write_bytes(b"nonsense\n")
    again = go_on(ended, cast(lead), store)
    after = files(again)
    assert after == before


def test_the_files_are_private(tmp_path: Path) -> None:
    ended, _ = played(tmp_path)
    for path in ended.folder.path.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


DUMPED = RULES + "dump_shared_store = true\n" + LEAD.replace("claude-haiku-4-5", "script:x.py:f")


def sharing(request: Request) -> Part:
    """A lead that shares something short and something long, and holds a lease twice."""
    yield calls(
        ("kv_set", {"path": "/ref/spec", "value": {"a": [1]}}),
        ("kv_set", {"path": "/shared/long", "value": "x" * 5_000}),
        ("lease_acquire", {"name": "a.py", "ttl_secs": 60}),
        ("run_lease_acquire", {"name": "all", "ttl_secs": 60}),
    )
    yield calls(
        ("kv_cas", {"path": "/ref/spec", "value": "two", "expected_version": 1}),
        ("lease_release", {"name": "a.py"}),
    )
    yield calls(("lease_acquire", {"name": "a.py", "ttl_secs": 60}))
    return report("success", ["none"])


def test_the_shared_store_is_written_where_the_house_rules_want_it(tmp_path: Path) -> None:
    ended = play(DUMPED, cast(sharing), tmp_path, store=SqliteStore(tmp_path / "runs"))
    path = ended.folder.shared_store
    assert path.name == "shared-store.json"
    assert path.stat().st_mode & 0o777 == 0o600
    found = msgspec.json.decode(path.read_bytes())
    assert found == {
        "layers": {
            "root": {
                "/ref/spec": {"version": 2, "writer": "root", "value": "two"},
                "/shared/long": {"version": 1, "writer": "root", "value": "x" * 5_000},
            }
        },
        "leases": [
            {"layer": "root", "name": "a.py", "fence": 2},
            {"layer": "", "name": "all", "fence": 1},
        ],
    }
    before = path.read_bytes()
    path.write_bytes(b"half")
    go_on(ended, cast(sharing), SqliteStore(tmp_path / "runs"))
    assert path.read_bytes() == before


def test_a_value_that_is_lost_leaves_the_last_dump_and_all_else_complete(tmp_path: Path) -> None:
    ended = play(DUMPED, cast(sharing), tmp_path, store=SqliteStore(tmp_path / "runs"))
    before = ended.folder.shared_store.read_bytes()
    blobs = [path for path in (ended.folder.path / "blobs").rglob("*") if path.is_file()]
    assert len(blobs) == 1
    blobs[0].unlink()
    ended.folder.summary.unlink()
    again = go_on(ended, cast(sharing), SqliteStore(tmp_path / "runs"))
    assert again.folder.shared_store.read_bytes() == before
    assert again.summary["status"] == "succeeded"


def test_the_shared_store_is_not_written_unless_it_is_wanted(tmp_path: Path) -> None:
    ended, _ = played(tmp_path)
    assert not ended.folder.shared_store.exists()
