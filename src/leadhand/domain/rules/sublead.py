"""Sublead: how a lead gets a lead of its own, with an envelope and a cap carved out of its own.

Law: what is asked above a cap is refused before anything changes; a sub-lead never has more money,
time or workers than there are above it.
"""

import re
from collections.abc import Mapping

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain import layers, ledger
from leadhand.domain.clock import Now
from leadhand.domain.ids import ActorId, CallId, depth, sublead_id
from leadhand.domain.manifest import BASE, LEAD_TOOLS, Manifest, Settings, Subleads, layered
from leadhand.domain.money import show
from leadhand.domain.prices import price_of
from leadhand.domain.rules import approval, budget, caps, kv
from leadhand.domain.rules.spawn import (
    LEAD_TURNS,
    already,
    check_tools,
    parent_of,
    wide_of,
    with_limit,
)
from leadhand.domain.state import Actor, Run
from leadhand.domain.text import one_line
from leadhand.refusals import (
    InvalidArguments,
    MaxWorkersExceeded,
    NamespaceDenied,
    OutOfTime,
    Refused,
    SubleadBudgetExceeded,
)

REFERENCES_MAX = 100
ENV_MAX = 32
ENV_BYTES_MAX = 4_096
_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
# By these a program is made to run or load another, to read another configuration, or to trust
# another host.
_NOT_SET = re.compile(
    r"LEADHAND_.*|PATH|HOME|SHELL|USER|LOGNAME|ENV|IFS|CDPATH|PS4|PROMPT_COMMAND|TMPDIR"
    r"|LD_.*|DYLD_.*|GCONV_PATH|LOCPATH|MALLOC_.*|GLIBC_.*|HOSTALIASES|RES_OPTIONS"
    r"|BASH.*|SHELLOPTS|ZDOTDIR|PYTHON.*|VIRTUAL_ENV|PERL.*|RUBY.*|GEM_.*|NODE_.*|NPM_.*|LUA_.*|PHP.*"
    r"|(JAVA|JDK|_JAVA).*|CLASSPATH|DOTNET_.*|CORECLR_.*|GO(FLAGS|ENV|ROOT|TOOLCHAIN)|RUSTC.*|CARGO_.*"
    r"|GIT_(?!(AUTHOR|COMMITTER)_(NAME|EMAIL|DATE)$).*|SSH_.*|SUDO_.*|XDG_.*"
    r"|EDITOR|VISUAL|PAGER|MANPAGER|BROWSER|LESS.*|MAKEFLAGS|MAKEFILES"
    r"|SSL_.*|CURL_.*|REQUESTS_CA_BUNDLE|PIP_.*|UV_.*|(HTTPS?|ALL|NO|FTP)_PROXY|AWS_.*"
)


def spawn(run: Run, command: c.SpawnSublead, now: Now) -> list[e.Event]:
    """Make a sub-lead, or give the one that the same key made before. Raises Refused."""
    parent = parent_of(run, command)
    if already(parent, command.key or command.call, "S"):
        return []
    try:
        within = caps.check_sublead(run, parent)
        approval.check_plan(run, parent)
        spawned = made(run, parent, command, within, now)
        return [spawned, *entries(command, spawned.actor)]
    except Refused as refusal:
        raise caps.refused(parent, refusal) from refusal


def may_spawn(run: Run, actor: Actor) -> bool:
    """Whether an actor may have sub-leads at all: it is a lead, and not too deep."""
    asked = run.manifest.subleads if run.manifest else None
    return asked is not None and actor.role != "worker" and depth(actor.id) + 1 < asked.max_depth


def made(
    run: Run, parent: Actor, command: c.SpawnSublead, within: Subleads, now: Now
) -> e.ActorSpawned:
    """The sub-lead that is asked for. Raises Refused."""
    assert run.manifest is not None
    places = places_of(run, command, within)
    amount = amount_of(command, within)
    check_env(command.settings.env or {}, parent.env)
    handed = {**(within.settings.env or {}), **parent.env, **(command.settings.env or {})}
    own = Settings(
        timeout_secs=secs_of(run, parent, command, within, now), budget_nanousd=amount, env=handed
    )
    settings = settings_of(run.manifest, parent, layered(own, command.settings, within.settings))
    check_tools(run.manifest, settings)
    price = price_of(run.manifest, settings.model or "")
    budget.check_spawn(run, parent, amount)
    return e.ActorSpawned(
        sublead_id(parent.id, parent.subleads_spawned + 1),
        parent=parent.id,
        role="sublead",
        call=command.call,
        key=command.key or command.call,
        label=one_line(command.label, 80),
        prompt=command.prompt,
        settings=settings,
        price=price,
        slice=ledger.report_cost(run, settings.model or "", price, 0),
        envelope=amount,
        max_workers=places,
        read_down=within.read_down if command.read_down is None else command.read_down,
        env=handed,
    )


def entries(command: c.SpawnSublead, layer: ActorId) -> list[e.Event]:
    """What its layer holds from the beginning, written by its parent. Raises InvalidArguments,
    NamespaceDenied, StoreFull."""
    if len(command.references) > REFERENCES_MAX:
        raise InvalidArguments(
            f"initial_ref has {len(command.references)} entries, at most {REFERENCES_MAX} are "
            "allowed",
            "Put what is more into files, and their paths into the prompt.",
        )
    found: dict[str, e.Event] = {}
    for each in command.references:
        path = reference_path(each.path)
        size = each.size if each.blob else len(each.value.encode())
        kv.check_size(path, size)
        if path in found:
            raise InvalidArguments(f"initial_ref gives {path} twice", "Give it once.")
        found[path] = e.EntryPut(
            command.parent,
            call=CallId(f"{command.call}:{path}"),
            layer=layer,
            path=path,
            size=size,
            value=each.value,
            blob=each.blob,
        )
    return [*found.values()]


def reference_path(text: str) -> str:
    """The path under `/ref/` that a key of initial_ref names, with or without that beginning.
    Raises InvalidArguments, NamespaceDenied."""
    space, *rest = layers.parts(text if text.startswith("/") else f"/ref/{text}")
    if space != "ref" or not rest:
        raise NamespaceDenied(
            "initial_ref holds entries under /ref/ alone, which a sub-lead finds when it begins",
            "Name them as plan or /ref/plan.",
        )
    return f"/ref/{'/'.join(rest)}"


def settings_of(manifest: Manifest, parent: Actor, asked: Settings) -> Settings:
    """How a sub-lead works, all filled in: as it is asked, else as the lead of the run does."""
    lead = manifest.lead.settings
    like = Settings(
        model=parent.model or None,
        harness=lead.harness,
        effort=lead.effort,
        allow_hosts=lead.allow_hosts,
        max_turns=lead.max_turns,
        max_tokens=lead.max_tokens,
        compact_above_tokens=lead.compact_above_tokens,
    )
    usual = Settings(tools=LEAD_TOOLS, max_turns=LEAD_TURNS)
    found = layered(asked, like, usual, wide_of(manifest), BASE)
    return with_limit(found.named(manifest.aliases))


def places_of(run: Run, command: c.SpawnSublead, within: Subleads) -> int:
    """Its cap: of no lead is it above that of the house. Raises InvalidArguments,
    MaxWorkersExceeded."""
    asked = command.max_workers if command.max_workers is not None else within.max_workers
    if asked is None or asked < 1:
        raise InvalidArguments(
            "max_workers is missing: how many workers it may have at a time",
            f"Give max_workers, from 1 to {run.house.max_workers}.",
        )
    if asked > run.house.max_workers:
        raise MaxWorkersExceeded(
            f"max_workers exceeded: {asked} asked (max {run.house.max_workers})",
            f"Ask for at most {run.house.max_workers} in max_workers.",
        )
    return asked


def amount_of(command: c.SpawnSublead, within: Subleads) -> int:
    """Its envelope, in nano-dollars. Raises InvalidArguments, SubleadBudgetExceeded."""
    asked = command.settings.budget_nanousd
    asked = asked if asked is not None else within.settings.budget_nanousd
    most = within.max_sublead_budget_nanousd
    if asked is None or asked < 1:
        raise InvalidArguments(
            "budget_usd is missing: what it and all below it may spend",
            "Give budget_usd, in US dollars" + (f", at most {show(most)}." if most else "."),
        )
    if most is not None and asked > most:
        raise SubleadBudgetExceeded(
            f"sublead budget exceeded: {show(asked)} > {show(most)} max_sublead_budget_usd",
            f"Ask for at most {show(most)} in budget_usd.",
        )
    return asked


def secs_of(run: Run, parent: Actor, command: c.SpawnSublead, within: Subleads, now: Now) -> int:
    """Its time: what is asked, and never more than its parent has left; where that has enough, it
    ends as much earlier as its last turn may take, which its parent can then read. Raises
    OutOfTime."""
    asked = command.settings.timeout_secs or within.settings.timeout_secs
    asked = asked or run.house.lead_timeout_secs
    left = asked if parent.deadline is None else (parent.deadline - now.run_ms) // 1000
    if left < 1:
        raise OutOfTime()
    spare = 2 * run.house.grace_secs
    return min(asked, left - spare if left > 2 * spare else left)


def check_env(asked: Mapping[str, str], inherited: Mapping[str, str]) -> None:
    """Refuse variables by which programs are turned into others, or that are too many or too
    long. Raises InvalidArguments."""
    for name, text in asked.items():
        shown = one_line(name, 80)
        if not _NAME.fullmatch(name):
            raise InvalidArguments(
                f'env: "{shown}" is no name of a variable that may be set',
                "Names are capitals, digits and underscores, at most 64.",
            )
        if _NOT_SET.fullmatch(name):
            raise InvalidArguments(
                f"env: {shown} may not be set: it changes which programs run, or whom they trust",
                "Leave it out; the operator may set it in the manifest.",
            )
        if "${" in text or "\0" in text:
            raise InvalidArguments(
                f"env: the value of {shown} holds a NUL, or ${{...}}, which is the operator's",
                "Write the value itself.",
            )
    every = {**inherited, **asked}
    size = sum(len(name) + len(text.encode(errors="replace")) for name, text in every.items())
    if len(every) > ENV_MAX or size > ENV_BYTES_MAX:
        raise InvalidArguments(
            f"env: {len(every)} variables of {size} bytes, with those handed down; at most "
            f"{ENV_MAX} of {ENV_BYTES_MAX} bytes are allowed",
            "Put what is longer into a file, and its path into the prompt.",
        )
