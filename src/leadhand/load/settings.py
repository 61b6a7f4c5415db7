"""Settings: how an actor works, as a section of a manifest gives it."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import get_args

from leadhand.domain import hosts
from leadhand.domain.manifest import KNOWN_TOOLS, Effort, HarnessName, Settings
from leadhand.domain.text import one_line
from leadhand.load.section import ENTRIES_MAX, NAME, NAME_RULE, Section, quoted
from leadhand.load.variables import check, filled

# The keys that read() reads; timeouts and budgets mean different things to leads and workers.
KEYS = (
    *("model", "harness", "effort", "system", "tools", "directory", "add_dirs", "env"),
    *("allow_hosts", "max_turns", "max_tokens", "compact_above_tokens", "models", "max_rss_mb"),
    "user_settings",
)
TURNS_MAX = 10_000
WORKERS_MAX = 1_000
TIMEOUT_MAX_SECS = 30 * 24 * 3600
TOKENS_MAX = 1_000_000
MEMORY_MAX_MB = 16 * 1024 * 1024
# Below that a summary and the prompt alone might be longer.
COMPACT_MIN = 4_000
EFFORTS: tuple[Effort, ...] = get_args(Effort)
HARNESSES: tuple[HarnessName, ...] = get_args(HarnessName)

_TOOLS_MEND = "tools of orchestration come with the role and are not listed"
# A scripted model is named by the path of its file, which may hold spaces.
_MODEL = re.compile(r"script:[^\n]{1,4000}|\S{1,200}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")
# As git-check-ref-format(1) has it.
_BRANCH = re.compile(r"[^-./\0-\x20\x7f~^:?*\[\\][^\0-\x20\x7f~^:?*\[\\]{0,199}")
_NO_BRANCH = re.compile(r"\.\.|@\{|//|/\.|\.lock(/|$)|[./]$|^@$|^HEAD$")
_VALUE_MAX = 32 * 1024
_PATH_SHOWN_MAX = 400


def read(section: Section, base: Path, siblings: Collection[str]) -> Settings:
    """The settings under KEYS. base: where relative paths start; siblings: what else is known."""
    return Settings(
        model=_model(section),
        harness=section.choice("harness", HARNESSES),
        effort=section.choice("effort", EFFORTS),
        system=_system(section),
        tools=_tools(section),
        directory=_directory(section, base),
        add_dirs=_add_dirs(section, base),
        env=_env(section, siblings),
        allow_hosts=_allow_hosts(section),
        max_turns=section.whole("max_turns", 1, TURNS_MAX),
        max_tokens=section.whole("max_tokens", 1, TOKENS_MAX),
        compact_above_tokens=section.whole("compact_above_tokens", COMPACT_MIN, TOKENS_MAX),
        max_rss_mb=section.whole("max_rss_mb", 1, MEMORY_MAX_MB),
        user_settings=section.flag("user_settings"),
        models=_models(section),
    )


def directory(section: Section, text: str, base: Path) -> str | None:
    """The absolute path of a directory that must exist, for the section's key `directory`."""
    found = _place(section, ("directory",), text, base)
    if found is None:
        return None
    path, there = found
    if there == "directory":
        return str(path)
    wrong = "is not a directory" if there == "other" else "does not exist"
    section.fault(
        "directory",
        message=f"{quoted(str(path), _PATH_SHOWN_MAX)} {wrong}",
        mend="Make it, or name the directory to work in",
    )
    return None


def place(section: Section, key: str, base: Path) -> str | None:
    """The absolute path of a directory that need not exist yet."""
    text = section.text(key)
    found = None if text is None else _place(section, (key,), text, base)
    if found is None:
        return None
    path, there = found
    if there == "other":
        section.fault(key, message=f"{quoted(str(path), _PATH_SHOWN_MAX)} is not a directory")
    return str(path)


def branch(section: Section) -> str | None:
    """The name of a branch that git would take; whether there is room for it, the run finds out."""
    text = section.text("branch")
    if text is None or (_BRANCH.fullmatch(text) and not _NO_BRANCH.search(text)):
        return text
    section.fault("branch", message=f"{quoted(text)} is no name for a branch")
    return None


def _model(section: Section) -> str | None:
    model = section.text("model")
    return None if model is None else _named(section, "model", text=model)


def _models(section: Section) -> tuple[str, ...] | None:
    texts = section.texts("models", ENTRIES_MAX)
    if texts is None:
        return None
    found = (_named(section, "models", index, text=text) for index, text in texts)
    return tuple(name for name in found if name)


def aliases(models: Section) -> dict[str, str]:
    """Other names of models, by [models]."""
    found = {}
    if len(models.values) > ENTRIES_MAX:
        count = len(models.values)
        models.fault(message=f"has {count} entries, at most {ENTRIES_MAX} are allowed")
        return {}
    for alias in models.values:
        if not NAME.fullmatch(alias):
            models.fault(alias, message=f"the name {NAME_RULE}")
            continue
        text = models.text(alias)
        model = None if text is None else _named(models, alias, text=text)
        if model in models.values:
            mend = "Name the model itself"
            models.fault(alias, message=f"{quoted(model or '')} is an alias too", mend=mend)
        elif model:
            found[alias] = model
    return found


def _named(section: Section, *steps: str | int, text: str) -> str | None:
    """The name of a model, if it can be one."""
    if _MODEL.fullmatch(text):
        return text
    section.fault(*steps, message="must be at most 200 characters without spaces")
    return None


def _system(section: Section) -> str | None:
    text = section.text("system", blank=True)
    return None if text is None else filled(section, "system", text=text)


def _tools(section: Section) -> tuple[str, ...] | None:
    names = section.texts("tools", ENTRIES_MAX, KNOWN_TOOLS)
    if names is None:
        return None
    known = (*KNOWN_TOOLS, *section.report.tools)
    chosen: dict[str, None] = {}
    for index, name in names:
        if name in known:
            chosen[name] = None
        else:
            section.fault(
                "tools",
                index,
                message=f"unknown tool {quoted(name)}",
                mend=section.near(name, known)
                or f"The work tools are {', '.join(known)}; {_TOOLS_MEND}",
            )
    return tuple(chosen)


def _directory(section: Section, base: Path) -> str | None:
    text = section.text("directory")
    return None if text is None else directory(section, text, base)


def _add_dirs(section: Section, base: Path) -> tuple[str, ...] | None:
    texts = section.texts("add_dirs", ENTRIES_MAX)
    if texts is None:
        return None
    paths = []
    for index, text in texts:
        found = _place(section, ("add_dirs", index), text, base)
        if found is None:
            continue
        path, there = found
        name = quoted(str(path), _PATH_SHOWN_MAX)
        if there == "other":
            section.fault("add_dirs", index, message=f"{name} is not a directory")
        elif there == "nothing":
            section.warn("add_dirs", index, message=f"{name} does not exist yet")
        paths.append(str(path))
    return tuple(paths)


def _allow_hosts(section: Section) -> tuple[str, ...] | None:
    texts = section.texts("allow_hosts", ENTRIES_MAX)
    if texts is None:
        return None
    entries = []
    for index, text in texts:
        try:
            hosts.permit(text)
        except ValueError as error:
            why = one_line(str(error))
            message = f"{quoted(text)} is nothing that can be allowed: {why}"
            section.fault("allow_hosts", index, message=message, mend=f"Write {hosts.ENTRY_FORM}")
        else:
            entries.append(text)
    return tuple(entries)


def _place(
    section: Section, steps: tuple[str | int, ...], text: str, base: Path
) -> tuple[Path, str] | None:
    """A path made absolute, and what stands there: "directory", "other" or "nothing"."""
    text = filled(section, *steps, text=text)
    given = quoted(text, _PATH_SHOWN_MAX)
    try:
        path = base.absolute() / Path(text).expanduser()
    except RuntimeError:
        section.fault(*steps, message=f"{given} begins with the home of an unknown user")
        return None
    try:
        path = path.resolve()
        if path.is_dir():
            return path, "directory"
        return path, "other" if path.exists() else "nothing"
    except RuntimeError:
        # Links that lead back to themselves; later Pythons do not mind them here.
        return path, "nothing"
    except OSError as error:
        section.fault(*steps, message=f"{given} cannot be looked up: {error.strerror}")
        return None


def _env(section: Section, siblings: Collection[str]) -> dict[str, str] | None:
    table = section.table("env")
    if "env" not in section:
        return None
    header = section.report.lines.headers.get(table.path)
    if len(table.values) > ENTRIES_MAX:
        table.fault(message=f"has {len(table.values)} entries, at most {ENTRIES_MAX} are allowed")
        return None
    chosen = {}
    for name in table.values:
        if header and name in siblings:
            table.fault(
                name,
                message=f"is swallowed by the header [{section.key('env')}] on line {header}",
                mend=f'Move "{name}" above that line, to [{section.name}]',
            )
        elif not _VARIABLE.fullmatch(name):
            table.fault(name, message="is no name of an environment variable")
        elif name.upper().startswith("LEADHAND_"):
            table.fault(name, message="names that begin with LEADHAND_ are Leadhand's own")
        else:
            value = table.text(name, blank=True)
            if value is not None and len(value.encode()) > _VALUE_MAX:
                table.fault(name, message=f"is longer than {_VALUE_MAX // 1024} KiB")
            elif value is not None:
                check(table, name, text=value)
                chosen[name] = value
    return chosen
