"""Dispatch: a manifest runs to its report; what is wrong with it is said before anything starts."""

import json
from pathlib import Path

import pytest

from tests.cli.kit import AUTHORS, POWERLESS, Desk, repository

pytestmark = pytest.mark.slow

EXAMPLE = "examples/01_digest/manifest.toml"


def test_the_example_runs_on_a_real_repository(at: Desk) -> None:
    repository(at.folder)
    done = at.run("dispatch", EXAMPLE)
    assert (done.code, done.err) == (0, "")
    digest = at.folder / "build" / "digest"
    assert {path.name for path in digest.iterdir()} == {
        "SUMMARY.md", *(f"{name.lower()}.md" for name in AUTHORS),
    }  # fmt: skip
    assert "work of Bob" in (digest / "bob.md").read_text()
    steps, _, rest = done.out.partition("\nReport\n")
    assert steps.startswith(f"run {at.latest()} in {at.runs / at.latest()}\n")
    assert "root/W1   spawned by root: Cleo" in steps
    assert "1. STATUS: success" in rest
    assert "disagrees" not in rest
    assert [line.split()[:2] for line in rest.splitlines() if "root/W" in line][-3:] == [
        ["root/W1", "Cleo"], ["root/W2", "Bob"], ["root/W3", "Ada"],
    ]  # fmt: skip
    for name in ("summary.json", "summary.jsonl", "manifest.toml", "transcripts/root.W3.jsonl"):
        assert (at.runs / at.latest() / name).exists()
    assert rest.splitlines()[-1].startswith(f"Run {at.latest()}  succeeded after 0:0")
    assert "\x1b" not in done.out


def test_programs_get_the_summary_alone_on_stdout(at: Desk) -> None:
    repository(at.folder)
    done = at.run("dispatch", EXAMPLE, "--json")
    assert done.err == ""
    found = done.json
    assert (found["status"], found["exit_code"], found["resume"]) == ("succeeded", 0, None)
    assert found["report"]["status"] == "success"
    assert len(found["tasks"]) == 4
    kept = json.loads((Path(found["run_folder"]) / "summary.json").read_text())
    assert {key: found[key] for key in kept} == kept
    assert found["final_message"].startswith("1. STATUS: success")


def test_what_a_script_prints_does_not_get_between_the_json(at: Desk) -> None:
    at.gate().touch("open")
    model = at.folder / "model.py"
    model.write_text(model.read_text().replace("async def reply", 'print("hi")\nasync def reply'))
    text = model.read_text().replace(
        "    return await (worker", '    print("hey")\n    return await (worker'
    )
    model.write_text(text)
    done = at.run("dispatch", "manifest.toml", "--json")
    assert done.code == 0
    assert "hey" in done.err


def test_quiet_shows_the_result_and_no_progress(at: Desk) -> None:
    at.gate().touch("open")
    done = at.run("dispatch", "manifest.toml", "--quiet")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("\nReport\n")


def test_a_run_with_a_failed_worker_exits_1_and_says_where_the_reasons_are(at: Desk) -> None:
    at.gate().touch("open")
    at.touch("fail")
    done = at.run("dispatch", "manifest.toml")
    assert done.code == 1
    assert "root/W2   settled as Failed: model error" in done.out
    assert done.out.splitlines()[-1].endswith(f"For the reasons: leadhand why {at.latest()}")


def test_a_report_that_the_log_contradicts_is_shown_with_each_point(at: Desk) -> None:
    at.gate().touch("open")
    at.touch("fail")
    model = at.folder / "model.py"
    model.write_text(
        model.read_text()
        .replace('"partial" if bad else "success"', '"success"')
        .replace('if one["status"] == "Success"]', "]")
    )
    done = at.run("dispatch", "manifest.toml")
    assert done.code == 1
    assert "The log disagrees in " in done.out
    assert "root/W2: reported as completed, but it settled as Failed" in done.out


def test_every_fault_of_a_manifest_is_a_line_and_nothing_is_made(at: Desk) -> None:
    at.gate()
    text = "[run]\nmax_workers = 4\nbudget_usd = -1\nmoons = 3\n[[lead]]\nid = 'x'\n"
    (at.folder / "bad.toml").write_text(text)
    done = at.run("dispatch", "bad.toml")
    assert (done.code, done.out) == (2, "")
    lines = done.err.splitlines()
    assert all(line.startswith("bad.toml:") for line in lines)
    for key in ("budget_usd", "moons", "prompt", "model"):
        assert sum(key in line.partition(". ")[0] for line in lines) == 1, done.err
    assert not at.runs.exists()


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda at: (at.folder / "manifest.toml").unlink(), "there is no such file"),
        (lambda at: (at.folder / "model.py").unlink(), "there is no file"),
        (lambda at: (at.folder / "model.py").write_text("def reply(:"), "SyntaxError"),
        (lambda at: (at.folder / "model.py").write_text("1/0"), "ZeroDivisionError"),
        (lambda at: (at.folder / "model.py").write_text("x = 1"), "has no function reply"),
        (lambda at: (at.folder / "manifest.toml").write_bytes(b"\xff"), "is not UTF-8"),
        (lambda at: at.runs.write_text(""), "a file where a folder should be"),
    ],
)
def test_what_is_missing_or_broken_is_one_line(at: Desk, break_it, said: str) -> None:  # type: ignore[no-untyped-def]
    break_it(at.gate())
    done = at.run("dispatch", "manifest.toml")
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not at.runs.is_dir()


def test_a_model_without_a_provider_is_refused_with_what_to_do(at: Desk) -> None:
    at.gate()
    manifest = at.folder / "manifest.toml"
    manifest.write_text(manifest.read_text().replace("script:model.py:reply", "claude-haiku-4-5"))
    done = at.run("dispatch", "manifest.toml")
    assert done.code == 2
    assert 'the model "claude-haiku-4-5" cannot be used: ANTHROPIC_API_KEY is not set' in done.err
    assert not at.runs.exists()


def test_warnings_go_to_stderr_and_the_run_goes_on(at: Desk) -> None:
    at.gate().touch("open")
    manifest = at.folder / "manifest.toml"
    manifest.write_text(manifest.read_text().replace("budget_usd = 2.00\n", ""))
    done = at.run("dispatch", "manifest.toml", "--quiet")
    assert done.code == 0
    assert done.err.startswith("warning: ")
    assert "budget_usd" in done.err


def test_a_relative_folder_of_runs_is_found_again_from_anywhere(at: Desk) -> None:
    at.gate().touch("open")
    found = at.run("dispatch", "manifest.toml", "--json", "--run-dir", "mine").json
    assert found["run_folder"] == str(at.folder / "mine" / found["run_id"])
    assert all(Path(task["log_path"]).is_absolute() for task in found["tasks"])
    done = at.run("status", found["run_id"], "--run-dir", str(at.folder / "mine"), cwd="/")
    assert done.code == 0


def test_a_folder_that_may_not_be_written_is_one_line(at: Desk) -> None:
    at.gate()
    at.runs.mkdir()
    at.runs.chmod(0o555)
    done = at.run("dispatch", "manifest.toml", wrapper=POWERLESS)
    at.runs.chmod(0o755)
    assert done.code == 2
    assert "it may not be written to" in done.err
    assert [*at.runs.iterdir()] == []
