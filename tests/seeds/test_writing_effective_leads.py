"""Effective leads: what the seed writing-effective-leads says holds here, fact by fact."""

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from leadhand.domain import events as e
from leadhand.domain import notices
from leadhand.domain.ids import ROOT
from leadhand.domain.manifest import HouseRules, Settings
from leadhand.domain.money import Usage
from leadhand.errors import ManifestError, ModelError
from leadhand.load import parse
from leadhand.model import Prose, Request
from leadhand.testing import Done, Reply, done, prompt
from tests.seeds.kit import (
    LEAD,
    REPORT,
    RULES,
    Ended,
    MovedClock,
    Part,
    calls,
    cast,
    error,
    got,
    play,
    report,
    seed,
    spawn,
    told,
    wait,
)

FREE = Usage()
SHARED = ("kv_", "lease_", "run_lease_")
FILLER = "Let me know if you need anything else"
ONE_AT_A_TIME = RULES.replace("4", "1")


def lead_prompt(words: str) -> str:
    """A manifest whose lead has this prompt."""
    return RULES + LEAD.replace('"Go."', f'"""{words}"""')


def briefings(text: str, base: Path) -> dict[str, str]:
    """The system prompts of a lead and of its worker."""
    heard: dict[str, str] = {}

    def worker(request: Request) -> str:
        heard["worker"] = request.system
        return "Done."

    def lead(request: Request) -> Part:
        heard["lead"] = request.system
        request = yield calls(spawn("Do it."))
        yield calls(wait(got(request)[0].json["worker_id"]))
        return REPORT

    play(text, cast(lead, worker), base)
    return heard


def all_told(request: Request) -> str:
    """All words that the model was ever given."""
    blocks = [block for each in request.messages if each.role == "user" for block in each.blocks]
    return "\n".join(block.text for block in blocks if isinstance(block, Prose))


# What a lead is, and how its work is framed


def test_the_lead_is_told_to_coordinate_and_not_to_do_the_work_itself(tmp_path: Path) -> None:
    heard = briefings(RULES + LEAD, tmp_path)
    assert "Your job is to coordinate, not to do the work yourself" in heard["lead"]
    assert "coordinate" not in heard["worker"]


def test_the_lead_is_told_the_names_of_its_tools(tmp_path: Path) -> None:
    heard = briefings(RULES + LEAD, tmp_path)
    tools = heard["lead"].partition("Your tools: ")[2].splitlines()[0]
    assert {"spawn_worker", "wait_actor", "list_workers"} <= set(re.findall(r"\w+", tools))
    assert "spawn_worker" not in heard["worker"]


def test_the_lead_shares_with_its_workers_through_kv_set(tmp_path: Path) -> None:
    def worker(request: Request) -> Reply:
        if not done(request):
            return calls(("kv_get", {"path": "/ref/template"}))
        return Reply(text=done(request)[0].json["value"])

    def lead(request: Request) -> Part:
        assert "kv_set" in request.system
        request = yield calls(("kv_set", {"path": "/ref/template", "value": "as agreed"}))
        assert got(request)[0].json == {"path": "/ref/template", "version": 1}
        request = yield calls(spawn("Do as /ref/template says."))
        request = yield calls(wait(got(request)[0].json["worker_id"]))
        assert got(request)[0].json["result"] == "as agreed"
        return REPORT

    play(RULES + LEAD, cast(lead, worker), tmp_path)


def test_a_lead_has_request_approval(tmp_path: Path) -> None:
    def lead(request: Request) -> Part:
        request = yield calls(("request_approval", {"summary": "May I?", "ttl_secs": 1}))
        assert got(request)[0].json["from_ttl"]
        return REPORT

    play(RULES + LEAD, cast(lead), tmp_path)


def test_a_lead_can_neither_run_commands_nor_edit_unless_the_operator_says_so(
    tmp_path: Path,
) -> None:
    def names(text: str) -> set[str]:
        found: set[str] = set()

        def lead(request: Request) -> Part:
            found.update(tool.name for tool in request.tools)
            yield from ()
            return REPORT

        play(text, cast(lead), tmp_path)
        return found

    assert not {"Bash", "Edit"} & names(RULES + LEAD)
    assert {"Bash", "Edit"} <= names(RULES + LEAD + 'tools = ["Bash", "Edit"]\n')


def test_a_vague_prompt_still_meets_the_framing_that_it_lacks(tmp_path: Path) -> None:
    text = lead_prompt("Audit the security headers for each URL. Spawn workers as needed.")
    system = briefings(text, tmp_path)["lead"]
    assert "not to do the work yourself" in system
    assert "wait for them with wait_actor" in system
    assert "same template" in system
    assert "record the failure, go on with the others, and do not retry" in system
    assert "End with a final report and no text after it" in system


def test_a_lead_that_does_everything_itself_is_seen_to_have_spawned_nobody(
    tmp_path: Path,
) -> None:
    (tmp_path / "urls.txt").write_text("https://a.example\n")

    def lead(request: Request) -> Part:
        request = yield calls(("Read", {"file_path": "urls.txt"}))
        return report("success", [f"{got(request)[0].text.split()[-1]}: looked at it myself"])

    run = play(RULES + LEAD, cast(lead), tmp_path)
    assert run.run.spawned_total == 0
    assert [each["path"] for each in run.summary["tasks"]] == [ROOT]


@pytest.mark.parametrize("axis", ["line", "file", "phase"])
def test_the_axis_of_decomposition_is_the_prompts_choice(axis: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "in" / name).write_text(name)
    (tmp_path / "list").write_text("a\nb\nc\n")

    def lead(request: Request) -> Part:
        inputs = ["a", "b", "c"]
        if axis == "line":
            request = yield calls(("Read", {"file_path": "list"}))
            inputs = [line.split("\t")[1] for line in got(request)[0].text.splitlines()]
        elif axis == "file":
            request = yield calls(("Glob", {"pattern": "*", "path": "in"}))
            inputs = [Path(line).name for line in got(request)[0].text.splitlines()]
        before = ""
        for each in inputs:
            request = yield calls(spawn(f"{before}{each}"))
            request = yield calls(wait(got(request)[0].json["worker_id"]))
            before = got(request)[0].json["result"] + "," if axis == "phase" else ""
        return REPORT

    run = play(RULES + LEAD, cast(lead, prompt), tmp_path)
    prompts = sorted(each.prompt for each in run.spawned())
    assert prompts == (["a", "a,b", "a,b,c"] if axis == "phase" else ["a", "b", "c"])


def test_exactly_one_worker_comes_of_a_key_however_often_it_is_spawned(tmp_path: Path) -> None:
    def lead(request: Request) -> Part:
        for _ in range(2):
            request = yield calls(spawn("Check https://a.example.", key="https://a.example"))
        first, again = done(request, "spawn_worker")
        assert again.json["worker_id"] == first.json["worker_id"]
        assert again.json["already"] is True
        yield calls(wait(again.json["worker_id"]))
        return REPORT

    assert len(play(RULES + LEAD, cast(lead), tmp_path).spawned()) == 1


def test_a_worker_gets_the_model_budget_tools_and_prompt_that_are_spelled_out(
    tmp_path: Path,
) -> None:
    def worker(request: Request) -> str:
        assert request.model == "claude-sonnet-4-6"
        names = [tool.name for tool in request.tools]
        assert [name for name in names if not name.startswith(SHARED)] == [
            *("Read", "request_approval", "report")
        ]
        assert prompt(request) == "You are worker 1."
        return "Done."

    def lead(request: Request) -> Part:
        request = yield calls(
            spawn("You are worker 1.", model="claude-sonnet-4-6", budget_usd=0.20, tools=["Read"])
        )
        yield calls(wait(got(request)[0].json["worker_id"]))
        return REPORT

    (spawned,) = play(RULES + LEAD, cast(lead, worker), tmp_path).spawned()
    assert spawned.envelope == 200_000_000
    assert spawned.estimate == 0


def test_wait_actor_on_each_worker_id_brings_every_result(tmp_path: Path) -> None:
    def lead(request: Request) -> Part:
        request = yield calls(*(spawn(each) for each in "abc"))
        ids = [each.json["worker_id"] for each in got(request)]
        request = yield calls(*(("wait_actor", {"worker_id": each}) for each in ids))
        assert all(each.json["settled"] for each in got(request))
        assert sorted(each.json["result"] for each in got(request)) == ["a", "b", "c"]
        return REPORT

    play(RULES + LEAD, cast(lead, prompt), tmp_path)


def test_workers_of_a_lead_that_does_not_wait_are_told_and_its_claim_is_checked(
    tmp_path: Path,
) -> None:
    async def worker(request: Request) -> Reply:
        await asyncio.sleep(0.005)
        if notices.LEAD_ENDED in all_told(request):
            return Reply(text="Half of it.", usage=FREE)
        return Reply(calls=(("Glob", {"pattern": "*"}),), usage=FREE)

    def lead(request: Request) -> Part:
        yield calls(spawn("Do it.", max_turns=1000))
        return report("success", ["W1: all is done"])

    run = play(RULES + LEAD, cast(lead, worker), tmp_path)
    assert "root/W1: reported as completed, but it is still running" in run.checked.mismatches
    assert run.records["root/W1"]["final_message_preview"] == "Half of it."


# Worker prompt templates

TEMPLATE = """\
You are [WORKER_N]. Check [URL].
Produce a report with exactly three sections:
1. FOUND: what is there
2. MISSING: what is not
3. RECOMMENDATION: one sentence each
"""


def test_a_template_reaches_each_worker_to_the_letter_and_shapes_what_comes_back(
    tmp_path: Path,
) -> None:
    urls = ["https://a.example", "https://b.example"]
    prompts: list[str] = []

    def worker(request: Request) -> str:
        prompts.append(prompt(request))
        return f"1. FOUND: CSP\n2. MISSING: HSTS\n3. RECOMMENDATION: Add it to {request.actor_id}."

    def lead(request: Request) -> Part:
        filled = [
            TEMPLATE.replace("[WORKER_N]", f"WORKER_{n}").replace("[URL]", url)
            for n, url in enumerate(urls, 1)
        ]
        request = yield calls(*(spawn(each) for each in filled))
        request = yield calls(*(wait(each.json["worker_id"]) for each in got(request)))
        for each in got(request):
            found = re.fullmatch(
                r"1\. FOUND: (.*)\n2\. MISSING: (.*)\n3\. RECOMMENDATION: (.*)",
                each.json["result"],
            )
            assert found is not None
            assert found.groups() == ("CSP", "HSTS", f"Add it to {each.json['worker_id']}.")
        assert sorted(prompts) == filled
        return REPORT

    play(RULES + LEAD, cast(lead, worker), tmp_path)


def test_a_worker_sees_nothing_of_the_leads_conversation(tmp_path: Path) -> None:
    def worker(request: Request) -> str:
        assert "secret plan" not in request.system + all_told(request)
        assert len(request.messages) == 1
        return "Done."

    def lead(request: Request) -> Part:
        request = yield calls(spawn("Do it."))
        yield calls(wait(got(request)[0].json["worker_id"]))
        return REPORT

    play(lead_prompt("Follow the secret plan."), cast(lead, worker), tmp_path)


# Partial results


def fails(*inputs: str, times: int = 99) -> Callable[[Request], str]:
    """Workers of which some fail, each for so many times, with a network's error."""
    tried: dict[str, int] = {}

    def worker(request: Request) -> str:
        name = prompt(request)
        tried[name] = tried.get(name, 0) + 1
        if name in inputs and tried[name] <= times:
            raise ModelError("network timeout")
        return f"{name} is done"

    return worker


def failure(one: Done) -> str:
    """The reason for which a worker failed; empty where it succeeded."""
    return "" if one.json["status"] == "Success" else one.json["error"]


@pytest.mark.parametrize(
    ("reason", "shown"),
    [("network timeout", "network timeout"), ("prompt is too long", "prompt is too long")],
)
def test_a_worker_that_fails_comes_back_with_its_status_and_its_error(
    reason: str, shown: str, tmp_path: Path
) -> None:
    def worker(request: Request) -> str:
        raise ModelError(reason)

    def lead(request: Request) -> Part:
        request = yield calls(spawn("Do it."))
        request = yield calls(wait(got(request)[0].json["worker_id"]))
        answer = got(request)[0]
        assert not answer.is_error
        assert (answer.json["settled"], answer.json["status"]) == (True, "Failed")
        assert answer.json["error"] == f"model error: {shown}"
        return report("failed", missed=[f"it: {failure(answer)}"])

    run = play(RULES + LEAD, cast(lead, worker), tmp_path)
    assert run.run.status == "failed"


def test_a_worker_that_times_out_comes_back_as_timed_out(tmp_path: Path) -> None:
    clock = MovedClock()

    async def worker(request: Request) -> Reply:
        if done(request):
            await asyncio.Event().wait()
        clock.jump(61)
        return calls(("Glob", {"pattern": "*"}))

    def lead(request: Request) -> Part:
        request = yield calls(spawn("Do it.", timeout_secs=60))
        request = yield calls(wait(got(request)[0].json["worker_id"]))
        answer = got(request)[0].json
        assert (answer["status"], answer["error"]) == ("TimedOut", "its time is up (60 s)")
        return report("failed", missed=["it: timed out"])

    run = play(RULES + LEAD, cast(lead, worker), tmp_path, clock=clock)
    assert run.statuses["root/W1"] == "TimedOut"


def test_a_wait_for_a_worker_that_is_stuck_ends_and_says_how_to_go_on(tmp_path: Path) -> None:
    hang = asyncio.Event()

    async def worker(request: Request) -> str:
        await hang.wait()
        return "At last."

    def lead(request: Request) -> Part:
        request = yield calls(spawn("Do it."))
        name = got(request)[0].json["worker_id"]
        request = yield calls(("wait_actor", {"worker_id": name, "timeout_secs": 0}))
        answer = got(request)[0].json
        assert (answer["settled"], answer["worker_id"]) == (False, name)
        assert answer["why"] == "the time of this wait ran out"
        assert f"Call again to go on waiting for {name}" in answer["next"]
        hang.set()
        yield calls(wait(name))
        return REPORT

    play(RULES + LEAD, cast(lead, worker), tmp_path)


def test_a_lead_that_respawns_for_ever_meets_max_total_spawns(tmp_path: Path) -> None:
    def lead(request: Request) -> Part:
        while True:
            request = yield calls(spawn("a"))
            if got(request)[0].is_error:
                break
            yield calls(wait(got(request)[0].json["worker_id"]))
        refusal = error(got(request)[0])
        assert refusal["code"] == "max_total_spawns_exceeded"
        assert refusal["message"] == "max_total_spawns exceeded: 3 spawned (max 3)"
        return report("failed", missed=["a: failed three times"])

    run = play(RULES + "max_total_spawns = 3\n" + LEAD, cast(lead, fails("a")), tmp_path)
    assert len(run.spawned()) == 3


def test_fail_fast_cancels_what_is_left_and_reports_why(tmp_path: Path) -> None:
    hang = asyncio.Event()
    failing = fails("b")

    async def worker(request: Request) -> str:
        if prompt(request) == "b":
            return failing(request)
        await hang.wait()
        return "never"

    def lead(request: Request) -> Part:
        request = yield calls(*(spawn(each, label=each) for each in "abc"))
        labels = {each.json["worker_id"]: each.args["label"] for each in got(request)}
        request = yield calls(("wait_for_any", {"worker_ids": list(labels)}))
        first = got(request)[0]
        missed = [f"{labels[first.json['worker_id']]}: {failure(first)}"]
        rest = [each for each in labels if each != first.json["worker_id"]]
        yield calls(
            *(("cancel_worker", {"worker_id": each, "reason": "b failed"}) for each in rest)
        )
        request = yield calls(*(wait(each) for each in rest))
        missed += [f"{labels[each.json['worker_id']]}: {failure(each)}" for each in got(request)]
        return report("failed", missed=sorted(missed))

    run = play(RULES + LEAD, cast(lead, worker), tmp_path)
    assert sorted(run.statuses.values()) == ["Cancelled", "Cancelled", "Failed", "Success"]
    assert len(run.spawned()) == 3
    missed = [(item.input, item.reason) for item in run.checked.report.deferred_or_failed]
    assert missed == [
        ("a", "b failed"),
        ("b", "model error: network timeout"),
        ("c", "b failed"),
    ]
    assert run.run.status == "failed"


def test_best_effort_records_a_failure_and_goes_on_with_the_others(tmp_path: Path) -> None:
    def lead(request: Request) -> Part:
        request = yield calls(*(spawn(each, label=each) for each in "abc"))
        labels = {each.json["worker_id"]: each.args["label"] for each in got(request)}
        request = yield calls(*(wait(each) for each in labels))
        found = {labels[each.json["worker_id"]]: each for each in got(request)}
        return report(
            "partial",
            [f"{name}: {each.json['result']}" for name, each in found.items() if not failure(each)],
            [f"{name}: {failure(each)}" for name, each in found.items() if failure(each)],
        )

    run = play(RULES + LEAD, cast(lead, fails("b")), tmp_path)
    assert len(run.spawned()) == 3
    assert {item.input for item in run.checked.report.completed} == {"a", "c"}
    (missed,) = run.checked.report.deferred_or_failed
    assert (missed.input, missed.reason) == ("b", "model error: network timeout")
    assert run.run.status == "partial"


def retrying(request: Request) -> Part:
    """Spawns the worker of each input, and once more where it failed."""
    good, bad = [], []
    for name in "ab":
        tries: list[Done] = []
        while not tries or (failure(tries[-1]) and len(tries) < 2):
            request = yield calls(spawn(name))
            request = yield calls(wait(got(request)[0].json["worker_id"]))
            tries += got(request)
        last = tries[-1].json
        if failure(tries[-1]):
            bad.append(f"{name}: {failure(tries[-1])}")
        else:
            good.append(f"{last['worker_id']}: {name}: {last['result']}")
    return report("partial" if bad else "success", good, bad)


def test_retry_on_failure_spawns_the_same_prompt_once_more(tmp_path: Path) -> None:
    run = play(RULES + LEAD, cast(retrying, fails("b", times=1)), tmp_path)
    assert [each.prompt for each in run.spawned()] == ["a", "b", "b"]
    assert run.checked.report.status == "success"
    assert [item.worker_id for item in run.checked.report.completed] == ["root/W1", "root/W3"]


def test_a_retried_success_shows_the_worker_that_failed_first(tmp_path: Path) -> None:
    run = play(RULES + LEAD, cast(retrying, fails("b", times=1)), tmp_path)
    assert "root/W2: settled as Failed under STATUS success" in run.checked.mismatches
    assert run.run.status == "partial"


def test_retry_on_failure_gives_an_input_up_after_its_last_try(tmp_path: Path) -> None:
    run = play(RULES + LEAD, cast(retrying, fails("b")), tmp_path)
    assert [each.prompt for each in run.spawned()] == ["a", "b", "b"]
    (missed,) = run.checked.report.deferred_or_failed
    assert (missed.input, missed.reason) == ("b", "model error: network timeout")


# Budgets, places and time that run out


class Held:
    """Workers that do not answer before they may."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()

    async def worker(self, request: Request) -> Reply:
        await self.gate.wait()
        return Reply(text="Done.", usage=FREE)


def test_every_answer_says_what_is_left(tmp_path: Path) -> None:
    def lead(request: Request) -> Part:
        request = yield calls(spawn("Do it."))
        name = {"worker_id": got(request)[0].json["worker_id"]}
        answers = [got(request)[0]]
        for tool, args in (
            ("wait_actor", name),
            ("wait_for_any", {"worker_ids": [name["worker_id"]]}),
            ("list_workers", {}),
            ("worker_status", name),
            ("house_rules", {}),
        ):
            request = yield calls((tool, args))
            answers.append(got(request)[0])
        for each in answers:
            left = each.json["remaining"]
            assert left.keys() == {"budget_usd", "workers", "secs"}
            assert 0 < left["budget_usd"] < 2
        return REPORT

    play(RULES + LEAD, cast(lead), tmp_path)


def test_a_lead_that_looks_at_its_budget_first_is_never_refused(tmp_path: Path) -> None:
    held = Held()

    def lead(request: Request) -> Part:
        inputs, good = list("abcd"), []
        request = yield calls(("house_rules", {}))
        while inputs and got(request)[0].json["remaining"]["budget_usd"] >= 0.20:
            request = yield calls(spawn(inputs[0], budget_usd=0.20))
            good.append(f"{got(request)[0].json['worker_id']}: {inputs.pop(0)}: spawned")
        held.gate.set()
        for item in good:
            yield calls(wait(item.partition(":")[0]))
        return report("partial", good, [f"{each}: budget" for each in inputs])

    run = play(RULES.replace("2.00", "0.50") + LEAD, cast(lead, held.worker), tmp_path)
    assert not run.all(e.SpawnRefused)
    assert len(run.spawned()) == 2
    assert [item.input for item in run.checked.report.deferred_or_failed] == ["c", "d"]


def test_a_lead_that_meets_budget_exceeded_reports_what_was_deferred(tmp_path: Path) -> None:
    held = Held()

    def lead(request: Request) -> Part:
        inputs = list("abcd")
        started: list[str] = []
        while inputs:
            request = yield Reply(calls=(spawn(inputs[0], budget_usd=0.20),), usage=FREE)
            answer = got(request)[0]
            if answer.is_error:
                assert error(answer)["code"] == "budget_exceeded"
                assert error(answer)["message"].startswith("budget exceeded: $")
                assert "Do not spawn more workers" in error(answer)["next"]
                break
            started.append(f"{answer.json['worker_id']}: {inputs.pop(0)}: done")
        held.gate.set()
        for item in started:
            yield calls(wait(item.partition(": ")[0]))
        return report("partial", started, [f"{each}: budget exceeded" for each in inputs])

    run = play(RULES.replace("2.00", "0.50") + LEAD, cast(lead, held.worker), tmp_path)
    deferred = run.checked.report.deferred_or_failed
    assert [(item.input, item.reason) for item in deferred] == [
        ("c", "budget exceeded"),
        ("d", "budget exceeded"),
    ]
    assert run.checked.mismatches == ()
    assert run.run.status == "partial"


@pytest.mark.parametrize(
    "last", [report("failed", missed=["it: budget"]), FILLER], ids=["report", "filler"]
)
def test_a_lead_that_goes_on_spawning_is_told_and_then_wound_down(
    last: str, tmp_path: Path
) -> None:
    heard: list[str] = []

    def lead(request: Request) -> Part:
        while request.tool_choice == "auto":
            request = yield calls(spawn("Do it.", budget_usd=1.99))
            heard.append(told(request))
        return last

    run = play(RULES.replace("2.00", "0.50") + LEAD, cast(lead), tmp_path)
    assert len(run.all(e.SpawnRefused)) == len(heard) == 11
    assert notices.REFUSED_OFTEN in heard[9]
    assert notices.REFUSED_TOO_OFTEN in heard[10]
    assert not any(heard[:9])
    assert run.checked.by == ("runtime" if last == FILLER else "lead")
    assert (run.run.status == "failed") is (last != FILLER)


def test_a_lead_whose_own_money_runs_out_still_gets_its_report_turn(tmp_path: Path) -> None:
    def lead(request: Request) -> Part:
        while request.tool_choice == "auto":
            usage = Usage(output=min(8000, request.max_output_tokens))
            request = yield Reply(calls=(("house_rules", {}),), usage=usage)
        assert notices.BUDGET_GONE in told(request)
        return report("partial", missed=["the rest: budget"])

    run = play(RULES.replace("2.00", "0.20") + LEAD, cast(lead), tmp_path)
    assert run.checked.by == "lead"
    assert run.run.spent <= 200_000_000
    assert [each.why for each in run.all(e.WindDownBegan)] == ["budget", "budget"]


def test_max_workers_exceeded_says_to_wait_and_then_lets_the_next_one_in(tmp_path: Path) -> None:
    async def worker(request: Request) -> str:
        await asyncio.sleep(0.002)
        return prompt(request)

    def lead(request: Request) -> Part:
        inputs, live = list("abc"), ""
        while inputs:
            request = yield calls(spawn(inputs[0]))
            answer = got(request)[0]
            if answer.is_error:
                refusal = error(answer)
                assert refusal["code"] == "max_workers_exceeded"
                assert refusal["message"] == "max_workers exceeded: 1 active (max 1)"
                assert "Wait for a running worker" in refusal["next"]
                yield calls(wait(live))
            else:
                live = answer.json["worker_id"]
                inputs.pop(0)
        yield calls(wait(live))
        return REPORT

    run = play(ONE_AT_A_TIME + LEAD, cast(lead, worker), tmp_path)
    assert [each.prompt for each in run.spawned()] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("timeout", "left", "is_told"),
    [(3600, 310, False), (3600, 299, True), (600, 70, False), (600, 59, True)],
)
def test_a_lead_with_less_than_five_minutes_or_a_tenth_left_is_told_to_report(
    timeout: int, left: int, is_told: bool, tmp_path: Path
) -> None:
    clock = MovedClock()

    def lead(request: Request) -> Part:
        clock.jump(timeout - left)
        heard = ""
        for _ in range(5):
            request = yield Reply(calls=(("house_rules", {}),), delay_secs=0.002)
            heard += told(request)
        assert (notices.TIME_NEAR in heard) is is_told
        assert left - 5 <= got(request)[0].json["remaining"]["secs"] <= left
        return report("partial", missed=["the rest: no time"])

    text = f"{RULES}lead_timeout_secs = {timeout}\n{LEAD}"
    run = play(text, cast(lead), tmp_path, clock=clock)
    assert len(run.all(e.DeadlineNeared)) == is_told
    assert (run.statuses[ROOT], run.run.status) == ("Success", "partial")


# The final report


def said(final: str, base: Path, worker: Callable[[Request], str] = prompt) -> Ended:
    """A run whose lead spawns a worker, waits for it and ends with this message."""

    def lead(request: Request) -> Part:
        request = yield calls(spawn("a"))
        yield calls(wait(got(request)[0].json["worker_id"]))
        return final

    return play(RULES + LEAD, cast(lead, worker), base)


FULL = """\
1. STATUS: "partial"
2. COMPLETED:
- W1: a: It was summarized.
3. DEFERRED OR FAILED:
- b: deferred for want of budget
4. COST SUMMARY:
- W1: $0.0012
"""


def headed(form: str) -> str:
    """The report with its headings in another form."""
    return re.sub(r"(?m)^(\d)\. ([A-Z ]+):(.*)$", lambda m: form.format(*m.groups()).rstrip(), FULL)


@pytest.mark.parametrize("form", ["{0}. {1}:{2}", "**{0}. {1}**:{2}", "## {1}\n{2}", "{1}:{2}"])
def test_the_four_sections_become_fields(form: str, tmp_path: Path) -> None:
    run = said(headed(form), tmp_path)
    assert run.summary["report"] == {
        "status": "partial",
        "completed": [{"worker_id": "W1", "input": "a", "result": "It was summarized."}],
        "deferred_or_failed": [{"input": "b", "reason": "deferred for want of budget"}],
        "cost_summary": [{"worker_id": "W1", "usd": 0.0012}],
    }
    assert (run.summary["report_by"], run.summary["mismatches"]) == ("lead", [])


@pytest.mark.parametrize(
    ("status", "outcome"), [("success", "succeeded"), ("partial", "partial"), ("failed", "failed")]
)
def test_each_status_of_a_report_decides_how_the_run_ends(
    status: str, outcome: str, tmp_path: Path
) -> None:
    run = said(FULL.replace("partial", status), tmp_path)
    assert run.checked.report.status == status
    assert run.run.status == outcome


@pytest.mark.parametrize("lost", ["STATUS", "COMPLETED", "DEFERRED OR FAILED", "COST SUMMARY"])
def test_a_report_without_one_of_its_sections_is_none(lost: str, tmp_path: Path) -> None:
    run = said(FULL.replace(lost, "NOTES"), tmp_path)
    assert len(run.all(e.ReportAsked)) == 1
    assert run.checked.by == "runtime"


def test_text_after_the_report_is_kept_apart(tmp_path: Path) -> None:
    run = said(f"{FULL}\n{FILLER}.", tmp_path)
    assert run.summary["report"]["trailing_text"] == f"{FILLER}."
    assert len(run.checked.report.cost_summary) == 1


@pytest.mark.parametrize(
    ("old", "new", "mismatch"),
    [
        ("W1: a", "W9: a", "W9: there is no such worker in this run"),
        ("$0.0012", "$1.50", "root/W1: stated $1.5, the ledger says $"),
    ],
)
def test_what_the_log_does_not_bear_out_is_said(
    old: str, new: str, mismatch: str, tmp_path: Path
) -> None:
    run = said(FULL.replace(old, new), tmp_path)
    assert any(each.startswith(mismatch) for each in run.summary["mismatches"])


def test_success_with_a_failed_worker_is_not_a_success(tmp_path: Path) -> None:
    run = said(FULL.replace("partial", "success"), tmp_path, fails("a"))
    assert "root/W1: reported as completed, but it settled as Failed" in run.checked.mismatches
    assert run.run.status == "partial"


def test_a_lead_that_ends_with_filler_is_asked_once_for_the_four_sections(
    tmp_path: Path,
) -> None:
    def lead(request: Request) -> Part:
        request = yield Reply(text=FILLER)
        asked = told(request)
        sections = re.findall(r"(?m)^\d\. ([A-Z ]+):", asked)
        assert sections == ["STATUS", "COMPLETED", "DEFERRED OR FAILED", "COST SUMMARY"]
        assert "no text after it" in asked
        return REPORT

    run = play(RULES + LEAD, cast(lead), tmp_path)
    assert len(run.all(e.ReportAsked)) == 1
    assert run.checked.by == "lead"


def test_a_lead_that_ends_with_filler_twice_gets_its_report_from_the_log(tmp_path: Path) -> None:
    run = said(FILLER, tmp_path)
    assert len(run.all(e.ReportAsked)) == 1
    assert run.summary["report_by"] == "runtime"
    assert run.summary["report"]["completed"] == [{"worker_id": "root/W1", "result": "a"}]


def test_the_last_message_is_the_preview_of_its_record_and_whole_in_the_log(
    tmp_path: Path,
) -> None:
    final = FULL.replace("It was summarized.", "It was summarized. " * 1_000)
    run = said(final, tmp_path)
    preview = run.records[ROOT]["final_message_preview"]
    assert preview.startswith('1. STATUS: "partial" 2. COMPLETED: - W1: a: It was')
    assert len(preview) == 200
    (whole,) = [each.final for each in run.all(e.ActorSettled) if each.actor == ROOT]
    assert whole == final.strip()
    assert f"{whole[-20:]!r}"[1:-1] in Path(run.records[ROOT]["log_path"]).read_text()


def test_summary_jsonl_has_a_task_record_of_each_actor(tmp_path: Path) -> None:
    run = said(FULL, tmp_path)
    record = run.records["root/W1"]
    assert list(run.records) == ["root/W1", ROOT]
    assert record["final_message_preview"] == "a"
    assert (record["parent_task_id"], record["role"], record["status"]) == (
        ROOT,
        "worker",
        "Success",
    )
    assert record.keys() >= {"exit_code", "started_at", "ended_at", "duration_ms", "model"}
    assert record["token_usage"].keys() == {"input", "output", "cache_read", "cache_creation"}


# The complete example


def example(base: Path) -> str:
    """The manifest of the seed, its two places made the test's own."""
    work = base / "audit-workdir"
    return seed("seed_leads.toml", {"/tmp/audit-workdir": work, "/tmp/urls.txt": work / "urls.txt"})


def test_the_example_shows_no_fault_but_its_directory(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        parse(example(tmp_path), "m.toml", tmp_path)
    (fault,) = caught.value.faults
    assert (fault.key, fault.line) == ("lead.directory", 4)
    assert "does not exist" in fault.message


def test_the_example_gets_the_house_rules_it_does_not_set_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "audit-workdir").mkdir()
    found = parse(example(tmp_path), "m.toml", tmp_path)
    assert found.warnings == [
        "m.toml: run.max_workers: is not set, so the default holds: 4",
        "m.toml: run.budget_usd: is not set, so the default holds: 5.00 US dollars",
    ]
    assert found.manifest.house == HouseRules()
    assert found.manifest.lead.id == "security-audit"
    assert found.manifest.lead.settings == Settings(
        model="claude-haiku-4-5", directory=str(tmp_path / "audit-workdir")
    )


def parameters(policy: str) -> tuple[str, dict[str, Any]]:
    """The template and the parameters of workers, as the prompt of the example gives them."""
    template = policy.split("---\n")[1]
    found = dict(re.findall(r"(?m)^(model|budget_usd|tools) = (.*)$", policy))
    tools = re.findall(r'"(\w+)"', found["tools"])
    return template, {
        "model": found["model"].strip('"'),
        "budget_usd": float(found["budget_usd"]),
        "tools": tools,
    }


def auditor(request: Request) -> Part:
    """Does, as a lead, what the prompt of the example says."""
    template, own = parameters(prompt(request))
    path = re.findall(r"Read (\S+/urls\.txt)\.", prompt(request))[0]
    request = yield calls(("Read", {"file_path": path}))
    urls = [line.split("\t")[1] for line in got(request)[0].text.splitlines()]
    waiting: dict[str, str] = {}
    settled: list[tuple[str, Done]] = []

    def collected(request: Request) -> Iterator[tuple[str, Done]]:
        for each in got(request):
            yield waiting.pop(each.json["worker_id"]), each

    for number, url in enumerate(urls, 1):
        words = template.replace("[N]", str(number)).replace("[URL]", url)
        request = yield calls(spawn(words, label=url, **own))
        while got(request)[0].is_error:
            assert error(got(request)[0])["code"] == "max_workers_exceeded"
            request = yield calls(("wait_for_any", {"worker_ids": list(waiting)}))
            settled += collected(request)
            request = yield calls(spawn(words, label=url, **own))
        waiting[got(request)[0].json["worker_id"]] = url
    request = yield calls(*(wait(each) for each in waiting))
    settled += collected(request)
    answers = [(url, each.json, failure(each)) for url, each in settled]
    return report(
        "partial",
        [f"{url} — {each['result'].split()[1]} found" for url, each, bad in answers if not bad],
        [f"{url} — {bad}" for url, _, bad in answers if bad],
        [f"{each['worker_id']}: ${each['cost_usd']:.4f}" for _, each, _ in answers],
    )


async def inspector(request: Request) -> str:
    """Answers, as a worker, in the sections of the template; one page cannot be had."""
    await asyncio.sleep(0.002)
    url = re.findall(r"auditing (\S+)\.\n", prompt(request))[0]
    if url.endswith("5.example"):
        raise ModelError("connection refused")
    return "FOUND: Referrer-Policy\nMISSING: Content-Security-Policy\nRECOMMENDATION: Set it."


def test_the_example_is_played_to_its_report(tmp_path: Path) -> None:
    work = tmp_path / "audit-workdir"
    work.mkdir()
    urls = [f"https://{number}.example" for number in range(1, 7)]
    (work / "urls.txt").write_text("\n".join(urls))
    run = play(example(tmp_path), cast(auditor, inspector), tmp_path)
    found = run.checked.report
    assert {item.input for item in found.completed} == set(urls) - {"https://5.example"}
    assert {item.result for item in found.completed} == {"Referrer-Policy found"}
    (missed,) = found.deferred_or_failed
    assert (missed.input, missed.reason) == (
        "https://5.example",
        "model error: connection refused",
    )
    assert {item.worker_id for item in found.cost_summary} == {
        f"root/W{number}" for number in range(1, 7)
    }
    assert run.checked.mismatches == ()
    assert {each.settings.model for each in run.spawned()} == {"claude-sonnet-4-6"}
    assert {each.envelope for each in run.spawned()} == {200_000_000}
    assert run.run.status == "partial"


# See also


def test_a_lead_that_only_reads_leaves_the_writing_to_its_workers(tmp_path: Path) -> None:
    def worker(request: Request) -> Reply:
        if not done(request):
            return calls(("Write", {"file_path": "a.txt", "content": "a"}))
        return Reply(text="Written.")

    def lead(request: Request) -> Part:
        request = yield calls(("Write", {"file_path": "a.txt", "content": "b"}))
        assert error(got(request)[0])["code"] == "unknown_tool"
        request = yield calls(spawn("Write it."))
        yield calls(wait(got(request)[0].json["worker_id"]))
        return REPORT

    play(RULES + LEAD + 'tools = ["Read", "Glob", "Grep"]\n', cast(lead, worker), tmp_path)
    assert (tmp_path / "a.txt").read_text() == "a"
