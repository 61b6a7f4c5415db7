"""Reference: the pages of docs/reference say what the code says today."""

import importlib.util
from types import ModuleType

import pytest

from leadhand.cli import VERBS
from leadhand.domain import events as e
from leadhand.domain.manifest import KNOWN_TOOLS
from leadhand.load.schema import schema
from tests.docs.markdown import ROOT


def generator() -> ModuleType:
    """The script that writes the pages."""
    spec = importlib.util.spec_from_file_location(
        "generate_reference", ROOT / "scripts" / "generate_reference.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = generator()
FOLDER = ROOT / "docs" / "reference"


@pytest.mark.parametrize("name", sorted(SCRIPT.PAGES))
def test_a_page_is_what_the_script_would_write(name: str) -> None:
    assert (FOLDER / name).read_text() == SCRIPT.page(name), (
        "run .venv/bin/python scripts/generate_reference.py"
    )


def test_every_page_is_written_by_the_script() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(SCRIPT.PAGES)


def test_nothing_is_left_out() -> None:
    for name in VERBS:
        assert f"\n## {name}\n" in SCRIPT.page("cli.md")
    for name in (*KNOWN_TOOLS, "spawn_worker", "wait_actor", "cancel_worker"):
        assert f"\n### {name}\n" in SCRIPT.page("tools.md")
    for kind in e.Event.__subclasses__():
        assert f"\n### {kind.__name__}\n" in SCRIPT.page("events.md")
    for name, section in schema()["properties"].items():
        page = SCRIPT.page("manifest.md")
        assert f"[{name}" in page
        for key in SCRIPT.keys(section)["properties"]:
            assert f"\n| `{key}` | " in page
