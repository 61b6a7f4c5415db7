"""Size: no file and no function outgrows its reader."""

from collections.abc import Iterator

from tests.house.source import Breach, Module, broken, functions, hold, modules

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60


def long_files(module: Module) -> Iterator[Breach]:
    """The file itself, if it is too long."""
    lines = len(module.text.splitlines())
    if lines > FILE_LINES_MAX:
        yield Breach(module.path, f"{lines} lines; split it by feature")


def long_functions(module: Module) -> Iterator[Breach]:
    """Functions that are too long, docstring included, decorators not."""
    for function in functions(module):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield Breach(f"{module.path}::{function.name}", f"{lines} lines; give steps names")


def test_no_file_is_longer_than_400_lines() -> None:
    hold("no file is longer than 400 lines", broken(long_files, modules()))


def test_no_function_is_longer_than_60_lines() -> None:
    hold("no function is longer than 60 lines", broken(long_functions, modules()))


def test_a_long_file_is_caught() -> None:
    assert not list(long_files(Module("good.py", "x = 1\n" * 400)))
    assert list(long_files(Module("bad.py", "x = 1\n" * 401)))


def test_a_long_function_is_caught() -> None:
    good = "def f() -> None:\n" + "    x = 1\n" * 59
    bad = "class C:\n    async def f(self) -> None:\n" + "        x = 1\n" * 60
    assert not list(long_functions(Module("good.py", good)))
    assert [breach.where for breach in long_functions(Module("bad.py", bad))] == ["bad.py::f"]
