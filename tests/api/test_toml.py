"""Toml: tables that a program gives come back as they were from the text that a run keeps."""

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadhand.api.toml import written
from leadhand.errors import UsageError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SIMPLE = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(
    SIMPLE, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
)


@pytest.mark.slow
@given(st.dictionaries(TEXTS, VALUES, max_size=5))
def test_tables_of_any_shape_come_back_as_they_were(tables: dict[str, Any]) -> None:
    assert tomllib.loads(written(tables)) == tables


def test_a_manifest_reads_as_people_write_it() -> None:
    tables = {
        "run": {"budget_usd": Decimal("2.50"), "max_workers": 4, "grace_secs": None},
        "lead": [{"id": "a", "prompt": 'Say "go".\nThen stop.', "directory": Path("/w")}],
        "prices": {"my model": {"input": 1.0}},
        "agents": {"r": {"tools": ("Read", "count")}},
    }
    assert written(tables) == (
        '[run]\nbudget_usd = 2.50\nmax_workers = 4\n\n[[lead]]\nid = "a"\n'
        'prompt = "Say \\"go\\".\\nThen stop."\ndirectory = "/w"\n\n[prices]\n\n'
        '[prices."my model"]\ninput = 1.0\n\n[agents]\n\n[agents.r]\ntools = ["Read", "count"]\n'
    )


def endless() -> dict[str, Any]:
    """Tables that contain themselves."""
    found: dict[str, Any] = {}
    found["again"] = found
    return found


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"run": {"budget_usd": {1, 2}}}, "run.budget_usd: a manifest holds no set"),
        ({"lead": [{"env": {"A": [object()]}}]}, "lead.env.A: a manifest holds no object"),
        ({"lead": {3: "x"}}, "lead: the key 3 is no text"),
        ({3: "x"}, "the manifest: the key 3 is no text"),
        (endless(), "contains itself"),
    ],
)
def test_what_toml_does_not_hold_is_said(tables: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        written(tables)
