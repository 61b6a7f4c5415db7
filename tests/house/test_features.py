"""Features: each is a file of rules, a test file, and a section in every list of facts.

Sections are marked `# --- budget` and stand in the order of the files in domain/rules.
"""

import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest
from msgspec import Struct

from tests.house.source import PACKAGE, ROOT, Breach, Module, hold, module, modules

# Folder of features -> where their tests are. `tools/work/read.py` is tested under tests/tools.
TESTED_FOLDERS = {"domain/rules": "rules", "tools": "tools", "views": "views"}
STRIPED_FILES = (
    *("commands", "run_commands", "shared_commands", "steer_commands"),
    *("events", "call_events", "contract_events", "notice_events", "shared_events", "steer_events"),
    *("state", "actor_state", "shared_state", "decide", "evolve", "due"),
)
SECTION = re.compile(r"^\s*# -{2,} *(\w+)", re.MULTILINE)


def untested(files: list[Module], tests: Path) -> Iterator[Breach]:
    """Feature files without a test file of their name."""
    for file in files:
        stem = Path(file.path).stem
        for folder, test_folder in TESTED_FOLDERS.items():
            if not file.path.startswith(f"{folder}/") or stem.startswith("__"):
                continue
            if not any((tests / test_folder).rglob(f"test_{stem}.py")):
                yield Breach(file.path, f"has no tests/{test_folder}/test_{stem}.py")


def kinds(module: ModuleType) -> list[type[Struct]]:
    """The commands or events of a module: its tagged structs that no other derives from."""
    structs = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Struct)
        and value.__module__ == module.__name__
        and value.__struct_config__.tag is not None
    ]
    return [
        kind for kind in structs if not any(s is not kind and issubclass(s, kind) for s in structs)
    ]


def without_entry(
    kinds: list[type[Struct]], table: Mapping[type[Struct], object], name: str
) -> Iterator[Breach]:
    """Kinds that a table has no function for, and functions for what is not a kind."""
    for kind in kinds:
        if kind not in table:
            yield Breach(kind.__name__, f"is not a key of {name}")
    for key in table:
        if key not in kinds:
            yield Breach(key.__name__, f"is a key of {name}, but is not defined beside the others")


def stray_sections(file: Module, features: set[str]) -> Iterator[Breach]:
    """The file, if a section of it names no feature or stands out of order."""
    names = SECTION.findall(file.text)
    for name in names:
        if name not in features:
            yield Breach(file.path, f"section {name} has no domain/rules/{name}.py")
    if names != sorted(set(names)):
        yield Breach(file.path, f"sections stand in the order {names}; sort them, each once")


def domain(name: str) -> ModuleType:
    """One module of the domain, imported; the test fails where it does not exist."""
    module(f"domain/{name}.py")
    return importlib.import_module(f"leadhand.domain.{name}")


def test_every_feature_has_a_test_file() -> None:
    hold("a test file per feature", untested(modules(), ROOT / "tests"))


@pytest.mark.parametrize(
    ("facts", "file", "table"),
    [
        ("commands run_commands shared_commands steer_commands", "decide", "DECIDE"),
        (
            "events call_events contract_events notice_events shared_events steer_events",
            "evolve",
            "EVOLVE",
        ),
    ],
)
def test_every_command_and_event_has_its_rule(facts: str, file: str, table: str) -> None:
    entries = getattr(domain(file), table)
    hold(
        f"every one of {facts} is a key of {table}",
        without_entry(
            [kind for name in facts.split() for kind in kinds(domain(name))], entries, table
        ),
    )


def test_sections_are_named_after_features_and_stand_in_one_order() -> None:
    features = {path.stem for path in (PACKAGE / "domain" / "rules").glob("*.py")}
    striped = {f"domain/{name}.py" for name in STRIPED_FILES}
    found = [
        breach
        for file in modules()
        if file.path in striped
        for breach in stray_sections(file, features)
    ]
    hold("features are stripes", found)


def test_a_feature_without_a_test_file_is_caught(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "test_budget.py").touch()
    files = [
        Module("domain/rules/__init__.py", ""),
        Module("domain/rules/budget.py", ""),
        Module("domain/rules/caps.py", ""),
        Module("tools/work/read.py", ""),
        Module("engine/clock.py", ""),
    ]
    found = [breach.where for breach in untested(files, tmp_path)]
    assert found == ["domain/rules/caps.py", "tools/work/read.py"]


def test_a_command_without_a_rule_is_caught() -> None:
    facts = ModuleType("facts")

    class Command(Struct, tag=True):
        pass

    class SpawnActor(Command):
        pass

    class CancelActor(Command):
        pass

    class Detail(Struct):
        pass

    for kind in (Command, SpawnActor, CancelActor, Detail):
        kind.__module__ = "facts"
        setattr(facts, kind.__name__, kind)
    assert kinds(facts) == [SpawnActor, CancelActor]
    found = without_entry(kinds(facts), {SpawnActor: print, Detail: print}, "DECIDE")
    assert [breach.where for breach in found] == ["CancelActor", "Detail"]


@pytest.mark.parametrize(
    "text",
    [
        "# --- actor\n# --- brain\n",
        "# --- run\n# --- actor\n",
        "# --- actor\n# --- run\n# --- actor\n",
        "TABLE = {\n    # --- run\n    # --- actor\n}\n",
    ],
)
def test_a_section_without_a_feature_or_out_of_order_is_caught(text: str) -> None:
    features = {"actor", "run"}
    assert list(stray_sections(Module("events.py", text), features))
    assert not list(stray_sections(Module("events.py", "# --- actor\n# --- run\n"), features))
