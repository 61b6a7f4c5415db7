"""Liars: workers that say what is not so, in real runs in a real repository."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from leadhand.domain import events as e
from leadhand.engine import log
from leadhand.stores.sqlite import SqliteStore
from tests.contracts.liars_kit import Deed, bash, play, reports, repository, write

pytestmark = pytest.mark.slow

NUMBER = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


# --- files and commands


def test_who_says_done_without_the_file_is_refuted(tmp_path: Path) -> None:
    told = play(tmp_path, [reports()], files=["out.md"])
    assert told.verdict == ("Failed", "refuted")
    assert told.failing == ["files out.md: is not there"]
    assert told.waited["reported"] == "completed"
    assert told.result.status == "partial", "a run with a refuted worker is no success"


def test_who_does_what_is_asked_is_verified_and_asked_once_a_deed(tmp_path: Path) -> None:
    deeds = [write("out.md"), reports(summary="I made it.", confidence=0.9)]
    told = play(tmp_path, deeds, files=["out.md"], commands=["grep -q Held out.md"])
    assert told.verdict == ("Success", "verified")
    assert told.result.status == "succeeded"
    assert told.turns == 2, "the report ends the session without another turn"
    assert told.waited["result"] == "I made it."
    assert [each.ok for each in told.record.evidence] == [True, True]
    assert told.record.report is not None
    assert told.record.report.confidence == 0.9


def test_the_right_file_does_not_help_where_a_command_fails(tmp_path: Path) -> None:
    told = play(tmp_path, [write("out.md"), reports()], files=["out.md"], commands=["exit 3"])
    assert told.verdict == ("Failed", "refuted")
    assert told.failing == ["commands exit 3: exit code 3"]


@pytest.mark.parametrize(
    ("deed", "why"),
    [
        ("touch out.md", "is empty"),
        ("mkdir out.md", "is no file"),
        ("mkfifo out.md", "is no file"),
        ("ln -s /etc/passwd out.md", "leads out of the directory"),
        ("ln -s nowhere out.md", "is not there"),
        ("ln -s out.md out.md", "cannot be read"),
    ],
)
def test_what_is_no_file_is_none(tmp_path: Path, deed: str, why: str) -> None:
    told = play(tmp_path, [bash(deed), reports()], files=["out.md"])
    assert told.verdict == ("Failed", "refuted")
    assert why in told.failing[0]


def test_a_file_that_must_change_and_did_not_refutes(tmp_path: Path) -> None:
    same = write("README.md", "A repository.\n")
    told = play(tmp_path / "a", [same, reports()], changed=["README.md"])
    assert told.failing == ["changed README.md: is as it was at the beginning"]
    told = play(tmp_path / "b", [write("README.md"), reports()], changed=["README.md"])
    assert told.verdict == ("Success", "verified")
    told = play(tmp_path / "c", [bash("rm README.md"), reports()], changed=["README.md"])
    assert told.verdict == ("Failed", "refuted")


def test_a_command_that_hangs_or_leaves_a_daemon_is_over_in_time(tmp_path: Path) -> None:
    daemon = f"(setsid sh -c 'echo $$ > {tmp_path}/pid; exec sleep 300' &) ; sleep 0.3"
    began = time.monotonic()
    told = play(
        tmp_path,
        [reports()],
        commands=[daemon, "sleep 300"],
        command_timeout_secs=1,
    )
    assert time.monotonic() - began < 30
    assert told.verdict == ("Failed", "refuted")
    assert told.failing == ["commands sleep 300: not over after 1 s"]
    pid = int((tmp_path / "pid").read_text())
    # Nobody may reap it here, so it may be left as a zombie, which has no command line.
    line = Path(f"/proc/{pid}/cmdline")
    assert not line.exists() or line.read_bytes() == b""


def test_a_command_that_prints_megabytes_is_kept_short(tmp_path: Path) -> None:
    told = play(tmp_path, [reports()], commands=["yes | head -c 50000000; echo no good; exit 1"])
    (found,) = told.record.evidence
    assert "no good" in found.detail
    assert len(found.detail) <= 500


def test_a_command_sees_the_env_of_its_worker_and_no_key(tmp_path: Path) -> None:
    told = play(
        tmp_path,
        [reports()],
        commands=['test -z "$ANTHROPIC_API_KEY"', "env | grep -q LEADHAND_ACTOR=root/W1"],
    )
    assert told.verdict == ("Success", "verified"), told.failing


# --- words against reports


def test_prose_that_says_done_over_a_report_that_says_failed_is_failed(tmp_path: Path) -> None:
    told = play(tmp_path, [reports("failed", "All is done, and perfect.")], files=["README.md"])
    assert told.verdict == ("Failed", "unverified")
    assert told.waited["error"] == "reported failed: All is done, and perfect."


def test_prose_that_says_failed_over_a_report_whose_checks_hold_is_success(tmp_path: Path) -> None:
    told = play(tmp_path, [reports(summary="I have failed utterly.")], files=["README.md"])
    assert told.verdict == ("Success", "verified")


def test_prose_alone_is_checked_too(tmp_path: Path) -> None:
    told = play(tmp_path / "a", ["All is done."], files=["out.md"])
    assert told.verdict == ("Failed", "refuted")
    told = play(tmp_path / "b", ["All is done."], files=["README.md"])
    assert told.verdict == ("Success", "verified")
    told = play(tmp_path / "c", ["All is done."])
    assert told.verdict == ("Success", "unverified")


# --- values


def test_a_value_that_does_not_fit_is_refused_and_can_be_mended(tmp_path: Path) -> None:
    told = play(tmp_path, [reports(returns={"n": "x"}), reports(returns={"n": 3})], returns=NUMBER)
    assert told.verdict == ("Success", "verified")
    assert told.waited["returns"] == {"n": 3}
    assert "is not of type 'integer'" in told.seen[0]


def test_a_value_that_never_comes_is_asked_for_once_and_refutes(tmp_path: Path) -> None:
    deeds: list[Deed] = [reports(returns={"n": "x"}), "It is 3.", "It is 3, I said."]
    told = play(tmp_path, deeds, returns=NUMBER)
    assert told.turns == 3
    assert told.verdict == ("Failed", "refuted")
    assert told.failing == ["returns the value: nothing was returned"]


def test_a_hostile_schema_holds_nothing_up(tmp_path: Path) -> None:
    began = time.monotonic()
    schema = {"type": "string", "pattern": "^(a+)+$"}
    deeds: list[Deed] = [reports(returns="a" * 40 + "!"), "No.", "No."]
    told = play(tmp_path, deeds, returns=schema)
    assert time.monotonic() - began < 40
    assert told.verdict == ("Failed", "refuted")
    assert "could not be held against its schema in 10 s" in told.seen[0]


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "numbr"}, "returns: the schema is no JSON Schema"),
        ({"$ref": "#"}, "nested too deeply"),
        ({"$ref": "#/$defs/gone"}, "the schema cannot be used"),
        ({"$ref": "https://example.org/schema"}, "only references inside the schema"),
    ],
)
def test_what_is_no_schema_is_refused_before_anybody_is_paid(
    tmp_path: Path, schema: dict[str, Any], why: str
) -> None:
    told = play(tmp_path, [], returns=schema)
    assert why in told.spawned
    assert told.turns == 0


# --- reports that are none


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ({"status": "completed", "summary": "x" * 20_001}, "length <= 20000"),
        ({"status": "done", "summary": "x"}, "Invalid enum value 'done'"),
        ({"status": "completed", "summary": 7}, "Expected `str`"),
        ({"status": "completed", "summary": "x", "verified": True}, "unknown field `verified`"),
        ({"status": "completed", "summary": "x", "confidence": 2}, "<= 1"),
        ({"status": "completed", "summary": "x", "outputs": ["a.md"]}, "Expected `object`"),
        ({"status": "completed", "summary": "x", "returns": "y" * 300_000}, "at most 262144"),
        ({"summary": "x"}, "missing required field `status`"),
    ],
)
def test_a_report_that_is_none_is_refused_and_can_be_mended(
    tmp_path: Path, args: dict[str, Any], why: str
) -> None:
    told = play(tmp_path, [("report", args), reports()])
    assert why in told.seen[0]
    assert told.turns == 2
    assert told.record.reported == "completed"


# --- texts that must not be there


@pytest.mark.parametrize(
    "deeds",
    [
        [write("out.md", "Nearly. TODO: the rest.\n"), reports()],
        [bash("printf 'x%.0s' $(seq 1048573) > big; echo -n TODO >> big"), reports()],
        [reports(summary="Done, but for a TODO.")],
        [reports(follow_ups=["TODO more"])],
        [reports(returns={"a": [1, {"b": "TODO"}]})],
        ["Done, but for a TODO."],
    ],
)
def test_a_forbidden_text_refutes_wherever_it_stands(tmp_path: Path, deeds: list[Deed]) -> None:
    told = play(tmp_path, deeds, forbid=["TODO", "(a+)+$"])
    assert told.verdict == ("Failed", "refuted")
    assert [each.what for each in told.record.evidence if not each.ok] == ["TODO"]


def test_a_forbidden_text_that_was_committed_is_found(tmp_path: Path) -> None:
    commit = "git add -A && git -c user.name=T -c user.email=t@t commit -qm x"
    told = play(tmp_path, [bash(f"echo s3cret > k && {commit}"), reports()], forbid=["s3cret"])
    assert told.failing == ["forbid s3cret: stands in k"]


# --- claims


def test_who_writes_outside_its_claim_is_told_at_once_and_may_undo_it(tmp_path: Path) -> None:
    drift = bash("mkdir -p out; touch out/a.md other.md; touch 'x\ny.md'")
    told = play(
        tmp_path,
        [drift, bash("rm other.md x*y.md"), bash("echo a > out/a.md"), reports()],
        writes=["out/**"],
    )
    assert told.verdict == ("Success", "verified"), told.failing
    first, *later = told.seen
    assert "You have changed what you may not: other.md" in first
    assert not any("what you may not" in text for text in later)
    store = SqliteStore(tmp_path / "runs")
    events = asyncio.run(stamped(store, told.result.run_id))
    (found,) = [each for each in events if isinstance(each, e.DriftFound)]
    assert found.paths[0] == "other.md"
    assert len(found.paths) == 2


async def stamped(store: SqliteStore, run_id: str) -> list[e.Event]:
    """The events of a run."""
    try:
        return [each.event async for each in log.events(store, run_id)]
    finally:
        await store.close()


def test_who_writes_outside_its_claim_by_bash_is_refuted_by_name(tmp_path: Path) -> None:
    deeds = [write("out/a.md"), bash("echo x > sneaky.txt; echo y >> README.md"), reports()]
    told = play(tmp_path, deeds, writes=["out/**"])
    assert told.verdict == ("Failed", "refuted")
    assert [each.what for each in told.record.evidence] == ["README.md", "sneaky.txt"]


def test_write_and_edit_outside_the_claim_are_refused_before_the_act(tmp_path: Path) -> None:
    told = play(tmp_path, [write("other.md"), write("out/a.md"), reports()], writes=["out/**"])
    assert '"code":"outside_claim"' in told.seen[0]
    assert told.verdict == ("Success", "verified")


@pytest.mark.parametrize(
    "hiding",
    [
        "echo x > s && echo s >> $(git rev-parse --git-common-dir)/info/exclude",
        "echo s > .gitignore && echo x > s",
        "git init -q inner && echo x > inner/s",
        (
            "git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),out/sub && "
            "mkdir -p out/sub && git commit -qm x 2>/dev/null; echo x > s"
        ),
        "echo x >> README.md && git update-index --assume-unchanged README.md",
        "echo x >> README.md && git -c user.name=T -c user.email=t@t commit -qam x",
        "echo x > s && git config core.excludesFile $PWD/s && echo s > s",
    ],
)
def test_what_is_hidden_from_git_is_found(tmp_path: Path, hiding: str) -> None:
    told = play(tmp_path, [bash(hiding), reports()], writes=["out/**"])
    assert told.verdict == ("Failed", "refuted"), told.record.evidence


def test_a_claim_of_who_runs_commands_without_a_worktree_is_refused(tmp_path: Path) -> None:
    told = play(tmp_path, [], defaults={"use_worktree": False}, writes=["out/**"])
    assert "git worktree of its own" in told.spawned
    assert told.turns == 0


# --- status files


def test_a_status_file_stands_for_a_report(tmp_path: Path) -> None:
    place = tmp_path / "status"
    body = '{"status":"blocked","summary":"there is no key"}'
    told = play(
        tmp_path,
        [write(str(place / "root.W1.json"), body), "All is done."],
        run={"status_dir": str(place)},
    )
    assert told.verdict == ("Failed", "unverified")
    assert told.waited["error"] == "reported blocked: there is no key"
    assert place.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("deed", "why"),
    [
        ("ln -s /etc/hostname {}", "is a symbolic link"),
        ("mkfifo {}", "is not a regular file"),
        ("head -c 300000 /dev/zero > {}", "at most 262144"),
        ('echo \'{{"status":"compl\' > {}', "malformed"),
        ('echo \'{{"status":"completed","summary":"x","ok":1}}\' > {}', "unknown field"),
        ("echo 7 > {}", "Expected `object`"),
    ],
)
def test_a_status_file_that_is_none_refutes(tmp_path: Path, deed: str, why: str) -> None:
    place = tmp_path / "status"
    told = play(
        tmp_path,
        [bash(deed.format(place / "root.W1.json")), "All is done."],
        run={"status_dir": str(place)},
    )
    assert told.verdict == ("Failed", "refuted")
    assert "status file: " in told.failing[0]
    assert why in told.failing[0]


def test_a_stale_status_file_does_not_count(tmp_path: Path) -> None:
    place = tmp_path / "status"
    place.mkdir()
    (place / "root.W1.json").write_text('{"status":"failed","summary":"of another run"}')
    told = play(tmp_path, ["All is done."], run={"status_dir": str(place)})
    assert told.verdict == ("Success", "unverified")


def test_without_a_place_for_status_files_nobody_begins(tmp_path: Path) -> None:
    repository(tmp_path)
    (tmp_path / "file").touch()
    told = play(tmp_path, [], run={"status_dir": str(tmp_path / "file" / "status")})
    assert told.record.status == "SpawnFailed"
    assert "status files" in told.record.error
