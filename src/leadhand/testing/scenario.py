"""Scenario: the run that a seed makes: its manifest, what its operator does, and its bad luck."""

from random import Random

from msgspec import Struct
from msgspec.structs import replace

from leadhand.domain import commands as c
from leadhand.domain.contract import NOTHING, Contract
from leadhand.domain.ids import ActorId
from leadhand.domain.manifest import (
    Agent,
    HouseRules,
    Lead,
    Manifest,
    Notification,
    Settings,
    Subleads,
    Task,
)
from leadhand.domain.money import Price, bound
from leadhand.domain.state import Run
from leadhand.engine.inbox import Mailable, encode
from leadhand.engine.resumption import Change
from leadhand.testing import asking
from leadhand.testing.deeds import MODELS

RUN = "simulated"
# About what a first turn of a simulated actor reads.
TURN_TOKENS = 14_000

COMMANDS: tuple[Mailable, ...] = (
    c.DrainRun(),
    c.DrainRun(),
    c.CancelRun("enough"),
    c.CancelActor(ActorId("root/W1"), "not needed"),
    c.CancelActor(ActorId("root/W2"), "not needed"),
    c.CancelActor(ActorId("root"), "not needed"),
)
STEERING: tuple[Mailable, ...] = (
    c.PauseActor(ActorId("root/W1")),
    c.PauseActor(ActorId("root/W1"), "freeze"),
    c.PauseActor(ActorId("root/W2")),
    c.PauseActor(ActorId("root")),
    c.PauseActor(ActorId("root"), "freeze"),
    c.PauseActor(ActorId("root"), subtree=True),
    c.PauseActor(ActorId("root"), "freeze", subtree=True),
    c.ContinueActor(ActorId("root/W1"), "Go on."),
    c.ContinueActor(ActorId("root/W2")),
    c.ContinueActor(ActorId("root"), subtree=True),
    c.RepromptActor(ActorId("root/W1"), "Otherwise."),
    c.RepromptActor(ActorId("root"), "Otherwise."),
    c.SendMessage(ActorId("root/W1"), "By the way."),
    c.SendMessage(ActorId("root"), "By the way.", subtree=True),
)
# Where there are sub-leads, one of these may be sent as well.
TO_SUBLEADS: tuple[Mailable, ...] = (
    c.CancelActor(ActorId("root/S1"), "not needed"),
    c.CancelActor(ActorId("root/S1/W1"), "not needed"),
    c.PauseActor(ActorId("root/S1"), subtree=True),
    c.ContinueActor(ActorId("root/S1"), "Go on."),
)


class Post(Struct, frozen=True):
    """A letter of the operator, and when it is sent (run_ms)."""

    at: int
    id: str
    data: bytes


class Scenario(Struct, frozen=True):
    """What happens to one run, beside what its players do.

    disk_ms: the slowest commit. disk_fails: the commit that fails, if any does; after_all: its
    rows were kept nevertheless. wall_jumps: where the wall clock moves by so much, by run_ms.
    interrupted_at: when the operator stops the first owner (run_ms).
    """

    seed: int
    manifest: Manifest
    letters: tuple[Post, ...]
    disk_ms: int
    disk_fails: int | None
    after_all: bool
    wall_jumps: tuple[tuple[int, int], ...]
    interrupted_at: int | None


def scenario(seed: int) -> Scenario:
    """The scenario of a seed."""
    dice = Random(f"scenario:{seed}")
    manifest = manifest_of(dice)
    own = Random(f"letters to subleads:{seed}") if manifest.subleads else None
    limit = manifest.house.lead_timeout_secs * 1000
    letters = (*letters_of(dice, limit, own), *steering_of(Random(f"steering:{seed}"), limit))
    if asking.asks(seed):
        questions = asking.dice_of(seed)
        manifest = replace(manifest, approvals=asking.approvals_of(questions))
        answers = enumerate(asking.letters(questions, limit))
        letters += tuple(Post(at, f"answer-{n}", encode(letter)) for n, (at, letter) in answers)
    return Scenario(
        seed=seed,
        manifest=manifest,
        letters=tuple(sorted(letters, key=lambda post: post.at)),
        disk_ms=dice.choice((0, 0, 2, 20)),
        disk_fails=dice.randint(2, 60) if dice.random() < 0.15 else None,
        after_all=dice.random() < 0.5,
        wall_jumps=tuple(
            (dice.randint(0, min(limit, 60_000)), dice.choice((-1, 1)) * dice.randint(0, 10**9))
            for _ in range(dice.choice((0, 0, 1)))
        ),
        interrupted_at=dice.randint(0, 20_000) if dice.random() < 0.1 else None,
    )


def manifest_of(dice: Random) -> Manifest:
    """House rules and settings, many of them tight."""
    roomy = dice.random() < 0.3
    price = dice.choice((0, 100, 1_000, 3_000)) * 1_000_000
    prices = {MODELS[0]: priced(dice, price), MODELS[1]: priced(dice, 5 * price)}
    lead = Settings(
        model=dice.choice(MODELS),
        directory="/",
        max_turns=None if roomy else dice.choice((None, None, 3, 12, 40)),
        max_tokens=dice.choice((300, 2_000)),
    )
    turn = bound(prices[lead.model or ""], TURN_TOKENS, lead.max_tokens or 0)
    house = HouseRules(
        max_workers=8 if roomy else dice.choice((1, 2, 3, 4, 4)),
        budget_nanousd=turn
        * (1_000 if roomy else dice.choice((1, 3, 6, 10, 20, 30, 100)))
        // dice.choice((1, 1, 1, 2)),
        lead_timeout_secs=3_600 if roomy else dice.choice((5, 30, 120, 600)),
        max_total_spawns=1_000 if roomy else dice.choice((1, 3, 6, 12)),
        grace_secs=dice.choice((0, 1, 10, 30)),
        status_dir=Random(f"status:{dice.getstate()[1][0]}").choice(("", "", "/status")),
        on_quota="fail" if dice.random() < 0.3 else "park",
        max_parallel_tasks=dice.choice((None, 1, 2, 8)),
        halt_on_failure=dice.random() < 0.2,
    )
    defaults = Settings(
        model=dice.choice((None, *MODELS)),
        timeout_secs=dice.choice((None, 10, 60)),
        max_turns=None if roomy else dice.choice((None, None, 1, 4, 12)),
        max_tokens=dice.choice((200, 1_000)),
        budget_nanousd=dice.choice((None, None, None, 3 * turn)),
        compact_above_tokens=dice.choice((None, None, 1_500, 5_000)),
    )
    helper = Settings(model=MODELS[1], max_turns=3, timeout_secs=20)
    agents = {"helper": Agent("helps", helper)}
    tasks = tasks_of(dice) if dice.random() < 0.15 else ()
    # Dice of their own leave all other draws of a seed as they were.
    own = Random(f"subleads:{dice.random()}")
    subleads = subleads_of(own, turn) if not tasks and own.random() < 0.4 else None
    if subleads is not None and own.random() < 0.8:
        spawns = max(house.max_total_spawns, 12)
        more = house.budget_nanousd * own.choice((10, 50))
        house = replace(house, budget_nanousd=more, max_total_spawns=spawns)
    return Manifest(
        Lead("simulated", "Lead a simulated run.", lead),
        house,
        defaults,
        agents,
        prices,
        tasks=tasks,
        subleads=subleads,
        # Nobody tells them anything: what there is to tell is kept, within its bounds.
        notifications=(Notification("log"), Notification("log", severity_min="error")),
    )


def subleads_of(dice: Random, turn: int) -> Subleads:
    """Within what sub-leads live, and what they have unless they are told; turn: what one costs."""
    return Subleads(
        max_subleads=dice.choice((None, 1, 2, 4)),
        max_sublead_budget_nanousd=dice.choice((None, None, 1 + 70 * turn)),
        max_total_workers=dice.choice((None, None, 2, 5)),
        max_depth=dice.choice((1, 2, 2, 3, 4)),
        max_workers=dice.choice((None, 1, 1, 2)),
        read_down=dice.random() < 0.3,
        settings=Settings(
            budget_nanousd=dice.choice((1 + 3 * turn, 1 + 12 * turn, 1 + 60 * turn)),
            timeout_secs=dice.choice((None, None, 5, 60)),
            env=dice.choice((None, {"PHASE": "one"})),
        ),
    )


def tasks_of(dice: Random) -> tuple[Task, ...]:
    """Tasks that need each other at random; some have their own ways, or a model nobody knows."""
    names = [f"task-{number}" for number in range(dice.randint(1, 12))]
    return tuple(
        Task(
            id=name,
            prompt="Do it.",
            contract=Contract(files=("out.md",)) if at % 3 == 2 else NOTHING,
            agent=dice.choice(("", "", "helper")),
            depends_on=tuple(dice.sample(names[:at], min(at, dice.choice((0, 1, 1, 2))))),
            settings=Settings(
                model=dice.choice((*MODELS, *MODELS, *MODELS, "nothing-we-know")),
                budget_nanousd=dice.choice((None, None, 10**6, 10**9)),
                timeout_secs=dice.choice((None, 5, 60)),
            ),
        )
        for at, name in enumerate(names)
    )


def priced(dice: Random, price: int) -> Price:
    """A price with a dear cache or a cheap one."""
    return Price(price, price * 5, cache_read=price // 10, cache_creation=dice.choice((0, price)))


def letters_of(dice: Random, limit: int, own: Random | None) -> tuple[Post, ...]:
    """What the operator sends: mostly nothing. own: dice for a letter to a sub-lead."""
    posts = []
    for number in range(dice.choice((0, 0, 0, 1, 1, 2, 4))):
        at = int(dice.random() * min(limit, dice.choice((3_000, 20_000, 200_000))) * 1.2)
        posts.append(Post(at, f"letter-{number}", encode(dice.choice(COMMANDS))))
    if posts and dice.random() < 0.3:
        posts.append(Post(posts[0].at + dice.choice((0, 1_000)), posts[0].id, posts[0].data))
    if dice.random() < 0.05:
        posts.append(Post(1_000, "torn", b'{"type":"DrainR'))
    if own is not None and own.random() < 0.2:
        at = int(own.random() * min(limit, 20_000))
        posts.append(Post(at, "below", encode(own.choice(TO_SUBLEADS))))
    return tuple(sorted(posts, key=lambda post: post.at))


def steering_of(dice: Random, limit: int) -> tuple[Post, ...]:
    """By what the operator steers: mostly nothing."""
    return tuple(
        Post(
            int(dice.random() * min(limit, dice.choice((2_000, 20_000, 200_000)))),
            f"steering-{number}",
            encode(dice.choice(STEERING)),
        )
        for number in range(dice.choice((0, 0, 0, 1, 3, 6)))
    )


def changes_of(dice: Random, run: Run) -> list[Change]:
    """What the operator changes as the run is taken up again: mostly nothing."""
    changes: list[Change] = []
    if dice.random() < 0.4:
        budget = run.house.budget_nanousd * dice.choice((1, 3, 4, 6, 20)) // 2
        changes.append(
            c.ChangeHouse(
                budget_nanousd=dice.choice((None, budget, budget)),
                max_workers=dice.choice((None, None, 1, 2, 8)),
                lead_timeout_secs=dice.choice((None, None, 1, 30, 600)),
            )
        )
    if dice.random() < 0.15 and run.manifest is not None:
        there = run.manifest.lead.settings.directory == "/"
        changes.append(c.MapPaths((("/", "/usr") if there else ("/usr", "/"),)))
    if dice.random() < 0.15:
        changes.append(c.CancelWorkers())
    return changes
