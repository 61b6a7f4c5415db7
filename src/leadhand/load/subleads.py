"""Subleads: whether the lead may have leads of its own, within what, and what each has."""

from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from leadhand.domain.manifest import HouseRules, Subleads
from leadhand.domain.money import show
from leadhand.load import settings as reading
from leadhand.load.section import Section, shown
from leadhand.load.settings import TIMEOUT_MAX_SECS, WORKERS_MAX

ALLOW = "allow_subleads"
DEFAULTS = "sublead_defaults"
FIGURES = ("max_subleads", "max_sublead_budget_usd", "max_total_workers", "max_depth")
KEYS = (ALLOW, *FIGURES)
_DEFAULTS = (
    *reading.KEYS,
    *("budget_usd", "max_workers", "lead_timeout_secs", "read_down", "use_worktree"),
)
DEPTH_MAX = 8


def read(
    top: Section, lead: Section | None, house: HouseRules, base: Path, homes: Mapping[str, str]
) -> Subleads | None:
    """What the manifest says of sub-leads; None where they are not allowed. base: where relative
    paths start; homes: where other keys belong."""
    lead = lead or Section(top.report, {}, ("lead",), "lead")
    allowed = lead.flag(ALLOW)
    within = Subleads(
        max_subleads=lead.whole("max_subleads", 1, WORKERS_MAX),
        max_sublead_budget_nanousd=lead.usd("max_sublead_budget_usd"),
        max_total_workers=lead.whole("max_total_workers", 1, WORKERS_MAX),
        max_depth=lead.whole("max_depth", 1, DEPTH_MAX) or Subleads().max_depth,
    )
    found = _defaults(top.table(DEFAULTS), within, base, homes)
    if not allowed:
        _idle(top, lead)
        return None
    _check_figures(lead, found, house)
    _check_defaults(top.table(DEFAULTS), found, house)
    return found


def _defaults(section: Section, within: Subleads, base: Path, homes: Mapping[str, str]) -> Subleads:
    """The same with what a spawn leaves out."""
    section.only(_DEFAULTS, homes)
    settings = replace(
        reading.read(section, base, _DEFAULTS),
        timeout_secs=section.whole("lead_timeout_secs", 1, TIMEOUT_MAX_SECS),
        budget_nanousd=section.usd("budget_usd"),
        use_worktree=section.flag("use_worktree"),
    )
    return replace(
        within,
        max_workers=section.whole("max_workers", 1, WORKERS_MAX),
        read_down=bool(section.flag("read_down")),
        settings=settings,
    )


def _idle(top: Section, lead: Section) -> None:
    """Warn of what is said of sub-leads where there are none."""
    why = f"has no effect, since {ALLOW} is not true"
    for key in FIGURES:
        if key in lead:
            lead.warn(key, message=why)
    if DEFAULTS in top:
        top.warn(DEFAULTS, message=why)


def _check_figures(lead: Section, found: Subleads, house: HouseRules) -> None:
    """Warn of figures of which one never lets another be reached."""
    if found.max_depth == 1:
        lead.warn(
            "max_depth",
            message="leaves no level for the workers of a sub-lead, so that there will be none",
        )
    total = found.max_total_workers
    if total is not None and total < house.max_workers:
        lead.warn(
            "max_total_workers",
            message=f"max_workers, {house.max_workers}, is never reached: {total} are allowed in "
            "the whole run",
        )
    most = found.max_sublead_budget_nanousd
    if most is not None and most > house.budget_nanousd:
        lead.warn(
            "max_sublead_budget_usd",
            message=f"is never reached: the whole run has {show(house.budget_nanousd)}",
        )


def _check_defaults(section: Section, found: Subleads, house: HouseRules) -> None:
    """Note defaults with which every spawn that keeps to them would be refused."""
    amount, most = found.settings.budget_nanousd, found.max_sublead_budget_nanousd
    limits = [("the budget of the whole run", "run.budget_usd", house.budget_nanousd)]
    if most is not None:
        limits.insert(0, ("max_sublead_budget_usd", "lead.max_sublead_budget_usd", most))
    for what, key, limit in limits:
        if amount is not None and amount > limit:
            section.fault(
                "budget_usd",
                message=f"a sub-lead's {shown(section.values['budget_usd'])} US dollars are more "
                f"than {what}, {show(limit)}",
                mend=f"Lower it, or raise {key}",
            )
            break
    if found.max_workers is not None and found.max_workers > house.max_workers:
        section.fault(
            "max_workers",
            message=f"a sub-lead's {found.max_workers} workers are more than max_workers, "
            f"{house.max_workers}",
            mend="Lower it, or raise run.max_workers",
        )
    secs = found.settings.timeout_secs
    if secs is not None and secs > house.lead_timeout_secs:
        section.warn(
            "lead_timeout_secs",
            message=f"is never reached: the lead itself has {house.lead_timeout_secs}",
        )
