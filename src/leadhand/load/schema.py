"""Schema: what a manifest may hold, as JSON Schema for editors, out of what reads manifests.

There is no second table of keys: the example, which has every key, is read, and each reader has
noted what it takes. What a key is for stands above it in the example.
"""

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from leadhand.load import sections
from leadhand.load.lines import locate
from leadhand.load.section import ENTRIES_MAX, NAME, Report, Section

EXAMPLE = Path(__file__).with_name("example.toml")
TASKS = Path(__file__).with_name("example_tasks.toml")
DIALECT = "https://json-schema.org/draft/2020-12/schema"
REQUIRED = {
    "lead": ["prompt"],
    "prices": ["input", "output"],
    "task": ["id", "prompt"],
    "approval_policy": ["action"],
    "notification": ["kind"],
    "mcp_server": ["name"],
}
_NAMED = {"agents": {"pattern": f"^{NAME.pattern}$"}, "providers": {"pattern": f"^{NAME.pattern}$"}}

Json = dict[str, Any]


def example() -> str:
    """A manifest with every key but those of tasks, each with what it is for above it."""
    return EXAMPLE.read_text(encoding="utf-8")


def tasks_example() -> str:
    """A manifest without a lead, in the same way."""
    return TASKS.read_text(encoding="utf-8")


@cache
def read() -> Report:
    """What the readers of manifests take, section by section."""
    text = example()
    report = Report("example.toml", locate(text), {}, {})
    for each in (text, tasks_example()):
        values = tomllib.loads(each, parse_float=Decimal)
        sections.manifest(Section(report, values), EXAMPLE.parent)
    return report


def schema() -> Json:
    """The JSON Schema of a manifest."""
    report, told = read(), remarks()
    properties = {key: _section(report, key, told) for key in report.known[""]}
    return {
        "$schema": DIALECT,
        "title": "A manifest of Leadhand",
        **_table(properties, []),
        "oneOf": [{"required": ["lead"]}, {"required": ["task"]}],
    }


def _section(report: Report, key: str, told: Mapping[str, str]) -> Json:
    """What stands under one key at the top: a table, a table by names, or the lead."""
    if key == "models":
        texts = {"additionalProperties": {"type": "string"}, "maxProperties": ENTRIES_MAX}
        form = {"type": "object", "propertyNames": {"pattern": f"^{NAME.pattern}$"}, **texts}
        return {"description": told[key], **form}
    names = [name for name in report.known if name.startswith(f"{key}.")]
    table = _keys(report, key if key in report.known else names[0], key, told)
    remark = {"description": told[key]}
    if key == "lead":
        several = {"type": "array", "items": table, "minItems": 1, "maxItems": 1}
        return {**remark, "anyOf": [table, several]}
    form = report.forms.get(("", key), {})
    if form.get("type") == "array":
        return {**remark, **form, "items": table}
    if key in report.known:
        return {**remark, **table}
    named = {"propertyNames": _NAMED[key]} if key in _NAMED else {}
    entries = {"additionalProperties": table, "maxProperties": ENTRIES_MAX}
    return {**remark, "type": "object", **named, **entries}


def _keys(report: Report, name: str, key: str, told: Mapping[str, str]) -> Json:
    """A table of keys, from what its readers noted."""
    properties = {}
    for each in report.known[name]:
        form = report.forms[name, each]
        if form == {"type": "object"}:
            form = {**form, "additionalProperties": {"type": "string"}, "maxProperties": 256}
        # A key that several sections have is told of in one: the lead's bounds are the run's.
        shared = "run" if key == "lead" else "defaults"
        remark = told.get(f"{name}.{each}") or told.get(f"{shared}.{each}") or told.get(each, "")
        properties[each] = {"description": remark, **form}
    return _table(properties, REQUIRED.get(key, []))


def _table(properties: Json, required: list[str]) -> Json:
    needed = {"required": required} if required else {}
    return {"type": "object", "properties": properties, **needed, "additionalProperties": False}


@cache
def remarks() -> dict[str, str]:
    """What stands above each key and header of the example: by section and key, and by key."""
    found: dict[str, str] = {}
    section, above = "", []
    for line in f"{example()}\n{tasks_example()}".splitlines():
        word = line.partition("=")[0].strip()
        if line.startswith("# "):
            above.append(line[2:])
            continue
        if line.startswith("["):
            section = line.strip("[]").replace('"', "")
            found.setdefault(section.partition(".")[0], " ".join(above))
        elif above:
            found[f"{section}.{word}"] = " ".join(above)
            found.setdefault(word, " ".join(above))
        above = []
    return found
