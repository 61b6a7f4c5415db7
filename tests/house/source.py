"""Source: the package's files as the rules of the house see them."""

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.house.exceptions import EXCEPTIONS

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "leadhand"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One file: its path inside the package (`domain/money.py`) and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def name(self) -> str:
        """The name to import it by: `leadhand.domain.money`."""
        parts = ["leadhand", *self.path.removesuffix(".py").split("/")]
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class Breach(NamedTuple):
    """A rule broken. `where` is what a line of exceptions.py names: `path` or `path::name`."""

    where: str
    what: str


Checker = Callable[[Module], Iterable[Breach]]


def modules() -> list[Module]:
    """Every file of the package."""
    paths = sorted(PACKAGE.rglob("*.py"))
    if not paths:
        pytest.fail(f"there is no Python file under {PACKAGE}")
    return [Module(path.relative_to(PACKAGE).as_posix(), path.read_text()) for path in paths]


def module(path: str) -> Module:
    """One file of the package; the test fails where it does not exist."""
    file = PACKAGE / path
    if not file.is_file():
        pytest.fail(f"src/leadhand/{path} does not exist")
    return Module(path, file.read_text())


def functions(module: Module) -> Iterator[Function]:
    """Every function of a file, methods and inner ones included."""
    for node in ast.walk(module.tree):
        if isinstance(node, Function):
            yield node


def classes(module: Module) -> Iterator[ast.ClassDef]:
    """Every class of a file, inner ones included."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef):
            yield node


def imported(node: ast.AST) -> list[str]:
    """The dotted names that an import statement asks for; none for any other node."""
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(name), names=names):
            return [f"{name}.{alias.name}" for alias in names]
        case _:
            return []


def called(node: ast.AST) -> str:
    """The last name of what a call calls: `open` for both open() and io.open()."""
    match node:
        case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
            return name
        case _:
            return ""


def broken(check: Checker, files: Iterable[Module]) -> list[Breach]:
    """All breaches that a checker finds in these files."""
    return [breach for file in files for breach in check(file)]


def hold(rule: str, breaches: Iterable[Breach]) -> None:
    """Fail on a breach that exceptions.py does not name, and on a line there that is stale."""
    found = list(breaches)
    allowed = EXCEPTIONS.get(rule, {})
    new = [f"{breach.where}: {breach.what}" for breach in found if breach.where not in allowed]
    assert not new, f"{rule}:\n  " + "\n  ".join(new)
    stale = sorted(allowed.keys() - {breach.where for breach in found})
    assert not stale, f"no exception any more, strike it from tests/house/exceptions.py: {stale}"
