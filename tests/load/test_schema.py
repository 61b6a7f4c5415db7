"""Schema: what editors are told of a manifest is what its readers take, and nothing beside it."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError
from msgspec.structs import replace

from leadhand.errors import ManifestError
from leadhand.load import parse
from leadhand.load.schema import REQUIRED, example, read, schema, tasks_example

DATA = Path(__file__).parents[1] / "data"
VALIDATOR = Draft202012Validator(schema())
LEAD = '[lead]\nmodel = "m"\nprompt = "p"\n'


def table(key: str) -> dict[str, Any]:
    """What the schema says of one table: of the lead, and of an entry of tables by names."""
    found = schema()["properties"][key]
    if "items" in found:
        return found["items"]  # type: ignore[no-any-return]
    if key == "lead":
        return found["anyOf"][0]  # type: ignore[no-any-return]
    return found if "properties" in found else found["additionalProperties"]  # type: ignore[no-any-return]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())


def test_every_key_of_every_section_is_in_the_schema_with_what_it_is_for() -> None:
    known = read().known
    assert set(schema()["properties"]) == set(known[""])
    for name, keys in known.items():
        if name:
            properties = table(name.partition(".")[0])["properties"]
            assert set(properties) == set(keys), name
            assert all(len(each["description"].split()) >= 2 for each in properties.values())
            assert all({"type", "enum"} & set(each) for each in properties.values())


def test_every_key_stands_in_the_example_which_is_good(tmp_path: Path) -> None:
    values = tomllib.loads(example())
    several = [
        *values.pop("approval_policy"),
        *values.pop("notification"),
        *values.pop("mcp_server"),
    ]
    written = {key for section in [*values.values(), *several] for key in section}
    written |= {key for name in ("agents", "prices", "providers") for each in values[name].values()
                for key in each}  # fmt: skip
    others = tomllib.loads(tasks_example())
    written |= {*others["run"], *(key for task in others["task"] for key in task)}
    assert {key for name, keys in read().known.items() if name for key in keys} <= written
    loaded = parse(example(), "example.toml", tmp_path)
    assert loaded.manifest.lead.id == "digest"
    tasks = parse(tasks_example(), "example.toml", tmp_path).manifest.tasks
    assert [task.id for task in tasks] == ["collect", "answer"]


@pytest.mark.parametrize("name", ["every_key.toml", "seed_hierarchical.toml", "seed_leads.toml"])
def test_a_good_manifest_fits_the_schema(name: str) -> None:
    VALIDATOR.validate(tomllib.loads((DATA / name).read_text()))


def test_the_example_and_those_of_the_project_fit_the_schema() -> None:
    VALIDATOR.validate(tomllib.loads(example()))
    VALIDATOR.validate(tomllib.loads(tasks_example()))
    for path in (DATA.parents[1] / "examples").glob("*/manifest.toml"):
        VALIDATOR.validate(tomllib.loads(path.read_text()))


@pytest.mark.parametrize(
    "text",
    [
        "[run]\nmax_workers = 4\n",
        LEAD + "moons = 3",
        LEAD + "max_workers = 0",
        LEAD + "budget_usd = 0",
        LEAD + 'tools = ["Rede"]',
        LEAD + 'effort = "hard"',
        LEAD + "env = { A = 1 }",
        LEAD.replace('"p"', '" "'),
        "[[lead]]\nprompt = 'p'\n" * 2,
        LEAD + '[agents."a b"]',
        LEAD + "[agents.a]\nprompt = 'p'",
        LEAD + "[prices.m]\ninput = 1",
        LEAD + "[prices.m]\ninput = -1\noutput = 1",
        LEAD + "[providers.p]\nkey_env = 'sk-1'",
        LEAD + "[task]",
        LEAD + "[[task]]\nid = 'a'\nprompt = 'p'\nmodel = 'm'",
        "[[task]]\nid = 'a'\nmodel = 'm'",
        "[[task]]\nid = 'a b'\nprompt = 'p'\nmodel = 'm'",
        "prompt = 'p'\n" + LEAD,
    ],
)
def test_what_does_not_fit_the_schema_is_a_fault_too(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        VALIDATOR.validate(tomllib.loads(text))
    with pytest.raises(ManifestError):
        parse(text, "m.toml", tmp_path)


def test_what_the_schema_requires_is_required(tmp_path: Path) -> None:
    text = LEAD.replace('prompt = "p"\n', "") + "[prices.m]\n"
    with pytest.raises(ManifestError) as caught:
        parse(text, "m.toml", tmp_path)
    required = {fault.key for fault in caught.value.faults if "is required" in fault.message}
    assert required == {"lead.prompt", "prices.m.input", "prices.m.output"}
    with pytest.raises(ManifestError) as caught:
        parse("[[task]]\nmodel = 'm'\n", "m.toml", tmp_path)
    required |= {fault.key for fault in caught.value.faults if "is required" in fault.message}
    empty = "[[approval_policy]]\n[[notification]]\n[[mcp_server]]\n"
    with pytest.raises(ManifestError) as caught:
        parse(LEAD + empty, "m.toml", tmp_path)
    required |= {fault.key for fault in caught.value.faults} - {"mcp_server[0].command"}
    assert required == {
        re.sub(
            r"^(task|approval_policy|notification|mcp_server)\.", r"\1[0].", f"{name}.{key}"
        ).replace("prices.", "prices.m.")
        for name, keys in REQUIRED.items()
        for key in keys
    }


def test_the_example_says_the_defaults_that_hold() -> None:
    text = re.sub(r"(?m)^(?!\[lead\]|prompt|Your|them|\"\"\").*$", "", example())
    bare = parse(text + 'model = "m"\n', "m.toml", Path("/")).manifest
    full = parse(example(), "m.toml", Path("/")).manifest
    # What there is no default for is in the example all the same.
    assert replace(full.house, status_dir="", max_agent_processes=None) == bare.house
