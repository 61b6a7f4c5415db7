import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadhand.domain import layers
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.layers import Place
from leadhand.refusals import InvalidArguments, NamespaceDenied, UnknownActor
from tests.rules.world import World

W1, W2 = ActorId("root/W1"), ActorId("root/W2")


@pytest.fixture(scope="module")
def world() -> World:
    found = World()
    found.spawn()
    found.spawn()
    return found


def test_a_worker_is_in_its_parents_layer_alive_or_settled(world: World) -> None:
    own = World()
    worker = own.settled()
    assert own.run.layer_of(worker) == ROOT
    assert own.run.layer_of(ROOT) == ROOT
    assert world.run.layer_of(W1) == ROOT
    with pytest.raises(UnknownActor):
        world.run.layer_of(ActorId("root/W9"))


@pytest.mark.parametrize(
    ("caller", "text", "kept"),
    [
        (W1, "/shared/plan/part-1", Place(ROOT, "shared", "/shared/plan/part-1")),
        (W1, "/ref/spec", Place(ROOT, "ref", "/ref/spec")),
        (W1, "/peer/self/notes", Place(ROOT, "peer", "/peer/W1/notes", W1)),
        (W1, "/peer/W1/notes", Place(ROOT, "peer", "/peer/W1/notes", W1)),
        (W1, "/peer/root/W1/notes", Place(ROOT, "peer", "/peer/W1/notes", W1)),
        (ROOT, "/peer/root/W1/a/b", Place(ROOT, "peer", "/peer/W1/a/b", W1)),
        (ROOT, "/peer/self/notes", Place(ROOT, "peer", "/peer/root/notes", ROOT)),
        (ROOT, "/peer/root/notes", Place(ROOT, "peer", "/peer/root/notes", ROOT)),
        (W1, "/peer/W1/W2/x", Place(ROOT, "peer", "/peer/W1/W2/x", W1)),
    ],
)
def test_a_path_has_one_form_under_which_it_is_kept(
    world: World, caller: ActorId, text: str, kept: Place
) -> None:
    assert layers.place(world.run, caller, text) == kept
    assert layers.place(world.run, W2, kept.path) == kept
    assert layers.owner_of(ROOT, kept.path) == kept.owner


def test_a_lead_cannot_take_the_place_of_a_worker_that_is_spawned_later(world: World) -> None:
    assert layers.place(world.run, ROOT, "/peer/self/W7/x").owner == "root/W7"
    with pytest.raises(NamespaceDenied, match="is not yours to write"):
        layers.writable(world.run, ROOT, "/peer/self/W7/x")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "shared/x",
        "/shared",
        "/shared/",
        "/shared//x",
        "/shared/x/",
        "/shared/../ref/x",
        "/shared/./x",
        "/peer/self",
        "/peer/root/W1",
        "/tmp/x",
        "/Shared/x",
        "/shared/a b",
        "/shared/a\nb",
        "/shared/a\x00b",
        "/shared/\x1b[31m",
        "/shared/größe",
        "/shared/\u202egnp",
        "/shared/a*",
        "/shared/a|b",
        "/shared/" + "x" * 505,
        "\ud800",
    ],
)
def test_a_hostile_path_is_refused_with_the_grammar(world: World, text: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        layers.place(world.run, W1, text)
    assert "/shared/" in caught.value.next_step
    assert caught.value.message.isascii()
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400


def test_the_longest_path_is_kept(world: World) -> None:
    text = "/shared/" + "x" * (layers.PATH_MAX - 8)
    assert layers.place(world.run, W1, text).path == text


@pytest.mark.parametrize(
    ("caller", "text", "said"),
    [
        (W1, "/leases/x", "/leases/ is not read or written as entries"),
        (W1, "/leases", "/leases/ is not read or written as entries"),
        (W1, "/peer/W2/x", "/peer/ACTOR/ is written by that actor alone"),
        (W1, "/peer/root/x", "/peer/ACTOR/ is written by that actor alone"),
        (W1, "/peer/root/S1/x", "has a layer of its own"),
        (W1, "/peer/nobody/x", "no actor nobody in your layer"),
    ],
)
def test_what_is_anothers_is_not_read_and_the_refusal_names_the_law(
    world: World, caller: ActorId, text: str, said: str
) -> None:
    with pytest.raises(NamespaceDenied) as caught:
        layers.readable(world.run, caller, text)
    assert said in caught.value.message
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("caller", "text", "said"),
    [
        (W1, "/ref/spec", "/ref/ is written by the lead alone"),
        (ROOT, "/peer/W1/x", "/peer/ACTOR/ is written by that actor alone"),
    ],
)
def test_what_may_be_read_may_not_always_be_written(
    world: World, caller: ActorId, text: str, said: str
) -> None:
    layers.readable(world.run, caller, text)
    with pytest.raises(NamespaceDenied, match=said):
        layers.writable(world.run, caller, text)


TEXTS = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.sampled_from(["", "ref", "peer", "shared", "leases", "self", "root", "W1", "W2", "S1",
                         "a", ".", "..", "*", "é"]),
        max_size=7,
    ).map("/".join),
)  # fmt: skip


@given(st.sampled_from([ROOT, W1, W2]), TEXTS)
def test_whatever_is_asked_for_is_refused_or_has_one_form(caller: ActorId, text: str) -> None:
    world = World()
    world.spawn()
    world.spawn()
    try:
        where = layers.readable(world.run, caller, text)
    except (InvalidArguments, NamespaceDenied):
        return
    assert layers.readable(world.run, caller, where.path) == where
    assert where.path.split("/")[1] == where.space
    if where.space == "peer":
        assert caller in (ROOT, where.owner)


@pytest.mark.parametrize(
    ("run_wide", "key", "shown"),
    [(False, "root|src/a.py", "src/a.py"), (True, "|src/a.py", "src/a.py (of the whole run)")],
)
def test_a_lease_is_of_the_layer_or_of_the_whole_run(
    world: World, run_wide: bool, key: str, shown: str
) -> None:
    for name in ("src/a.py", "/leases/src/a.py"):
        assert layers.lease_key(world.run, W1, name, run_wide) == key
    assert layers.lease_name(key) == shown


@pytest.mark.parametrize("name", ["", "/", "a|b", "a b", "a\n", "x" * 201, "é", "a//b"])
def test_a_hostile_name_of_a_lease_is_refused(world: World, name: str) -> None:
    with pytest.raises(InvalidArguments, match="is not the name of a lease"):
        layers.lease_key(world.run, W1, name, run_wide=False)
