"""Docstrings: each file says in one line what it is, and nothing public is undocumented."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.house.source import Breach, Function, Module, broken, hold, modules

PURPOSE = re.compile(r"[A-Z][^:]*: \S.*\.")


def purpose(module: Module) -> Iterator[Breach]:
    """The file, if it does not open with a line such as `Money: integers of nano-dollars.`."""
    docstring = ast.get_docstring(module.tree) or ""
    first, *rest = docstring.splitlines() or [""]
    if not PURPOSE.fullmatch(first) or (rest and rest[0]):
        yield Breach(module.path, 'must open with one line, "Noun: what it is or does."')


def undocumented(module: Module) -> Iterator[Breach]:
    """Public classes and functions of the file, and methods of its ports, without a docstring."""
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef) and is_port(node):
            yield from undocumented_in(module.path, [node, *node.body])
        else:
            yield from undocumented_in(module.path, [node])


def undocumented_in(path: str, nodes: list[ast.stmt | ast.ClassDef]) -> Iterator[Breach]:
    """Those of the nodes that are public and have no docstring."""
    for node in nodes:
        if not isinstance(node, ast.ClassDef | Function) or node.name.startswith("_"):
            continue
        if not ast.get_docstring(node):
            yield Breach(f"{path}::{node.name}", "has no docstring")


def is_port(node: ast.ClassDef) -> bool:
    """Whether a class is a Protocol: its methods are promises, so each says what it promises."""
    return any("Protocol" in ast.unparse(base) for base in node.bases)


def test_every_file_begins_with_a_line_that_says_what_it_is() -> None:
    hold("every file begins with a purpose line", broken(purpose, modules()))


def test_nothing_public_is_undocumented() -> None:
    hold("nothing public is undocumented", broken(undocumented, modules()))


@pytest.mark.parametrize(
    "text",
    [
        "x = 1\n",
        '"""Money in nano-dollars."""\n',
        '"""Money: integers of nano-dollars"""\n',
        '"""money: integers of nano-dollars."""\n',
        '"""Money: integers\nof nano-dollars."""\n',
    ],
)
def test_a_file_without_a_purpose_line_is_caught(text: str) -> None:
    assert list(purpose(Module("bad.py", text)))


def test_a_purpose_line_may_be_followed_by_a_law() -> None:
    text = '"""Money: integers of nano-dollars.\n\nNever floats of dollars.\n"""\n'
    assert not list(purpose(Module("good.py", text)))


def test_what_is_public_and_undocumented_is_caught() -> None:
    text = """
class Store(Protocol):
    '''A store.'''
    async def read(self): ...

class Kept: pass
class _Private: pass
def run(): pass
def _private(): pass
def told():
    '''Says so.'''
    def inner(): pass
"""
    found = [breach.where for breach in undocumented(Module("bad.py", text))]
    assert found == ["bad.py::read", "bad.py::Kept", "bad.py::run"]
