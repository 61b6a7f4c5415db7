"""Init and schema: a first manifest that runs as it stands, and what may stand in one."""

import tomllib

import pytest

from leadhand.load.schema import example, schema
from tests.cli.kit import Desk

pytestmark = pytest.mark.slow

KEY = {"ANTHROPIC_API_KEY": "sk-of-a-test"}


@pytest.mark.parametrize("words", [(), ("my manifest.toml",)])
def test_a_first_manifest_is_written_with_comments_and_is_valid(
    at: Desk, words: tuple[str, ...]
) -> None:
    name = words[0] if words else "leadhand.toml"
    done = at.run("init", *words, env=KEY)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Wrote {name}. Next: leadhand validate ")
    assert (at.folder / name).read_text().count("#") > 5
    checked = at.run("validate", name, "--json", env=KEY)
    assert (checked.code, checked.json["warnings"], checked.json["notes"]) == (0, [], [])


def test_the_model_of_a_first_manifest_is_one_whose_key_is_there(at: Desk) -> None:
    given = {"OPENAI_API_KEY": "sk-of-a-test"}
    assert at.run("init", env=given).code == 0
    assert at.run("validate", "leadhand.toml", env=given).code == 0
    at.run("init", "bare.toml")
    model = tomllib.loads((at.folder / "bare.toml").read_text())["defaults"]["model"]
    assert model == "claude-haiku-4-5"


def test_a_file_that_is_there_is_left_as_it_is(at: Desk) -> None:
    (at.folder / "leadhand.toml").write_text("mine")
    done = at.run("init")
    assert (done.code, done.out) == (2, "")
    assert "leadhand.toml exists already" in done.err
    assert (at.folder / "leadhand.toml").read_text() == "mine"
    assert "there is no folder gone" in at.run("init", "gone/x.toml").err


def test_the_schema_is_printed_as_json_and_the_example_as_toml(at: Desk) -> None:
    assert at.run("schema").json == at.run("schema", "manifest").json == schema()
    done = at.run("schema", "--format", "example")
    assert (done.code, done.out) == (0, example())
    (at.folder / "all.toml").write_text(done.out)
    given = KEY | {"OLLAMA_API_KEY": "none"}
    assert at.run("validate", "all.toml", env=given).code == 0
    report = at.run("schema", "report").json
    form = report["$defs"]["ReportForm"]
    assert form["required"] == ["status", "summary"]
    assert form["additionalProperties"] is False
    assert at.run("schema", "moon").code == 2
