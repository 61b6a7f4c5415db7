"""Options: what the command line sets goes before the text, and faults name it, not a line."""

from pathlib import Path

import pytest

from leadhand.domain.manifest import Manifest
from leadhand.domain.money import NANO
from leadhand.errors import ManifestError
from leadhand.load import Found, options, read, setting
from leadhand.load.options import Option

TEXT = """\
[run]
max_workers = 4
budget_usd = 1
[defaults]
tools = ["Read"]
[[lead]]
id = "x"
model = "m"
directory = "nowhere"
prompt = "Do it."
"""


def seen(base: Path, *set_: Option, text: str = TEXT) -> Found:
    return read(text, "m.toml", base, set_)


def good(base: Path, *set_: Option, text: str = TEXT) -> Manifest:
    found = seen(base, *set_, text=text)
    assert [*map(str, found.report.faults)] == []
    return found.manifest


def faults(base: Path, *set_: Option, text: str = TEXT) -> list[str]:
    return [str(each) for each in seen(base, *set_, text=text).report.faults]


def test_a_key_is_set_whatever_form_the_lead_has(tmp_path: Path) -> None:
    here = setting(f'lead.directory="{tmp_path}"')
    for text in (TEXT, TEXT.replace("[[lead]]", "[lead]")):
        found = good(tmp_path, here, setting("run.budget_usd = 2.50"), text=text)
        assert found.house.budget_nanousd == 5 * NANO // 2
        assert found.lead.settings.directory == str(tmp_path)


def test_a_section_that_the_text_does_not_have_is_made(tmp_path: Path) -> None:
    here = options.directory(str(tmp_path))
    price = setting('prices."gpt-5.1"={input=1, output=5}')
    found = good(tmp_path, *here, setting('agents.a.tools=["Read"]'), price)
    assert found.agents["a"].settings.tools == ("Read",)
    assert found.prices["gpt-5.1"].output == 5 * NANO


def test_the_last_of_several_values_holds(tmp_path: Path) -> None:
    set_ = [setting("run.max_workers=2"), setting("run.max_workers=3")]
    assert good(tmp_path, *options.directory("."), *set_).house.max_workers == 3


def test_a_model_is_that_of_the_lead_and_of_workers_by_default(tmp_path: Path) -> None:
    text = TEXT + '[agents.a]\nmodel = "own"\n'
    found = good(tmp_path, *options.directory("."), *options.model("other"), text=text)
    assert (found.lead.settings.model, found.defaults.model) == ("other", "other")
    assert found.agents["a"].settings.model == "own"
    bare = TEXT.replace('model = "m"\n', "")
    found = good(tmp_path, *options.directory("."), *options.model("other"), text=bare)
    assert (found.lead.settings.model, found.defaults.model) == (None, "other")


def test_a_directory_starts_where_the_command_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "repo").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    found = good(tmp_path, *options.directory("repo"))
    assert found.lead.settings.directory == str(tmp_path / "here" / "repo")
    text = TEXT.replace("[defaults]", '[defaults]\ndirectory = "nowhere"')
    found = good(tmp_path, *options.directory("repo"), text=text)
    assert found.defaults.directory == found.lead.settings.directory


def test_a_fault_names_the_option_and_not_a_line(tmp_path: Path) -> None:
    set_ = [
        *options.directory(str(tmp_path / "none")),
        *options.model("a b"),
        setting("run.budget_usd=-1"),
        setting('agents.a.tools=["Rite"]'),
        setting("run.max_worker=3"),
    ]
    assert faults(tmp_path, *set_) == [
        '--set run.max_worker=3: run.max_worker: unknown key. Did you mean "max_workers"?',
        (
            "--set run.budget_usd=-1: run.budget_usd: must be more than 0 US dollars and below a "
            "billion, found -1"
        ),
        "--model 'a b': defaults.model: must be at most 200 characters without spaces",
        "--model 'a b': lead.model: must be at most 200 characters without spaces",
        (
            f'--directory {tmp_path}/none: lead.directory: "{tmp_path}/none" does not exist. Make '
            "it, or name the directory to work in"
        ),
        (
            '--set \'agents.a.tools=["Rite"]\': agents.a.tools[0]: unknown tool "Rite". Did you '
            'mean "Write"?'
        ),
    ]


def test_a_value_that_the_text_contradicts_says_where_both_are(tmp_path: Path) -> None:
    text = TEXT.replace('id = "x"', "budget_usd = 2")
    set_ = [*options.directory("."), setting("run.budget_usd=3")]
    assert faults(tmp_path, *set_, text=text) == [
        (
            "m.toml:7: lead.budget_usd: is 2 here, but 3 in run.budget_usd by --set "
            "run.budget_usd=3. Keep one of them"
        )
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "--set '': is no key and value. Write it as --set KEY=VALUE"),
        ("run.max_workers", "--set run.max_workers: is no key and value."),
        ("= 5", "--set '= 5': is no key and value."),
        ("a b = 5", "--set 'a b = 5': is no key and value."),
        ("lead.model=opus", "A text stands in quotes: --set 'lead.model=\"opus\"'"),
        ("lead.model=", "--set lead.model=: has no value of TOML: "),
        ("x=1\nrun.max_workers=2", "holds more than a manifest's line may"),
        ("x = " + "[" * 40 + "]" * 40, "holds more than a manifest's line may"),
        ("x = 1, y = 2", "has no value of TOML"),
    ],
)
def test_what_is_no_assignment_is_said(text: str, said: str) -> None:
    with pytest.raises(ManifestError) as caught:
        setting(text)
    assert said in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_key_inside_of_a_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"--set lead\.id\.x=1: lead\.id: is no table in the"):
        seen(tmp_path, setting("lead.id.x=1"))


def test_options_for_a_lead_that_is_not_there_leave_that_fault_alone(tmp_path: Path) -> None:
    set_ = [*options.directory("."), *options.model("m")]
    (fault,) = faults(tmp_path, *set_, text="[run]\nmax_workers = 1\nbudget_usd = 1\n")
    assert fault.startswith("m.toml: lead: there is no lead.")
