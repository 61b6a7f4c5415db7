"""Simulate: a whole run from a seed in virtual time, with bad luck, crashes and checks.

`python -m leadhand.testing.simulate --seeds 0:1000 --crashes 2` prints what fails, by seed.
"""

import argparse
import hashlib
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from random import Random

from msgspec import Struct

from leadhand.domain.rules.house import lacking
from leadhand.domain.rules.run import reopenable
from leadhand.stores.memory import KeptRun, Memory
from leadhand.testing.clock import run
from leadhand.testing.life import Life, visit
from leadhand.testing.scenario import COMMANDS, RUN, STEERING, Scenario, scenario
from leadhand.testing.verdicts import Broken, at_end, of_story
from leadhand.testing.world import World

REAL_SECS = 30.0
# A provider's quota may be used up time and again, and each time the owner lets go.
OWNERS_MAX = 100


class Outcome(Struct, frozen=True):
    """What a simulated run came to. owners: of its first story; crashes: stories told after one.

    digest: of the first log, which the seed alone decides. kinds: how often each event came.
    """

    seed: int
    status: str
    events: int
    owners: int
    crashes: int
    digest: str
    kinds: dict[str, int]


def simulate(seed: int, crashes: int | None = 2, real_secs: float = REAL_SECS) -> Outcome:
    """Play the run of a seed to its end, then again from crashes at commits of its log.

    crashes: how many, at random; None for one at each commit. real_secs: for each story.
    Raises Broken, Deadlock, TookTooLong.
    """
    plan, memory, world = scenario(seed), Memory(), World(seed)
    memory.runs[RUN] = KeptRun("")
    owners, status = play(plan, memory, world, real_secs)
    kept = memory.runs[RUN]
    kinds = Counter(row.kind for row in kept.rows)
    dice = Random(f"crashes:{seed}")
    boundaries = sorted(set(memory.boundaries(RUN)) - {len(kept.rows)})
    if crashes is not None and crashes < len(boundaries):
        boundaries = sorted(dice.sample(boundaries, crashes))
    for seq in boundaries:
        kinds += after_crash(plan, memory, world, seq, dice, real_secs)
    digest = hashlib.sha256(b"\n".join(row.data for row in kept.rows)).hexdigest()
    return Outcome(seed, status, len(kept.rows), owners, len(boundaries), digest, dict(kinds))


def after_crash(
    plan: Scenario, memory: Memory, world: World, seq: int, dice: Random, real_secs: float
) -> Counter[str]:
    """Play on from where a crash leaves the log, at times through a second crash."""
    again, after = crashed(memory, world, seq)
    try:
        if dice.random() < 0.15:
            run(visit(again, dice.choice(COMMANDS)), real_secs)
        aside = Random(f"steering:{plan.seed}:{seq}")
        if aside.random() < 0.15:
            run(visit(again, aside.choice(STEERING)), real_secs)
        play(plan, again, after, real_secs)
        later = [each for each in again.boundaries(RUN) if each > seq]
        if later and dice.random() < 0.3:
            seq = dice.choice(later)
            again, after = crashed(again, after, seq)
            play(plan, again, after, real_secs)
    except Exception as error:
        error.add_note(f"after a crash at event {seq}")
        raise
    return Counter(row.kind for row in again.runs[RUN].rows[seq:])


def crashed(memory: Memory, world: World, seq: int) -> tuple[Memory, World]:
    """What is left when the owner dies as soon as event seq is durable."""
    copy = memory.copy(RUN, seq)
    kept = copy.runs[RUN]
    now = kept.rows[-1].run_ms if kept.rows else 0
    kept.letters = {key: each for key, each in kept.letters.items() if each.wall_ms <= now}
    return copy, world.as_of(seq)


def play(plan: Scenario, memory: Memory, world: World, real_secs: float) -> tuple[int, str]:
    """Let owner after owner work until the run is over; how many it took, and how it ended."""
    kept = memory.runs[RUN]
    for number in range(1, OWNERS_MAX + 1):
        life = Life(plan, memory, world, kept.epoch)
        over = run(life.live(), real_secs)
        state = life.state
        left = reopenable(state) or lacking(state)
        again = left and world.players.dice("reopen", number).random() < 0.5
        if over and not again:
            faults = [*at_end(kept, state), *of_story(kept, world)]
            if faults:
                raise Broken("\n".join(faults[:20]))
            return number, str(state.status)
    raise Broken(f"{OWNERS_MAX} owners did not bring the run to its end")


def tell(seed: int, error: BaseException) -> None:
    """Print a failure so that it can be had again."""
    print(f"seed {seed}: {type(error).__name__}: {error}")  # noqa: T201
    for note in getattr(error, "__notes__", ()):
        print(f"  {note}")  # noqa: T201
    traceback.print_exception(error, file=sys.stdout)


def main(words: Sequence[str] | None = None) -> int:
    """Simulate a range of seeds; 1 where any fails."""
    parser = argparse.ArgumentParser(prog="leadhand.testing.simulate", description=__doc__)
    parser.add_argument("--seeds", default="0:100", help="FIRST:END, or one seed")
    parser.add_argument("--crashes", default="2", help="how many of each seed, or `all`")
    parser.add_argument("--kinds", action="store_true", help="count the events of each kind")
    given = parser.parse_args(words)
    first, colon, end = given.seeds.partition(":")
    seeds = range(int(first), int(end) if colon else int(first) + 1)
    crashes = None if given.crashes == "all" else int(given.crashes)
    begun, failed, events, told = time.monotonic(), [], 0, 0
    kinds: Counter[str] = Counter()
    for seed in seeds:
        try:
            outcome = simulate(seed, crashes)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is the seed's failure)
            failed.append(seed)
            tell(seed, error)
            continue
        kinds.update(outcome.kinds)
        events += outcome.events
        told += 1 + outcome.crashes
    secs = time.monotonic() - begun
    print(f"{len(seeds)} seeds, {told} stories, {events} events, {secs:.1f} s")  # noqa: T201
    if given.kinds:
        print("\n".join(f"{times:8} {kind}" for kind, times in kinds.most_common()))  # noqa: T201
    if failed:
        print(f"failed: {' '.join(map(str, failed))}")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
