"""Contract: what a task's result must be, as its keys have it."""

import json
from decimal import Decimal
from typing import Any

from leadhand.domain.contract import (
    COMMAND_MAX_SECS,
    COMMAND_SECS,
    COMMANDS_MAX,
    ENTRIES_MAX,
    NOTHING,
    Contract,
    faults,
)
from leadhand.domain.manifest import BASE, Settings, layered
from leadhand.load.section import Section

KEYS = (*("returns", "files", "changed", "commands", "command_timeout_secs", "forbid", "writes"),)
# The tools that write only where they are asked to, and are held to a claim.
_COMMANDS = "Bash"


def read(section: Section) -> Contract:
    """The contract of a section, whose faults are noted."""

    def texts(key: str, most: int) -> tuple[str, ...]:
        return tuple(text for _, text in section.texts(key, most) or ())

    contract = Contract(
        returns=schema(section),
        files=texts("files", ENTRIES_MAX),
        changed=texts("changed", ENTRIES_MAX),
        commands=texts("commands", COMMANDS_MAX),
        command_timeout_secs=section.whole("command_timeout_secs", 1, COMMAND_MAX_SECS)
        or COMMAND_SECS,
        forbid=texts("forbid", ENTRIES_MAX),
        writes=texts("writes", ENTRIES_MAX),
    )
    for kind, at, why in faults(contract):
        section.fault(kind, *(() if at is None else (at,)), message=why)
    return contract if contract.demands else NOTHING


def schema(section: Section) -> str:
    """The JSON Schema of a value, written as a table or as a text of JSON; empty for none."""
    given = section.values.get("returns")
    if isinstance(given, str):
        return section.text("returns") or ""
    found = section.table("returns").values
    section.form("returns", type=["object", "string"])
    return "" if given is None else json.dumps(plain(found), ensure_ascii=False)


def plain(value: Any) -> Any:
    """A value of TOML as JSON has it."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, Decimal):
        return float(value)
    return value if isinstance(value, str | int | float | bool) else str(value)


def check_claim(section: Section, *settings: Settings) -> None:
    """Note a claim that nothing can be held to. settings: of the task, the nearest first."""
    found = layered(*settings, BASE)
    claims = bool(section.values.get("writes"))
    if claims and _COMMANDS in (found.tools or ()) and not found.use_worktree:
        section.fault(
            "writes",
            message=f"what {_COMMANDS} writes is seen only in a git worktree of its own",
            mend=f"Set use_worktree = true, or give it tools without {_COMMANDS}",
        )
