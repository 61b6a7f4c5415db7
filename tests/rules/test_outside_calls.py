"""Outside calls: what a session outside this process asks its model for, and what it costs."""

from msgspec.structs import replace

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, CallId
from leadhand.domain.manifest import Settings
from leadhand.domain.money import MILLION, Price, Usage
from leadhand.refusals import UnknownModel
from tests.rules.world import UNIT, UNIT_PRICE, World, intent, manifest

DEAR = Price(3 * MILLION, 3 * MILLION, 3 * MILLION, 3 * MILLION)
PRICES = {UNIT: UNIT_PRICE, "dear": DEAR}


def asks(world: World, **given: object) -> c.AdmitCall:
    """A call of the lead's."""
    settings = {"new_bytes": 100, "counted": 0, "outside": True, **given}
    return c.AdmitCall(ROOT, world.call_id(), **settings)  # type: ignore[arg-type]


def admitted(world: World, **given: object) -> e.CallAdmitted:
    """Its admission."""
    *_, event = world.do(asks(world, **given))
    assert isinstance(event, e.CallAdmitted)
    return event


def test_its_mail_is_not_delivered_by_an_ordinary_call() -> None:
    world = World()
    world.do(c.SendMessage(ROOT, "Hurry."))
    plain = admitted(world)
    assert (plain.messages, plain.outside) == ((), True)
    assert [each.text for each in world.actor().mail] == ["Hurry."]


def test_its_mail_is_delivered_by_its_last_call() -> None:
    world = World(budget_nanousd=20_000)
    world.do(c.SendMessage(ROOT, "Hurry."))
    while not (event := admitted(world, whole=True, asked=4_000)).final:
        world.answer(usage=Usage(1_000, 1_000))
    assert len(event.messages) >= 2
    assert world.actor().mail == []


def test_an_answer_is_as_long_as_it_asks_for_and_as_the_house_allows() -> None:
    world = World(max_output_tokens=5_000, lead=Settings(max_tokens=100))
    assert admitted(world, asked=32_000).output_max == 5_000
    world.answer()
    assert admitted(world, asked=70).output_max == 70
    world.answer()
    assert admitted(world).output_max == 5_000


def test_a_whole_request_is_not_added_to_what_was_read_before() -> None:
    world = World()
    world.turn(usage=Usage(30_000, 10))
    new = admitted(world, new_bytes=1_000).input_bound
    world.answer(usage=Usage(30_000, 10))
    assert new - admitted(world, new_bytes=1_000, whole=True).input_bound == 30_010


def test_another_model_costs_what_it_costs() -> None:
    world = World(manifest(prices=PRICES, max_output_tokens=100))
    own = admitted(world)
    world.answer(usage=Usage(100, 10))
    other = admitted(world, model="dear", whole=True)
    assert (other.model, other.price, other.bound) == ("dear", DEAR, 3 * own.bound)
    world.answer(usage=Usage(100, 10))
    assert world.run.spent == 110 + 330
    assert {name: each.spent for name, each in world.run.models.items()} == {UNIT: 110, "dear": 330}
    admitted(world, model="dear", whole=True)
    call = world.actor().call
    assert call is not None
    world.do(c.RecordCut(ROOT, call.id, "gone"))
    assert world.run.models["dear"].spent == 330 + call.bound


def test_an_answer_of_another_model_beyond_its_bound_raises_that_ones_overhead() -> None:
    world = World(manifest(prices=PRICES, max_output_tokens=100))
    admitted(world, model="dear", whole=True)
    world.answer(usage=Usage(50_000, 10))
    assert [each.model for each in world.of(e.BoundExceeded)] == ["dear"]


def test_a_model_without_a_price_is_refused() -> None:
    world = World()
    world.refused(asks(world, model="nobody-knows"), UnknownModel)


def test_a_worker_may_be_spawned_with_the_alias_of_a_model() -> None:
    asked = replace(manifest(prices=PRICES), aliases={"best": "dear"})
    world = World(asked)
    worker = world.spawn(model="best", models=("best", UNIT))
    assert (world.actor(worker).model, world.actor(worker).price) == ("dear", DEAR)
    assert world.actor(worker).settings.models == ("dear", UNIT)


def test_it_is_not_told_to_shorten_its_conversation() -> None:
    world = World(lead=Settings(compact_above_tokens=4_000))
    world.turn(usage=Usage(30_000, 10))
    assert not admitted(world).compacts


def test_calls_of_other_turns_stay_open_when_the_next_is_answered() -> None:
    world = World()
    admitted(world)
    world.answer(intents=(intent("a"),))
    admitted(world)
    world.answer(intents=(intent("b"),))
    assert world.actor().tools.keys() == {CallId("a"), CallId("b")}


def test_a_call_that_has_begun_already_is_not_opened_again() -> None:
    world = World()
    admitted(world)
    world.do(c.BeginTool(ROOT, intent("a")))
    since = world.actor().tools[CallId("a")].since
    world.later(secs=5)
    world.answer(intents=(intent("a"),))
    assert world.actor().tools[CallId("a")].since == since
