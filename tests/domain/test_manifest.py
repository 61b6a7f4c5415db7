"""Manifest: narrower settings win over wider ones, field by field."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from leadhand.domain.manifest import BASE, HouseRules, Lead, Manifest, Settings, Subleads, layered

texts = st.sampled_from([None, "", "a", "b"])
numbers = st.sampled_from([None, 0, 1, 2])
names = st.sampled_from([None, (), ("a",), ("b", "a")])
environments = st.sampled_from([None, {}, {"a": "1"}, {"a": "2", "b": "3"}, {"b": "4"}])
several = st.lists(
    st.builds(
        Settings,
        model=texts,
        effort=st.sampled_from([None, "low", "high"]),
        system=texts,
        tools=names,
        directory=texts,
        add_dirs=names,
        env=environments,
        timeout_secs=numbers,
        max_turns=numbers,
        max_tokens=numbers,
        budget_nanousd=numbers,
        use_worktree=st.sampled_from([None, False, True]),
        branch=texts,
    ),
    max_size=4,
)
PLAIN = [name for name in Settings.__struct_fields__ if name != "env"]


def first(layers: list[Settings], name: str) -> Any:
    """What the first layer that sets a field says."""
    values = [getattr(layer, name) for layer in layers]
    return next((value for value in values if value is not None), None)


@settings(max_examples=25)
@given(several)
def test_the_first_layer_that_sets_a_field_wins(layers: list[Settings]) -> None:
    found = layered(*layers)
    for name in PLAIN:
        assert getattr(found, name) == first(layers, name)


@settings(max_examples=25)
@given(several)
def test_environments_are_merged_and_the_first_layer_wins_each_name(
    layers: list[Settings],
) -> None:
    found = layered(*layers).env
    assert found is not None
    expected: dict[str, str] = {}
    for layer in reversed(layers):
        expected |= layer.env or {}
    assert found == expected


@settings(max_examples=25)
@given(several, several)
def test_layering_in_steps_gives_the_same(some: list[Settings], others: list[Settings]) -> None:
    assert layered(layered(*some), layered(*others)) == layered(*some, *others)


def test_an_empty_list_is_a_setting_and_nothing_said_is_none() -> None:
    assert layered(Settings(tools=()), Settings(tools=("Bash",))).tools == ()
    assert layered(Settings(max_turns=0), BASE).max_turns == 0
    assert layered(Settings(), BASE).tools == BASE.tools


def test_the_widest_settings_leave_open_only_what_has_no_default() -> None:
    unset = [name for name in Settings.__struct_fields__ if getattr(BASE, name) is None]
    assert unset == [
        "model",
        "harness",
        "effort",
        "system",
        "directory",
        "compact_above_tokens",
        "budget_nanousd",
        "use_worktree",
        "branch",
        "models",
        "max_rss_mb",
        "user_settings",
    ]


def test_the_house_rules_that_nobody_set_are_those_of_the_manual() -> None:
    house = HouseRules()
    assert (house.max_workers, house.budget_nanousd) == (4, 5_000_000_000)
    assert (house.lead_timeout_secs, house.max_total_spawns) == (3600, 1000)


def test_the_settings_of_sub_leads_are_among_those_that_the_operator_gives() -> None:
    own = Settings(directory="/old", model="script:/old/a.py:f")
    asked = Manifest(Lead("lead", "go"), subleads=Subleads(max_depth=3, settings=own))
    assert own in [*asked.every_settings()]
    moved = asked.mapped(lambda settings: replace(settings, directory="/new"), lambda model: model)
    assert moved.subleads == Subleads(max_depth=3, settings=replace(own, directory="/new"))
    plain = Manifest(Lead("lead", "go"))
    assert plain.mapped(lambda settings: settings, lambda model: model).subleads is None


def test_sub_leads_are_not_written_where_there_are_none() -> None:
    assert b"subleads" not in msgspec.json.encode(Manifest(Lead("lead", "go")))
    full = Manifest(Lead("lead", "go"), subleads=Subleads(settings=Settings(budget_nanousd=5)))
    assert msgspec.json.decode(msgspec.json.encode(full), type=Manifest) == full
