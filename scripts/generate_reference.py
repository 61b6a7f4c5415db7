"""Generate reference: writes docs/reference from the code that it describes.

    python scripts/generate_reference.py

A test holds the pages against what this would write.
"""

import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_type_hints

import click

from leadhand.agent import LACKS, NATIVE
from leadhand.cli import VERBS
from leadhand.cli.group import Verbs
from leadhand.domain import events as e
from leadhand.domain.state import Run
from leadhand.folder import Folder
from leadhand.load.schema import example, schema, tasks_example
from leadhand.tool import Tool
from leadhand.tools.call import schema_of
from leadhand.tools.orchestration import orchestration
from leadhand.tools.work.table import WORK_TOOLS
from leadhand.tools.work.web_fetch import web_fetch_tool
from leadhand.wiring import web_get

PLACE = Path(__file__).parents[1] / "docs" / "reference"
WIDTH = 100
EFFECTS = {
    "reads": "runs again if a crash cut it off",
    "keyed": "happens once, however often it is called with the same id or key",
    "effects": "is never repeated after a crash: the model is told that its outcome is unknown",
}
WRITTEN = "This page is written by `scripts/generate_reference.py`."


def cli() -> Iterator[str]:
    """The verbs, as their help has it."""
    yield "# Command line"
    yield f"{WRITTEN}\n\nExit codes: 0 all succeeded, 1 something failed or waits for a quota,"
    yield "2 the manifest or the environment is wrong, 130 interrupted, 70 a bug of Leadhand's.\n"
    group = Verbs("leadhand")
    context = click.Context(group, info_name="leadhand", max_content_width=WIDTH)
    for name in VERBS:
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(
            command, info_name=name, parent=context, terminal_width=WIDTH, max_content_width=WIDTH
        )
        yield f"## {name}\n\n```text\n{command.get_help(inner).rstrip()}\n```\n"


def tools() -> Iterator[str]:
    """The tools, as models see them."""
    yield f"# Tools\n\n{WRITTEN}\n"
    yield "Tools of orchestration come with the role; work tools are given by `tools = [...]`.\n"
    for kind, title in (("orchestration", "Orchestration"), ("work", "Work")):
        yield f"## {title}\n"
        for tool in every_tool():
            if (tool.category == "orchestration") == (kind == "orchestration"):
                yield from one_tool(tool)


def every_tool() -> list[Tool]:
    """All tools; nobody calls them here, so they need no run."""
    nobody: Any = SimpleNamespace(run=Run())
    return [*orchestration(nobody, Folder(Path())), *WORK_TOOLS, web_fetch_tool(web_get)]


def one_tool(tool: Tool) -> Iterator[str]:
    """A tool: what it does, who has it, what it takes."""
    yield f"### {tool.name}\n\n{tool.description}\n"
    also = f" Also called {', '.join(tool.aliases)}." if tool.aliases else ""
    yield f"For: {', '.join(sorted(tool.roles))}. It {EFFECTS[tool.effect]}.{also}\n"
    yield from table("argument", dict(schema_of(tool).schema))


def table(what: str, schema: dict[str, Any]) -> Iterator[str]:
    """The properties of an object, one in a row; nothing where there are none."""
    rows = [
        f"| `{name}` | {shape(field)} | {'yes' if name in schema.get('required', ()) else ''} "
        f"| {cell(field.get('description', ''))} |"
        for name, field in schema.get("properties", {}).items()
    ]
    if rows:
        yield f"| {what} | is | required | |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"


def manifest() -> Iterator[str]:
    """The sections and keys of a manifest, and one with every key."""
    yield f"# Manifest\n\n{WRITTEN}\n"
    yield "A manifest is a TOML file with a `[lead]` or with tasks, `[[task]]`. `leadhand validate`"
    yield "says what is wrong in one, and `leadhand schema` prints this page for editors.\n"
    for name, section in schema()["properties"].items():
        yield f"## {header(name, section)}\n\n{section['description']}\n"
        yield from table("key", keys(section))
    yield f"## Every key\n\n```toml\n{example().rstrip()}\n```\n"
    yield f"## Every key of tasks\n\n```toml\n{tasks_example().rstrip()}\n```\n"


def header(name: str, section: dict[str, Any]) -> str:
    """How a section is opened in a manifest."""
    if section.get("type") == "array":
        return f"[[{name}]]"
    entry = section.get("additionalProperties")
    named = isinstance(entry, dict) and "properties" in entry
    return f"[{name}.NAME]" if named else f"[{name}]"


def keys(section: dict[str, Any]) -> dict[str, Any]:
    """The table that a section is, or holds by names, or in a list."""
    for inner in (section.get("items"), *section.get("anyOf", ()), section):
        if inner and "properties" in inner:
            return dict(inner)
    entry = section["additionalProperties"]
    return dict(entry) if "properties" in entry else {"properties": {"NAME": entry}}


def shape(field: dict[str, Any]) -> str:
    """A JSON Schema in a few words."""
    if "anyOf" in field:
        kinds = [shape(each) for each in field["anyOf"] if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in field:
        return ", ".join(f"`{each}`" for each in field["enum"])
    kind = str(field.get("type", "anything"))
    if kind == "array":
        return f"list of {shape(field.get('items', {}))}"
    low, high = field.get("minimum"), field.get("maximum")
    if low is not None and high is not None:
        return f"{kind}, {low} to {high}"
    return kind


def events() -> Iterator[str]:
    """The events, as the log keeps them."""
    yield f"# Events\n\n{WRITTEN}\n"
    yield "`leadhand events RUN --json` prints each on a line with `seq`, `at`, `run_ms`, `actor`,"
    yield "`type`, and the fields below that are set. Money is in nano-dollars, tokens are counts,"
    yield "times in `run_ms` are milliseconds of run time. An event is stored for ever: fields may"
    yield "be added, none changes its meaning.\n"
    feature = ""
    for kind in sorted(e.Event.__subclasses__(), key=section_of):
        section = section_of(kind)
        if section != feature:
            feature = section
            yield f"## {feature}\n"
        yield f"### {kind.__name__}\n\n{inspect.cleandoc(kind.__doc__ or '')}\n"
        hints = get_type_hints(kind)
        names = [name for name in kind.__struct_fields__ if name != "actor"]
        if names:
            fields = ", ".join(f"`{name}` ({typed(hints[name])})" for name in names)
            yield f"Fields: {fields}.\n"


def section_of(kind: type) -> str:
    """The feature under which an event stands in its file."""
    text = inspect.getsource(sys.modules[kind.__module__])
    before = text[: text.index(f"class {kind.__name__}(")]
    return before.rpartition("# --- ")[2].partition("\n")[0]


def typed(hint: object) -> str:
    """A type in a word."""
    name = getattr(hint, "__supertype__", hint)
    text = getattr(name, "__name__", None) if isinstance(name, type) else str(name)
    return str(text).replace("leadhand.domain.", "").replace("typing.", "").replace("|", "or")


def cell(text: str) -> str:
    """A text in a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def harnesses() -> Iterator[str]:
    """What runs sessions, and how each differs."""
    yield f"# Harnesses\n\n{WRITTEN}\n"
    yield "`harness` says what runs a session. What one does not do as `api` does:\n"
    for name, lacks in LACKS.items():
        own = ", ".join(sorted(NATIVE[name])) or "none: all tools are Leadhand's"
        yield f"## {name}\n\nTools of its own: {own}.\n"
        if lacks:
            yield "| what | instead |\n|---|---|"
            yield from (f"| {what} | {instead} |" for what, instead in lacks)
            yield ""


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "manifest.md": manifest,
    "cli.md": cli,
    "tools.md": tools,
    "events.md": events,
    "harnesses.md": harnesses,
}


def page(name: str) -> str:
    """The text of a page."""
    return "\n".join(PAGES[name]()).rstrip() + "\n"


def main() -> None:
    """Write the pages."""
    PLACE.mkdir(exist_ok=True)
    for name in PAGES:
        (PLACE / name).write_text(page(name))


if __name__ == "__main__":
    main()
