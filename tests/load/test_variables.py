"""Variables: what is filled in when a manifest is read, and what stays for the child process.

Prompts, system prompts and paths are frozen with their values; a value of env is kept as written.
"""

from pathlib import Path

import pytest

from leadhand.domain.manifest import Manifest
from leadhand.load import read
from leadhand.load.variables import FILLED_MAX
from leadhand.processes import clean_environment

RULES = "[run]\nmax_workers = 4\nbudget_usd = 1\n"
LEAD = '[lead]\nmodel = "m"\n'


def found(text: str, base: Path, environ: dict[str, str]) -> tuple[Manifest, list[str]]:
    """The manifest, and its faults."""
    seen = read(RULES + text, "m.toml", base, environ=environ)
    return seen.manifest, [str(each) for each in seen.report.faults]


def test_a_prompt_and_a_system_prompt_are_frozen_with_the_values(tmp_path: Path) -> None:
    text = LEAD + 'prompt = "Greet ${LEADHAND_NAME}."\nsystem = "For ${LEADHAND_NAME}."'
    manifest, faults = found(text, tmp_path, {"LEADHAND_NAME": "Ann ${LEADHAND_NAME}"})
    assert faults == []
    assert manifest.lead.prompt == "Greet Ann ${LEADHAND_NAME}."
    assert manifest.lead.settings.system == "For Ann ${LEADHAND_NAME}."


def test_a_prompt_keeps_the_code_of_shells_and_templates_as_it_is(tmp_path: Path) -> None:
    code = "for f in *; do echo ${f} ${HOME} $${HOME}; done; call ${AGENT_TOOL_NAME}"
    manifest, faults = found(f"{LEAD}prompt = '{code}'", tmp_path, {"HOME": "/home/ann"})
    assert (manifest.lead.prompt, faults) == (code, [])


def test_paths_are_filled_in(tmp_path: Path) -> None:
    (tmp_path / "repo" / "more").mkdir(parents=True)
    paths = 'directory = "${LEADHAND_REPO}"\nadd_dirs = ["${LEADHAND_REPO}/more"]\n'
    manifest, faults = found(f"{LEAD}prompt = 'p'\n{paths}", tmp_path, {"LEADHAND_REPO": "repo"})
    assert faults == []
    assert manifest.lead.settings.directory == str(tmp_path / "repo")
    assert manifest.lead.settings.add_dirs == (str(tmp_path / "repo" / "more"),)


def test_a_value_of_env_is_kept_unexpanded_and_given_to_the_child(tmp_path: Path) -> None:
    environ = {"LEADHAND_API_TOKEN": "t0ken", "HOME": "/home/ann"}
    env = 'env = { API_TOKEN = "${LEADHAND_API_TOKEN}", TEXT = "$${HOME} $x" }'
    manifest, faults = found(f"{LEAD}prompt = 'p'\n{env}", tmp_path, environ)
    assert faults == []
    kept = manifest.lead.settings.env
    assert kept == {"API_TOKEN": "${LEADHAND_API_TOKEN}", "TEXT": "$${HOME} $x"}
    given = clean_environment(environ, kept)
    assert (given["API_TOKEN"], given["TEXT"]) == ("t0ken", "${HOME} $x")
    assert "LEADHAND_API_TOKEN" not in given


def test_what_is_not_set_where_a_run_is_resumed_stays_as_it_is() -> None:
    given = clean_environment({}, {"API_TOKEN": "${LEADHAND_API_TOKEN}"})
    assert given["API_TOKEN"] == "${LEADHAND_API_TOKEN}"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (" \n", "lead.prompt: is blank with its variables filled in"),
        ("x" * (FILLED_MAX // 10 + 1), "lead.prompt: becomes longer than 1024 KiB"),
        ("\udcff", "lead.prompt: is not UTF-8 text with its variables filled in"),
    ],
    ids=["blank", "long", "bytes"],
)
def test_a_value_that_spoils_a_prompt_is_a_fault(value: str, said: str, tmp_path: Path) -> None:
    text = LEAD + 'prompt = "' + "${LEADHAND_X}" * 10 + '"'
    _, faults = found(text, tmp_path, {"LEADHAND_X": value})
    assert faults == [f"m.toml:6: {said}"]
