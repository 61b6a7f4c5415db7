"""Validate of anything: whatever stands in a manifest, the answer is its faults or a forecast, in
words and in time; never a traceback."""

import importlib
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from leadhand.cli.checked import Checked, changes, check
from leadhand.cli.outlook import as_json, page
from leadhand.errors import Fault, ManifestError
from tests.load.test_anything import GOOD, KEYS, SOURCES, VALUES, mutants, statements

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXAMPLES = [path.read_text() for path in sorted((ROOT / "examples").glob("*/manifest.toml"))]
MODELS = [
    *("claude-haiku-4-5", "openai:gpt-5", "ollama:x", "moon", ":", "a:", "script:", "script:~x:f"),
    *("script:.", "script:model.py:reply", "script:" + "x" * 300, "script:a.jsonl", "m/é"),
]
PROMPTS = [
    *("Read /tmp/urls.txt", "~/x ../../x /etc/", "tools = ['Rite']", 'model = "moon"'),
    *("${LEADHAND_X} $${HOME} ${", 'agent = "a.b"', "`make x` git push", "budget = 999999999.9"),
    *("/" * 5_000, "/tmp/" + "x" * 5_000, "/tmp/\u202e/\x07", "tools = [" * 500, "\\u0000"),
]
lines = st.one_of(
    statements,
    st.sampled_from(MODELS).map("model = '{}'\n".format),
    st.sampled_from(MODELS).map("[prices.'{}']\ninput = 1\noutput = 1e9\n".format),
    st.sampled_from(PROMPTS).map("prompt = '''{}'''\n".format),
    st.sampled_from(PROMPTS).map('prompt = "{}"\n'.format),
    st.integers(0, 9**9).map("budget_usd = {}e-9\n".format),
)
KEYED = {"ANTHROPIC_API_KEY": "sk-of-a-test", "OPENAI_API_KEY": "sk-of-a-test"}


def hold(said: list[Fault]) -> None:
    """What is said can be printed."""
    assert all(str(each).isprintable() for each in said)


def seen(text: str, *assignments: str) -> Checked | None:
    """What validate finds; None where it is no TOML. It is an error to be neither."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.toml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            checked = check(path, changes(None, None, assignments))
        except ManifestError as error:
            hold(error.faults)
            return None
    hold([*checked.faults, *checked.warnings, *checked.notes])
    assert bool(checked.faults) == (checked.forecast is None)
    if checked.forecast is not None:
        assert all(isinstance(line, str) for line in page(checked.forecast))
        msgspec.json.encode(as_json(checked.forecast))
    return checked


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    # What other providers need takes seconds to load, once.
    importlib.import_module("leadhand.models.providers")


@pytest.fixture(autouse=True)
def _with_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYED.items():
        monkeypatch.setenv(name, value)


calmly = settings(
    max_examples=150,
    deadline=2_000,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@calmly
@given(st.lists(lines, max_size=12).map("".join))
@example("[prices.'script:~nobody:f']\ninput = 1\noutput = 1\n" + GOOD.replace('"m"', '"gpt-5"'))
@example(GOOD.replace('"m"', '"gpt-5"').replace("budget_usd = 1", "budget_usd = 1e-9"))
def test_no_manifest_ends_in_a_traceback(text: str) -> None:
    seen(text)
    seen(GOOD.replace('model = "m"\n', "") + text)


@calmly
@given(mutants([*SOURCES, *EXAMPLES]))
def test_no_mutation_of_an_example_ends_in_a_traceback(text: str) -> None:
    seen(text)


@calmly
@given(
    st.lists(
        st.one_of(
            st.tuples(
                st.sampled_from(KEYS), st.sampled_from([*KEYS, ""]), st.sampled_from(VALUES)
            ).map("{0[0]}.{0[1]}={0[2]}".format),
            st.text(max_size=20),
        ),
        max_size=4,
    )
)
def test_no_option_ends_in_a_traceback(assignments: list[str]) -> None:
    seen(SOURCES[0].replace('"m"', '"gpt-5"'), *assignments)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", ["/tmp/a ", "`make x` ", 'model = "a:b" ', "tools = [x", "$${A}"])
def test_no_prompt_takes_long(piece: str) -> None:
    prompt = piece * (900_000 // len(piece))
    checked = seen(f"[lead]\nmodel = 'gpt-5'\nprompt = '''{prompt}'''\n")
    assert checked is not None
    assert not checked.faults
