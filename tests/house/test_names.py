"""Names: words that say nothing are in no file's and no class's name."""

import re
from collections.abc import Iterator

import pytest

from tests.house.source import ROOT, Breach, Module, broken, classes, functions, hold, modules

EMPTY_WORDS = frozenset(
    "base common core handler helper manager misc mixin processor service util".split()
)
BRITISH = re.compile(
    r"\b\w*(?:behaviour|colour|honour|favour|licence|catalogue|serialis|normalis|organis"
    r"|initialis|summaris|recognis|authoris|synchronis|analyse)\w*",
    re.IGNORECASE,
)


def words(name: str) -> list[str]:
    """The words of a CamelCase or snake_case name, in lower case and singular."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return [part.lower().removesuffix("s") for part in parts]


def empty_words(module: Module) -> Iterator[Breach]:
    """Words that say nothing, in the file's path or in a class's name."""
    for part in module.path.removesuffix(".py").split("/"):
        for word in EMPTY_WORDS.intersection(words(part)):
            yield Breach(module.path, f'"{word}" in a file name says nothing')
    for node in classes(module):
        for word in EMPTY_WORDS.intersection(words(node.name)):
            yield Breach(f"{module.path}::{node.name}", f'"{word}" in a class name says nothing')


def british_words(module: Module) -> Iterator[Breach]:
    """British spellings; the field's APIs are American."""
    for number, line in enumerate(module.text.splitlines(), 1):
        for match in BRITISH.finditer(line):
            yield Breach(module.path, f"line {number}: {match[0]} is not the American spelling")


def unfit_test_names(module: Module) -> Iterator[Breach]:
    """Tests whose names are not sentences of at least three words."""
    for function in functions(module):
        if function.name.startswith("test") and function.name.count("_") < 3:
            yield Breach(f"{module.path}::{function.name}", "a test's name is a sentence")


def test_no_file_or_class_name_holds_an_empty_word() -> None:
    hold("no empty word in a name", broken(empty_words, modules()))


def test_spelling_is_american() -> None:
    hold("spelling is American", broken(british_words, modules()))


def test_the_name_of_a_test_is_a_sentence() -> None:
    paths = sorted((ROOT / "tests").rglob("test_*.py"))
    tests = [Module(path.relative_to(ROOT).as_posix(), path.read_text()) for path in paths]
    hold("a test's name is a sentence", broken(unfit_test_names, tests))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("engine/utils.py", ""),
        ("common/money.py", ""),
        ("spawn_helpers.py", ""),
        ("spawn.py", "class SpawnManager: ..."),
        ("spawn.py", "class BaseTool: ..."),
        ("spawn.py", "class HTTPHandler: ..."),
    ],
)
def test_an_empty_word_is_caught(path: str, text: str) -> None:
    assert list(empty_words(Module(path, text)))


def test_a_word_that_only_contains_an_empty_one_is_fine() -> None:
    assert not list(empty_words(Module("stores/database.py", "class Scores: ...")))


def test_a_british_word_is_caught() -> None:
    assert list(british_words(Module("bad.py", "# The default behaviour.\n")))


def test_a_test_name_that_is_no_sentence_is_caught() -> None:
    assert list(unfit_test_names(Module("test_kv.py", "def test_put(): ...")))
