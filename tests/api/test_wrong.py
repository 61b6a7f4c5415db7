"""Wrong: what a program cannot have is said as the command line says it, and leaves nothing."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import leadhand
from leadhand.refusals import UnknownModel
from tests.api.kit import Crew, manifest, opened, play


def test_a_manifest_with_faults_is_refused_with_all_of_them(tmp_path: Path) -> None:
    wrong = manifest(lead={"prompt": 3, "tools": ["Reed"]}, run={"max_wrokers": 2})
    with pytest.raises(leadhand.ManifestError) as caught:
        leadhand.run(wrong, run_dir=tmp_path, models={"crew": Crew()})
    assert [each.key for each in caught.value.faults] == [
        "run.max_wrokers", "lead.prompt", "lead.tools[0]",
    ]  # fmt: skip
    assert caught.value.faults[2].mend == 'Did you mean "Read"?'
    assert all(each.line for each in caught.value.faults)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ("nowhere.toml", leadhand.ManifestError, "there is no such file"),
        (manifest(defaults={"model": "script:nobody"}), leadhand.UsageError, "was not given"),
        (manifest(defaults={"model": "gemini"}), UnknownModel, "who serves it"),
        (manifest(defaults={"model": "claude-haiku-4-5"}), UnknownModel, "API_KEY is not set"),
        (7, leadhand.UsageError, "expected a manifest's path, text or tables, found int"),
        (manifest(lead=object()), leadhand.UsageError, "lead: a manifest holds no object"),
        (manifest(defaults={"model": "openai:gpt-nobody"}), UnknownModel, "has no known price"),
        (manifest(lead=[]), leadhand.ManifestError, "there is no lead"),
    ],
)
def test_what_cannot_be_dispatched_is_said_and_leaves_no_run(
    tmp_path: Path, asked: Any, error: type[Exception], said: str
) -> None:
    async def main() -> None:
        async with opened(tmp_path, Crew(), environ={"OPENAI_API_KEY": "k"}) as lh:
            with pytest.raises(error, match=said):
                await lh.dispatch(asked)
            assert await lh.list() == []

    play(main())


def test_a_run_that_is_not_there_or_not_free_is_said(tmp_path: Path) -> None:
    async def main() -> None:
        crew = Crew(opened=False)
        async with opened(tmp_path, crew) as lh:
            with pytest.raises(leadhand.UsageError, match="there is none in"):
                await lh.run("abc")
            run = await lh.dispatch(manifest())
            with pytest.raises(leadhand.UsageError, match="no run begins with"):
                await lh.resume("zzzz")
            with pytest.raises(leadhand.UsageError, match="is owned by"):
                await lh.resume(run.id)
            assert await lh.run(run.id[:5]) is run
            with pytest.raises(leadhand.UsageError, match="unknown actor"):
                await run.cancel("W9")
            crew.gate.set()
            await run.result()
            with pytest.raises(leadhand.Refused, match="already finished"):
                await run.cancel()
            with pytest.raises(leadhand.UsageError, match="nobody works on run"):
                await run.drain()

    play(main())


def test_a_folder_of_runs_is_used_only_inside_its_with(tmp_path: Path) -> None:
    async def main() -> None:
        lh = opened(tmp_path, Crew())
        with pytest.raises(leadhand.UsageError, match="it is not open"):
            await lh.list()
        async with lh:
            assert await lh.list() == []
            with pytest.raises(leadhand.UsageError, match="open already"):
                await lh.__aenter__()
        with pytest.raises(leadhand.StoreError, match="closed"):
            await lh.list()
        with pytest.raises(leadhand.UsageError, match=r"leadhand\.run\(\) is for scripts"):
            leadhand.run(manifest())

    play(main())


@pytest.mark.parametrize(
    ("models", "said"),
    [({"script:crew": Crew()}, "is no name"), ({"crew": "reply"}, "crew is no function, but str")],
)
def test_a_model_that_cannot_be_one_is_refused(models: Any, said: str) -> None:
    with pytest.raises(leadhand.UsageError, match=said):
        leadhand.open(models=models)


def usurp(folder: Path) -> None:
    """Make the store refuse its owner, as another owner would."""
    database = sqlite3.connect(folder / "run.db")
    with database:
        database.execute("UPDATE run SET epoch = epoch + 1")
    database.close()


@pytest.mark.parametrize("awaited", [False, True])
def test_a_store_that_fails_is_told_once(tmp_path: Path, awaited: bool) -> None:
    async def main() -> None:
        crew = Crew(opened=False)
        async with opened(tmp_path, crew) as lh:
            run = await lh.dispatch(manifest())
            await crew.met()
            usurp(run.folder)
            crew.gate.set()
            if awaited:
                with pytest.raises(leadhand.StoreError, match="was left behind"):
                    await run.result()
            else:
                assert run.task is not None
                await asyncio.wait([run.task])

    if awaited:
        play(main())
    else:
        with pytest.raises(leadhand.StoreError, match="was left behind"):
            play(main())
