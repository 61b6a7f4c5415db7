"""Report: four sections in whatever dress, compared with the log and never believed."""

import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadhand.domain import events as e
from leadhand.domain.ids import ROOT
from leadhand.domain.money import Usage
from leadhand.domain.rules import report
from leadhand.domain.rules.report import SECTIONS, parse
from tests.rules.world import REPORT, World

PLAIN = e.Report(
    status="success",
    completed=(e.ReportItem("root/W1", "a.py", "has no faults"),),
    deferred_or_failed=(e.ReportItem("", "b.py", "", "no time left"),),
    cost_summary=(e.ReportItem("root/W1", usd=0.12),),
)


def written(
    heading: str = "{number}. {name}: {rest}", bullet: str = "- ", worker: str = "root/W1"
) -> str:
    """PLAIN in some dress."""
    sections: tuple[tuple[str, list[str]], ...] = (
        ("success", []),
        ("", [f"{worker} — a.py — has no faults"]),
        ("", ["b.py — no time left"]),
        ("", [f"{worker}: $0.12"]),
    )
    lines = []
    for number, (name, (rest, items)) in enumerate(zip(SECTIONS, sections, strict=True), 1):
        lines.append(heading.format(number=number, name=name, rest=rest).rstrip())
        lines += [bullet.replace("#", str(at)) + item for at, item in enumerate(items, 1)]
    return "\n".join(lines)


def read(text: str) -> e.Report:
    """The report that a text must have."""
    found = parse(text)
    assert found is not None
    return found


def costs(*lines: str) -> list[tuple[str, float | None]]:
    """The workers and amounts of a cost summary."""
    text = written().rpartition("\n")[0] + "\n" + "\n".join(lines)
    return [(item.worker_id, item.usd) for item in read(text).cost_summary]


# --- headings


@pytest.mark.parametrize(
    "heading",
    [
        "{number}. {name}: {rest}",
        "{number}) {name}: {rest}",
        "{name}: {rest}",
        "{name}\n{rest}",
        "{name} — {rest}",
        "{name} - {rest}",
        "**{name}**: {rest}",
        "**{name}:** {rest}",
        "**{number}. {name}:** {rest}",
        "**{number}. {name}**\n{rest}",
        "{number}. **{name}**: {rest}",
        "## {name}\n\n{rest}",
        "### {number}. {name}: {rest}",
        "## **{name}**\n{rest}",
        "   {number}. {name} :  {rest}",
        "> {name}: {rest}",
        "__{name}__: {rest}",
        "`{name}`: {rest}",
        "# {name} #\n{rest}",
    ],
)
def test_headings_are_read_in_any_dress(heading: str) -> None:
    for dressed in (heading, heading.lower()):
        assert read(written(dressed)) == PLAIN
    lower = written(heading).replace("STATUS", "Status").replace("COST SUMMARY", "Cost summary")
    assert read(lower.replace("COMPLETED", "completed")) == PLAIN


@pytest.mark.parametrize("stated", ['"success"', "`success`", "**success**", "Success.", "SUCCESS"])
def test_a_status_is_read_in_any_dress(stated: str) -> None:
    assert read(written().replace("success", stated)).status == "success"


@pytest.mark.parametrize("status", ["success", "partial", "failed"])
def test_a_status_is_one_of_three(status: str) -> None:
    assert read(written().replace("success", status)).status == status


@pytest.mark.parametrize("stated", ["done", "", "unsuccessful", "ok", "partially"])
def test_a_report_of_another_status_is_none(stated: str) -> None:
    assert parse(written().replace("success", stated)) is None


@pytest.mark.parametrize("missing", range(4))
def test_a_report_without_one_of_its_sections_is_none(missing: int) -> None:
    name = SECTIONS[missing]
    assert parse(written().replace(f"{missing + 1}. {name}:", "ELSE:")) is None


@pytest.mark.parametrize("text", ["", "\n", "done", "STATUS: success", "\x00", "\u2028" * 100])
def test_what_is_no_report_is_none(text: str) -> None:
    assert parse(text) is None


def test_prose_before_a_report_is_not_part_of_it() -> None:
    prose = "All done.\nStatus so far: good.\nCompleted: most of it.\n\nHere is the report:\n\n"
    assert read(prose + written()) == PLAIN


def test_the_last_of_two_reports_counts() -> None:
    draft = written().replace("success", "failed").replace("a.py", "draft.py")
    assert read(f"{draft}\n\nFinal report:\n\n{written()}") == PLAIN


@pytest.mark.parametrize("line", ["* Status: 404 returned", "status: failed", "> STATUS — gone"])
def test_a_line_of_a_section_that_begins_with_status_begins_no_report(line: str) -> None:
    for after in ("no faults", "no time left", "$0.12"):
        text = written().replace(after, f"{after}\n{line}", 1)
        assert read(text).status == "success"


def test_a_word_that_only_begins_like_a_heading_is_none() -> None:
    assert read(written().replace("has no faults", "fine\nStatus-quo kept")).completed[0].result


def test_a_section_may_stand_on_its_headings_line() -> None:
    found = read(
        "STATUS: success\nCOMPLETED: W1 — a.py — fine\nDEFERRED OR FAILED: none\n"
        "COST SUMMARY: W1 $1"
    )
    assert found.completed == (e.ReportItem("W1", "a.py", "fine"),)
    assert found.deferred_or_failed == ()
    assert found.cost_summary == (e.ReportItem("W1", usd=1.0),)


# --- bullets


@pytest.mark.parametrize("bullet", ["- ", "* ", "• ", "+ ", "#. ", "#) ", "  - ", "\t* ", "-   "])
def test_bullets_are_read_in_any_dress(bullet: str) -> None:
    assert read(written(bullet=bullet)) == PLAIN


@pytest.mark.parametrize("worker", ["W1", "root/W1", "S1/W2", "root/S1/W2"])
@pytest.mark.parametrize("dress", ["{}", "**{}**", "`{}`", "[{}]", "({})", "**`{}`**"])
def test_workers_are_read_in_any_dress(worker: str, dress: str) -> None:
    found = read(written(worker=dress.format(worker)))
    assert found.completed[0] == e.ReportItem(worker, "a.py", "has no faults")
    assert found.cost_summary[0].worker_id == worker


@pytest.mark.parametrize("between", [" — ", " – ", " - ", ": ", " | ", ", ", "; "])
def test_input_and_result_are_parted_in_any_way(between: str) -> None:
    text = written().replace(" — ", between)
    found = read(text)
    assert found.completed == PLAIN.completed
    assert found.deferred_or_failed == PLAIN.deferred_or_failed


def test_a_bold_worker_with_its_colon_inside_leaves_no_marks_behind() -> None:
    text = written().replace("root/W1 — a.py", "**root/W1:** a.py")
    assert read(text).completed == PLAIN.completed


def test_a_url_is_one_input() -> None:
    url = "https://example.com:8080/a?b=c"
    text = written().replace("root/W1 — a.py", url).replace("b.py — no time", f"{url}: no time")
    found = read(text)
    assert found.completed[0] == e.ReportItem("", url, "has no faults")
    assert found.deferred_or_failed[0] == e.ReportItem("", url, "", "no time left")


def test_a_bullet_goes_on_until_the_next() -> None:
    text = written().replace("has no faults", "has\n  no faults\n  at all\n\n- W2 — c.py — fine")
    assert [item.result for item in read(text).completed] == ["has no faults at all", "fine"]


def test_a_deferred_worker_needs_no_input() -> None:
    text = written().replace("b.py — no time left", "W2: no time left")
    assert read(text).deferred_or_failed[0] == e.ReportItem("W2", "", "", "no time left")
    text = written().replace("b.py — no time left", "W2 — b.py — no time left")
    assert read(text).deferred_or_failed[0] == e.ReportItem("W2", "b.py", "", "no time left")


@pytest.mark.parametrize(
    "nothing", ["none", "- None.", "* (none)", "N/A", "- nothing", "_none_", ""]
)
def test_a_section_with_nothing_in_it_is_empty(nothing: str) -> None:
    text = written().replace("- b.py — no time left", nothing)
    assert read(text).deferred_or_failed == ()


# --- costs and what follows


@pytest.mark.parametrize(
    ("line", "usd"),
    [
        ("- W1: $0.12", 0.12),
        ("- W1 — 0.12 USD", 0.12),
        ("- W1: USD 0.12", 0.12),
        ("- W1: ~$1,234.50", 1234.5),
        ("- W1 (3 turns): $0.12", 0.12),
        ("- W1: $0.12 (3 turns)", 0.12),
        ("- W1: 0.12 dollars for 2 files", 0.12),
        ("- W1: 0.12", 0.12),
        ("- W1 on a2.py: 0.12", 0.12),
        ("- W1: $0", 0.0),
        ("- W1: free", None),
        ("- W1:", None),
    ],
)
def test_a_stated_cost_is_read(line: str, usd: float | None) -> None:
    assert costs(line) == [("W1", usd)]


def test_costs_may_stand_without_bullets() -> None:
    assert costs("W1: $0.10", "**W2**: $0.20") == [("W1", 0.1), ("W2", 0.2)]


def test_text_after_the_report_is_kept_apart() -> None:
    found = read(written() + "\n\nLet me know if you need\nanything else!\n")
    assert found.trailing_text == "Let me know if you need anything else!"
    assert found.cost_summary == PLAIN.cost_summary


def test_the_report_that_the_seeds_ask_for_is_read() -> None:
    assert read(REPORT) == e.Report(
        status="success",
        completed=(e.ReportItem("W1", "a.py", "has no faults"),),
        cost_summary=(e.ReportItem("W1", usd=0.0),),
    )


# --- whatever a model writes


@settings(max_examples=60)
@given(st.text(alphabet="STAUCOMPLED \n-*#:1.$W/—none", max_size=80))
def test_nothing_that_a_model_writes_breaks_reading(noise: str) -> None:
    parse(noise)
    text = written().replace("has no faults", f"fine {noise}")
    found = parse(text)
    assert found is None or found.status == "success"
    assert msgspec.json.decode(msgspec.json.encode(found), type=e.Report | None) == found


HOSTILE = {
    "hashes": "#" * 390 + "\n",
    "marks and numbers": "*" * 190 + "1." + "*" * 190 + "\n",
    "headings": "STATUS:\n",
    "all headings": "STATUS: success\nCOMPLETED:\nDEFERRED OR FAILED:\nCOST SUMMARY:\n",
    "short lines": "a\n",
    "bullets": "- \n",
    "digits": "- " + "1" * 480 + "x1\n",
    "commas": "- " + "1," * 240 + "x1\n",
    "dollars": "- " + "$1" * 240 + "x\n",
    "workers": "W1" + "/W1" * 150 + "x\n",
    "dashes": "- " + " -" * 240 + "x\n",
    "spaces": " ",
    "one line": "x",
    "empty lines": "\n",
    "separators": "\u2028",
}


def read_noise(name: str, place: str, size: int) -> None:
    """Read a report with so many characters of noise before or in it."""
    piece = HOSTILE[name]
    noise = piece * (size // len(piece))
    heading = f"{SECTIONS.index(place) + 1}. {place}:" if place in SECTIONS else ""
    text = f"{noise}\n{written()}"
    if heading:
        text = written().replace(heading, f"{heading}\n{noise}")
    began = time.process_time()
    found = parse(text)
    assert time.process_time() - began < 5
    assert found is not None
    assert len(found.completed) <= 1_000
    assert len(msgspec.json.encode(found)) < 4_000_000


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("place", ["before", "COMPLETED", "COST SUMMARY"])
def test_much_of_anything_is_read_at_once(name: str, place: str) -> None:
    read_noise(name, place, 40_000)


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("place", ["before", "COMPLETED", "COST SUMMARY"])
def test_a_megabyte_of_anything_is_read_at_once(name: str, place: str) -> None:
    read_noise(name, place, 1_000_000)


# --- compared with the log


def checked(text: str, world: World) -> list[str]:
    """Where a report and the log disagree."""
    return [*report.check(world.run, read(text))]


def two_workers() -> World:
    """A run of one worker that succeeded and one that failed."""
    world = World()
    world.settled(label="a.py")
    world.exit(world.spawn(label="b.py"), "failed", "", "no such file")
    return world


def test_a_true_report_has_no_mismatch() -> None:
    world = World()
    world.settled()
    assert checked(REPORT, world) == []


def test_a_worker_that_does_not_exist_is_a_mismatch() -> None:
    world = World()
    world.settled()
    text = REPORT.replace("- W1 — a.py", "- root/W7 — x\n- W1 — a.py")
    assert checked(text, world) == ["root/W7: there is no such worker in this run"]


def test_a_failed_worker_reported_as_completed_is_a_mismatch() -> None:
    text = REPORT.replace("success", "partial") + "- W2: $0"
    found = checked(text.replace("- W1 — a.py", "- W2 — b.py — fine\n- W1 — a.py"), two_workers())
    assert found == ["root/W2: reported as completed, but it settled as Failed"]


def test_a_failed_worker_under_success_is_a_mismatch() -> None:
    text = REPORT.replace("none", "- W2 — b.py: no such file")
    assert checked(text, two_workers()) == ["root/W2: settled as Failed under STATUS success"]
    assert checked(text.replace("success", "partial"), two_workers()) == []


def test_a_worker_that_still_runs_is_a_mismatch() -> None:
    world = World()
    world.spawn()
    assert checked(REPORT, world) == ["root/W1: reported as completed, but it is still running"]


def test_a_worker_that_the_report_leaves_out_is_a_mismatch() -> None:
    world = World()
    world.settled()
    world.settled()
    assert checked(REPORT, world) == ["root/W2: is not in the report"]


def test_a_report_that_names_inputs_alone_leaves_nobody_out() -> None:
    world = World()
    world.settled()
    assert checked(REPORT.replace("W1", "a.py"), world) == []


def test_a_cost_far_from_the_ledgers_is_a_mismatch() -> None:
    world = World(budget_nanousd=10**10)
    worker = world.spawn()
    world.admit(worker, new_bytes=1_200_000_000)
    world.answer(worker, Usage(1_200_000_000, 0))
    world.exit(worker)
    ledger = "the ledger says $1.20"
    assert checked(REPORT.replace("$0.00", "$0.50"), world) == [f"root/W1: stated $0.5, {ledger}"]
    for close in ("$1.20", "$1.31", "$1.09"):
        assert checked(REPORT.replace("$0.00", close), world) == []


def test_half_a_cent_is_no_mismatch() -> None:
    world = World()
    world.settled()
    assert checked(REPORT.replace("$0.00", "$0.005"), world) == []
    assert len(checked(REPORT.replace("$0.00", "$0.006"), world)) == 1
    assert len(checked(REPORT.replace("$0.00", "$" + "9" * 400), world)) == 1


def test_a_cost_that_is_not_stated_is_no_mismatch() -> None:
    world = World()
    world.settled()
    assert checked(REPORT.replace("$0.00", "unknown"), world) == []


def test_what_is_checked_is_kept_with_the_report() -> None:
    world = World()
    world.settled()
    world.exit(final=REPORT.replace("- W1 — a.py", "- W7 — a.py"))
    kept = world.of(e.ReportChecked)[0]
    assert kept.by == "lead"
    assert kept.report.status == "success"
    assert kept.mismatches == ("W7: there is no such worker in this run",)
    assert (world.run.report_status, world.run.report_by) == ("success", "lead")
    assert world.run.mismatches == 1


# --- from the log alone


def finished(world: World, outcome: str = "completed") -> e.ReportChecked:
    """What the runtime writes of a run whose lead gave no report."""
    world.exit(outcome=outcome, final="bye")  # type: ignore[arg-type]
    if ROOT in world.run.actors:
        world.exit(final="bye")
    world.perform()
    return world.of(e.ReportChecked)[-1]


def test_the_runtime_reports_every_worker() -> None:
    found = finished(two_workers())
    assert found.by == "runtime"
    assert found.report == e.Report(
        status="partial",
        completed=(e.ReportItem("root/W1", "a.py", "done"),),
        deferred_or_failed=(e.ReportItem("root/W2", "b.py", "", "Failed: no such file"),),
        cost_summary=(e.ReportItem("root/W1", usd=2e-8), e.ReportItem("root/W2", usd=0.0)),
    )


def test_the_runtime_reports_success_only_where_lead_and_workers_succeeded() -> None:
    world = World()
    world.turn()
    world.settled()
    assert finished(world).report.status == "success"
    world = World()
    world.settled()
    assert finished(world, "failed").report.status == "partial"
    world = World()
    world.exit(world.spawn(), "failed")
    assert finished(world).report.status == "failed"


def test_the_runtimes_own_report_has_nothing_to_be_checked_against() -> None:
    assert finished(two_workers()).mismatches == ()
