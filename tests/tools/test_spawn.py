"""Spawn: the tool that starts a worker, in its lead's own directories and by its manifest."""

from pathlib import Path
from typing import Any

import pytest

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT
from leadhand.domain.manifest import Agent, Settings
from leadhand.domain.money import Price
from tests.rules.world import UNIT, UNIT_PRICE
from tests.tools.lead_kit import Calling, leading

SCRIPT = "script:/repo/model.py:reply"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the lead works."""
    folder = tmp_path / "repo"
    folder.mkdir()
    return folder


async def settings_of(lead: Calling, worker: str) -> Settings:
    """The settings with which a worker was spawned."""
    spawned = [event for event in await lead.log() if isinstance(event, e.ActorSpawned)]
    return next(event.settings for event in spawned if event.actor == worker)


def spawned(root: Path, args: dict[str, Any], **given: Any) -> Settings:
    """The settings of a worker that is spawned with these arguments."""

    async def deed(lead: Calling) -> Settings:
        return await settings_of(lead, await lead.spawn(**args))

    return leading(root, deed, **given)


def refused(root: Path, args: dict[str, Any], **given: Any) -> dict[str, str]:
    """The refusal of a spawn with these arguments."""

    async def deed(lead: Calling) -> dict[str, str]:
        before = len(await lead.log())
        found = await lead.refused("spawn_worker", {"prompt": "do it"} | args)
        assert not any(isinstance(each, e.ActorSpawned) for each in (await lead.log())[before:])
        return found

    return leading(root, deed, **given)


# --- its answer


def test_a_spawn_answers_with_the_worker_and_what_remains(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        found = await lead.call("spawn_worker", {"prompt": "look", "label": "a.py"})
        assert found == {
            "worker_id": "root/W1",
            "session": "a-run/root/W1",
            "workspace": str(root),
            "output_file": str(lead.folder.path / "transcripts" / "root.W1.jsonl"),
            "remaining": {
                "budget_usd": found["remaining"]["budget_usd"],
                "workers": 3,
                "secs": found["remaining"]["secs"],
            },
        }
        assert 3_590 <= found["remaining"]["secs"] <= 3_600
        envelope = lead.engine.run.envelopes[ROOT]
        free = envelope.limit - envelope.held - envelope.slice
        assert found["remaining"]["budget_usd"] == free / 1e9

    leading(root, deed)


def test_the_worker_is_durable_when_the_spawn_answers(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        worker = await lead.spawn(prompt="look")
        assert worker in [event.actor for event in await lead.log()]

    leading(root, deed)


def test_what_the_call_sets_reaches_the_worker(root: Path) -> None:
    found = spawned(
        root,
        {
            "prompt": "look",
            "model": "other",
            "tools": ["Read", "Bash"],
            "timeout_secs": 60,
            "budget_usd": 0.0001,
            "max_turns": 3,
        },
        prices={UNIT: UNIT_PRICE, "other": Price()},
    )
    assert found.model == "other"
    assert found.tools == ("Read", "Bash")
    assert (found.timeout_secs, found.max_turns, found.budget_nanousd) == (60, 3, 100_000)


def test_the_same_call_again_gives_the_same_worker_and_says_so(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        args = {"prompt": "look"}
        first = await lead.call("spawn_worker", args, call="one")
        again = await lead.call("spawn_worker", args, call="one")
        assert (again["worker_id"], again["already"]) == (first["worker_id"], True)
        assert "already" not in first
        assert lead.engine.run.spawned_total == 1

    leading(root, deed)


def test_the_same_key_gives_the_same_worker_from_another_call(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        first = await lead.call("spawn_worker", {"prompt": "look", "key": "a"})
        again = await lead.call("spawn_worker", {"prompt": "look again", "key": "a"})
        other = await lead.call("spawn_worker", {"prompt": "look", "key": "b"})
        assert (again["worker_id"], again["already"]) == (first["worker_id"], True)
        assert other["worker_id"] == "root/W2"

    leading(root, deed)


@pytest.mark.parametrize(
    "prefix", ["", "mcp__leadhand__", "mcp__pitboss__"], ids=["plain", "leadhand", "pitboss"]
)
def test_a_prefix_reaches_it_too(root: Path, prefix: str) -> None:
    async def deed(lead: Calling) -> None:
        found = await lead.call(f"{prefix}spawn_worker", {"prompt": "look"})
        assert found["worker_id"] == "root/W1"

    leading(root, deed)


# --- where the worker works


def test_a_worker_works_where_its_lead_does(root: Path, tmp_path: Path) -> None:
    found = spawned(root, {})
    assert found.directory == str(root)
    assert found.add_dirs == (str(tmp_path / "added"),)


def test_a_worker_may_work_in_any_directory_of_its_lead(root: Path, tmp_path: Path) -> None:
    (root / "src").mkdir()
    for text, where in (
        ("src", root / "src"),
        (str(root / "src"), root / "src"),
        ("./src/../src", root / "src"),
        (str(tmp_path / "added"), tmp_path / "added"),
        (".", root),
    ):
        assert spawned(root, {"directory": text}).directory == str(where)


@pytest.mark.parametrize(
    "text", ["..", "/", "../outside", "/etc", "link", "link/below", "../repo2"]
)
def test_a_worker_may_not_work_elsewhere(root: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "outside" / "below").mkdir(parents=True)
    (tmp_path / "repo2").mkdir()
    (root / "link").symlink_to(tmp_path / "outside")
    for args in ({"directory": text}, {"add_dirs": [text]}):
        found = refused(root, args)
        assert found["code"] == "outside_workspace"
        assert str(root) in found["message"]


def test_a_directory_that_is_none_is_refused(root: Path) -> None:
    (root / "file").touch()
    for text in ("missing", "file"):
        found = refused(root, {"directory": text})
        assert found["code"] == "invalid_arguments"
        assert found["message"].startswith("directory: ")


def test_further_directories_replace_those_of_the_lead(root: Path, tmp_path: Path) -> None:
    (root / "src").mkdir()
    assert spawned(root, {"add_dirs": ["src"]}).add_dirs == (str(root / "src"),)
    assert spawned(root, {"add_dirs": []}).add_dirs == ()


def test_an_agent_works_where_the_operator_says(root: Path, tmp_path: Path) -> None:
    places = Settings(directory=str(tmp_path), add_dirs=("/data",))
    found = spawned(root, {"agent": "scout"}, agents={"scout": Agent(settings=places)})
    assert (found.directory, found.add_dirs) == (str(tmp_path), ("/data",))
    found = spawned(root, {}, defaults=places)
    assert (found.directory, found.add_dirs) == (str(tmp_path), ("/data",))


def test_the_call_may_choose_another_place_than_the_operators(root: Path, tmp_path: Path) -> None:
    places = Settings(directory=str(tmp_path), add_dirs=("/data",))
    args = {"agent": "scout", "directory": ".", "add_dirs": []}
    found = spawned(root, args, agents={"scout": Agent(settings=places)})
    assert (found.directory, found.add_dirs) == (str(root), ())


# --- refusals


def test_money_that_is_not_there_is_refused_in_the_words_of_the_seeds(root: Path) -> None:
    found = refused(root, {"budget_usd": 1.5})
    assert found["code"] == "budget_exceeded"
    assert found["message"] == (
        "budget exceeded: $0.00 spent + $0.0000 reserved + $1.50 estimated > $0.0010 budget"
    )
    assert "budget_usd" in found["next"]


def test_workers_that_have_no_place_are_refused_in_the_words_of_the_seeds(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        await lead.spawn()
        found = await lead.refused("spawn_worker", {"prompt": "x"})
        assert found["code"] == "max_workers_exceeded"
        assert found["message"] == "max_workers exceeded: 1 active (max 1)"
        assert "wait_for_any" in found["next"]

    leading(root, deed, max_workers=1)


def test_a_draining_run_refuses_in_the_words_of_the_seeds(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        await lead.engine.submit(c.DrainRun())
        found = await lead.refused("spawn_worker", {"prompt": "x"})
        assert found["message"] == "run is draining: no new workers accepted"

    leading(root, deed)


@pytest.mark.parametrize("model", ["script:/tmp/evil.py:run", "script:gpt-5", "script:evil.py:f"])
def test_a_lead_cannot_bring_in_a_script_of_its_own(root: Path, model: str) -> None:
    found = refused(root, {"model": model}, model=SCRIPT, prices={})
    assert found["code"] == "unknown_model"
    assert "only the operator" in found["next"]


def test_a_lead_may_use_the_scripts_of_the_manifest(root: Path) -> None:
    assert spawned(root, {"model": SCRIPT}, model=SCRIPT, prices={}).model == SCRIPT


@pytest.mark.parametrize(
    "tools", [["spawn_worker"], ["wait_actor"], ["mcp__leadhand__list_workers"]]
)
def test_a_worker_cannot_be_given_orchestration_tools(root: Path, tools: list[str]) -> None:
    assert refused(root, {"tools": tools})["code"] == "invalid_arguments"


HUGE = "x" * 1_000_000


@pytest.mark.parametrize(
    "args",
    [
        {"prompt": ""},
        {"prompt": None},
        {"prompt": 5},
        {"prompt": ["look"]},
        {"prompt": {"text": "look"}},
        {"prompt": "\ud800"},
        {"agent": HUGE},
        {"agent": "\x00"},
        {"model": HUGE},
        {"model": "\x00"},
        {"model": 5},
        {"tools": "Read"},
        {"tools": [HUGE]},
        {"tools": [None]},
        {"tools": ["Read"] * 100_000},
        {"tools": {"Read": True}},
        {"directory": "\x00"},
        {"directory": HUGE},
        {"directory": "a/" * 400_000},
        {"directory": "../" * 300_000},
        {"directory": ["src"]},
        {"add_dirs": ["a/" * 400_000]},
        {"add_dirs": ["x"] * 100_000},
        {"add_dirs": ["\x00"]},
        {"add_dirs": "src"},
        {"timeout_secs": 0},
        {"timeout_secs": -1},
        {"timeout_secs": 1.5},
        {"timeout_secs": True},
        {"timeout_secs": "60"},
        {"timeout_secs": 10**30},
        {"budget_usd": 0},
        {"budget_usd": -1},
        {"budget_usd": float("nan")},
        {"budget_usd": float("inf")},
        {"budget_usd": 1e300},
        {"budget_usd": "1"},
        {"max_turns": 0},
        {"max_turns": 10**9},
        {"key": HUGE},
        {"key": 5},
        {"label": 5},
        {"extra": 1},
        {HUGE: 1},
        {"": 1},
        {"prompt": "x", "deep": [[[[[[{"a": [1]}]]]]]]},
    ],
    ids=lambda args: str(args)[:40],
)
def test_hostile_arguments_are_refused_in_few_words(root: Path, args: dict[str, Any]) -> None:
    found = refused(root, args)
    assert found["code"] in ("invalid_arguments", "unknown_model", "outside_workspace")
    assert 0 < len(found["message"]) < 6_000


def test_a_prompt_of_a_megabyte_is_whole_in_the_log(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        await lead.spawn(prompt=HUGE, label="\x00\n" + HUGE)
        made = [each for each in await lead.log() if isinstance(each, e.ActorSpawned)][1]
        assert made.prompt == HUGE
        assert len(made.label) <= 80

    leading(root, deed)


def test_a_worker_that_calls_it_finds_no_such_tool(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        worker = await lead.spawn()
        found = await lead.refused("spawn_worker", {"prompt": "x"}, actor=worker, role="worker")
        assert found["code"] == "unknown_tool"

    leading(root, deed)


def test_a_lead_that_has_settled_is_refused(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        await lead.settle(ROOT, outcome="failed")
        assert (await lead.refused("spawn_worker", {"prompt": "x"}))["code"] == "settled"

    leading(root, deed)
