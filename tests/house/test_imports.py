"""Imports: at the top of the file, and in the domain only what is pure."""

import ast
import sys
from collections.abc import Iterator

import pytest

from tests.house.source import (
    Breach,
    Module,
    broken,
    called,
    functions,
    hold,
    imported,
    modules,
)

# Where an import may wait until it is needed, and why.
LAZY_PLACES = {
    "__init__.py": "the public API loads each name when it is first asked for",
    "cli/": "a verb loads what it needs, so that --help stays quick",
    "testing/": "the test kit must not load what a test does not use",
    "wiring.py": "only what a manifest names is loaded",
    "agent_wiring.py": "only the agents that a manifest names are loaded",
    "model_wiring.py": "only the models that a manifest names are loaded",
}
IMPURE_MODULES = frozenset(
    """asyncio contextvars datetime glob http io logging multiprocessing os pathlib queue random
    secrets select selectors shutil signal socket sqlite3 ssl subprocess sys tempfile threading
    time urllib uuid""".split()
)
IMPURE_CALLS = frozenset({"__import__", "eval", "exec", "input", "open", "print"})
DOMAIN_NEEDS = ("leadhand.domain", "leadhand.errors", "leadhand.refusals", "msgspec")


def inner_imports(module: Module) -> Iterator[Breach]:
    """Imports inside a function, outside the lazy places."""
    if module.path.startswith(tuple(LAZY_PLACES)):
        return
    for function in functions(module):
        for node in ast.walk(function):
            if imported(node) or called(node) in {"import_module", "__import__"}:
                where = f"{module.path}::{function.name}"
                yield Breach(where, "imports inside a function; import at the top")


def impurities(module: Module) -> Iterator[Breach]:
    """Imports, calls and awaits of a domain file that reach outside."""
    for node in ast.walk(module.tree):
        for name in imported(node):
            if not is_pure(name):
                yield Breach(module.path, f"imports {name}; the domain is pure")
        if isinstance(node, ast.Call) and ast.unparse(node.func) in IMPURE_CALLS:
            yield Breach(module.path, f"calls {ast.unparse(node.func)}(); the domain is pure")
        if isinstance(node, ast.AsyncFunctionDef | ast.Await):
            yield Breach(module.path, f"line {node.lineno}: awaits; the domain is pure")


def is_pure(name: str) -> bool:
    """Whether the domain may import this dotted name."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return top not in IMPURE_MODULES
    return any(f"{name}.".startswith(f"{needed}.") for needed in DOMAIN_NEEDS)


def test_no_function_imports() -> None:
    hold("no import inside a function", broken(inner_imports, modules()))


def test_the_domain_imports_nothing_impure() -> None:
    domain = [module for module in modules() if module.path.startswith("domain/")]
    hold("the domain is pure", broken(impurities, domain))


def test_an_import_inside_a_function_is_caught() -> None:
    text = "def f():\n    import json\n"
    assert list(inner_imports(Module("engine/engine.py", text)))
    assert not list(inner_imports(Module("cli/dispatch.py", text)))
    assert not list(inner_imports(Module("engine/engine.py", "import json\n")))
    hidden = "def f():\n    return importlib.import_module('json')\n"
    assert list(inner_imports(Module("engine/engine.py", hidden)))


@pytest.mark.parametrize(
    "text",
    [
        "import time",
        "import os.path",
        "from datetime import datetime",
        "from random import Random",
        "import aiohttp",
        "from leadhand.store import Store",
        "from leadhand import store",
        "def f():\n    import uuid",
        "def f():\n    return open('x')",
        "print('x')",
        "async def f(): ...",
    ],
)
def test_an_impure_domain_file_is_caught(text: str) -> None:
    assert list(impurities(Module("domain/rules/budget.py", text)))


@pytest.mark.parametrize(
    "text",
    [
        "import math",
        "from collections.abc import Iterator",
        "from msgspec import Struct",
        "from leadhand.domain import commands as c",
        "from leadhand.domain.money import Usd",
        "from leadhand.errors import Refused",
        "run.lease.open()",
    ],
)
def test_a_pure_domain_file_is_fine(text: str) -> None:
    assert not list(impurities(Module("domain/rules/budget.py", text)))
