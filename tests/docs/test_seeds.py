"""Seeds: docs/seeds.md names every fact of the seeds, with its test or why Leadhand differs."""

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.docs.markdown import ROOT

PAGE = ROOT / "docs" / "seeds.md"
FOLDER = ROOT / "tests" / "seeds"
SEEDS = (
    "hierarchical-dispatch",
    "writing-effective-leads",
    "agent-orchestration-protocol",
    "coordinator-mode",
    "orchestrator-and-specialists",
)
REASON_MIN = 30
NOT_BUILT = re.compile(r"not built yet: \S")
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")

# What each seed names, taken out of it by hand: manifest, tools, messages, formats, failure modes.
INVENTORY = {
    "hierarchical-dispatch": {
        "manifest": [
            *("[run]", "[defaults]", "[[lead]]", "max_workers", "budget_usd"),
            *("lead_timeout_secs", "model", "use_worktree = false", "id", "directory", "prompt"),
            *("allow_subleads = true", "worktree_cleanup", '"on_success"', '"never"'),
            *("1 to 16", "3600", "required"),
        ],
        "tools": [
            *("mcp__pitboss__spawn_worker", "mcp__pitboss__wait_for_worker"),
            *("mcp__pitboss__wait_for_any", "mcp__pitboss__list_workers"),
            *("mcp__pitboss__cancel_worker", "mcp__pitboss__pause_worker"),
            *("mcp__pitboss__continue_worker", "mcp__pitboss__reprompt_worker"),
            *("mcp__pitboss__request_approval", "mcp__pitboss__propose_plan"),
            *("kv_get", "kv_set", "kv_cas", "kv_list", "kv_wait"),
            *("lease_acquire", "lease_release", "spawn_sublead", "--allowedTools"),
        ],
        "messages": ["budget exceeded", "N workers spawned"],
        "formats": [
            *("git log --format='%H %an %s' -10", "<author-slug>.md", "SUMMARY.md"),
            *("★", "▸", "← <lead-id>", "cyan border"),
        ],
        "verbs": ["validate", "dispatch", "resume <run-id>", "--resume <session-id>"],
    },
    "writing-effective-leads": {
        "manifest": [
            *("id", "model", "directory", "prompt", "budget_usd", "max_workers"),
            *("lead_timeout_secs", "5 minutes"),
        ],
        "tools": ["spawn_worker", "wait_actor", "request_approval", "kv_set", "WebFetch", "Read"],
        "fields": ["worker_id", "final_message_preview", "TaskRecord", "summary.jsonl"],
        "messages": [
            *("budget exceeded", "max_workers exceeded"),
            *("Let me know if you need anything else",),
            *("Do not include any text after the final report",),
        ],
        "formats": [
            *("STATUS", '"success"', '"partial"', '"failed"', "COMPLETED"),
            *("DEFERRED OR FAILED", "COST SUMMARY", "worker ID, input, one-sentence result"),
            *("input and reason", "worker IDs and approximate spend in USD"),
            *("[URL]", "[WORKER_N]", "[N]", "FOUND", "MISSING", "RECOMMENDATION"),
            *('model = "claude-sonnet-4-6"', "budget_usd = 0.20", 'tools = ["WebFetch", "Read"]'),
        ],
        "patterns": ["Fail-fast", "Best-effort", "Retry-on-failure", "Approvals", "Read-only lead"],
        "failures": [
            *("spawns nobody", "too vague", "improvised", "times out", "context limit"),
            *("returns an error", "stalls", "retries indefinitely", "crashes"),
            *("TUI", "notifications"),
        ],
    },
}


class Row(NamedTuple):
    """A fact of a seed: the tests that hold it, and how Leadhand deviates from it."""

    seed: str
    fact: str
    tests: str
    deviation: str


def rows(text: str) -> Iterator[Row]:
    """The rows of the seeds' tables."""
    for section in text.split("\n## ")[1:]:
        seed, *lines = section.splitlines()
        table = [line for line in lines if line.startswith("|")]
        for line in table[2:]:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert len(cells) == 3, line
            yield Row(seed, *cells)


def written() -> set[tuple[str, str]]:
    """Every test function of tests/seeds, with its file."""
    return {
        (path.name, node.name)
        for path in FOLDER.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


def faults(row: Row) -> Iterator[str]:
    """What is wrong with a row by itself."""
    if NAMED.sub("", row.tests).strip(" ,"):
        yield f"{row.fact}: not a list of tests: {row.tests}"
    if not row.fact:
        yield f"a row of {row.seed} names no fact"
    if not row.tests and not row.deviation:
        yield f"{row.fact}: has neither a test nor a deviation"
    if row.deviation and len(row.deviation) < REASON_MIN:
        yield f"{row.fact}: the deviation gives no reason: {row.deviation}"
    if not row.tests and row.deviation and not NOT_BUILT.search(row.deviation):
        yield f"{row.fact}: what is built has a test, even where it deviates"


ROWS = list(rows(PAGE.read_text()))


def test_every_seed_is_named_with_its_state() -> None:
    states = dict(re.findall(r"(?m)^\| ([\w-]+) \| (below|not begun) \|$", PAGE.read_text()))
    assert tuple(states) == SEEDS
    begun = [seed for seed, state in states.items() if state == "below"]
    assert begun == list(dict.fromkeys(row.seed for row in ROWS)) == list(INVENTORY)


def test_every_row_has_a_test_or_a_deviation_with_its_reason() -> None:
    assert [fault for row in ROWS for fault in faults(row)] == []


def test_every_test_that_is_named_exists() -> None:
    named = {pair for row in ROWS for pair in NAMED.findall(row.tests)}
    assert sorted(named - written()) == []


def test_every_test_of_the_seeds_is_listed() -> None:
    named = {pair for row in ROWS for pair in NAMED.findall(row.tests)}
    assert sorted(written() - named) == []


@pytest.mark.parametrize("seed", INVENTORY)
def test_every_name_of_a_seed_is_in_a_fact(seed: str) -> None:
    facts = "\n".join(row.fact for row in ROWS if row.seed == seed)
    names = [name for names in INVENTORY[seed].values() for name in names]
    assert [name for name in names if not found(name, facts)] == []


def found(name: str, facts: str) -> bool:
    """Whether a name stands in the facts as a word of its own."""
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", facts) is not None


def test_no_fact_is_listed_twice() -> None:
    facts = [(row.seed, row.fact) for row in ROWS]
    assert len(facts) == len(set(facts))


@pytest.mark.parametrize(
    "row",
    [
        Row("seed", "", "`test_a.py::test_b`", ""),
        Row("seed", "a fact", "", ""),
        Row("seed", "a fact", "some test", ""),
        Row("seed", "a fact", "`test_a.py::test_b`", "it differs"),
        Row("seed", "a fact", "", "it differs since that is better for the operator"),
    ],
)
def test_a_bad_row_is_caught(row: Row) -> None:
    assert list(faults(row))


def test_a_name_inside_of_another_does_not_count() -> None:
    assert not found("kv_set", "| `kv_settings` |")
    assert found("kv_set", "`kv_get`, `kv_set`")
