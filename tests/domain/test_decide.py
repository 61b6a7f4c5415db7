"""Decide: whatever is asked of whatever run, it is answered by events or refused in words."""

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.decide import DECIDE, decide
from leadhand.refusals import Refused
from tests.domain.lives import Life, lives
from tests.rules.world import kinds

seeds = st.integers(0, 2**32)
RECORDS = (c.RecordExit, c.RecordCrash, c.RecordTurn, c.RecordCut, c.RecordToolResult)
# Asking for these twice is asking once.
ONCE = (
    c.AdmitCall,
    c.SpawnActor,
    c.OpenWait,
    c.CancelActor,
    c.WarnActor,
    c.ExpireActor,
    c.WrapUpActor,
    c.StartRun,
    c.DrainRun,
    c.CancelRun,
    c.ReopenRun,
    c.FinishRun,
    c.RecordCut,
)


def test_every_command_is_in_the_table() -> None:
    assert set(DECIDE) == set(get_args(c.Command))


@settings(max_examples=40)
@given(seeds)
def test_anything_may_be_asked_in_any_order(seed: int) -> None:
    """The world checks after every event that no invariant is broken and nothing was decided by
    changing the state."""
    Life(seed).go(60)


@pytest.mark.slow
@settings(max_examples=400)
@given(seeds)
def test_anything_may_be_asked_in_any_order_for_long(seed: int) -> None:
    Life(seed).go(200)


@settings(max_examples=25)
@given(seeds)
def test_what_the_world_did_is_never_refused(seed: int) -> None:
    for life in lives(seed, 40):
        for command in (life.turn(), life.cut(), life.crash(), life.returned(), life.again()):
            assert isinstance(command, RECORDS)
            decide(life.world.run, command, life.world.now)
        exited = c.RecordExit(life.anybody(), "completed", "done")
        decide(life.world.run, exited, life.world.now)


@settings(max_examples=25)
@given(seeds)
def test_the_same_question_has_the_same_answer(seed: int) -> None:
    life = Life(seed).go(40)
    for _ in range(20):
        command = life.command()
        answers = []
        for _ in range(2):
            try:
                answers.append((decide(life.world.run, command, life.world.now), ""))
            except Refused as refusal:
                answers.append(([*refusal.record], refusal.message))
        assert answers[0] == answers[1]


@settings(max_examples=40)
@given(seeds)
def test_what_was_done_is_not_done_again(seed: int) -> None:
    for life in lives(seed, 40):
        command = life.command()
        try:
            done = life.world.do(command)
        except Refused:
            continue
        if not isinstance(command, ONCE) or not done:
            continue
        if isinstance(command, c.ExpireActor) and life.world.run.house.grace_secs == 0:
            continue
        try:
            again = decide(life.world.run, command, life.world.now)
        except Refused:
            continue
        assert kinds(again) == [], f"{command} led to {done} and then to {again}"


@settings(max_examples=25)
@given(seeds)
def test_every_refusal_has_a_code_and_a_message_of_bounded_length(seed: int) -> None:
    life = Life(seed).go(30)
    for _ in range(30):
        refusals: list[Refused] = []
        try:
            life.world.do(life.command())
        except Refused as refused:
            refusals.append(refused)
        for refusal in refusals:
            assert refusal.code.isidentifier()
            assert 0 < len(refusal.message) < 1_000
            assert all(isinstance(event, e.Event) for event in refusal.record)
