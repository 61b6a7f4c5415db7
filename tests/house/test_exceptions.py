"""Exceptions: the list has reasons, knows its rules, and shrinks."""

import re

import pytest

from tests.house.exceptions import EXCEPTIONS
from tests.house.source import ROOT, Breach, hold


def test_every_exception_has_a_reason() -> None:
    for rule, lines in EXCEPTIONS.items():
        for where, reason in lines.items():
            assert len(reason.split()) >= 3, f"{rule}, {where}: say why"


def test_every_exception_belongs_to_a_rule_that_is_held() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests" / "house").glob("test_*.py"))
    held = set(re.findall(r'hold\(\s*"([^"]+)"', tests))
    assert EXCEPTIONS.keys() <= held


def test_a_breach_fails_unless_it_is_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    breaches = [Breach("long.py", "401 lines")]
    with pytest.raises(AssertionError, match=r"long\.py: 401 lines"):
        hold("sample", breaches)
    monkeypatch.setitem(EXCEPTIONS, "sample", {"long.py": "a table of prices"})
    hold("sample", breaches)


def test_an_exception_that_is_no_longer_needed_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXCEPTIONS, "sample", {"long.py": "a table of prices"})
    with pytest.raises(AssertionError, match="strike it"):
        hold("sample", [])
