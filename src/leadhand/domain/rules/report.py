"""Report: a lead's four sections, read from its last message and compared with the log."""

import re
from collections.abc import Iterator
from typing import Literal

from leadhand.domain import events as e
from leadhand.domain import ledger
from leadhand.domain.clock import At
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.money import NANO, as_usd, show
from leadhand.domain.state import Actor, Record, Run
from leadhand.domain.text import one_line

SECTIONS = ("STATUS", "COMPLETED", "DEFERRED OR FAILED", "COST SUMMARY")
# Patterns are read against whatever a model writes: none may take more than linear time.
_MARKS = " \t#>*_`"
_HEADING = re.compile(
    rf"(?:\d{{1,3}}[.)])?[{_MARKS}]*({'|'.join(SECTIONS)})[{_MARKS}]*(?:(?::|[—–-](?=\s|$))(.*))?$",
    re.IGNORECASE,
)
_BULLET = re.compile(r"^\s*(?:[-*•+]|\d+[.)])\s+(.*)$")
_WORKER = re.compile(
    r"^[`*\[(]*((?:root/)?(?:[SW]\d+)(?:/[SW]\d+)*)[`*\])]*(?::[`*]+)?(?=$|[\s:;,|—–-])"
)
_SPLIT = re.compile(r"\s+[—–|-]+\s+|\s*[:;]\s+|\s*\|\s*|,\s+")
_NUMBER = r"(\d[\d,]{0,14}(?:\.\d{1,12})?)"
_USD = (
    re.compile(rf"(?:\$|\bUSD)\s?{_NUMBER}", re.IGNORECASE),
    re.compile(rf"(?<![\w.,]){_NUMBER}\s?(?:\$|USD\b|dollars?\b)", re.IGNORECASE),
    re.compile(rf"(?<![\w.,]){_NUMBER}(?!\w)"),
)
_NOTHING = re.compile(r"^[\W_]*(?:none|nothing|n/a|empty)[\W_]*$", re.IGNORECASE)
STATUSES: dict[str, Literal["success", "partial", "failed"]] = {
    "success": "success",
    "partial": "partial",
    "failed": "failed",
}
_STATED = re.compile(r"\b(success|partial|failed)\b", re.IGNORECASE)
_TEXT_MAX = 500
_ITEMS_MAX = 1_000


def parse(text: str) -> e.Report | None:
    """The report in a final message, or None where its STATUS or another section is missing.

    Headings may be numbered, bold or Markdown headings. The last STATUS that all other sections
    follow begins the report.
    """
    sections = divided(text)
    if set(sections) != set(SECTIONS):
        return None
    stated = _STATED.search(" ".join(sections["STATUS"]))
    if stated is None:
        return None
    costs, trailing = cost_lines(sections["COST SUMMARY"])
    return e.Report(
        status=STATUSES[stated.group(1).lower()],
        completed=tuple(map(completed_item, bullets(sections["COMPLETED"]))),
        deferred_or_failed=tuple(map(deferred_item, bullets(sections["DEFERRED OR FAILED"]))),
        cost_summary=tuple(map(cost_item, costs)),
        trailing_text=trailing,
    )


def divided(text: str) -> dict[str, list[str]]:
    """The lines under each heading of the last whole report; empty where there is none."""
    lines = text.splitlines()
    headings = [heading(line) for line in lines]
    last = {name: number for number, (name, _) in enumerate(headings) if name}
    if set(last) != set(SECTIONS):
        return {}
    end = min(last[name] for name in SECTIONS if name != "STATUS")
    starts = [number for number in range(end) if headings[number][0] == "STATUS"]
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for number in range(starts[-1] if starts else len(lines), len(lines)):
        name, rest = headings[number]
        if name and name not in found:
            current = found[name] = [rest] if rest else []
        else:
            current.append(lines[number])
    return found


def heading(line: str) -> tuple[str, str]:
    """The section that a line begins and what follows on the line; empty where it begins none."""
    match = _HEADING.match(line.strip(_MARKS))
    if match is None:
        return "", ""
    return match.group(1).upper(), (match.group(2) or "").strip(_MARKS)


def bullets(lines: list[str]) -> Iterator[str]:
    """The bullets of a section, each with its continuation lines, without `none`."""
    items: list[str] = []
    for line in lines:
        match = _BULLET.match(line)
        text = match.group(1) if match else line.strip()
        if match or (text and not items):
            items.append(text)
        elif text and len(items[-1]) < _TEXT_MAX:
            items[-1] += " " + text
        if len(items) > _ITEMS_MAX:
            break
    for item in items[:_ITEMS_MAX]:
        shown = one_line(item, _TEXT_MAX)
        if not _NOTHING.match(shown):
            yield shown


def cost_lines(lines: list[str]) -> tuple[list[str], str]:
    """The lines of the last section, and the text after them, which should not be there.

    Its lines are bullets, lines that begin with a worker, and what is indented below them.
    """
    last = -1
    for number, line in enumerate(lines):
        more = last < 0 or line[:1] in (" ", "\t")
        if _BULLET.match(line) or _WORKER.match(line) or (more and line.strip()):
            last = number
    trailing = "\n".join(lines[last + 1 :]).strip()
    items = [f"- {line}" if _WORKER.match(line) else line for line in lines[: last + 1]]
    return list(bullets(items)), one_line(trailing, _TEXT_MAX)


def leading_worker(bullet: str) -> tuple[str, str]:
    """The worker id that a bullet begins with, if any, and the rest of it."""
    match = _WORKER.match(bullet)
    if match is None:
        return "", bullet
    return match.group(1), bullet[match.end() :].lstrip(" :;,|—–-")


def completed_item(bullet: str) -> e.ReportItem:
    """`W1 — input — result`, or `input — result`."""
    worker, rest = leading_worker(bullet)
    parts = _SPLIT.split(rest, maxsplit=1)
    return e.ReportItem(worker_id=worker, input=parts[0], result=" ".join(parts[1:]))


def deferred_item(bullet: str) -> e.ReportItem:
    """`input — reason`, where the input may be a worker."""
    worker, rest = leading_worker(bullet)
    if worker:
        parts = _SPLIT.split(rest, maxsplit=1)
        if len(parts) == 1:
            return e.ReportItem(worker_id=worker, reason=rest)
    else:
        parts = _SPLIT.split(rest, maxsplit=1)
    return e.ReportItem(worker_id=worker, input=parts[0], reason=" ".join(parts[1:]))


def cost_item(bullet: str) -> e.ReportItem:
    """`W1: $0.12`."""
    worker, rest = leading_worker(bullet)
    found = (pattern.search(rest) for pattern in _USD)
    amount = next((match for match in found if match), None)
    usd = float(amount.group(1).replace(",", "")) if amount else None
    return e.ReportItem(worker_id=worker, input="" if worker else rest, usd=usd)


def check(run: Run, report: e.Report) -> tuple[str, ...]:
    """Where the report and the log disagree, as sentences."""
    return tuple(disagreements(run, report))


def disagreements(run: Run, report: e.Report) -> Iterator[str]:
    """Each point in which the log says otherwise."""
    items = (*report.completed, *report.deferred_or_failed, *report.cost_summary)
    named = {item.worker_id: resolved(run, item.worker_id) for item in items if item.worker_id}
    for worker, actor in named.items():
        if actor is None:
            yield f"{worker}: there is no such worker in this run"
    yield from wrongly_completed(run, report)
    yield from wrong_costs(run, report)
    if named:
        everyone: list[Actor | Record] = [*run.actors.values(), *run.records.values()]
        # Who works for a sub-lead is in that one's answer, which the lead sums up.
        for each in [one.id for one in everyone if one.parent == ROOT]:
            if each not in named.values():
                yield f"{each}: is not in the report"


def wrongly_completed(run: Run, report: e.Report) -> Iterator[str]:
    """Workers that did not do what the report says."""
    for item in report.completed:
        actor = resolved(run, item.worker_id)
        if actor in run.actors:
            yield f"{actor}: reported as completed, but it is still running"
        elif actor is not None and run.records[actor].status != "Success":
            yield f"{actor}: reported as completed, but it settled as {run.records[actor].status}"
    if report.status == "success":
        for record in failed(run):
            if record.parent == ROOT:
                yield f"{record.id}: settled as {record.status} under STATUS success"


def wrong_costs(run: Run, report: e.Report) -> Iterator[str]:
    """Costs that are more than half a cent and a tenth away from the ledger's."""
    for item in report.cost_summary:
        actor = resolved(run, item.worker_id)
        if actor is not None and item.usd is not None:
            spent = ledger.spent_below(run, actor)
            if abs(item.usd * NANO - spent) > max(NANO // 200, spent // 10):
                yield f"{actor}: stated ${item.usd:g}, the ledger says {show(spent)}"


def resolved(run: Run, worker: str) -> ActorId | None:
    """The actor that a report means."""
    for name in (worker, f"{ROOT}/{worker}"):
        if worker and (name in run.actors or name in run.records):
            return ActorId(name)
    return None


def failed(run: Run) -> list[Record]:
    """Workers and sub-leads, on every level, that did not succeed."""
    return [each for each in run.records.values() if each.id != ROOT and each.status != "Success"]


def written(run: Run) -> e.Report:
    """The report that the log itself gives, for a lead that gave none."""
    workers = [record for record in run.records.values() if record.id != ROOT]
    good = [record for record in workers if record.status == "Success"]
    lead, skipped = run.records[ROOT], run.tasks.skipped
    if lead.status == "Success" and len(good) == len(workers) and not skipped:
        status = STATUSES["success"]
    else:
        status = STATUSES["partial" if good else "failed"]
    return e.Report(
        status=status,
        completed=tuple(
            e.ReportItem(worker_id=each.id, input=each.label, result=each.preview) for each in good
        ),
        deferred_or_failed=tuple(
            e.ReportItem(worker_id=each.id, input=each.label, reason=f"{each.status}: {each.error}")
            for each in workers
            if each.status != "Success"
        )
        + tuple(
            e.ReportItem(input=name, reason=f"skipped: {why}") for name, why in skipped.items()
        ),
        cost_summary=tuple(
            e.ReportItem(worker_id=each.id, usd=as_usd(each.spent)) for each in workers
        ),
    )


def evolve_asked(run: Run, event: e.ReportAsked, at: At) -> None:
    """A lead is asked once."""
    run.actors[event.actor].report_asked = True


def evolve_checked(run: Run, event: e.ReportChecked, at: At) -> None:
    """Keep what decides how the run ends; the report itself stays in the log."""
    run.report_status, run.report_by = event.report.status, event.by
    run.mismatches = len(event.mismatches)
