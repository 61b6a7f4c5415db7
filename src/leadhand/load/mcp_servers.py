"""Mcp servers: what a manifest says of other people's servers of tools, and who is offered them."""

import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from leadhand import endpoints
from leadhand.domain.manifest import Agent, McpServer
from leadhand.domain.outcomes import Role
from leadhand.domain.variables import PREFIX, named, ours
from leadhand.endpoints import ALLOW_HOSTS
from leadhand.load import variables
from leadhand.load.section import ENTRIES_MAX, Section, quoted, shown

KEYS = (
    *("name", "command", "args", "env", "url", "headers"),
    *("tools", "reads", "timeout_secs", "agents"),
)
# Where they stand elsewhere, these are meant for a server.
HOMELESS = ("command", "args", "headers", "reads")
SERVERS_MAX = 32
TIMEOUT_MAX_SECS = 3600
ROLES: tuple[Role, ...] = ("lead", "worker", "sublead")
# A tool is named after its server, in the 64 characters that a name may have: mcp__SERVER__TOOL.
NAME = re.compile(r"[A-Za-z0-9](?:[-_]?[A-Za-z0-9]){0,31}")
NAME_MAX = 32
_NAME_RULE = (
    f"must be at most {NAME_MAX} letters and digits, with single hyphens or underscores between "
    "them"
)
# What clients put before the names of Leadhand's own tools.
TAKEN = ("leadhand", "pitboss")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
# The protocol's own.
_HEADERS_TAKEN = re.compile(
    "host|content-.*|accept|connection|transfer-encoding|upgrade|te|trailer|mcp-.*", re.IGNORECASE
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")
_SECRET = re.compile(f"{variables.SECRET.pattern}|AUTH|COOKIE", re.IGNORECASE)
_VALUE_MAX = 32 * 1024


def read(
    top: Section, base: Path, agents: Mapping[str, Agent], homes: dict[str, str]
) -> tuple[McpServer, ...]:
    """The servers under [[mcp_server]]. base: where their programs run; agents: those that there
    are."""
    sections = top.tables_of("mcp_server", SERVERS_MAX)
    found = [_server(each, base, agents, homes) for each in sections]
    lines: dict[str, str] = {}
    for section, server in zip(sections, found, strict=True):
        if server.name in lines:
            message = f"is the name of the server {lines[server.name]} too"
            section.fault("name", message=message, mend="Give one another name")
        elif server.name:
            lines[server.name] = section.where("name")
    return tuple(found)


def _server(
    section: Section, base: Path, agents: Mapping[str, Agent], homes: dict[str, str]
) -> McpServer:
    section.only(KEYS, homes)
    found = McpServer(
        name=_name(section),
        command=_command(section, base),
        args=tuple(text for _, text in section.texts("args", ENTRIES_MAX) or ()),
        directory=str(base.absolute()),
        env=_table(section, "env"),
        url=section.text("url") or "",
        headers=_table(section, "headers"),
        tools=_globs(section, "tools", ("*",)),
        reads=_globs(section, "reads", ()),
        timeout_secs=section.whole("timeout_secs", 1, TIMEOUT_MAX_SECS)
        or McpServer("").timeout_secs,
        agents=_agents(section, agents),
    )
    _check_place(section, found)
    return found


def _name(section: Section) -> str:
    name = section.text("name")
    section.form("name", type="string", pattern=f"^{NAME.pattern}$", maxLength=NAME_MAX)
    if "name" not in section:
        section.fault("name", message="is required", mend="Its tools are called mcp__NAME__TOOL")
    if name is None:
        return ""
    if len(name) > NAME_MAX or not NAME.fullmatch(name):
        section.fault("name", message=f"{_NAME_RULE}, found {shown(name)}")
    elif name.lower() in TAKEN:
        message = f"{name} stands before the names of Leadhand's own tools"
        section.fault("name", message=message, mend="Choose another")
    return name


def _command(section: Section, base: Path) -> str:
    """The program: found on PATH, or by a path that is made absolute."""
    text = section.text("command")
    if text is None:
        return ""
    if "/" not in text:
        if shutil.which(text, path=section.report.environ.get("PATH")) is None:
            section.warn("command", message=f"{quoted(text)} is not found on PATH here")
        return text
    try:
        path = base.absolute() / Path(text).expanduser()
    except RuntimeError:
        section.fault("command", message="begins with the home of an unknown user")
        return text
    if shutil.which(str(path)) is None:
        section.warn("command", message=f"{quoted(str(path))} is no program that can be run here")
    return str(path)


def _table(section: Section, key: str) -> dict[str, str]:
    """The texts of `env` or `headers`, as they are written."""
    table = section.table(key)
    if len(table.values) > ENTRIES_MAX:
        table.fault(message=f"has {len(table.values)} entries, at most {ENTRIES_MAX} are allowed")
        return {}
    found = {}
    for name in table.values:
        if wrong := _no_header(name) if key == "headers" else _no_variable(name):
            table.fault(name, message=wrong)
            continue
        text = table.text(name, blank=True)
        if text is None:
            continue
        if len(text.encode(errors="replace")) > _VALUE_MAX:
            table.fault(name, message=f"is longer than {_VALUE_MAX // 1024} KiB")
            continue
        variables.check(table, name, text=text)
        if text and _SECRET.search(name) and not any(map(ours, named(text))):
            mend = f'Keep it out of the manifest: "{name}" = "${{LEADHAND_...}}"'
            table.warn(name, message=f"is a secret that every file of the run will hold. {mend}")
        found[name] = text
    return found


def _no_header(name: str) -> str:
    if not _HEADER.fullmatch(name):
        return "is no name of a header"
    return "is a header of the protocol's own" * bool(_HEADERS_TAKEN.fullmatch(name))


def _no_variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        return "is no name of an environment variable"
    own = name.upper().startswith(PREFIX)
    return f"names that begin with {PREFIX} are Leadhand's own" * own


def _globs(section: Section, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    found = section.texts(key, ENTRIES_MAX)
    if found is None:
        return default
    if section.values.get(key) == [] and key == "tools":
        section.fault(key, message="offers no tool", mend="Leave it out for all")
    return tuple(dict.fromkeys(text for _, text in found))


def _agents(section: Section, agents: Mapping[str, Agent]) -> tuple[str, ...]:
    """Who is offered its tools: agents by name, and roles."""
    known: Collection[str] = [*ROLES, *agents]
    chosen: dict[str, None] = {}
    for index, text in section.texts("agents", ENTRIES_MAX) or ():
        if text not in known:
            message = f"there is no agent {quoted(text)}, and it is none of {', '.join(ROLES)}"
            mend = section.near(text, known) or f"Write it under [agents.{text}]"
            section.fault("agents", index, message=message, mend=mend)
        elif text in ROLES and text in agents:
            message = f"{quoted(text)} is a role and an agent"
            section.fault("agents", index, message=message, mend="Give the agent another name")
        chosen[text] = None
    if section.values.get("agents") == []:
        section.fault("agents", message="names nobody", mend="Leave it out for everybody")
    return tuple(chosen)


def _check_place(section: Section, server: McpServer) -> None:
    """Note what keeps a server from being started or asked."""
    program, remote = "command" in section, "url" in section
    if program == remote:
        message = "stands beside a command" if remote else "is required, or a url"
        mend = f"{'Keep' if remote else 'Write'} one: command starts a program, url is where one "
        mend += "listens"
        section.fault("url" if remote else "command", message=message, mend=mend)
        return
    for key in ("args", "env") if remote else ("headers",):
        if key in section:
            section.fault(key, message=f"has no meaning beside {'url' if remote else 'command'}")
    if not remote or not server.url:
        return
    before = len(section.report.faults)
    variables.check(section, "url", text=server.url)
    if len(section.report.faults) > before:
        return
    try:
        endpoints.url_of(server, section.report.environ)
    except ValueError as error:
        told = ALLOW_HOSTS in str(error)
        mend = f"Name it in the environment: export {ALLOW_HOSTS}=HOST:PORT" if told else ""
        section.fault("url", message=f"cannot be asked: {error}", mend=mend)
