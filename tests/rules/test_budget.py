"""Budget: a call is let out only with its worst case set aside, and every cost is booked."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadhand.conversation import fenced
from leadhand.domain import commands as c
from leadhand.domain import estimates, ledger
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.manifest import Settings
from leadhand.domain.money import Price, Usage, bound
from leadhand.domain.rules.budget import affordable
from leadhand.refusals import BudgetExceeded, Settled, WoundDown
from tests.rules.world import UNIT, UNIT_PRICE, World, kinds

# What every first call of the model `unit` is bound to read beside its own bytes.
FIXED = estimates.NOTICE_BYTES + estimates.OVERHEAD
OUTPUT = 8192
# What is kept for a report before anything was said.
SLICE = estimates.REPORT_GROWTH + estimates.OVERHEAD + estimates.REPORT_OUTPUT

prices = st.builds(Price, *[st.integers(0, 100_000_000_000)] * 4)


def tight(budget: int, **given: Any) -> World:
    """A run with this many nano-dollars beside its report slice."""
    return World(budget_nanousd=budget + SLICE, **given)


def busy(**given: Any) -> tuple[World, ActorId]:
    """A run in which a worker's call in flight has reserved most of the money, and the worker."""
    world = tight(28_000, **given)
    worker = world.spawn(max_turns=1)
    world.admit(worker, new_bytes=10_000)
    return world, worker


# --- admission


def test_a_call_reserves_its_worst_case() -> None:
    world = World()
    admitted = world.admit(new_bytes=500)
    assert admitted.input_bound == 500 + FIXED
    assert admitted.output_max == OUTPUT
    assert admitted.bound == bound(UNIT_PRICE, 500 + FIXED, OUTPUT)
    assert world.envelope().reserved == admitted.bound


def test_the_worst_case_reads_every_token_at_the_dearest_input_price() -> None:
    dear = Price(input=10_000_000, output=0, cache_read=1, cache_creation=30_000_000)
    world = World(prices={UNIT: dear}, budget_nanousd=10**9)
    assert world.admit(new_bytes=960).bound == 2000 * 30


def test_the_input_bound_goes_on_from_the_tokens_of_the_last_answer() -> None:
    world = World()
    world.turn(usage=Usage(input=1_000, output=50, cache_read=300, cache_creation=20))
    assert world.admit(new_bytes=7).input_bound == 1_370 + 7 + FIXED


def test_messages_that_wait_are_part_of_what_a_call_may_read() -> None:
    world = World()
    world.do(c.WarnActor(ROOT))
    (mail,) = world.actor().mail
    whole = fenced(e.MessageSent(ROOT, 1, mail.sender, mail.kind, mail.text))
    found = world.admit(new_bytes=7).input_bound - 7 - FIXED
    assert len(whole.encode()) <= found < len(whole.encode()) + 20


@pytest.mark.parametrize("text", ["ok", "<message>" * 50, "</message\n>ﷺ", "<<<<"])
def test_the_marks_around_a_message_and_what_is_escaped_in_it_are_counted(text: str) -> None:
    whole = fenced(e.MessageSent(ROOT, 1, "leadhand", "time_near", text))
    assert len(whole.encode()) <= estimates.mail_tokens("leadhand", "time_near", text)


def test_an_admission_delivers_the_mail_that_waits_once() -> None:
    world = World()
    world.do(c.WarnActor(ROOT))
    assert world.admit().messages == (1,)
    assert world.mail() == []
    world.answer()
    assert world.admit().messages == ()


def test_the_same_call_asked_for_again_while_it_is_open_changes_nothing() -> None:
    world = World()
    world.admit(call="one")
    assert world.do(world.admitting(call="one")) == []
    assert len(world.of(e.CallAdmitted)) == 1


def test_a_free_model_is_admitted_whatever_the_budget() -> None:
    world = World(prices={UNIT: Price()}, budget_nanousd=0)
    assert world.admit(new_bytes=10**9).output_max == OUTPUT
    assert world.actor().winding == ""


def test_a_settled_answer_gives_back_what_it_did_not_need() -> None:
    world = World()
    world.turn(usage=Usage(100, 50))
    assert world.envelope().reserved == 0
    assert world.envelope().spent == world.run.spent == 150
    assert world.actor().spent == 150


# --- what does not fit waits


def test_a_call_that_does_not_fit_waits_for_reservations_in_flight() -> None:
    world, _ = busy()
    deferred = world.do(world.admitting(new_bytes=6_000, call="one"))
    assert kinds(deferred) == ["CallDeferred"]
    assert world.actor().deferral is not None
    assert world.actor().call is None


def test_a_call_that_waits_is_noted_once() -> None:
    world, _ = busy()
    world.do(world.admitting(new_bytes=6_000, call="one"))
    assert world.do(world.admitting(new_bytes=6_000, call="one")) == []


def test_a_call_that_waited_goes_out_whole_once_money_is_free() -> None:
    world, worker = busy()
    world.do(world.admitting(new_bytes=6_000, call="one"))
    world.answer(worker)
    assert world.admit(new_bytes=6_000, call="one").output_max == OUTPUT
    assert world.actor().deferral is None


def test_a_call_that_waited_long_enough_is_cut_to_what_is_free() -> None:
    world, _ = busy()
    world.do(world.admitting(new_bytes=6_000, call="one"))
    world.later(ms=estimates.DEFER_MS - 1)
    assert world.do(world.admitting(new_bytes=6_000, call="one")) == []
    world.later(ms=1)
    free = ledger.free(world.envelope())
    admitted = world.admit(new_bytes=6_000, call="one")
    assert 0 < admitted.output_max < OUTPUT
    assert admitted.bound == free


def test_a_call_waits_no_longer_than_its_actor_may_live() -> None:
    world, _ = busy(lead_timeout_secs=60)
    world.do(world.admitting(new_bytes=6_000))
    deferral = world.actor().deferral
    assert deferral is not None
    assert deferral.until == 60_000


def test_a_crash_ends_the_wait_of_a_call() -> None:
    world, _ = busy()
    world.do(world.admitting(new_bytes=6_000))
    world.do(c.RecordCrash(ROOT, "gone"))
    assert world.actor().deferral is None


# --- what does not fit shrinks


def test_a_call_that_can_wait_for_nobody_is_cut_to_what_is_free() -> None:
    world = tight(5_000)
    admitted = world.admit(new_bytes=100)
    assert admitted.output_max == 5_000 - 100 - FIXED
    assert admitted.bound == 5_000
    assert ledger.free(world.envelope()) == 0


def test_where_about_a_turn_is_left_the_actor_is_told_to_finish() -> None:
    world = tight(estimates.OUTPUT_LOW - 1 + FIXED + 100)
    events = world.do(world.admitting())
    assert kinds(events) == ["WindDownBegan", "MessageSent", "CallAdmitted"]
    assert world.actor().winding == "budget"
    assert world.of(e.MessageSent)[0].kind == "budget_low"
    assert world.of(e.CallAdmitted)[0].messages == (1,)
    assert not world.actor().final


def test_an_answer_cut_by_little_is_no_reason_to_stop() -> None:
    world = tight(estimates.OUTPUT_LOW + FIXED + 100)
    assert kinds(world.do(world.admitting())) == ["CallAdmitted"]


def test_the_reserve_line_is_announced_once() -> None:
    world = tight(1_500)
    world.turn()
    world.turn()
    assert [message.kind for message in world.of(e.MessageSent)] == ["budget_low"]


def test_the_budgets_of_the_seeds_do_not_wind_a_worker_down_at_its_first_turn() -> None:
    world = World(budget_nanousd=2_000_000_000, model="claude-haiku-4-5", prices={})
    worker = world.spawn(model="claude-sonnet-4-6", budget_nanousd=200_000_000)
    for _ in range(5):
        world.admit(worker, new_bytes=6_000)
        world.answer(worker, Usage(1_500, 400))
    assert world.actor(worker).winding == ""


@given(prices, st.integers(0, 200_000), st.integers(0, 10**12), st.integers(0, 64_000))
def test_a_cut_answer_fits_exactly(price: Price, read: int, room: int, wanted: int) -> None:
    answer = affordable(price, read, room, wanted)
    assert 0 <= answer <= wanted
    if answer:
        assert bound(price, read, answer) <= room
    if answer < wanted:
        assert bound(price, read, answer + 1) > room


# --- what does not fit at all


def test_an_owner_that_can_afford_nothing_gets_a_last_call_from_its_report_slice() -> None:
    world = tight(FIXED)
    events = world.do(world.admitting())
    assert kinds(events) == ["WindDownBegan", "MessageSent", "CallAdmitted"]
    admitted = world.of(e.CallAdmitted)[0]
    assert admitted.final
    assert admitted.messages == (1,)
    assert world.of(e.MessageSent)[0].kind == "budget_gone"
    assert admitted.output_max == estimates.REPORT_OUTPUT
    assert world.envelope().slice == 0


def test_a_worker_on_its_leads_money_is_refused_what_cannot_be_had_and_nobody_will_free() -> None:
    world = tight(11_000)
    worker = world.spawn(max_turns=1)
    refusal = world.refused(world.admitting(worker, new_bytes=10_000), BudgetExceeded)
    assert refusal.code == "budget_exceeded"
    assert world.actor(worker).winding == ""


def test_a_refusal_says_what_is_spent_reserved_estimated_and_allowed() -> None:
    usd = 1_000_000_000
    price = Price(input=usd, output=usd * 1_000, cache_read=usd, cache_creation=usd)
    world = World(prices={UNIT: price}, budget_nanousd=20 * usd)
    world.turn(usage=Usage(0, 1_250))
    refusal = world.refused(world.spawning(budget_nanousd=18 * usd), BudgetExceeded)
    assert refusal.message == (
        "budget exceeded: $1.25 spent + $4.10 reserved + $18.00 estimated > $20.00 budget"
    )
    assert "write the final report" in refusal.next_step


def test_no_call_follows_the_last_one() -> None:
    world = tight(0)
    world.admit()
    world.answer()
    refusal = world.refused(world.admitting(), WoundDown)
    assert refusal.code == "winding_down"


def test_a_last_call_that_gave_no_answer_may_be_asked_again() -> None:
    world = tight(0)
    call = world.admit().call
    world.do(c.RecordCut(ROOT, call, "overloaded", billed=False))
    assert world.admit().final


def test_a_last_call_that_even_the_slice_does_not_pay_is_refused() -> None:
    world = World(budget_nanousd=1_000)
    assert world.refused(world.admitting(), BudgetExceeded).message.startswith("budget exceeded: ")
    assert world.actor().call is None


def test_a_lead_without_money_waits_for_its_workers_money_before_its_last_call() -> None:
    world = tight(40_000)
    worker = world.spawn(budget_nanousd=40_000)
    assert kinds(world.do(world.admitting(call="one"))) == ["CallDeferred"]
    deferral = world.actor().deferral
    assert deferral is not None
    assert deferral.why == "workers to settle"
    world.turn(worker)
    assert world.do(world.admitting(call="one")) == []
    world.exit(worker)
    admitted = world.admit(call="one")
    assert not admitted.final
    assert admitted.output_max == OUTPUT


def test_a_lead_without_money_does_not_wait_beyond_its_own_time() -> None:
    world = tight(40_000, lead_timeout_secs=600)
    world.spawn(budget_nanousd=40_000)
    world.do(world.admitting(call="one"))
    world.later(secs=600)
    admitted = world.admit(call="one")
    assert admitted.final


def test_a_lead_that_is_wound_down_waits_for_its_workers_before_its_last_call() -> None:
    world = World(lead_timeout_secs=600, grace_secs=10)
    worker = world.spawn()
    world.later(secs=600)
    world.perform()
    assert kinds(world.do(world.admitting(call="one"))) == ["CallDeferred"]
    world.exit(worker)
    assert world.admit(call="one").final


def test_the_last_call_of_a_lead_out_of_time_leaves_before_it_is_stopped() -> None:
    world = World(lead_timeout_secs=600, grace_secs=10)
    world.spawn()
    world.later(secs=600)
    world.perform()
    world.do(world.admitting(call="one"))
    world.later(secs=14.999)
    assert world.do(world.admitting(call="one")) == []
    world.later(ms=1)
    assert world.admit(call="one").final


def test_a_call_that_waited_for_workers_waits_anew_when_its_leads_time_is_up() -> None:
    world = tight(40_000, lead_timeout_secs=600, grace_secs=10)
    worker = world.spawn(budget_nanousd=40_000)
    world.do(world.admitting(call="one"))
    world.later(secs=600)
    world.perform()
    assert kinds(world.do(world.admitting(call="one"))) == ["CallDeferred"]
    world.exit(worker)
    assert world.admit(call="one").final


def test_a_last_call_is_no_longer_than_a_report() -> None:
    world = World(lead_timeout_secs=600)
    world.later(secs=600)
    world.perform()
    assert world.admit().output_max == estimates.REPORT_OUTPUT


# --- spawning


def test_an_envelope_that_does_not_fit_is_refused() -> None:
    world = tight(10_000)
    world.refused(world.spawning(budget_nanousd=10_001), BudgetExceeded)
    assert world.run.spawned_total == 0
    world.spawn(budget_nanousd=10_000)
    assert ledger.free(world.envelope()) == 0


def test_an_estimate_that_does_not_fit_is_refused() -> None:
    turn = estimates.TURN_INPUT + estimates.TURN_CACHED + estimates.TURN_OUTPUT
    world = tight(turn * 3)
    world.refused(world.spawning(max_turns=4), BudgetExceeded)
    world.spawn(max_turns=3)
    assert world.envelope().held == turn * 3


def test_an_envelope_is_carved_out_and_its_rest_comes_back() -> None:
    world = World()
    worker = world.spawn(budget_nanousd=50_000)
    assert world.envelope().granted == 50_000
    world.turn(worker, Usage(1_000, 500))
    assert world.envelope().granted == 48_500
    assert world.envelope().spent == 1_500
    world.exit(worker)
    assert world.envelope().granted == 0
    assert worker not in world.run.envelopes


def test_a_workers_own_calls_eat_its_estimate() -> None:
    world = World()
    worker = world.spawn(max_turns=10)
    held = world.envelope().held
    world.turn(worker, Usage(3_000, 500))
    assert world.envelope().held == held - 3_500
    world.exit(worker)
    assert world.envelope().held == 0


def test_a_worker_dearer_than_its_estimate_draws_on_what_is_free() -> None:
    world = World()
    worker = world.spawn(max_turns=3)
    for _ in range(3):
        world.turn(worker, Usage(11_000, 500))
    assert world.envelope().held == 0
    assert world.envelope().spent == 3 * 11_500


def test_a_settled_worker_teaches_what_the_next_of_its_kind_will_cost() -> None:
    world = World()
    for amount in (700, 100, 900):
        worker = world.spawn()
        world.turn(worker, Usage(amount, 0))
        world.exit(worker)
    world.spawn()
    assert world.envelope().held == 700


def test_a_failed_worker_teaches_nothing() -> None:
    world = World()
    worker = world.spawn()
    world.turn(worker, Usage(1, 0))
    world.exit(worker, "failed")
    assert world.run.history == {}


# --- the report slice


def test_a_report_is_kept_money_for_from_the_first_moment() -> None:
    assert World().envelope().slice == SLICE


def test_the_report_slice_follows_the_context() -> None:
    world = World()
    world.turn(usage=Usage(2_000, 300))
    assert world.envelope().slice == SLICE + 2_300
    world.turn(usage=Usage(500, 0))
    assert world.envelope().slice == SLICE + 500


def test_no_worker_is_given_the_report_slice() -> None:
    world = tight(10_000)
    world.spawn(budget_nanousd=10_000)
    assert world.envelope().slice == SLICE
    world.refused(world.spawning(budget_nanousd=1), BudgetExceeded)


def test_the_report_slice_takes_what_there_is_where_there_is_too_little() -> None:
    assert World(budget_nanousd=100).envelope().slice == 100


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 8_192)), max_size=8))
def test_after_each_turn_a_report_is_kept_money_for_as_far_as_there_is_any(
    turns: list[tuple[int, int]],
) -> None:
    world = tight(60_000)
    for read, answer in turns:
        admitted = world.admit()
        usage = Usage(min(read, admitted.input_bound), min(answer, admitted.output_max))
        world.answer(usage=usage)
        envelope = world.envelope()
        room = envelope.limit - (ledger.used(envelope) - envelope.slice)
        assert envelope.slice == min(envelope.report, room)
        if world.actor().final_used:
            return


# --- settling


def test_an_answer_dearer_than_its_bound_is_booked_in_full_and_raises_the_overhead() -> None:
    world = World()
    admitted = world.admit()
    events = world.answer(usage=Usage(admitted.input_bound + 50, OUTPUT))
    assert kinds(events) == ["TurnRecorded", "BoundExceeded"]
    exceeded = world.of(e.BoundExceeded)[0]
    assert exceeded.excess == 50
    assert exceeded.overhead == estimates.OVERHEAD + 50
    assert world.run.spent == admitted.bound + 50
    assert world.envelope().excess == 0
    world.exit()


def test_a_raised_overhead_holds_for_every_actor_of_the_model() -> None:
    world = World()
    worker = world.spawn()
    admitted = world.admit(worker)
    world.answer(worker, Usage(admitted.input_bound + 50, OUTPUT))
    assert world.admit(new_bytes=100).input_bound == 100 + FIXED + 50


def test_a_long_answer_is_no_reason_to_expect_more_input() -> None:
    world = World()
    world.admit()
    world.answer(usage=Usage(10, 2 * OUTPUT))
    assert world.of(e.BoundExceeded)[0].overhead == estimates.OVERHEAD


def test_only_an_answer_dearer_than_its_bound_passes_the_limit_and_by_its_excess() -> None:
    world = World(budget_nanousd=SLICE)
    bound_of_call = world.admit().bound
    world.answer(usage=Usage(bound_of_call + 700, 0))
    envelope = world.envelope()
    assert envelope.spent == bound_of_call + 700
    assert envelope.excess == max(0, bound_of_call + 700 - SLICE)


def test_a_cut_call_counts_whole_where_it_may_have_been_charged() -> None:
    world = World()
    admitted = world.admit()
    world.do(c.RecordCut(ROOT, admitted.call, "cancelled"))
    assert world.run.spent == admitted.bound
    assert world.envelope().reserved == 0


def test_a_cut_call_counts_nothing_where_the_provider_did_not_charge() -> None:
    world = World()
    admitted = world.admit()
    world.do(c.RecordCut(ROOT, admitted.call, "no route", billed=False))
    assert world.run.spent == 0
    assert world.envelope().reserved == 0


def test_a_late_answer_counts_only_for_what_its_cut_did_not_cover() -> None:
    world = World()
    admitted = world.admit()
    world.do(c.RecordCut(ROOT, admitted.call, "cancelled"))
    late = c.RecordTurn(ROOT, admitted.call, "[]", Usage(admitted.bound + 5, 0), "end_turn")
    assert kinds(world.do(late)) == ["TurnLate"]
    assert world.run.spent == admitted.bound + 5
    assert world.actor().turns == 0


def test_a_late_answer_cheaper_than_its_cut_gives_nothing_back() -> None:
    world = World()
    admitted = world.admit()
    world.do(c.RecordCut(ROOT, admitted.call, "cancelled"))
    world.do(c.RecordTurn(ROOT, admitted.call, "[]", Usage(1, 1), "end_turn"))
    assert world.run.spent == admitted.bound


def test_a_late_answer_to_a_call_cut_as_free_is_booked_whole() -> None:
    world = World()
    admitted = world.admit()
    world.do(c.RecordCut(ROOT, admitted.call, "no route", billed=False))
    world.do(c.RecordTurn(ROOT, admitted.call, "[]", Usage(30, 12), "end_turn"))
    assert world.run.spent == world.actor().spent == 42


def test_a_late_answer_is_booked_once() -> None:
    world = World()
    admitted = world.admit()
    world.do(c.RecordCut(ROOT, admitted.call, "cancelled", billed=False))
    late = c.RecordTurn(ROOT, admitted.call, "[]", Usage(30, 12), "end_turn")
    world.do(late)
    world.do(late)
    assert world.run.spent == 42


def test_an_answer_recorded_twice_is_paid_once() -> None:
    world = World()
    world.admit()
    answer = world.answering(usage=Usage(100, 20))
    world.do(answer)
    assert kinds(world.do(answer)) == ["TurnLate"]
    assert world.run.spent == 120
    assert world.actor().turns == 1


def test_the_late_answer_of_a_settled_worker_is_booked_in_the_run_and_in_its_record() -> None:
    world = World()
    worker = world.spawn(budget_nanousd=50_000)
    admitted = world.admit(worker)
    world.exit(worker, "failed")
    late = c.RecordTurn(worker, admitted.call, "[]", Usage(admitted.bound + 9, 0), "end_turn")
    world.do(late)
    assert world.record(worker).spent == world.run.spent == admitted.bound + 9


def test_the_answer_of_somebody_nobody_knows_is_ignored() -> None:
    world = World()
    assert world.do(c.RecordTurn(ActorId("root/W9"), CallId("x"), "[]", Usage(1), "end_turn")) == []


def test_a_call_of_a_settled_actor_is_refused() -> None:
    world = World()
    worker = world.settled()
    assert world.refused(world.admitting(worker), Settled).code == "settled"


@pytest.mark.parametrize("billed", [True, False])
def test_the_figures_of_a_model_count_every_settled_call(billed: bool) -> None:
    world = World(defaults=Settings(model=UNIT))
    world.turn(usage=Usage(10, 5))
    admitted = world.admit()
    world.do(c.RecordCut(ROOT, admitted.call, "cut", billed=billed))
    figures = world.run.models[UNIT]
    assert figures.calls == world.run.calls == 2
    assert figures.spent == world.run.spent
    assert figures.usage == Usage(10, 5)
