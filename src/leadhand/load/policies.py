"""Policies: what a manifest asks of the operator, and what answers for the operator."""

import difflib
import re
from typing import get_args

from leadhand.domain.manifest import (
    APPROVAL_TTL_SECS,
    KNOWN_TOOLS,
    ROLE_TOOLS,
    TOOL_ALIASES,
    ApprovalCategory,
    ApprovalFallback,
    ApprovalPolicy,
    Approvals,
    PolicyAction,
)
from leadhand.domain.outcomes import Role
from leadhand.load.section import ENTRIES_MAX, Section

KEYS = (
    *("actor", "role", "category", "tool", "path", "command", "host", "cost_over"),
    *("action", "reason", "ttl_secs", "fallback"),
)
TTL_MAX_SECS = 7 * 86_400
GLOB_MAX = 500
ACTIONS: tuple[PolicyAction, ...] = get_args(PolicyAction)
FALLBACKS: tuple[ApprovalFallback, ...] = get_args(ApprovalFallback)
CATEGORIES: tuple[ApprovalCategory, ...] = get_args(ApprovalCategory)
ROLES: tuple[Role, ...] = ("lead", "sublead", "worker")
# Only one tool has a command, and only one a host.
_ARGUMENTS = {"command": ("Bash", "Git"), "host": ("WebFetch",)}
_GLOB = re.compile(r"[*?\[]")


def read(top: Section, run: Section, homes: dict[str, str]) -> Approvals:
    """What [run] and [[approval_policy]] say of approvals."""
    plan_required = bool(run.flag("require_plan_approval"))
    if plan_required and "task" in top:
        why = "has no effect, since no lead is there to propose a plan"
        run.warn("require_plan_approval", message=why)
    return Approvals(
        policies=entries(top, homes),
        default=run.choice("default_approval_policy", ACTIONS) or "block",
        plan_required=plan_required,
    )


def entries(top: Section, homes: dict[str, str]) -> tuple[ApprovalPolicy, ...]:
    """The policies under [[approval_policy]], in their order."""
    sections = top.tables_of("approval_policy", ENTRIES_MAX)
    return tuple(_policy(section, homes) for section in sections)


def _policy(section: Section, homes: dict[str, str]) -> ApprovalPolicy:
    section.only(KEYS, homes)
    if "action" not in section:
        mend = f"Write one of {', '.join(ACTIONS)}"
        section.fault("action", message="is required", mend=mend)
    action = section.choice("action", ACTIONS) or "block"
    globs = {key: _glob(section, key) for key in ("actor", "tool", "path", "command", "host")}
    for key, tools in _ARGUMENTS.items():
        tool = globs["tool"]
        if globs[key] and tool and not _GLOB.search(tool) and tool not in tools:
            section.fault(key, message=f"never fits: no tool but {' and '.join(tools)} has a {key}")
    _known(section, globs["tool"])
    if globs["path"] and not globs["path"].startswith(("/", "*", "?", "[")):
        mend = "Paths are judged whole: begin with / or *"
        section.fault("path", message="never fits, since it is relative", mend=mend)
    if action != "block":
        for key in ("ttl_secs", "fallback"):
            if key in section:
                section.warn(key, message=f'has no effect with action = "{action}"')
    ttl_secs = section.whole("ttl_secs", 1, TTL_MAX_SECS)
    return ApprovalPolicy(
        action=action,
        role=section.choice("role", ROLES),
        category=section.choice("category", CATEGORIES),
        cost_over_nanousd=section.usd("cost_over", free=True),
        reason=section.text("reason") or "",
        ttl_secs=APPROVAL_TTL_SECS if ttl_secs is None else ttl_secs,
        fallback=section.choice("fallback", FALLBACKS) or "auto_reject",
        **globs,
    )


def _known(section: Section, tool: str) -> None:
    """Note a tool that there is not; one of the operator's own may have any name."""
    every = (*KNOWN_TOOLS, *sorted(ROLE_TOOLS))
    if tool in TOOL_ALIASES:
        message = "never fits, since it is another name of a tool"
        section.fault("tool", message=message, mend=f'Write "{TOOL_ALIASES[tool]}"')
    elif tool not in every and not _GLOB.search(tool):
        near = difflib.get_close_matches(tool[:60], every, 1)
        if near:
            why = f'fits none of Leadhand\'s tools; did you mean "{near[0]}"?'
            section.warn("tool", message=why)


def _glob(section: Section, key: str) -> str:
    text = section.text(key) or ""
    if len(text) > GLOB_MAX:
        section.fault(key, message=f"is longer than {GLOB_MAX} characters")
    return text
