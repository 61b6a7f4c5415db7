"""Client: a program dispatches, follows and resumes runs; two at once."""

import asyncio
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import leadhand
from leadhand import wiring
from leadhand.testing.model_server import model_server
from tests.api.kit import Crew, manifest, opened, play

TEXT = """
[run]
max_workers = 4
budget_usd = 2.00
[defaults]
model = "script:crew"
[[lead]]
id = "api"
prompt = "Have one, two done."
"""


def given(form: str, folder: Path) -> Any:
    """The manifest in each form that it may be given in."""
    if form == "text":
        return TEXT
    if form == "tables":
        return manifest()
    path = folder / "manifest.toml"
    path.write_text(TEXT)
    return str(path) if form == "path as text" else path


@pytest.mark.parametrize("form", ["path", "path as text", "text", "tables"])
def test_a_script_dispatches_a_manifest_in_any_form_and_gets_its_result(
    tmp_path: Path, form: str
) -> None:
    crew = Crew()
    result = leadhand.run(given(form, tmp_path), run_dir=tmp_path / "runs", models={"crew": crew})
    assert (result.ok, result.status, result.resumable) == (True, "succeeded", False)
    assert result.final_message.startswith("1. STATUS: success")
    assert result.report is not None
    assert [item.worker_id for item in result.report.completed] == ["root/W1", "root/W2"]
    assert (result.report_by, result.mismatches, result.cost_usd) == ("lead", (), 0.0)
    assert [each.task_id for each in result.tasks] == ["root", "root/W1", "root/W2"]
    assert result.tasks[1].final_message_preview == "one is done."
    assert result.budget_usd == 2.00
    assert result.run_folder == tmp_path / "runs" / result.run_id
    assert (result.run_folder / "summary.json").is_file()
    assert "script:crew" in (result.run_folder / "manifest.toml").read_text()


def test_a_result_names_the_worktrees_that_were_kept(tmp_path: Path) -> None:
    git = ("git", "-C", str(tmp_path), "-c", "user.name=A", "-c", "user.email=a@example.com")
    for words in (("init", "-q"), ("commit", "-q", "--allow-empty", "-m", "one")):
        subprocess.run([*git, *words], check=True)

    def writes(request: leadhand.Request) -> leadhand.Reply:
        if len(request.messages) > 1:
            return leadhand.Reply(text="done")
        return leadhand.Reply(calls=(("Write", {"file_path": "x.md", "content": "x"}),))

    task = {"id": "write", "prompt": "Write.", "use_worktree": True, "directory": str(tmp_path)}
    defaults = {"model": "script:writes", "tools": ["Write"]}
    given = {"run": {"budget_usd": 1.0}, "defaults": defaults, "task": [task]}
    result = leadhand.run(given, run_dir=tmp_path / "runs", models={"writes": writes})
    lead, worker = result.tasks
    assert (lead.worktree_path, lead.branch) == (None, None)
    assert worker.branch == f"leadhand/{result.run_id}/root.W1"
    assert worker.worktree_path == str(result.run_folder / "worktrees" / "root.W1")
    assert (Path(worker.worktree_path) / "x.md").read_text() == "x"


def test_a_failed_worker_makes_the_result_partial(tmp_path: Path) -> None:
    crew = Crew()
    crew.broken = "two"
    result = leadhand.run(manifest(), run_dir=tmp_path, models={"crew": crew})
    assert (result.ok, result.status) == (False, "partial")
    assert "two is broken" in result.tasks[2].error


def test_events_come_in_order_while_the_run_goes_on_and_end_with_it(tmp_path: Path) -> None:
    async def main() -> tuple[list[leadhand.Event], list[leadhand.Event]]:
        crew = Crew(opened=False)
        async with opened(tmp_path, crew) as lh:
            run = await lh.dispatch(manifest())
            seen = []
            async for event in run.events():
                seen.append(event)
                if event.type == "CallAdmitted" and event.actor == "root/W2":
                    crew.gate.set()
            later = [each async for each in run.events(follow=False, after=seen[-3].seq)]
            return seen, later

    seen, later = play(main())
    assert [each.seq for each in seen] == list(range(1, len(seen) + 1))
    assert [each.type for each in seen[-1:]] == ["RunFinished"]
    assert later == seen[-2:]
    spawned = [each for each in seen if each.type == "ActorSpawned"]
    assert [each.actor for each in spawned] == ["root", "root/W1", "root/W2"]
    assert spawned[1].data["prompt"] == "Do one now."
    assert spawned[1].text == "spawned by root: one"
    assert all(timedelta(0) <= datetime.now(UTC) - each.at < timedelta(hours=1) for each in seen)
    assert [each.run_ms for each in seen] == sorted(each.run_ms for each in seen)


def test_two_runs_in_one_process_go_on_side_by_side(tmp_path: Path) -> None:
    async def main() -> list[leadhand.Result]:
        crew = Crew(opened=False)
        async with opened(tmp_path, crew) as lh:
            runs = [await lh.dispatch(manifest()) for _ in range(2)]
            await crew.met(4)
            assert {(await each.status()).status for each in runs} == {"running"}
            assert all(each.live for each in runs)
            [model] = {each.live.models("script:crew") for each in runs if each.live}
            assert wiring.governor().lane(model.lane("script:crew")).busy == 4
            crew.gate.set()
            return [await each.result() for each in runs]

    first, second = play(main())
    assert first.run_id != second.run_id
    assert (first.status, second.status) == ("succeeded", "succeeded")


def test_scripts_in_several_threads_do_not_touch_each_other(tmp_path: Path) -> None:
    def dispatched(number: int) -> leadhand.Result:
        runs = tmp_path / str(number % 2)
        return leadhand.run(manifest(), run_dir=runs, models={"crew": Crew()})

    with ThreadPoolExecutor(4) as threads:
        results = [*threads.map(dispatched, range(8))]
    assert [each.status for each in results] == ["succeeded"] * 8
    assert len({each.run_id for each in results}) == 8


def test_runs_share_the_connections_of_a_server_which_are_closed_with_them(tmp_path: Path) -> None:
    async def main() -> tuple[list[leadhand.Result], int]:
        async with model_server(Crew()) as server:
            environ = {"ANTHROPIC_BASE_URL": server.url, "ANTHROPIC_API_KEY": "a key of theirs"}
            async with leadhand.open(tmp_path, environ=environ) as lh:
                asked = manifest(defaults={"model": "claude-haiku-4-5"})
                runs = [await lh.dispatch(asked) for _ in range(2)]
                return [await each.result() for each in runs], len(server.seen)

    results, requests = play(main())
    assert [each.status for each in results] == ["succeeded"] * 2
    assert requests == 10
    assert all(each.cost_usd > 0 for each in results)


def test_leaving_suspends_what_is_under_way_and_resume_goes_on_with_it(tmp_path: Path) -> None:
    crew = Crew(opened=False)

    async def begin() -> leadhand.RunHandle:
        async with opened(tmp_path, crew) as lh:
            run = await lh.dispatch(manifest())
            await crew.met()
        with pytest.raises(leadhand.StoreError, match="closed"):
            await run.status()
        return run

    async def go_on(run_id: str) -> leadhand.Result:
        async with opened(tmp_path, crew) as lh:
            [stands] = await lh.list()
            assert (stands.status, stands.resumable, stands.owner) == ("interrupted", True, "")
            crew.gate.set()
            run = await lh.resume(run_id[:4])
            return await run.result()

    run = play(begin())
    before = crew.asked.copy()
    assert play(go_on(run.id)).status == "succeeded"
    # The lead had its answers; its workers' calls were in flight.
    assert crew.asked - before == {"root": 1, "root/W1": 1, "root/W2": 1}


@pytest.mark.parametrize("twice", [False, True])
def test_a_program_that_is_cancelled_suspends_its_runs(tmp_path: Path, twice: bool) -> None:
    crew = Crew(opened=False)

    async def begin() -> None:
        async with opened(tmp_path, crew) as lh:
            await (await lh.dispatch(manifest())).result()

    async def main() -> str:
        task = asyncio.create_task(begin())
        await crew.met()
        task.cancel()
        if twice:
            await asyncio.sleep(0)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with opened(tmp_path, crew) as lh:
            return (await lh.list())[0].status

    assert play(main()) == "interrupted"


def test_a_program_that_fails_suspends_its_runs_and_fails_as_it_did(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path, Crew(opened=False)) as lh:
            await lh.dispatch(manifest())
            raise KeyError("theirs")

    with pytest.raises(KeyError, match="theirs"):
        play(main())


@pytest.mark.parametrize("steps", [0, 1, 3, 10, 30])
def test_a_run_that_is_being_begun_while_its_folder_is_left_is_not_left_at_work(
    tmp_path: Path, steps: int
) -> None:
    async def main() -> str:
        async with opened(tmp_path, Crew(opened=False)) as lh:
            beginning = asyncio.create_task(lh.dispatch(manifest()))
            for _ in range(steps):
                await asyncio.sleep(0.0005)
        [begun] = await asyncio.gather(beginning, return_exceptions=True)
        if isinstance(begun, BaseException):
            assert isinstance(begun, leadhand.StoreError | leadhand.UsageError), begun
        async with opened(tmp_path, Crew()) as lh:
            return " ".join(each.status + each.owner for each in await lh.list())

    assert play(main()) in ("", "empty", "interrupted")


@pytest.mark.slow
def test_a_run_that_is_begun_while_others_are_still_being_suspended_is_given_back(
    tmp_path: Path,
) -> None:
    crew = Crew(opened=False)

    async def slow_to_go(request: leadhand.Request) -> leadhand.Reply | str:
        try:
            return await crew(request)
        finally:
            await asyncio.sleep(0.4)

    async def main() -> list[str]:
        async with leadhand.open(tmp_path, models={"crew": slow_to_go}) as lh:
            await lh.dispatch(manifest())
            await crew.met(1)
            beginning = asyncio.create_task(lh.dispatch(manifest()))
            await asyncio.sleep(0)
        with pytest.raises(leadhand.UsageError, match="was not begun: its Leadhand was left"):
            await beginning
        async with leadhand.open(tmp_path) as lh:
            return [each.status + each.owner for each in await lh.list()]

    assert play(main()) == ["interrupted"] * 2


def test_who_stops_waiting_for_a_result_does_not_stop_the_run(tmp_path: Path) -> None:
    async def main() -> str:
        crew = Crew(opened=False)
        async with opened(tmp_path, crew) as lh:
            run = await lh.dispatch(manifest())
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(run.result(), 0.05)
            crew.gate.set()
            return (await run.result()).status

    assert play(main()) == "succeeded"


def test_an_own_model_and_directory_take_the_place_of_the_manifests(tmp_path: Path) -> None:
    async def main() -> list[leadhand.Event]:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        os.chdir(tmp_path)
        asked = manifest(
            defaults={"model": "claude-haiku-4-5"}, lead={"prompt": "Have one done.", "id": "api"}
        )
        async with opened(tmp_path, Crew()) as lh:
            run = await lh.dispatch(asked, model="script:crew", directory="elsewhere")
            assert run.warnings == ()
            assert (await run.result()).ok
            return [each async for each in run.events() if each.type == "ActorSpawned"]

    here = Path.cwd()
    try:
        lead, worker = play(main())
    finally:
        os.chdir(here)
    for each in (lead, worker):
        assert each.data["settings"]["model"] == "script:crew"
        assert each.data["settings"]["directory"] == str(tmp_path / "elsewhere")


def test_tasks_without_a_lead_are_dispatched_too(tmp_path: Path) -> None:
    tasks = [{"id": "one", "prompt": "Do one now."}, {"id": "two", "prompt": "Do two now."}]
    result = leadhand.run(
        {"run": {"budget_usd": 1}, "task": tasks},
        run_dir=tmp_path / "runs", model="script:crew",
        models={"crew": Crew()},
    )  # fmt: skip
    assert (result.ok, result.final_message) == (True, "2 of 2 tasks succeeded")
    assert (result.report_by, result.mismatches) == ("runtime", ())
    said = [each.final_message_preview for each in result.tasks]
    assert said == ["2 of 2 tasks succeeded", "one is done.", "two is done."]
