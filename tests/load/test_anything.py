"""Load of anything: no text ends in a traceback or takes long."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from leadhand.domain.manifest import Manifest
from leadhand.errors import ManifestError
from leadhand.load import parse

DATA = Path(__file__).parents[1] / "data"
GOOD = '[run]\nmax_workers = 4\nbudget_usd = 1\n[lead]\nmodel = "m"\nprompt = "Do it."\n'
FILES = ("seed_hierarchical.toml", "seed_leads.toml", "every_key.toml")
# What stands in place of the directories in the manifests exists, so that mutants may be good.
DIRECTORIES = ("/path/to/your/repo", "/tmp/audit-workdir", "other", "repo")
SOURCES = [GOOD, *((DATA / name).read_text() for name in FILES)]
for directory in DIRECTORIES:
    SOURCES = [text.replace(f'directory = "{directory}"', 'directory = "."') for text in SOURCES]
KEYS = [
    *("run", "defaults", "lead", "lead.env", "agents.a", "agents.a.env", 'prices."m"', "task"),
    *("max_workers", "budget_usd", "lead_timeout_secs", "timeout_secs", "max_turns", "grace_secs"),
    *("id", "model", "prompt", "system", "tools", "directory", "add_dirs", "env", "description"),
    *("use_worktree", "allow_subleads", "worktree_cleanup", "input", "output", "x", '""', "a.b"),
]
VALUES = [
    *("1", "-1", "0", "0.5", "1e400", "-inf", "nan", "1e-9999999999999999999", "0x" + "f" * 99),
    *("true", "false", "2030-01-01", "10:00:00", "2030-01-01T10:00:00Z"),
    *('""', '"Read"', '"/"', '"~"', '"~x"', '"\\u0000"', '"on_success"', '"a\\nb"', "'''\nlong'''"),
    *("[]", '["Read", 1]', '["a", "b"]', "[[1]]", "{}", '{ A = "1" }', "{ prompt = 'p' }", "[{}]"),
]
PIECES = [*KEYS, *VALUES, *"[]{}=.,#\"'\\\n\r\0 ", '"""', "'''", "\ufeff", "\u2028", "9" * 5000]

statements = st.one_of(
    st.sampled_from(KEYS).map("[{}]\n".format),
    st.sampled_from(KEYS).map("[[{}]]\n".format),
    st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES)).map(
        lambda pair: "{} = {}\n".format(*pair)
    ),
)


@st.composite
def mutants(draw: st.DrawFn, sources: Sequence[str] = SOURCES) -> str:
    """A good manifest with some stretches of it struck, doubled or replaced."""
    text = draw(st.sampled_from(sources))
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(text)))
        end = start + draw(st.sampled_from([0, 1, 2, 20, 200]))
        text = text[:start] + draw(st.sampled_from(["", text[start:end] * 2, *PIECES])) + text[end:]
    return text


def check(text: str) -> bool:
    """Whether the text is good. It is an error to be neither that nor faulty in words."""
    try:
        found = parse(text, "m.toml", DATA).manifest
    except ManifestError as error:
        faults = error.faults
    else:
        return hold(found)
    last = text.count("\n") + 1
    assert faults
    assert all(0 <= fault.line <= last for fault in faults)
    assert all(str(fault).isprintable() for fault in faults)
    return False


def hold(found: Manifest) -> bool:
    """What every good manifest keeps."""
    assert msgspec.json.decode(msgspec.json.encode(found), type=Manifest) == found
    assert found.lead.prompt.strip()
    assert found.lead.settings.model or found.defaults.model
    assert found.house.budget_nanousd > 0
    for chosen in (found.lead.settings, found.defaults):
        paths = [chosen.directory, *(chosen.add_dirs or ())]
        assert all(Path(path).is_absolute() for path in paths if path is not None)
    return True


@given(st.text())
@example("\ufeff\ufeff")
@example("[lead]\nprompt = '''\n'''\n")
@example("a = 0000-00-00")
def test_no_text_ends_in_a_traceback(text: str) -> None:
    check(text)


@given(st.lists(statements, max_size=12).map("".join))
def test_no_lines_of_a_manifest_end_in_a_traceback(text: str) -> None:
    check(text)


@given(st.lists(statements, max_size=6).map("".join))
def test_nothing_behind_a_good_manifest_ends_in_a_traceback(text: str) -> None:
    check(GOOD + text)


@pytest.mark.slow
@settings(max_examples=1000)
@given(mutants())
def test_no_mutation_of_a_good_manifest_ends_in_a_traceback(text: str) -> None:
    check(text)


def test_the_manifests_that_are_mutated_are_good() -> None:
    assert all(check(text) for text in SOURCES)


@pytest.mark.slow
@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        "lead = " + "[" * 1_000_000,
        "lead" + ".a" * 500_000 + " = 1",
        "[run]\nmax_workers = " + "9" * 1_000_000,
        "[lead]\ntools = [" + '"Rite", ' * 100_000 + "]",
        "[lead.env]\n" + "".join(f'"{number}" = 1\n' for number in range(80_000)),
        "".join(f"[agents.a{number}]\ntools = {['Rite'] * 250}\n" for number in range(500)),
        "".join(f"[agents.a{number}]\nadd_dirs = {['.'] * 250}\n" for number in range(250)),
        "[lead]\n" + "prompt = 'p'\n" * 70_000,
        "[[lead]]\n" * 100_000,
        '[lead]\nprompt = """' + '\\n" ' * 250_000,
    ],
    ids=range(10),
)
def test_no_text_takes_long(text: str) -> None:
    check(text)
