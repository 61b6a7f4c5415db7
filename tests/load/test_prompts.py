"""Prompts: what a prompt speaks of that will be refused is noted, with the line that permits it."""

from pathlib import Path

import pytest

from leadhand.load import prompts, read
from leadhand.refusals import UnknownModel
from leadhand.tools.work.git import _COMMANDS

HEAD = "[run]\nmax_workers = 4\nbudget_usd = 1\n"
DATA = Path(__file__).parents[1] / "data"


def judge(name: str) -> None:
    """Every model can be used but those called none."""
    if name == "none":
        raise UnknownModel('the model "none" has no known price', "Use another.")


def notes(prompt: str, base: Path, lead: str = "", rest: str = "") -> list[str]:
    """What is noted of a lead's prompt, without file and key."""
    text = f"{HEAD}{rest}[lead]\nmodel = 'm'\n{lead}prompt = '''\n{prompt}'''\n"
    found = read(text, "m.toml", base)
    assert [*map(str, found.report.faults)] == []
    prompts.lint(found, judge)
    every = [str(each).removeprefix("m.toml:") for each in found.report.notes]
    return [each.replace(" lead.prompt:", "") for each in every]


# Places


def test_a_place_outside_the_directory_is_noted_with_the_line_that_permits_it(
    tmp_path: Path,
) -> None:
    told = notes("Read\n/tmp/urls.txt, then write\n/tmp/out/<name>.md and /tmp/x.txt.", tmp_path)
    refused = "lies outside the directory and add_dirs, so file tools refuse it"
    assert told == [
        f'8: "/tmp/urls.txt" {refused}. Permit it under [lead]: add_dirs = ["/tmp"]',
    ]
    told = notes("Write /tmp/out/<name>.md, /tmp/out/SUMMARY.md, /srv/a/ and /srv/a/b", tmp_path)
    assert told == [
        f'7: "/tmp/out/<name>.md" {refused}. Permit it under [lead]: add_dirs = ["/tmp/out"]',
        f'7: "/srv/a/" {refused}. Permit it under [lead]: add_dirs = ["/srv/a"]',
    ]


def test_the_mend_names_the_add_dirs_that_are_there_already(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    told = notes("Read /tmp/urls.txt", tmp_path, lead='add_dirs = ["d"]\n')
    assert told[0].endswith('. Permit it: add "/tmp" to lead.add_dirs on line 6')
    told = notes("Read /tmp/urls.txt", tmp_path, rest='[defaults]\nadd_dirs = ["d"]\n')
    assert told[0].endswith('. Permit it: add "/tmp" to defaults.add_dirs on line 5')


def test_what_lies_inside_of_a_directory_of_anybodys_is_fine(tmp_path: Path) -> None:
    work, more = tmp_path / "work", tmp_path / "more"
    work.mkdir()
    more.mkdir()
    prompt = f"Read {work}/a.txt, {more}/b.txt and ../more/c.txt; not {tmp_path}/d.txt."
    lead = f'directory = "{work}"\n'
    told = notes(prompt, tmp_path, lead=lead + f'add_dirs = ["{more}"]\n')
    assert [each.partition(" lies")[0] for each in told] == [f'9: "{tmp_path}/d.txt"']
    told = notes(prompt, tmp_path, lead=lead, rest=f'[agents.a]\nadd_dirs = ["{more}"]\n')
    assert len(told) == 1
    assert len(notes(prompt, tmp_path, lead=lead)) == 2


def test_a_link_is_where_it_leads(tmp_path: Path) -> None:
    work, link = tmp_path / "work", tmp_path / "link"
    work.mkdir()
    link.symlink_to(work)
    assert notes(f"Read {link}/a.txt", tmp_path, lead='directory = "work"\n') == []


def test_a_home_is_noted_since_file_tools_do_not_know_it(tmp_path: Path) -> None:
    told = notes("Read ~/notes.txt and ~/more.txt.", tmp_path)
    assert told == [
        (
            '7: file tools do not take "~/notes.txt": ~ stays as it is. Write the whole path, and '
            "permit it with add_dirs"
        )
    ]


@pytest.mark.parametrize(
    "prompt",
    [
        "Fetch https://example.com/tmp/x and http://a/etc/passwd",
        "Either and/or 24/7, /api/v1/users, </tmp> or ${HOME}/etc/x",
        "Run it with 2>/dev/null under /usr/bin/env, reading /proc/cpuinfo",
        "Use <a/b>, a regex such as /foo/, text/html, ./etc/x and build/tmp/x",
        "/",
    ],
)
def test_what_is_no_place_of_this_machine_is_not_noted(prompt: str, tmp_path: Path) -> None:
    assert notes(prompt, tmp_path) == []


# Tools


def test_a_tool_that_nobody_has_is_noted_with_the_line_that_gives_it(tmp_path: Path) -> None:
    told = notes("Have each worker\nfetch it using WebFetch.", tmp_path)
    every = '"Read", "Write", "Edit", "Bash", "Git", "Glob", "Grep"'
    assert told == [
        (
            "8: nobody has the tool WebFetch. Give it to workers under [defaults]: "
            f'tools = [{every}, "WebFetch"]'
        )
    ]
    rest = '[defaults]\ntools = ["Read"]\n'
    told = notes("Use the Bash tool or `Edit`; Write it, Grep for it.", tmp_path, rest=rest)
    assert [each.partition(". ")[0] for each in told] == [
        "9: nobody has the tool Edit",
        "9: nobody has the tool Bash",
    ]


@pytest.mark.parametrize(
    ("lead", "rest"),
    [
        ('tools = ["WebFetch"]\n', ""),
        ("", '[defaults]\ntools = ["WebFetch"]\n'),
        ("", '[agents.a]\ntools = ["WebFetch"]\n'),
    ],
)
def test_a_tool_that_somebody_has_is_not_noted(lead: str, rest: str, tmp_path: Path) -> None:
    assert notes("Use WebFetch.", tmp_path, lead, rest) == []


def test_a_tool_that_the_prompt_has_workers_given_is_not_noted(tmp_path: Path) -> None:
    assert notes('tools = ["WebFetch", "Read"]\nFetch using WebFetch.', tmp_path) == []


def test_a_tool_that_does_not_exist_is_noted(tmp_path: Path) -> None:
    told = notes('Spawn with tools: ["WebFetsh",\n"Moon"]', tmp_path)
    assert [each.partition(" a spawn")[2] for each in told] == [
        ' with it is refused. Did you mean "WebFetch"?',
        " with it is refused. There are Read, Write, Edit, Bash, Git, Glob, Grep, WebFetch",
    ]


# Commands


def test_a_command_that_nobody_can_run_is_noted(tmp_path: Path) -> None:
    rest = '[defaults]\ntools = ["Read", "Git"]\n'
    give = 'Give it to workers under [defaults]: tools = ["Read", "Git", "Bash"]'
    needs = "needs Bash, which nobody has"
    assert notes("Then\ngit push origin", tmp_path, rest=rest) == [
        f'10: "git push" {needs}. {give}'
    ]
    assert notes("Run `make test`.", tmp_path, rest=rest) == [f'9: "make test" {needs}. {give}']
    assert notes("$ cargo build", tmp_path, rest=rest) == [f'9: "cargo build" {needs}. {give}']


def test_a_command_that_somebody_can_run_or_that_is_prose_is_not_noted(tmp_path: Path) -> None:
    rest = '[defaults]\ntools = ["Read", "Git"]\n'
    assert notes("git log --oneline\nmake sure of it, go on", tmp_path, rest=rest) == []
    assert notes("git push\n`make test`", tmp_path) == []


def test_the_commands_that_git_takes_are_those_of_the_tool() -> None:
    assert sorted(_COMMANDS) == [*prompts.GIT_LOOKS]


# Agents, models, budgets


def test_what_a_spawn_would_be_refused_for_is_noted(tmp_path: Path) -> None:
    prompt = 'agent = "reviewr", model = "none"\nmodel = "good"\nmodel: "script:evil.py:f"\n'
    told = notes(prompt + "budget_usd = 1.50", tmp_path, rest="[agents.reviewer]\n")
    assert told == [
        '8: the manifest has no agent "reviewr". Did you mean "reviewer"?',
        '8: the model "none" has no known price. Use another',
        (
            '10: the manifest does not name the model "script:evil.py:f". A script is code, so '
            "only the operator names one. Use a model of the manifest"
        ),
        (
            "11: a worker's 1.50 US dollars are more than the budget of the whole run, $1.00. "
            "Lower it, or raise run.budget_usd"
        ),
    ]


# Seeds


@pytest.mark.parametrize(
    ("name", "line", "place", "permitted"),
    [
        ("seed_hierarchical.toml", 16, "/tmp/digest/<author-slug>.md", "/tmp/digest"),
        ("seed_leads.toml", 9, "/tmp/urls.txt", "/tmp"),
    ],
)
def test_the_seeds_are_noted_the_one_place_that_lies_outside(
    name: str, line: int, place: str, permitted: str, tmp_path: Path
) -> None:
    text = (DATA / name).read_text()
    for directory in ("/path/to/your/repo", "/tmp/audit-workdir"):
        text = text.replace(f'directory = "{directory}"', f'directory = "{tmp_path}"')
    found = read(text, "m.toml", tmp_path)
    prompts.lint(found, judge)
    assert [str(each) for each in found.report.notes] == [
        (
            f'm.toml:{line}: lead.prompt: "{place}" lies outside the directory and add_dirs, so '
            f'file tools refuse it. Permit it under [lead]: add_dirs = ["{permitted}"]'
        )
    ]
    mended = text.replace("prompt =", f'add_dirs = ["{permitted}"]\nprompt =')
    found = read(mended, "m.toml", tmp_path)
    prompts.lint(found, judge)
    assert found.report.notes == []
