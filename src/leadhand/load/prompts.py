"""Prompts: what a prompt speaks of that will be refused, and the line that permits it.

A prompt is prose, so what is found here is a note and no fault.
"""

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import PurePosixPath

from leadhand.domain.manifest import (
    BASE,
    KNOWN_TOOLS,
    WORKER_TOOLS,
    Agent,
    Manifest,
    Settings,
    Task,
    layered,
)
from leadhand.domain.money import NANO, show
from leadhand.domain.prices import LOCAL, named, price_of
from leadhand.domain.rules.spawn import lead_settings
from leadhand.errors import LeadhandError
from leadhand.load import Found
from leadhand.load.checks import Judge
from leadhand.load.lines import KeyPath
from leadhand.load.section import dotted, quoted
from leadhand.refusals import Refused

# The commands of git that the tool Git takes; the others need Bash.
GIT_LOOKS = ("blame", "diff", "log", "ls-files", "rev-parse", "shortlog", "show", "status")
_PROGRAMS = (
    *("make", "npm", "npx", "pnpm", "yarn", "node", "python", "python3", "pip", "uv", "pytest"),
    *("cargo", "go", "docker", "kubectl", "curl", "wget", "bash", "sh", "gh", "mvn", "gradle"),
)
_MATTER_MAX = 200_000
_MENTIONS_MAX = 1_000
TASKS_READ_MAX = 200
_PATH_SHOWN_MAX = 400

# Not in the middle of a word, a URL, a tag or a path that begins with a variable.
_PATH = re.compile(
    r"(?<![\w.:/~<>$}\])-])(?:~/|/|(?:\.\./)+)[\w.@+<>\[\]{}*-]+(?:/[\w.@+<>\[\]{}*-]*)*"
)
_OPEN = re.compile(r"[<>\[\]{}*]")
_ROOTS = frozenset("tmp home root Users etc var opt srv mnt media usr data".split())
_NEVER_FILES = ("/dev", "/proc", "/sys", "/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin")
_TOOLS = re.compile(r"\btools\s*[=:]\s*\[([^\]]*)\]")
_QUOTED = re.compile(r"[\"'`]([^\"'`\s,]+)[\"'`]")
_SETTING = re.compile(r"\b(agent|model)\s*[=:]\s*\"([^\"\s]+)\"")
_BUDGET = re.compile(r"\bbudget(?:_usd)?\s*[=:]\s*\$?([0-9]{1,9}(?:\.[0-9]{1,9})?)\b")
_COMMAND = re.compile(
    r"(?:^[ \t]*(?:\$ )?|`)([a-z][a-z0-9]*)[ \t]+([a-z][a-z-]*|\S+)", re.MULTILINE
)


def lint(found: Found, judge: Judge) -> None:
    """Note what prompts speak of that will be refused: the lead's, or those of tasks. judge: of
    models."""
    manifest = found.manifest
    if manifest.lead.prompt and manifest.lead.settings.directory:
        lead = lead_settings(manifest)
        everybody = [lead, *others(manifest)]
        Prompt(found, (*found.lead, "prompt"), manifest.lead.prompt, everybody).lint(judge)
    for at, task in enumerate(manifest.tasks[:TASKS_READ_MAX]):
        path: KeyPath = ("task", at, "prompt")
        Prompt(found, path, task.prompt, [task_settings(manifest, task)]).lint(judge)


class Prompt:
    """One prompt of a manifest, at its path."""

    def __init__(
        self, found: Found, path: KeyPath, text: str, everybody: Sequence[Settings]
    ) -> None:
        """everybody: how those work who may do what it says; first who reads it."""
        self.found, self.path, self.text = found, path, text[:_MATTER_MAX]
        self.reader, self.everybody = everybody[0], everybody

    def lint(self, judge: Judge) -> None:
        """Note all that will be refused."""
        self.places()
        granted = self.tools()
        self.commands(granted)
        self.settings(judge)

    def note(self, about: str, message: str, mend: str) -> None:
        """A note on the line of the prompt that speaks of something."""
        report = self.found.report
        file, line = report.place(self.path)
        if file == report.file:
            lines = self.found.text.split("\n")[line - 1 :]
            line = next((n for n, each in enumerate(lines, line) if about in each), line)
            file = ""
        report.note(dotted(self.path), line, message, mend, file)

    def places(self) -> None:
        """Paths outside of where anybody may read and write."""
        told: set[str] = set()
        roots = [root for each in self.everybody for root in places_of(each)]
        every = dict.fromkeys(each[0].rstrip(".,;:") for each in _PATH.finditer(self.text))
        for path in islice(every, _MENTIONS_MAX):
            if path.startswith("~"):
                if "~" not in told:
                    told.add("~")
                    mend = "Write the whole path, and permit it with add_dirs"
                    self.note(
                        path, f"file tools do not take {quoted(path)}: ~ stays as it is", mend
                    )
                continue
            place = folder_of(path, self.reader.directory or "/")
            if not place or place in told or within(place, [*roots, *told]):
                continue
            told.add(place)
            where = quoted(path, _PATH_SHOWN_MAX)
            self.note(
                path,
                f"{where} lies outside the directory and add_dirs, so file tools refuse it",
                self.permit(place),
            )

    def permit(self, place: str) -> str:
        """The line that lets everybody read and write at a place."""
        manifest, lead = self.found.manifest, self.found.lead
        places = [(lead, manifest.lead.settings)] if manifest.lead.prompt else []
        for path, settings in (*places, (("defaults",), manifest.defaults)):
            if settings.add_dirs is not None:
                file, line = self.found.report.place((*path, "add_dirs"))
                at = f"line {line}" if line else file
                key = dotted((*path, "add_dirs"))
                return f"Permit it: add {quoted(place, _PATH_SHOWN_MAX)} to {key} on {at}"
        where = "lead" if manifest.lead.prompt else "defaults"
        return f"Permit it under [{where}]: add_dirs = [{quoted(place, _PATH_SHOWN_MAX)}]"

    def tools(self) -> set[str]:
        """Tools that nobody has, or that do not exist; all that anybody has or is to be given."""
        has = {tool for each in self.everybody for tool in each.tools or ()}
        given = {name for array in _TOOLS.finditer(self.text) for name in _QUOTED.findall(array[1])}
        for name in sorted(given - {*KNOWN_TOOLS}):
            near = difflib.get_close_matches(name[:60], KNOWN_TOOLS, 1)
            mend = f'Did you mean "{near[0]}"?' if near else f"There are {', '.join(KNOWN_TOOLS)}"
            self.note(name, f"there is no tool {quoted(name)}: a spawn with it is refused", mend)
        has |= given
        for name in KNOWN_TOOLS:
            if name not in has and speaks_of(self.text, name):
                self.note(name, f"nobody has the tool {name}", self.give(name))
        return has

    def give(self, tool: str) -> str:
        """The line that gives workers a tool."""
        tools = [*(self.found.manifest.defaults.tools or WORKER_TOOLS), tool]
        return f"Give it to workers under [defaults]: tools = [{', '.join(map(quoted, tools))}]"

    def commands(self, has: set[str]) -> None:
        """Commands that nobody can run."""
        if "Bash" in has:
            return
        for mention in _COMMAND.finditer(self.text):
            program, first = mention[1], mention[2]
            command = f"{program} {first}"
            if program == "git" and first.isascii() and first[:1].isalpha():
                if "Git" not in has or first not in GIT_LOOKS:
                    self.note(
                        command,
                        f"{quoted(command)} needs Bash, which nobody has",
                        self.give("Bash"),
                    )
                    return
            elif program in _PROGRAMS and (mention[0].strip()[:1] in "$`"):
                self.note(
                    command, f"{quoted(command)} needs Bash, which nobody has", self.give("Bash")
                )
                return

    def settings(self, judge: Judge) -> None:
        """Agents and models for workers that a spawn with them is refused; and budgets."""
        manifest = self.found.manifest
        for kind, name in dict.fromkeys(_SETTING.findall(self.text)):
            if kind == "agent" and name not in manifest.agents:
                near = difflib.get_close_matches(name[:60], manifest.agents, 1)
                mend = f'Did you mean "{near[0]}"?' if near else f"Add [{dotted(('agents', name))}]"
                self.note(name, f"the manifest has no agent {quoted(name)}", mend)
            elif kind == "model":
                try:
                    # A script is code, which no prompt has loaded.
                    if name.startswith(LOCAL) and name not in named(manifest):
                        price_of(manifest, name)
                    judge(name)
                except LeadhandError as error:
                    mend = error.next_step if isinstance(error, Refused) else ""
                    self.note(name, error.message, mend.removesuffix("."))
        for amount in dict.fromkeys(_BUDGET.findall(self.text)):
            if float(amount) * NANO > manifest.house.budget_nanousd:
                limit = show(manifest.house.budget_nanousd)
                self.note(
                    amount,
                    f"a worker's {amount} US dollars are more than the budget of the whole run, "
                    f"{limit}",
                    "Lower it, or raise run.budget_usd",
                )


def task_settings(manifest: Manifest, task: Task) -> Settings:
    """How the worker of a task works."""
    agent = manifest.agents.get(task.agent, Agent())
    return layered(task.settings, agent.settings, manifest.defaults, BASE)


def others(manifest: Manifest) -> Iterator[Settings]:
    """How workers work: those of no agent, and those of each."""
    for own in (Settings(), *(agent.settings for agent in manifest.agents.values())):
        yield layered(own, manifest.defaults, BASE)


def places_of(settings: Settings) -> Iterable[str]:
    """The directories that an actor may read and write."""
    own = [settings.directory] if settings.directory else []
    return map(os.path.realpath, [*own, *(settings.add_dirs or ())])


def within(place: str, roots: Iterable[str]) -> bool:
    """Whether a place lies in one of the directories."""
    return any(PurePosixPath(place).is_relative_to(root) for root in roots)


def folder_of(path: str, base: str) -> str:
    """The directory that holds what a path means; empty where it is no path of this machine."""
    parts = path.split("/")
    fixed = next((n for n, part in enumerate(parts) if _OPEN.search(part)), len(parts))
    whole = os.path.normpath(os.path.join(base, "/".join(parts[:fixed]) or "/"))  # noqa: PTH118
    if path.startswith("/") and parts[1] not in _ROOTS and not os.path.isdir("/" + parts[1]):  # noqa: PTH112
        return ""
    if within(whole, _NEVER_FILES):
        return ""
    if fixed == len(parts) and not path.endswith("/") and not os.path.isdir(whole):  # noqa: PTH112
        if os.path.isfile(whole) or "." in parts[-1].lstrip("."):  # noqa: PTH113
            whole = os.path.dirname(whole) if whole.count("/") > 1 else whole  # noqa: PTH120
    return os.path.realpath(whole)


def speaks_of(text: str, tool: str) -> bool:
    """Whether a text names a tool, and does not merely use its word."""
    if tool == "WebFetch":
        return re.search(r"\bWebFetch\b", text) is not None
    called = rf"[\"'`]{tool}[\"'`]|\b{tool} tool\b|\btool {tool}\b|\b(?:using|via) {tool}\b"
    return re.search(called, text) is not None
