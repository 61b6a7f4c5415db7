"""Public: the names that are promised, and nothing but them."""

import subprocess
import sys

import pytest

import leadhand
from leadhand import api

NAMES = {
    "Approvals", "Cancelled", "Context", "Cost", "Event", "Leadhand", "LeadhandError",
    "ManifestError", "ModelError", "Question", "Refused", "Reply", "Report", "Request", "Result",
    "RunHandle", "Standing", "Steered", "StoreError", "TaskRecord", "Tree", "UsageError", "Why",
    "open", "run", "tool",
}  # fmt: skip
# What each of the classes that do something promises.
METHODS = {
    leadhand.Leadhand: {"dispatch", "resume", "run", "list", "start", "take_up", "run_dir"},
    leadhand.RunHandle: {
        *("status", "events", "result", "drain", "cancel", "why", "tree", "cost", "suspend"),
        *("pause", "continue_", "reprompt", "send"),
        *("approvals", "approve", "reject", "policies", "change_policies"),
        *("begin", "ended", "failure", "task"),
    },
    leadhand.Result: {
        *("run_id", "status", "resumable", "final_message", "report", "report_by", "mismatches"),
        *("cost_usd", "budget_usd", "tasks", "run_folder", "ok"),
    },
    leadhand.Event: {"seq", "at", "run_ms", "actor", "type", "data", "text"},
    leadhand.Context: {"actor_id", "call_id", "workspace"},
    leadhand.Reply: {"text", "calls", "usage", "delay_secs", "stop_reason", "reason"},
}
# Runs in a fresh interpreter: what `import leadhand` alone loads, and what a first name does.
LOADED = """
import sys
import leadhand
assert not {"leadhand.api", "asyncio", "msgspec"} & sys.modules.keys(), "too much is loaded"
import leadhand.testing
assert "leadhand.tool" in sys.modules
assert leadhand.tool.__name__ == "tool"
from leadhand import tool, open as opening
from leadhand.tool import Tool
assert (leadhand.tool, leadhand.open) == (tool, opening)
"""


def test_the_public_names_are_these() -> None:
    assert set(leadhand.__all__) == set(api.__all__) == NAMES
    assert leadhand.__all__ == sorted(leadhand.__all__)
    assert set(dir(leadhand)) >= NAMES
    assert all(getattr(leadhand, name) is getattr(api, name) for name in NAMES)


@pytest.mark.parametrize("kind", METHODS, ids=lambda kind: kind.__name__)
def test_what_a_public_class_has_is_this(kind: type) -> None:
    inherited = {*dir(object), *dir(leadhand.Refused)}
    found = {name for name in dir(kind) if not name.startswith("_")} - inherited
    assert found - {"store", "live", "id", "folder", "warnings"} == METHODS[kind] - {"run_dir"}


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'send'"):
        getattr(leadhand, "send")  # noqa: B009


@pytest.mark.slow
def test_the_package_loads_nothing_in_advance_and_keeps_its_decorator() -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", LOADED], check=True, timeout=60)


def test_all_that_is_public_says_what_it_is() -> None:
    assert all(getattr(leadhand, name).__doc__ for name in NAMES)
    for kind, names in METHODS.items():
        methods = [getattr(kind, name, None) for name in names]
        assert all(each.__doc__ for each in methods if callable(each)), kind
