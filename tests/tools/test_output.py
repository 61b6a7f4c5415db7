"""Output: what is too long is cut at lines, and the whole is where the pointer says."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadhand.processes import Processes
from leadhand.tool import Caller
from leadhand.tools.work import output
from tests.tools.kit import make_caller


@pytest.fixture
def caller(tmp_path: Path) -> Caller:
    return make_caller(tmp_path / "root", Processes("output", tmp_path))


def capped(caller: Caller, text: str) -> str:
    data = text.encode()
    return asyncio.run(output.capped(caller, text, data, len(data)))


def test_what_fits_is_shown_as_it_is(caller: Caller) -> None:
    text = "x" * output.SHOWN_MAX
    assert capped(caller, text) == text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.integers(1, 3_000), st.integers(output.SHOWN_MAX + 1, 90_000))
def test_what_does_not_fit_is_cut_and_the_count_is_right(
    caller: Caller, width: int, size: int
) -> None:
    text = ("y" * width + "\n") * (size // (width + 1)) + "y" * (size % (width + 1))
    shown = capped(caller, text)
    head, _, rest = shown.partition("[... ")
    note, _, tail = rest.partition(" ...]\n")
    assert text.startswith(head.removesuffix("\n"))
    assert text.endswith(tail)
    assert len(head) + len(tail) <= output.SHOWN_MAX + 1
    hidden = int(note.partition(" ")[0])
    assert abs(hidden + len(head) + len(tail) - size) <= 1
    pointer = note.partition('"')[2].partition('"')[0]
    assert asyncio.run(caller.blobs.get(pointer)) == text.encode()
