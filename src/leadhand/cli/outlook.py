"""Outlook: a forecast of a run, on paper and as JSON."""

from collections.abc import Iterator
from math import ceil
from typing import Any

from leadhand.agent import LACKS
from leadhand.cli.paper import faint, heading, table
from leadhand.cli.prices import usd
from leadhand.domain.contract import CHECKS_SECS
from leadhand.domain.money import as_usd, show
from leadhand.views.forecast import Divided, Forecast, Part, Rate
from leadhand.views.tree import LEAD, SUBLEAD, WORKER
from leadhand.views.words import counted, line, model_name, span

LOCAL = "unpriced: local"
ROWS_MAX = 50


def page(seen: Forecast) -> Iterator[str]:
    """The forecast, line by line."""
    shown = seen.workers[:ROWS_MAX]
    rows = [actor(seen.lead, f"{LEAD} "), *(actor(each, f"  {WORKER} ") for each in shown)]
    if seen.divided is not None:
        rows.insert(1, actor(seen.divided.part, f"  {SUBLEAD} "))
    yield from table(rows, right=(3, 4, 5))
    if len(seen.workers) > len(shown):
        yield faint(f"  … and {len(seen.workers) - len(shown):,} more")
    yield faint(
        f"at most {counted(seen.max_workers, 'worker')} at a time, {seen.max_total_spawns:,} in all"
    )
    yield from subleads(seen)
    for each in (*seen.workers, *([seen.divided.part] if seen.divided else [])):
        if each.refused:
            yield faint(f"no {line(each.name)} can be spawned: {each.refused}")
    used = {each.harness: None for each in (seen.lead, *seen.workers)}
    for harness in used:
        for what, instead in LACKS[harness]:
            yield faint(f"{harness} does without {what}: {instead}")
    for served in seen.servers:
        whose = ", ".join(served.whose) or "everybody"
        yield faint(f"the tools of the MCP server {served.name} are offered to {whose}")
    yield ""
    yield heading("At worst")
    yield from table([*costs(seen), *times(seen)], indent="  ")
    yield ""
    yield heading("Waits")
    waits = [*seen.waits[:ROWS_MAX], *seen.waits[ROWS_MAX:][-2:]]
    rows = [(line(each.what), minutes(each.secs), f"then {each.then}") for each in waits]
    yield from table(rows, right=(1,), indent="  ")
    yield ""
    yield heading("Models")
    yield from table([(model_name(each.model), price(each)) for each in seen.rates], indent="  ")


def subleads(seen: Forecast) -> Iterator[str]:
    """How many sub-leads there may be, and how many workers with theirs."""
    found = seen.divided
    if found is None or not found.levels:
        return
    yield faint(
        f"at most {counted(found.subleads, 'sub-lead')} at a time on "
        f"{counted(found.levels, 'level')}, each with at most {counted(found.workers, 'worker')} "
        f"of its own; {counted(found.all_workers, 'worker')} at a time in the whole run"
    )


def actor(part: Part, mark: str) -> tuple[str, ...]:
    """One kind of actor as a row."""
    if part.refused:
        return (f"{mark}{line(part.name)}", "", "", "", "", "")
    if part.role == "tasks":
        return (f"{mark}tasks", "", "", "", "", f"{show(part.holds)} for all")
    held = "envelope" if part.envelope else "estimate"
    return (
        f"{mark}{line(part.name)}",
        model_name(part.model) + f" by {part.harness}" * (part.harness != "api"),
        ", ".join(part.tools) or "no work tools",
        counted(part.turns_max, "turn"),
        minutes(part.timeout_secs),
        f"{show(part.holds)} {'for all' if part.role == 'lead' else held}",
    )


def costs(seen: Forecast) -> Iterator[tuple[str, str]]:
    """What may be spent, and how it is split."""
    yield "cost", f"{show(seen.budget)} for everything, which is budget_usd"
    if seen.lead.role == "tasks":
        holds = sum(each.holds for each in seen.workers)
        yield "", f"all tasks together would set {show(holds)} aside at first"
        return
    yield "", f"{show(seen.slice)} of it is kept for the lead's report"
    if seen.divided is not None and not seen.divided.part.refused:
        most = show(seen.divided.each)
        yield "", f"sub-leads, and all below them, spend of it: each at most {most}, its envelope"
    for each in seen.workers:
        if each.refused or not each.holds:
            continue
        fit = min((seen.budget - seen.slice - seen.first_call) // each.holds, seen.max_total_spawns)
        of = "its envelope" if each.envelope else "an estimate, until some have settled"
        fits = f"{counted(max(0, fit), 'worker')} fit at first"
        yield "", f"{show(each.holds)} is set aside for each {line(each.name)}, {of}: {fits}"


def times(seen: Forecast) -> Iterator[tuple[str, str]]:
    """How long it may take."""
    if seen.lead.role == "tasks":
        yield "time", f"{minutes(seen.worst_secs)}, if every task takes all of its time"
        if seen.parks:
            yield "", seen.parks
        return
    lead = seen.lead.timeout_secs
    grace = (seen.worst_secs - lead - CHECKS_SECS) // 2
    parts = f"{minutes(lead)} for the lead, then twice {span(grace * 1000)} of grace"
    parts += f", and {minutes(CHECKS_SECS)} for checks"
    yield "time", f"{minutes(seen.worst_secs)}: {parts}"
    if seen.parks:
        yield "", seen.parks


def minutes(secs: int) -> str:
    """Seconds as minutes, rounded up to a tenth."""
    return f"{ceil(secs / 6) / 10:,g} min"


def price(rate: Rate) -> str:
    """What a model costs."""
    if rate.local:
        return LOCAL
    costs = f"{show(rate.price.input)} input, {show(rate.price.output)} output"
    return f"{costs} per million tokens" + (", more in long contexts" * bool(rate.price.tiers))


def as_json(seen: Forecast) -> dict[str, Any]:
    """The forecast as programs read it."""
    return {
        "lead": part_json(seen.lead),
        "workers": [part_json(each) for each in seen.workers],
        "max_workers": seen.max_workers,
        "max_total_spawns": seen.max_total_spawns,
        "subleads": divided_json(seen.divided) if seen.divided else None,
        "budget_usd": as_usd(seen.budget),
        "report_usd": as_usd(seen.slice),
        "first_call_usd": as_usd(seen.first_call),
        "worst_case_usd": as_usd(seen.budget),
        "worst_case_minutes": round(seen.worst_secs / 60, 2),
        "parked": seen.parks or None,
        "waits": [
            {"what": each.what, "timeout_secs": each.secs, "then": each.then} for each in seen.waits
        ],
        "mcp_servers": [
            {"name": each.name, "agents": list(each.whose) or None} for each in seen.servers
        ],
        "models": [
            {"model": each.model, "price": LOCAL}
            if each.local
            else {"model": each.model, "price": usd(each.price)}
            for each in seen.rates
        ],
    }


def divided_json(found: Divided) -> dict[str, Any]:
    """The sub-leads that there may be, as programs read them."""
    return {
        "sublead": part_json(found.part),
        "max_subleads": found.subleads,
        "max_sublead_budget_usd": as_usd(found.each),
        "max_workers": found.workers,
        "max_total_workers": found.all_workers,
        "levels": found.levels,
    }


def part_json(part: Part) -> dict[str, Any]:
    """One kind of actor as programs read it."""
    held = {"budget_usd": as_usd(part.holds)} if part.envelope else {}
    return {
        "role": part.role,
        "name": part.name,
        "agent": part.agent or None,
        "model": part.model,
        "harness": part.harness,
        "tools": part.tools,
        "directory": part.directory or None,
        "max_turns": part.turns_max,
        "timeout_secs": part.timeout_secs,
        **(held or {"estimate_usd": as_usd(part.holds)}),
        "refused": part.refused or None,
    }
