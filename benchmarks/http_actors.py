"""Http actors: how many whole workers a second over HTTP, against bare aiohttp making the same
number of the same requests to the same server.

Each worker takes two streamed model calls and one tool call, durable on SqliteStore, seven events
in all; bare aiohttp sends their bodies and only reads what comes. The server is a process of its
own that plays answers back: as one burst, and event by event as a real provider sends them.

- workers alone: spawned by commands, as in actors.py; the tool gives a text at once; nothing
  beside the log. From the first spawn to the last settlement.
- whole dispatch: the lead spawns each by a tool call and waits for each by another, the worker's
  tool reads a file, words and transcripts are kept. The time of the whole run, and in bare aiohttp
  the lead's three requests too.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

from _http import MODEL, WORKER, Heard, a_run_over, bare
from _playback import Play, answers, playing
from _run import Settled, bare_conductor, lead_turns, spawn
from _table import against, show

from leadhand.domain.ids import ROOT
from leadhand.engine.conductor import rare_collections
from leadhand.testing.step import Step

AIM = 0.7
TIMES = 3
SIZES = (100, 1_000)
WORDS = "I have looked at the file that you named, and this is what I found. " * 4

Cost = tuple[float, float]
Bodies = dict[str, list[bytes]]


def worker_turns(tool: str, args: dict[str, str]) -> list[Step]:
    """A tool call, then a word."""
    return [Step(text=WORDS, calls=((tool, args),)), Step(text=WORDS)]


def alone(count: int, trickle: bool) -> Play:
    """What the server plays to workers alone: their lead is never answered."""
    turns = worker_turns("Note", {"text": "a part of the work"})
    return Play(answers(MODEL, turns), lead=[], trickle=trickle)


def dispatch(count: int, trickle: bool) -> Play:
    """What the server plays to a whole dispatch."""
    turns = answers(MODEL, worker_turns("Read", {"file_path": "note.txt"}))
    return Play(turns, lead=answers(MODEL, lead_turns(count)), trickle=trickle)


async def workers_alone(heard: Heard, count: int) -> Cost:
    """Seconds, and seconds of processor, of workers that are spawned by commands."""
    async with a_run_over(heard) as live:
        conductor = bare_conductor(live, heard.model)
        running = asyncio.create_task(conductor.run())
        settled = Settled(live, count)
        await asyncio.sleep(0.05)
        began = time.perf_counter(), time.process_time()
        await spawn(live, count)
        await settled.all.wait()
        cost = time.perf_counter() - began[0], time.process_time() - began[1]
        # The lead's request is still open.
        conductor.suspend()
        await running
        heard.bodies[ROOT].clear()
        return cost


async def whole_dispatch(heard: Heard, count: int) -> Cost:
    """Seconds, and seconds of processor, of a whole dispatch."""
    async with a_run_over(heard) as live:
        began = time.perf_counter(), time.process_time()
        assert await live.go()
        cost = time.perf_counter() - began[0], time.process_time() - began[1]
        assert live.engine.run.status == "succeeded"
        assert len(heard.bodies[ROOT]) == 3
        return cost


async def requests_alone(url: str, bodies: Bodies, count: int) -> Cost:
    """Seconds, and seconds of processor, of bare aiohttp with the same requests."""
    assert len(bodies[WORKER]) == 2
    async with bare(url) as client:
        began = time.perf_counter(), time.process_time()
        workers = [client.ask(WORKER, bodies[WORKER]) for _ in range(count)]
        with rare_collections():
            await client.ask(ROOT, bodies[ROOT][:1])
            await asyncio.gather(client.ask(ROOT, bodies[ROOT][1:2]), *workers)
            await client.ask(ROOT, bodies[ROOT][2:])
        return time.perf_counter() - began[0], time.process_time() - began[1]


Measure = Callable[[Heard, int], Awaitable[Cost]]
KINDS: dict[str, tuple[Callable[[int, bool], Play], Measure]] = {
    "workers alone": (alone, workers_alone),
    "whole dispatch": (dispatch, whole_dispatch),
}


async def compare(url: str, measure: Measure, count: int) -> tuple[Cost, Cost]:
    """What ours and bare aiohttp take, one after the other."""
    heard = Heard(url)
    ours = await measure(heard, count)
    return ours, await requests_alone(url, heard.bodies, count)


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else TIMES
    rows = []
    for kind, (play, measure) in KINDS.items():
        for trickle in (False, True):
            for count in SIZES:
                with playing(play(count, trickle)) as player:
                    found = [asyncio.run(compare(player.url, measure, count)) for _ in range(times)]
                ours, least = (
                    [min(times[who][hand] for times in found) for hand in (0, 1)] for who in (0, 1)
                )
                ratio = least[0] / ours[0]
                rows.append(
                    (
                        f"{kind}, {'event by event' if trickle else 'in a burst'}",
                        f"{count:,}",
                        f"{count / least[0]:,.0f}",
                        f"{count / ours[0]:,.0f}",
                        f"{ratio:.2f}",
                        f"{least[1] / count * 1000:.2f}",
                        f"{ours[1] / count * 1000:.2f}",
                        f"{least[1] / ours[1]:.2f}",
                        against(ratio, AIM, more_is_better=True),
                    )
                )
    header = ("", "at once", "bare/s", "ours/s", "ratio", "bare cpu", "ours cpu", "ratio")
    show(
        f"Actors a second over HTTP, CPU in ms each (best of {times})",
        (*header, f"aim {AIM}"),
        rows,
    )


if __name__ == "__main__":
    main()
