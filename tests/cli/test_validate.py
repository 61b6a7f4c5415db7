"""Validate: all that is wrong with a manifest is said before anything is spent, and what it may
come to where nothing is."""

from pathlib import Path

import pytest

from leadhand.cli.checked import changes, check
from tests.cli.kit import Desk

pytestmark = pytest.mark.slow

DATA = Path(__file__).parents[1] / "data"
SEEDS = ("seed_hierarchical.toml", "seed_leads.toml")
KEY = {"ANTHROPIC_API_KEY": "sk-of-a-test"}
BAD = """\
[run]
budget = 2
max_workers = 4
budget_usd = 0.01
lead_timeout_secs = "never"
[providers.mine]
base_url = "https://models.example.com"
[defaults]
model = "claude-haiku-4-5"
[lead]
id = "x"
model = "mine:nobody-knows-it"
directory = "nowhere"
prompt = "Do it."
[agents.a]
model = "script:gone.py:f"
tools = ["Rede"]
[agents.b]
model = "moon"
"""


def seed(at: Desk, name: str) -> str:
    """A seed's manifest, to the letter, on the desk."""
    (at.folder / name).write_bytes((DATA / name).read_bytes())
    return name


@pytest.mark.parametrize(
    ("name", "line", "directory"),
    [(SEEDS[0], 10, "/path/to/your/repo"), (SEEDS[1], 4, "/nowhere/audit")],
)
def test_a_seed_to_the_letter_has_no_fault_but_a_directory_that_does_not_exist(
    at: Desk, name: str, line: int, directory: str
) -> None:
    text = (DATA / name).read_text().replace("/tmp/audit-workdir", directory)
    (at.folder / name).write_text(text)
    done = at.run("validate", name, env=KEY)
    faults = [each for each in done.out.splitlines() if not each.startswith(("warning", "note"))]
    assert done.code == 2
    assert faults == [
        (
            f'{name}:{line}: lead.directory: "{directory}" does not exist. Make it, or name the '
            "directory to work in"
        ),
        f"{name}: 1 fault. Nothing was started.",
    ]


@pytest.mark.parametrize("name", SEEDS)
def test_a_seed_with_its_directory_has_no_fault(at: Desk, name: str) -> None:
    done = at.run("validate", seed(at, name), "--directory", ".", "--json", env=KEY)
    assert (done.code, done.err, done.json["faults"]) == (0, "", [])
    unset = {each["key"] for each in done.json["warnings"]}
    assert unset == (set() if name == SEEDS[0] else {"run.max_workers", "run.budget_usd"})
    (note,) = done.json["notes"]
    assert note["mend"].startswith("Permit it under [lead]: add_dirs = [")


def test_more_than_the_seeds_sixteen_workers_are_remarked_on_and_no_fault(at: Desk) -> None:
    words = ("--directory", ".", "--set", "run.max_workers=17", "--json")
    done = at.run("validate", seed(at, SEEDS[0]), *words, env=KEY)
    assert done.code == 0
    assert "more than 16 workers" in done.json["warnings"][0]["message"]


def test_every_fault_is_said_at_once_with_its_line_and_mend(at: Desk) -> None:
    (at.folder / "bad.toml").write_text(BAD)
    done = at.run("validate", "bad.toml", env=KEY)
    assert done.code == 2
    lines = done.out.splitlines()
    assert [each.split(": ")[:2] for each in lines[:-1]] == [
        ["bad.toml:2", "run.budget"],
        ["bad.toml:5", "run.lead_timeout_secs"],
        ["bad.toml:12", "lead.model"],
        ["bad.toml:13", "lead.directory"],
        ["bad.toml:16", "agents.a.model"],
        ["bad.toml:17", "agents.a.tools[0]"],
        ["bad.toml:19", "agents.b.model"],
    ]
    assert '[prices."mine:nobody-knows-it"]' in lines[2]
    assert "there is no file" in lines[4]
    assert "does not say who serves it" in lines[6]
    assert lines[-1] == "bad.toml: 7 faults. Nothing was started."
    assert not at.runs.exists()


def test_a_key_that_is_not_in_the_environment_is_a_fault_at_its_model(at: Desk) -> None:
    done = at.run("validate", seed(at, SEEDS[0]), "--directory", ".")
    assert done.code == 2
    assert f"{SEEDS[0]}:6: defaults.model: the model" in done.out
    assert "ANTHROPIC_API_KEY is not set" in done.out


def test_a_budget_that_does_not_pay_the_first_call_is_a_fault_at_its_line(at: Desk) -> None:
    name = seed(at, SEEDS[0])
    path = at.folder / name
    path.write_text(path.read_text().replace("budget_usd = 2.00", "budget_usd = 0.02"))
    done = at.run("validate", name, "--directory", ".", env=KEY)
    assert done.code == 2
    assert f"{name}:3: run.budget_usd: $0.02 does not pay the lead's first call" in done.out
    assert ". Give it at least 0.0" in done.out


def test_an_agent_that_never_fits_beside_the_report_is_a_warning(at: Desk) -> None:
    words = ("--directory", ".", "--set", "agents.dear.budget_usd=2", "--json")
    done = at.run("validate", seed(at, SEEDS[0]), *words, env=KEY)
    assert done.code == 0
    (warning,) = done.json["warnings"]
    assert (warning["key"], warning["line"]) == ("run.budget_usd", 3)
    assert warning["message"].startswith("not one worker of agent dear fits: budget exceeded")


def test_a_cap_that_another_never_lets_be_reached_is_a_warning(at: Desk) -> None:
    words = ("--directory", ".", "--set", "run.max_total_spawns=3", "--json")
    done = at.run("validate", seed(at, SEEDS[0]), *words, env=KEY)
    assert done.json["warnings"][0]["message"] == (
        "4 workers are never reached: max_total_spawns allows 3 in all"
    )


def test_the_page_ends_with_the_tree_and_what_it_comes_to_at_worst(at: Desk) -> None:
    words = ("--directory", ".", "--set", 'agents.strict.tools=["Read"]')
    done = at.run("validate", seed(at, SEEDS[0]), *words, env=KEY)
    assert done.code == 0
    tree, _, rest = done.out.partition("At worst")
    lead, worker, agent, caps = tree.strip().splitlines()[-4:]
    assert lead.split()[:3] == ["★", "digest", "claude-haiku-4-5"]
    assert worker.split()[:2] == ["▸", "worker"]
    assert agent.split()[:4] == ["▸", "strict", "claude-haiku-4-5", "Read"]
    assert caps == "at most 4 workers at a time, 1,000 in all"
    assert "cost  $2.00 for everything" in rest
    assert "time  26 min: 15 min for the lead, then twice 30 s of grace, and 10 min for" in rest
    assert "claude-haiku-4-5  $1.00 input, $5.00 output per million tokens" in rest


def test_a_script_is_unpriced_and_local(at: Desk) -> None:
    at.gate()
    done = at.run("validate", "manifest.toml", "--json")
    assert done.code == 0
    (model,) = done.json["run"]["models"]
    assert model == {"model": f"script:{at.folder}/model.py:reply", "price": "unpriced: local"}
    assert "script:model.py:reply  unpriced: local" in at.run("validate", "manifest.toml").out


def test_programs_get_faults_in_parts(at: Desk) -> None:
    (at.folder / "bad.toml").write_text("[lead]\nmodel = 1\n")
    done = at.run("validate", "bad.toml", "--json")
    assert (done.code, done.json["valid"], done.json["run"]) == (2, False, None)
    assert done.json["faults"][1] == {
        "file": "bad.toml",
        "line": 2,
        "key": "lead.model",
        "message": "expected a text, found 1",
        "mend": 'Write it in quotes: "1"',
    }
    done = at.run("validate", "gone.toml", "--json")
    assert (done.code, done.json["faults"][0]["line"]) == (2, None)


def test_a_script_in_a_prompt_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('loaded')")
    text = f'[lead]\nmodel = "moon"\nprompt = """model = "script:{tmp_path}/evil.py:f" """\n'
    (tmp_path / "m.toml").write_text(text)
    checked = check(tmp_path / "m.toml", changes(None, None, ()))
    assert "only the operator names one" in str(checked.notes[0]) + checked.notes[0].mend


def test_sub_leads_are_in_the_tree_with_what_they_may_cost(at: Desk) -> None:
    sets = ("lead.allow_subleads=true", "lead.max_subleads=2", "sublead_defaults.budget_usd=0.25")
    words = [word for each in sets for word in ("--set", each)]
    done = at.run("validate", seed(at, SEEDS[0]), "--directory", ".", *words, env=KEY)
    assert done.code == 0, done.err
    tree, _, rest = done.out.partition("At worst")
    assert "☆ sub-lead  claude-haiku-4-5" in tree
    assert "$0.25 envelope" in tree
    assert (
        "at most 2 sub-leads at a time on 1 level, each with at most 4 workers of its own; "
        "12 workers at a time in the whole run"
    ) in tree
    assert "cost  $2.00 for everything" in rest
    assert "sub-leads, and all below them, spend of it: each at most $1.9" in rest
    assert "a sub-lead, and its waits for workers" in rest
    told = at.run("validate", SEEDS[0], "--directory", ".", *words, "--json", env=KEY).json["run"]
    assert told["subleads"]["sublead"]["budget_usd"] == 0.25
    assert told["worst_case_usd"] == 2.0


def test_a_sub_lead_that_never_fits_is_a_warning(at: Desk) -> None:
    sets = ("lead.allow_subleads=true", "sublead_defaults.budget_usd=2")
    words = [word for each in sets for word in ("--set", each)]
    done = at.run("validate", seed(at, SEEDS[0]), "--directory", ".", *words, "--json", env=KEY)
    assert done.code == 0
    assert done.json["warnings"][-1]["message"].startswith("not one sub-lead fits: budget exceeded")


def test_figures_of_sub_leads_without_leave_are_a_warning_and_wrong_ones_a_fault(at: Desk) -> None:
    words = ("--directory", ".", "--set", "lead.max_subleads=2", "--json")
    done = at.run("validate", seed(at, SEEDS[0]), *words, env=KEY)
    assert "since allow_subleads is not true" in done.json["warnings"][0]["message"]
    words = ("--directory", ".", "--set", "lead.max_depth=9", "--json")
    done = at.run("validate", SEEDS[0], *words, env=KEY)
    assert (done.code, done.json["faults"][0]["key"]) == (2, "lead.max_depth")
